"""Every format upright, as bright as its 8-bit original, and bounded before it is decoded."""

import contextlib
import os
import struct
import subprocess
import sys
import threading
import time
import zlib

import cv2
import numpy as np
import pytest

import kface
from kface import images
from kface.errors import ConfigError, ImageError

SOURCES = os.path.dirname(os.path.dirname(os.path.abspath(kface.__file__)))
#: What is done to an upright picture to store it with an EXIF orientation, by orientation.
STORED = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.transpose(1, 0, 2),
    6: lambda image: np.rot90(image, 1),
    7: lambda image: image.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda image: np.rot90(image, 3),
}


@pytest.fixture
def picture():
    """Uint8 (64, 96, 3), RGB: smooth, with one corner that is red."""
    y, x = np.mgrid[0:64, 0:96]
    made = np.stack([40 + x * 1.6, 60 + y * 2.2, 200 - x * 0.9 - y * 0.5], -1).clip(0, 255).astype(np.uint8)
    made[:20, :20] = [230, 30, 30]
    return made


def encoded(suffix, rgb, *options):
    channels = rgb.ndim == 3
    try:
        done, data = cv2.imencode(suffix, np.ascontiguousarray(rgb[..., ::-1] if channels else rgb), list(options))
    except cv2.error:
        done = False
    if not done:
        pytest.skip("this OpenCV does not write {}".format(suffix))
    return np.asarray(data).tobytes()


def close(found, wanted, most=4.0):
    wanted = wanted if wanted.ndim == 3 else np.repeat(wanted[:, :, None], 3, 2)
    assert found.shape == wanted.shape
    assert np.abs(found.astype(int) - wanted.astype(int)).mean() < most


def tiff_block(orientation, order):
    return (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(
        order + "IHHHIHHI", 8, 1, 274, 3, 1, orientation, 0, 0
    )


def png_with(data, kind, body):
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body) & 0xFFFFFFFF)
    return data[:33] + chunk + data[33:]


def with_orientation(suffix, data, orientation, order):
    block = tiff_block(orientation, order)
    if suffix == ".jpg":
        body = b"Exif\0\0" + block
        return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]
    if suffix == ".png":
        return png_with(data, b"eXIf", block)
    if suffix == ".webp":
        frame = data[12:] + b"\0" * (len(data) % 2)
        head = b"VP8X" + struct.pack("<IB3x", 10, 8) + images_size(data)
        parts = head + frame + b"EXIF" + struct.pack("<I", len(block)) + block
        return b"RIFF" + struct.pack("<I", len(parts) + 4) + b"WEBP" + parts
    # OpenCV writes no orientation into a TIFF: the tag takes the place of ResolutionUnit, which tells nothing here.
    made = bytearray(data)
    count = struct.unpack_from("<H", made, struct.unpack_from("<I", made, 4)[0])[0]
    start = struct.unpack_from("<I", made, 4)[0] + 2
    entries = [bytes(made[start + 12 * n : start + 12 * n + 12]) for n in range(count)]
    entries = [entry for entry in entries if struct.unpack_from("<H", entry)[0] not in (274, 339)]
    entries.append(struct.pack("<HHIHH", 274, 3, 1, orientation, 0))
    entries.sort(key=lambda entry: struct.unpack_from("<H", entry)[0])
    where = len(made) + len(made) % 2
    made += b"\0" * (len(made) % 2) + struct.pack("<H", len(entries)) + b"".join(entries) + struct.pack("<I", 0)
    struct.pack_into("<I", made, 4, where)
    return bytes(made)


def images_size(webp):
    width, height = struct.unpack_from("<HH", webp, 26) if webp[12:16] == b"VP8 " else (0, 0)
    if not width:
        fields = struct.unpack_from("<I", webp, 21)[0]
        width, height = 1 + (fields & 0x3FFF), 1 + (fields >> 14 & 0x3FFF)
    return struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tiff"])
def test_orientation_is_applied_once(picture, suffix, orientation):
    data = encoded(suffix, STORED[orientation](picture))
    for order in "<>":
        close(images.decode_image(with_orientation(suffix, data, orientation, order)), picture)


def box(kind, body):
    return struct.pack(">I", len(body) + 8) + kind + body


