"""What people wear, drawn at the landmarks of ArcFace's crop: glasses, caps and masks; and random erasing.

The positions are those of the template, so these come before any change of geometry. Masks and glasses drawn on training
faces help with real ones (Anwar and Raychowdhury, 2020, for masks).
"""

import math

import tensorflow as tf

from train.augment.images import TEMPLATE, Image, Seed, grid, split, uniform, within
from train.augment.shapes import coverage, paint, segment, superellipse, turned

#: The template's eyes, in pixels of a crop of 112, and the point between them.
LEFT_EYE, RIGHT_EYE = (38.3, 51.7), (73.5, 51.5)
BETWEEN_EYES = (55.9, 51.6)
#: Colours of most masks: light blue, white, black.
MASKS = ((150.0, 190.0, 215.0), (235.0, 235.0, 235.0), (35.0, 35.0, 40.0))
#: Largest angle by which a thing sits askew, in radians.
ASKEW = math.radians(5)


def glasses(image: Image, seed: Seed) -> Image:
    """Draw glasses of random kind, size, form and colour: sunglasses, thin frames or a thick horn rim, a third each."""
    seeds = split(seed, 3)
    kind = tf.random.stateless_uniform((), seeds[0], 0, 3, tf.int32)
    half_width, ratio, power, down, angle, depth, glint = uniform(
        seeds[1], (13.0, 17.0), (0.6, 0.95), (2.0, 6.0), (-1.0, 3.0), (-ASKEW, ASKEW), (0.75, 1.0), (0.0, 1.0)
    )
    half_height = half_width * ratio
    thickness = tf.gather(tf.constant([1.6, 1.1, 3.2]), kind)
    lens = tf.gather(tf.constant([1.0, 0.05, 0.08]), kind) * depth
    x, y = turned(*grid(image), BETWEEN_EYES, angle)
    eye_y = BETWEEN_EYES[1] + down
    # The inner rims stay 3 pixels apart at least.
    offset = tf.maximum((RIGHT_EYE[0] - LEFT_EYE[0]) / 2, half_width + 1.5)
    from_lens = tf.abs(x - BETWEEN_EYES[0]) - offset
    rim = superellipse(from_lens, y - eye_y, half_width, half_height, power)
    across = tf.abs(x - BETWEEN_EYES[0])
    nose_y = eye_y - 0.35 * half_height
    bridge = segment(across, y, (tf.constant(0.0), nose_y - 1.0), (offset - half_width, nose_y))
    outer = offset + half_width
    temple = segment(across, y, (outer, nose_y), (outer + 12.0, nose_y - 1.0))
    frame = tf.minimum(tf.abs(rim), tf.minimum(bridge, temple)) - thickness / 2

    glass, metal = tf.unstack(_dark(seeds[2], 2))
    # A window that the lens reflects: a slanted band, brighter than the lens.
    band = coverage(tf.abs(from_lens + 0.8 * (y - eye_y) + 6.0) - 2.0, 3.0)
    inside = coverage(rim)
    image = paint(image, glass, inside * lens)
    image = paint(image, tf.constant([235.0, 240.0, 245.0]), inside * band * 0.35 * glint)
    return within(paint(image, metal, coverage(frame)))


def cap(image: Image, seed: Seed) -> Image:
    """Draw a cap of random colour over the forehead, its brim a random height above the eyes, and the brim's shadow."""
    seeds = split(seed, 2)
    edge, bend, width, brim, angle, shadow, reach = uniform(
        seeds[0], (22.0, 38.0), (2.0, 9.0), (48.0, 58.0), (5.0, 10.0), (-ASKEW, ASKEW), (0.3, 0.7), (8.0, 30.0)
    )
    x, y = turned(*grid(image), BETWEEN_EYES, angle)
    off_middle = (x - BETWEEN_EYES[0]) / width
    # The brim's lower edge is an arc that is lowest in the middle.
    below = y - (edge - bend * tf.square(off_middle))
    side = tf.abs(x - BETWEEN_EYES[0]) - width
    crown = superellipse(x - BETWEEN_EYES[0], y - edge, width, 44.0, 2.5)
    darkness = shadow * tf.exp(-tf.maximum(below, 0.0) / reach) * coverage(side, 8.0)
    image = image * (1.0 - darkness)[..., tf.newaxis]
    cloth = _cloth(seeds[1])
    # A rounded crown is darker at its sides, and the brim's underside darker than both.
    rounded = 1.0 - 0.5 * tf.square(tf.clip_by_value(off_middle, -1.0, 1.0))
    image = paint(image, cloth * rounded[..., tf.newaxis], coverage(tf.maximum(crown, below + brim)))
    return within(paint(image, cloth * 0.6, coverage(tf.maximum(tf.maximum(below, -below - brim), side))))


