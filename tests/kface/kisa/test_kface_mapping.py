"""K-Face in KISA's form: which captures stand for what, what is approximated, and what K-Face lacks."""

import copy

import cv2
import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from kface.commands.conf import configuration_directory
from kface.data.layout import CAMERAS, LIGHTS, parse
from kface.data.protocols import TEST_SUBJECTS
from kface.errors import ConfigError, ImageError, LayoutError
from kface.images import decode_image, encode_jpeg
from kface.kisa.conditions import CONDITIONS, Category
from kface.kisa.database import Form
from kface.kisa.folder import FolderDatabase, write_folder
from kface.kisa.kface_mapping import MAPPING, KFaceDatabase
from kface.kisa.sources import SOURCES
from kface.kisa.wording import Words
from kface.stage import instantiate

PEOPLE = ("19062421", "19062422")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Two people under every capture of the default mapping, a disc at the middle of each image."""
    root = tmp_path_factory.mktemp("kface")
    for person in PEOPLE:
        for number, place in enumerate(value for value in MAPPING.values() if value):
            image = np.full((576, 864, 3), 40 + 10 * number, np.uint8)
            cv2.circle(image, (432, 288), 120, (255, 0, 0), -1)
            path = root / "High_Resolution" / person / f"{place}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode_jpeg(image))
    return root


def test_each_condition_that_k_face_has_is_found_and_the_others_are_absent(tree):
    database = KFaceDatabase(tree, subjects="all").open()
    assert database.people == PEOPLE
    assert len(database.images) == 30
    assert not database.errors
    counts = {category.value: len(database.probes(category)) for category in Category}
    assert counts == {"enrolment": 2, "light": 16, "expression": 4, "pose": 6, "accessory": 2}
    assert {found.key for found in database.absent} == {
        "expression_eyes-closed",
        "expression_surprise",
        "accessory_hair-band",
    }
    assert "accessory_hair-band: not in this source (K-Face has no counterpart)" in database.missing()
    assert database.form is Form.OTHER
    assert not database.synthetic


def test_what_is_approximated_is_noted_and_what_is_not_is_not(tree):
    notes = "\n".join(KFaceDatabase(tree, subjects="all").open().notes)
    for line in (
        "light_135: approximated by S001/L18/E01/C7, light horizontal +90 degrees at 100 lux",
        "light_180: approximated by S001/L6/E01/C7, light all +0 degrees at 40 lux",
        "expression_anger: approximated by S001/L1/E03/C7, expression: frown",
        "pose_left-22.5: approximated by S001/L1/E01/C8, camera at yaw -15, pitch +0 degrees",
        "pose_right-22.5: approximated by S001/L1/E01/C6, camera at yaw +15, pitch +0 degrees",
        "people beyond K-Face's 30 published test people",
        "images cut from 864x576 to 4:3 and scaled to 640x480",
    ):
        assert line in notes
    for exact in ("light_45", "light_315", "light_270", "expression_smile", "pose_left-45", "glasses", "enrolment_"):
        assert exact not in notes


def test_notes_are_in_the_language_of_the_report(tree):
    notes = KFaceDatabase(tree, subjects="all").open().notes
    korean = "\n".join(Words("ko").note(note) for note in notes)
    for line in (
        "K-Face 2명.",
        "조명 135도: 가장 가까운 K-Face 조건 S001/L18/E01/C7(으)로 대신함 (조명 수평 +90도 100 lx)",
        "화남: 가장 가까운 K-Face 조건 S001/L1/E03/C7(으)로 대신함 (표정: 찡그림)",
        "왼쪽 22.5도: 가장 가까운 K-Face 조건 S001/L1/E01/C8(으)로 대신함 (카메라 좌우각 -15도, 상하각 +0도)",
        "이미지를 864x576에서 4:3으로 자르고 640x480로 크기를 바꾸었습니다",
    ):
        assert line in korean
    assert [Words("en").note(note) for note in notes] == list(notes)
    assert copy.deepcopy(notes[0]).korean == notes[0].korean


def test_the_default_mapping_takes_the_direction_of_k_faces_own_tables():
    for degrees in (0, 45, 90, 270, 315):
        light = LIGHTS[parse(f"00000000/{MAPPING[f'light_{degrees}']}.jpg").light]
        assert light.direction == "horizontal"
        assert light.degrees % 360 == degrees
    assert CAMERAS[parse(f"00000000/{MAPPING['pose_left-45']}.jpg").camera].yaw == -45
    assert list(MAPPING) == [found.key for found in CONDITIONS]


def test_images_are_cut_and_scaled_about_their_middle(tree):
    image = KFaceDatabase(tree, subjects="all").open().enrolments[0]
    picture = image.read()
    assert picture.shape == (480, 640, 3)
    assert image.encoded() == image.encoded()
    red = np.argwhere(picture[..., 0].astype(int) - picture[..., 1] > 100)
    np.testing.assert_allclose(red.mean(axis=0), [239.5, 319.5], atol=1)
    # A circle stays one: 240 pixels of 576 are 200 of 480, both ways.
    assert np.ptp(red, axis=0) + 1 == pytest.approx([200, 200], abs=3)
    kept = KFaceDatabase(tree, subjects="all", fit=False).open().enrolments[0]
    assert kept.read().shape == (576, 864, 3)


@pytest.mark.parametrize("size", [(346, 230), (480, 480), (300, 700), (640, 480)])
def test_images_of_any_shape_are_scaled_without_distortion(tmp_path, tree, size):
    image = np.full((size[1], size[0], 3), 60, np.uint8)
    radius = min(size[1], size[0] * 3 // 4) // 4
    cv2.circle(image, (size[0] // 2, size[1] // 2), radius, (255, 0, 0), -1)
    path = tmp_path / "C7.jpg"
    path.write_bytes(encode_jpeg(image))
    found = KFaceDatabase(tree, subjects="all").open().enrolments[0]
    picture = type(found)("ann", found.condition, str(path)).read()
    assert picture.shape == (480, 640, 3)
    wide, tall = np.ptp(np.argwhere(picture[..., 0].astype(int) - picture[..., 1] > 100), axis=0)
    assert wide == pytest.approx(tall, rel=0.04)


def test_an_unreadable_image_is_one_error(tmp_path, tree):
    found = KFaceDatabase(tree, subjects="all").open().enrolments[0]
    path = tmp_path / "C7.jpg"
    path.write_bytes(encode_jpeg(np.zeros((576, 864, 3), np.uint8))[:400])
    with pytest.raises(ImageError):
        type(found)("ann", found.condition, str(path)).encoded()


def test_a_missing_capture_is_said(tmp_path, tree):
    for path in sorted(tree.rglob("*.jpg")):
        place = path.relative_to(tree)
        if place.as_posix() != f"High_Resolution/{PEOPLE[1]}/S001/L22/E01/C7.jpg":
            (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / place).symlink_to(path)
    database = KFaceDatabase(tmp_path, subjects=list(PEOPLE)).open()
    assert [str(fault) for fault in database.faults] == [f"{PEOPLE[1]}: no image of light_0"]


def test_people_who_are_not_there_are_refused(tree):
    with pytest.raises(LayoutError, match="lacks 30 of 30 people .* set database.subjects to all"):
        KFaceDatabase(tree).open()
    with pytest.raises(LayoutError, match="lacks 1 of 2 people .*19990101"):
        KFaceDatabase(tree, subjects=[PEOPLE[0], "19990101"]).open()
    assert len(TEST_SUBJECTS) == 30


def test_the_mapping_is_a_setting(tree):
    changed = KFaceDatabase(
        tree, "all", mapping={"light_180": None, "accessory_glasses": "S003/L1/E01/C7", "pose_left_22_5": None}
    ).open()
    assert changed.counts == {
        **KFaceDatabase(tree, "all").open().counts,
        **{found: 0 for found in CONDITIONS if found.key in ("light_180", "accessory_glasses", "pose_left-22.5")},
    }


@pytest.mark.parametrize(
    ("mapping", "says"),
    [
        ({"light_46": None}, r"database\.mapping\.light_46: is not a condition of KISA .*choose one of: 0, 45"),
        ({"light_45": "S009/L1/E01/C7"}, r"database\.mapping\.light_45: is not a capture of K-Face .*S001-S006"),
        ({"light_45": "C7"}, "is not a capture"),
        ({"light_45": "S001/L22/E01/C7"}, "has the capture of light_0: S001/L22/E01/C7; choose another"),
        ({"enrolment": None}, r"database\.mapping\.enrolment_neutral: must not be null"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused(tree, mapping, says):
    with pytest.raises(ConfigError, match=says):
        KFaceDatabase(tree, mapping=mapping)


@pytest.mark.parametrize(
    ("settings", "key"),
    [({"resolution": "Huge"}, "resolution"), ({"subjects": "some"}, "subjects"), ({"fit": 1}, "fit")],
)
def test_wrong_settings_are_refused_by_name(tree, settings, key):
    with pytest.raises(ConfigError, match=f"database.{key}"):
        KFaceDatabase(tree, **settings)


def test_it_is_written_as_a_folder_that_any_reader_opens(tmp_path, tree):
    database = KFaceDatabase(tree, subjects="all").open()
    again = FolderDatabase(write_folder(database, tmp_path / "copy", progress=False)).open()
    assert [image.sha256() for image in again.images] == [image.sha256() for image in database.images]
    assert again.notes == database.notes
    assert again.title == "K-Face"


def made(name, tmp_path, **changes):
    group = OmegaConf.load(configuration_directory() / "database" / f"{name}.yaml")
    config = OmegaConf.create({"data_dir": str(tmp_path), "jobs": 1, "database": OmegaConf.merge(group, changes)})
    return instantiate(config.database, "database")


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_the_configuration_makes_every_source_with_its_own_defaults(name, tmp_path):
    assert type(made(name, tmp_path)) is SOURCES[name]
    assert {path.stem for path in (configuration_directory() / "database").glob("*.yaml")} == set(SOURCES)
    assert vars(made(name, tmp_path)) == vars(
        SOURCES[name](**({"parent": str(tmp_path), "jobs": 1} if name == "sample" else {}))
    )


def test_a_mapping_is_changed_on_the_command_line(tree, tmp_path):
    override = OverridesParser.create().parse_override("database.mapping.pose_left_22_5=S001/L1/E01/C9")
    assert override.key_or_group == "database.mapping.pose_left_22_5"
    changed = made("kface", tmp_path, root=str(tree), subjects="all", mapping={"pose_left_22_5": override.value()})
    (note,) = [note for note in changed._notes(PEOPLE) if note.startswith("pose_left-22.5")]
    assert "S001/L1/E01/C9, camera at yaw -30" in note


def test_decoding_and_encoding_agree(tree):
    image = KFaceDatabase(tree, subjects="all").open().images[5]
    np.testing.assert_array_equal(image.read(), decode_image(image.encoded()))
