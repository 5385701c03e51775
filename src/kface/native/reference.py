"""The kernels in numpy and OpenCV: what the compiled ones must equal, and what computes where those are not."""

from typing import Tuple

import numpy as np

from kface.native.kernels import REACH, Kernels

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
