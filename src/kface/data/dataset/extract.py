"""Converts images to a shard's bytes: the work of one worker, which does not access the data set's directory."""

import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import cv2
import numpy as np

from kface.alignment import align
from kface.data.dataset.crops import BOX, LANDMARKS, crop_jpeg
from kface.data.dataset.items import Item
from kface.data.dataset.manifest import shard_name
from kface.data.dataset.records import encode_record
from kface.data.dataset.settings import DatasetSettings
from kface.data.dataset.tfrecord import frame
from kface.data.subject import SizedDetector, SubjectFace, find_subjects
from kface.errors import DatasetError, ImageError, KFaceError, LayoutError
from kface.faces import Faces
from kface.images import encode_jpeg, in_batches
from kface.mtcnn import settings as cascade
from kface.workers import settle

if TYPE_CHECKING:
    from kface.mtcnn import Detector

#: Images that go through the detector together.
BATCH = 8
#: Images with a shorter side are refused: they are smaller than the detector's smallest face.
MIN_SIDE = 20
#: Faces with at least this fraction of the largest one's area tie with it: the most central one is taken.
TIE = 0.95
#: Minimum width of a face that only a brightened copy shows, as a fraction of the image's shorter side; K-Face's synthetic
#: rig has 0.23 or more.
PART = 0.2
NO_FACE = "no face found"
#: Origins of landmarks, as the manifest counts them.
DETECTED, ON_COPY, ALIGNED = "detected", "detected on a brightened copy", "aligned already"
NO_MEMORY = "needs more memory than is available"

CONDITIONS = ("accessory", "light", "expression", "camera")


class SharedDetector(SizedDetector, Protocol):
    """A detector whose networks others for smaller or larger faces share."""

    def with_min_face(self, min_face: float) -> "SharedDetector":
        """Return a detector for another smallest face, in pixels."""

    def close(self) -> None:
        """Free the networks, for all detectors that share them."""


class DetectorFactory(Protocol):
    """Opens a detector in whatever process it is sent to: picklable and comparable."""

    def describe(self) -> dict[str, Any]:
        """Return what distinguishes this detector from others, for the manifest."""

    def open(self) -> SharedDetector:
        """Return the detector."""


class Mtcnn(NamedTuple):
    """Opens :class:`kface.mtcnn.Detector` in whatever process it is sent to.

    Attributes:
        thresholds: Of the three networks.
        factor: Of the pyramid.
        runtime: A name that :mod:`kface.networks` knows.
        models: Directory of the networks, or None for the usual one.
    """

    thresholds: tuple[float, ...]
    factor: float
    runtime: str
    models: str | None = None

    def describe(self) -> dict[str, Any]:
        """Return the networks' hashes, which distinguish this detector from others; missing networks are converted first."""
        from kface.mtcnn import weights

        return {"name": "mtcnn", "networks": weights.hashes(weights.prepare(self.models))}

    def open(self) -> "Detector":
        """Return the detector, with one thread: every core has a worker of its own."""
        from kface.mtcnn import Detector

        return Detector(self.models, cascade.MIN_FACE, self.thresholds, self.factor, self.runtime, threads=1)


class Chunk(NamedTuple):
    """The work for one shard.

    Attributes:
        split: "train" or "test".
        subject: The identity.
        number: The shard's number among the identity's, from 0.
        items: Its images; of millions of files a sequence that makes them as they are read.
        references: By (resolution, camera), the images to take the landmarks from; only for landmarks="camera".
        settings: Validated ones.
        detector: Opened by the worker.
        parent: ID of the process that writes.
    """

    split: str
    subject: str
    number: int
    items: Sequence[Item]
    references: dict[tuple[str, int], list[Item]]
    settings: DatasetSettings
    detector: DetectorFactory
    parent: int

    @property
    def key(self) -> str:
        """The shard's name without its suffix."""
        return shard_name(self.split, self.subject, self.number)


