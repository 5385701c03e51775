"""Faces that a corpus has aligned already: JPEG crops are copied, others are encoded once."""

import struct
from typing import Any, NamedTuple

import numpy as np

from kface.alignment import SIZE, TEMPLATE
from kface.errors import ImageError
from kface.images import decode_image, encode_jpeg

#: Landmarks and box of an aligned crop, in its own pixels.
LANDMARKS = TEMPLATE.astype(np.float32)
BOX = np.array([0, 0, SIZE, SIZE], np.float32)
#: Frames of baseline, extended and progressive JPEG.
_FRAMES = (0xC0, 0xC1, 0xC2)
_ALONE = (0x01, *range(0xD0, 0xD9))


class NoDetector(NamedTuple):
    """Stands where a detector would: aligned crops need none."""

    def describe(self) -> dict[str, Any]:
        """Return what distinguishes it from detectors, for the manifest."""
        return {"name": "none"}

    def open(self) -> Any:
        """Raise TypeError: nothing is detected."""
        raise TypeError("aligned crops need no detector")


def crop_jpeg(data: bytes, where: object, quality: int) -> bytes:
    """Return an aligned crop as JPEG: the bytes themselves where every decoder reads them alike, else encoded again.

    Args:
        data: The encoded image.
        where: Its name in an error.
        quality: JPEG quality, 1-100, of an image that is encoded again.

    Raises:
        ImageError: It cannot be decoded, or is not 112x112 pixels large.
    """
    image = decode_image(data, where)
    if image.shape[:2] != (SIZE, SIZE):
        height, width = image.shape[:2]
        raise ImageError(f"has {width}x{height} pixels instead of {SIZE}x{SIZE}: not an aligned crop", where)
    return data if is_plain_jpeg(data) else encode_jpeg(image, quality)


def is_plain_jpeg(data: bytes) -> bool:
    """Return whether some bytes are a JPEG of three 8-bit YCbCr components without an orientation."""
    if data[:2] != b"\xff\xd8":
        return False
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker in _ALONE:
            place += 2
            continue
        (length,) = struct.unpack_from(">H", data, place + 2)
        body = data[place + 4 : place + 2 + length]
        if marker in _FRAMES:
            return len(body) >= 6 and body[0] == 8 and body[5] == 3
        if marker == 0xE1 and body.startswith(b"Exif"):
            return False
        # Adobe's marker says whether the components are YCbCr (1) or stored as RGB.
        if marker == 0xEE and body.startswith(b"Adobe") and body[11:12] != b"\x01":
            return False
        place += 2 + length
    return False
