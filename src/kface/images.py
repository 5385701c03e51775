"""The doors through which images come in and go out: RGB inside the house, whatever OpenCV wants outside.

Paths may hold any Unicode (Korean names on Windows): bytes are read by Python and decoded in
memory, because ``cv2.imread`` opens such paths on some systems only.
"""

import os
from typing import Union

import cv2
import numpy as np

from kface.errors import ImageError

PathLike = Union[str, "os.PathLike[str]"]


def read_bytes(path: PathLike) -> bytes:
    """Return a file's bytes.

    Raises:
        ImageError: The file cannot be opened, or is empty.
    """
    try:
        with open(os.fspath(path), "rb") as stream:
            data = stream.read()
    except OSError as error:
        raise ImageError("cannot be read ({})".format(error.strerror or error), path)
    if not data:
        raise ImageError("is empty (0 bytes)", path)
    return data


def decode_image(data: bytes, where: object = "image") -> np.ndarray:
    """Decode JPEG, PNG or another format that OpenCV knows.

    Args:
        data: The encoded bytes.
        where: What to call it in an error.

    Returns:
        uint8 (h, w, 3), RGB. EXIF orientation is applied.

    Raises:
        ImageError: The bytes are no image, or a JPEG that ends before its end marker.
    """
    if data[:2] == b"\xff\xd8" and b"\xff\xd9" not in data[-4096:]:
        # OpenCV fills the missing rows with grey and calls that a success.
        raise ImageError("is a truncated JPEG", where, "copy the file again")
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        bgr = None
    if bgr is None:
        raise ImageError("is not an image that can be decoded", where)
    return np.ascontiguousarray(bgr[:, :, ::-1])


def read_image(path: PathLike) -> np.ndarray:
    """Read an image file as uint8 (h, w, 3), RGB; raises :class:`ImageError`."""
    return decode_image(read_bytes(path), path)


def encode_jpeg(rgb: np.ndarray, quality: int = 95) -> bytes:
    """Encode uint8 (h, w, 3) RGB as JPEG."""
    done, data = cv2.imencode(".jpg", np.ascontiguousarray(rgb[:, :, ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ImageError("cannot be encoded as JPEG, shape {}".format(rgb.shape))
    return data.tobytes()


def encode_png(rgb: np.ndarray) -> bytes:
    """Encode uint8 (h, w, 3) RGB as PNG."""
    done, data = cv2.imencode(".png", np.ascontiguousarray(rgb[:, :, ::-1]))
    if not done:
        raise ImageError("cannot be encoded as PNG, shape {}".format(rgb.shape))
    return data.tobytes()
