"""The names of images in a folder of ours: KISA's own are not public.

``<person>/<category>_<condition>.jpg``, in English or Korean:

=========== ================================================ =====================================
category    conditions                                       in Korean
=========== ================================================ =====================================
enrolment   neutral (or ``enrolment.jpg``)                   등록_무표정 (or ``등록.jpg``)
light       0, 45, 90, 135, 180, 225, 270, 315               조명_0 ... 조명_315
expression  smile, anger, eyes-closed, surprise              표정_웃음, 화남, 눈감음, 놀람
pose        left-22.5, right-22.5, left-45                   포즈_왼쪽-22.5, 오른쪽-22.5, 왼쪽-45
accessory   hair-band, glasses                               액세서리_머리띠, 안경
=========== ================================================ =====================================

Case does not matter, nor do spaces, hyphens and underscores within a name, zeros before a number, or a sign for degrees. A
number below 0 is not a condition: -45 degrees is 315.
Light: where the lamp is around the person, seen from above: 0 in front, 90 at the picture's right, 180 behind. Pose:
"left" is the person's own left, towards which the face is turned: the picture's right.
"""

import re
import unicodedata
from typing import Final

from kface.errors import LayoutError
from kface.kisa.conditions import CONDITIONS, ENROLMENT, Category, Condition, conditions_of

_CATEGORIES: Final[dict[Category, tuple[str, ...]]] = {
    Category.ENROLMENT: ("enrolment", "enrollment", "등록"),
    Category.LIGHT: ("light", "lighting", "illumination", "조명"),
    Category.EXPRESSION: ("expression", "표정"),
    Category.POSE: ("pose", "포즈", "자세"),
    Category.ACCESSORY: ("accessory", "액세서리", "악세서리", "악세사리"),
}
#: What else a condition may be called, beside its own name.
_CONDITIONS: Final[dict[str, tuple[str, ...]]] = {
    "enrolment_neutral": ("", "frontal", "무표정", "정면"),
    "expression_smile": ("smiling", "웃음", "미소"),
    "expression_anger": ("angry", "화남", "분노"),
    "expression_eyes-closed": ("closed eyes", "눈감음", "눈 감음"),
    "expression_surprise": ("surprised", "놀람"),
    "pose_left-22.5": ("왼쪽 22.5", "좌 22.5", "좌측 22.5"),
    "pose_right-22.5": ("오른쪽 22.5", "우 22.5", "우측 22.5"),
    "pose_left-45": ("왼쪽 45", "좌 45", "좌측 45"),
    "accessory_hair-band": ("head band", "머리띠"),
    "accessory_glasses": ("안경",),
}


def _plain(text: str) -> str:
    """Return a name without what does not matter in it; Hangul composed, as macOS takes it apart."""
    text = unicodedata.normalize("NFC", text).casefold()
    text = re.sub(r"(?<=\d)\s*(도|°|degrees?|deg)$", "", text.strip())
    # -45 degrees is not 45 degrees with a hyphen.
    sign = "-" if re.match(r"-\s*\d", text) else ""
    text = sign + re.sub(r"[\s_-]+", "", text)
    return re.sub(r"(?<![\d.])0+(?=\d)", "", text)


_CATEGORY_OF: Final = {_plain(name): category for category, names in _CATEGORIES.items() for name in names}
_CONDITION_OF: Final = {
    (found.category, _plain(name)): found
    for found in CONDITIONS
    for name in (found.name, *_CONDITIONS.get(found.key, ()))
}


def parse(category: str, condition: str) -> Condition:
    """Return the condition that two names mean.

    Raises:
        LayoutError: There is no such category or condition; the message lists what is allowed.

    Example:
        >>> parse("조명", "45도").key
        'light_45'
    """
    kind = _CATEGORY_OF.get(_plain(category))
    if kind is None:
        allowed = ", ".join(names[0] for names in _CATEGORIES.values())
        raise LayoutError("is not a category", repr(category), f"choose one of: {allowed}")
    found = _CONDITION_OF.get((kind, _plain(condition)))
    if found is None:
        allowed = ", ".join(choice.name for choice in conditions_of(kind))
        raise LayoutError(f"is not a condition of the category {kind}", repr(condition), f"choose one of: {allowed}")
    return found


def parse_stem(stem: str) -> Condition:
    """Return the condition that a file's name without its suffix means, such as ``pose_left-22.5``.

    Raises:
        LayoutError: It is not ``<category>_<condition>``; the message says what is allowed.
    """
    category, underscore, name = stem.partition("_")
    if not underscore and _CATEGORY_OF.get(_plain(category)) is not Category.ENROLMENT:
        raise LayoutError("is not <category>_<condition>", repr(stem), f"name it like {ENROLMENT} or {CONDITIONS[2]}")
    return parse(category, name)


def file_name(condition: Condition, suffix: str = ".jpg") -> str:
    """Return the name under which a condition's image is written, such as ``light_45.jpg``."""
    return condition.key + suffix
