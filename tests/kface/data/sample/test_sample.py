"""The synthetic sample: deterministic, whole, in K-Face's form, and right about light, poses and landmarks."""

import functools
import hashlib
import itertools
import json
import os

import numpy as np
import pytest

from kface.data.layout import (
    ACCESSORIES,
    CAMERAS,
    EXPRESSIONS,
    LIGHTS,
    SIZES,
    Capture,
    Conditions,
    parse,
    read_annotation,
)
from kface.data.protocols import PAPER, TEST_SUBJECTS
from kface.data.sample import Identity, Scene, develop, plan, render, subject_names, write_sample
from kface.data.sample.identity import CLIP, TRAITS, generator
from kface.errors import KFaceError

NAME = subject_names(1)[0]


@pytest.fixture(scope="module")
def plain():
    scene = Scene(Identity(NAME), 1, 1)
    # Every test looks at it, and nothing changes a view.
    scene.view = functools.lru_cache(maxsize=None)(scene.view)
    return scene


def digests(root):
    found = {}
    for folder, _, names in os.walk(str(root)):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as stream:
                found[os.path.relpath(path, str(root))] = hashlib.sha256(stream.read()).hexdigest()
    return found


def picture(view, light, seed=0):
    return develop(view, light, generator(seed, "test"))


def test_the_same_seed_makes_the_same_picture():
    capture = Capture(NAME, 3, 8, 2, 5)
    first, annotation = render(capture)
    second, again = render(capture)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(annotation.landmarks, again.landmarks)
    assert first.shape == (576, 864, 3)
    assert np.abs(first.astype(int) - render(capture, seed=1)[0]).mean() > 5


def test_names():
    names = subject_names(400)
    assert len(set(names)) == 400
    assert names == sorted(names)
    assert not set(names) & set(TEST_SUBJECTS)
    for name in names:
        assert parse(Capture(name, 1, 1, 1, 1).path()).subject == name
        assert name[6] in "1234"


def test_people_differ_and_nobody_is_a_caricature():
    people = [Identity(name) for name in subject_names(60)]
    for trait, (mean, sd) in TRAITS.items():
        values = np.array([person[trait] for person in people])
        assert np.ptp(values) > sd
        assert np.abs(values - mean).max() <= CLIP * sd + 1e-9 or values.min() == 0
    assert len({person.hair_style for person in people}) > 3


def test_every_condition_renders(plain):
    for camera in CAMERAS:
        view = plain.view(camera)
        assert 0.1 < view.cover.mean() < 0.8
    view = plain.view(7)
    for light in LIGHTS:
        assert picture(view, light).std() > 0.5
    for accessory, expression in itertools.product(ACCESSORIES, EXPRESSIONS):
        if (accessory, expression) != (1, 1):
            assert np.isfinite(Scene(Identity(NAME), accessory, expression).view(7).albedo).all()


def test_brightness_follows_the_lux(plain):
    view = plain.view(7)
    face = [picture(view, light)[150:400, 330:530].mean() for light in range(1, 8)]
    assert all(brighter > darker + 1 for brighter, darker in zip(face, face[1:]))
    assert face[-1] < 60


def test_light_from_the_side_brightens_that_side(plain):
    view = plain.view(7)
    for light, right_is_brighter in ((16, True), (19, True), (25, False), (28, False)):
        shot = picture(view, light).astype(float)
        left, right = shot[200:380, 330:420].mean(), shot[200:380, 444:534].mean()
        assert (right > 1.2 * left) if right_is_brighter else (left > 1.2 * right)


def test_landmarks_lie_where_the_cameras_see_them(plain):
    turned = {}
    for camera, place in CAMERAS.items():
        annotation = plain.view(camera).annotation
        five = annotation.five()
        assert (five >= 0).all()
        assert (five < SIZES["High"]).all()
        left_eye, right_eye, nose, mouth_left, mouth_right = five
        assert max(left_eye[1], right_eye[1]) < nose[1] < min(mouth_left[1], mouth_right[1])
        if abs(place.yaw) <= 60:
            assert left_eye[0] < right_eye[0]
            assert mouth_left[0] < mouth_right[0]
        turned[camera] = nose[0] - 0.5 * (left_eye[0] + right_eye[0])
    # A camera on the right sees the nose point to the left.
    assert turned[4] < turned[6] < turned[8] < turned[10]
    assert turned[4] < -10
    assert turned[10] > 10


def test_the_eyes_are_at_the_annotated_eyes(plain):
    view = plain.view(7)
    shot = picture(view, 1).astype(float).mean(axis=2)
    for x, y in view.annotation.five()[:2].round().astype(int):
        assert shot[y - 8 : y + 9, x - 8 : x + 9].min() < 0.45 * shot[y + 45 : y + 60, x - 8 : x + 9].mean()


def test_accessories_and_clothes_do_not_give_the_person_away():
    person = Identity(NAME)
    backdrops = {tuple(Scene(person, 1, expression).backdrop) for expression in EXPRESSIONS}
    assert len(backdrops) == 3
    one, two = Scene(person, 2, 1), Scene(person, 2, 2)
    assert one.surfels.count != two.surfels.count or not np.allclose(one.surfels.albedo, two.surfels.albedo)


