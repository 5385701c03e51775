"""What a recogniser returns. A failure to enrol yields an entry too, one that says so (as in NIST's FRTE)."""

from typing import List, NamedTuple, Optional, Tuple

import numpy as np

from kface.faces import Faces

#: Why a face has no embedding.
NO_FACE = "no face was found"
NOT_ALIGNED = "the landmarks cannot be aligned"
NOT_FINITE = "the network gave no embedding of a finite length"


class FaceEmbedding(NamedTuple):
    """One face and its embedding.

    Attributes:
        embedding: float32 (d,), of length 1; zeros where it failed.
        failed: Whether there is no embedding to compare.
        reason: Why it failed; None where it did not.
        box: float32 (4,), x1 y1 x2 y2 in pixels; zeros where no face was found.
        score: The detector's confidence from 0 to 1.
        landmarks: float32 (5, 2), x y in pixels.
        crop: uint8 (112, 112, 3), RGB, the aligned face; black where there is none.
        sharpness: Variance of the crop's Laplacian, in squared grey levels.
    """

    embedding: np.ndarray
    failed: bool
    reason: Optional[str]
    box: np.ndarray
    score: float
    landmarks: np.ndarray
    crop: np.ndarray
    sharpness: float


class Embeddings(NamedTuple):
    """Several faces and their embeddings, as arrays.

    Attributes:
        embeddings: float32 (n, d), of length 1; zeros where one failed.
        failed: bool (n,).
        reasons: Why each failed; None where it did not.
        faces: The faces they are of, n as well; zeros where none was found.
        crops: uint8 (n, 112, 112, 3), RGB.
        sharpness: float32 (n,), see :class:`FaceEmbedding`.
        fingerprint: The bundle's; embeddings of another bundle cannot be compared with these.
    """

    embeddings: np.ndarray
    failed: np.ndarray
    reasons: Tuple[Optional[str], ...]
    faces: Faces
    crops: np.ndarray
    sharpness: np.ndarray
    fingerprint: str

    def take(self, which: List[int]) -> "Embeddings":
        """Return the entries with these numbers, in that order."""
        return Embeddings(
            self.embeddings[which],
            self.failed[which],
            tuple(self.reasons[number] for number in which),
            self.faces.take(np.array(which, np.int64)),
            self.crops[which],
            self.sharpness[which],
            self.fingerprint,
        )

    def one_by_one(self) -> List[FaceEmbedding]:
        """Return one value a face."""
        return [
            FaceEmbedding(
                self.embeddings[number],
                bool(self.failed[number]),
                self.reasons[number],
                self.faces.boxes[number],
                float(self.faces.scores[number]),
                self.faces.landmarks[number],
                self.crops[number],
                float(self.sharpness[number]),
            )
            for number in range(len(self.failed))
        ]


class Verification(NamedTuple):
    """Whether two images show the same person.

    Attributes:
        score: Cosine of the two embeddings, or -2 where one of them failed.
        same: Whether the score reaches the threshold.
        threshold: The cosine from which on it is the same person.
        fmr: The false match rate that the threshold keeps to; None where none was measured.
        reason: Why a face has no embedding; None where both have one.
    """

    score: float
    same: bool
    threshold: float
    fmr: Optional[float]
    reason: Optional[str] = None


class Identified(NamedTuple):
    """Who a face is.

    Attributes:
        face: The face.
        state: "recognised", "undecided" or "unknown".
        name: Whom the gallery has for it: the person where recognised, the candidate where undecided, None where unknown.
        score: Cosine with the most similar template of the gallery; -2 where there is none to compare.
        fmr: The false match rate that "recognised" keeps to; None where none was measured.
    """

    face: FaceEmbedding
    state: str
    name: Optional[str]
    score: float
    fmr: Optional[float]
