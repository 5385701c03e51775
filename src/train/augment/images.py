"""What all augmentations share: types, random draws from a seed, and coordinates in the ArcFace template."""

from typing import TypeAlias

import numpy as np
import tensorflow as tf

#: float32 (h, w, 3), RGB, from 0 to 255; height and width are known when the graph is built.
Image: TypeAlias = tf.Tensor
#: Integers (2,), as TensorFlow's stateless operations take them.
Seed: TypeAlias = tf.Tensor
#: Side in pixels of the crop whose coordinates positions and sizes are given in (ArcFace's template).
TEMPLATE = 112.0


def split(seed: Seed, count: int) -> Seed:
    """Return independent seeds, (count, 2)."""
    return tf.random.split(seed, count)


def uniform(seed: Seed, *ranges: tuple[float, float]) -> tuple[tf.Tensor, ...]:
    """Draw one float32 scalar from each range (least, most)."""
    draws = tf.unstack(tf.random.stateless_uniform((len(ranges),), seed))
    return tuple(least + (most - least) * draw for (least, most), draw in zip(ranges, draws, strict=True))


def grid(image: Image) -> tuple[tf.Tensor, tf.Tensor]:
    """Return x and y of an image's pixel centres in template coordinates, float32 (h, w)."""
    height, width = int(image.shape[0]), int(image.shape[1])
    x = (np.arange(width, dtype=np.float32) + 0.5) * (TEMPLATE / width) - 0.5
    y = (np.arange(height, dtype=np.float32) + 0.5) * (TEMPLATE / height) - 0.5
    xs, ys = np.meshgrid(x, y)
    return tf.constant(xs), tf.constant(ys)


def within(image: Image) -> Image:
    """Return the image with values kept between 0 and 255."""
    return tf.clip_by_value(image, 0.0, 255.0)
