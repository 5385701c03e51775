"""Enrolment, shared by all front ends: find the face, judge it, embed it, look for duplicates, and add it."""

import contextlib
import os
import threading
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from kface.errors import ImageError, ModelError
from kface.faces import Faces
from kface.gallery.gallery import Gallery
from kface.gallery.gate import QualityGate
from kface.gallery.quality import Limits, Refusal, refuse
from kface.gallery.values import clean_name
from kface.images import read_image

if TYPE_CHECKING:
    from kface.recognizer import FaceRecognizer

PathLike = Union[str, "os.PathLike[str]"]

#: From this cosine on two templates are of one picture, whatever the thresholds are.
SAME_PICTURE = 0.999
#: Number of people compared for a warning: more than would have enrolled one picture by mistake.
COMPARED = 16


class EnrolledFace(NamedTuple):
    """What was enrolled.

    Attributes:
        name: The person, as the gallery has it.
        template: The template's ID there.
        warning: What to know about it, such as whom else the face looks like; None where there is nothing.
    """

    name: str
    template: int
    warning: Optional[str] = None


class FoundFace(NamedTuple):
    """A face of an image that may be enrolled.

    Attributes:
        box: float32 (4,), x1 y1 x2 y2 in pixels.
        crop: uint8 (112, 112, 3), RGB, the aligned face.
        embedding: float32 (d,), of length 1.
        failed: Why it has no embedding; empty where it has one.
        refusals: Why it is not good enough, were it the only face of the image; none where it is.
        fingerprint: Of the model of the embedding.
    """

    box: np.ndarray
    crop: np.ndarray
    embedding: np.ndarray
    failed: str
    refusals: Tuple[Refusal, ...]
    fingerprint: str


class FoundFaces(NamedTuple):
    """What :meth:`Enrolment.find_faces` found.

    Attributes:
        image: uint8 (h, w, 3), RGB.
        faces: The faces, best detection first.
        refusals: Why the image is not one of one face; none where it is.
    """

    image: np.ndarray
    faces: Tuple[FoundFace, ...]
    refusals: Tuple[Refusal, ...]


