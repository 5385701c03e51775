"""Plain numpy versions of the augmentations, written from their descriptions; draws come from the same stateless generator."""

import math

import cv2
import numpy as np
import tensorflow as tf
from scipy import ndimage


def draws(seed, *ranges):
    values = tf.random.stateless_uniform((len(ranges),), seed).numpy()
    return [least + (most - least) * float(value) for (least, most), value in zip(ranges, values, strict=True)]


def grid(height, width, finer=1):
    """Return x and y in the 112-pixel template, of `finer` x `finer` points in each pixel."""
    y, x = np.mgrid[: height * finer, : width * finer] + 0.5
    return x * 112 / width / finer - 0.5, y * 112 / height / finer - 0.5


def greyscale(image, seed):
    return np.repeat((image @ np.array([0.2989, 0.587, 0.114]))[..., None], 3, axis=-1)


def gamma(image, seed):
    (exponent,) = draws(seed, (-0.6, 0.6))
    return 255 * (image / 255) ** math.exp(exponent)


def colour_cast(image, seed):
    warmth, green = draws(seed, (-0.2, 0.2), (-0.2 / 3, 0.2 / 3))
    factors = np.exp([warmth, green, -warmth])
    return np.clip(image * factors / factors.prod() ** (1 / 3), 0, 255)


def light_direction(image, seed):
    around, tilt, share = draws(seed, (0, 2 * math.pi), (0, math.radians(80)), (0, 0.8))
    x, y = grid(*image.shape[:2])
    # The surface z = -(a x^2 + b y^2) / 2 has the normal (a x, b y, 1).
    normal = np.stack([(x - 56) / 50, (y - 62) / 68, 0.8 + 0 * x], axis=-1)
    lamp = np.array(
        [math.sin(tilt) * math.cos(around), math.sin(tilt) * math.sin(around), math.cos(tilt)],
    )
    cosine = (normal @ lamp) / np.sqrt((normal**2).sum(axis=-1))
    shade = 1 - share + share * np.where(cosine > 0, cosine, 0)
    return np.clip(image * (shade / max(shade.mean(), 0.7))[..., None], 0, 255)


def affine(image, seed):
    turn, size = math.radians(10), math.log(1.1)
    angle, size, right, down = draws(seed, (-turn, turn), (-size, size), (-4.48, 4.48), (-4.48, 4.48))
    height, width = image.shape[:2]
    middle = np.array([[1, 0, (width - 1) / 2], [0, 1, (height - 1) / 2], [0, 0, 1]])
    shift = np.array([[1, 0, right * width / 112], [0, 1, down * height / 112], [0, 0, 1]])
    cos, sin = math.exp(size) * math.cos(angle), math.exp(size) * math.sin(angle)
    forward = shift @ middle @ np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]) @ np.linalg.inv(middle)
    source = np.linalg.inv(forward) @ np.stack(
        [*np.meshgrid(np.arange(width), np.arange(height)), np.ones((height, width))]
    ).reshape(3, -1)
    x, y = (values.reshape(height, width) for values in source[:2])
    channels = [
        ndimage.map_coordinates(image[..., channel].astype(float), [y, x], order=1, mode="nearest")
        for channel in range(3)
    ]
    return np.stack(channels, axis=-1)


def blur(image, seed):
    (sigma,) = draws(seed, (0.3, 2.0))
    return ndimage.gaussian_filter(image.astype(float), (sigma, sigma, 0), mode="reflect", radius=6)


def motion_blur(image, seed):
    angle, length = draws(seed, (0, math.pi), (2, 9))
    kernel = np.zeros((13, 13))
    for row in range(13):
        for column in range(13):
            x, y = column - 6, row - 6
            along = abs(x * math.cos(angle) + y * math.sin(angle))
            aside = abs(-x * math.sin(angle) + y * math.cos(angle))
            kernel[row, column] = min(1, max(0, length / 2 + 0.5 - along)) * max(0, 1 - aside)
    return ndimage.correlate(image.astype(float), (kernel / kernel.sum())[..., None], mode="reflect")


def noise(image, seed):
    seeds = tf.random.split(seed, 2)
    (sigma,) = draws(seeds[0], (0, 12))
    return np.clip(image + sigma * tf.random.stateless_normal(image.shape, seeds[1]).numpy(), 0, 255)


def jpeg(image, seed):
    quality = int(tf.random.stateless_uniform((), seed, 20, 91, tf.int32))
    coded = cv2.imencode(".jpg", np.round(image).astype(np.uint8)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1].astype(float)


