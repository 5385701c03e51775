"""The cascade: proposals on a pyramid, refined twice, all candidates of all images in one batch a stage."""

import os
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from kface.errors import ConfigError, ImageError
from kface.faces import Faces
from kface.mtcnn import boxes as box
from kface.mtcnn import pyramid, weights
from kface.networks import Network, open_network

PathLike = Union[str, "os.PathLike[str]"]

#: Overlaps above these die: within a level, between levels, after R-Net, and (by the smaller box) after O-Net.
NMS = (0.5, 0.7, 0.7, 0.7)
#: Crops that go through R- or O-Net at once.
BATCH = 256
#: Pixels of one level that go through P-Net at once, over several images of one size.
LEVEL_PIXELS = 1 << 21


class Candidates(NamedTuple):
    """Boxes of one image on their way through the cascade: float64 (n, 4) and float32 (n,), best first."""

    boxes: np.ndarray
    scores: np.ndarray


class Detector(object):
    """Finds faces and their five landmarks.

    Same faces as the ``mtcnn`` package finds with ``min_face_size=20`` (up to float noise). Not safe to share between
    threads that call it at the same time.

    Args:
        models: Directory of the three ONNX networks; by default that of :func:`kface.mtcnn.weights.prepare`.
        min_face: Side of the smallest face in pixels, at least 20; rounded down to the grid 20 / factor^k, so that the
            faces it still finds are where they would be found with 20.
        thresholds: Scores above which P-, R- and O-Net pass a candidate on.
        factor: Scale from one level of the pyramid to the next.
        runtime: A name in :data:`kface.networks.RUNTIMES`, or ``auto``.
        threads: Threads the networks may use.

    Raises:
        ConfigError: A setting is out of its range.
        ModelError: The networks are not there, cannot be made, or are not the ones that were made.

    Example:
        >>> faces = Detector(min_face=39.8).detect(image)  # doctest: +SKIP
    """

    def __init__(
        self,
        models: Optional[PathLike] = None,
        min_face: float = 20.0,
        thresholds: Sequence[float] = (0.6, 0.7, 0.8),
        factor: float = 0.709,
        runtime: str = "auto",
        threads: Optional[int] = None,
    ) -> None:
        if len(thresholds) != 3 or not all(0 <= value < 1 for value in thresholds):
            raise ConfigError(
                "must be three numbers from 0 to 1, not {}".format(list(thresholds)), "detector.thresholds"
            )
        pyramid.dropped_levels(min_face, factor)
        self.min_face = float(min_face)
        self.thresholds = tuple(float(value) for value in thresholds)
        self.factor = float(factor)
        directory = weights.prepare(models)
        known = weights.hashes(directory)
        self._networks: Dict[str, Network] = {
            name: open_network(directory / (name + ".onnx"), runtime, threads, known[name]) for name in weights.NAMES
        }

    def with_min_face(self, min_face: float) -> "Detector":
        """Return a detector for another smallest face that shares this one's networks."""
        pyramid.dropped_levels(min_face, self.factor)
        other = Detector.__new__(Detector)
        other.__dict__.update(self.__dict__)
        other.min_face = float(min_face)
        return other

    @property
    def runtime(self) -> str:
        """Name of the runtime that runs the networks."""
        return self._networks["pnet"].runtime

    def detect(self, rgb: np.ndarray) -> Faces:
        """Find the faces in one image.

        Args:
            rgb: uint8 (h, w, 3), RGB.

        Returns:
            The faces, best score first; none for an image with a side under 12 pixels.

        Raises:
            ImageError: The array is not such an image.
        """
        return self.detect_many([rgb])[0]

    def detect_many(self, images: Sequence[np.ndarray]) -> List[Faces]:
        """Find the faces in several images of any sizes; R- and O-Net see the candidates of all of them at once.

        Args:
            images: uint8 (h, w, 3), RGB.

        Returns:
            As :meth:`detect` returns, in the images' order.
        """
        for rgb in images:
            if not isinstance(rgb, np.ndarray) or rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
                raise ImageError(
                    "is not an RGB image: uint8 (h, w, 3) is needed, got {} {}".format(
                        getattr(rgb, "dtype", type(rgb).__name__), getattr(rgb, "shape", "")
                    )
                )
        normalised = [pyramid.normalise(rgb) for rgb in images]
        found = self._propose(normalised)
        pixels = [pyramid.pixels_for_crops(image) if len(c.boxes) else None for image, c in zip(normalised, found)]
        shapes = [image.shape[:2] for image in normalised]

        found = [self._pass_on(*values) for values in self._refine("rnet", 24, found, pixels, shapes)]
        return [self._faces(*values) for values in self._refine("onet", 48, found, pixels, shapes)]

    def _propose(self, images: List[np.ndarray]) -> List[Candidates]:
        """Run P-Net over the pyramids; images of one size go through it together."""
        parts: List[List[Tuple[np.ndarray, np.ndarray]]] = [[] for _ in images]
        groups: Dict[Tuple[int, ...], List[int]] = {}
        for number, image in enumerate(images):
            groups.setdefault(image.shape[:2], []).append(number)
        for (height, width), numbers in groups.items():
            for scale in pyramid.scales(height, width, self.min_face, self.factor):
                together = max(1, int(LEVEL_PIXELS / (height * width * scale * scale)))
                for start in range(0, len(numbers), together):
                    block = numbers[start : start + together]
                    batch = np.stack([pyramid.level(images[number], scale) for number in block])
                    maps = self._networks["pnet"].run(batch)
                    for number, offsets, logits in zip(block, maps["offsets"], maps["logits"]):
                        boxes, found = box.proposals(offsets, logits[0], self.thresholds[0], scale)
                        stay = box.suppress(boxes, NMS[0])
                        parts[number].append((boxes[stay], found[stay]))
        candidates = []
        for levels in parts:
            if not levels:
                candidates.append(Candidates(np.zeros((0, 4)), np.zeros((0,), np.float32)))
                continue
            best = _sorted(np.concatenate([part[0] for part in levels]), np.concatenate([part[1] for part in levels]))
            stay = box.suppress(best.boxes, NMS[1])
            candidates.append(Candidates(box.square(best.boxes[stay]), best.scores[stay]))
        return candidates

    def _refine(
        self,
        name: str,
        size: int,
        found: List[Candidates],
        pixels: List[Optional[np.ndarray]],
        shapes: List[Tuple[int, ...]],
    ) -> List[Tuple[np.ndarray, Dict[str, np.ndarray]]]:
        """Crop all candidates of all images, run a network on them, and hand each image its part of the outputs."""
        counts = [len(candidates.boxes) for candidates in found]
        total = sum(counts)
        outputs: Dict[str, np.ndarray] = {}
        if total:
            crops = np.concatenate(
                [
                    pyramid.crop_and_resize(source, (shape[0], shape[1]), candidates.boxes, size)
                    for source, shape, candidates in zip(pixels, shapes, found)
                    if source is not None
                ]
            )
            blocks = [self._networks[name].run(crops[start : start + BATCH]) for start in range(0, total, BATCH)]
            outputs = {key: np.concatenate([block[key] for block in blocks]) for key in blocks[0]}
        parts = []
        start = 0
        for candidates, count in zip(found, counts):
            part = {key: value[start : start + count] for key, value in outputs.items()} if count else {}
            parts.append((candidates.boxes, part))
            start += count
        return parts

    def _pass_on(self, boxes: np.ndarray, outputs: Dict[str, np.ndarray]) -> Candidates:
        """Keep what R-Net takes for faces, as squares."""
        if not outputs:
            return Candidates(boxes, np.zeros((0,), np.float32))
        scores = box.probability(outputs["logits"][:, 0])
        keep = scores > self.thresholds[1]
        best = _sorted(box.regress(boxes, outputs["offsets"])[keep], scores[keep])
        stay = box.suppress(best.boxes, NMS[2])
        return Candidates(box.square(best.boxes[stay]), best.scores[stay])

    def _faces(self, boxes: np.ndarray, outputs: Dict[str, np.ndarray]) -> Faces:
        """Keep what O-Net takes for faces, with the landmarks, which are relative to the box before its regression."""
        if not outputs:
            return Faces.empty()
        scores = box.probability(outputs["logits"][:, 0])
        keep = np.flatnonzero(scores > self.thresholds[2])
        keep = keep[box.descending(scores[keep])]
        before, scores = boxes[keep], scores[keep]
        after = box.regress(before, outputs["offsets"][keep])
        sides = (before[:, 2:] - before[:, :2] + 1)[:, None, :]
        relative = outputs["landmarks"][keep].reshape(-1, 2, 5).transpose(0, 2, 1)
        landmarks = relative * sides + before[:, None, :2] - 1
        stay = box.suppress(after, NMS[3], smaller=True)
        return Faces(
            after[stay].astype(np.float32), scores[stay].astype(np.float32), landmarks[stay].astype(np.float32)
        )


def _sorted(boxes: np.ndarray, scores: np.ndarray) -> Candidates:
    order = box.descending(scores)
    return Candidates(boxes[order], scores[order])
