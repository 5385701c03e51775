"""Tiny clips of the synthetic sample: where people are drawn, that the truth says so, and that the whole bench runs on them."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_bundle import tiny_embedder, write_bundle

from benchmarks import identity, identity_people, identity_scenes
from benchmarks.identity_people import Album, Cutout, People, Subject, halves
from benchmarks.identity_pictures import Camera, Clip, Placed, backgrounds, paste, truth
from kface.gallery import Limits
from kface.images import read_image
from kface.mtcnn import weights
from kface.mtcnn.boxes import overlaps
from kface.recognizer import FaceRecognizer

SIZE = (320, 180)
#: Pictures of six people of the sample, a row each, eight tiles in a row; those from the front, and one from the side.
SHEET = Path(__file__).resolve().parents[2] / "docs" / "images" / "sample.jpg"
FRONTS, PROFILE = (0, 4, 3, 1), 2


def cutout(level, side=40.0):
    pixels = np.full((92, 76, 3), level, np.uint8)
    return Cutout(((pixels, np.ones((92, 76), np.float32)),), side, np.array([-0.5, -0.5, 0.5, 0.5]))


@pytest.fixture(scope="module")
def people():
    """Return six people, and as many again who are they in other colours, and mirrored."""
    sheet = cv2.resize(read_image(SHEET), None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    subjects = []
    for kind, look in {"": sheet, "blue ": sheet[:, :, ::-1], "mirrored ": sheet[:, :, [1, 0, 2]]}.items():
        for row in range(6):
            tiles = [look[340 * row :][:340, 340 * column :][:, :340] for column in range(8)]
            tiles = [np.ascontiguousarray(tile[:, :: -1 if kind == "mirrored " else 1]) for tile in tiles]
            subjects.append(Subject(f"{kind}{row}", [tiles[column] for column in FRONTS], [tiles[PROFILE]]))
    return People("sample", subjects)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_bundle(tmp_path_factory.mktemp("identity") / "bundle", tiny_embedder(), models=weights.prepare())


@pytest.fixture(scope="module")
def recognizer(bundle):
    with FaceRecognizer.load(bundle, match={"recognised": 0.95, "unknown": 0.9}) as made:
        yield made


@pytest.fixture(scope="module")
def album(recognizer):
    return Album(recognizer, Limits(sharpness=0.0))


def test_people_are_drawn_where_the_truth_has_them():
    picture = np.zeros((180, 320, 3), np.float32)
    placed = Placed("ann", cutout(200), 100.0, 80.0, 60.0)
    paste(picture, placed)
    (shown,) = truth([placed], SIZE, ("ann",))
    assert shown.box == (70, 50, 130, 110)
    assert (shown.subject, shown.names, shown.counted, shown.mixed) == ("ann", {"ann"}, True, False)
    drawn = np.argwhere(picture[..., 0] > 100)
    # A cut-out of 76 times 92 pixels, enlarged by half, about the face's middle.
    np.testing.assert_allclose(drawn.min(axis=0), [80 - 69, 100 - 57], atol=1)
    np.testing.assert_allclose(drawn.max(axis=0), [80 + 69, 100 + 57], atol=1)
    assert truth([placed], SIZE, ("bob",))[0].names == frozenset()


def test_the_soft_edge_lets_the_background_through():
    half = cutout(200)._replace(copies=((np.full((92, 76, 3), 200, np.uint8), np.full((92, 76), 0.5, np.float32)),))
    picture = np.full((180, 320, 3), 100, np.float32)
    paste(picture, Placed("ann", half, 100, 90, 40))
    assert picture[90, 100, 0] == pytest.approx(150, abs=1)
    assert picture[90, 200, 0] == 100


@pytest.mark.parametrize("x", [-200.0, -10.0, 318.0, 700.0])
def test_who_is_outside_is_not_counted(x):
    picture = np.zeros((180, 320, 3), np.float32)
    placed = Placed("ann", cutout(200), x, 90.0, 40.0)
    paste(picture, placed)
    assert not truth([placed], SIZE, ("ann",))[0].counted


def test_who_is_covered_is_not_counted_and_who_is_in_front_is():
    behind, front = Placed("ann", cutout(80), 100, 90, 40), Placed("bob", cutout(200), 120, 90, 40)
    shown = truth([behind, front], SIZE, ("ann", "bob"))
    assert [person.counted for person in shown] == [False, True]
    picture = np.zeros((180, 320, 3), np.float32)
    for one in (behind, front):
        paste(picture, one)
    assert picture[90, 110, 0] == pytest.approx(200, abs=1)
    assert all(person.counted for person in truth([behind, front._replace(x=140)], SIZE, ()))


@pytest.mark.parametrize(
    ("part", "subject", "names", "mixed"),
    [(0.05, "ann", {"ann"}, False), (0.5, "ann", {"ann", "bob"}, True), (0.95, "bob", {"bob"}, False)],
)
def test_a_fade_goes_from_one_to_the_other(part, subject, names, mixed):
    placed = Placed("ann", cutout(50), 100, 90, 40, ("bob", cutout(150), part))
    (shown,) = truth([placed], SIZE, ("ann", "bob"))
    assert (shown.subject, shown.names, shown.mixed) == (subject, names, mixed)
    picture = np.zeros((180, 320, 3), np.float32)
    paste(picture, placed)
    assert picture[90, 100, 0] == pytest.approx(50 + 100 * part, abs=1)
    # A head that turns stays who it is.
    turning = placed._replace(other=("ann", cutout(150), part))
    assert not truth([turning], SIZE, ("ann",))[0].mixed


def test_a_clip_is_the_same_each_time(people, album):
    role = album.cutouts(people.subjects[0], 1)[0]
    clip = Clip("still", SIZE, [[Placed("ann", role, 160, 90, 70)]] * 2, ("ann",), 5)
    camera = Camera(backgrounds(None, 0))
    first, second = (list(camera.film(clip)) for _ in range(2))
    for (image, shown), (again, shown_again) in zip(first, second, strict=True):
        assert image.shape == (180, 320, 3)
        assert image.dtype == np.uint8
        np.testing.assert_array_equal(image, again)
        assert shown == shown_again
    # It is a camera's picture: no two are the same.
    assert (first[0][0] != first[1][0]).any()


@pytest.mark.parametrize("side", [50.0, 90.0, 150.0])
def test_the_detector_finds_a_composed_face_where_the_truth_has_it(people, album, recognizer, side):
    role = album.cutouts(people.subjects[1], 1)[0]
    clip = Clip("still", (640, 360), [[Placed("ann", role, 300, 180, side)]], ("ann",), 1)
    ((image, shown),) = Camera(backgrounds(None, 0)).film(clip)
    found = recognizer.detector.detect(image)
    assert found.count == 1
    assert overlaps(found.boxes, np.array([shown[0].box]))[0, 0] > 0.6


def test_backgrounds_show_nobody(recognizer, shared_data):
    every = backgrounds(shared_data / "video", 0)
    assert len(every) > 4
    clips = [Clip("empty", (640, 360), [[]], (), seed) for seed in range(8)]
    assert [recognizer.detector.detect(image).count for clip in clips for image, _ in Camera(every).film(clip)] == [
        0
    ] * 8


def test_the_enrolled_picture_is_in_no_clip(people, album):
    subject = people.subjects[2]
    assert album.enrolment(subject) is not None
    enrolled, _ = album._enrolled[subject.name]
    album.cutouts(subject, 3)
    assert (subject.name, False, enrolled) not in album._cut
    assert 2 <= len(album.cutouts(subject, 4)) <= 3
    names, matrix = album.gallery([subject.name])
    assert names == (subject.name,)
    np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), 1, atol=1e-5)


def test_a_picture_that_may_not_be_enrolled_is_passed_over(people, recognizer):
    subject = people.subjects[3]
    nobody = Subject("nobody", [np.zeros((200, 200, 3), np.uint8)])
    assert Album(recognizer).enrolment(nobody) is None
    strict = Album(recognizer, Limits(size=1000.0))
    assert strict.enrolment(subject) is None
    second = Subject("second", [np.zeros((200, 200, 3), np.uint8), *subject.fronts])
    album = Album(recognizer, Limits(sharpness=0.0))
    assert album.enrolment(second) is not None
    assert album._enrolled["second"][0] == 1


def test_halves_share_nobody(people):
    first, second = halves(people, 3)
    names = [{subject.name for subject in half.subjects} for half in (first, second)]
    assert not names[0] & names[1]
    assert names[0] | names[1] == {subject.name for subject in people.subjects}
    assert halves(people, 3) == (first, second)


def test_every_scene_has_the_people_it_says(people, album, monkeypatch):
    monkeypatch.setattr(identity_scenes, "GALLERY", 3)
    monkeypatch.setattr(identity_scenes, "QUEUE", 3)
    seen = {}
    for clip in identity_scenes.program(identity_scenes.Cast(people, album, 0), True):
        assert len(clip.enrolled) == 3
        subjects = {one.subject for frame in clip.frames for one in frame}
        subjects |= {one.other[0] for frame in clip.frames for one in frame if one.other}
        seen.setdefault(clip.scene, []).append((len(subjects), len(subjects & set(clip.enrolled))))
    assert seen == {
        "enter": [(1, 1), (1, 0)],
        "turn": [(1, 1), (1, 0)],
        "leave and come back": [(1, 1), (2, seen["leave and come back"][1][1])],
        "cross": [(2, 2), (2, 1)],
        "cut": [(2, 2), (2, 1)],
        "fade": [(2, 2), (2, 1), (2, 2), (2, 1)],
        "six at once": [(6, 3)],
        "door beside one": [(4, 1)],
    }


def test_the_bench_runs_from_words_to_a_report(people, bundle, tmp_path, monkeypatch, capsys):
    def few(cast, quick):
        stage = identity_scenes.Stage(cast, (640, 360))
        yield stage.clip("cut", identity_scenes.cut(stage, False)[20:40])

    monkeypatch.setattr(identity_scenes, "GALLERY", 2)
    monkeypatch.setattr(identity, "program", few)
    monkeypatch.setattr(identity, "READERS", {"cfp": lambda folder: people})
    out = tmp_path / "deep" / "report.json"
    words = [f"bundle={bundle}", "--quick", f"out={out}", "match.recognised=0.95", "match.unknown=0.9"]
    assert identity.main([*words, "enrolment.sharpness=0"]) == 0
    report = json.loads(out.read_text(encoding="utf-8"))
    assert (report["half"], report["quick"], report["total"]["frames"]) == ("first", True, 20)
    assert report["thresholds"]["recognised"] == 0.95
    faces = report["scenes"]["cut"]["faces"]
    assert sum(faces["enrolled"].values()) == 10
    assert sum(faces["strangers"].values()) == 10
    assert report["total"]["embeddings_per_frame"] > 0
    printed = capsys.readouterr().out
    assert "18 people of sample (first half); recognised from 0.9500" in printed
    assert str(out) in printed
    # No column runs into the next one.
    last = [line for line in printed.splitlines() if line.startswith("total")][-1].split()
    assert last[1:3] == ["1", "20"]
    assert last[-1] == f"{report['total']['embeddings_per_frame']:.2f}/frame"
    assert last[-2] == str(report["total"]["switches"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["quick=perhaps"], "quick: must be true or false, not perhaps"),
        (["half=third"], "half: must be one of first, second"),
        (["seed=-1"], "seed: must be a whole number, not -1"),
        (["quick"], "quick: is not a setting; write key=value"),
        (["match.recognized=1"], "match.recognized"),
        (["cfp=nowhere"], "nowhere: does not contain CFP's Data/Images; give cfp=DIR"),
    ],
)
def test_words_that_mean_nothing_are_one_line(words, said, capsys):
    assert identity.main(words) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("bench-identity: ")
    assert said in shown
    assert shown.count("\n") == 1


def test_the_bundle_that_is_not_there_is_one_line_too(people, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(identity, "READERS", {"cfp": lambda folder: people})
    monkeypatch.setattr(identity, "BUNDLE", str(tmp_path / "none"))
    assert identity.main([]) == 2
    shown = capsys.readouterr().err
    assert "make it: make export embedder=pretrained; or give bundle=DIR" in shown
    assert shown.count("\n") == 1


def test_folders_of_people_are_read(tmp_path, people):
    picture = people.subjects[0].fronts[0][:, :, ::-1]
    for number in range(40):
        for view in ("frontal", "profile"):
            folder = tmp_path / "cfp" / "Data" / "Images" / f"{number:03d}" / view
            folder.mkdir(parents=True)
            (folder / "01.jpg").write_bytes(b"")
        folder = tmp_path / "lfw" / "images" / f"Person_{number:02d}"
        folder.mkdir(parents=True)
        for image in range(3):
            cv2.imwrite(str(folder / f"Person_{image:04d}.jpg"), picture)
    found = identity_people.cfp(tmp_path / "cfp")
    assert len(found.subjects) == 40
    assert (len(found.subjects[0].fronts), len(found.subjects[0].profiles)) == (1, 1)
    for root in (tmp_path / "lfw", tmp_path / "lfw" / "images"):
        assert [len(subject.fronts) for subject in identity_people.lfw(root).subjects] == [3] * 40
    with pytest.raises(Exception, match="give lfw=DIR"):
        identity_people.lfw(tmp_path / "cfp")
