"""The cascade: proposals on a pyramid, refined twice; each stage runs the candidates of all images in a few batches."""

import os
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from kface.errors import ConfigError, ImageError
from kface.faces import Faces
from kface.images import in_batches
from kface.mtcnn import boxes as box
from kface.mtcnn import pyramid, settings, weights
from kface.mtcnn.again import find_again
from kface.mtcnn.base import FaceDetector
from kface.mtcnn.refine import Refined
from kface.mtcnn.stages import choose, open_stages
from kface.native import kernels

PathLike = Union[str, "os.PathLike[str]"]

#: Overlap (IoU) above which the worse of two candidates is dropped: within a level of the pyramid, between levels, after R-Net.
NMS_WITHIN_LEVEL, NMS_BETWEEN_LEVELS, NMS_RNET = 0.5, 0.7, 0.7
#: The same after O-Net, where the overlap is relative to the smaller box.
NMS_ONET = 0.7


class FaceCandidates(NamedTuple):
    """Boxes of one image between two stages of the cascade: float64 (n, 4) and float32 (n,), best first."""

    boxes: np.ndarray
    scores: np.ndarray


class Detector(FaceDetector):
    """Finds faces and their five landmarks.

    Without `brighten` it finds the same faces as the ``mtcnn`` package with ``min_face_size=20`` (up to float noise). Not
    for use by several threads at once. A context manager, which closes it.

    Detectors that :meth:`with_min_face` and :meth:`with_brighten` return share its networks: closing one of them closes all.

    Args:
        models: Directory of the ONNX networks; by default that of :func:`kface.mtcnn.weights.prepare`.
        min_face: Side of the smallest face in pixels, 20 to 10000; rounded down to the grid 20 / factor^k, so that the
            faces it still finds are where they would be found with 20.
        thresholds: Scores above which P-, R- and O-Net pass a candidate on, each at least 0 and less than 1.
        factor: Scale from one level of the pyramid to the next, 0.5 to 0.95.
        runtime: A name in :data:`kface.networks.RUNTIMES`, ``native`` for the compiled kernels (:mod:`kface.native`), or
            ``auto``; see :func:`kface.mtcnn.stages.choose`.
        threads: Number of threads; None for one per core that this process may use.
        brighten: Ways to brighten an image in which too few faces are found, the first to try first: names in
            :data:`kface.mtcnn.brighten.WAYS`. By default none. Faces found before are kept unchanged.

    Raises:
        ConfigError: A setting is out of its range.
        ModelError: The networks are missing, cannot be converted, or differ from their recorded hashes; from the methods:
            they have been closed.

    Example:
        >>> faces = Detector(min_face=39.8).detect(image)  # doctest: +SKIP
    """

    def __init__(
        self,
        models: Optional[PathLike] = None,
        min_face: float = settings.MIN_FACE,
        thresholds: Sequence[float] = settings.THRESHOLDS,
        factor: float = settings.FACTOR,
        runtime: str = "auto",
        threads: Optional[int] = None,
        brighten: Optional[Sequence[str]] = (),
    ) -> None:
        if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
            raise ConfigError("must be a whole number of at least 1, not {!r}".format(threads), "threads")
        self.min_face = settings.min_face(min_face)
        self.thresholds = settings.thresholds(thresholds)
        self.factor = settings.factor(factor)
        self.brighten = settings.brighten(brighten)
        name = choose(runtime)
        self._stages = open_stages(weights.prepare(models), name, threads)

    def with_min_face(self, min_face: float) -> "Detector":
        """Return a detector for another smallest face that shares this one's networks."""
        other = self._shared()
        other.min_face = settings.min_face(min_face)
        return other

    def with_brighten(self, brighten: Optional[Sequence[str]]) -> "Detector":
        """Return a detector that brightens in other ways, or in none, and shares this one's networks."""
        other = self._shared()
        other.brighten = settings.brighten(brighten)
        return other

    def plain(self) -> "Detector":
        """See :meth:`FaceDetector.plain`; it shares this one's networks."""
        return self.with_brighten(()) if self.brighten else self

    def _shared(self) -> "Detector":
        other = Detector.__new__(Detector)
        other.__dict__.update(self.__dict__)
        return other

    @property
    def runtime(self) -> str:
        """Name of the runtime that runs the networks."""
        return self._stages.runtime

    def close(self) -> None:
        """Free the networks and end their threads.

        Afterwards this detector, and all that share its networks, raise ModelError; closing again does nothing.
        """
        self._stages.close()

    def __enter__(self) -> "Detector":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def detect(self, rgb: np.ndarray, expected: int = 1) -> Faces:
        """Find the faces in one image.

        Args:
            rgb: uint8 (h, w, 3), RGB.
            expected: Where fewer faces are found, a detector that brightens searches brightened copies.

        Returns:
            The faces, best score first, then those that only a copy shows, best first; none for an image with a side of less
            than 12 pixels.

        Raises:
            ImageError: The array is not such an image.
        """
        return self.detect_many([rgb], expected)[0]

    def detect_many(self, images: Sequence[np.ndarray], expected: int = 1) -> List[Faces]:
        """Find the faces in several images of any sizes; each network runs on the candidates of all of them together.

        Args:
            images: uint8 (h, w, 3), RGB.
            expected: As for :meth:`detect`, in each image.

        Returns:
            As :meth:`detect` returns, in the images' order.
        """
        found = self._detect(images, None)
        if not self.brighten:
            return found
        return find_again(lambda some: self._detect(some, None), images, found, self.brighten, expected)

    def detect_others(self, rgb: np.ndarray, known: np.ndarray) -> Faces:
        """Find the faces in an image that are not known yet; R- and O-Net do not run on the known ones.

        Args:
            rgb: uint8 (h, w, 3), RGB.
            known: (m, 4), x1 y1 x2 y2 of faces in this image.

        Raises:
            ImageError: The array is not such an image.
        """
        known = np.asarray(known, np.float64).reshape(-1, 4)
        faces = self._detect([rgb], known)[0]
        # Regression may have moved a candidate onto a known face.
        return faces.take(~box.covered(faces.boxes, known))

    def refine(self, rgb: np.ndarray, boxes: np.ndarray) -> Refined:
        """Find the faces of the previous frame again with O-Net alone, whose candidates are their squared boxes.

        With R-Net before it, fewer are found. A face that O-Net rejects is not returned: finding it again takes the complete
        cascade.

        Args:
            rgb: uint8 (h, w, 3), RGB.
            boxes: (n, 4), x1 y1 x2 y2 in pixels of this image, from the previous frame.

        Returns:
            The faces and the boxes that they were found in. Where several boxes lead to one face, the best score keeps it.

        Raises:
            ImageError: The array is not such an image, or a box is not finite.
        """
        self._stages.check_open()
        boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
        check_rgb(rgb)
        if not np.isfinite(boxes).all():
            raise ImageError("a box that is not finite cannot be refined")
        squares = box.square(boxes if rgb.size else boxes[:0])
        return Refined(*self._faces_and_owners(squares, self._stages.refine_few(rgb, squares)))

    def _detect(self, images: Sequence[np.ndarray], known: Optional[np.ndarray]) -> List[Faces]:
        self._stages.check_open()
        for rgb in images:
            check_rgb(rgb)
        found: List[Faces] = []
        # Float copies of large images take gigabytes, so only a few images are converted at once.
        for group in in_batches(images, max(1, len(images)), lambda rgb: int(rgb.shape[0] * rgb.shape[1])):
            found += self._detect_group(group, known)
        return found

    def _detect_group(self, images: Sequence[np.ndarray], known: Optional[np.ndarray]) -> List[Faces]:
        shapes = [rgb.shape[:2] for rgb in images]
        prepared = [self._stages.prepare(rgb) for rgb in images]
        found = self._propose(prepared, shapes)
        if known is not None:
            found = [FaceCandidates(*(part[~box.covered(some.boxes, known)] for part in some)) for some in found]
        outputs = self._stages.refine("rnet", prepared, [some.boxes for some in found])
        found = [self._pass_on(some.boxes, part) for some, part in zip(found, outputs)]
        outputs = self._stages.refine("onet", prepared, [some.boxes for some in found])
        return [self._faces(some.boxes, part) for some, part in zip(found, outputs)]

    def _propose(self, images: List[Any], shapes: List[Tuple[int, ...]]) -> List[FaceCandidates]:
        """Run P-Net on the pyramids and suppress overlaps within each level, then between levels."""
        levels = [
            (number, scale)
            for number, shape in enumerate(shapes)
            for scale in pyramid.scales(shape[0], shape[1], self.min_face, self.factor)
        ]
        windows = self._stages.windows(images, levels, box.least_logit(self.thresholds[0]))
        proposed = box.proposals(windows, self.thresholds[0], [scale for _, scale in levels])

        def pass_on(found: Tuple[np.ndarray, np.ndarray]) -> Tuple[np.ndarray, np.ndarray]:
            boxes, scores = found
            stay = suppress(boxes, NMS_WITHIN_LEVEL)
            return boxes[stay], scores[stay]

        parts: List[List[Tuple[np.ndarray, np.ndarray]]] = [[] for _ in images]
        # Threads for what compiled kernels do in no time would cost more than they save.
        spread = map if kernels().compiled else self._stages.map
        for (number, _), part in zip(levels, spread(pass_on, proposed)):
            parts[number].append(part)
        return [self._join_levels(part) for part in parts]

    @staticmethod
    def _join_levels(parts: List[Tuple[np.ndarray, np.ndarray]]) -> FaceCandidates:
        if not parts:
            return FaceCandidates(np.zeros((0, 4)), np.zeros((0,), np.float32))
        best = _sorted(np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts]))
        stay = suppress(best.boxes, NMS_BETWEEN_LEVELS)
        return FaceCandidates(box.square(best.boxes[stay]), best.scores[stay])

    def _pass_on(self, boxes: np.ndarray, outputs: Dict[str, np.ndarray]) -> FaceCandidates:
        """Keep the candidates that R-Net accepts, as squares."""
        if not outputs:
            return FaceCandidates(boxes, np.zeros((0,), np.float32))
        scores = box.probability(outputs["logits"][:, 0])
        keep = scores > self.thresholds[1]
        best = _sorted(box.regress(boxes, outputs["offsets"])[keep], scores[keep])
        stay = suppress(best.boxes, NMS_RNET)
        return FaceCandidates(box.square(best.boxes[stay]), best.scores[stay])

    def _faces(self, boxes: np.ndarray, outputs: Dict[str, np.ndarray]) -> Faces:
        """Keep the candidates that O-Net accepts."""
        return self._faces_and_owners(boxes, outputs)[0]

    def _faces_and_owners(self, boxes: np.ndarray, outputs: Dict[str, np.ndarray]) -> Tuple[Faces, np.ndarray]:
        """Keep the candidates that O-Net accepts, with landmarks, which are relative to the box before its regression.

        Returns:
            The faces, and the number of the box that each comes from.
        """
        if not outputs:
            return Faces.empty(), np.zeros((0,), np.int64)
        scores = box.probability(outputs["logits"][:, 0])
        keep = np.flatnonzero(scores > self.thresholds[2])
        keep = keep[box.descending(scores[keep])]
        before, scores = boxes[keep], scores[keep]
        after = box.regress(before, outputs["offsets"][keep])
        sides = (before[:, 2:] - before[:, :2] + 1)[:, None, :]
        relative = outputs["landmarks"][keep].reshape(-1, 2, 5).transpose(0, 2, 1)
        landmarks = relative * sides + before[:, None, :2] - 1
        stay = suppress(after, NMS_ONET, smaller=True)
        faces = Faces(
            after[stay].astype(np.float32), scores[stay].astype(np.float32), landmarks[stay].astype(np.float32)
        )
        return faces, keep[stay]


def suppress(boxes: np.ndarray, threshold: float, smaller: bool = False) -> np.ndarray:
    """Find the boxes that no better box overlaps, as :func:`kface.mtcnn.boxes.suppress` does, compiled where that is built."""
    return kernels().suppress(boxes, threshold, smaller) if len(boxes) > 1 else np.arange(len(boxes))


def check_rgb(rgb: object) -> None:
    """Raise ImageError where a value is not uint8 (h, w, 3); a side may be 0, and strides may be any."""
    if not isinstance(rgb, np.ndarray) or rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ImageError(
            "is not an RGB image: uint8 (h, w, 3) is needed, got {} {}".format(
                getattr(rgb, "dtype", type(rgb).__name__), getattr(rgb, "shape", "")
            )
        )


def _sorted(boxes: np.ndarray, scores: np.ndarray) -> FaceCandidates:
    order = box.descending(scores)
    return FaceCandidates(boxes[order], scores[order])
