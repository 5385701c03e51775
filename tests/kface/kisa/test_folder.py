"""A folder as data base: names in English and Korean, an index, faults, and writing what is read back."""

import json
import unicodedata
from collections import Counter

import pytest
from kisa_fakes import jpeg, write_folder

from kface.errors import ConfigError, DatasetError, LayoutError
from kface.kisa.conditions import CONDITIONS, ENROLMENT, Category
from kface.kisa.database import Form, Severity, assemble
from kface.kisa.folder import FolderDatabase
from kface.kisa.folder import write_folder as write_database
from kface.kisa.naming import file_name, parse, parse_stem
from kface.overrides import literal


@pytest.mark.parametrize(
    ("stem", "key"),
    [
        ("조명_45도", "light_45"),
        ("LIGHT_045", "light_45"),
        ("light_00", "light_0"),
        ("포즈_왼쪽 22.5도", "pose_left-22.5"),
        ("pose_right_22.5", "pose_right-22.5"),
        ("등록", "enrolment_neutral"),
        ("enrollment", "enrolment_neutral"),
        ("expression_eyes_closed", "expression_eyes-closed"),
        (unicodedata.normalize("NFD", "표정_눈 감음"), "expression_eyes-closed"),
        ("accessory_HairBand", "accessory_hair-band"),
        ("액세서리_안경", "accessory_glasses"),
        ("표정_놀람", "expression_surprise"),
    ],
)
def test_names_in_english_and_korean(stem, key):
    assert parse_stem(stem).key == key


def test_every_condition_is_read_by_the_name_under_which_it_is_written():
    assert [parse_stem(file_name(found, "")) for found in CONDITIONS] == list(CONDITIONS)
    assert [parse(found.category.korean, found.name) for found in CONDITIONS] == list(CONDITIONS)


@pytest.mark.parametrize(
    ("stem", "says"),
    [
        ("light_46", "'46': is not a condition of the category light; choose one of: 0, 45, 90, 135"),
        ("light_4.5", "is not a condition"),
        ("light_450", "is not a condition"),
        ("pose_22.5", "choose one of: left-22.5, right-22.5, left-45"),
        ("mood_smile", "'mood': is not a category; choose one of: enrolment, light, expression, pose, accessory"),
        ("IMG001", "is not <category>_<condition>; name it like enrolment_neutral or light_45"),
        ("light", "is not <category>_<condition>"),
    ],
)
def test_other_names_are_refused_with_what_is_allowed(stem, says):
    with pytest.raises(LayoutError) as caught:
        parse_stem(stem)
    assert says in str(caught.value)


def test_a_complete_folder_has_no_faults(folder):
    database = FolderDatabase(folder).open()
    assert database.people == ("ann", "bob")
    assert len(database.images) == 36
    assert database.faults == ()
    assert database.form is Form.OTHER
    assert not database.synthetic
    assert database.missing() == ("2 people instead of 500 (or 50 in the preliminary form)",)
    assert database.images[0].encoded() == jpeg(0)


def test_korean_people_and_names(tmp_path):
    for person in ("김민수", unicodedata.normalize("NFD", "이지은")):
        (tmp_path / person).mkdir()
        for name in ("등록.jpg", "조명_45.JPG", "표정_웃음.png"):
            (tmp_path / person / name).write_bytes(jpeg())
    database = FolderDatabase(tmp_path).open()
    assert database.people == ("김민수", "이지은")
    assert [image.condition.key for image in database.images[:3]] == [
        "enrolment_neutral",
        "light_45",
        "expression_smile",
    ]


def test_whatever_is_left_out_is_named(folder):
    (folder / "ann" / "light_46.jpg").write_bytes(jpeg())
    (folder / "ann" / "조명_45.jpg").write_bytes(jpeg())
    (folder / "ann" / "notes.txt").write_bytes(b"")
    (folder / "ann" / "old").mkdir()
    (folder / "bob" / "._light_0.jpg").write_bytes(b"")
    (folder / "bob" / "pose_left-45.jpg").unlink()
    (folder / "bob" / "pose_left-45.jpg").symlink_to("nowhere.jpg")
    (folder / "beside.jpg").write_bytes(jpeg())
    (folder / "empty").mkdir()
    database = FolderDatabase(folder).open()
    assert Counter((fault.severity, fault.kind) for fault in database.faults) == {
        (Severity.ERROR, "unknown name"): 1,
        (Severity.ERROR, "same condition twice"): 1,
        (Severity.ERROR, "unreadable image"): 1,
        (Severity.ERROR, "image in the wrong place"): 1,
        (Severity.ERROR, "person without an image"): 1,
        (Severity.WARNING, "other file"): 2,
        (Severity.WARNING, "folder inside a person's"): 1,
        (Severity.WARNING, "probe missing"): 2,
    }
    assert len(database.images) == 34
    with pytest.raises(DatasetError, match="has errors: 1 x image in the wrong place"):
        database.require_sound()


def write_index(folder, lines, encoding="utf-8", name="index.csv"):
    (folder / name).write_bytes("\n".join(lines).encode(encoding))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp949"])
def test_an_index_in_the_encodings_of_spreadsheets(tmp_path, encoding):
    for number in range(4):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg(number))
    write_index(
        tmp_path,
        [
            "번호,사람,분류,조건,경로",
            "1,김민수,등록,,0.jpg",
            "2,김민수,조명,45도,1.jpg",
            '3,"이, 지은",등록,무표정,2.jpg',
        ],
        encoding,
    )
    database = FolderDatabase(tmp_path).open()
    assert [(image.person, image.condition.key) for image in database.images] == [
        ("김민수", "enrolment_neutral"),
        ("김민수", "light_45"),
        ("이, 지은", "enrolment_neutral"),
    ]
    assert database.images[2].encoded() == jpeg(2)