def avif_with(data, properties):
    """Give an AVIF's primary item further properties; its data move, so the item's place moves with them."""
    place = data.index(b"ipco") - 4
    length = struct.unpack_from(">I", data, place)[0]
    count, inner = 0, place + 8
    while inner < place + length:
        count += 1
        inner += struct.unpack_from(">I", data, inner)[0]
    added = b"".join(properties)
    ipma = data.index(b"ipma") - 4
    size, used = struct.unpack_from(">I", data, ipma)[0], data[ipma + 18]
    new = bytearray(data[ipma : ipma + size])
    new[18] = used + len(properties)
    new[19 + used : 19 + used] = bytes(0x80 | (count + 1 + n) for n in range(len(properties)))
    new[:4] = struct.pack(">I", len(new))
    more = len(added) + len(properties)
    made = bytearray(data[: place + length] + added + data[place + length : ipma] + bytes(new) + data[ipma + size :])
    made[place : place + 4] = struct.pack(">I", length + len(added))
    for outer in (b"iprp", b"meta"):
        at = made.index(outer) - 4
        made[at : at + 4] = struct.pack(">I", struct.unpack_from(">I", made, at)[0] + more)
    # iloc version 0: one extent with a 4-byte offset and length at its end.
    at = made.index(b"iloc") - 4
    end = at + struct.unpack_from(">I", made, at)[0]
    offset = struct.unpack_from(">I", made, end - 8)[0]
    made[end - 8 : end - 4] = struct.pack(">I", offset + more)
    return bytes(made)


IROT = {turns: box(b"irot", bytes([turns])) for turns in range(4)}
IMIR = {axis: box(b"imir", bytes([axis])) for axis in range(2)}


@pytest.mark.parametrize(
    ("properties", "stored"),
    [
        ([], 1),
        ([IMIR[1]], 2),
        ([IROT[2]], 3),
        ([IMIR[0]], 4),
        ([IROT[1], IMIR[0]], 5),
        ([IROT[3]], 6),
        ([IROT[3], IMIR[0]], 7),
        ([IROT[1]], 8),
    ],
)
def test_an_avif_is_turned_by_its_own_boxes(picture, properties, stored):
    data = encoded(".avif", STORED[stored](picture))
    close(images.decode_image(avif_with(data, properties)), picture, 6)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".jp2"])
def test_few_bits_in_many_are_as_bright_as_the_original(picture, suffix, bits):
    for wanted in (picture, cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)):
        data = encoded(suffix, np.round(wanted / 255.0 * (2**bits - 1)).astype(np.uint16))
        close(images.decode_image(data), wanted, 1.5)


@pytest.mark.parametrize("most", [15, 255, 1023, 4095, 65535])
@pytest.mark.parametrize("text", [False, True])
def test_a_pgm_says_its_largest_value(picture, most, text):
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    values = np.round(grey / 255.0 * most).astype(np.uint16)
    body = b" ".join(b"%d" % value for value in values.ravel()) if text else None
    if body is None:
        body = values.astype(">u2" if most > 255 else np.uint8).tobytes()
    data = (b"P2" if text else b"P5") + b"\n# made here\n96 64\n%d\n" % most + body + b"\n"
    close(images.decode_image(data), grey, 5)


@pytest.mark.parametrize("scale", [1.0, 255.0, 4095.0, 65535.0])
@pytest.mark.parametrize("suffix", [".tif", ".hdr", ".pfm"])
def test_floats_are_as_bright_as_the_original(picture, suffix, scale):
    close(images.decode_image(encoded(suffix, (picture / 255.0 * scale).astype(np.float32))), picture, 2)


def grey_tiff(samples, bits, photometric=1, kind=1, peak=None):
    """Write grey samples as an uncompressed TIFF."""
    height, width = samples.shape
    rows = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 273: 0, 277: 1, 278: height, 339: kind}
    rows[279] = samples.nbytes
    if peak is not None:
        rows[281] = peak
    rows[273] = 8 + 2 + 12 * len(rows) + 4
    body = b"".join(struct.pack("<HHII", tag, 4, 1, rows[tag]) for tag in sorted(rows))
    return b"II*\0" + struct.pack("<IH", 8, len(rows)) + body + b"\0" * 4 + samples.tobytes()


