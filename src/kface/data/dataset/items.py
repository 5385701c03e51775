"""The interface between a corpus and the data set's builder: its people, and images that can be read."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Union

import numpy as np

from kface.data.layout import Capture, Problems, annotation_beside, read_annotation
from kface.data.protocols import Protocol
from kface.errors import ImageError
from kface.images import decode_image, read_bytes

if TYPE_CHECKING:
    from kface.data.dataset.settings import DatasetSettings

PathLike = Union[str, "os.PathLike[str]"]

#: Stamp of a file that does not exist.
ABSENT = "absent"


@dataclass(frozen=True)
class Marked:
    """A face that the corpus annotates.

    Attributes:
        landmarks: float32 (5, 2), x y in pixels, in the order of :data:`kface.faces.LANDMARK_NAMES`.
        box: float32 (4,), x1 y1 x2 y2 in pixels.
    """

    landmarks: np.ndarray
    box: np.ndarray


@dataclass(frozen=True)
class Item(ABC):
    """One image to put into a data set; it is pickled and read by a worker.

    Attributes:
        name: Its name in the data set: K-Face's relative path, or ``person/file``.
        capture: Its conditions; in a corpus without conditions the four numbers are 0.
    """

    name: str
    capture: Capture

    @property
    def place(self) -> str:
        """Its location, for messages and sorting."""
        return self.name

    @abstractmethod
    def read(self) -> np.ndarray:
        """Return the image as uint8 (h, w, 3), RGB; raises ImageError where it cannot be read."""

    def encoded(self) -> bytes:
        """Return the encoded image, for corpora of aligned crops; raises ImageError where it cannot be read."""
        raise ImageError("is not an aligned crop", self.place)

    @abstractmethod
    def stamp(self) -> str:
        """Return a text that changes with the image, without reading it; its shard is then rebuilt."""

    def marked(self) -> Marked | None:
        """Return the face that the corpus annotates in it, or None; raises LayoutError where the annotation cannot be read."""
        return None

    def marks_stamp(self) -> str:
        """Return a text that changes with the annotation."""
        return ABSENT


@dataclass(frozen=True)
class FileItem(Item):
    """An image file.

    Attributes:
        path: The file.
        strict: Whether its format must be that of its suffix, as in K-Face; other photographs often differ.
    """

    path: str
    strict: bool = True

    @property
    def place(self) -> str:
        """The file."""
        return self.path

    def read(self) -> np.ndarray:
        """Read and decode the file.

        Raises:
            ImageError: It is empty or truncated, cannot be decoded, or is not a JPEG despite its suffix.
        """
        data = self.encoded()
        if self.strict and self.path.lower().endswith((".jpg", ".jpeg")) and data[:2] != b"\xff\xd8":
            raise ImageError("is not a JPEG image", self.path)
        return decode_image(data, self.path)

    def encoded(self) -> bytes:
        """Return the file's bytes."""
        return read_bytes(self.path)

    def stamp(self) -> str:
        """Return the file's size and modification time."""
        return _stamp(self.path)

    def marked(self) -> Marked | None:
        """Return the face of the annotation file beside the image, or None where a landmark is missing."""
        path = annotation_beside(self.path)
        if path is None:
            return None
        annotation = read_annotation(path, self.capture.camera)
        landmarks = annotation.five()
        if landmarks is None:
            return None
        if "face" in annotation.boxes:
            x, y, width, height = annotation.boxes["face"]
            return Marked(landmarks, np.array([x, y, x + width, y + height], np.float32))
        return Marked(landmarks, np.concatenate([landmarks.min(axis=0), landmarks.max(axis=0)]))

    def marks_stamp(self) -> str:
        """Return the annotation file's size and modification time."""
        return _stamp(annotation_beside(self.path))


class CorpusSource(ABC):
    """A corpus as the data set's builder sees it.

    A new kind is added to :data:`kface.data.dataset.sources.SOURCES`, under its layout's name.

    Attributes:
        landmarks: The values of :attr:`DatasetSettings.landmarks` that such a corpus allows.
        rules: The protocol that chooses the captures, or None where the corpus has no conditions.
        labelled: Whether its images have identities; otherwise :meth:`subjects` is a single name that stands for all.
    """

    landmarks: ClassVar[tuple[str, ...]] = ("image",)
    labelled: ClassVar[bool] = True
    rules: Protocol | None = None

    @abstractmethod
    def __init__(self, root: PathLike, settings: "DatasetSettings") -> None:
        """Open the corpus at a root; raises LayoutError where the root is not such a corpus."""

    @abstractmethod
    def subjects(self) -> list[str]:
        """Return the identities, sorted."""

    @abstractmethod
    def survey(self, problems: Problems) -> None:
        """Report stray files beside the identities."""

    @abstractmethod
    def items(self, subject: str, problems: Problems | None = None) -> Sequence[Item]:
        """Return one identity's images, sorted; `problems` counts other files there."""

    def references(self, items: Iterable[Item]) -> dict[tuple[str, int], list[Item]]:
        """Return the images to take each (resolution, camera)'s landmarks from, the best first; none without cameras."""
        return {}


def _stamp(path: str | None) -> str:
    try:
        found = os.stat(path or "")
    except OSError:
        return ABSENT
    return f"{found.st_size} {found.st_mtime_ns}"