def test_an_index_that_is_named_may_point_elsewhere_with_backslashes(tmp_path, folder):
    lines = ["person,category,condition,path"]
    lines += [f"{person},enrolment,,base\\{person}\\enrolment_neutral.jpg" for person in ("ann", "bob")]
    write_index(tmp_path, lines, name="list.csv")
    assert FolderDatabase(tmp_path, "list.csv").open().people == ("ann", "bob")


def test_lines_of_an_index_that_cannot_be_used_are_named(folder):
    good = [f"{person},enrolment,neutral,{person}/enrolment_neutral.jpg" for person in ("ann", "bob")]
    bad = [
        "ann,light,46,ann/light_45.jpg",
        "ann,light,45,ann/nowhere.jpg",
        ",light,45,ann/light_45.jpg",
        "ann,light,0",
        "bob,light,0,ann/enrolment_neutral.jpg",
        "",
    ]
    write_index(folder, ["person,category,condition,path", *good, *bad])
    database = FolderDatabase(folder).open()
    assert [(fault.kind, fault.place.rpartition(" ")[2]) for fault in database.errors] == [
        ("unknown name", "4"),
        ("file missing", "5"),
        ("incomplete line", "6"),
        ("incomplete line", "7"),
        ("same file twice", "8"),
    ]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([], "has no column 'person'"),
        (["person,category,path"], "has no column 'condition'"),
        (["person,person,category,condition,path"], "more than one column 'person'"),
        (['person,category,condition,path\nann,"x"y,,'], "is not a CSV file"),
    ],
)
def test_an_index_without_its_columns_is_refused(folder, lines, says):
    write_index(folder, lines)
    with pytest.raises(LayoutError, match=says):
        FolderDatabase(folder).open()


def test_a_folder_that_is_no_data_base_is_refused_in_one_line(tmp_path):
    with pytest.raises(ConfigError, match=r"database\.root: is not given; give DIR"):
        FolderDatabase().open()
    with pytest.raises(LayoutError, match="is not a directory"):
        FolderDatabase(tmp_path / "nowhere").open()
    with pytest.raises(DatasetError, match="has 0 people with an enrolment image, at least 2 are needed"):
        FolderDatabase(tmp_path).open()
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann" / "IMG001.jpg").write_bytes(jpeg())
    with pytest.raises(DatasetError, match=r"first fault: .*IMG001\.jpg: left out: .*name it like enrolment_neutral"):
        FolderDatabase(tmp_path).open()


@pytest.mark.parametrize(
    "content", ["[]", "{", '{"kind": "KISA data base", "schema": 2}', '{"kind": "x", "schema": 1}']
)
def test_a_description_that_is_none_is_refused(folder, content):
    (folder / "database.json").write_text(content)
    with pytest.raises(LayoutError, match=r"database\.json: .*; remove it or write it again"):
        FolderDatabase(folder).open()


def test_what_is_written_is_read_back_with_its_title_and_notes(tmp_path, folder):
    found = FolderDatabase(folder).open()
    made = assemble("two people", found.images, synthetic=True, notes=["of one colour"])
    again = FolderDatabase(write_database(made, tmp_path / "copy", progress=False)).open()
    assert (again.title, again.synthetic, again.notes) == ("two people", True, ("of one colour",))
    assert [(image.person, image.condition, image.sha256()) for image in again.images] == [
        (image.person, image.condition, image.sha256()) for image in found.images
    ]
    (tmp_path / "copy" / "index.csv").unlink()
    by_name = FolderDatabase(tmp_path / "copy").open()
    assert [image.place for image in by_name.images] == [image.place for image in again.images]
    with pytest.raises(DatasetError, match="is not empty"):
        write_database(made, tmp_path / "copy", progress=False)


def test_a_person_whose_name_cannot_be_a_folder_is_refused(tmp_path, folder):
    images = FolderDatabase(folder).open().images
    moved = [type(image)("../" + image.person, image.condition, image.path) for image in images]
    with pytest.raises(DatasetError, match="cannot be the name of a folder"):
        write_database(assemble("x", moved), tmp_path / "copy", progress=False)
    assert not (tmp_path / "ann").exists()


def test_the_setting_s_name_and_folder_stay_readable_in_messages():
    assert literal(["database.root=2024 (1)"], lambda _: True) == ["database.root='2024 (1)'"]
    assert "database.root=/data/base" in str(ConfigError("is empty", "kisa", "give database.root=/data/base"))


def test_a_folder_of_other_sizes_is_read(tmp_path):
    write_folder(tmp_path / "small", conditions=[ENROLMENT], size=(64, 48))
    database = FolderDatabase(tmp_path / "small").open()
    assert [image.read().shape for image in database.images] == [(48, 64, 3)] * 2
    assert database.probes(Category.LIGHT) == ()
    assert json.loads(json.dumps(database.missing()))[1] == "light_0: 2 of 2 people have no such image"


@pytest.mark.parametrize("stem", ["light_-45", "light_- 45", "조명_-90도", "light_1350"])
def test_an_angle_below_zero_is_not_the_one_above(stem):
    with pytest.raises(LayoutError, match="is not a condition of the category light; choose one of: 0, 45"):
        parse_stem(stem)
