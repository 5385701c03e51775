"""Limits of size, and names of image files."""

import os
from typing import Callable, Iterable, Iterator, List, TypeVar

from kface.errors import ConfigError

#: The environment variable with the maximum number of pixels of a picture.
SETTING = "KFACE_MAX_PIXELS"
#: 100 megapixels, 300 MB as RGB: more than face cameras deliver, and less than the memory of a small board.
DEFAULT_PIXELS = 100000000
#: OpenCV's own limit.
_MOST = 1 << 30

#: Suffixes of files that :func:`kface.images.read_image` can read; it recognises them by their content. AVIF, GIF and OpenEXR
#: depend on the version of OpenCV.
IMAGE_SUFFIXES = (
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".bmp", ".dib", ".webp", ".tif", ".tiff", ".gif", ".avif")
    + (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".pbm", ".pgm", ".ppm", ".pnm", ".pxm", ".pam", ".pfm")
    + (".ras", ".sr", ".hdr", ".pic", ".exr")
)


#: Maximum number of pixels of a batch of images; a larger image is a batch of its own.
BATCH_PIXELS = 1 << 24

T = TypeVar("T")


def in_batches(values: Iterable[T], most: int, pixels_of: Callable[[T], int]) -> Iterator[List[T]]:
    """Yield batches of images with at most 16 million pixels, or of one larger image.

    Args:
        values: Images, or objects with an image each; taken from an iterator only when needed.
        most: Maximum number in a batch.
        pixels_of: Returns the number of pixels of one.
    """
    batch: List[T] = []
    held = 0
    for value in values:
        size = pixels_of(value)
        if batch and (len(batch) == most or held + size > BATCH_PIXELS):
            yield batch
            batch, held = [], 0
        batch.append(value)
        held += size
    if batch:
        yield batch


def is_image_name(name: str) -> bool:
    """Return whether a file's name has an image's suffix, in upper or lower case."""
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


def most_pixels() -> int:
    """Return the maximum number of pixels of a picture; raises ConfigError where KFACE_MAX_PIXELS is wrong."""
    text = os.environ.get(SETTING, "").strip()
    if not text:
        return DEFAULT_PIXELS
    if not _is_number(text) or not 0 < int(text) <= _MOST:
        raise ConfigError("must be a whole number from 1 to {}, not {!r}".format(_MOST, text[:40]), SETTING)
    return int(text)


def _is_number(text: str) -> bool:
    return 0 < len(text) <= 10 and all(sign in "0123456789" for sign in text)
