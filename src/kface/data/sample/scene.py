"""A scene: one person in one take (accessory and expression), lit once for all lights, seen from any camera."""

from typing import Dict, NamedTuple, Sequence, Tuple

import cv2
import numpy as np

from kface.data.layout import CAMERAS, SIZES, Annotation, Capture
from kface.data.sample import accessories, body, camera, hair, lighting, mouth, paint, snapshot
from kface.data.sample import head as heads
from kface.data.sample.annotate import annotate
from kface.data.sample.identity import Identity, generator
from kface.data.sample.surfels import Surfels, join, product, surfels

#: Standard deviation in pixels, of the half-size picture, over which hair gives way to skin.
HAIR_EDGE = 0.9


#: Standard deviation in degrees by which the head is turned, lifted and tilted more in takes of a person of full variation.
TURNED = np.array([11.0, 5.0, 4.0])
#: Share of the takes for which a person of full variation has other hair.
OTHER_HAIR = 0.35


class CameraView(NamedTuple):
    """What a camera sees, before any light is chosen.

    Attributes:
        albedo: float32 (h, w, 3), linear RGB.
        lamps: float32 (h, w, lamps + 1), irradiance.
        shine: float32 (h, w), highlight of a frontal light.
        cover: float32 (h, w), how much of the pixel the person covers.
        backdrop: float32 (h, w, 3), linear RGB.
        annotation: Landmarks and boxes in pixels of the high resolution.
    """

    albedo: np.ndarray
    lamps: np.ndarray
    shine: np.ndarray
    cover: np.ndarray
    backdrop: np.ndarray
    annotation: Annotation


