"""The colours of the face: skin, eyes, brows, lips and marks, laid on in the head's own coordinates."""

from typing import Tuple

import cv2
import numpy as np

from kface.data.sample.head import OPENING, PARTING, Expression, Head, mouth_corner_lift, mouth_half_width
from kface.data.sample.identity import Identity, generator
from kface.data.sample.surfels import NOTHING, bump, tinted


def skin_colour(person: Identity) -> np.ndarray:
    """Return a person's skin, linear RGB."""
    lightness = person["skin_lightness"]
    warmth = 0.035 * person["skin_warmth"]
    return np.clip(lightness * np.array([1.0, 0.72 - warmth, 0.56 - 1.6 * warmth]), 0.03, 0.95)


def hair_colour(person: Identity) -> np.ndarray:
    """Return a person's hair, linear RGB: black to brown, with variation to blond and grey."""
    grey = person.hair_tint * np.array([0.0, 0.20, 0.34])
    return person["hair_lightness"] * (np.array([1.0, 0.78, 0.62]) + grey) + 0.006


def paint(person: Identity, expression: Expression, head: Head) -> Tuple[np.ndarray, np.ndarray]:
    """Return the albedo (rows, columns, 3) and the gloss (rows, columns) of the head's surface."""
    x, y, bands = head.x, head.y, head.bands
    side = np.abs(x)
    albedo = tinted(skin_colour(person), _mottling(person, x.shape))

    def rows(found: slice) -> Tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        return albedo[found], x[found], y[found], side[found]

    # Each part changes the rows around it alone.
    _flush(person, expression, *rows(bands.between(-0.32 - NOTHING * 0.16, -0.32 + NOTHING * 0.16)))
    part, _, up, aside = rows(bands.near(person["eye_height"] - 0.09, NOTHING * 0.035))
    _darken(part, 0.16 * bump(aside, up, (person["eye_distance"], person["eye_height"] - 0.09), (0.14, 0.035)))
    low, high = sorted((person["brow_height"], person["eye_height"]))
    part, _, up, aside = rows(bands.between(low - 0.02 - NOTHING * 0.05, max(high + NOTHING * 0.05, 0.65)))
    _darken(part, (0.10 + 0.25 * person["age"]) * _wrinkles(person, expression, aside, up))
    part, _, up, aside = rows(bands.between(-np.inf, person["mouth_height"] + 0.53))
    _darken(part, person["beard_shadow"] * _beard(person, aside, up))
    for mole in person.moles:
        part, across, up, _ = rows(bands.near(mole[1], NOTHING * mole[2]))
        _mark(part, across, up, *mole)
    part, _, up, aside = rows(bands.near(person["nose_length"] - 0.03, NOTHING * 0.05))
    _nostrils(person, part, aside, up)
    _mouth(person, expression, *rows(bands.near(person["mouth_height"], _mouth_reach(person, expression))))
    brow = person["brow_height"] + 0.012 * expression.smile - 0.045 * expression.frown
    _brows(person, expression, *rows(bands.near(brow, _brow_reach(person, expression))))
    gloss = np.full(x.shape, 0.10)
    gloss += 0.10 * bump(x, y, (0, person["nose_length"]), (0.1, 0.1)) + 0.08 * bump(x, y, (0, 0.5), (0.35, 0.2))
    eyes = bands.near(person["eye_height"], _eye_reach(person))
    part, across, up, aside = rows(eyes)
    _eyes(person, expression, part, gloss[eyes], across, up, aside)
    back = 1 - head.front
    for colour, skin in zip(np.moveaxis(albedo, 2, 0), skin_colour(person)):
        colour *= 1 - back
        colour += skin * back
        np.clip(colour, 0.004, 0.96, out=colour)
    return albedo, gloss


def _darken(albedo: np.ndarray, amount: np.ndarray) -> None:
    left = 1 - np.clip(amount, 0, 1)
    for channel in range(3):
        albedo[..., channel] *= left


def _mix(albedo: np.ndarray, colour: np.ndarray, amount: np.ndarray) -> None:
    amount = np.clip(amount, 0, 1)
    left = 1 - amount
    for channel in range(3):
        albedo[..., channel] *= left
        albedo[..., channel] += amount * colour[..., channel]


def _flush(
    person: Identity, expression: Expression, albedo: np.ndarray, x: np.ndarray, y: np.ndarray, side: np.ndarray
) -> None:
    """Redden the cheeks and the tip of the nose."""
    redden = 0.10 * bump(side, y, (0.40, -0.32), (0.2, 0.16)) + 0.12 * bump(
        x, y, (0, person["nose_length"]), (0.12, 0.08)
    )
    redden *= 1 + 0.5 * expression.smile
    for channel, share in ((1, 0.55), (2, 0.6)):
        albedo[..., channel] *= 1 - redden * share