@pytest.mark.parametrize(
    ("kind", "scale", "bits", "photometric", "peak"),
    [
        ("<u2", 257, 16, 0, None),
        ("<u2", 16, 16, 1, 16 * 255),
        ("<u2", 20, 16, 1, 20 * 255),
        ("<i2", 128, 16, 1, None),
        ("<u4", 16843009, 32, 1, None),
        ("<i4", 16, 32, 1, None),
        ("<u4", 257, 32, 1, None),
    ],
)
def test_other_whole_numbers_are_as_bright_as_the_original(picture, kind, scale, bits, photometric, peak):
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    samples = (grey.astype(np.int64) * scale).astype(kind)
    if photometric == 0:
        samples = (255 * scale - grey.astype(np.int64) * scale).astype(kind)
    data = grey_tiff(samples, bits, photometric, 2 if kind[1] == "i" else 1, peak)
    close(images.decode_image(data), grey, 2)


def test_floats_that_are_no_numbers_are_black(picture):
    floats = (picture / 255.0).astype(np.float32)
    floats[30:40] = np.nan
    found = images.decode_image(encoded(".tif", floats))
    assert found[30:40].max() == 0
    close(found[:30], picture[:30], 2)


def test_a_dead_pixel_does_not_darken_the_rest(picture):
    stored = np.round(picture / 255.0 * 4095).astype(np.uint16)
    stored[5, 5] = 65535
    close(images.decode_image(encoded(".png", stored)), picture, 1.5)


def test_transparent_is_white_and_an_even_alpha_says_nothing(picture):
    alpha = np.full((64, 96), 255, np.uint8)
    alpha[32:] = 0
    for shade, wanted in ((alpha, 255), (np.zeros_like(alpha), None), (np.full_like(alpha, 255), None)):
        done, data = cv2.imencode(".png", np.dstack([picture[:, :, ::-1], shade]))
        assert done
        found = images.decode_image(data.tobytes())
        np.testing.assert_array_equal(found[:32], picture[:32])
        if wanted is None:
            np.testing.assert_array_equal(found, picture)
        else:
            assert found[32:].min() == wanted


def header_of(kind, width, height):
    """Return a small file that says it holds a picture of such a size."""
    if kind == "jpeg":
        data = bytearray(images.encode_jpeg(np.zeros((16, 16, 3), np.uint8)))
        at = data.index(b"\xff\xc0")
        data[at + 5 : at + 9] = struct.pack(">HH", height, width)
        return bytes(data)
    if kind == "png":
        data = images.encode_png(np.zeros((16, 16, 3), np.uint8))
        return png_with(data[:8] + data[33:], b"IHDR", b"")[:8] + png_header(width, height) + data[33:]
    if kind == "gif":
        return b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0) + gif_frame(16, 16) + b";"
    if kind == "gif frame":
        return b"GIF89a" + struct.pack("<HHBBB", 16, 16, 0, 0, 0) + gif_frame(width, height) + b";"
    if kind == "bmp":
        return (
            b"BM" + struct.pack("<IIIIiiHHIIiiII", 90, 0, 54, 40, width, -height, 1, 24, 1, 0, 0, 0, 0, 0) + b"\0" * 40
        )
    if kind == "webp":
        size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
        parts = b"VP8X" + struct.pack("<IB3x", 10, 2) + size + b"ANIM" + struct.pack("<IIH", 6, 0, 0)
        return b"RIFF" + struct.pack("<I", len(parts) + 4) + b"WEBP" + parts
    if kind in ("tiff", "tile"):
        sides = (width, height, 0, 0) if kind == "tiff" else (16, 16, width, height)
        tags = [(tag, side) for tag, side in zip((256, 257, 322, 323), sides) if side]
        rows = b"".join(struct.pack("<HHII", tag, 4, 1, side) for tag, side in tags)
        return b"II*\0" + struct.pack("<IH", 8, len(tags)) + rows + b"\0" * 4
    if kind == "jp2":
        return b"\xff\x4f\xff\x51" + struct.pack(
            ">HHIIIIIIIIHBBB", 41, 0, width, height, 0, 0, width, height, 0, 0, 1, 7, 1, 1
        )
    if kind == "avif":
        ipco = box(b"ipco", box(b"ispe", struct.pack(">III", 0, width, height)))
        iprp = box(b"iprp", ipco + box(b"ipma", struct.pack(">IIHBB", 0, 1, 1, 1, 0x81)))
        pitm = box(b"pitm", struct.pack(">IH", 0, 1))
        return box(b"ftyp", b"avif\0\0\0\0avif") + box(b"meta", struct.pack(">I", 0) + pitm + iprp)
    return {
        "ppm": b"P3\n%d %d\n255\n0 0 0\n" % (width, height),
        "pam": b"P7\nWIDTH %d\nHEIGHT %d\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n" % (width, height),
        "hdr": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y %d +X %d\n" % (height, width),
        "sun": struct.pack(">8I", 0x59A66A95, width, height, 24, 0, 2, 0, 0),
        "exr": b"\x76\x2f\x31\x01\x02\0\0\0dataWindow\0box2i\0\x10\0\0\0"
        + struct.pack("<iiii", 0, 0, width - 1, height - 1),
    }[kind]


