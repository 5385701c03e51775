"""The sample in KISA's form: its conditions look like what they are called, and it is written completely or not at all."""

import hashlib
import json
import os

import cv2
import numpy as np
import pytest

from kface.data.layout import Capture
from kface.data.sample import Identity, render, subject_names
from kface.data.sample.head import ANGER, EXPRESSIONS, EYES_CLOSED, SURPRISE
from kface.errors import ConfigError, KFaceError
from kface.images import read_image
from kface.kisa import sample_images, sample_source
from kface.kisa.conditions import CONDITIONS
from kface.kisa.database import Form
from kface.kisa.folder import FolderDatabase
from kface.kisa.sample_images import images, person_names, takes
from kface.kisa.sample_source import SampleDatabase, write_sample
from kface.kisa.write import main


@pytest.fixture(scope="module")
def visit():
    """The 18 pictures of one person, by their conditions' keys."""
    return {found.key: picture for found, picture in images("P0001", 0)}


def digests(root):
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def quick(monkeypatch):
    """Pictures that cost nothing: what writes them is looked at."""

    def drawn(person, seed):
        for found in CONDITIONS:
            shade = hashlib.sha256(f"{person} {seed} {found.key}".encode()).digest()
            yield found, np.full((48, 64, 3), list(shade[:3]), np.uint8)

    monkeypatch.setattr(sample_images, "images", drawn)


def test_a_visit_has_the_18_conditions_once_each(visit):
    assert [found.key for found in CONDITIONS] == list(visit)
    assert {(picture.shape, picture.dtype.name) for picture in visit.values()} == {((480, 640, 3), "uint8")}
    assert len({picture.tobytes() for picture in visit.values()}) == 18


def test_the_same_seed_makes_the_same_picture_and_another_one_another(visit):
    found, again = next(images("P0001", 0))
    np.testing.assert_array_equal(again, visit[found.key])
    assert np.abs(next(images("P0001", 1))[1].astype(int) - again).mean() > 5


def sides(picture):
    """Mean of the face's left and right half in the picture."""
    face = picture[170:320, 250:390].mean(axis=(0, 2))
    return face[:70].mean(), face[70:].mean()


def lean(picture):
    """How much brighter the face's right half is."""
    left, right = sides(picture)
    return right / left


@pytest.mark.parametrize("degrees", [45, 90, 135])
def test_light_comes_from_the_picture_s_right_and_its_mirror_from_the_left(visit, degrees):
    level = lean(visit["light_180"])
    assert lean(visit[f"light_{degrees}"]) > 1.01 * level
    assert lean(visit[f"light_{360 - degrees}"]) < level / 1.01


def test_the_face_is_darker_the_further_the_lamp_is_behind(visit):
    levels = [np.mean(sides(visit[f"light_{degrees}"])) for degrees in (0, 90, 180)]
    assert levels[0] > 1.2 * levels[1] > 1.2 * levels[2]
    assert levels[2] > 40


def test_the_enrolment_is_evenly_lit_and_neutral_in_colour(visit):
    left, right = sides(visit["enrolment_neutral"])
    assert left == pytest.approx(right, rel=0.12)
    assert np.mean([left, right]) > 120


def test_poses_are_yaws_that_mirror_one_another():
    shots = {shot.condition.key: shot.yaw for take in takes(2) for shot in take.shots if shot.yaw}
    assert shots == {"pose_left-22.5": -22.5, "pose_right-22.5": 22.5, "pose_left-45": -45.0}


def test_a_pose_s_camera_sees_the_nose_move_to_the_side_that_is_named():
    from kface.data.sample import camera, head

    landmarks = head.build(Identity("P0001"), EXPRESSIONS[1]).landmarks

    def nose(yaw):
        points = np.stack([landmarks[name] for name in ("nose", "right_eye", "left_eye")])
        across = camera.project(points, camera.view_matrix(yaw, 0))[0][:, 0]
        return across[0] - 0.5 * (across[1] + across[2])

    # Turned to the person's own left, the nose points to the picture's right.
    assert nose(-45.0) > nose(-22.5) + 5 > nose(0.0) + 10
    assert nose(22.5) < nose(0.0) - 5


