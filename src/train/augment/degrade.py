"""What cameras and networks take away: resolution, sharpness, and clean pixels."""

import math

import tensorflow as tf

from train.augment.images import Image, Seed, split, uniform, within

#: Highest quality of JPEG: above, files lose almost nothing.
BEST_QUALITY = 90
#: Taps on either side of a blur's centre.
RADIUS = 6


def low_resolution(image: Image, seed: Seed, smallest: float = 0.25) -> Image:
    """Shrink by area to a random share of the side, at least ``smallest``, and enlarge to the old size."""
    side = tf.cast(tf.shape(image)[:2], tf.float32)
    share = tf.random.stateless_uniform((), seed, smallest, 1.0)
    small = tf.cast(tf.math.ceil(side * share), tf.int32)
    shrunk = tf.image.resize(image, small, method="area")
    enlarged = tf.image.resize(shrunk, tf.cast(side, tf.int32), method="bilinear")
    enlarged.set_shape(image.shape)
    return enlarged


def jpeg(image: Image, seed: Seed, lowest: int = 20, highest: int = BEST_QUALITY) -> Image:
    """Compress and decompress with a random quality."""
    quality = tf.random.stateless_uniform((), seed, lowest, highest + 1, tf.int32)
    return compressed(image, quality)


def compressed(image: Image, quality: tf.Tensor) -> Image:
    """Compress to JPEG with 4:2:0 chroma, and decompress.

    Args:
        image: The face; its values are rounded.
        quality: libjpeg's, int32, 1 to 100.
    """
    pixels = tf.cast(tf.round(within(image)), tf.uint8)
    data = tf.raw_ops.EncodeJpegVariableQuality(images=pixels, quality=quality)
    decoded = tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")
    return tf.ensure_shape(tf.cast(decoded, tf.float32), image.shape)


def blur(image: Image, seed: Seed, largest: float = 2.0) -> Image:
    """Blur by a Gaussian with a random standard deviation up to ``largest`` pixels: a lens out of focus."""
    (sigma,) = uniform(seed, (0.3, max(largest, 0.3)))
    return blurred(image, sigma)


def blurred(image: Image, sigma: tf.Tensor) -> Image:
    """Blur by a Gaussian, cut off after 6 pixels; beyond the border the image is mirrored.

    Args:
        image: The face.
        sigma: The standard deviation in pixels.
    """
    taps = tf.range(-RADIUS, RADIUS + 1, dtype=tf.float32)
    weights = tf.exp(-tf.square(taps) / (2.0 * tf.square(sigma)))
    weights = weights / tf.reduce_sum(weights)
    return _filtered(image, weights[:, tf.newaxis], weights[tf.newaxis])


def motion_blur(image: Image, seed: Seed, longest: float = 9.0) -> Image:
    """Blur along a line of random direction and of a length of up to ``longest`` pixels (at most 12): a moving head."""
    angle, length = uniform(seed, (0.0, math.pi), (2.0, max(longest, 2.0)))
    return moved(image, angle, length)


def moved(image: Image, angle: tf.Tensor, length: tf.Tensor) -> Image:
    """Average along a line through each pixel; beyond the border the image is mirrored.

    Args:
        image: The face.
        angle: Of the line, in radians.
        length: Of the line, in pixels, at most 12.
    """
    taps = tf.range(-RADIUS, RADIUS + 1, dtype=tf.float32)
    x, y = tf.meshgrid(taps, taps)
    along = tf.abs(x * tf.cos(angle) + y * tf.sin(angle))
    aside = tf.abs(y * tf.cos(angle) - x * tf.sin(angle))
    weights = tf.clip_by_value(length / 2 + 0.5 - along, 0.0, 1.0) * tf.maximum(1.0 - aside, 0.0)
    return _filtered(image, weights / tf.reduce_sum(weights))


def noise(image: Image, seed: Seed, largest: float = 12.0) -> Image:
    """Add Gaussian noise with a random standard deviation up to ``largest`` grey levels: a sensor in the dark."""
    seeds = split(seed, 2)
    (sigma,) = uniform(seeds[0], (0.0, largest))
    return within(image + sigma * tf.random.stateless_normal(tf.shape(image), seeds[1]))


def _filtered(image: Image, *kernels: tf.Tensor) -> Image:
    """Filter each channel by the kernels, one after the other."""
    for kernel in kernels:
        rows, columns = (int(side) // 2 for side in kernel.shape)
        padded = tf.pad(image, [[rows, rows], [columns, columns], [0, 0]], mode="SYMMETRIC")
        filters = tf.tile(kernel[:, :, tf.newaxis, tf.newaxis], (1, 1, 3, 1))
        image = tf.nn.depthwise_conv2d(padded[tf.newaxis], filters, (1, 1, 1, 1), "VALID")[0]
    return image
