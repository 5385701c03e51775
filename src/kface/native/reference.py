"""The kernels in numpy and OpenCV: what the compiled ones must equal, and what computes where those are not."""

from typing import List, Optional, Tuple

import numpy as np

from kface.native.kernels import REACH, Kernels, NearRows

#: Boxes whose surroundings are copied at once.
_BLOCK = 64


class ReferenceKernels(Kernels):
    """The functions of :mod:`kface.mtcnn` under the compiled kernels' names, which may import this module in turn."""

    def _area_resize(self, rgb: np.ndarray, height: int, width: int) -> np.ndarray:
        import cv2

        from kface.mtcnn import pyramid

        normalised = pyramid.normalise(rgb)
        return cv2.resize(normalised, (width, height), interpolation=cv2.INTER_AREA).transpose(2, 0, 1)

    def _crop_and_resize(self, rgb: np.ndarray, boxes: np.ndarray, size: int) -> np.ndarray:
        from kface.mtcnn import pyramid

        out = np.zeros((len(boxes), 3, size, size), np.float32)
        with np.errstate(invalid="ignore"):
            near = np.flatnonzero((np.abs(boxes) <= REACH).all(axis=1))
        for start in range(0, len(near), _BLOCK):
            which = near[start : start + _BLOCK]
            out[which] = pyramid.crop_and_resize_each(rgb, boxes[which], size)
        return out

    def _pnet(
        self,
        rgb: np.ndarray,
        shape: Tuple[int, int],
        weights: np.ndarray,
        least: float,
        rows: Tuple[int, int],
        variant: int,
    ) -> Tuple[np.ndarray, np.ndarray]:
        from kface.native import plain_networks

        return plain_networks.pnet(self._area_resize(rgb, shape[0], shape[1]), weights, least, rows)

    def _refine(self, name: str, rgb: np.ndarray, boxes: np.ndarray, weights: np.ndarray, variant: int) -> np.ndarray:
        from kface.native import plain_networks

        run, size = (plain_networks.rnet, 24) if name == "rnet" else (plain_networks.onet, 48)
        return run(self._crop_and_resize(rgb, boxes, size), weights)

    def _suppress(self, boxes: np.ndarray, threshold: float, smaller: bool) -> np.ndarray:
        from kface.mtcnn.boxes import suppress

        with np.errstate(invalid="ignore", over="ignore"):
            return suppress(boxes, threshold, smaller)

    def _cosines(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        first, second = first.astype(np.float64), second.astype(np.float64)
        lengths = [np.sqrt(np.einsum("nd,nd->n", rows, rows)) for rows in (first, second)]
        both = lengths[0][:, None] * lengths[1][None, :]
        with np.errstate(invalid="ignore"):
            found = np.matmul(first, second.T) / np.where(both == 0, 1, both)
            return np.clip(np.where(both == 0, 0, found), -1, 1)

    def _near_rows(
        self,
        codes: np.ndarray,
        bounds: np.ndarray,
        owners: np.ndarray,
        probes: np.ndarray,
        probe_bounds: np.ndarray,
        k: int,
    ) -> List[Optional[NearRows]]:
        if not len(codes):
            return [NearRows(np.zeros((0,), np.int64), *np.zeros((2, 0), np.float32)) for _ in probes]
        starts = np.flatnonzero(np.concatenate([[True], owners[1:] != owners[:-1]]))
        squares = distances(codes, np.full((codes.shape[1],), 128, np.uint8))
        found: List[Optional[NearRows]] = []
        for place, probe in enumerate(probes):
            scale, error, length = probe_bounds[:, place]
            # Distances of bytes are quick and whole numbers: 2 a b = a^2 + b^2 - (a - b)^2.
            other = (probe.astype(np.int16) + 128).astype(np.uint8)
            own = np.int32(np.square(probe.astype(np.int64)).sum())
            products = (squares - distances(codes, other) + own) // 2
            middle = products.astype(np.float32) * (bounds[0] * scale)
            off = bounds[1] * error + bounds[2] * length
            lower, upper = middle - off, middle + off
            best = np.maximum.reduceat(lower, starts)
            least = np.partition(best, len(best) - k)[len(best) - k] if k <= len(best) else -np.inf
            rows = np.flatnonzero(upper >= least)
            found.append(NearRows(rows.astype(np.int64), lower[rows], upper[rows]))
        return found


def distances(codes: np.ndarray, code: np.ndarray) -> np.ndarray:
    """Return the squared distances of bytes (t, d) from others (d,), int32 (t,); without any rounding."""
    import cv2

    # OpenCV's Python door wants the number of nearest ones: of one probe, to each template.
    found, _ = cv2.batchDistance(codes, code[None], cv2.CV_32S, normType=cv2.NORM_L2SQR, K=1)
    return found[:, 0]
