"""The recogniser for everyday use: images in; embeddings, verifications and identities out."""

import os
from functools import partial
from typing import Any, Callable, List, Mapping, Optional, Sequence, Union

import numpy as np

from kface import alignment, bundle
from kface.bundle.directory import DETECTOR_MANIFEST
from kface.errors import ConfigError, ImageError, ModelError
from kface.faces import Faces
from kface.fields import Settings
from kface.files import sha256_file
from kface.images import read_image
from kface.mtcnn import Detector
from kface.networks import runtimes
from kface.recognizer.crops import crops_of
from kface.recognizer.embedder import Embedder
from kface.recognizer.embeddings import (
    NO_FACE,
    NOT_ALIGNED,
    NOT_FINITE,
    Embeddings,
    FaceEmbedding,
    Identified,
    Verification,
)
from kface.recognizer.operating_point import UNKNOWN, OperatingPoint
from kface.recognizer.settings import SECTIONS
from kface.recognizer.subjects import detect_subjects
from kface.recognizer.views import alignable
from kface.recognizer.votes import BestMatch
from kface.sharpness import sharpness
from kface.verification.scores import FAILED

PathLike = Union[str, "os.PathLike[str]"]
Image = Union[np.ndarray, PathLike]

#: The smallest face by default, in pixels; as in ``deploy.yaml``.
MIN_FACE: float = SECTIONS["detector"]["min_face"]