class Enrolment(object):
    """Enrols faces. Safe to share between threads.

    Args:
        gallery: Where they are enrolled.
        recognizer: Finds and embeds them; of the model that the gallery was opened for.
        limits: What a face must be; the default where None.
        keep_crops: Whether the aligned faces are kept (encrypted), for a later model.
        networks: Held while the recogniser works, where others use it as well.
        threshold: Returns the cosine from which on a face looks like another person's, None where there is no threshold; by
            default what the recogniser's bundle recommends for the number of people enrolled.

    Attributes:
        gallery: As given.
        gate: Decides whether a face is good enough.
        networks: As given.

    Example:
        >>> Enrolment(gallery, recognizer).enrol_image("Kim", "kim.jpg")  # doctest: +SKIP
        EnrolledFace(name='Kim', template=1, warning=None)
    """

    def __init__(
        self,
        gallery: Gallery,
        recognizer: "FaceRecognizer",
        limits: Optional[Limits] = None,
        keep_crops: bool = False,
        networks: Optional["contextlib.AbstractContextManager[Any]"] = None,
        threshold: Optional[Callable[[], Optional[float]]] = None,
    ) -> None:
        self.gate = QualityGate(limits, recognizer.detector)
        self.gallery = gallery
        self._threshold = self._recommended if threshold is None else threshold
        self._recognizer = recognizer
        self._keep_crops = keep_crops
        self.networks: Any = threading.Lock() if networks is None else networks

    def known_name(self, name: str) -> str:
        """Return a name as it would be enrolled: composed, and without superfluous white space.

        Where an enrolled name looks the same, it is that one.

        Raises:
            GalleryError: It cannot be a name.
        """
        return self.gallery.enrolled_name(name) or clean_name(name)

    def enrol_image(self, name: str, image: Union[np.ndarray, PathLike], force: bool = False) -> EnrolledFace:
        """Enrol the one face of an image.

        Args:
            name: Of the person, who may be enrolled already.
            image: uint8 (h, w, 3) RGB, or the path of an image file.
            force: Enrol it even if it is not good enough; one face that can be embedded is needed all the same.

        Raises:
            ImageError: It cannot be read, or must not be enrolled; with all the reasons.
            GalleryError: The name is invalid, or the gallery is of another model.
        """
        name = self.known_name(name)
        where = None if isinstance(image, np.ndarray) else image
        found = self.find_faces(image)
        if len(found.faces) == 1:
            face = found.faces[0]
            if face.failed:
                raise ImageError("cannot be enrolled: {}".format(face.failed), where, "take another picture")
            refuse(() if force else face.refusals, where)
            return self._add(name, face.embedding, face.crop)
        refuse(found.refusals, where)
        raise ImageError("has {} faces".format(len(found.faces)), where, "give a picture of one person")

    def find_faces(self, image: Union[np.ndarray, PathLike]) -> "FoundFaces":
        """Find, judge and embed all faces of an image, for the user to pick one; each is judged as if it were alone.

        Args:
            image: uint8 (h, w, 3) RGB, or the path of an image file.

        Raises:
            ImageError: It cannot be read.
        """
        rgb = image if isinstance(image, np.ndarray) else read_image(image)
        with self.networks:
            found = self._recognizer.faces(rgb)
            each = [Faces(one.box[None], np.array([one.score], np.float32), one.landmarks[None]) for one in found]
            refusals: Sequence[Refusal] = ()
            if len(found) != 1:
                refusals = self.gate.refusals(rgb, Faces.join(each))
            faces = [
                FoundFace(
                    one.box,
                    one.crop,
                    one.embedding,
                    str(one.reason) if one.failed else "",
                    () if one.failed else tuple(self.gate.refusals(rgb, faces, one.crop)),
                    self._recognizer.fingerprint,
                )
                for one, faces in zip(found, each)
            ]
        return FoundFaces(rgb, tuple(faces), tuple(refusals))

    def enrol_found(self, name: str, face: "FoundFace", force: bool = False) -> EnrolledFace:
        """Enrol one of the faces that :meth:`find_faces` returned.

        Args:
            name: Of the person, who may be enrolled already.
            face: The face; embedded again where it was found with another model.
            force: Enrol it even if it is not good enough.

        Raises:
            ImageError: It has no embedding, or is not good enough.
            GalleryError: The name is invalid, or the gallery is of another model.
        """
        if face.failed:
            raise ImageError("cannot be enrolled: {}".format(face.failed), "the face", "take another picture")
        refuse(() if force else face.refusals, "the face")
        same = face.fingerprint == self._recognizer.fingerprint
        embedding = face.embedding if same else self.embed(face.crop[None])[0]
        return self._add(self.known_name(name), embedding, face.crop)

    def enrol_face(
        self, name: str, crop: np.ndarray, refusals: Sequence[Union[str, Refusal]] = (), force: bool = False
    ) -> EnrolledFace:
        """Enrol a face that was found, and judged by the :attr:`gate`, before.

        Args:
            name: Of the person, who may be enrolled already.
            crop: uint8 (112, 112, 3), RGB, the aligned face.
            refusals: Why the gate refused it.
            force: Enrol it in spite of that.

        Raises:
            ImageError: It is not good enough.
            ModelError: The network gives no embedding for it.
            GalleryError: The name is invalid, or the gallery is of another model.
        """
        if not force:
            refuse(refusals, "the face")
        name = self.known_name(name)
        return self._add(name, self.embed(crop[None])[0], crop)

    def embed(self, crops: np.ndarray) -> np.ndarray:
        """Embed aligned faces.

        Args:
            crops: uint8 (n, 112, 112, 3), RGB.

        Returns:
            float32 (n, d), of length 1.

        Raises:
            ModelError: The network gives no embedding for one of them.
        """
        with self.networks:
            made = self._recognizer.embedder.run(crops)
        if made.failed.any():
            raise ModelError(
                "has no embedding for {} of {} faces".format(int(made.failed.sum()), len(crops)),
                None,
                "use other pictures of them",
            )
        return made.vectors

    def _add(self, name: str, embedding: np.ndarray, crop: np.ndarray) -> EnrolledFace:
        warning = duplicate(self.gallery, name, embedding, self._threshold())
        return EnrolledFace(name, self.gallery.add(name, embedding, crop if self._keep_crops else None), warning)

    def _recommended(self) -> Optional[float]:
        if self._recognizer.operating_point is None:
            return None
        return self._recognizer.operating_point_for(self.gallery.size).recognised


def duplicate(gallery: Any, name: str, embedding: np.ndarray, recognised: Optional[float] = None) -> Optional[str]:
    """Return what should be known before a face is enrolled under a name; None where there is nothing.

    The same picture, or a face that is recognised, may be enrolled under another name already. That is no reason
    against it, for there are twins; mostly it is a mistake.

    Args:
        gallery: See :meth:`kface.gallery.Gallery.match`.
        name: The name to be enrolled.
        embedding: float32 (d,), of length 1.
        recognised: The threshold from which on a cosine is the person; None where there is none.

    Raises:
        GalleryError: The name is invalid, or the gallery is of another model.
    """
    name = clean_name(name)
    others = [match for match in gallery.match(np.asarray(embedding)[None], COMPARED)[0] if match[0] != name]
    if not others:
        return None
    same = [match for match in others if match[1] >= SAME_PICTURE]
    if same:
        # The person who had it first is the likeliest owner; nothing but rounding orders the scores.
        first = min(same, key=lambda match: getattr(match, "template", 0))
        return "the same picture is already enrolled as {}".format(first[0])
    other, score = str(others[0][0]), float(others[0][1])
    if recognised is not None and score >= recognised:
        return "looks like {} (score {:.3f})".format(other, score)
    return None
