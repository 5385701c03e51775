"""What the kernels do, whoever does it: arguments are checked here, once, and computed by a subclass."""

from typing import Any, List, NamedTuple, Optional, Tuple

import numpy as np

from kface.checks import number, whole
from kface.errors import ConfigError, ImageError

#: As in the C header: sides of an image and of a crop, and pixels from an image's corner to the corner of a box.
MAX_SIDE = 1 << 20
MAX_CROP = 4096
REACH = 1e9
#: For which processors the networks are compiled; the number of a name is the C header's. "base" is what every processor of its
#: kind has: SSE2 on x86-64, NEON on 64-bit ARM.
VARIANTS = ("auto", "base", "avx2", "avx512")
#: Floats of the networks' weights, and pixels of P-Net's window: the least side of a level.
WEIGHTS = {"pnet": 19573, "rnet": 135200, "onet": 542656}
PNET_WINDOW = 12
#: Of the bytes of :meth:`Kernels.near_rows`: their longest row, of what its length is a multiple, and the most owners.
MAX_CODES = 1 << 16
CODES_STEP = 64
MAX_NEAR = 1024


class NearRows(NamedTuple):
    """Rows that may be among the best of a probe.

    Attributes:
        rows: int64 (n,), ascending.
        lower: float32 (n,), what each row's score is at least.
        upper: float32 (n,), what it is at most.
    """

    rows: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


