"""K-Face as a data base in KISA's form: a capture of K-Face for each of KISA's conditions, as far as it has one.

===================== ==================== ==================================================================
KISA                  K-Face (default)     how near
===================== ==================== ==================================================================
enrolment_neutral     S001/L1/E01/C7       the same
light_0               S001/L22/E01/C7      the same direction: horizontal, in front
light_45              S001/L19/E01/C7      the same direction: 45 degrees at the picture's right
light_90              S001/L16/E01/C7      the same direction: 90 degrees at the picture's right
light_135             S001/L18/E01/C7      nearest: 90 degrees at the right, at a quarter of L16's illuminance
light_180             S001/L6/E01/C7       nearest: no lamp behind; 40 lux from all directions
light_225             S001/L30/E01/C7      nearest: 90 degrees at the left, at a quarter of L28's illuminance
light_270             S001/L28/E01/C7      the same direction: 90 degrees at the picture's left
light_315             S001/L25/E01/C7      the same direction: 45 degrees at the picture's left
expression_smile      S001/L1/E02/C7       the same: broad smile
expression_anger      S001/L1/E03/C7       nearest: frown
expression_eyes-closed none                K-Face has none
expression_surprise   none                 K-Face has none
pose_left-22.5        S001/L1/E01/C8       nearest camera: 15 degrees
pose_right-22.5       S001/L1/E01/C6       nearest camera: 15 degrees
pose_left-45          S001/L1/E01/C10      the same
accessory_hair-band   none                 K-Face has none (its cap is not one)
accessory_glasses     S002/L1/E01/C7       the same: plain glasses (S003: horn-rimmed ones)
===================== ==================== ==================================================================

A camera at the picture's left (negative yaw, C8-C13) sees a face turned to the person's own left. The mapping is a setting
(conf/database/kface.yaml): a condition set to null has no counterpart, and its category then has fewer probes, which the
data base's `absent` and a report say. What is approximated is worked out from K-Face's tables and stands in `notes`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2

from kface import checks
from kface.data.layout import ACCESSORIES, CAMERAS, EXPRESSIONS, LIGHTS, SIZES, Capture, Tree, parse
from kface.data.protocols import TEST_SUBJECTS
from kface.errors import ConfigError, LayoutError
from kface.images import decode_image, encode_jpeg, read_bytes
from kface.kisa.conditions import CONDITIONS, ENROLMENT, SIZE, Category, Condition
from kface.kisa.database import KisaDatabase, KisaImage, KisaSource, Note, PathLike, assemble
from kface.kisa.folder import directory
from kface.kisa.naming import parse_stem

#: By a condition's key, the capture that stands for it; None where K-Face has none.
MAPPING: Final[dict[str, str | None]] = {
    "enrolment_neutral": "S001/L1/E01/C7",
    "light_0": "S001/L22/E01/C7",
    "light_45": "S001/L19/E01/C7",
    "light_90": "S001/L16/E01/C7",
    "light_135": "S001/L18/E01/C7",
    "light_180": "S001/L6/E01/C7",
    "light_225": "S001/L30/E01/C7",
    "light_270": "S001/L28/E01/C7",
    "light_315": "S001/L25/E01/C7",
    "expression_smile": "S001/L1/E02/C7",
    "expression_anger": "S001/L1/E03/C7",
    "expression_eyes-closed": None,
    "expression_surprise": None,
    "pose_left-22.5": "S001/L1/E01/C8",
    "pose_right-22.5": "S001/L1/E01/C6",
    "pose_left-45": "S001/L1/E01/C10",
    "accessory_hair-band": None,
    "accessory_glasses": "S002/L1/E01/C7",
}

#: JPEG quality of an image that was fitted to KISA's size.
QUALITY: Final = 95

#: K-Face's own terms in Korean, for the notes.
_KOREAN: Final = {
    "all": "전방향",
    "horizontal": "수평",
    "vertical": "수직",
    "neutral": "무표정",
    "broad smile": "활짝 웃음",
    "frown": "찡그림",
    "none": "없음",
    "plain glasses": "일반 안경",
    "horn-rimmed glasses": "뿔테 안경",
    "sunglasses": "선글라스",
    "cap": "모자",
    "cap and horn-rimmed glasses": "모자와 뿔테 안경",
}

REMEDY = "give the directory that holds High_Resolution/"


@dataclass(frozen=True)
class KFaceImage(KisaImage):
    """An image of K-Face.

    Attributes:
        path: The file.
        fit: Whether it is cut to 4:3 and scaled to 640x480, as KISA's images are.
    """

    path: str
    fit: bool = True

    @property
    def place(self) -> str:
        """The file."""
        return self.path

    def encoded(self) -> bytes:
        """Return a JPEG file of KISA's size, or the file as it is; raises ImageError where it cannot be read."""
        data = read_bytes(self.path)
        if not self.fit:
            return data
        image = decode_image(data, self.path)
        height, width = image.shape[:2]
        if (width, height) == SIZE:
            return data
        if width * SIZE[1] >= height * SIZE[0]:
            margin = (width - round(height * SIZE[0] / SIZE[1])) // 2
            image = image[:, margin : width - margin]
        else:
            margin = (height - round(width * SIZE[1] / SIZE[0])) // 2
            image = image[margin : height - margin]
        shrink = image.shape[1] > SIZE[0]
        scaled = cv2.resize(image, SIZE, interpolation=cv2.INTER_AREA if shrink else cv2.INTER_CUBIC)
        return encode_jpeg(scaled, QUALITY)


