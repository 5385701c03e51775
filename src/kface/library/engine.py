"""An opened bundle of the C++ library."""

import ctypes
import os
from typing import TYPE_CHECKING, Any, List, Optional, Sequence, Tuple, Union

import numpy as np

from kface.errors import ConfigError, ImageError, ModelError
from kface.faces import Faces
from kface.library import values
from kface.library.structures import Face, Image
from kface.library.values import OpaqueTemplate, TemplateError, template_bytes

if TYPE_CHECKING:
    from kface.library.binding import Library

PathLike = Union[str, "os.PathLike[str]"]
#: uint8 (h, w, 3), RGB, or the path of an image file.
ImageLike = Union[np.ndarray, PathLike]

#: Side of an aligned face in pixels: KFACE_CROP_SIDE.
CROP = 112
_RGB = 2
#: Faces that there is room for at first; where there are more, they are asked for again.
_ROOM = 64
#: Statuses that say "there is none" without being errors.
_NONE = (values.OK, values.NO_FACE, values.FACE_FAILED, values.FAILED_TEMPLATE)


class Engine(object):
    """An opened bundle: the whole chain, from images to templates and similarities. A context manager, which closes it.

    All methods may be called by several threads at the same time; none holds Python's lock while the library works.

    Raises:
        KFaceError: From every method: ImageError where an image is not one, ModelError where a network fails or the engine
            was closed, TemplateError where a template is damaged or of another model. The line is the library's.
    """

    def __init__(self, library: "Library", handle: ctypes.c_void_p) -> None:
        self._library = library
        self._functions = library.functions
        self._handle: Optional[ctypes.c_void_p] = handle
        #: Bytes of a template.
        self.template_size = int(self._functions.kface_template_size(handle))
        #: How many numbers an embedding has.
        self.embedding_size = int(self._functions.kface_embedding_size(handle))
        #: The model's fingerprint, 64 hexadecimal digits: templates of another cannot be compared.
        self.fingerprint = str((self._functions.kface_fingerprint(handle) or b"").decode("ascii", "replace"))
        if self.embedding_size < 1 or self.template_size < self.embedding_size:
            self.close()
            raise ModelError(
                "says that templates have {} bytes and embeddings {} numbers".format(
                    self.template_size, self.embedding_size
                ),
                library.path,
                "make library",
            )

    def close(self) -> None:
        """Close it; a call of another thread ends as it would have. Closing it again does nothing."""
        handle, self._handle = self._handle, None
        if handle is not None:
            self._functions.kface_close(handle)

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        # Where opening failed there is nothing to close.
        if getattr(self, "_handle", None) is not None:
            self.close()

    def detect(self, image: ImageLike) -> Faces:
        """Find the faces of an image, best score first."""
        pixels, described = _described(_loaded(image))
        room = _ROOM
        while True:
            faces, count = (Face * room)(), ctypes.c_int32()
            self._call("kface_detect", ctypes.byref(described), faces, room, ctypes.byref(count))
            if count.value <= room:
                break
            room = count.value
        del pixels
        return _faces(faces, count.value)

    def align(self, image: ImageLike, landmarks: Any) -> np.ndarray:
        """Cut aligned faces out of an image.

        Args:
            image: The image.
            landmarks: (5, 2) of one face, or (n, 5, 2), x y in pixels.

        Returns:
            uint8 (112, 112, 3), RGB, or (n, 112, 112, 3); black where the landmarks of one cannot be aligned.
        """
        points = np.array(landmarks, np.float32)
        if points.shape[-2:] != (5, 2) or points.ndim not in (2, 3):
            raise ConfigError("must be (5, 2) or (n, 5, 2), not {}".format(points.shape), "landmarks")
        pixels, described = _described(_loaded(image))
        several = points.reshape(-1, 10)
        crops = np.zeros((len(several), CROP, CROP, 3), np.uint8)
        for crop, one in zip(crops, several):
            status = self._call("kface_align", ctypes.byref(described), one.ctypes.data, crop.ctypes.data, crop.nbytes)
            if status != values.OK:
                crop[...] = 0
        del pixels
        return crops if points.ndim == 3 else crops[0]

    def embed(self, crops: np.ndarray) -> np.ndarray:
        """Embed aligned faces.

        Args:
            crops: uint8 (112, 112, 3), RGB, or (n, 112, 112, 3), as :meth:`align` returns them.

        Returns:
            float32 (d,), of length 1, or (n, d); zeros where the network gives nothing that has a direction.
        """
        if not isinstance(crops, np.ndarray) or crops.dtype != np.uint8 or crops.shape[-3:] != (CROP, CROP, 3):
            raise ImageError(
                "are not aligned faces: uint8 (n, 112, 112, 3) is needed, got {} {}".format(
                    getattr(crops, "dtype", type(crops).__name__), getattr(crops, "shape", "")
                )
            )
        if crops.ndim not in (3, 4):
            raise ImageError("are not aligned faces: (n, 112, 112, 3) is needed, got {}".format(crops.shape))
        several = np.ascontiguousarray(crops).reshape(-1, CROP, CROP, 3)
        out = np.zeros((len(several), self.embedding_size), np.float32)
        for crop, embedding in zip(several, out):
            status = self._call("kface_embed", crop.ctypes.data, embedding.ctypes.data, embedding.size)
            if status != values.OK:
                embedding[...] = 0
        return out if crops.ndim == 4 else out[0]

    def enrol(self, image: ImageLike, failures: bool = False) -> OpaqueTemplate:
        """Make a template of the face with the largest box; a failed one where there is none.

        Args:
            image: uint8 (h, w, 3), RGB, or the path of a JPEG, PNG, BMP or PNM file, which the library decodes itself.
            failures: Return a failed template too where the image cannot be read, instead of raising ImageError, as a
                test does that counts failures.
        """
        face = Face()
        data = ctypes.create_string_buffer(self.template_size)
        if isinstance(image, np.ndarray):
            pixels, described = _described(image)
            status = self._call_with_failures(
                "kface_enroll_image", failures, ctypes.byref(described), data, self.template_size, ctypes.byref(face)
            )
            del pixels
        else:
            path = _encoded_path(image)
            status = self._call_with_failures(
                "kface_enroll_file", failures, path, data, self.template_size, ctypes.byref(face)
            )
        content = values.read_template(data.raw)
        # All of its numbers are 0 where there is no face.
        found = 1 if any(face.box) or any(face.landmarks) or face.score else 0
        if status == values.OK and content.failed:
            raise ModelError("returned a failed template with success", self._library.path, "make library")
        return OpaqueTemplate(data.raw, content.failed, content.reason, _faces([face], found))

    def match(self, first: Any, second: Any) -> float:
        """Return the similarity of two templates, -1 to 1: :data:`FAILED_SIMILARITY` where one is a failed one.

        Args:
            first: What :meth:`enrol` returned, or its bytes.
            second: Likewise.
        """
        a, b = template_bytes(first), template_bytes(second)
        similarity = ctypes.c_double()
        self._call("kface_match", a, len(a), b, len(b), ctypes.byref(similarity))
        return float(similarity.value)

    def match_many(self, probes: Sequence[Any], templates: Sequence[Any]) -> np.ndarray:
        """Return the similarities of each of m probes with each of n templates, float32 (m, n); see :meth:`match`.

        Args:
            probes: What :meth:`enrol` returned, its bytes, or uint8 (m, size).
            templates: Likewise, n of them.
        """
        rows, columns = self._joined(probes), self._joined(templates)
        out = np.full((len(probes), len(templates)), values.FAILED_SIMILARITY, np.float32)
        if out.size:
            self._call(
                "kface_match_many",
                rows,
                len(probes),
                columns,
                len(templates),
                self.template_size,
                out.ctypes.data,
            )
        return out

    def self_check(self) -> float:
        """Compare all stages with the bundle's golden vectors, and return the smallest cosine; ModelError if one is wrong."""
        cosine = ctypes.c_double()
        self._call("kface_self_check", ctypes.byref(cosine))
        return float(cosine.value)

    def _joined(self, templates: Sequence[Any]) -> bytes:
        parts: List[bytes] = [template_bytes(each) for each in templates]
        for number, part in enumerate(parts):
            if len(part) != self.template_size:
                raise TemplateError(
                    "template {} has {} bytes, and those of this model have {}".format(
                        number, len(part), self.template_size
                    ),
                    remedy="enrol its image again with this model",
                )
        return b"".join(parts)

    def _call(self, name: str, *arguments: Any) -> int:
        return self._call_with_failures(name, False, *arguments)

    def _call_with_failures(self, name: str, failures: bool, *arguments: Any) -> int:
        """Call a function of the library with this engine's handle; raise what its status stands for."""
        handle = self._handle
        if handle is None:
            raise ModelError("has been closed", "engine", "open the bundle again")
        status = int(getattr(self._functions, name)(handle, *arguments))
        if status in _NONE or (failures and status in (values.IMAGE, values.FILE)):
            return status
        raise self._library.error(status)


