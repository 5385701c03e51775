"""Reads and writes image files, and converts between RGB and OpenCV's BGR.

Paths may contain any Unicode (Korean names on Windows): Python reads the bytes, and they are decoded in memory, because
``cv2.imread`` opens such paths on some systems only.
"""

import os
from typing import Optional, Union

import cv2
import numpy as np

from kface.errors import ImageError
from kface.files import open_regular, read_regular
from kface.images.channels import reverse_channels
from kface.images.header import Header, TruncatedError, Turns, read_header, reader_of, unreadable
from kface.images.levels import to_rgb
from kface.images.limits import SETTING, most_pixels
from kface.images.quiet import quiet

PathLike = Union[str, "os.PathLike[str]"]

#: A larger file is read only if it begins like an image.
_LARGE = 1 << 24
#: Depending on its version, OpenCV rotates some formats itself. With the first flag it rotates only TIFF, and returns the
#: samples as stored; the second is for formats that its version returns only as 8-bit colour.
_FLAGS = (cv2.IMREAD_UNCHANGED, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)


def read_bytes(path: PathLike) -> bytes:
    """Return an image file's bytes.

    Raises:
        ImageError: The file cannot be opened, is empty, is not a regular file, or is too large to be an image.
        ConfigError: KFACE_MAX_PIXELS is not a number.
    """
    # A pixel of 16-bit RGBA has eight bytes; no image needs more.
    limit = 8 * most_pixels() + _LARGE
    try:
        with open_regular(path) as stream:
            if os.fstat(stream.fileno()).st_size > _LARGE and reader_of(stream.read(64)) is None:
                raise ImageError("is not an image that can be decoded", path)
        data = read_regular(path, limit)
    except OSError as error:
        raise ImageError("cannot be read ({})".format(error.strerror or error), path)
    except MemoryError:
        raise _memory(path)
    if not data:
        raise ImageError("is empty (0 bytes)", path)
    return data


def decode_image(data: bytes, where: object = "image") -> np.ndarray:
    """Decode JPEG, PNG or another format that OpenCV supports.

    Nothing is decoded before the header has been read: a picture of more than 100 megapixels (or KFACE_MAX_PIXELS) is
    refused. Samples of more than 8 bits and floats are scaled to the brightness of an 8-bit picture of the same scene;
    transparent parts become white. Of an animation or a file of several pages the first picture is read. Data behind the
    picture's end, such as the video of a motion photo, are ignored.

    Args:
        data: The encoded bytes.
        where: Its name in an error.

    Returns:
        uint8 (h, w, 3), RGB, upright: the orientation of EXIF, TIFF and AVIF is applied, with every version of OpenCV.

    Raises:
        ImageError: The bytes are not an image, are truncated, or describe one that is too large.
        ConfigError: KFACE_MAX_PIXELS is not a number.
    """
    header = _header(data, where)
    most = most_pixels()
    if header.width <= 0 or header.height <= 0:
        raise _damaged(where)
    if header.width * header.height > most:
        raise ImageError(
            "has {}x{} pixels, more than the limit of {:,}".format(header.width, header.height, most),
            where,
            "reduce its size or set {}".format(SETTING),
        )
    try:
        stored = _decode(data, header)
        if stored is None:
            raise _damaged(where, header.format)
        if header.whole and stored.dtype.itemsize == np.dtype(header.whole).itemsize:
            stored = np.ascontiguousarray(stored).view(header.whole)
        rgb = to_rgb(stored, header.peak, where)
        if header.negative and stored.dtype != np.uint8:
            rgb = 255 - rgb
        return _upright(rgb, header.turns)
    except MemoryError:
        raise _memory(where)


def read_image(path: PathLike) -> np.ndarray:
    """Read an image file as uint8 (h, w, 3), RGB; raises as :func:`read_bytes` and :func:`decode_image` do."""
    return decode_image(read_bytes(path), path)


def encode_jpeg(rgb: np.ndarray, quality: int = 95) -> bytes:
    """Encode uint8 (h, w, 3) RGB as JPEG."""
    done, data = cv2.imencode(".jpg", reverse_channels(rgb), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ImageError("cannot be encoded as JPEG, shape {}".format(rgb.shape))
    return bytes(data.tobytes())


def encode_png(rgb: np.ndarray) -> bytes:
    """Encode uint8 (h, w, 3) RGB as PNG."""
    done, data = cv2.imencode(".png", reverse_channels(rgb))
    if not done:
        raise ImageError("cannot be encoded as PNG, shape {}".format(rgb.shape))
    return bytes(data.tobytes())


def _header(data: bytes, where: object) -> Header:
    try:
        header = read_header(data)
    except TruncatedError:
        kind = "JPEG" if data[:2] == b"\xff\xd8" else "image"
        raise ImageError("is a truncated {}".format(kind), where, "copy the file again")
    except ValueError:
        raise _damaged(where)
    if header is None:
        known = unreadable(data)
        if known:
            raise ImageError(
                "is {}, not an image that can be decoded".format(known), where, "convert it to JPEG or PNG"
            )
        raise _damaged(where)
    return header


def _decode(data: bytes, header: Header) -> Optional[np.ndarray]:
    """Return the samples as OpenCV decodes them, or None."""
    if header.patches:
        copy = bytearray(data)
        for place, patch in header.patches:
            copy[place : place + len(patch)] = patch
        data = bytes(copy)
    encoded = np.frombuffer(data, np.uint8)[: header.end]
    with quiet():
        for flags in _FLAGS:
            try:
                stored = cv2.imdecode(encoded, flags)
            except cv2.error as error:
                if getattr(error, "code", None) == cv2.Error.StsNoMem:
                    raise MemoryError
                continue
            if stored is not None and stored.size:
                return np.asarray(stored)
    return None


def _upright(rgb: np.ndarray, turns: Turns) -> np.ndarray:
    for turn in turns:
        if turn == "left":
            rgb = np.rot90(rgb)
        else:
            rgb = rgb[::-1] if turn == "flip" else rgb[:, ::-1]
    return np.ascontiguousarray(rgb)


def _damaged(where: object, kind: Optional[str] = None) -> ImageError:
    if kind is None:
        return ImageError("is not an image that can be decoded", where)
    return ImageError(
        "is not an image that can be decoded (damaged, or a kind of {} that OpenCV {} does not read)".format(
            kind, cv2.__version__
        ),
        where,
    )


def _memory(where: object) -> ImageError:
    return ImageError("needs more memory than is available", where, "reduce its size")