class KFaceDatabase(KisaSource):
    """A K-Face tree, mapped onto KISA's conditions.

    Args:
        root: The directory that holds ``High_Resolution`` (or ``High``, or the identities themselves).
        subjects: "test": the 30 published test people, whom no network of ours was trained on; "all"; or a list of IDs.
        resolution: "High", "Middle" or "Low".
        fit: Whether the images are cut to 4:3 and scaled to KISA's 640x480; otherwise they stay as they are.
        mapping: Changes of :data:`MAPPING`: a capture such as ``S001/L22/E01/C7``, or None, by a condition's key. Keys may
            be written with underscores alone (``pose_left_22_5``), as a command line takes points for levels.
    """

    title = "K-Face"

    def __init__(
        self,
        root: PathLike | None = None,
        subjects: str | Sequence[str] = "test",
        resolution: str = "High",
        fit: bool = True,
        mapping: Mapping[str, str | None] | None = None,
    ) -> None:
        if resolution not in SIZES:
            raise ConfigError(
                f"is not a resolution: {resolution!r}", "database.resolution", f"choose one of: {', '.join(SIZES)}"
            )
        if isinstance(subjects, str) and subjects not in ("test", "all"):
            raise ConfigError(f"must be test, all or a list of IDs, not {subjects!r}", "database.subjects")
        self.root = root
        self.subjects = subjects if isinstance(subjects, str) else tuple(str(subject) for subject in subjects)
        self.resolution = resolution
        self.fit = checks.flag("database.fit", fit)
        self.mapping = _mapping(mapping or {})

    def open(self, progress: bool = True) -> KisaDatabase:
        """Return the data base.

        Raises:
            ConfigError: No directory was given.
            LayoutError: It is no K-Face tree, or lacks people that were asked for by ID.
            DatasetError: Fewer than two people have the enrolment's capture.
        """
        root = directory(self.root, REMEDY)
        tree = Tree(root)
        people = self._people(tree)
        images = []
        for person in people:
            for condition, capture in self.mapping.items():
                path = None if capture is None else tree.find(capture._replace(subject=person))
                if path is not None:
                    images.append(KFaceImage(person, condition, path, self.fit))
        absent = {
            condition: "K-Face has no counterpart" for condition, capture in self.mapping.items() if capture is None
        }
        return assemble(self.title, images, absent=absent, notes=self._notes(people), remedy=REMEDY)

    def _people(self, tree: Tree) -> list[str]:
        there = tree.subjects(self.resolution)
        if self.subjects == "all":
            return there
        wanted = TEST_SUBJECTS if self.subjects == "test" else self.subjects
        lacking = sorted(set(wanted) - set(there))
        if lacking:
            raise LayoutError(
                f"lacks {len(lacking)} of {len(set(wanted))} people (first: {lacking[0]})",
                tree.root,
                "set database.subjects to all, or to IDs that are there",
            )
        return sorted(set(wanted))

    def _notes(self, people: Sequence[str]) -> list[Note]:
        notes = [
            Note(
                f"{len(people)} people of K-Face; the conditions are K-Face's, mapped onto KISA's",
                f"K-Face {len(people)}명. K-Face의 조건을 KISA의 조건에 대응시켰습니다",
            )
        ]
        if not set(people) <= set(TEST_SUBJECTS):
            notes.append(
                Note(
                    "people beyond K-Face's 30 published test people: a network may have been trained on them",
                    "공개된 K-Face 시험 대상자 30명 밖의 사람이 있습니다. 신경망이 이들로 학습되었을 수 있습니다",
                )
            )
        for condition, capture in self.mapping.items():
            if capture is not None:
                approximation = difference(condition, capture)
                if approximation:
                    name = _short(capture)
                    notes.append(
                        Note(
                            f"{condition}: approximated by {name}, {approximation}",
                            f"{condition.korean}: 가장 가까운 K-Face 조건 {name}(으)로 대신함 ({approximation.korean})",
                        )
                    )
        width, height = SIZES[self.resolution]
        if self.fit:
            notes.append(
                Note(
                    f"images cut from {width}x{height} to 4:3 and scaled to {SIZE[0]}x{SIZE[1]}",
                    f"이미지를 {width}x{height}에서 4:3으로 자르고 {SIZE[0]}x{SIZE[1]}로 크기를 바꾸었습니다",
                )
            )
        return notes