class Kernels(object):
    """The kernels; a subclass computes them.

    They keep no state: several threads may call them at the same time.

    Attributes:
        compiled: Whether machine code computes them.
    """

    compiled = False

    def area_resize(self, rgb: np.ndarray, height: int, width: int) -> np.ndarray:
        """Shrink an image by area, as OpenCV's INTER_AREA does on floats, and normalise it.

        Args:
            rgb: uint8 (h, w, 3).
            height: Rows of the result, 1 to h.
            width: Columns of the result, 1 to w.

        Returns:
            float32 (3, height, width), (x - 127.5) / 128.

        Raises:
            ImageError: The array is not such an image, or has no pixel.
            ConfigError: A side is out of its range.
        """
        rgb = _image(rgb)
        whole("height", height, 1, rgb.shape[0])
        whole("width", width, 1, rgb.shape[1])
        return self._area_resize(rgb, height, width)

    def level(self, rgb: np.ndarray, scale: float) -> np.ndarray:
        """Shrink an image by a factor: a level of MTCNN's pyramid, as :func:`kface.mtcnn.pyramid.level` makes it.

        Args:
            rgb: uint8 (h, w, 3), as it is.
            scale: The factor, above 0 and at most 1; sides are rounded down.

        Returns:
            float32 (3, int(h * scale), int(w * scale)), sides at least 1, (x - 127.5) / 128.

        Raises:
            ImageError: The array is not such an image, or has no pixel.
            ConfigError: The factor is out of its range.
        """
        rgb = _image(rgb)
        scale = number("scale", scale, 0, 1, open_below=True)
        return self._area_resize(rgb, max(int(rgb.shape[0] * scale), 1), max(int(rgb.shape[1] * scale), 1))

    def crop_and_resize(self, rgb: np.ndarray, boxes: Any, size: int) -> np.ndarray:
        """Cut squares out of an image as :func:`kface.mtcnn.pyramid.crop_and_resize` does, and normalise them.

        Args:
            rgb: uint8 (h, w, 3), as it is.
            boxes: (n, 4), x1 y1 x2 y2 in pixels; they may lie outside. The crop of a box that is not finite, or reaches
                further than :data:`REACH`, is 0.
            size: Side of the crops, 2 to :data:`MAX_CROP`.

        Returns:
            float32 (n, 3, size, size), (x - 127.5) / 128; 0 outside the image.

        Raises:
            ImageError: The array is not such an image, or has no pixel.
            ConfigError: The side is out of its range, or the boxes are not (n, 4).
        """
        rgb, boxes = _image(rgb), _boxes(boxes)
        whole("size", size, 2, MAX_CROP)
        return self._crop_and_resize(rgb, boxes, size)

    def pnet(
        self,
        rgb: np.ndarray,
        shape: Tuple[int, int],
        weights: np.ndarray,
        least: float,
        rows: Optional[Tuple[int, int]] = None,
        variant: str = "auto",
    ) -> Tuple[np.ndarray, np.ndarray]:
        """Run P-Net on a level of an image's pyramid, which is shrunk as :meth:`area_resize` does.

        Args:
            rgb: uint8 (h, w, 3), as it is.
            shape: Height and width of the level, each at least 12 and at most the image's.
            weights: From :func:`kface.mtcnn.native_weights.arrange`.
            least: Windows with a higher logit are found.
            rows: The first and the last but one of the output's rows to compute, of (height - 1) // 2 - 4; None for all.
            variant: A name in :data:`VARIANTS`.

        Returns:
            int32 (n,), row * width of the output + column, ascending; and float32 (n, 5), the logit and four offsets.

        Raises:
            ImageError: The array is not such an image, or has no pixel.
            ConfigError: Another argument is out of its range.
        """
        rgb, weights = _image(rgb), _weights(weights, "pnet")
        height = whole("shape", shape[0], PNET_WINDOW, rgb.shape[0])
        width = whole("shape", shape[1], PNET_WINDOW, rgb.shape[1])
        most = (height - 1) // 2 - 4
        begin, end = (0, most) if rows is None else rows
        end = whole("rows", end, 0, most)
        begin = whole("rows", begin, 0, end)
        return self._pnet(rgb, (height, width), weights, float(least), (begin, end), _variant(variant))

    def rnet(self, rgb: np.ndarray, boxes: Any, weights: np.ndarray, variant: str = "auto") -> np.ndarray:
        """Run R-Net on boxes of an image, which are cut out as :meth:`crop_and_resize` does.

        Args:
            rgb: uint8 (h, w, 3), as it is.
            boxes: (n, 4), x1 y1 x2 y2 in pixels.
            weights: From :func:`kface.mtcnn.native_weights.arrange`.
            variant: A name in :data:`VARIANTS`.

        Returns:
            float32 (n, 16): the logit, four offsets, and zeros.

        Raises:
            ImageError: The array is not such an image, or has no pixel.
            ConfigError: Another argument is out of its range.
        """
        return self._refine("rnet", _image(rgb), _boxes(boxes), _weights(weights, "rnet"), _variant(variant))

    def onet(self, rgb: np.ndarray, boxes: Any, weights: np.ndarray, variant: str = "auto") -> np.ndarray:
        """Run O-Net, as :meth:`rnet` does; ten coordinates of landmarks (five x, five y) follow the offsets."""
        return self._refine("onet", _image(rgb), _boxes(boxes), _weights(weights, "onet"), _variant(variant))

    def variants(self) -> Tuple[str, ...]:
        """Return the names in :data:`VARIANTS` that run on this processor, "auto" first, then the slowest."""
        return VARIANTS[:1]

    def suppress(self, boxes: Any, threshold: float, smaller: bool = False) -> np.ndarray:
        """Find the boxes that no better one overlaps, by the rule of :func:`kface.mtcnn.boxes.suppress`.

        Args:
            boxes: (n, 4), x1 y1 x2 y2, best score first.
            threshold: Overlaps above it kill.
            smaller: Measure the overlap by the smaller box's area instead of the union's.

        Returns:
            int64, indices of the boxes that stay, ascending.

        Raises:
            ConfigError: The threshold is not a number, or the boxes are not (n, 4).
        """
        return self._suppress(_boxes(boxes), number("threshold", threshold), bool(smaller))

    def cosine(self, first: Any, second: Any) -> float:
        """Return the cosine of two embeddings (d,), float32: -1 to 1, 0 where one is all zeros, NaN where one is not finite.

        Raises:
            ConfigError: They are not vectors of one length.
        """
        first, second = np.asarray(first, np.float32), np.asarray(second, np.float32)
        if first.ndim != 1 or first.shape != second.shape or not first.size:
            raise ConfigError(
                "must be vectors of one length, not {} and {}".format(first.shape, second.shape), "embeddings"
            )
        return float(self._cosines(first[None], second[None])[0, 0])

    def cosines(self, first: Any, second: Any) -> np.ndarray:
        """Return the cosines of embeddings (m, d) with embeddings (n, d), float32, as float64 (m, n); see :meth:`cosine`.

        Raises:
            ConfigError: They are not matrices of one width.
        """
        first, second = np.asarray(first, np.float32), np.asarray(second, np.float32)
        if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1] or not first.shape[1]:
            raise ConfigError(
                "must be matrices of one width, not {} and {}".format(first.shape, second.shape), "embeddings"
            )
        return self._cosines(first, second)

    def near_rows(
        self,
        codes: np.ndarray,
        bounds: np.ndarray,
        owners: np.ndarray,
        probes: np.ndarray,
        probe_bounds: np.ndarray,
        k: int,
    ) -> List[Optional[NearRows]]:
        """Find the rows of a large matrix of bytes among which the best k owners of each probe are for sure.

        A row's numbers are ``scale * (code - 128)``, a probe's ``scale * code``, but for an error of known length. Their
        scalar product is that of what the codes stand for, but for at most ``norm * probe error + error * probe length``.

        Args:
            codes: uint8 (n, c), c a multiple of :data:`CODES_STEP`, at most :data:`MAX_CODES`.
            bounds: float32 (3, n): each row's scale, the length of what its codes stand for (its norm), and the length of
                its error; the two lengths with what single precision may lose.
            owners: int32 (n,), from 0; an owner's rows stand one after the other, and the best of them counts.
            probes: int8 (b, c), -127 to 127.
            probe_bounds: float32 (3, b): each probe's scale, the length of its error, and its own length.
            k: How many owners, 1 to :data:`MAX_NEAR`.

        Returns:
            For each probe the rows; None where they are too many to be worth while. Kernels may differ in the last digit of
            the bounds.

        Raises:
            ConfigError: Arrays do not fit together, or k is out of its range.
        """
        whole("k", k, 1, MAX_NEAR)
        rows, length = codes.shape if codes.ndim == 2 else (-1, 0)
        count = len(probes)
        fits = 0 < length <= MAX_CODES and length % CODES_STEP == 0
        for array, kind, shape in (
            (codes, np.uint8, (rows, length)),
            (bounds, np.float32, (3, rows)),
            (owners, np.int32, (rows,)),
            (probes, np.int8, (count, length)),
            (probe_bounds, np.float32, (3, count)),
        ):
            fits = fits and array.dtype == kind and array.shape == shape
        if not fits:
            raise ConfigError("do not fit together", "codes, bounds, owners and probes")
        return self._near_rows(codes, bounds, owners, probes, probe_bounds, k)

    def _area_resize(self, rgb: np.ndarray, height: int, width: int) -> np.ndarray:
        raise NotImplementedError

    def _crop_and_resize(self, rgb: np.ndarray, boxes: np.ndarray, size: int) -> np.ndarray:
        raise NotImplementedError

    def _pnet(
        self,
        rgb: np.ndarray,
        shape: Tuple[int, int],
        weights: np.ndarray,
        least: float,
        rows: Tuple[int, int],
        variant: int,
    ) -> Tuple[np.ndarray, np.ndarray]:
        raise NotImplementedError

    def _refine(self, name: str, rgb: np.ndarray, boxes: np.ndarray, weights: np.ndarray, variant: int) -> np.ndarray:
        raise NotImplementedError

    def _suppress(self, boxes: np.ndarray, threshold: float, smaller: bool) -> np.ndarray:
        raise NotImplementedError

    def _cosines(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def _near_rows(
        self,
        codes: np.ndarray,
        bounds: np.ndarray,
        owners: np.ndarray,
        probes: np.ndarray,
        probe_bounds: np.ndarray,
        k: int,
    ) -> List[Optional[NearRows]]:
        raise NotImplementedError


def _image(rgb: Any) -> np.ndarray:
    if not isinstance(rgb, np.ndarray) or rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        found: Tuple[Any, Any] = (getattr(rgb, "dtype", type(rgb).__name__), getattr(rgb, "shape", ""))
        raise ImageError("is not an RGB image: uint8 (h, w, 3) is needed, got {} {}".format(*found))
    if not rgb.size or max(rgb.shape[:2]) > MAX_SIDE:
        raise ImageError("has sides of {} x {}: 1 to {:,} are needed".format(rgb.shape[1], rgb.shape[0], MAX_SIDE))
    return rgb


def _boxes(boxes: Any) -> np.ndarray:
    boxes = np.asarray(boxes, np.float64)
    if not boxes.size:
        return np.zeros((0, 4))
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ConfigError("must be (n, 4), not {}".format(boxes.shape), "boxes")
    return boxes


def _weights(weights: Any, name: str) -> np.ndarray:
    weights = np.ascontiguousarray(weights, np.float32)
    if weights.shape != (WEIGHTS[name],):
        raise ConfigError("must be ({},), not {}".format(WEIGHTS[name], weights.shape), "weights")
    return weights


def _variant(name: str) -> int:
    if name not in VARIANTS:
        raise ConfigError("unknown variant", name, "choose one of: " + ", ".join(VARIANTS))
    return VARIANTS.index(name)
