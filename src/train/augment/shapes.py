"""Shapes as signed distances, in pixels: negative inside, positive outside, and how they are painted with soft edges.

Coordinates are float32 (h, w), see :func:`train.augment.images.grid`.
"""

import tensorflow as tf

from train.augment.images import Image


def turned(x: tf.Tensor, y: tf.Tensor, centre: tuple[float, float], angle: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return coordinates in which a shape that is turned clockwise about a centre by an angle in radians is upright."""
    right, down = x - centre[0], y - centre[1]
    cos, sin = tf.cos(angle), tf.sin(angle)
    return centre[0] + cos * right + sin * down, centre[1] - sin * right + cos * down


def superellipse(
    x: tf.Tensor, y: tf.Tensor, width: tf.Tensor, height: tf.Tensor, power: tf.Tensor | float
) -> tf.Tensor:
    """Return the distance to |x / width| ** power + |y / height| ** power = 1: an ellipse at 2, almost a box at 8.

    It is zero on the outline, and scaled by the shorter half axis elsewhere, which is close enough near the outline.
    """
    least = 1e-6
    total = tf.pow(tf.abs(x / width) + least, power) + tf.pow(tf.abs(y / height) + least, power)
    return (tf.pow(total, 1.0 / power) - 1.0) * tf.minimum(width, height)


def segment(
    x: tf.Tensor, y: tf.Tensor, start: tuple[tf.Tensor, tf.Tensor], end: tuple[tf.Tensor, tf.Tensor]
) -> tf.Tensor:
    """Return the distance to a line from a start to an end, never negative."""
    along_x, along_y = end[0] - start[0], end[1] - start[1]
    length = along_x * along_x + along_y * along_y
    share = tf.clip_by_value(((x - start[0]) * along_x + (y - start[1]) * along_y) / length, 0.0, 1.0)
    return tf.sqrt(tf.square(x - start[0] - share * along_x) + tf.square(y - start[1] - share * along_y))


def coverage(distance: tf.Tensor, softness: float = 1.0) -> tf.Tensor:
    """Return how much of each pixel is inside, 0 to 1; the edge is ``softness`` pixels wide."""
    return tf.clip_by_value(0.5 - distance / softness, 0.0, 1.0)


def paint(image: Image, colour: tf.Tensor, alpha: tf.Tensor) -> Image:
    """Cover an image with a colour, (3,) or (h, w, 3), where alpha, (h, w), is 1."""
    alpha = alpha[..., tf.newaxis]
    return image * (1.0 - alpha) + colour * alpha
