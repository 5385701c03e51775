"""The meaning of K-Face's numbers.

Source: the table ``Database_info`` of the official repository k-face/k-face_2019.
"""

from typing import Dict, NamedTuple, Tuple


class Light(NamedTuple):
    """One of the 30 settings of the lamps.

    Attributes:
        direction: "all", "vertical" or "horizontal".
        degrees: Direction of the light: up is + in the vertical plane, right is + in the horizontal one.
        lux: Illuminance at the face.
    """

    direction: str
    degrees: int
    lux: int


class Camera(NamedTuple):
    """One of the 20 cameras; angles in degrees, yaw + is right, pitch + is up."""

    yaw: int
    pitch: int


def _lights() -> Dict[int, Light]:
    rows = [Light("all", 0, lux) for lux in (1000, 400, 200, 150, 100, 40, 0)]
    rows += [Light("vertical", degrees, lux) for degrees in (30, -15) for lux in (400, 200, 100, 40)]
    rows += [Light("horizontal", degrees, lux) for degrees in (90, 45, 0, -45, -90) for lux in (400, 200, 100)]
    return dict(enumerate(rows, start=1))


def _cameras() -> Dict[int, Camera]:
    rows = [Camera(yaw, 0) for yaw in range(90, -91, -15)]
    rows += [Camera(yaw, 30) for yaw in (45, 15, 0, -15, -45)]
    rows += [Camera(yaw, -15) for yaw in (30, -30)]
    return dict(enumerate(rows, start=1))


#: S: what is worn.
ACCESSORIES = {
    1: "none",
    2: "plain glasses",
    3: "horn-rimmed glasses",
    4: "sunglasses",
    5: "cap",
    6: "cap and horn-rimmed glasses",
}

#: L: the lamps.
LIGHTS = _lights()

#: E: the face's expression.
EXPRESSIONS: Dict[int, str] = {1: "neutral", 2: "broad smile", 3: "frown"}

#: C: the cameras; C7 is frontal.
CAMERAS = _cameras()

#: Width and height in pixels by resolution. Folders are named "High_Resolution" or, by third parties, "High".
SIZES: Dict[str, Tuple[int, int]] = {"High": (864, 576), "Middle": (346, 230), "Low": (173, 115)}

#: K-Face's annotation files exist for accessory 1 under these lights only (all expressions and cameras).
ANNOTATED_LIGHTS = (1, 3, 6, 7)
