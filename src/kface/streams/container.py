"""What a video file says of itself: how many pictures it holds, which way they are turned, and whether its end is missing.

OpenCV's count of frames is an estimate (duration times rate) but for MP4 and AVI, and there it counts pictures that an edit
list hides and chunks that repeat the picture before. The structure is read here: MP4 and MOV (ISO/IEC 14496-12, QuickTime),
AVI, Matroska and WebM (RFC 8794), FLV and GIF. Of anything else nothing is known.
"""

import struct
from typing import BinaryIO, Dict, Iterator, List, NamedTuple, Optional, Tuple

import numpy as np

#: An index larger than this is not read; that of a day's video is smaller.
_LARGEST_INDEX = 1 << 26
_MOST_PICTURES = 1 << 24
#: Boxes that hold boxes.
_NESTED = (b"trak", b"mdia", b"minf", b"stbl", b"edts")


class Container(NamedTuple):
    """What a file says of its first video.

    Attributes:
        pictures: How many there are at least, None where it does not say for certain.
        cut: Whether the file ends before it should.
        turned: Degrees clockwise by which the pictures are to be turned: 0, 90, 180 or 270.
    """

    pictures: Optional[int] = None
    cut: bool = False
    turned: int = 0


def inspect(path: str) -> Container:
    """Return what a video file says of itself; of one that cannot be read or understood, nothing."""
    try:
        with open(path, "rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(0)
            head = stream.read(16)
            if head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide"):
                return _iso(stream, size)
            if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
                return _avi(stream, size)
            if head[:4] == b"\x1a\x45\xdf\xa3":
                return Container(cut=_ebml_cut(stream, size))
            if head[:3] == b"FLV":
                return Container(cut=_flv_cut(stream, size))
            if head[:6] in (b"GIF87a", b"GIF89a"):
                stream.seek(max(0, size - 512))
                return Container(cut=not stream.read().rstrip(b"\0\r\n").endswith(b";"))
    except (OSError, ValueError, struct.error, IndexError, KeyError):
        # A damaged index; what can be decoded will show.
        pass
    return Container()


# ---- MP4 and MOV


def _iso(stream: BinaryIO, size: int) -> Container:
    place, index, cut, fragments = 0, b"", False, False
    while place + 8 <= size:
        stream.seek(place)
        head = stream.read(16)
        length = int(struct.unpack(">I", head[:4])[0])
        if length == 1:
            length = int(struct.unpack(">Q", head[8:16])[0])
        if length == 0:
            length = size - place
        if length < 8 or not all(32 <= sign < 127 for sign in head[4:8]):
            break
        cut = cut or place + length > size
        fragments = fragments or head[4:8] == b"moof"
        if head[4:8] == b"moov" and length <= _LARGEST_INDEX:
            stream.seek(place + 8)
            index = stream.read(length - 8)
        place += length
    scale, tracks = _movie(index)
    videos = [track for track in tracks if track.get(b"hdlr", b"")[8:12] == b"vide"]
    if not videos:
        return Container(cut=cut)
    counted = None if fragments or b"stts" not in videos[0] else _shown(videos[0], scale)
    return Container(counted, cut, _turned(videos[0].get(b"tkhd", b"")))


def _movie(index: bytes) -> Tuple[int, List[Dict[bytes, bytes]]]:
    """Return the movie's units a second and, for each track, its boxes by name."""
    scale, tracks = 0, []  # type: int, List[Dict[bytes, bytes]]
    for name, start, end in _boxes(index, 0, len(index)):
        if name == b"mvhd":
            scale = _units(index[start:end])
        elif name == b"trak":
            found: Dict[bytes, bytes] = {}
            waiting = [(start, end)]
            while waiting:
                for inner, low, high in _boxes(index, *waiting.pop()):
                    if inner in _NESTED:
                        waiting.append((low, high))
                    else:
                        found.setdefault(inner, index[low:high])
            tracks.append(found)
    return scale, tracks


def _boxes(data: bytes, start: int, end: int) -> Iterator[Tuple[bytes, int, int]]:
    while start + 8 <= end:
        length = int(struct.unpack_from(">I", data, start)[0]) or end - start
        if length < 8 or start + length > end:
            return
        yield data[start + 4 : start + 8], start + 8, start + length
        start += length


def _units(header: bytes) -> int:
    return int(struct.unpack_from(">I", header, 20 if header[0] == 1 else 12)[0])


def _shown(track: Dict[bytes, bytes], scale: int) -> Optional[int]:
    """Return how many pictures an edit list leaves; None where it shows some of them twice."""
    counts, steps = _pairs(track[b"stts"])
    if counts.sum() > _MOST_PICTURES:
        return None
    step = np.repeat(steps, counts)
    times = np.cumsum(step) - step
    if b"ctts" in track:
        repeats, offsets = _pairs(track[b"ctts"])
        if repeats.sum() == len(times):
            times = times + np.repeat(offsets.astype(np.int32), repeats)
    edits = [edit for edit in _edits(track.get(b"elst", b"")) if edit[1] >= 0]
    if not edits or not len(times):
        return len(times)
    units = _units(track[b"mdhd"])
    if len(edits) > 1 or not scale or not units:
        return None
    begin, end = edits[0][1], float("inf")
    if edits[0][0]:
        end = begin + edits[0][0] * units / float(scale)
    # Half a picture for the rounding between the two clocks.
    return int(((times >= begin) & (times < end - step / 2.0)).sum())


def _pairs(box: bytes) -> Tuple[np.ndarray, np.ndarray]:
    number = int(struct.unpack_from(">I", box, 4)[0])
    pairs = np.frombuffer(box[8 : 8 + 8 * number], ">u4").reshape(-1, 2).astype(np.int64)
    if len(pairs) != number or (len(pairs) and pairs[:, 0].sum() > _MOST_PICTURES):
        raise ValueError("not a table")
    return pairs[:, 0], pairs[:, 1]


def _edits(box: bytes) -> List[Tuple[int, int]]:
    if not box:
        return []
    form, width = (">Qq", 20) if box[0] == 1 else (">Ii", 12)
    number = min(int(struct.unpack_from(">I", box, 4)[0]), (len(box) - 8) // width)
    return [struct.unpack_from(form, box, 8 + width * n) for n in range(number)]


def _turned(header: bytes) -> int:
    if len(header) < 80:
        return 0
    place = 52 if header[0] == 1 else 40
    one, two, _, three, four = struct.unpack_from(">5i", header, place)
    unit = 1 << 16
    turns = {(0, unit, -unit, 0): 90, (-unit, 0, 0, -unit): 180, (0, -unit, unit, 0): 270}
    return turns.get((one, two, three, four), 0)


# ---- the others


def _avi(stream: BinaryIO, size: int) -> Container:
    length = int(struct.unpack("<I", _at(stream, 4, 4))[0])
    # Writers that were killed leave 0 or all ones there.
    known = length not in (0, 0xFFFFFFFF)
    cut = known and length + 8 > size
    place, video, counted = 12, -1, None  # type: int, int, Optional[int]
    while place + 8 <= size:
        name, inner = struct.unpack("<4sI", _at(stream, place, 8))
        if name == b"LIST" and _at(stream, place + 8, 4) == b"hdrl" and inner <= _LARGEST_INDEX:
            headers = _at(stream, place + 12, inner - 4)
            streams = [headers[n + 8 : n + 12] for n in _places(headers, b"strh")]
            video = streams.index(b"vids") if b"vids" in streams else -1
        elif name == b"idx1" and video >= 0 and inner <= _LARGEST_INDEX:
            entries = np.frombuffer(_at(stream, place + 8, inner // 16 * 16), np.dtype("S4, <u4, <u4, <u4"))
            wanted = [b"%02d%s" % (video, ending) for ending in (b"dc", b"db")]
            # A chunk without data repeats the picture before.
            counted = int((np.isin(entries["f0"], wanted) & (entries["f3"] > 0)).sum())
        elif name == b"RIFF":
            # Further parts of a large file have indexes of their own.
            return Container(None, cut or place + 8 + inner > size)
        place += 8 + inner + inner % 2
    return Container(counted or None, cut)


def _places(data: bytes, word: bytes) -> Iterator[int]:
    place = data.find(word)
    while place >= 0:
        yield place
        place = data.find(word, place + 4)


def _at(stream: BinaryIO, place: int, count: int) -> bytes:
    stream.seek(place)
    data: bytes = stream.read(count)
    return data


def _ebml_cut(stream: BinaryIO, size: int) -> bool:
    place = 0
    while place + 12 <= size:
        head = _at(stream, place, 12)
        name = 9 - head[0].bit_length()
        width = 9 - head[name].bit_length()
        if name > 4 or width > 8:
            return False
        length = int.from_bytes(head[name : name + width], "big") & ((1 << 7 * width) - 1)
        # All ones: a recording whose length was not known, and still is not.
        if length == (1 << 7 * width) - 1:
            return False
        place += name + width + length
    return place > size


def _flv_cut(stream: BinaryIO, size: int) -> bool:
    """Return whether the last tag is not followed by its size."""
    if size < 32:
        return True
    length = int(struct.unpack(">I", _at(stream, size - 4, 4))[0])
    tag = _at(stream, max(0, size - 4 - length), 4)
    return not (11 <= length < size and int.from_bytes(tag[1:4], "big") == length - 11)
