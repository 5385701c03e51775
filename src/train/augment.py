"""Augmentations: pure functions of an image and a seed, equal in eager mode and inside tf.data.

Images are float32 (h, w, 3), RGB, from 0 to 255. Seeds are integer tensors (2,), as TensorFlow's stateless operations
take them: the same seed gives the same result. Rates after AdaFace (Kim et al., 2022): half of the images are flipped, a
fifth get each of the other changes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import tensorflow as tf

from kface.checks import flag, number

Image: TypeAlias = tf.Tensor
Seed: TypeAlias = tf.Tensor


def flip(image: Image, seed: Seed) -> Image:
    """Mirror left and right, with a probability of a half."""
    return tf.image.stateless_random_flip_left_right(image, seed)


def low_resolution(image: Image, seed: Seed, smallest: float = 0.25) -> Image:
    """Shrink by area to a random share of the side, at least ``smallest``, and enlarge to the old size."""
    side = tf.cast(tf.shape(image)[:2], tf.float32)
    share = tf.random.stateless_uniform((), seed, smallest, 1.0)
    small = tf.cast(tf.math.ceil(side * share), tf.int32)
    shrunk = tf.image.resize(image, small, method="area")
    enlarged = tf.image.resize(shrunk, tf.cast(side, tf.int32), method="bilinear")
    enlarged.set_shape(image.shape)
    return enlarged


def random_crop(image: Image, seed: Seed, smallest: float = 0.8) -> Image:
    """Enlarge a random square part, at least ``smallest`` of the side, to the full size."""
    seeds = _split(seed, 2)
    share = tf.random.stateless_uniform((), seeds[0], smallest, 1.0)
    corner = tf.random.stateless_uniform((2,), seeds[1]) * (1 - share)
    box = tf.concat([corner, corner + share], axis=0)
    cut = tf.image.crop_and_resize(image[tf.newaxis], box[tf.newaxis], [0], tf.shape(image)[:2])[0]
    cut.set_shape(image.shape)
    return cut


def colour_jitter(image: Image, seed: Seed, strength: float = 0.4) -> Image:
    """Change brightness, contrast and saturation by random factors from 1 - strength to 1 + strength."""
    factors = tf.random.stateless_uniform((3,), seed, 1 - strength, 1 + strength)
    image = image * factors[0]
    image = (image - tf.reduce_mean(image)) * factors[1] + tf.reduce_mean(image)
    grey = tf.image.rgb_to_grayscale(tf.clip_by_value(image, 0, 255))
    return tf.clip_by_value((image - grey) * factors[2] + grey, 0, 255)


@dataclass(frozen=True)
class Augmentation:
    """How often each change is applied.

    Args:
        flip: Whether to mirror half of the images.
        low_resolution: Probability of :func:`low_resolution`.
        random_crop: Probability of :func:`random_crop`.
        colour_jitter: Probability of :func:`colour_jitter`.
    """

    flip: bool = True
    low_resolution: float = 0.2
    random_crop: float = 0.2
    colour_jitter: float = 0.2

    def __post_init__(self) -> None:
        flag("fit.augmentation.flip", self.flip)
        for name in ("low_resolution", "random_crop", "colour_jitter"):
            number(f"fit.augmentation.{name}", getattr(self, name), 0, 1)

    def __call__(self, image: Image, seed: Seed) -> Image:
        """Return the changed image, float32 of the same shape."""
        seeds = _split(seed, 5)
        draws = tf.random.stateless_uniform((3,), seeds[4])
        changes: list[tuple[float, Callable[[Image, Seed], Image]]] = [
            (self.low_resolution, low_resolution),
            (self.random_crop, random_crop),
            (self.colour_jitter, colour_jitter),
        ]
        for index, (probability, change) in enumerate(changes):
            if probability > 0:
                image = tf.cond(
                    draws[index] < probability,
                    lambda change=change, image=image, index=index: change(image, seeds[index]),
                    lambda image=image: image,
                )
        return flip(image, seeds[3]) if self.flip else image


def _split(seed: Seed, count: int) -> Seed:
    return tf.random.split(seed, count)