class FaceRecognizer(object):
    """Finds faces and recognises people. Not to be called from several threads at the same time.

    A gallery is anything with ``match(embeddings, k)``: for float32 (n, d) of length 1 it returns n lists of at most k
    ``(person, score)``, the most similar one first. For :meth:`FaceRecognizer.identify` it also has ``size``: how many people
    are enrolled.

    Args:
        detector: Finds faces and landmarks.
        embedder: Embeds aligned faces.
        fingerprint: The bundle's.
        operating_point: The thresholds for one comparison; None where there are none.
        decide: Returns the thresholds for a search among a number of people, see :meth:`OperatingPoint.from_settings`; where
            None, `operating_point` holds for any number.

    Attributes:
        detector: As given.
        embedder: As given.
        fingerprint: As given.
        operating_point: As given.

    Example:
        >>> recognizer = FaceRecognizer.load("bundle")  # doctest: +SKIP
        >>> recognizer.verify("a.jpg", "b.jpg").same  # doctest: +SKIP
        True
    """

    def __init__(
        self,
        detector: Detector,
        embedder: Embedder,
        fingerprint: str,
        operating_point: Optional[OperatingPoint] = None,
        decide: Optional[Callable[[int], Optional[OperatingPoint]]] = None,
    ) -> None:
        self.detector = detector
        self.embedder = embedder
        self.fingerprint = fingerprint
        self.operating_point = operating_point
        self._decide = decide

    @classmethod
    def load(
        cls,
        bundle_dir: PathLike,
        runtime: str = "auto",
        precision: str = "fp32",
        threads: Optional[int] = None,
        detector: Optional[Mapping[str, Any]] = None,
        match: Optional[Mapping[str, Any]] = None,
    ) -> "FaceRecognizer":
        """Open a bundle.

        Args:
            bundle_dir: The bundle's directory.
            runtime: A name in :data:`kface.networks.RUNTIMES`, or ``auto`` for what is fastest here.
            precision: The embedder's: "fp32", "fp16" or "int8".
            threads: Threads to use; where None, one for each core.
            detector: ``min_face``, ``thresholds``, ``factor`` and ``brighten``, as in the section of ``deploy.yaml``; see
                :class:`kface.mtcnn.Detector`. By default the smallest face is :data:`MIN_FACE`, and copies of images
                without a face are brightened in the ways of :data:`kface.mtcnn.settings.BRIGHTEN`.
            match: ``recognised`` and ``unknown``, as in the section of ``deploy.yaml``; by default the bundle's table decides.

        Raises:
            ConfigError: A setting does not exist or is out of its range.
            ModelError: It is not a bundle, or a file (named) is not the one that was exported.

        Example:
            >>> FaceRecognizer.load("bundle", **read_settings("deploy.yaml"))  # doctest: +SKIP
        """
        # The networks' hashes are checked as they are opened; the detector's are in a manifest of its own.
        opened = bundle.load(bundle_dir, check="sizes")
        models = opened.detector_directory
        known = opened.manifest.file(DETECTOR_MANIFEST)
        if sha256_file(opened.path(known.path)) != known.sha256:
            raise ModelError("was changed: its SHA-256 is not the bundle's", opened.path(known.path), "copy it again")
        decide = partial(OperatingPoint.from_settings, match or {}, opened.manifest.thresholds)
        operating_point = decide()
        # The cascade is ONNX: where the embedder's runtime cannot read that, another one finds the faces.
        finder = runtime if runtime == "auto" or runtime in runtimes(".onnx") else "auto"
        embedder = Embedder(opened, runtime, precision, threads)
        try:
            found = Detector(models, runtime=finder, threads=threads, **_detector_settings(detector))
        except Exception:
            embedder.close()
            raise
        return cls(found, embedder, opened.manifest.fingerprint, operating_point, decide)

    def with_min_face(self, min_face: float) -> "FaceRecognizer":
        """Return a recogniser for another smallest face that shares this one's networks: closing one closes both.

        Raises:
            ConfigError: It is out of its range.
        """
        detector = self.detector.with_min_face(min_face)
        return FaceRecognizer(detector, self.embedder, self.fingerprint, self.operating_point, self._decide)

    def close(self) -> None:
        """Release memory and threads of all networks: the embedder's, the detector's and those of detectors derived from it.

        Later calls raise ModelError; closing again does nothing.
        """
        self.embedder.close()
        self.detector.close()

    def __enter__(self) -> "FaceRecognizer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def faces(self, image: Image) -> List[FaceEmbedding]:
        """Find all faces of an image and embed them.

        Args:
            image: uint8 (h, w, 3) RGB, or the path of an image file.

        Returns:
            An embedding of each face, best detection first; one that cannot be embedded says so.

        Raises:
            ImageError: It is not such an image, or the file cannot be read.
        """
        return self._embed_all([image]).one_by_one()

    def embed(self, images: Union[Image, Sequence[Image]]) -> Embeddings:
        """Embed the largest face of each image; all images go through the networks together.

        Args:
            images: One image or several: uint8 (h, w, 3) RGB, or paths.

        Returns:
            An embedding for each image, in order; a failed entry for one without a face or with a face that cannot be embedded.

        Raises:
            ImageError: One is not such an image, or its file cannot be read.
        """
        pixels = [_pixels(image) for image in _several(images)]
        largest = []
        for faces in detect_subjects(self.detector, pixels):
            which = faces.largest()
            largest.append(faces.take(np.array([] if which is None else [which], np.int64)))
        found = self.embed_faces(pixels, largest)
        return _one_each(found, [faces.count for faces in largest])

    def embed_faces(self, images: Sequence[np.ndarray], faces: Sequence[Faces]) -> Embeddings:
        """Embed faces that were found before, all faces of all images in one batch.

        Args:
            images: uint8 (h, w, 3), RGB.
            faces: The faces of each.

        Returns:
            The embeddings of the first image's faces, then of the second's, and so on.
        """
        together = Faces.join(faces)
        crops = [crops_of(image, some) for image, some in zip(images, faces)]
        stacked = np.concatenate([np.zeros((0,) + (alignment.SIZE,) * 2 + (3,), np.uint8)] + crops)
        fit = alignable(together.landmarks)
        out = self.embedder.run(stacked[fit])
        embeddings = np.zeros((len(fit), self.embedder.size), np.float32)
        embeddings[fit] = out.vectors
        failed = np.ones((len(fit),), bool)
        failed[fit] = out.failed
        reasons = tuple((NOT_FINITE if good else NOT_ALIGNED) if bad else None for bad, good in zip(failed, fit))
        return Embeddings(embeddings, failed, reasons, together, stacked, sharpness(stacked), self.fingerprint)

    def verify(self, image_a: Image, image_b: Image) -> Verification:
        """Return whether the largest faces of two images are the same person's.

        Args:
            image_a: uint8 (h, w, 3) RGB, or a path.
            image_b: The other.

        Raises:
            ConfigError: There is no threshold.
            ImageError: One is not such an image, or its file cannot be read.
        """
        operating_point = self.needed_operating_point()
        pair = self.embed([image_a, image_b])
        if pair.failed.any():
            names = ("first", "second")
            reason = ", ".join(
                "{} image: {}".format(name, why) for name, why in zip(names, pair.reasons) if why is not None
            )
            return Verification(FAILED, False, operating_point.recognised, operating_point.fmr, reason)
        score = float(np.clip(np.dot(pair.embeddings[0], pair.embeddings[1]), -1, 1))
        return Verification(score, score >= operating_point.recognised, operating_point.recognised, operating_point.fmr)

    def identify(self, image: Image, gallery: Any) -> List[Identified]:
        """Return who is in an image.

        Args:
            image: uint8 (h, w, 3) RGB, or a path.
            gallery: Who is enrolled; see the class.

        Returns:
            An entry for each face, best detection first; unknown with a score of -2 where the face has no embedding.

        Raises:
            ConfigError: There is no threshold.
            ImageError: It is not such an image, or the file cannot be read.
        """
        operating_point = self.operating_point_for(gallery.size)
        found = self._embed_all([image])
        best = best_matches(gallery, found.embeddings, found.failed)
        return [
            Identified(
                face,
                operating_point.state(match[1]),
                None if operating_point.state(match[1]) == UNKNOWN else match[0],
                match[1],
                operating_point.fmr,
            )
            for face, match in zip(found.one_by_one(), best)
        ]

    def operating_point_for(self, people: int) -> OperatingPoint:
        """Return the thresholds for a search among a number of people; raises ConfigError where there are none."""
        found = None if self._decide is None else self._decide(people)
        return self.needed_operating_point() if found is None else found

    def needed_operating_point(self) -> OperatingPoint:
        """Return the thresholds for one comparison; raises ConfigError where there are none."""
        if self.operating_point is None:
            raise ConfigError(
                "the bundle has no threshold", "match.recognised", "give match.recognised and match.unknown"
            )
        return self.operating_point

    def _embed_all(self, images: Sequence[Image]) -> Embeddings:
        pixels = [_pixels(image) for image in images]
        return self.embed_faces(pixels, detect_subjects(self.detector, pixels))