class Extracted(NamedTuple):
    """The result of a chunk.

    Attributes:
        key: The chunk's.
        data: The shard's bytes; empty where every image was refused.
        images: Number of its images.
        refused: (name, reason) of the others.
        conditions: Number of images by condition and its value; empty for a corpus without conditions.
        landmarks: Number of images by origin.
        seen: Number of the chunk's images.
    """

    key: str
    data: bytes
    images: int
    refused: list[tuple[str, str]]
    conditions: dict[str, dict[str, int]]
    landmarks: dict[str, int]
    seen: int


class RecordedFace(NamedTuple):
    """The face of a record: float32 (5, 2), float32 (4,), the detector's score and where the landmarks come from."""

    landmarks: np.ndarray
    box: np.ndarray
    score: float
    origin: str

    @classmethod
    def of(cls, face: SubjectFace) -> "RecordedFace":
        """Return a face that the detector found."""
        origin = DETECTED if face.attempt.way is None else ON_COPY
        return cls(face.landmarks, face.box, face.score, f"{origin}, min_face {face.attempt.detector.min_face:g}")


_local = threading.local()


def extract(chunk: Chunk) -> Extracted:
    """Detect, align and encode a chunk's faces.

    Raises:
        KFaceError: The detector cannot be opened, or fails on an image (named).
    """
    settle(chunk.parent)
    if chunk.settings.landmarks == "aligned":
        return _copy(chunk)
    finder = _Finder(chunk)
    framed: list[bytes] = []
    refused: list[tuple[str, str]] = []
    conditions: dict[str, dict[str, int]] = {}
    for batch in in_batches(_images_of(chunk, refused), BATCH, lambda pair: pair[1].shape[0] * pair[1].shape[1]):
        for (item, image), found in zip(batch, finder.find_each(batch), strict=False):
            if isinstance(found, str):
                refused.append((item.name, found))
                continue
            try:
                crop = align(image, found.landmarks[None])[0]
            except ImageError as error:
                refused.append((item.name, error.what))
                continue
            jpeg = encode_jpeg(crop, chunk.settings.quality)
            framed.append(frame(encode_record(jpeg, item.name, item.capture, found.landmarks, found.box, found.score)))
            finder.count(found.origin)
            if item.capture.camera:
                for name, number in zip(CONDITIONS, item.capture[1:5], strict=False):
                    by_number = conditions.setdefault(name, {})
                    by_number[str(number)] = by_number.get(str(number), 0) + 1
    return Extracted(chunk.key, b"".join(framed), len(framed), refused, conditions, finder.origins, len(chunk.items))


def _copy(chunk: Chunk) -> Extracted:
    """Encode a chunk's aligned crops; JPEGs are copied."""
    framed: list[bytes] = []
    refused: list[tuple[str, str]] = []
    for item in chunk.items:
        try:
            jpeg = crop_jpeg(item.encoded(), item.place, chunk.settings.quality)
        except ImageError as error:
            refused.append((item.name, error.what))
            continue
        framed.append(frame(encode_record(jpeg, item.name, item.capture, LANDMARKS, BOX, 1.0)))
    origins = {ALIGNED: len(framed)} if framed else {}
    return Extracted(chunk.key, b"".join(framed), len(framed), refused, {}, origins, len(chunk.items))


def _images_of(chunk: Chunk, refused: list[tuple[str, str]]) -> Iterator[tuple[Item, np.ndarray]]:
    """Yield a chunk's readable images; the others are added to `refused` with the reason."""
    for item in chunk.items:
        try:
            image = _read(item)
        except ImageError as error:
            refused.append((item.name, error.what))
            continue
        yield item, image


def _read(item: Item) -> np.ndarray:
    """Return an item's image; raises ImageError where it cannot be read or is too small."""
    image = item.read()
    if min(image.shape[:2]) < MIN_SIDE:
        raise ImageError("is too small ({1}x{0} pixels)".format(*image.shape[:2]), item.place)
    return image


