"""InsightFace's RecordIO as a corpus: aligned crops, an identity after the other."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kface.alignment import SIZE
from kface.data.dataset.items import CorpusSource, Item, PathLike
from kface.data.dataset.recordio import read_identities, read_payload, read_property, unpack
from kface.data.layout import Capture, Problems
from kface.errors import ImageError, LayoutError
from kface.files import open_regular
from kface.images import decode_image

if TYPE_CHECKING:
    from kface.data.dataset.settings import DatasetSettings

#: Names of the files where the folder contains these, as InsightFace distributes them.
STEM = "train"
PROPERTY = "property"


@dataclass(frozen=True)
class RecordItem(Item):
    """An image in a RecordIO file.

    Attributes:
        path: The ``.rec``.
        offset: Of its record.
        label: The identity according to the index.
        version: The file's size and modification time.
    """

    path: str
    offset: int
    label: int
    version: str

    def encoded(self) -> bytes:
        """Return the encoded image; raises ImageError where the record is damaged or of another identity."""
        try:
            with open_regular(self.path) as stream:
                record = unpack(read_payload(stream, self.offset, os.fstat(stream.fileno()).st_size))
        except OSError as error:
            raise ImageError(f"cannot be read ({error.strerror or error})", self.path)
        except ValueError as error:
            raise ImageError(f"its record {error}", self.path)
        if record.labels[0] != self.label:
            raise ImageError(f"its record has the label {record.labels[0]:g} instead of {self.label}", self.path)
        if not record.image:
            raise ImageError("its record has no image", self.path)
        return record.image

    def read(self) -> np.ndarray:
        """Decode the image."""
        return decode_image(self.encoded(), self.name)

    def stamp(self) -> str:
        """Return the place in the file, and the file's size and modification time."""
        return f"{self.offset} {self.version}"


class RecordSource(CorpusSource):
    """InsightFace's ``train.rec`` and ``train.idx``, or another pair that is alone in its folder.

    Args:
        root: The folder.
        settings: Validated ones.

    Raises:
        LayoutError: The files are missing, damaged, do not belong together, or hold images of another size than 112x112.
    """

    landmarks = ("aligned",)

    def __init__(self, root: PathLike, settings: "DatasetSettings") -> None:
        self.settings = settings
        self.record = find_record(root)
        stem = os.path.splitext(self.record)[0]
        self.stated = read_property(os.path.join(os.path.dirname(self.record), PROPERTY))
        if self.stated is not None and self.stated[1:] != (SIZE, SIZE):
            raise LayoutError(
                f"says that the images are {self.stated[2]}x{self.stated[1]} pixels large, not {SIZE}x{SIZE}",
                os.path.join(os.path.dirname(self.record), PROPERTY),
                "use a set of aligned 112x112 crops",
            )
        self.identities = read_identities(self.record, stem + ".idx")
        status = os.stat(self.record)
        self.version = f"{status.st_size} {status.st_mtime_ns}"
        width = max(7, len(str(int(self.identities.labels[-1]))))
        self._numbers = {f"{label:0{width}d}": number for number, label in enumerate(self.identities.labels.tolist())}

    def subjects(self) -> list[str]:
        """Return the labels, with leading zeros, ascending."""
        return list(self._numbers)

    def survey(self, problems: Problems) -> None:
        """Report images without an identity, and another number of identities than ``property`` states."""
        if self.identities.unlisted:
            problems.add("image of no identity", f"{self.identities.unlisted:,} in {os.path.basename(self.record)}")
        if self.stated is not None and self.stated[0] != len(self._numbers):
            problems.add(
                "number of identities differs from property", f"{len(self._numbers):,} instead of {self.stated[0]:,}"
            )

    def items(self, subject: str, problems: Problems | None = None) -> Sequence[RecordItem]:
        """Return one identity's images, in the order of their keys."""
        number = self._numbers[subject]
        keys, offsets = self.identities.images_of(number)
        most = self.settings.max_per_identity
        if most is not None and len(keys) > most:
            chosen = np.arange(most) * len(keys) // most
            keys, offsets = keys[chosen], offsets[chosen]
        capture = Capture(subject, 0, 0, 0, 0)
        label = int(self.identities.labels[number])
        return [
            RecordItem(f"{subject}/{key}", capture, self.record, offset, label, self.version)
            for key, offset in zip(keys.tolist(), offsets.tolist(), strict=True)
        ]


def find_record(root: PathLike) -> str:
    """Return the ``.rec`` in a folder.

    Raises:
        LayoutError: There is none, or several of which none is ``train.rec``.
    """
    try:
        found = sorted(name for name in os.listdir(root) if name.endswith(".rec"))
    except OSError as error:
        raise LayoutError(f"cannot be read ({error.strerror or error})", root)
    if f"{STEM}.rec" in found:
        found = [f"{STEM}.rec"]
    if len(found) != 1:
        raise LayoutError(
            f"contains {'several files' if found else 'no file'} *.rec",
            root,
            "give the folder of train.rec and train.idx",
        )
    return os.path.join(os.fspath(root), found[0])
