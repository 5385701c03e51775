"""MTCNN's networks in plain numpy, with the weights that the compiled kernels take: slow, and what those must equal."""

from typing import List, Tuple

import numpy as np


class _Weights(object):
    """Hands out the weights layer by layer."""

    def __init__(self, weights: np.ndarray) -> None:
        self._left = weights

    def take(self, *shape: int) -> np.ndarray:
        count = int(np.prod(shape))
        taken, self._left = self._left[:count], self._left[count:]
        return taken.reshape(shape)

    def layer(self, rows: int, columns: int, inputs: int, outputs: int) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the kernel (rows, columns, inputs, outputs), the biases, and the slopes of the PReLU."""
        return self.take(rows, columns, inputs, outputs), self.take(outputs), self.take(outputs)


def _convolve(maps: np.ndarray, layer: Tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
    """Convolve (n, h, w, c), whose padded channels are dropped, and apply the PReLU."""
    kernel, bias, slopes = layer
    rows, columns, inputs = kernel.shape[:3]
    height, width = maps.shape[1] - rows + 1, maps.shape[2] - columns + 1
    found = np.zeros((len(maps), height, width, kernel.shape[3]), np.float32) + bias
    for row in range(rows):
        for column in range(columns):
            found += np.matmul(maps[:, row : row + height, column : column + width, :inputs], kernel[row, column])
    return np.maximum(found, 0) + slopes * np.minimum(found, 0)


def _pool(maps: np.ndarray, size: int, ceil: bool) -> np.ndarray:
    """Take the largest value in windows, two pixels apart; with `ceil`, windows are cut off at the end."""
    if ceil:
        maps = np.pad(maps, [(0, 0), (0, 1), (0, 1), (0, 0)], "constant", constant_values=-np.inf)
    height, width = (maps.shape[1] - size) // 2 + 1, (maps.shape[2] - size) // 2 + 1
    shifted: List[np.ndarray] = [
        maps[:, row : row + 2 * height - 1 : 2, column : column + 2 * width - 1 : 2]
        for row in range(size)
        for column in range(size)
    ]
    return np.max(shifted, axis=0)


def pnet(level: np.ndarray, weights: np.ndarray, least: float, rows: Tuple[int, int]) -> Tuple[np.ndarray, np.ndarray]:
    """See :meth:`kface.native.Kernels.pnet`; `level` is float32 (3, h, w)."""
    taken = _Weights(weights)
    maps = _pool(_convolve(level.transpose(1, 2, 0)[None], taken.layer(3, 3, 3, 16)), 2, True)
    maps = _convolve(maps, taken.layer(3, 3, 10, 16))
    maps = _convolve(maps, taken.layer(3, 3, 16, 32))[0]
    logits = np.matmul(maps, taken.take(32)) + taken.take(1)
    offsets = np.matmul(maps, taken.take(4, 32).T) + taken.take(4)
    found_rows, columns = np.nonzero(logits[rows[0] : rows[1]] > least)
    found_rows = found_rows + rows[0]
    found = np.concatenate([logits[found_rows, columns][:, None], offsets[found_rows, columns]], axis=1)
    return (found_rows * logits.shape[1] + columns).astype(np.int32), found


def _dense(maps: np.ndarray, taken: _Weights, hidden: int) -> np.ndarray:
    flat = maps.reshape(len(maps), 1, 1, maps.shape[1] * maps.shape[2] * maps.shape[3])
    flat = _convolve(flat, taken.layer(1, 1, flat.shape[3], hidden))
    return _convolve(flat, taken.layer(1, 1, hidden, 16)).reshape(len(maps), 16)


def rnet(crops: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """See :meth:`kface.native.Kernels.rnet`; `crops` is float32 (n, 3, 24, 24)."""
    taken = _Weights(weights)
    maps = _pool(_convolve(crops.transpose(0, 2, 3, 1), taken.layer(3, 3, 3, 32)), 3, True)
    maps = _pool(_convolve(maps, taken.layer(3, 3, 28, 48)), 3, False)
    return _dense(_convolve(maps, taken.layer(2, 2, 48, 64)), taken, 128)


def onet(crops: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """See :meth:`kface.native.Kernels.onet`; `crops` is float32 (n, 3, 48, 48)."""
    taken = _Weights(weights)
    maps = _pool(_convolve(crops.transpose(0, 2, 3, 1), taken.layer(3, 3, 3, 32)), 3, True)
    maps = _pool(_convolve(maps, taken.layer(3, 3, 32, 64)), 3, False)
    maps = _pool(_convolve(maps, taken.layer(3, 3, 64, 64)), 2, False)
    return _dense(_convolve(maps, taken.layer(2, 2, 64, 128)), taken, 256)