def test_expressions_move_what_they_are_known_for():
    from kface.data.sample import head, mouth, paint

    person = Identity("P0001")
    side = np.array([[person["eye_distance"]]])

    def opening(expression):
        _, upper, lower = paint.lids(person, expression, side)
        return float((upper - lower)[0, 0])

    neutral = EXPRESSIONS[1]
    assert opening(EXPRESSIONS[EYES_CLOSED]) < 0.02 * opening(neutral)
    assert opening(EXPRESSIONS[SURPRISE]) > 1.3 * opening(neutral)
    assert opening(EXPRESSIONS[ANGER]) < opening(EXPRESSIONS[3]) < opening(neutral)
    built = head.build(person, EXPRESSIONS[SURPRISE])
    assert built.points[..., 1].min() < head.build(person, neutral).points[..., 1].min() - 0.6 * head.JAW_DROP
    hole = mouth.opening(person, EXPRESSIONS[SURPRISE], built)
    assert 20 < hole.sum() < 0.02 * hole.size
    corner = head.mouth_corner_lift
    assert corner(person, EXPRESSIONS[ANGER]) < corner(person, EXPRESSIONS[3]) < corner(person, neutral)


def test_what_k_face_has_is_drawn_as_before():
    """Coarse levels of two captures, as they were before the sample had more than K-Face's conditions."""
    for capture, levels in (
        (
            Capture("21010111", 6, 9, 2, 5),
            [[73, 74, 64, 60, 75, 74], [71, 72, 55, 41, 73, 72], [69, 71, 82, 67, 72, 70], [67, 86, 130, 135, 105, 68]],
        ),
        (
            Capture("21010111", 4, 26, 3, 9),
            [[82, 85, 78, 80, 82, 78], [80, 84, 95, 90, 80, 76], [78, 82, 110, 93, 78, 74], [76, 79, 82, 74, 71, 72]],
        ),
    ):
        green = render(capture)[0][..., 1]
        np.testing.assert_allclose(cv2.resize(green, (6, 4), interpolation=cv2.INTER_AREA), levels, atol=1.5)


def test_a_hair_band_adds_its_colour_above_the_face_alone():
    from kface.data.sample import accessories, head
    from kface.data.sample.identity import generator

    for name in ("P0001", "P0002", "P0003"):
        person = Identity(name)
        built = head.build(person, EXPRESSIONS[1])
        (band,) = accessories.build(accessories.HAIR_BAND, person, built, generator(0, "test"))
        assert np.ptp(band.points[:, 0]) > 1.9 * person["head_width"]
        assert band.points[:, 1].max() > person["crown"]
        front = np.abs(band.points[:, 0]) < 0.3
        assert band.points[front, 1].min() > person["hairline"]
        assert (np.sum(band.normals * band.points, axis=1) > 0).mean() > 0.95


def test_nobody_is_a_person_of_the_sample_that_trains():
    ours = person_names(500)
    assert len(set(ours)) == 500
    assert ours[:50] == person_names(50)
    theirs = {name for seed in range(3) for name in subject_names(400, seed)}
    assert not theirs & set(ours)
    drawn = {tuple(Identity(name, seed).traits.values()) for name in sorted(theirs)[:400] for seed in (0, 1)}
    assert not drawn & {tuple(Identity(name, seed).traits.values()) for name in ours for seed in (0, 1)}


def test_a_sample_is_what_a_folder_reads_back(tmp_path, quick):
    source = SampleDatabase(tmp_path, people=50, jobs=1)
    database = source.open(progress=False)
    assert database.form is Form.PRELIMINARY
    assert len(database.images) == 900
    assert database.synthetic
    assert database.title == "synthetic sample"
    assert not database.faults
    assert database.notes == (sample_source.NOTE,)
    assert database.missing() == ()
    again = FolderDatabase(source.root).open()
    assert again == database
    (source.root / "index.csv").unlink()
    by_name = FolderDatabase(source.root).open()
    assert [image.sha256() for image in by_name.images] == [image.sha256() for image in database.images]
    assert not by_name.faults


