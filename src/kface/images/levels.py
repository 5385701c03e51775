"""Converts samples of any type to uint8 RGB, with the brightness of an 8-bit picture of the same scene.

Cameras write 10, 12 or 14 bits into samples of 16, scientific programs floats from 0 to 1; a decoder that takes the upper byte
turns them black. Where the file does not state its largest value, it is estimated from the samples.
"""

from typing import Optional

import numpy as np

from kface.errors import ImageError
from kface.images.channels import reverse_channels

#: Largest values of 8, 10, 12, 14 and 16 bits.
PEAKS = (255, 1023, 4095, 16383, 65535)
#: Fraction of the samples that counts; brighter ones are defective pixels, marks and lamps.
SHARE = 0.999
#: Floats up to this value are on a scale from 0 to 1, with highlights above 1.
HIGHLIGHTS = 16.0
#: Samples that are converted at once: a float copy of the complete picture would take four times its memory.
_BLOCK = 1 << 20


def to_rgb(stored: np.ndarray, peak: Optional[int] = None, where: object = "image") -> np.ndarray:
    """Return a decoded picture as uint8 (h, w, 3), RGB, C-contiguous.

    Args:
        stored: (h, w) grey, or (h, w, c): 1 grey, 2 grey and alpha, 3 BGR, 4 BGRA; any type of number.
        peak: The largest value that a sample can have, if the file states it.
        where: The picture's name in an error.

    Transparent parts become white, as viewers show them; a constant alpha is ignored.

    Raises:
        ImageError: It has another number of channels.
    """
    if stored.ndim == 2:
        stored = stored[:, :, None]
    channels = stored.shape[2]
    if channels not in (1, 2, 3, 4):
        raise ImageError("has {} channels".format(channels), where, "convert it to an RGB image")
    if stored.dtype == np.uint8 and channels == 3 and (peak is None or peak >= 255):
        return reverse_channels(stored)
    colours = stored[:, :, :3] if channels >= 3 else stored[:, :, :1]
    rgb = np.empty(stored.shape[:2] + (3,), np.uint8)
    # Damaged floats may be NaN or infinite.
    with np.errstate(all="ignore"):
        rgb[:] = _to_bytes(colours, peak)[:, :, ::-1]
        if channels in (2, 4):
            _on_white(rgb, stored[:, :, channels - 1])
    return rgb


def _to_bytes(samples: np.ndarray, peak: Optional[int]) -> np.ndarray:
    if samples.dtype == np.uint8 and (peak is None or peak >= 255):
        return samples
    scale = 255.0 / _white(samples, peak)
    out = np.empty(samples.shape, np.uint8)
    rows = max(1, _BLOCK // max(1, samples.shape[1] * samples.shape[2]))
    for top in range(0, len(samples), rows):
        block = samples[top : top + rows].astype(np.float64)
        block = np.nan_to_num(block * scale)
        out[top : top + rows] = np.clip(block + 0.5, 0, 255.5).astype(np.uint8)
    return out


def _white(samples: np.ndarray, peak: Optional[int]) -> float:
    """Return the value that becomes 255."""
    bright = _bright(samples)
    # A peak of 16 bits only states how samples are stored, not what the camera measured.
    if peak and bright <= peak < PEAKS[-1]:
        return float(peak)
    if samples.dtype.kind == "f" and bright <= HIGHLIGHTS:
        # Linear light may exceed 1; a picture far below 1 is scaled otherwise.
        return 1.0 if 1.0 / 16 < bright <= 1.0 else max(bright, 1e-6)
    most = float(np.iinfo(samples.dtype).max) if samples.dtype.kind in "iu" else float("inf")
    for known in PEAKS:
        if bright <= known <= most:
            return float(known)
    # Signed numbers and those of more bits: the largest possible value, unless the picture stays far below it.
    return most if most / 4 < bright else bright


def _bright(samples: np.ndarray) -> float:
    """Return the value that a fraction :data:`SHARE` of the samples does not exceed."""
    if samples.dtype in (np.uint8, np.uint16):
        below = np.cumsum(np.bincount(samples.ravel(), minlength=1))
        return float(np.searchsorted(below, SHARE * below[-1]))
    step = max(1, samples.size // _BLOCK)
    some = samples.ravel()[::step].astype(np.float64)
    some = some[np.isfinite(some)]
    return float(np.percentile(some, 100 * SHARE)) if some.size else 0.0


def _on_white(rgb: np.ndarray, alpha: np.ndarray) -> None:
    least, most = alpha.min(), alpha.max()
    if least == most or not 0 < most < np.inf:
        return
    rows = max(1, _BLOCK // max(1, 3 * rgb.shape[1]))
    for top in range(0, len(rgb), rows):
        share = np.clip(alpha[top : top + rows].astype(np.float64) / float(most), 0, 1)[:, :, None]
        block = rgb[top : top + rows] * share + 255 * (1 - share)
        rgb[top : top + rows] = (block + 0.5).astype(np.uint8)
