"""KISA's form: conditions, what is missing, what is wrong, and that nothing is dropped silently."""

import pickle
from collections import Counter
from dataclasses import dataclass

import pytest
from kisa_fakes import jpeg

from kface.errors import DatasetError, ImageError, LayoutError
from kface.kisa.conditions import CONDITIONS, ENROLMENT, PROBE_CATEGORIES, PROBES, Category, condition, conditions_of
from kface.kisa.database import FileImage, Form, KisaImage, Severity, assemble


@dataclass(frozen=True)
class BytesImage(KisaImage):
    data: bytes = b""
    name: str = "memory"

    @property
    def place(self):
        return f"{self.name}/{self.person}/{self.condition}"

    def encoded(self):
        if not self.data:
            raise ImageError("is empty", self.place)
        return self.data


def visit(person, conditions=CONDITIONS, data=b"x"):
    return [BytesImage(person, found, data) for found in conditions]


def people(count, **more):
    return [image for number in range(count) for image in visit(f"{number:04d}", **more)]


def test_the_conditions_are_those_of_kisas_table():
    assert Counter(found.category.value for found in CONDITIONS) == {
        "enrolment": 1,
        "light": 8,
        "expression": 4,
        "pose": 3,
        "accessory": 2,
    }
    assert [category.criterion for category in PROBE_CATEGORIES] == [0.01, 0.02, 0.02, 0.015]
    assert ENROLMENT.category.criterion is None
    assert len({found.key for found in CONDITIONS}) == 18
    assert [found.place for found in CONDITIONS] == list(range(18))
    assert [found.name for found in conditions_of(Category.LIGHT)] == [
        "0",
        "45",
        "90",
        "135",
        "180",
        "225",
        "270",
        "315",
    ]
    assert condition("pose_left-22.5") in PROBES
    with pytest.raises(LayoutError, match="light_1: is not a condition .* light_0, light_45"):
        condition("light_1")


@pytest.mark.parametrize(("count", "form"), [(500, Form.FULL), (50, Form.PRELIMINARY), (51, Form.OTHER)])
def test_the_form_is_told_by_people_and_conditions(count, form):
    database = assemble("base", reversed(people(count)))
    assert database.form is form
    assert len(database.images) == 18 * count
    assert bool(database.missing()) == (form is Form.OTHER)
    assert not database.faults


def test_people_images_and_probes_are_in_order():
    database = assemble("base", reversed(people(3)))
    assert database.people == ("0000", "0001", "0002")
    assert [image.person for image in database.enrolments] == list(database.people)
    assert [image.condition.name for image in database.probes(Category.POSE)] == [
        "left-22.5",
        "right-22.5",
        "left-45",
    ] * 3
    assert database.complete(Category.POSE)


def test_what_is_missing_is_said_with_its_reason():
    absent = {condition("accessory_hair-band"): "none was bought"}
    some = [found for found in CONDITIONS if found not in absent]
    lacks = [found for found in some if found.key != "light_90"]
    database = assemble("base", people(49, conditions=some) + visit("zoe", lacks), absent=absent)
    assert database.form is Form.OTHER
    assert database.missing() == (
        "light_90: 1 of 50 people have no such image",
        "accessory_hair-band: not in this source (none was bought)",
    )
    assert [(fault.severity, str(fault)) for fault in database.faults] == [
        (Severity.WARNING, "zoe: no image of light_90")
    ]
    assert not database.complete(Category.LIGHT)
    assert database.complete(Category.POSE)
    assert database.require_sound() is database


def test_two_images_of_a_condition_are_both_left_out_and_named():
    twin = BytesImage("0001", condition("light_45"), b"y", "other")
    database = assemble("base", [*people(3), twin])
    (fault, missing) = database.faults
    assert str(fault) == "0001: 2 images of light_45, all left out: memory/0001/light_45, other/0001/light_45"
    assert missing.kind == "probe missing"
    assert database.counts[condition("light_45")] == 2
    with pytest.raises(DatasetError, match=r"base: has errors: 1 x same condition twice \(first: 0001: 2 images"):
        database.require_sound()


def test_a_person_without_enrolment_image_is_left_out_and_named():
    database = assemble("base", people(2) + visit("ann", PROBES))
    assert database.people == ("0000", "0001")
    assert [str(fault) for fault in database.errors] == ["ann: no enrolment image, 17 probes left out"]
    twice = [BytesImage("ann", ENROLMENT, b"1", "a"), BytesImage("ann", ENROLMENT, b"2", "b")]
    database = assemble("base", people(2) + visit("ann", PROBES) + twice)
    assert [fault.kind for fault in database.errors] == ["same condition twice", "no enrolment image"]


def test_one_person_is_no_data_base():
    with pytest.raises(DatasetError, match=r"base: has 1 people .* \(first fault: bob: no enrolment image.*; mend it"):
        assemble("base", visit("ann") + visit("bob", PROBES), remedy="mend it")


def test_a_file_is_hashed_read_and_pickled(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg(3))
    image = pickle.loads(pickle.dumps(FileImage("ann", ENROLMENT, str(path))))
    first = image.sha256()
    assert image.encoded() == jpeg(3)
    assert image.read().shape == (480, 640, 3)
    path.write_bytes(jpeg(4))
    assert image.sha256() != first
    path.unlink()
    with pytest.raises(ImageError):
        image.encoded()
