"""From five landmarks to 112x112 crops: the closed-form least-squares similarity, batched.

The template is ArcFace's (Deng et al., 2019; insightface). Minimising the squared distance over rotation, uniform scale and
translation has a closed form (Umeyama, 1991): no RANSAC, which would discard some of five good points.
"""

import cv2
import numpy as np

from kface.errors import ImageError

#: Side of a crop in pixels.
SIZE = 112
#: float32 (5, 2), x y in a 112x112 crop, in the order of :data:`kface.faces.LANDMARK_NAMES`.
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float32
)


def similarity(landmarks: np.ndarray, template: np.ndarray = TEMPLATE) -> np.ndarray:
    """Return the similarities that bring landmarks closest to the template in the least-squares sense.

    Args:
        landmarks: (n, k, 2), x y in the image's pixels.
        template: (k, 2), x y in the crop's pixels.

    Returns:
        float64 (n, 2, 3): the crop's coordinates of a point p are ``m[:, :2] @ p + m[:, 2]``.

    Raises:
        ImageError: The points are not finite, or those of a face all coincide.
    """
    source = np.asarray(landmarks, np.float64)
    target = np.asarray(template, np.float64)
    if source.ndim != 3 or source.shape[1:] != target.shape:
        raise ImageError("landmarks must have the shape (n, {}, 2), not {}".format(len(target), source.shape))
    source_mean, target_mean = source.mean(axis=1), target.mean(axis=0)
    p = source - source_mean[:, None]
    q = target - target_mean
    spread = np.einsum("nkc,nkc->n", p, p)
    if not np.isfinite(spread).all() or (spread <= 1e-12).any():
        raise ImageError("landmarks that are not finite, or that all coincide, cannot be aligned")
    # With points as complex numbers the similarity is one complex factor: its least-squares value is <p, q> / <p, p>.
    cosine = (p[..., 0] * q[:, 0] + p[..., 1] * q[:, 1]).sum(axis=1) / spread
    sine = (p[..., 0] * q[:, 1] - p[..., 1] * q[:, 0]).sum(axis=1) / spread
    matrices = np.empty((len(source), 2, 3))
    matrices[:, 0, 0] = matrices[:, 1, 1] = cosine
    matrices[:, 0, 1] = -sine
    matrices[:, 1, 0] = sine
    matrices[:, :, 2] = target_mean - np.einsum("nij,nj->ni", matrices[:, :, :2], source_mean)
    return matrices


def align(rgb: np.ndarray, landmarks: np.ndarray, size: int = SIZE) -> np.ndarray:
    """Cut aligned faces out of an image.

    Args:
        rgb: uint8 (h, w, 3), RGB.
        landmarks: (n, 5, 2), x y in pixels, in the order of :data:`kface.faces.LANDMARK_NAMES`.
        size: Side of the crops; the template is scaled with it.

    Returns:
        uint8 (n, size, size, 3), RGB; black where the crop reaches outside the image.

    Raises:
        ImageError: See :func:`similarity`.
    """
    return cut(rgb, similarity(landmarks, TEMPLATE * (size / float(SIZE))), size)


def cut(rgb: np.ndarray, matrices: np.ndarray, size: int = SIZE) -> np.ndarray:
    """Cut faces out of an image whose similarities are known.

    Args:
        rgb: uint8 (h, w, 3), RGB.
        matrices: float64 (n, 2, 3), of :func:`similarity`.
        size: Side of the crops.

    Returns:
        As :func:`align`.
    """
    crops = np.empty((len(matrices), size, size, 3), np.uint8)
    for crop, matrix in zip(crops, matrices):
        cv2.warpAffine(rgb, matrix, (size, size), dst=crop, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return crops