def erase(image, seed):
    seeds = tf.random.split(seed, 2)
    area, aspect, left, upper = draws(seeds[0], (0.02, 0.2), (math.log(0.3), math.log(3.3)), (0, 1), (0, 1))
    height, width = image.shape[:2]
    tall, wide = (min(1, math.sqrt(area * math.exp(sign * aspect))) for sign in (-1, 1))
    top, start = upper * (1 - tall) * height, left * (1 - wide) * width
    erased = np.array(image, float)
    rows = slice(math.ceil(top - 0.5), math.ceil(top + tall * height - 0.5))
    columns = slice(math.ceil(start - 0.5), math.ceil(start + wide * width - 0.5))
    erased[rows, columns] = tf.random.stateless_uniform((3,), seeds[1], 10, 245).numpy()
    return erased


FINER = 4


def upright(shape, centre, angle):
    x, y = grid(*shape, FINER)
    x, y = x - centre[0], y - centre[1]
    return math.cos(angle) * x + math.sin(angle) * y, centre[1] + math.cos(angle) * y - math.sin(angle) * x


def share(inside):
    """Return the part of each pixel's points that are inside."""
    height, width = inside.shape
    return inside.reshape(height // FINER, FINER, width // FINER, FINER).mean(axis=(1, 3))


def line(x, y, start, end):
    """Return the distance to a line."""
    start, end = np.array(start), np.array(end)
    points = np.stack([x, y], axis=-1) - start
    part = np.clip(points @ (end - start) / ((end - start) ** 2).sum(), 0, 1)
    return np.linalg.norm(points - part[..., None] * (end - start), axis=-1)


def transparency_of_glasses(shape, seed):
    """Return how much of each pixel is still seen; x is the distance from the middle of the face."""
    seeds = tf.random.split(seed, 3)
    kind = int(tf.random.stateless_uniform((), seeds[0], 0, 3, tf.int32))
    a, ratio, power, down, angle, depth, glint = draws(
        seeds[1],
        *((13, 17), (0.6, 0.95), (2, 6), (-1, 3), (-math.radians(5), math.radians(5)), (0.75, 1), (0, 1)),
    )
    b, thick = a * ratio, (1.6, 1.1, 3.2)[kind]
    lens = (1.0, 0.05, 0.08)[kind] * depth
    x, y = upright(shape, (55.9, 51.6), angle)
    x, y = np.abs(x), y - 51.6 - down
    offset = max(17.6, a + 1.5)

    def ellipse(grow):
        return np.abs((x - offset) / (a + grow)) ** power + np.abs(y / (b + grow)) ** power < 1

    nose = -0.35 * b
    bars = np.minimum(
        line(x, y, (0, nose - 1), (offset - a, nose)), line(x, y, (offset + a, nose), (offset + a + 12, nose - 1))
    )
    frame = (ellipse(thick / 2) & ~ellipse(-thick / 2)) | (bars < thick / 2)
    across = np.abs(x - offset + 0.8 * y + 6) - 2
    band = np.clip(0.5 - across / 3, 0, 1)
    window = 1 - np.where(ellipse(0), 0.35 * glint * band, 0)
    return share(window * (1 - lens * ellipse(0)) * ~frame)


def transparency_of_cap(shape, seed):
    seeds = tf.random.split(seed, 2)
    edge, bend, width, brim, angle, shadow, reach = draws(
        seeds[0],
        *((22, 38), (2, 9), (48, 58), (5, 10), (-math.radians(5), math.radians(5)), (0.3, 0.7), (8, 30)),
    )
    x, y = upright(shape, (55.9, 51.6), angle)
    arc = edge - bend * (x / width) ** 2
    crown = (np.abs(x / width) ** 2.5 + np.abs((y - edge) / 44) ** 2.5 < 1) & (y < arc - brim)
    visor = (y < arc) & (y > arc - brim) & (np.abs(x) < width)
    fade = shadow * np.exp(-np.maximum(y - arc, 0) / reach) * np.clip(0.5 - (np.abs(x) - width) / 8, 0, 1)
    return share((1 - fade) * ~(crown | visor))


def transparency_of_mask(shape, seed):
    seeds = tf.random.split(seed, 3)
    top, width, rise, angle, _, _ = draws(
        seeds[0],
        *((60, 72), (33, 41), (3, 8), (-math.radians(5), math.radians(5)), (0.04, 0.12), (0.75, 1)),
    )
    x, y = upright(shape, (55.9, 85), angle)
    middle = (top + 124) / 2
    body = (np.abs(x / width) ** 3.5 + np.abs((y - middle) / (124 - middle)) ** 3.5 < 1) & (
        y > top + rise * (x / width) ** 2
    )
    x = np.abs(x)
    loops = np.minimum(
        line(x, y, (width - 2, top + rise + 3), (width + 18, top - 6)),
        line(x, y, (width - 2, top + rise + 30), (width + 18, top + 10)),
    )
    return share((1 - 0.8 * (loops < 0.7)) * ~body)
