"""Changes of place: mirror, cut, and warp."""

import math

import tensorflow as tf

from train.augment.images import TEMPLATE, Image, Seed, split, uniform


def flip(image: Image, seed: Seed) -> Image:
    """Mirror left and right, with a probability of a half."""
    return tf.image.stateless_random_flip_left_right(image, seed)


def random_crop(image: Image, seed: Seed, smallest: float = 0.8) -> Image:
    """Enlarge a random square part, at least ``smallest`` of the side, to the full size."""
    seeds = split(seed, 2)
    share = tf.random.stateless_uniform((), seeds[0], smallest, 1.0)
    corner = tf.random.stateless_uniform((2,), seeds[1]) * (1 - share)
    box = tf.concat([corner, corner + share], axis=0)
    cut = tf.image.crop_and_resize(image[tf.newaxis], box[tf.newaxis], [0], tf.shape(image)[:2])[0]
    cut.set_shape(image.shape)
    return cut


def affine(image: Image, seed: Seed, rotation: float = 10.0, scale: float = 0.1, shift: float = 0.04) -> Image:
    """Rotate, scale and shift at random in one warp: landmarks that a detector placed a little wrongly.

    Args:
        image: The face.
        seed: Of the draws.
        rotation: Largest angle, in degrees.
        scale: Largest change of size: factors from 1 / (1 + scale) to 1 + scale.
        shift: Largest shift in each direction, as a share of the side.
    """
    limit, side = math.log1p(scale), shift * TEMPLATE
    angle, size, right, down = uniform(
        seed, (-math.radians(rotation), math.radians(rotation)), (-limit, limit), (-side, side), (-side, side)
    )
    return warped(image, angle, tf.exp(size), right, down)


def warped(image: Image, angle: tf.Tensor, scale: tf.Tensor, right: tf.Tensor, down: tf.Tensor) -> Image:
    """Turn clockwise by an angle in radians and scale about the centre, then shift by template pixels; bilinear.

    Pixels from outside repeat the border.
    """
    height, width = int(image.shape[0]), int(image.shape[1])
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    # The operation wants the source of each target: the inverse rotation and scale about the shifted centre.
    cos, sin = tf.cos(angle) / scale, tf.sin(angle) / scale
    centre_x, centre_y = middle_x + right * (width / TEMPLATE), middle_y + down * (height / TEMPLATE)
    matrix = tf.stack(
        [
            *(cos, sin, middle_x - cos * centre_x - sin * centre_y),
            *(-sin, cos, middle_y + sin * centre_x - cos * centre_y),
            *(0.0, 0.0),
        ]
    )
    turned = tf.raw_ops.ImageProjectiveTransformV3(
        images=image[tf.newaxis],
        transforms=matrix[tf.newaxis],
        output_shape=(height, width),
        interpolation="BILINEAR",
        fill_mode="NEAREST",
        fill_value=0.0,
    )[0]
    turned.set_shape(image.shape)
    return turned