def _step(value: np.ndarray, width: float) -> np.ndarray:
    """Rise from 0 to 1 around value 0, over about twice the width."""
    return np.clip(0.5 + 0.5 * value / width, 0, 1)


def _mottling(person: Identity, shape: Tuple[int, ...]) -> np.ndarray:
    """Uneven skin and freckles: noise of two sizes, fixed per person."""
    random = generator(person.texture_seed, "skin")
    rows, columns = shape
    coarse = cv2.resize(
        random.standard_normal((18, 26)).astype(np.float32), (columns, rows), interpolation=cv2.INTER_CUBIC
    )
    fine = cv2.resize(
        random.standard_normal((90, 130)).astype(np.float32), (columns, rows), interpolation=cv2.INTER_CUBIC
    )
    freckles = np.clip(fine - 1.5, 0, 1.5) * min(person["freckles"], 1.0)
    even, rough = 0.035 * person.blotches, 0.02 * person.blotches
    return np.clip(1 + even * coarse + rough * fine - 0.28 * freckles, 0.5, 1.2)


def _wrinkles(person: Identity, expression: Expression, side: np.ndarray, y: np.ndarray) -> np.ndarray:
    brow = person["brow_height"]
    lines = (expression.frown + 0.8 * expression.anger) * 1.2 * bump(side, y, (0.05, brow - 0.02), (0.012, 0.05))
    if expression.anger:
        # Across the root of the nose.
        for level in (0.10, 0.06):
            lines = lines + 0.8 * expression.anger * bump(side, y, (0, level - 0.02), (0.055, 0.008))
    if expression.surprise:
        for level in (0.40, 0.475, 0.55):
            arched = level + 0.03 * (1 - (side / 0.4) ** 2)
            wide = np.exp(-((side / 0.40) ** 4))
            lines = (
                lines
                + (0.7 + 0.3 * person["age"]) * expression.surprise * np.exp(-(((y - arched) / 0.010) ** 2)) * wide
            )
    for level in (0.38, 0.47, 0.56):
        lines = lines + (0.35 * person["age"]) * np.exp(-(((y - level) / 0.010) ** 2)) * np.exp(-((side / 0.42) ** 4))
    corner = bump(side, y, (person["eye_distance"] + 0.2, person["eye_height"]), (0.04, 0.05))
    return lines + expression.smile * 0.5 * corner * np.abs(np.sin(y * 130))


def _beard(person: Identity, side: np.ndarray, y: np.ndarray) -> np.ndarray:
    mouth = person["mouth_height"]
    jaw = _step(mouth + 0.06 - y + 0.35 * np.clip(side - 0.25, 0, 1), 0.12)
    upper = bump(side, y, (0.06, mouth + 0.11), (0.2, 0.045))
    return np.maximum(jaw, upper)


def _mark(
    albedo: np.ndarray, x: np.ndarray, y: np.ndarray, across: float, up: float, radius: float, darkness: float
) -> None:
    """Add a mole."""
    _mix(albedo, np.array([0.09, 0.05, 0.035]), darkness * bump(x, y, (across, up), (radius, radius)))


def _nostrils(person: Identity, albedo: np.ndarray, side: np.ndarray, y: np.ndarray) -> None:
    place = (0.5 * person["nose_width"] - 0.005, person["nose_length"] - 0.052)
    _darken(albedo, 0.85 * bump(side, y, place, (0.034, 0.017)))
    _darken(albedo, 0.22 * bump(side, y, (person["nose_width"] + 0.02, person["nose_length"] - 0.03), (0.03, 0.05)))


def _mouth_reach(person: Identity, expression: Expression) -> float:
    """Return how far above and below the mouth's middle :func:`_mouth` paints, at most."""
    lips = max(person["upper_lip"], person["lower_lip"])
    return 1.2 * abs(mouth_corner_lift(person, expression)) + 1.2 * lips + 0.25


