"""Headers of the formats of the web: JPEG, PNG, GIF, WebP."""

import re
import struct

from kface.images.header import MOST_PARTS, Header, TruncatedError, Turns, exif_turns, number

# In a scan a byte 0xff is data where 0x00 follows, and a restart where 0xd0-0xd7 does. "\xff+" would be much slower: only a
# literal at the beginning is looked for without a step of the engine for each byte.
_MARKER = re.compile(rb"\xff\xff*([^\x00\xff\xd0-\xd7])")
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
#: Encoders make about ten scans of a progressive picture. Each costs a pass over all of it, and an empty one ten bytes.
MOST_SCANS = 100


def jpeg(data: bytes) -> Header:
    """Read a JPEG's segments and scans up to its end marker; data behind it (a video, padding) are ignored."""
    size = None
    turns = None
    scans = 0
    place = 2
    for _ in range(MOST_PARTS):
        # Between two segments decoders skip bytes that are not a marker, and so does this.
        found = _MARKER.search(data, place)
        if found is None:
            raise TruncatedError
        marker, place = found.group(1)[0], found.end()
        if marker == 0xD9:
            if size is None or not scans:
                raise ValueError("no picture")
            return Header("JPEG", size[0], size[1], turns or (), end=place)
        if marker == 0xD8:
            # Another picture begins before this one has ended.
            raise TruncatedError
        if marker == 0x01:
            continue
        length = number(data, place, 2)
        if length < 2:
            raise ValueError("segment length")
        if marker in _FRAMES and size is None:
            size = number(data, place + 5, 2), number(data, place + 3, 2)
        elif marker == 0xE1 and turns is None and data[place + 2 : place + 8] == b"Exif\0\0":
            turns = exif_turns(data[place + 8 : place + length])
        scans += marker == 0xDA
        if scans > MOST_SCANS:
            raise ValueError("too many scans")
        place += length
    raise ValueError("too many segments")


def png(data: bytes) -> Header:
    """Read a PNG's chunks up to IEND; raises :class:`TruncatedError` without one."""
    if data[12:16] not in (b"IHDR", b"CgBI"):
        raise ValueError("no IHDR")
    width, height = number(data, 16, 4), number(data, 20, 4)
    turns: Turns = ()
    place = 8
    for _ in range(MOST_PARTS):
        length, kind = number(data, place, 4), data[place + 4 : place + 8]
        body = place + 8
        if body + length + 4 > len(data):
            raise TruncatedError
        if kind == b"IEND":
            return Header("PNG", width, height, turns, end=body + length + 4)
        if kind == b"eXIf":
            turns = exif_turns(data[body : body + length])
        place = body + length + 4
    raise ValueError("too many chunks")


def gif(data: bytes) -> Header:
    """Read a GIF's blocks up to its end; the size is the largest of the screen and the frames."""
    width, height = number(data, 6, 2, "little"), number(data, 8, 2, "little")
    place = 13 + _colours(number(data, 10, 1))
    frames = parts = 0
    while place < len(data) and data[place] != 0x3B:
        if data[place] == 0x2C:
            left, top, wide, high, flags = struct.unpack("<4HB", _some(data, place + 1, 9))
            width, height = max(width, left + wide), max(height, top + high)
            frames += 1
            place += 11 + _colours(flags)
        elif data[place] == 0x21:
            place += 2
        elif frames:
            break  # not a GIF block: the GIF has ended
        else:
            raise ValueError("block")
        while True:
            length = number(data, place, 1)
            place += length + 1
            parts += 1
            if not length:
                break
            if parts > 4 * MOST_PARTS:
                raise ValueError("too many blocks")
    if not frames:
        raise TruncatedError
    return Header("GIF", width, height, end=place + (data[place : place + 1] == b";"))


def _colours(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _some(data: bytes, place: int, count: int) -> bytes:
    if place + count > len(data):
        raise TruncatedError
    return data[place : place + count]


def webp(data: bytes) -> Header:
    """Read a WebP's chunks; data behind the container are ignored."""
    end = 8 + number(data, 4, 4, "little")
    if end > len(data) + 1:  # some writers count a padding byte that they do not write
        raise TruncatedError
    size = None
    turns: Turns = ()
    place = 12
    for _ in range(MOST_PARTS):
        if place + 8 > min(end, len(data)):
            break
        kind, length = data[place : place + 4], number(data, place + 4, 4, "little")
        body = place + 8
        if kind == b"VP8X":
            size = 1 + number(data, body + 4, 3, "little"), 1 + number(data, body + 7, 3, "little")
        elif kind == b"VP8L" and size is None:
            fields = number(data, body + 1, 4, "little")
            size = 1 + (fields & 0x3FFF), 1 + (fields >> 14 & 0x3FFF)
        elif kind == b"VP8 " and size is None:
            size = number(data, body + 6, 2, "little") & 0x3FFF, number(data, body + 8, 2, "little") & 0x3FFF
        elif kind == b"EXIF":
            turns = exif_turns(data[body : body + length])
        place = body + length + (length & 1)
    if size is None:
        raise ValueError("no picture")
    return Header("WebP", size[0], size[1], turns, end=min(end, len(data)))