def _mapping(changes: Mapping[str, str | None]) -> dict[Condition, Capture | None]:
    """Return the complete mapping, in the order of KISA's table.

    Raises:
        ConfigError: A key is no condition, a value no capture, the enrolment has none, or two conditions share one.
    """
    chosen: dict[str, Any] = dict(MAPPING)
    for key, value in changes.items():
        where = f"database.mapping.{key}"
        try:
            condition = parse_stem(re.sub("[-_]22[-_]5$", "-22.5", str(key)))
        except LayoutError as error:
            raise ConfigError(f"is not a condition of KISA ({error})", where)
        chosen[condition.key] = value
    found: dict[Condition, Capture | None] = {}
    used: dict[Capture, Condition] = {}
    for condition in CONDITIONS:
        value, where = chosen[condition.key], f"database.mapping.{condition.key}"
        if value is None:
            found[condition] = None
            continue
        try:
            capture = parse(f"00000000/{value}.jpg")
        except LayoutError as error:
            raise ConfigError(f"is not a capture of K-Face ({error.what})", where, "write it like S001/L22/E01/C7")
        if capture in used:
            raise ConfigError(
                f"has the capture of {used[capture]}: {value}", where, "choose another, or null: none counts twice"
            )
        used[capture] = condition
        found[condition] = capture
    if found[ENROLMENT] is None:
        raise ConfigError("must not be null", f"database.mapping.{ENROLMENT}", f"set it to {MAPPING[ENROLMENT.key]}")
    return found


def difference(condition: Condition, capture: Capture) -> Note | None:
    """Return in what a capture differs from the condition that it stands for, by K-Face's tables; None where in nothing."""
    light, camera = LIGHTS[capture.light], CAMERAS[capture.camera]
    wanted_yaw, wanted_expression, wanted_accessories = 0.0, 1, {1}
    differs: list[Note] = []
    lamp = Note(
        f"light {light.direction} {light.degrees:+d} degrees at {light.lux} lux",
        f"조명 {_KOREAN[light.direction]} {light.degrees:+d}도 {light.lux} lx",
    )
    if condition.category is Category.LIGHT:
        azimuth = (int(condition.name) + 180) % 360 - 180
        if light.direction != "horizontal" or light.degrees != azimuth:
            differs.append(lamp)
    elif light.direction != "all":
        differs.append(lamp)
    if condition.category is Category.POSE:
        side, _, degrees = condition.name.partition("-")
        wanted_yaw = float(degrees) * (-1 if side == "left" else 1)
    if condition.key == "expression_smile":
        wanted_expression = 2
    elif condition.category is Category.EXPRESSION:
        wanted_expression = 0
    if condition.key == "accessory_glasses":
        wanted_accessories = {2, 3}
    elif condition.category is Category.ACCESSORY:
        wanted_accessories = set()
    if camera.yaw != wanted_yaw or camera.pitch:
        differs.append(
            Note(
                f"camera at yaw {camera.yaw:+d}, pitch {camera.pitch:+d} degrees",
                f"카메라 좌우각 {camera.yaw:+d}도, 상하각 {camera.pitch:+d}도",
            )
        )
    if capture.expression != wanted_expression:
        shown = EXPRESSIONS[capture.expression]
        differs.append(Note(f"expression: {shown}", f"표정: {_KOREAN[shown]}"))
    if capture.accessory not in wanted_accessories:
        worn = ACCESSORIES[capture.accessory]
        differs.append(Note(f"accessory: {worn}", f"액세서리: {_KOREAN[worn]}"))
    return Note(", ".join(differs), ", ".join(note.korean for note in differs)) if differs else None


def _short(capture: Capture) -> str:
    return capture.short_path().split("/", 1)[1][: -len(".jpg")]
