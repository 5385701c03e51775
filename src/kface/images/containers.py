"""Headers of TIFF, AVIF and JPEG 2000: directories and boxes."""

import re
from typing import Dict, Iterator, List, Optional, Tuple

from kface.images.header import (
    MOST_PARTS,
    ORIENTATION_TAG,
    ORIENTATIONS,
    Header,
    TruncatedError,
    Turns,
    directory,
    number,
    unpack,
)

_AVIF_BRANDS = (b"avif", b"avis", b"avio")
#: The kind of a box on an AVIF's first level; data that were appended to the file begin otherwise.
_KIND = re.compile(rb"[ -~]{4}$")
#: Tags of a TIFF directory.
_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _PEAK, _FORMAT = 256, 257, 258, 262, 281, 339
_TILE_WIDTH, _TILE_HEIGHT = 322, 323
_PLACES = ((273, 279), (324, 325))


def tiff(data: bytes) -> Header:
    """Read a TIFF's first directory, which is the picture that is decoded.

    Some versions of OpenCV rotate a TIFF upright, others partly or not at all. The tag is therefore patched to "upright" before
    decoding, and the rotation is done here.
    """
    first = directory(data)

    def one(tag: int, default: int) -> int:
        found = first.values(data, tag)
        return found[0] if found else default

    width, height = one(_WIDTH, 0), one(_HEIGHT, 0)
    # A tile is decoded completely, however small the picture.
    across, down = one(_TILE_WIDTH, 0), one(_TILE_HEIGHT, 0)
    for places, lengths in _PLACES:
        ends = zip(first.values(data, places, MOST_PARTS), first.values(data, lengths, MOST_PARTS))
        if any(start + length > len(data) for start, length in ends):
            raise TruncatedError
    patches: Tuple[Tuple[int, bytes], ...] = ()
    stored = one(ORIENTATION_TAG, 1)
    if stored != 1 and ORIENTATION_TAG in first.entries:
        size, _, place = first.entries[ORIENTATION_TAG]
        patches = ((place, (1).to_bytes(size, first.order)),)  # type: ignore[arg-type]
    turns = ORIENTATIONS.get(stored, ())
    whole = {(32, 1): "u4", (32, 2): "i4", (16, 2): "i2"}.get((one(_BITS, 1), one(_FORMAT, 1)))
    if whole == "u4" and _FORMAT in first.entries:
        # Some versions read 32-bit integers only as signed; the bits are the same.
        size, _, place = first.entries[_FORMAT]
        patches += ((place, (2).to_bytes(size, first.order)),)  # type: ignore[arg-type]
    return Header(
        "TIFF",
        max(width, across),
        max(height, down),
        turns,
        one(_PEAK, 0) or None,
        whole=whole,
        negative=one(_PHOTOMETRIC, 1) == 0,
        patches=patches,
    )


def is_avif(start: bytes) -> bool:
    """Return whether a file's first box names AVIF as its brand, or as a compatible one."""
    length = min(number(start, 0, 4), len(start))
    brands = [start[8:12]] + [start[place : place + 4] for place in range(16, length, 4)]
    return any(brand in _AVIF_BRANDS for brand in brands)


def _boxes(data: bytes, start: int, end: int, most: int = 4096) -> Iterator[Tuple[bytes, int, int]]:
    """Yield (kind, start, end) of the boxes in a part of an ISO base media file (ISO/IEC 14496-12)."""
    for _ in range(most):
        if start + 8 > end:
            return
        length, kind, head = number(data, start, 4), data[start + 4 : start + 8], 8
        if length == 1:
            length, head = number(data, start + 8, 8), 16
        stop = end if length == 0 else start + length
        if stop < start + head:
            raise ValueError("box length")
        yield kind, start + head, min(stop, end)
        if stop > end:
            raise TruncatedError
        start = stop


def avif(data: bytes) -> Header:
    """Read an AVIF's boxes: the size, ``irot`` and ``imir`` of its primary item (ISO/IEC 23008-12).

    EXIF's orientation is ignored: the standard leaves it to the two boxes.
    """
    meta: Optional[Tuple[int, int]] = None
    whole = 0
    for kind, start, end in _boxes(data, 0, len(data)):
        if not _KIND.match(kind) or (kind == b"ftyp" and whole):
            break
        if kind == b"meta" and meta is None:
            meta = start + 4, end
        whole = end
    if meta is None:
        raise TruncatedError
    primary = 0
    properties: List[Tuple[bytes, int, int]] = []
    used: Dict[int, List[int]] = {}
    for kind, start, end in _boxes(data, *meta):
        if kind == b"pitm":
            primary = number(data, start + 4, 2 if data[start] == 0 else 4)
        elif kind == b"iprp":
            for inner, begin, stop in _boxes(data, start, end):
                if inner == b"ipco":
                    properties = list(_boxes(data, begin, stop))
                elif inner == b"ipma":
                    used.update(_associations(data, begin))
    width = height = 0
    peak: Optional[int] = None
    turns: Turns = ()
    # Tiles and thumbnails have their own sizes, which must not exceed the limit either.
    for kind, start, _ in properties:
        if kind == b"ispe":
            width, height = max(width, number(data, start + 4, 4)), max(height, number(data, start + 8, 4))
    for index in used.get(primary, ()):
        if not 0 < index <= len(properties):
            continue
        kind, start, _ = properties[index - 1]
        if kind == b"pixi":
            peak = (1 << min(number(data, start + 5, 1), 16)) - 1
        elif kind == b"irot":
            turns += ("left",) * (number(data, start, 1) & 3)
        elif kind == b"imir":
            turns += ("mirror" if number(data, start, 1) & 1 else "flip",)
    return Header("AVIF", width, height, turns, peak, whole)


def _associations(data: bytes, start: int) -> Dict[int, List[int]]:
    version, wide = number(data, start, 1), number(data, start + 3, 1) & 1
    found: Dict[int, List[int]] = {}
    place = start + 8
    for _ in range(min(number(data, start + 4, 4), 65536)):
        item = number(data, place, 2 if version < 1 else 4)
        place += 2 if version < 1 else 4
        count = number(data, place, 1)
        place += 1
        size = 2 if wide else 1
        mask = 0x7FFF if wide else 0x7F
        found[item] = [number(data, place + index * size, size) & mask for index in range(count)]
        place += count * size
    return found


def jpeg2000(data: bytes) -> Header:
    """Read a JPEG 2000 codestream's SIZ marker, in a JP2 file or alone."""
    start = 0
    if data[:4] != b"\xff\x4f\xff\x51":
        for kind, begin, _ in _boxes(data, 0, len(data)):
            if kind == b"jp2c":
                start = begin
                break
        else:
            raise TruncatedError
    if number(data, start, 4) != 0xFF4FFF51:
        raise ValueError("no codestream")
    right, bottom, left, top, wide, high, at_x, at_y, components = unpack(">8IH", data, start + 8)
    if not components or right <= left or bottom <= top or not wide or not high:
        raise ValueError("size")
    tiles = -((at_x - right) // wide) * -((at_y - bottom) // high)
    if tiles > 65535 or components > 4:
        raise ValueError("tiles or components")
    # One byte for the depth less 1; its highest bit is the sign.
    depth = (number(data, start + 42, 1) & 0x7F) + 1
    return Header("JPEG 2000", right - left, bottom - top, peak=(1 << min(depth, 32)) - 1)