def best_matches(gallery: Any, embeddings: np.ndarray, failed: np.ndarray) -> List[BestMatch]:
    """Return (person, score) of the most similar template for each embedding; (None, -2) where there is none.

    Args:
        gallery: See :class:`FaceRecognizer`; None stands for an empty one.
        embeddings: float32 (n, d), of length 1.
        failed: bool (n,), those that are not to be compared.
    """
    found: List[BestMatch] = [(None, FAILED)] * len(failed)
    there = np.flatnonzero(~failed)
    if gallery is None or not len(there):
        return found
    for number, matches in zip(there, gallery.match(embeddings[there], 1)):
        if len(matches):
            name, score = matches[0][0], matches[0][1]
            found[number] = (name, float(score))
    return found


def _one_each(found: Embeddings, counts: Sequence[int]) -> Embeddings:
    """Give every image an entry: a failed one where it has no face."""
    places = np.cumsum([0] + list(counts))
    blank = Embeddings(
        np.zeros((1, found.embeddings.shape[1]), np.float32),
        np.ones((1,), bool),
        (NO_FACE,),
        Faces(np.zeros((1, 4), np.float32), np.zeros((1,), np.float32), np.zeros((1, 5, 2), np.float32)),
        np.zeros((1,) + found.crops.shape[1:], np.uint8),
        np.zeros((1,), np.float32),
        found.fingerprint,
    )
    with_blank = Embeddings(
        np.concatenate([found.embeddings, blank.embeddings]),
        np.concatenate([found.failed, blank.failed]),
        found.reasons + blank.reasons,
        Faces.join([found.faces, blank.faces]),
        np.concatenate([found.crops, blank.crops]),
        np.concatenate([found.sharpness, blank.sharpness]),
        found.fingerprint,
    )
    return with_blank.take([int(place) if count else -1 for place, count in zip(places, counts)])


def _several(images: Union[Image, Sequence[Image]]) -> List[Image]:
    if isinstance(images, (str, os.PathLike)) or (isinstance(images, np.ndarray) and images.ndim != 4):
        return [images]
    return list(images)


def _pixels(image: Image) -> np.ndarray:
    if isinstance(image, np.ndarray):
        return image
    if isinstance(image, (str, os.PathLike)):
        return read_image(image)
    raise ImageError("is neither an RGB image (uint8, (h, w, 3)) nor a path", type(image).__name__)


def _detector_settings(given: Optional[Mapping[str, Any]]) -> Mapping[str, Any]:
    # The detector checks the values.
    return dict(SECTIONS["detector"], **Settings(given, "detector", SECTIONS["detector"]).values)