def _mouth(
    person: Identity, expression: Expression, albedo: np.ndarray, x: np.ndarray, y: np.ndarray, side: np.ndarray
) -> None:
    half = mouth_half_width(person, expression)
    u = side / half
    shape = np.clip(1 - u**2, 0, 1)
    middle = person["mouth_height"] + 0.02 * expression.smile + mouth_corner_lift(person, expression) * u**2
    open_by = 0.055 * expression.smile * np.clip(1 - (u / 0.86) ** 2, 0, 1)
    bow = 1 - 0.22 * np.exp(-((x / 0.03) ** 2)) + 0.10 * np.exp(-(((side - 0.055) / 0.03) ** 2))
    pressed = 1 - 0.5 * expression.anger
    top = middle + open_by * 0.35 + pressed * person["upper_lip"] * (1 - 0.25 * expression.smile) * shape**0.8 * bow
    bottom = middle - open_by * 0.65 - pressed * person["lower_lip"] * (1 - 0.15 * expression.smile) * shape**0.6
    if expression.surprise:
        # The opening is laid on as a lens between the lips, which the dropped jaw stretches.
        lens = PARTING * expression.surprise * np.sqrt(np.clip(1 - (u / OPENING) ** 2, 0, 1))
        top, bottom = top + lens, bottom - lens
    lip = _step(top - y, 0.009) * _step(y - bottom, 0.011) * _step(1.02 - u, 0.04)
    red = person["lip_redness"]
    colour = skin_colour(person) * np.array([0.80 + 0.04 * red, 0.52 - 0.14 * red, 0.56 - 0.08 * red])
    _mix(albedo, colour, 0.95 * lip)
    if expression.smile > 0.05:
        upper, lower = middle + open_by * 0.35, middle - open_by * 0.65
        inside = _step(upper - y, 0.006) * _step(y - lower, 0.006) * _step(0.86 - u, 0.03)
        _mix(albedo, np.array([0.10, 0.03, 0.03]), inside)
        gum = upper - 0.85 * (upper - lower)
        gaps = 1 - 0.25 * np.exp(-((((side + 0.021) % 0.042 - 0.021) / 0.004) ** 2))
        teeth = inside * _step(y - gum, 0.008)
        _mix(
            albedo,
            tinted(np.array([0.78, 0.74, 0.66]), 1 - 0.35 * np.clip(u, 0, 1) ** 2) * gaps[..., None],
            teeth,
        )
    elif expression.surprise:
        # The lips' inner edge is in the shade; what lies behind it is kface.data.sample.mouth's.
        _darken(albedo, 0.7 * _step(middle + lens - y, 0.008) * _step(y - middle + lens, 0.008) * _step(0.94 - u, 0.03))
    else:
        line = np.exp(-(((y - middle) / 0.0085) ** 2)) * _step(1.04 - u, 0.05)
        _mix(albedo, colour * 0.22, 0.9 * line)
    _darken(
        albedo,
        0.35
        * bump(side, y, (half * 1.02, person["mouth_height"] + mouth_corner_lift(person, expression)), (0.02, 0.018)),
    )


def _brow_reach(person: Identity, expression: Expression) -> float:
    """Return how far above and below its height :func:`_brows` paints a brow, at most."""
    moved = 0.05 + 0.07 * expression.anger + 0.14 * expression.surprise
    return (
        1.1 * abs(person["brow_arch"]) + 1.2 * abs(person["brow_tilt"]) + moved + 3.6 * person["brow_thickness"] + 0.01
    )


def _brows(
    person: Identity, expression: Expression, albedo: np.ndarray, x: np.ndarray, y: np.ndarray, side: np.ndarray
) -> None:
    centre = person["eye_distance"] + 0.015 - 0.035 * expression.frown - 0.015 * expression.anger
    u = (side - centre) / person["brow_length"]
    inner = np.clip(-u, 0, 1)
    height = person["brow_height"] + 0.012 * expression.smile - 0.045 * expression.frown
    line = (
        height + person["brow_arch"] * (1 - (u - 0.3) ** 2) + person["brow_tilt"] * u - 0.04 * expression.frown * inner
    )
    if expression.anger:
        line = line + expression.anger * (0.055 * np.clip(u, -1, 1) - 0.005)
    if expression.surprise:
        line = line + expression.surprise * (0.095 + 0.035 * (1 - u**2))
    thick = person["brow_thickness"] * np.clip(1.05 - 0.65 * np.clip(u, -0.6, 1), 0.15, 1.3)
    across = (y - line) / np.maximum(thick, 1e-3)
    along = _step(1 - np.abs(u), 0.12)
    hairs = 0.82 + 0.18 * np.sin(side * 260 + y * 140 + 3 * np.sin(side * 60))
    amount = person["brow_density"] * np.exp(-(across**4)) * along * hairs
    _mix(albedo, 0.5 * hair_colour(person) + 0.008, 1.15 * amount)