def test_an_interrupted_sample_is_continued_with_the_same_bytes(tmp_path, quick, monkeypatch):
    write_sample(tmp_path / "whole", 4, jobs=1, progress=False)
    drawn, left = sample_images.images, [40]

    def failing(person, seed):
        for pair in drawn(person, seed):
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt
            yield pair

    root = tmp_path / "cut"
    with monkeypatch.context() as cut:
        cut.setattr(sample_images, "images", failing)
        with pytest.raises(KeyboardInterrupt):
            write_sample(root, 4, jobs=1, progress=False)
    assert sorted(path.name for path in root.iterdir()) == ["P0001", "P0002", "database.json"]
    # What a process that was killed leaves behind.
    (root / ".tmp-P0003-1").mkdir()
    (root / ".tmp-P0003-1" / "light_0.jpg").write_bytes(b"")
    report = write_sample(root, 4, jobs=1, progress=False)
    assert (report.kept, report.people, report.images) == (2, 4, 72)
    assert digests(root) == digests(tmp_path / "whole")
    before = {path: os.stat(path).st_mtime_ns for path in root.rglob("*")}
    assert write_sample(root, 4, jobs=1, progress=False).kept == 4
    assert {path: os.stat(path).st_mtime_ns for path in root.rglob("*")} == before


def test_other_settings_and_other_folders_are_refused(tmp_path, quick):
    write_sample(tmp_path / "a", 2, jobs=1, progress=False)
    with pytest.raises(KFaceError, match=r"holds a sample of other settings \(people, seed\); give another"):
        write_sample(tmp_path / "a", 3, seed=1, jobs=1, progress=False)
    with pytest.raises(KFaceError, match="holds something else than a sample"):
        write_sample(tmp_path, 2, jobs=1, progress=False)
    for wrong in (1, True, 2.5, 10000):
        with pytest.raises(ConfigError, match=r"database\.people"):
            SampleDatabase(tmp_path, people=wrong)
    with pytest.raises(ConfigError, match=r"database\.seed"):
        SampleDatabase(tmp_path, seed=-1)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(KFaceError, match="cannot be written"):
        write_sample(tmp_path / "file" / "b", 2, jobs=1, progress=False)


def test_a_full_disk_is_one_line(tmp_path, quick, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sample_images, "encode_jpeg", full)
    with pytest.raises(KFaceError, match="the sample cannot be written .No space left on device.; make room"):
        write_sample(tmp_path / "a", 2, jobs=1, progress=False)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["database.json"]


def test_the_command_writes_it(tmp_path, quick, capsys):
    assert main([str(tmp_path / "base"), "--people", "2", "--jobs", "1"]) == 0
    assert "synthetic sample: 2 people, 36 images in " in capsys.readouterr().out
    description = json.loads((tmp_path / "base" / "database.json").read_text())
    assert description["synthetic"] is True
    assert description["people"] == 2
    assert len(FolderDatabase(tmp_path / "base").open().images) == 36
    assert main([str(tmp_path / "base"), "--people", "3", "--jobs", "1"]) == 2
    assert "holds a sample of other settings (people)" in capsys.readouterr().err
    assert main([str(tmp_path / "copy"), "--kface", str(tmp_path / "nowhere")]) == 2
    assert "is not a directory; give the directory that holds High_Resolution/" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([])


def test_the_command_draws_a_contact_sheet(tmp_path, quick, monkeypatch):
    monkeypatch.setattr("kface.kisa.write.images", sample_images.images)
    assert main(["--sheet", str(tmp_path / "sheet.jpg")]) == 0
    # Four people, two rows of nine images each.
    assert read_image(tmp_path / "sheet.jpg").shape == (8 * 180, 9 * 240, 3)


@pytest.mark.slow
def test_two_processes_write_the_same_bytes_as_one(tmp_path):
    for jobs in (1, 2):
        write_sample(tmp_path / str(jobs), 2, jobs=jobs, progress=False)
    assert digests(tmp_path / "1") == digests(tmp_path / "2")