def test_sunglasses_hide_the_eyes_and_a_cap_shades_the_brow():
    person = Identity(NAME)
    shots = {}
    for accessory in (1, 4, 5):
        view = Scene(person, accessory, 1).view(7)
        shots[accessory] = view, picture(view, 1).astype(float).mean(axis=2)
    for accessory, lift in ((4, 0), (5, 95)):
        (x1, y1), (x2, _) = shots[accessory][0].annotation.five()[:2].astype(int)
        (a1, b1), (a2, _) = shots[1][0].annotation.five()[:2].astype(int)
        worn = shots[accessory][1][y1 - lift - 12 : y1 - lift + 12, x1 - 15 : x2 + 15].mean()
        bare = shots[1][1][b1 - lift - 12 : b1 - lift + 12, a1 - 15 : a2 + 15].mean()
        assert abs(worn - bare) > 12


def test_a_plan_covers_the_conditions():
    seen = {"S": set(), "L": set(), "E": set(), "C": set()}
    for name in subject_names(5):
        chosen = plan(name, 16, 3, 0, PAPER.conditions)
        captures = [
            (take, camera, light)
            for take, cameras in chosen.items()
            for camera, lights in cameras.items()
            for light in lights
        ]
        assert len(captures) == len(set(captures))
        assert all(1 in chosen[1, 1][camera] for camera in range(4, 11))
        for (accessory, expression), camera, light in captures:
            assert PAPER.conditions.admits(Capture(name, accessory, light, expression, camera))
            for key, value in zip("SECL", (accessory, expression, camera, light)):
                seen[key].add(value)
    assert seen["S"] == PAPER.conditions.accessories
    assert seen["E"] == {1, 2, 3}
    assert seen["C"] == set(range(4, 11))
    assert seen["L"] == PAPER.conditions.lights


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("sample")
    report = write_sample(root, identities=2, views=2, lights_per_view=2, jobs=1, progress=False)
    assert report.images == 22
    return root


def test_the_tree_is_a_k_face_tree(tree):
    paths = sorted(path for path in digests(tree) if path.endswith(".jpg"))
    assert len(paths) == 22
    assert {parse(path).subject for path in paths} == set(subject_names(2))
    frontal = [path for path in paths if path.endswith("S001/L1/E01/C7.jpg")]
    assert len(frontal) == 2
    annotation = read_annotation(str(tree / frontal[0][:-4]) + ".txt", 7)
    assert len(annotation.boxes) == 7
    assert annotation.five() is not None


def test_one_process_and_two_write_the_same(tree, tmp_path):
    pytest.importorskip("joblib", minversion="1.4")
    write_sample(tmp_path, identities=2, views=2, lights_per_view=2, jobs=2, progress=False)
    assert digests(tmp_path) == digests(tree)


def test_interrupted_and_resumed(tree, tmp_path):
    import shutil

    root = tmp_path / "copy"
    shutil.copytree(str(tree), str(root))
    before = digests(root)
    gone = root / "High_Resolution" / subject_names(2)[1]
    shutil.move(str(gone), str(root / "High_Resolution" / ".tmp-{}-1".format(gone.name)))
    report = write_sample(root, identities=2, views=2, lights_per_view=2, jobs=1, progress=False)
    assert report.kept == 1
    assert digests(root) == before


def test_a_second_run_writes_nothing(tree):
    assert write_sample(tree, identities=2, views=2, lights_per_view=2, progress=False).kept == 2


def test_other_settings_are_refused(tree):
    with pytest.raises(KFaceError, match=r"other settings \(views\)"):
        write_sample(tree, identities=2, views=3, lights_per_view=2, progress=False)
    with pytest.raises(KFaceError, match=r"lights_per_view"):
        write_sample(tree, identities=2, views=2, lights_per_view=0, progress=False)
    with pytest.raises(KFaceError, match="choose one of: High, Middle, Low"):
        write_sample(tree, resolution="Huge", progress=False)


def test_other_resolutions_and_conditions(tmp_path):
    pytest.importorskip("joblib", reason="the tree is written in parallel by joblib")
    wanted = Conditions(
        accessories=frozenset([1]), lights=frozenset([1]), expressions=frozenset([1]), cameras=frozenset([7])
    )
    write_sample(tmp_path, identities=1, views=0, jobs=1, conditions=wanted, progress=False, resolution="Low")
    image = next(iter(sorted((tmp_path / "Low_Resolution").rglob("*.jpg"))))
    from kface.images import read_image

    assert read_image(image).shape == (115, 173, 3)
    assert json.loads((tmp_path / "sample.json").read_text())["kind"] == "synthetic sample"


def test_the_command(tmp_path, capsys):
    pytest.importorskip("joblib", reason="the tree is written in parallel by joblib")
    from kface.data.sample.__main__ import main

    assert main(["--root", str(tmp_path / "s"), "--identities", "1", "--views", "0", "--jobs", "1"]) == 0
    assert "1 people, 7 images" in capsys.readouterr().out
    assert main(["--root", str(tmp_path / "s"), "--identities", "0"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    (tmp_path / "file").write_text("")
    assert main(["--root", str(tmp_path / "file")]) == 2
    assert "cannot be written" in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 2


def test_the_detector_finds_them():
    from kface.errors import ModelError
    from kface.mtcnn import Detector

    try:
        detector = Detector(min_face=39.8)
    except ModelError as error:
        pytest.skip("the detector's networks are not here: {}".format(error))
    found = []
    for name in subject_names(4):
        scene = Scene(Identity(name), 1, 1)
        for camera in (4, 7, 10):
            view = scene.view(camera)
            faces = detector.detect(picture(view, 1))
            if faces.count:
                five = view.annotation.five()
                between = np.linalg.norm(five[1] - five[0])
                found.append(np.linalg.norm(faces.landmarks[faces.largest()] - five, axis=1).mean() / between)
    assert len(found) >= 11
    assert np.median(found) < 0.2