def choose(faces: Faces, shape: Sequence[int]) -> int | None:
    """Return the face that an image is about: the largest; of several about as large, the one nearest to the centre.

    Args:
        faces: The faces found.
        shape: Height and width of the image.
    """
    if not faces.count:
        return None
    areas = faces.areas
    centres = (faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2
    away = np.hypot(centres[:, 0] - shape[1] / 2, centres[:, 1] - shape[0] / 2)
    away[areas < TIE * areas.max()] = np.inf
    return int(np.argmin(away))


class _Finder:
    """Finds the face of each image as the settings require."""

    def __init__(self, chunk: Chunk) -> None:
        self.settings = chunk.settings
        self.detectors = _detectors(chunk.detector, tuple(chunk.settings.min_face))
        self.references = chunk.references
        self.reused: dict[tuple[str, int], RecordedFace | None] = {}
        self.origins: dict[str, int] = {}

    def count(self, origin: str) -> None:
        self.origins[origin] = self.origins.get(origin, 0) + 1

    def find_each(self, batch: Sequence[tuple[Item, np.ndarray]]) -> list[RecordedFace | str]:
        """Return the face of each image, or the reason why it has none."""
        try:
            found = self.find([item for item, _ in batch], [image for _, image in batch])
        except MemoryError:
            if len(batch) == 1:
                return [NO_MEMORY]
            # One image that is too large must not prevent the others.
            return [self.find_each([pair])[0] for pair in batch]
        return [NO_FACE if one is None else one for one in found]

    def find(self, items: Sequence[Item], images: Sequence[np.ndarray]) -> list[RecordedFace | None]:
        if self.settings.landmarks == "camera":
            return [self._reuse((item.capture.resolution, item.capture.camera)) for item in items]
        found: list[RecordedFace | None] = [None] * len(items)
        if self.settings.landmarks == "annotation":
            found = [self._annotated(item) for item in items]
        left = [index for index, one in enumerate(found) if one is None]
        detected = self.detect([items[index] for index in left], [images[index] for index in left])
        for index, one in zip(left, detected, strict=True):
            found[index] = one
        return found

    def detect(self, items: Sequence[Item], images: Sequence[np.ndarray]) -> list[RecordedFace | None]:
        def run(detector: SizedDetector, pictures: list[np.ndarray], left: list[int]) -> list[Faces]:
            return _run(detector, [items[index].place for index in left], pictures)

        faces = find_subjects(images, self.detectors, self.settings.brighten, choose, PART, detect=run)
        return [None if face is None else RecordedFace.of(face) for face in faces]

    def _reuse(self, key: tuple[str, int]) -> RecordedFace | None:
        if key not in self.reused:
            self.reused[key] = None
            for item in self.references.get(key, ()):
                try:
                    found = self.detect([item], [_read(item)])[0]
                except ImageError:
                    continue
                if found is not None:
                    copied = ", " + ON_COPY if found.origin.startswith(ON_COPY) else ""
                    self.reused[key] = found._replace(origin="reused for the camera" + copied)
                    break
        return self.reused[key]

    def _annotated(self, item: Item) -> RecordedFace | None:
        try:
            marked = item.marked()
        except LayoutError:
            self.count("malformed annotation")
            return None
        return None if marked is None else RecordedFace(marked.landmarks, marked.box, 1.0, "annotation file")


def _run(detector: SizedDetector, places: Sequence[str], images: Sequence[np.ndarray]) -> list[Faces]:
    try:
        return detector.detect_many(images)
    except (KFaceError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, cv2.error) and getattr(error, "code", None) == cv2.Error.StsNoMem:
            raise MemoryError
        where = places[0] if len(places) == 1 else f"{places[0]} and the {len(places) - 1} images after it"
        raise DatasetError(f"the detector failed ({type(error).__name__}: {error})", where)


def _detectors(factory: DetectorFactory, sizes: tuple[float, ...]) -> list[SharedDetector]:
    """Return a detector for each smallest face; opened once in a thread, because one must not serve two threads."""
    key = (factory, sizes)
    if getattr(_local, "key", None) != key:
        for before in getattr(_local, "detectors", [])[:1]:
            # It shares its networks with the others.
            before.close()
        _local.detectors, _local.key = [], None
        first = factory.open()
        _local.detectors = [first.with_min_face(size) for size in sizes]
        _local.key = key
    found: list[SharedDetector] = _local.detectors
    return found
