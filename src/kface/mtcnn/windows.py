"""What P-Net has found on one level of a pyramid."""

from typing import NamedTuple

import numpy as np


class Windows(NamedTuple):
    """P-Net's windows on one level whose score may be above the threshold, in the order of rows and columns.

    Attributes:
        rows: int64 (n,), of P-Net's output.
        columns: int64 (n,).
        logits: float32 (n,).
        offsets: float32 (n, 4), in units of the window's side.
    """

    rows: np.ndarray
    columns: np.ndarray
    logits: np.ndarray
    offsets: np.ndarray
