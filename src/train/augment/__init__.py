"""Augmentations: pure functions of an image and a seed, equal in eager mode and inside tf.data.

Images are float32 (h, w, 3), RGB, from 0 to 255. Seeds are integer tensors (2,), as TensorFlow's stateless operations
take them: the same seed gives the same result. ``python -m train.augment`` draws each of them (:mod:`train.augment.sheet`).
"""

from train.augment.colour import colour_cast, colour_jitter, gamma, greyscale, light_direction
from train.augment.degrade import blur, jpeg, low_resolution, motion_blur, noise
from train.augment.geometry import affine, flip, random_crop
from train.augment.images import Image, Seed
from train.augment.occlusion import cap, erase, glasses, mask
from train.augment.settings import Augmentation

__all__ = [
    "Augmentation",
    "Image",
    "Seed",
    "affine",
    "blur",
    "cap",
    "colour_cast",
    "colour_jitter",
    "erase",
    "flip",
    "gamma",
    "glasses",
    "greyscale",
    "jpeg",
    "light_direction",
    "low_resolution",
    "mask",
    "motion_blur",
    "noise",
    "random_crop",
]