def mask(image: Image, seed: Seed) -> Image:
    """Draw a surgical mask of random colour and size from the nose to below the chin, with pleats and ear loops."""
    seeds = split(seed, 3)
    top, width, rise, angle, pleats, light = uniform(
        seeds[0], (60.0, 72.0), (33.0, 41.0), (3.0, 8.0), (-ASKEW, ASKEW), (0.04, 0.12), (0.75, 1.0)
    )
    x, y = turned(*grid(image), (BETWEEN_EYES[0], 85.0), angle)
    off_middle = (x - BETWEEN_EYES[0]) / width
    middle = (top + 124.0) / 2
    outline = superellipse(x - BETWEEN_EYES[0], y - middle, width, 124.0 - middle, 3.5)
    # The wire bends over the nose, so that the upper edge is highest there.
    edge = top + rise * tf.square(off_middle)
    body = tf.maximum(outline, edge - y)
    across = tf.abs(x - BETWEEN_EYES[0])
    loops = tf.minimum(
        segment(across, y, (width - 2.0, top + rise + 3.0), (width + 18.0, top - 6.0)),
        segment(across, y, (width - 2.0, top + rise + 30.0), (width + 18.0, top + 10.0)),
    )
    choice = tf.random.stateless_uniform((), seeds[1], 0, len(MASKS) + 1, tf.int32)
    cloth = tf.gather(tf.stack([*(tf.constant(one) for one in MASKS), _cloth(seeds[2])]), choice) * light
    image = paint(image, cloth, 0.8 * coverage(loops - 0.7))
    folds = 1.0 - pleats * (1.0 + tf.sin((y - edge) * 0.55))
    rounded = 1.0 - 0.25 * tf.square(tf.clip_by_value(off_middle, -1.0, 1.0))
    return within(paint(image, cloth * (folds * rounded)[..., tf.newaxis], coverage(body)))


def erase(image: Image, seed: Seed, largest: float = 0.2) -> Image:
    """Cover a random rectangle with one random colour (Zhong et al., Random Erasing, 2020).

    Args:
        image: The face.
        seed: Of the draws.
        largest: Its largest share of the area; the smallest is 0.02, the aspect ratio 0.3 to 3.3.
    """
    seeds = split(seed, 2)
    area, aspect, left, upper = uniform(
        seeds[0], (0.02, max(largest, 0.02)), (math.log(0.3), math.log(3.3)), (0.0, 1.0), (0.0, 1.0)
    )
    width = tf.minimum(tf.sqrt(area * tf.exp(aspect)), 1.0) * TEMPLATE
    height = tf.minimum(tf.sqrt(area * tf.exp(-aspect)), 1.0) * TEMPLATE
    x, y = grid(image)
    start_x, start_y = left * (TEMPLATE - width) - 0.5, upper * (TEMPLATE - height) - 0.5
    inside = (x >= start_x) & (x < start_x + width) & (y >= start_y) & (y < start_y + height)
    return paint(image, _any(seeds[1]), tf.cast(inside, tf.float32))


def _any(seed: Seed) -> tf.Tensor:
    """Return a random colour, float32 (3,)."""
    return tf.random.stateless_uniform((3,), seed, 10.0, 245.0)


def _cloth(seed: Seed) -> tf.Tensor:
    """Return a random colour of cloth, float32 (3,): of any brightness, seldom garish."""
    draws = tf.random.stateless_uniform((5,), seed)
    return 20.0 + 200.0 * draws[0] * (1.0 + 0.7 * draws[1] * (draws[2:] - 1.0))


def _dark(seed: Seed, count: int) -> tf.Tensor:
    """Return random colours of which most are dark, float32 (count, 3)."""
    draws = tf.random.stateless_uniform((count, 4), seed)
    return 8.0 + 170.0 * tf.square(draws[:, :1]) * (0.5 + 0.5 * draws[:, 1:])
