"""What a corpus must tell the data set's builder: who is in it, and images that know how they are read."""

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

#: Stands for a file that is not there.
ABSENT = "absent"


@dataclass(frozen=True)
class Marked:
    """A face as the corpus itself marks it.

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
        name: What the data set calls it: K-Face's relative path, or ``person/file``.
        capture: Its conditions; where the corpus has none, the four numbers are 0.
    """

    name: str
    capture: Capture

    @property
    def place(self) -> str:
        """Where it lies, for messages and to sort by."""
        return self.name

    @abstractmethod
    def read(self) -> np.ndarray:
        """Return the image as uint8 (h, w, 3), RGB; raises ImageError where it cannot be read."""

    @abstractmethod
    def stamp(self) -> str:
        """Return what changes where the image does, without reading it: its shard is made anew then."""

    def marked(self) -> Marked | None:
        """Return the face that the corpus marks in it, if it does; raises LayoutError where the marks cannot be read."""
        return None

    def marks_stamp(self) -> str:
        """Return what changes where the marks do."""
        return ABSENT


@dataclass(frozen=True)
class FileItem(Item):
    """An image file.

    Attributes:
        path: The file.
        strict: Whether it must be what its name says, as in K-Face; people's own photographs often are not.
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
            ImageError: It is empty or truncated, cannot be decoded, or is not the JPEG that its name says.
        """
        data = read_bytes(self.path)
        if self.strict and self.path.lower().endswith((".jpg", ".jpeg")) and data[:2] != b"\xff\xd8":
            raise ImageError("is not a JPEG image", self.path)
        return decode_image(data, self.path)

    def stamp(self) -> str:
        """Return the file's size and time."""
        return _stamp(self.path)

    def marked(self) -> Marked | None:
        """Return what the annotation file beside the image says, unless a landmark is missing there."""
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
        """Return the annotation file's size and time."""
        return _stamp(annotation_beside(self.path))


class CorpusSource(ABC):
    """A corpus as the data set's builder sees it.

    A new kind is added to :data:`kface.data.dataset.sources.SOURCES`, under its layout's name.

    Attributes:
        landmarks: The values of :attr:`DatasetSettings.landmarks` that such a corpus allows.
        rules: The protocol that chooses the captures, or None where the corpus has no conditions.
    """

    landmarks: ClassVar[tuple[str, ...]] = ("image",)
    rules: Protocol | None = None

    @abstractmethod
    def __init__(self, root: PathLike, settings: "DatasetSettings") -> None:
        """Open the corpus at a root; raises LayoutError where it is none."""

    @abstractmethod
    def subjects(self) -> list[str]:
        """Return the identities, sorted."""

    @abstractmethod
    def survey(self, problems: Problems) -> None:
        """Report what lies beside the identities."""

    @abstractmethod
    def items(self, subject: str, problems: Problems | None = None) -> Sequence[Item]:
        """Return one identity's images, sorted; `problems` receives what else lies there."""

    def references(self, items: Iterable[Item]) -> dict[tuple[str, int], list[Item]]:
        """Return where to look for each (resolution, camera)'s landmarks, the best image first; none without cameras."""
        return {}


def _stamp(path: str | None) -> str:
    try:
        found = os.stat(path or "")
    except OSError:
        return ABSENT
    return f"{found.st_size} {found.st_mtime_ns}"
