"""Headers of the formats that store rows of pixels: BMP, Netpbm, PFM, Sun raster, Radiance, OpenEXR."""

import re
from typing import List

from kface.images.header import Header, TruncatedError, number, unpack

#: Maximum size of a text header in bytes.
_TEXT = 1 << 16


def bmp(data: bytes) -> Header:
    """Read a BMP's header; raises :class:`TruncatedError` where uncompressed rows are missing."""
    start, kind = number(data, 10, 4, "little"), number(data, 14, 4, "little")
    if kind == 12:
        width, height, depth = (
            number(data, 18, 2, "little"),
            number(data, 20, 2, "little"),
            number(data, 24, 2, "little"),
        )
        compression = 0
    else:
        width, height, _, depth, compression = unpack("<iiHHI", data, 18)
    width, height = abs(width), abs(height)
    if compression in (0, 3) and depth and start + (width * depth + 31) // 32 * 4 * height > len(data):
        raise TruncatedError
    return Header("BMP", width, height)


def _words(data: bytes, count: int) -> List[int]:
    """Return the first whole numbers behind the two bytes of magic; comments run from # to the end of the line."""
    text = re.sub(rb"#[^\r\n]*", b" ", bytes(data[2:_TEXT]))
    found = re.findall(rb"\S+", text[: 64 * count + 4096])[:count]
    if len(found) < count:
        raise TruncatedError
    if not all(re.match(rb"[0-9]{1,9}$", word) for word in found):
        raise ValueError("header")
    return [int(word) for word in found]


def netpbm(data: bytes) -> Header:
    """Read the header of a PBM, PGM or PPM file, as text (P1-P3) or as bytes (P4-P6)."""
    kind = data[1:2]
    words = _words(data, 2 if kind in b"14" else 3)
    most = 1 if kind in b"14" else words[2]
    if not 0 < most < 65536:
        raise ValueError("largest value")
    row = (words[0] + 7) // 8 if kind == b"4" else words[0] * (3 if kind == b"6" else 1) * (2 if most > 255 else 1)
    if kind in b"456" and row * words[1] > len(data):
        raise TruncatedError
    return Header("Netpbm", words[0], words[1], peak=most if kind in b"2356" else None)


def pam(data: bytes) -> Header:
    """Read the header of a PAM file (P7)."""
    head = bytes(data[:_TEXT]).split(b"ENDHDR")[0]
    found = dict(re.findall(rb"^\s*(WIDTH|HEIGHT|DEPTH|MAXVAL)\s+([0-9]{1,9})\s*$", head, re.MULTILINE))
    if b"WIDTH" not in found or b"HEIGHT" not in found:
        raise ValueError("header")
    most = int(found.get(b"MAXVAL", b"255"))
    return Header("PAM", int(found[b"WIDTH"]), int(found[b"HEIGHT"]), peak=most)


def pfm(data: bytes) -> Header:
    """Read the header of a PFM file."""
    width, height = _words(data, 2)
    if width * height * (12 if data[1:2] == b"F" else 4) > len(data):
        raise TruncatedError
    return Header("PFM", width, height)


def sun(data: bytes) -> Header:
    """Read a Sun raster's header."""
    return Header("Sun raster", number(data, 4, 4), number(data, 8, 4))


def radiance(data: bytes) -> Header:
    """Read a Radiance picture's header."""
    found = re.search(rb"\n[-+]([XY])\s+([0-9]{1,9})\s+[-+]([XY])\s+([0-9]{1,9})\s*\n", bytes(data[:_TEXT]))
    if found is None:
        raise ValueError("no size")
    sides = {found.group(1): int(found.group(2)), found.group(3): int(found.group(4))}
    if len(sides) != 2:
        raise ValueError("size")
    return Header("Radiance", sides[b"X"], sides[b"Y"])


def openexr(data: bytes) -> Header:
    """Read an OpenEXR file's data window."""
    place = bytes(data[:_TEXT]).find(b"dataWindow\0box2i\0")
    if place < 0:
        raise ValueError("no data window")
    left, top, right, bottom = unpack("<4i", data, place + 21)
    return Header("OpenEXR", right - left + 1, bottom - top + 1)
