"""The sample's variation: it changes what it should, the person stays, and without it nothing changes."""

import json

import cv2
import numpy as np
import pytest

from kface.data.layout import Capture, parse
from kface.data.protocols import split
from kface.data.sample import Identity, Scene, develop, render, snapshot, subject_names, tree, write_sample
from kface.data.sample import head as heads
from kface.data.sample.identity import TRAITS, generator
from kface.data.sample.lighting import weights
from kface.errors import ConfigError, KFaceError
from kface.images import encode_jpeg

NAME = subject_names(1)[0]
#: S002/L19/E02/C5 of the first person, as the version before variation drew it: means of 8 x 6 cells, green.
BEFORE = np.array(
    [
        [114.0, 115.8, 116.8, 101.3, 107.7, 118.0, 117.4, 115.5],
        [112.3, 114.1, 106.8, 103.8, 72.2, 116.0, 115.8, 113.9],
        [110.5, 112.4, 106.0, 142.9, 95.9, 110.8, 114.0, 112.1],
        [108.7, 110.6, 105.4, 139.9, 105.9, 108.5, 112.4, 110.4],
        [106.9, 108.8, 102.7, 113.1, 125.4, 104.4, 110.6, 108.6],
        [105.0, 106.2, 73.1, 83.0, 88.9, 91.6, 104.5, 106.8],
    ]
)


@pytest.fixture(scope="module")
def scene():
    return Scene(Identity(NAME, 0, 1.0), 1, 1)


