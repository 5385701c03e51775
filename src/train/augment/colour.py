"""Changes of colour and light; every pixel stays where it is."""

import math

import numpy as np
import tensorflow as tf

from train.augment.images import TEMPLATE, Image, Seed, uniform, within

#: Centre and half axes of the paraboloid that stands in for a face's surface, in template pixels, and how flat it is: the
#: part of its normals that points to the camera where they are one half axis from the centre.
CENTRE = (56.0, 62.0)
AXES = (50.0, 68.0)
FLATNESS = 0.8
#: Smallest mean brightness that a shaded image is brightened from to its old one.
DARKEST = 0.7
#: Largest angle between the light and the camera, in radians.
TILT = math.radians(80)


def colour_jitter(image: Image, seed: Seed, strength: float = 0.4) -> Image:
    """Change brightness, contrast and saturation by random factors from 1 - strength to 1 + strength."""
    factors = tf.random.stateless_uniform((3,), seed, 1 - strength, 1 + strength)
    image = image * factors[0]
    image = (image - tf.reduce_mean(image)) * factors[1] + tf.reduce_mean(image)
    grey = tf.image.rgb_to_grayscale(tf.clip_by_value(image, 0, 255))
    return tf.clip_by_value((image - grey) * factors[2] + grey, 0, 255)


def greyscale(image: Image, seed: Seed) -> Image:
    """Remove the colour: three times the luma of ITU-R BT.601. The seed is not used."""
    del seed
    return tf.broadcast_to(tf.image.rgb_to_grayscale(image), tf.shape(image))


def gamma(image: Image, seed: Seed, strength: float = 0.6) -> Image:
    """Raise brightness to a random power between exp(-strength), brighter, and exp(strength), darker."""
    (exponent,) = uniform(seed, (-strength, strength))
    return with_gamma(image, tf.exp(exponent))


def with_gamma(image: Image, power: tf.Tensor) -> Image:
    """Return 255 (x / 255) ** power."""
    # An exponential of a logarithm takes half the time of a power.
    return 255.0 * tf.exp(power * tf.math.log(tf.clip_by_value(image, 1e-3, 255.0) / 255.0))


def colour_cast(image: Image, seed: Seed, strength: float = 0.2) -> Image:
    """Make the image warmer or cooler, and a little greener or more purple: another white balance, lamp or skin.

    Red is multiplied by up to exp(strength) and blue divided by the same, or the reverse; green by a factor of up to
    exp(strength / 3) or its inverse. The three factors are then divided by their geometric mean.
    """
    warmth, green = uniform(seed, (-strength, strength), (-strength / 3, strength / 3))
    logs = tf.stack([warmth, green, -warmth]) - green / 3
    return within(image * tf.exp(logs))


def light_direction(image: Image, seed: Seed, strength: float = 0.8) -> Image:
    """Shade the face as one lamp from a random direction would, see :func:`lit_from`.

    The lamp is up to 80 degrees from the camera in any direction, and up to ``strength`` of the light comes from it.
    """
    around, tilt, share = uniform(seed, (0.0, 2 * math.pi), (0.0, TILT), (0.0, strength))
    return lit_from(image, around, tilt, share)


def lit_from(image: Image, around: tf.Tensor, tilt: tf.Tensor, share: tf.Tensor) -> Image:
    """Shade a paraboloid in place of a face by Lambert's cosine law.

    A surface of normal n is as bright as 1 - share + share max(0, n . l): an ambient part and that of a distant lamp.
    The images of a face in all lights are close to those of a Lambertian surface (Basri and Jacobs, 2003); relighting
    training images helps in other light (Crispell et al., 2017). The mean brightness is kept, unless it falls
    below :data:`DARKEST`.

    Args:
        image: The face.
        around: Direction of the lamp in the image, in radians; 0 is the right, pi / 2 below.
        tilt: Angle between lamp and camera, in radians.
        share: The lamp's part of the light, 0 to 1.
    """
    light = tf.stack([tf.sin(tilt) * tf.cos(around), tf.sin(tilt) * tf.sin(around), tf.cos(tilt)])
    lambert = tf.maximum(tf.linalg.matvec(tf.constant(_normals(image)), light), 0.0)
    shade = 1.0 - share + share * lambert
    return within(image * (shade / tf.maximum(tf.reduce_mean(shade), DARKEST))[..., tf.newaxis])


def _normals(image: Image) -> np.ndarray:
    """Return the paraboloid's normals seen from the camera, float32 (h, w, 3): right, down, towards the camera."""
    height, width = int(image.shape[0]), int(image.shape[1])
    x = ((np.arange(width) + 0.5) * (TEMPLATE / width) - 0.5 - CENTRE[0]) / AXES[0]
    y = ((np.arange(height) + 0.5) * (TEMPLATE / height) - 0.5 - CENTRE[1]) / AXES[1]
    across, down = np.meshgrid(x, y)
    normals = np.stack([across, down, np.full_like(across, FLATNESS)], axis=-1)
    return (normals / np.linalg.norm(normals, axis=-1, keepdims=True)).astype(np.float32)