def png_header(width, height):
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body) & 0xFFFFFFFF)


def gif_frame(width, height):
    return b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x44\x01\0"


BOMBS = [
    "jpeg",
    "png",
    "gif",
    "gif frame",
    "bmp",
    "webp",
    "tiff",
    "tile",
    "jp2",
    "avif",
    "ppm",
    "pam",
    "hdr",
    "sun",
    "exr",
]


@pytest.mark.parametrize("kind", BOMBS)
def test_a_giant_is_refused_before_it_is_decoded(kind, monkeypatch):
    def decode(*args):
        raise AssertionError("decoded")

    monkeypatch.setattr(cv2, "imdecode", decode)
    side = 16000 if kind == "webp" else 30000
    with pytest.raises(ImageError, match="{0}x{0} pixels, more than the limit of 100,000,000".format(side)) as caught:
        images.decode_image(header_of(kind, side, side), "bomb")
    assert "KFACE_MAX_PIXELS" in str(caught.value)


def test_the_limit_is_a_setting(picture, monkeypatch):
    data = images.encode_png(picture)
    monkeypatch.setenv("KFACE_MAX_PIXELS", str(96 * 64))
    np.testing.assert_array_equal(images.decode_image(data), picture)
    monkeypatch.setenv("KFACE_MAX_PIXELS", str(96 * 64 - 1))
    with pytest.raises(ImageError, match="96x64 pixels"):
        images.decode_image(data)
    for text in ("0", "-1", "many", "1e8", "²", "9" * 400, "inf"):
        monkeypatch.setenv("KFACE_MAX_PIXELS", text)
        with pytest.raises(ConfigError, match="^KFACE_MAX_PIXELS: must be a whole number"):
            images.decode_image(data)


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs Linux's memory limits")
def test_too_little_memory_is_one_line(tmp_path):
    path = tmp_path / "large.jpg"
    path.write_bytes(images.encode_jpeg(np.zeros((6000, 6000, 3), np.uint8)))
    program = (
        "import resource, sys\n"
        "from kface.errors import ImageError\n"
        "from kface.images import read_image\n"
        "pages = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (pages + (60 << 20),) * 2)\n"
        "try:\n    read_image(sys.argv[1])\n"
        "except ImageError as error:\n    print(error)\n"
    )
    environment = dict(os.environ, PYTHONPATH=SOURCES)
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert (
        done.stdout.decode("utf-8").strip().endswith("large.jpg: needs more memory than is available; reduce its size")
    )
    assert done.stderr == b""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes in the file system")
def test_what_is_no_regular_file_is_one_line_at_once(tmp_path):
    os.mkfifo(str(tmp_path / "pipe.jpg"))
    (tmp_path / "giant.jpg").write_bytes(b"")
    with (tmp_path / "giant.jpg").open("r+b") as stream:
        stream.truncate(1 << 40)
    for path in (tmp_path / "pipe.jpg", "/dev/zero", tmp_path, tmp_path / "giant.jpg"):
        with pytest.raises(ImageError, match=r"cannot be read|not an image"):
            images.read_image(path)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".gif", ".webp", ".bmp", ".tif", ".jp2", ".avif"])