def lids(person: Identity, expression: Expression, side: np.ndarray) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the place across the eye (-1 inner corner, 1 outer) and the heights of the upper and the lower lid."""
    width = person["eye_width"]
    u = (side - person["eye_distance"]) / width
    opening = person["eye_opening"] * (
        1 - 0.38 * expression.smile - 0.22 * expression.frown - 0.08 * expression.anger + 0.38 * expression.surprise
    )
    tilt = person["eye_height"] + person["eye_tilt"] * u
    shape = np.clip(1 - np.abs(u) ** 2.3, 0, 1)
    upper = tilt + opening * 1.05 * shape**0.75
    lower = tilt - opening * (0.75 - 0.25 * expression.smile) * shape
    if expression.closed:
        # The upper lid comes down nearly all the way; the lower one hardly moves.
        meeting = lower + 0.12 * (upper - lower)
        upper = upper + expression.closed * (meeting - upper)
        lower = lower + expression.closed * (meeting - lower)
    return u, upper, lower


def _eye_reach(person: Identity) -> float:
    """Return how far above and below an eye's middle :func:`_eyes` paints, at most."""
    return 1.2 * abs(person["eye_tilt"]) + 1.6 * abs(person["eye_opening"]) + abs(person["lid_crease"]) + 0.16


def _eyes(
    person: Identity,
    expression: Expression,
    albedo: np.ndarray,
    gloss: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    side: np.ndarray,
) -> None:
    u, upper, lower = lids(person, expression, side)
    between = _step(1 - np.abs(u), 0.05)
    crease = upper + person["lid_crease"]
    if expression.closed:
        _lid(person, expression, albedo, side, y)
        # The fold of an open eye is all but smoothed out.
        crease = _opened_lids(person, side)[1] + person["lid_crease"]
    _darken(
        albedo,
        (0.42 - 0.27 * expression.closed) * np.exp(-(((y - crease) / 0.010) ** 2)) * _step(1.02 - np.abs(u), 0.15),
    )
    _darken(albedo, 0.18 * np.exp(-(((y - lower + 0.022) / 0.016) ** 2)) * between)
    opened = _step(upper - y, 0.006) * _step(y - lower, 0.006) * between
    if expression.closed:
        opened = opened * (1 - expression.closed)
    white = tinted(np.array([0.72, 0.69, 0.66]), 1 - 0.35 * np.clip(np.abs(u), 0, 1) ** 2)
    # The upper lid shades what is right below it.
    white = white * (1 - 0.55 * np.exp(-(((upper - y) / 0.022) ** 2)))[..., None]
    _mix(albedo, white, opened)
    corner = opened * _step(-0.82 - u, 0.06)
    _mix(albedo, np.array([0.55, 0.24, 0.22]), 0.8 * corner)
    distance = np.sqrt((side - person["eye_distance"]) ** 2 + (y - person["eye_height"] - 0.006) ** 2)
    iris = opened * _step(person["iris"] - distance, 0.006)
    spokes = 0.8 + 0.2 * np.sin(np.arctan2(y - person["eye_height"], side - person["eye_distance"]) * 23)
    _mix(albedo, tinted(np.array([0.085, 0.045, 0.025]), spokes), iris)
    _mix(albedo, np.array([0.03, 0.018, 0.012]), iris * np.exp(-(((distance - person["iris"]) / 0.009) ** 2)) * 0.8)
    _mix(albedo, np.array([0.006, 0.006, 0.007]), opened * _step(0.45 * person["iris"] - distance, 0.006))
    # The catch light is on the same side of both eyes.
    across = (side - person["eye_distance"]) * np.sign(x)
    light = bump(across, y, (0.016, person["eye_height"] + 0.026), (0.010, 0.010))
    _mix(albedo, np.array([0.96, 0.96, 0.96]), 0.9 * opened * light)
    lash = np.exp(-(((y - upper) / 0.0095) ** 2)) * _step(1.06 - np.abs(u), 0.06) * (0.75 + 0.25 * np.clip(u, -1, 1))
    _mix(albedo, np.array([0.012, 0.010, 0.010]), 0.92 * lash)
    under = np.exp(-(((y - lower) / 0.007) ** 2)) * _step(1.0 - np.abs(u), 0.08)
    _mix(albedo, np.array([0.10, 0.06, 0.05]), 0.45 * under)
    gloss += 0.35 * opened


def _opened_lids(person: Identity, side: np.ndarray) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    return lids(person, Expression(0, 0), side)


def _lid(person: Identity, expression: Expression, albedo: np.ndarray, side: np.ndarray, y: np.ndarray) -> None:
    """The skin of a closed lid, a little darker and redder than the face, where the eye was."""
    u, upper, lower = _opened_lids(person, side)
    lid = _step(upper + 0.6 * person["lid_crease"] - y, 0.012) * _step(y - lower, 0.008) * _step(1.02 - np.abs(u), 0.08)
    round_off = 0.10 + 0.16 * np.clip(np.abs(u), 0, 1) ** 2
    _mix(albedo, albedo * np.array([0.97, 0.88, 0.87]) * (1 - round_off)[..., None], expression.closed * lid)