def test_without_variation_pictures_are_those_of_before():
    picture = render(Capture(NAME, 2, 19, 2, 5))[0][..., 1].astype(np.float32)
    cells = cv2.resize(picture, (8, 6), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(cells, BEFORE, atol=0.6)


def test_the_same_seed_makes_the_same_varied_picture(scene):
    view = scene.view(7)
    first, second, other = (develop(view, 1, generator(seed, "test"), "High", 1.0) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, second)
    assert np.abs(first.astype(int) - other).mean() > 5


def test_light_background_and_colour_differ_between_pictures_of_one_view(scene):
    view = scene.view(7)
    shots = np.stack([develop(view, 1, generator(seed, "test"), "Low", 1.0) for seed in range(16)]).astype(float)
    rig = np.stack([develop(view, 1, generator(seed, "test"), "Low") for seed in range(16)]).astype(float)

    def spreads(pictures):
        face, wall = pictures[:, 40:65, 72:100].mean(axis=(1, 2)), pictures[:, 5:25, 5:30].mean(axis=(1, 2))
        left, right = pictures[:, 40:65, 72:84].mean(axis=(1, 2, 3)), pictures[:, 40:65, 90:102].mean(axis=(1, 2, 3))
        return np.array(
            [
                face.mean(axis=1).std(),
                wall.mean(axis=1).std(),
                np.log((face[:, 0] + 1) / (face[:, 2] + 1)).std(),
                np.log((left + 1) / (right + 1)).std(),
            ]
        )

    assert (spreads(shots) > [8, 15, 0.04, 0.02]).all()
    assert (spreads(rig) < [1, 1, 0.01, 0.01]).all()


def test_hair_changes_between_takes_and_the_face_does_not():
    person = Identity(NAME, 0, 1.0)
    others = [person.with_other_hair(generator(0, "test", number)) for number in range(12)]
    assert len({other.hair_style for other in others}) >= 3
    assert np.std([other["hair_lightness"] for other in others]) > 0.02
    hair = {"hairline", "hair_volume", "hair_lightness"}
    for other in others:
        assert {name for name in TRAITS if other[name] != person[name]} <= hair
        assert (other.texture_seed, other.dents is person.dents) == (person.texture_seed, True)
    # Nor does drawing another's hair change the person.
    assert person["hairline"] == Identity(NAME, 0, 1.0)["hairline"]


def test_faces_are_not_symmetric_and_differ_more_than_traits_say():
    faces = {}
    for variation in (0.0, 1.0):
        found = []
        for name in subject_names(6):
            landmarks = heads.build(Identity(name, 0, variation), heads.EXPRESSIONS[1]).landmarks
            found.append([landmarks[part] for part in ("nose", "right_eye", "left_eye", "right_mouth", "left_mouth")])
        faces[variation] = np.array(found)
    lopsided = {v: np.abs(np.abs(found[:, 1, :2]) - np.abs(found[:, 2, :2])).max() for v, found in faces.items()}
    assert lopsided[0.0] < 0.002 < 0.008 < lopsided[1.0]
    assert faces[1.0].std(axis=0).mean() > 1.3 * faces[0.0].std(axis=0).mean()


def test_a_mixed_light_has_the_power_of_the_light():
    for light in (1, 19):
        powers = [snapshot.lights(weights(light), generator(seed, "test"), 1.0) for seed in range(60)]
        assert all((power >= 0).all() for power in powers)
        total = np.array([power.sum(axis=0)[1] for power in powers])
        np.testing.assert_allclose(np.median(total), weights(light).sum(), rtol=0.05)
        np.testing.assert_array_equal(
            snapshot.lights(weights(light), generator(0, "test"), 0.0), np.repeat(weights(light)[:, None], 3, axis=1)
        )


@pytest.mark.parametrize("length", [2.0, 5.0, 9.0])
def test_a_shake_moves_light_along_a_line_and_keeps_it(length):
    for angle in (0.0, 0.7, np.pi / 2):
        kernel = snapshot._shake(length, angle)
        assert kernel.sum() == pytest.approx(1)
        rows, columns = np.nonzero(kernel)
        middle = kernel.shape[0] // 2
        aside = (columns - middle) * np.sin(angle) - (rows - middle) * np.cos(angle)
        assert np.abs(aside).max() <= 1
        assert length - 1.5 <= np.hypot(np.ptp(rows), np.ptp(columns)) <= length + 1.5


def test_plain_people_are_the_protocols_test_people():
    names = subject_names(40)
    assert tree.plain_people(names, 0.25) == frozenset(split(names, 0.25, seed=0).test)
    assert tree.plain_people(names, 0) == frozenset()
    assert tree.plain_people(names, 1) == frozenset(names)


def test_a_varied_tree_says_so_and_keeps_its_test_people(tmp_path, monkeypatch):
    monkeypatch.setattr(tree, "FRONTAL", ((1, 1, 1, 7),))
    settings = {"identities": 2, "views": 0, "jobs": 1, "progress": False, "plain": 0.5}
    write_sample(tmp_path, variation=1.0, **settings)
    recorded = json.loads((tmp_path / "sample.json").read_text())
    assert (recorded["variation"], recorded["plain"]) == (1.0, 0.5)
    unvaried = tree.plain_people(subject_names(2), 0.5)
    assert len(unvaried) == 1
    for path in sorted(tmp_path.rglob("C7.jpg")):
        capture = parse(str(path.relative_to(tmp_path)))
        same = path.read_bytes() == encode_jpeg(render(capture)[0], tree.QUALITY)
        assert same == (capture.subject in unvaried), capture
    with pytest.raises(KFaceError, match=r"other settings \(variation\)"):
        write_sample(tmp_path, **{**settings, "variation": 0.5})
    with pytest.raises(ConfigError, match="variation"):
        write_sample(tmp_path, **{**settings, "variation": 1.5})


def test_the_detector_finds_varied_faces(scene):
    from kface.errors import ModelError
    from kface.mtcnn import Detector

    try:
        detector = Detector(min_face=39.8)
    except ModelError as error:
        pytest.skip("the detector's networks are not here: {}".format(error))
    view = scene.view(7)
    found = [detector.detect(develop(view, 1, generator(seed, "test"), "High", 1.0)).count for seed in range(5)]
    assert sum(count >= 1 for count in found) >= 4
