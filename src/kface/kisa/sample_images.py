"""The 18 images of a procedural person: KISA's conditions, rendered by :mod:`kface.data.sample`.

A person's images come from nine takes, between which the person moves a little and changes clothes. The enrolment, the
expressions, the poses and the accessories are lit by all of the rig's lamps, white, at 1,000 lux. The lights are one lamp
each, 15 degrees above the eyes, at 400 lux with the room's light on. Poses are cameras at that yaw.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from kface.data.sample import accessories, head, lighting
from kface.data.sample.identity import Identity, generator
from kface.data.sample.scene import Scene, expose
from kface.data.sample.writing import Refusal, write_complete
from kface.images import encode_jpeg
from kface.kisa.conditions import SIZE, Category, Condition, condition, conditions_of
from kface.kisa.naming import file_name

#: Increase when the same settings would give different pictures.
VERSION: Final = 1
QUALITY: Final = 92

#: Where the lamps of the light conditions are: yaw (+ is the picture's right) and elevation in degrees.
LIGHT_ELEVATION: Final = 15.0
LIGHT_LAMPS: Final = tuple((float(found.name), LIGHT_ELEVATION) for found in conditions_of(Category.LIGHT))
#: Power of that lamp and of the room's light, and the camera's gain and noise: those of K-Face's 400 lux, in a lit room.
LAMP_POWER, ROOM_POWER, LIGHT_EXPOSURE = 0.34, 0.13, lighting.exposure(2)


@dataclass(frozen=True)
class Shot:
    """One picture of a take.

    Attributes:
        condition: Which it is.
        yaw: The camera's, degrees, + is the picture's right.
        lamp: Which of the take's lamps is on; None for all of them, as K-Face's L1 has them.
    """

    condition: Condition
    yaw: float = 0.0
    lamp: int | None = None


@dataclass(frozen=True)
class Take:
    """One accessory and one expression, photographed under one or more conditions.

    Attributes:
        accessory: A key of :data:`kface.data.sample.accessories.WORN`.
        expression: A key of :data:`kface.data.sample.head.EXPRESSIONS`.
        shots: The pictures.
        lamps: Where the lamps are.
    """

    accessory: int
    expression: int
    shots: tuple[Shot, ...]
    lamps: tuple[lighting.Direction, ...] = field(default=lighting.DIRECTIONS)


def takes(glasses: int) -> tuple[Take, ...]:
    """Return the nine takes; `glasses` are K-Face's accessory 2 (plain) or 3 (horn-rimmed)."""

    def one(key: str, accessory: int = 1, expression: int = 1) -> Take:
        return Take(accessory, expression, (Shot(condition(key)),))

    lights = tuple(Shot(found, lamp=number) for number, found in enumerate(conditions_of(Category.LIGHT)))
    # A camera at the picture's left sees a face turned to the person's own left.
    poses = (("pose_left-22.5", -22.5), ("pose_right-22.5", 22.5), ("pose_left-45", -45.0))
    return (
        one("enrolment_neutral"),
        Take(1, 1, lights, LIGHT_LAMPS),
        one("expression_smile", expression=2),
        one("expression_anger", expression=head.ANGER),
        one("expression_eyes-closed", expression=head.EYES_CLOSED),
        one("expression_surprise", expression=head.SURPRISE),
        Take(1, 1, tuple(Shot(condition(key), yaw) for key, yaw in poses)),
        one("accessory_hair-band", accessory=accessories.HAIR_BAND),
        one("accessory_glasses", accessory=glasses),
    )


def person_names(count: int) -> list[str]:
    """Return the people's names, never in K-Face's form: they are disjoint from the training sample's people.

    A person is drawn from seed and name (:class:`~kface.data.sample.identity.Identity`); the training sample's names are
    8 digits. A larger data base begins with the people of a smaller one.
    """
    return [f"P{number:04d}" for number in range(1, count + 1)]


def images(person: str, seed: int) -> Iterator[tuple[Condition, np.ndarray]]:
    """Render a person's 18 images, take by take.

    Yields:
        The condition, and uint8 (480, 640, 3), RGB.
    """
    identity = Identity(person, seed)
    glasses = 2 + int(generator(seed, "kisa glasses", person).randint(2))
    for take in takes(glasses):
        first = take.shots[0].condition
        scene = Scene(identity, take.accessory, take.expression, f"kisa {first.category}", take.lamps)
        views = {yaw: scene.seen_from(yaw, 0.0, 0) for yaw in dict.fromkeys(shot.yaw for shot in take.shots)}
        for shot in take.shots:
            view = views[shot.yaw]
            if shot.lamp is None:
                weights, exposure = lighting.weights(1), lighting.exposure(1)
            else:
                weights, exposure = np.zeros(len(take.lamps) + 1, np.float32), LIGHT_EXPOSURE
                weights[shot.lamp], weights[-1] = LAMP_POWER, ROOM_POWER
            noise = generator(seed, "kisa noise", person, shot.condition.key)
            yield shot.condition, expose(view, weights, exposure, noise, SIZE)


def write_person(folder: str, person: str, seed: int, parent: int) -> Refusal:
    """Write a person's images into a temporary folder and move it into its place; runs in a worker.

    Returns:
        The arguments of a KFaceError where the disk is full or read-only.
    """

    def write(temporary: str) -> None:
        for found, picture in images(person, seed):
            with open(os.path.join(temporary, file_name(found)), "wb") as stream:
                stream.write(encode_jpeg(picture, QUALITY))

    return write_complete(folder, person, parent, write)