def _loaded(image: ImageLike) -> np.ndarray:
    if isinstance(image, np.ndarray):
        return image
    from kface.images import read_image

    return read_image(image)


def _described(rgb: Any) -> Tuple[np.ndarray, Image]:
    """Return an image's memory, which has to be kept, and what the library takes of it; only odd ones are copied."""
    if not isinstance(rgb, np.ndarray) or rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ImageError(
            "is not an RGB image: uint8 (h, w, 3) is needed, got {} {}".format(
                getattr(rgb, "dtype", type(rgb).__name__), getattr(rgb, "shape", "")
            )
        )
    height, width = rgb.shape[:2]
    if max(height, width) >= 1 << 31:
        raise ImageError("has sides of {} x {} pixels".format(width, height))
    if rgb.strides[1:] != (3, 1) or rgb.strides[0] < 3 * width:
        rgb = np.ascontiguousarray(rgb)
    # The stride of a single row, and those of an image without pixels, may be any number.
    stride = rgb.strides[0] if height > 1 and width else 3 * width
    return rgb, Image(rgb.ctypes.data, width, height, stride, _RGB)


def _encoded_path(path: Any) -> bytes:
    text = os.fspath(path)
    if not isinstance(text, str) or "\0" in text:
        raise ImageError("is not a path: {!r}".format(text))
    return text.encode("utf-8", "surrogateescape")


def _faces(faces: Any, count: int) -> Faces:
    if not count:
        return Faces.empty()
    some = [faces[number] for number in range(count)]
    return Faces(
        np.array([list(face.box) for face in some], np.float32).reshape(count, 4),
        np.array([face.score for face in some], np.float32),
        np.array([list(face.landmarks) for face in some], np.float32).reshape(count, 5, 2),
    )
