"""Kept crops: PNG without loss, of one size."""

import struct

import numpy as np

from kface import alignment
from kface.errors import GalleryError, ImageError
from kface.images import decode_image, encode_png

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: Length, name and content of the header that a PNG begins with: width, height, 8 bits, RGB.
_HEADER = struct.pack(">I4sIIBB", 13, b"IHDR", alignment.SIZE, alignment.SIZE, 8, 2)


def encode_crop(crop: np.ndarray) -> bytes:
    """Return a crop without loss, so that a later model sees what this one saw; raises GalleryError where it is none."""
    crop = np.asarray(crop)
    if crop.dtype != np.uint8 or crop.shape != (alignment.SIZE, alignment.SIZE, 3):
        raise GalleryError(
            "a crop must be uint8 ({0}, {0}, 3), not {1} {2}".format(alignment.SIZE, crop.dtype, crop.shape)
        )
    return encode_png(crop)


def decode_crop(png: bytes, what: str) -> np.ndarray:
    """Return a crop, uint8 (112, 112, 3) RGB.

    The size is read before anything is decoded: a few bytes of PNG can stand for gigabytes.

    Args:
        png: What :func:`encode_crop` made.
        what: Whose it is, for the error.

    Raises:
        GalleryError: It is not such an image.
    """
    try:
        if png[: len(_SIGNATURE) + len(_HEADER)] == _SIGNATURE + _HEADER:
            image = decode_image(png, what)
            if image.shape == (alignment.SIZE, alignment.SIZE, 3):
                return image
    except ImageError:
        pass
    raise GalleryError("is not an RGB image of {0}x{0}".format(alignment.SIZE), what, "delete that template")
