"""The doors through which images come in and go out: uint8 (h, w, 3), RGB, upright and 8 bits inside the house."""

from kface.images.codec import decode_image, encode_jpeg, encode_png, read_bytes, read_image
from kface.images.limits import IMAGE_SUFFIXES, in_batches, is_image_name

__all__ = [
    "IMAGE_SUFFIXES",
    "decode_image",
    "encode_jpeg",
    "encode_png",
    "in_batches",
    "is_image_name",
    "read_bytes",
    "read_image",
]
