"""One image of each person to compare others with: S001/L1/E01/C7, or the most similar one."""

from collections.abc import Sequence

from kface.data.layout import CAMERAS, LIGHTS, Capture

#: Accessory, light, expression and camera of the reference: bare, 1000 lux from all directions, neutral, frontal.
REFERENCE = (1, 1, 1, 7)
#: Its path in K-Face, below a person.
REFERENCE_NAME = "S001/L1/E01/C7"


def references(captures: Sequence[Capture]) -> dict[str, int]:
    """Return the number of each person's reference: the image closest to :data:`REFERENCE`, the best resolution first."""
    found: dict[str, int] = {}
    for number, capture in enumerate(captures):
        best = found.get(capture.subject)
        if best is None or distance(capture) < distance(captures[best]):
            found[capture.subject] = number
    return found


def is_reference(capture: Capture) -> bool:
    """Return whether an image was taken under exactly the reference's conditions."""
    return tuple(capture[1:5]) == REFERENCE


def distance(capture: Capture) -> tuple[float, ...]:
    """Return by how much an image differs from the reference, to be compared: accessories count most, then pose, light."""
    if capture.light not in LIGHTS or capture.camera not in CAMERAS:
        # A corpus without conditions.
        return (0.0,)
    light, camera = LIGHTS[capture.light], CAMERAS[capture.camera]
    return (
        capture.accessory != REFERENCE[0],
        abs(camera.yaw) + abs(camera.pitch),
        light.direction != "all",
        -light.lux,
        capture.expression != REFERENCE[2],
        ("High", "Middle", "Low").index(capture.resolution),
        capture.accessory,
        capture.light,
    )
