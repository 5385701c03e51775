"""What KISA's data base varies: its categories, their conditions, their names and the passing marks.

Source: tables 1-3 of Chang and Park (2021) and the certification page of KISA's K-NBTC: two sets of 500 people, 640x480
JPEG, 18 images a person: one for enrolment and 17 probes.
"""

import enum
from dataclasses import dataclass
from typing import Final

from kface.errors import LayoutError

#: Width and height of an image in pixels.
SIZE: Final = (640, 480)


class Category(str, enum.Enum):
    """What an image is for: enrolment, or what its probe varies. In the order of KISA's table."""

    ENROLMENT = "enrolment"
    LIGHT = "light"
    EXPRESSION = "expression"
    POSE = "pose"
    ACCESSORY = "accessory"

    def __str__(self) -> str:
        return self.value

    @property
    def korean(self) -> str:
        """Its Korean name."""
        return _KOREAN[self.value]

    @property
    def criterion(self) -> float | None:
        """The highest EER that passes, as a fraction; None for the enrolment, which is not tested."""
        return _CRITERIA.get(self.value)


_KOREAN = {"enrolment": "등록", "light": "조명", "expression": "표정", "pose": "포즈", "accessory": "액세서리"}
_CRITERIA = {"light": 0.01, "expression": 0.02, "pose": 0.02, "accessory": 0.015}

#: The categories whose EER is tested.
PROBE_CATEGORIES: Final = (Category.LIGHT, Category.EXPRESSION, Category.POSE, Category.ACCESSORY)


@dataclass(frozen=True)
class Condition:
    """One of the 18 conditions under which a person is photographed.

    Attributes:
        category: What it belongs to.
        name: Its name within the category, as file names have it: ASCII, lower case.
        title: Its name in English, for a reader.
        korean: Its name in Korean, for a reader.
    """

    category: Category
    name: str
    title: str
    korean: str

    @property
    def key(self) -> str:
        """A name that no other condition has, such as ``light_45``."""
        return f"{self.category.value}_{self.name}"

    @property
    def place(self) -> int:
        """Its place in :data:`CONDITIONS`, to sort by."""
        return _PLACES[self.key]

    def __str__(self) -> str:
        return self.key


def _conditions() -> tuple[Condition, ...]:
    rows = [Condition(Category.ENROLMENT, "neutral", "frontal, neutral, daylight white", "정면 무표정 주광색")]
    rows += [
        Condition(Category.LIGHT, str(degrees), f"light from {degrees} degrees", f"조명 {degrees}도")
        for degrees in range(0, 360, 45)
    ]
    for category, name, title, korean in (
        (Category.EXPRESSION, "smile", "smile", "웃음"),
        (Category.EXPRESSION, "anger", "anger", "화남"),
        (Category.EXPRESSION, "eyes-closed", "eyes closed", "눈감음"),
        (Category.EXPRESSION, "surprise", "surprise", "놀람"),
        (Category.POSE, "left-22.5", "22.5 degrees to the left", "왼쪽 22.5도"),
        (Category.POSE, "right-22.5", "22.5 degrees to the right", "오른쪽 22.5도"),
        (Category.POSE, "left-45", "45 degrees to the left", "왼쪽 45도"),
        (Category.ACCESSORY, "hair-band", "hair band", "머리띠"),
        (Category.ACCESSORY, "glasses", "glasses", "안경"),
    ):
        rows.append(Condition(category, name, title, korean))
    return tuple(rows)


#: The enrolment and the 17 probes, in the order of KISA's table.
CONDITIONS: Final[tuple[Condition, ...]] = _conditions()
ENROLMENT: Final[Condition] = CONDITIONS[0]
PROBES: Final[tuple[Condition, ...]] = CONDITIONS[1:]
_PLACES = {condition.key: number for number, condition in enumerate(CONDITIONS)}
_BY_KEY = {condition.key: condition for condition in CONDITIONS}


def conditions_of(category: Category) -> tuple[Condition, ...]:
    """Return a category's conditions: 1 of enrolment, 8 of light, 4 of expression, 3 of pose, 2 of accessory."""
    return tuple(condition for condition in CONDITIONS if condition.category is category)


def condition(key: str) -> Condition:
    """Return the condition of a key such as ``light_45``.

    Raises:
        LayoutError: There is none; the message lists the keys.
    """
    found = _BY_KEY.get(key)
    if found is None:
        raise LayoutError("is not a condition of KISA's data base", key, "choose one of: {}".format(", ".join(_BY_KEY)))
    return found
