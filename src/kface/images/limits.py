"""How large a picture may be, and what its file is called."""

import os
from typing import Callable, Iterable, Iterator, List, TypeVar

from kface.errors import ConfigError

#: The environment variable that sets how many pixels a picture may have.
SETTING = "KFACE_MAX_PIXELS"
#: 100 megapixels, 300 MB as RGB: more than any camera for faces, less than what a small board has.
DEFAULT_PIXELS = 100000000
#: OpenCV's own limit.
_MOST = 1 << 30

#: Endings of the files that :func:`kface.images.read_image` can read; it goes by their content. AVIF, GIF and OpenEXR
#: depend on the OpenCV at hand.
IMAGE_SUFFIXES = (
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".bmp", ".dib", ".webp", ".tif", ".tiff", ".gif", ".avif")
    + (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".pbm", ".pgm", ".ppm", ".pnm", ".pxm", ".pam", ".pfm")
    + (".ras", ".sr", ".hdr", ".pic", ".exr")
)


#: Pixels of the images that are worked on together; a larger image is worked on alone.
BATCH_PIXELS = 1 << 24

T = TypeVar("T")


def in_batches(values: Iterable[T], most: int, pixels_of: Callable[[T], int]) -> Iterator[List[T]]:
    """Yield lists of values that hold at most so many images and 16 million pixels together, or a single larger image.

    Args:
        values: Images, or what goes with one; taken from an iterator no sooner than they are needed.
        most: How many a list may have.
        pixels_of: Returns how many pixels one has.
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
    """Return whether a file's name ends as an image's does, in capitals or small letters."""
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


def most_pixels() -> int:
    """Return how many pixels a picture may have; raises ConfigError where KFACE_MAX_PIXELS is not such a number."""
    text = os.environ.get(SETTING, "").strip()
    if not text:
        return DEFAULT_PIXELS
    if not _is_number(text) or not 0 < int(text) <= _MOST:
        raise ConfigError("must be a whole number from 1 to {}, not {!r}".format(_MOST, text[:40]), SETTING)
    return int(text)


def _is_number(text: str) -> bool:
    return 0 < len(text) <= 10 and all(sign in "0123456789" for sign in text)
