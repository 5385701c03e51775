"""Reads an image file's header before anything is decoded: its format, size and orientation.

A file of 700 bytes can claim to be a picture of gigabytes, and decoders believe it; so its size is checked first. Each format
has a reader that takes the file's bytes and raises ``ValueError`` where they end early or contradict the format.
"""

import re
import struct
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple

#: Maximum number of parts (segments, chunks, blocks) of a picture; reading more would take minutes.
MOST_PARTS = 1 << 20

#: Steps that turn a stored picture upright: "left" by 90 degrees anticlockwise, "flip" top to bottom, "mirror" left to right.
Turns = Tuple[str, ...]

#: The steps for each EXIF orientation (CIPA DC-008, tag 274).
ORIENTATIONS: Dict[int, Turns] = {
    1: (),
    2: ("mirror",),
    3: ("left", "left"),
    4: ("flip",),
    5: ("left", "flip"),
    6: ("left", "left", "left"),
    7: ("left", "mirror"),
    8: ("left",),
}


class TruncatedError(ValueError):
    """The file ends before its picture does."""


class Header(NamedTuple):
    """The properties of a picture according to its file.

    Attributes:
        format: The format's name.
        width: In pixels, as stored.
        height: In pixels, as stored.
        turns: Steps that turn the stored picture upright.
        peak: The largest value that a sample can have, if the file states it.
        end: Offset of the end of the picture's data, if known.
        whole: "u4", "i4" or "i2" where samples are such integers, which some versions of OpenCV return as another type.
        negative: Whether 0 is white; OpenCV inverts only pictures of 8 bits.
        patches: (offset, bytes) to write over a copy before decoding, so that the decoder does not rotate it as well.
    """

    format: str
    width: int
    height: int
    turns: Turns = ()
    peak: Optional[int] = None
    end: Optional[int] = None
    whole: Optional[str] = None
    negative: bool = False
    patches: Tuple[Tuple[int, bytes], ...] = ()


def number(data: bytes, place: int, size: int, order: str = "big") -> int:
    """Return the unsigned number of `size` bytes at a place; raises :class:`TruncatedError` past the end."""
    if place < 0 or place + size > len(data):
        raise TruncatedError
    return int.from_bytes(data[place : place + size], order)  # type: ignore[arg-type]


class Directory(NamedTuple):
    """One TIFF directory: by tag, (size of a value in bytes, number of values, offset of the first).

    Attributes:
        order: "little" or "big".
        entries: The tags.
        following: Offset of the next directory, or 0.
    """

    order: str
    entries: Dict[int, Tuple[int, int, int]]
    following: int

    def values(self, data: bytes, tag: int, most: int = 1) -> List[int]:
        """Return up to `most` whole numbers of a tag; none where it is absent."""
        if tag not in self.entries:
            return []
        size, count, place = self.entries[tag]
        return [number(data, place + index * size, size, self.order) for index in range(min(count, most))]


_TIFF_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
ORIENTATION_TAG = 274


def directory(data: bytes, place: Optional[int] = None) -> Directory:
    """Read a directory of a TIFF file or an EXIF block.

    Args:
        data: From the byte order mark on.
        place: Offset of the directory; by default the first one.
    """
    order = {b"II": "little", b"MM": "big"}.get(bytes(data[:2]))
    if order is None:
        raise ValueError("no byte order")
    big = number(data, 2, 2, order) == 43
    if place is None:
        place = number(data, 8, 8, order) if big else number(data, 4, 4, order)
    counts, wide, fields = (8, 20, 8) if big else (2, 12, 4)
    count = number(data, place, counts, order)
    if count > 65535:
        raise ValueError("too many tags")
    start = place + counts
    entries: Dict[int, Tuple[int, int, int]] = {}
    for index in range(count):
        entry = start + index * wide
        tag, kind = number(data, entry, 2, order), number(data, entry + 2, 2, order)
        size, held = _TIFF_SIZES.get(kind, 1), number(data, entry + 4, fields, order)
        value = entry + 4 + fields
        where = value if size * held <= fields else number(data, value, fields, order)
        entries.setdefault(tag, (size, held, where))
    try:
        following = number(data, start + count * wide, fields, order)
    except TruncatedError:
        following = 0
    return Directory(order, entries, following)


def exif_turns(block: bytes) -> Turns:
    """Return the steps for an EXIF block's orientation; none where it is damaged or has no orientation."""
    if block[:6] == b"Exif\0\0":
        block = block[6:]
    try:
        stored = directory(block).values(block, ORIENTATION_TAG)
    except ValueError:
        return ()
    found: Turns = ORIENTATIONS.get(stored[0] if stored else 1, ())
    return found


def read_header(data: bytes) -> Optional[Header]:
    """Return a file's header, or None where OpenCV does not decode the format.

    Raises:
        ValueError: It is damaged; :class:`TruncatedError` where it ends early.
    """
    reader = reader_of(data)
    return None if reader is None else reader(data)


def reader_of(data: bytes) -> Optional[Callable[[bytes], Header]]:
    """Return the reader for a file, given at least its first 64 bytes; None for an unknown format."""
    from kface.images import compressed, containers, plain

    start = bytes(data[:64])
    if start[:2] == b"\xff\xd8":
        return compressed.jpeg
    if start[:8] == b"\x89PNG\r\n\x1a\n":
        return compressed.png
    if start[:6] in (b"GIF87a", b"GIF89a"):
        return compressed.gif
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return compressed.webp
    if start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return containers.tiff
    if start[4:8] == b"ftyp" and containers.is_avif(start):
        return containers.avif
    if start[4:8] == b"jP  " or start[:4] == b"\xff\x4f\xff\x51":
        return containers.jpeg2000
    if start[:2] == b"BM":
        return plain.bmp
    if re.match(rb"P[1-6][\s#]", start):
        return plain.netpbm
    if re.match(rb"P7\s", start):
        return plain.pam
    if re.match(rb"P[Ff]\s", start):
        return plain.pfm
    if start[:4] == b"\x59\xa6\x6a\x95":
        return plain.sun
    if start[:6] == b"#?RGBE" or start[:10] == b"#?RADIANCE":
        return plain.radiance
    if start[:4] == b"\x76\x2f\x31\x01":
        return plain.openexr
    return None


def unreadable(data: bytes) -> Optional[str]:
    """Return the name of a known format that OpenCV does not decode, such as a video; None for others."""
    start = bytes(data[:32])
    if start[4:8] == b"ftyp":
        heif = start[8:12] in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
        return "a HEIC image" if heif else "a video"
    for magic, name in (
        (b"\x00\x00\x00\x0cJXL ", "a JPEG XL image"),
        (b"\xff\x0a", "a JPEG XL image"),
        (b"8BPS", "a Photoshop document"),
        (b"%PDF", "a PDF document"),
        (b"<svg", "an SVG drawing"),
        (b"<?xml", "an XML document"),
        (b"<!DOC", "a web page"),
        (b"<html", "a web page"),
        (b"\x00\x00\x01\x00", "an icon"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"version https://git-lfs", "a Git LFS pointer"),
        (b"\x1a\x45\xdf\xa3", "a video"),
        (b"RIFF", "a video or a sound"),
    ):
        if start.startswith(magic):
            return name
    return None


def unpack(form: str, data: bytes, place: int) -> Tuple:
    """``struct.unpack_from``; raises :class:`TruncatedError` past the end."""
    try:
        return struct.unpack_from(form, data, place)
    except struct.error:
        raise TruncatedError