class Scene(object):
    """One person in one take.

    Args:
        person: The person.
        accessory: A key of :data:`~kface.data.sample.accessories.WORN`: S, 1-6, or one that K-Face lacks.
        expression: A key of :data:`~kface.data.sample.head.EXPRESSIONS`: E, 1-3, or one that K-Face lacks.
        session: Tells takes of the same accessory and expression apart, where there are several.
        lamps: Where the lamps are, as yaw and elevation in degrees; by default K-Face's.
    """

    def __init__(
        self,
        person: Identity,
        accessory: int,
        expression: int,
        session: str = "",
        lamps: Sequence[lighting.Direction] = lighting.DIRECTIONS,
    ) -> None:
        self.person = person
        # A take's draws must not depend on the face, so they use their own generator.
        names = (person.subject, accessory, expression) + ((session,) if session else ())
        self.random = generator(person.seed, "take", *names)
        moved = heads.EXPRESSIONS[expression]
        haired, turned = person, np.array([2.0, 2.0, 2.0])
        if person.variation:
            varied = generator(person.seed, "varied take", *names)
            moved = _graded(moved, varied, person.variation)
            if varied.uniform() < OTHER_HAIR * person.variation:
                haired = person.with_other_hair(varied)
            turned = turned + person.variation * TURNED
        head = heads.build(person, moved)
        albedo, gloss = paint.paint(person, moved, head)
        above = hair.above_edge(haired, head)
        albedo = hair.scalp(haired, above, albedo)
        kept = ~mouth.opening(person, moved, head) if moved.surprise else np.ones(head.x.shape, bool)
        skin = surfels(head.points, head.normals, albedo, 0.0, kept)
        skin = skin._replace(gloss=gloss[kept].astype(np.float32))
        worn = accessories.build(accessory, haired, head, self.random)
        grown = hair.build(haired, head, above, capped=accessories.WORN[accessory].cap)
        parts = [skin] + grown + body.ears(person, head) + [body.neck(person)] + worn
        if moved.surprise:
            parts.append(mouth.inside(person, moved, head))
        upper = join(parts)
        yaw, pitch, roll = np.radians(np.clip(self.random.normal(0, turned, 3), -2.5 * turned, 2.5 * turned))
        shift = np.clip(self.random.normal(0, 0.05, 3), -0.12, 0.12)
        turn = camera.rotation(float(yaw), float(pitch), float(roll))
        upper = upper._replace(
            points=(product(turn, upper.points.T) + shift[:, None]).astype(np.float32).T,
            normals=product(turn, upper.normals.T).astype(np.float32).T,
        )
        clothes = body.shoulders(self.random)
        clothes = clothes._replace(points=(clothes.points.T + shift[:, None]).astype(np.float32).T)
        self.surfels: Surfels = join([upper, clothes])
        # Which surfels are hair: its edge against the face is softened in the picture.
        self.is_hair = np.zeros(self.surfels.count, bool)
        self.is_hair[skin.count : skin.count + sum(part.count for part in grown)] = True
        self.landmarks: Dict[str, np.ndarray] = {name: turn @ point + shift for name, point in head.landmarks.items()}
        self.head_points = upper.points[: skin.count : 7]
        self.backdrop = self.random.uniform(0.10, 0.55) * self.random.uniform(0.85, 1.0, 3)
        self._shadows = lighting.ShadowMaps(self.surfels, lamps)

    def view(self, number: int) -> CameraView:
        """Look at the scene through one of K-Face's cameras."""
        place = CAMERAS[number]
        return self.seen_from(place.yaw, place.pitch, number)

    def seen_from(self, yaw: float, pitch: float, number: int) -> CameraView:
        """Look at the scene through a camera at yaw and pitch in degrees; `number` varies the backdrop."""
        matrix = camera.view_matrix(yaw, pitch)
        pixels, depth = camera.project(self.surfels.points, matrix)
        towards = matrix[2].astype(np.float32)
        facing = product(towards, self.surfels.normals.T) > -0.12
        index, there = camera.visible(pixels, depth, facing)
        cover = camera.coverage(there)
        # Only the pixels that show a surfel, in the picture's order.
        place = np.flatnonzero(there)
        chosen = index.reshape(-1)[place]
        halfway = towards + np.array([0, 0.25, 1], np.float32)
        halfway /= np.linalg.norm(halfway)
        glancing = product(halfway, self.surfels.normals.T.take(chosen, axis=1))
        shine = np.clip(glancing, 0, 1) ** 24 * self.surfels.gloss.take(chosen)
        seen = np.concatenate([self.surfels.albedo.T.take(chosen, axis=1).T, self._shadows.irradiance(chosen)], axis=1)
        # Beyond the silhouette the colours are carried outwards, so that a soft edge mixes skin and backdrop, not black.
        beyond = np.flatnonzero((cover > 0) & ~there)
        carried = _spread(seen, place, beyond)
        # The same between hair and what lies behind it, to avoid a jagged edge.
        hair_there = self.is_hair.take(chosen)
        within = cv2.GaussianBlur(_frame(hair_there, place)[..., 0], (0, 0), HAIR_EDGE).reshape(-1).take(place)
        edge = np.flatnonzero((within > 0.01) & (within < 0.99))
        share = within.take(edge)[:, None]
        mixed = 0.0
        for part, weight in ((hair_there, share), (~hair_there, 1 - share)):
            spread = _spread(seen[part], place[part], place[edge])
            mixed = mixed + weight * np.where(part[edge][:, None], seen[edge], spread)
        seen[edge] = mixed
        pixel, values = np.concatenate([place, beyond]), np.concatenate([seen, carried])
        return CameraView(
            _frame(values[:, :3], pixel),
            _frame(values[:, 3:], pixel),
            _frame(shine, place)[..., 0],
            cover,
            self._backdrop(number),
            annotate(self.landmarks, self.head_points, matrix),
        )

    def _backdrop(self, number: int) -> np.ndarray:
        across = np.linspace(-1, 1, camera.WIDTH, dtype=np.float32)[None, :, None]
        down = np.linspace(-1, 1, camera.HEIGHT, dtype=np.float32)[:, None, None]
        shade = 1 - 0.18 * across**2 - 0.10 * down + 0.06 * np.sin(2.2 * across + number)
        return cv2.merge(
            [np.multiply(shade[..., 0], value, dtype=np.float64).astype(np.float32) for value in self.backdrop]
        )


def _graded(moved: heads.Expression, random: np.random.RandomState, variation: float) -> heads.Expression:
    """Return an expression of another strength, with a trace of others: people do not hold still for K-Face's three."""
    strength = 1 - variation * random.uniform(0, 0.7)
    smile, frown = strength * moved.smile, strength * moved.frown
    trace, apart, blink = variation * random.uniform(0, 0.35, 3)
    if not moved.smile and random.uniform() < 0.3:
        smile = trace
    if not frown and random.uniform() < 0.3:
        frown = 0.8 * trace
    # Lips that part in a smile and with a dropped jaw are not drawn together.
    surprise = apart if random.uniform() < 0.3 and smile <= 0.05 else moved.surprise
    return moved._replace(smile=smile, frown=frown, surprise=surprise, closed=max(moved.closed, blink))


