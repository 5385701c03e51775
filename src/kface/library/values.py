"""What the library hands out, and the errors that its statuses become."""

import struct
import zlib
from typing import Any, Dict, NamedTuple, Optional, Type

import numpy as np

from kface.errors import ConfigError, ImageError, KFaceError, ModelError
from kface.faces import Faces

#: What a match with a failed template yields; no pair of good templates has less.
FAILED_SIMILARITY = -1.0

OK, NO_FACE, FACE_FAILED, FAILED_TEMPLATE = 0, 1, 2, 3
ARGUMENT, IMAGE, FILE, BUNDLE, NETWORK, TEMPLATE, MODEL, CAPACITY, MEMORY, INTERNAL = range(-1, -11, -1)

#: Why a template is a failed one: KFACE_REASON_... of kface.h.
REASONS: Dict[int, Optional[str]] = {
    0: None,
    1: "no face was found",
    2: "the landmarks cannot be aligned",
    3: "the network gave no embedding of a finite length",
    4: "there is no image: it is missing, damaged or too large",
    5: "a network or the memory failed",
}

#: A template's first 64 bytes, see the end of kface.h.
_HEADER = struct.Struct("<8sHHII32sIII")
_MAGIC, _LAYOUT = b"KFACETPL", 1


class TemplateError(KFaceError):
    """A template that is damaged, or of another model."""


_ERRORS: Dict[int, Type[KFaceError]] = {
    ARGUMENT: ConfigError,
    IMAGE: ImageError,
    FILE: ImageError,
    BUNDLE: ModelError,
    NETWORK: ModelError,
    TEMPLATE: TemplateError,
    MODEL: TemplateError,
}


def error_of(status: int, line: str) -> KFaceError:
    """Return the house's error for a status of the library and the line that it has about it."""
    return _ERRORS.get(status, KFaceError)(line or "the library failed with status {}".format(status))


class OpaqueTemplate(NamedTuple):
    """A template as the library makes it: bytes that are kept, sent and compared, but not looked into.

    Attributes:
        data: The template, of :attr:`kface.library.Engine.template_size` bytes.
        failed: Whether it has no embedding: every match with it is :data:`FAILED_SIMILARITY`.
        reason: Why it failed; None where it did not.
        face: The face it is of; none where no face was found, or where it was read from bytes.
    """

    data: bytes
    failed: bool
    reason: Optional[str]
    face: Faces


class TemplateContent(NamedTuple):
    """What a template holds.

    Attributes:
        embedding: float32 (d,), of length 1; zeros where it failed.
        failed: Whether there is no embedding.
        reason: Why it failed; None where it did not.
        fingerprint: Of the model, 64 hexadecimal digits; templates of another cannot be compared with this one.
    """

    embedding: np.ndarray
    failed: bool
    reason: Optional[str]
    fingerprint: str


def read_template(data: Any) -> TemplateContent:
    """Read a template without the library, as its layout is documented in kface.h.

    Args:
        data: Its bytes, or an :class:`OpaqueTemplate`.

    Raises:
        TemplateError: It is truncated, damaged, of another layout, or no template.
    """
    data = template_bytes(data)
    if len(data) < _HEADER.size or data[:8] != _MAGIC:
        raise TemplateError("is not a template of kface's", remedy="enrol the image again")
    _, layout, flags, reason, dimension, model, reserved, body_sum, head_sum = _HEADER.unpack_from(data)
    if layout != _LAYOUT:
        raise TemplateError("a template has layout {}, and {} is known".format(layout, _LAYOUT), remedy="update kface")
    body = data[_HEADER.size :]
    if (
        zlib.crc32(data[: _HEADER.size - 4]) & 0xFFFFFFFF != head_sum
        or len(body) != 4 * dimension
        or zlib.crc32(body) & 0xFFFFFFFF != body_sum
        or flags & ~1
        or reserved
    ):
        raise TemplateError("a template is damaged", remedy="enrol the image again")
    return TemplateContent(
        np.frombuffer(body, "<f4").astype(np.float32), bool(flags & 1), REASONS.get(reason, "unknown"), model.hex()
    )


def template_bytes(value: Any) -> bytes:
    """Return the bytes of a template that is given as :class:`OpaqueTemplate`, bytes or a uint8 array (n,).

    Raises:
        TemplateError: It is something else.
    """
    if isinstance(value, OpaqueTemplate):
        return value.data
    if isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim == 1:
        return value.tobytes()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise TemplateError("is not a template, but {}".format(type(value).__name__), remedy="give what enrol returned")