def test_what_follows_the_end_is_ignored_and_a_part_is_refused(picture, suffix):
    data = encoded(suffix, picture)
    whole = images.decode_image(data)
    close(whole, picture, 20)  # GIF dithers
    movie = struct.pack(">I", 24) + b"ftypmp42" + bytes(range(256)) * 40
    for tail in (b"\0" * 5000, movie, data, b"\xff\xd9", b"\n"):
        np.testing.assert_array_equal(images.decode_image(data + tail), whole)
    with pytest.raises(ImageError, match=r"truncated|cannot be decoded|can be decoded"):
        images.decode_image(data[: len(data) // 2])


def test_boxes_of_others_in_an_avif(picture):
    data = encoded(".avif", picture)
    at = data.index(b"mdat") - 4
    signed = box(b"jumb", b"who made this" * 10)
    whole = images.decode_image(data)
    np.testing.assert_array_equal(images.decode_image(data + signed), whole)
    # In front of the data, which move.
    moved = bytearray(data[:at] + signed + data[at:])
    iloc = moved.index(b"iloc") - 4
    end = iloc + struct.unpack_from(">I", moved, iloc)[0]
    struct.pack_into(">I", moved, end - 8, struct.unpack_from(">I", moved, end - 8)[0] + len(signed))
    np.testing.assert_array_equal(images.decode_image(bytes(moved)), whole)


def test_a_truncated_jpeg_is_refused_whatever_stands_behind_it(picture):
    data = images.encode_jpeg(picture)
    half = data[: len(data) // 2]
    for tail in (b"", b"\0" * 10000, data, b"\xff\xd8\xff\xd9"):
        with pytest.raises(ImageError, match="truncated"):
            images.decode_image(half + tail)


def test_a_jpeg_of_thousands_of_scans_is_refused_before_it_is_decoded(picture, monkeypatch):
    data = encoded(".jpg", picture, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    np.testing.assert_allclose(images.decode_image(data), images.decode_image(encoded(".jpg", picture)), atol=3)
    at = data.rindex(b"\xff\xda")
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(ImageError, match="is not an image that can be decoded"):
        images.decode_image(data[:at] + data[at:-2] * 5000 + data[-2:])


def test_a_thumbnail_is_not_the_end(picture):
    data = images.encode_jpeg(picture)
    small = images.encode_jpeg(picture[:16, :16])
    with_thumbnail = data[:2] + b"\xff\xe2" + struct.pack(">H", len(small) + 2) + small + data[2:]
    np.testing.assert_array_equal(images.decode_image(with_thumbnail), images.decode_image(data))
    with pytest.raises(ImageError, match="truncated"):
        images.decode_image(with_thumbnail[: len(small) + 200])


def test_bytes_between_segments_are_skipped(picture):
    data = images.encode_jpeg(picture)
    at = data.index(b"\xff\xdb")
    for junk in (b"\0\0\0", b"\xff\xff\xff", b"junk"):
        np.testing.assert_array_equal(images.decode_image(data[:at] + junk + data[at:]), images.decode_image(data))


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0isommp42", "video"),
        (b"%PDF-1.7\n", "PDF"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
    ],
)
def test_what_cannot_be_decoded_is_named(data, name):
    with pytest.raises(ImageError, match=name):
        images.decode_image(data + b"\0" * 64)


def test_decoders_print_nothing_and_others_still_do(picture, capfd):
    png = bytearray(images.encode_png(picture))
    png[60:90] = b"\xaa" * 30
    damaged = [
        bytes(png),
        images.encode_jpeg(picture)[:300] + b"\xff\xd9",
        png_with(images.encode_png(picture), b"iCCP", b"x"),
    ]
    stop = threading.Event()
    written = []

    def write():
        while not stop.is_set():
            os.write(2, b"another thread %d\n" % len(written))
            written.append(1)
            time.sleep(0.001)

    writer = threading.Thread(target=write)
    decoders = [threading.Thread(target=decode_all, args=(damaged * 40,)) for _ in range(3)]
    for thread in [writer] + decoders:
        thread.start()
    for thread in decoders:
        thread.join()
    stop.set()
    writer.join()
    os.write(2, b"still here\n")
    lines = capfd.readouterr().err.splitlines()
    assert lines.pop() == "still here"
    expected = ["another thread {}".format(number) for number in range(len(written))]
    # Only a line that came into the middle of a decoder's own may have gone with it.
    assert [line for line in expected if line in set(lines)] == lines
    assert len(lines) > 0.8 * len(expected)


def decode_all(damaged):
    for data in damaged:
        with contextlib.suppress(ImageError):
            images.decode_image(data)


def test_without_a_standard_error_images_are_decoded_all_the_same(picture, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(images.encode_png(picture))
    program = "import os, sys; from kface.images import read_image; os.close(2); print(read_image(sys.argv[1]).shape)"
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], env=dict(os.environ, PYTHONPATH=SOURCES), stdout=subprocess.PIPE
    )
    assert done.stdout.decode("ascii").strip() == "(64, 96, 3)"


def test_mutations():
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "attack"))
    from image_mutations import campaign

    assert campaign(0, 1000) == (1000, [])