def _frame(values: np.ndarray, place: np.ndarray, rows: int = camera.HEIGHT) -> np.ndarray:
    """Return a picture, float32 (rows, w, c), of the values (n, c) or (n,) at places of the flat picture; 0 elsewhere."""
    columns = values.reshape(len(values), -1)
    frame = np.zeros((rows * camera.WIDTH, columns.shape[1]), np.float32)
    frame[place] = columns
    return frame.reshape(rows, camera.WIDTH, -1)


#: How far values are spread, as a standard deviation in pixels, and the radius within which OpenCV's filter weighs pixels.
_SPREAD, _REACH = 1.2, 5


def _spread(values: np.ndarray, place: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return values extended slightly beyond the pixels where they are known.

    Args:
        values: float32 (n, c).
        place: int64 (n,), where they are known, as places of the flat picture in ascending order.
        wanted: int64 (m,), where they are wanted.

    Returns:
        float32 (m, c).
    """
    if not len(wanted):
        return np.zeros((0, values.shape[1]), np.float32)
    # The part of the picture that the wanted pixels depend on, in steps of the processor's vectors.
    rows, columns = wanted // camera.WIDTH, wanted % camera.WIDTH
    top, bottom = max(int(rows.min()) - _REACH, 0), min(int(rows.max()) + _REACH + 1, camera.HEIGHT)
    left = max(int(columns.min()) - _REACH, 0) // 16 * 16
    right = min(-(-(int(columns.max()) + _REACH + 1) // 16) * 16, camera.WIDTH)
    at = (rows - top) * (right - left) + columns - left
    known = np.concatenate([values, np.ones((len(values), 1), np.float32)], axis=1)
    first, last = np.searchsorted(place, [top * camera.WIDTH, bottom * camera.WIDTH])
    known, inside = known[first:last], place[first:last] - top * camera.WIDTH
    # OpenCV's filter takes four channels at most.
    parts = []
    for channel in range(0, known.shape[1], 4):
        part = _frame(known[:, channel : channel + 4], inside, bottom - top)
        blurred = cv2.GaussianBlur(part[:, left:right], (0, 0), _SPREAD)
        parts.append(blurred.reshape(-1, part.shape[2]).take(at, axis=0))
    found = np.concatenate(parts, axis=1)
    return found[:, :-1] / np.maximum(found[:, -1:], 1e-3)


def develop(
    view: CameraView, light: int, random: np.random.RandomState, resolution: str = "High", variation: float = 0.0
) -> np.ndarray:
    """Light a view and take the picture.

    Args:
        view: From :meth:`Scene.view`.
        light: L, 1-30.
        random: Draws the sensor's noise, and what varies.
        resolution: ``High``, ``Middle`` or ``Low``.
        variation: From 0 to 1: how far light, background and camera differ from the rig's, see
            :mod:`kface.data.sample.snapshot`.

    Returns:
        uint8 (h, w, 3), RGB, of the resolution's size.
    """
    weights, exposure = lighting.weights(light), lighting.exposure(light)
    return expose(view, weights, exposure, random, SIZES[resolution], variation)


def expose(
    view: CameraView,
    weights: np.ndarray,
    exposure: Tuple[float, float],
    random: np.random.RandomState,
    size: Tuple[int, int],
    variation: float = 0.0,
) -> np.ndarray:
    """Take the picture of a view under any mixture of its lamps.

    Args:
        view: From :meth:`Scene.view` or :meth:`Scene.seen_from`.
        weights: float32 (lamps + 1,), each lamp's power, the ambient light last.
        exposure: Gain, and standard deviation of the noise in grey levels.
        random: Draws the sensor's noise, and what varies.
        size: Width and height of the picture in pixels; a narrower one shows less at both sides.
        variation: See :func:`develop`.

    Returns:
        uint8 (h, w, 3), RGB.
    """
    gain, sigma = exposure
    wall = float(weights.sum()) * 0.55
    cover, backdrop = _grey(view.cover), view.backdrop
    if variation:
        variation *= snapshot.STRENGTH
        given = view.lamps @ snapshot.lights(weights, random, variation)
        if random.uniform() < variation:
            backdrop = snapshot.background(random)
            wall *= float(np.exp(0.5 * random.standard_normal()))
        gain *= float(np.exp(0.25 * variation * random.standard_normal()))
    else:
        given = _grey(view.lamps @ weights)
    linear = view.albedo * given
    given *= _grey(view.shine)
    given *= 0.35
    linear += given
    linear *= cover
    linear += backdrop * wall * np.subtract(1, cover, out=cover)
    linear *= gain
    # A shoulder for the highlights, then the display's gamma.
    toned = linear / 2.2
    toned += 1
    toned *= linear
    linear += 1
    toned /= linear
    picture = np.clip(toned, 0, 1, out=toned)
    picture **= np.float32(1 / 2.2)
    if variation:
        picture = snapshot.tone(picture, random, variation)
    # A slight blur before enlarging hides the grid of the small picture.
    picture = cv2.GaussianBlur(255 * picture, (0, 0), 0.55)
    if variation:
        picture = snapshot.degrade(picture, random, variation)
    margin = max(0, (camera.WIDTH - int(round(camera.HEIGHT * size[0] / float(size[1])))) // 2)
    picture = picture[:, margin : camera.WIDTH - margin]
    shrink = size[0] < camera.WIDTH
    picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if shrink else cv2.INTER_CUBIC)
    return _with_noise(picture, float(sigma), random)


def _grey(values: np.ndarray) -> np.ndarray:
    """Return an image of three equal channels, float32 (h, w, 3): NumPy is slow where it repeats one along the last axis."""
    return cv2.merge([values, values, values])


_GRAIN = generator(0, "grain").standard_normal((256, 384, 3)).astype(np.float32)
#: The grain and its mirror image, each row of pixels a row of numbers.
_GRAINS = tuple(grain.reshape(256, -1) for grain in (_GRAIN, _GRAIN[:, ::-1]))
#: Rows of a picture to which noise is added at once: as many as the processor's cache holds.
_STRIP = 32


def _with_noise(picture: np.ndarray, sigma: float, random: np.random.RandomState) -> np.ndarray:
    """Return a picture with the sensor's noise, uint8: a fixed grain, rolled and tiled; drawing new noise is slower.

    Args:
        picture: float32 (h, w, 3), grey levels.
        sigma: Standard deviation of the noise in grey levels.
        random: Draws where the grain begins.
    """
    down, right, mirrored = int(random.randint(256)), int(random.randint(384)), int(random.randint(2))
    # In double precision: a sum that is rounded before its fraction is cut off may be another grey level.
    grain = np.multiply(_GRAINS[mirrored], sigma, dtype=np.float64)
    rows, columns = grain.shape
    first = 3 * ((right if mirrored else -right) % (columns // 3))
    height, width = picture.shape[0], 3 * picture.shape[1]
    flat = picture.reshape(height, width)
    taken = np.empty((height, width), np.uint8)
    strip = np.empty((_STRIP, width), np.float64)
    top = 0
    while top < height:
        row = (top - down) % rows
        bottom = min(top + _STRIP, top + rows - row, height)
        part = strip[: bottom - top]
        part[...] = flat[top:bottom]
        left, column = 0, first
        while left < width:
            end = min(left + columns - column, width)
            part[:, left:end] += grain[row : row + bottom - top, column : column + end - left]
            left, column = end, 0
        np.clip(part, 0, 255, out=part)
        np.copyto(taken[top:bottom], part, casting="unsafe")
        top = bottom
    return taken.reshape(picture.shape)


def render(capture: Capture, seed: int = 0, variation: float = 0.0) -> Tuple[np.ndarray, Annotation]:
    """Render one capture of the sample.

    Args:
        capture: Person and conditions; any 8 digits name a person.
        seed: Of the sample.
        variation: From 0 to 1, see :class:`~kface.data.sample.identity.Identity` and :func:`develop`.

    Returns:
        uint8 (h, w, 3), RGB, and the annotation in its pixels.
    """
    scene = Scene(Identity(capture.subject, seed, variation), capture.accessory, capture.expression)
    view = scene.view(capture.camera)
    picture = develop(view, capture.light, noise_of(capture, seed), capture.resolution, variation)
    return picture, scaled(view.annotation, capture.resolution)


def noise_of(capture: Capture, seed: int) -> np.random.RandomState:
    """Return the random generator of a picture's noise."""
    return generator(seed, "noise", *capture)


def scaled(annotation: Annotation, resolution: str) -> Annotation:
    """Return a high-resolution annotation in the pixels of another resolution."""
    factor = SIZES[resolution][0] / float(SIZES["High"][0])
    boxes = {name: tuple(factor * value for value in box) for name, box in annotation.boxes.items()}
    return Annotation((annotation.landmarks * factor).astype(np.float32), boxes)  # type: ignore[arg-type]
