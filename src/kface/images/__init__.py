"""Reads and writes image files; inside the program an image is uint8 (h, w, 3), RGB, upright."""

from kface.images.channels import reverse_channels
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
    "reverse_channels",
]
