"""The augmentations: each against a plain numpy version, eagerly and inside tf.data, and their settings."""

import dataclasses

import augment_reference as reference
import numpy as np
import pytest
import tensorflow as tf

from kface import stage
from kface.errors import ConfigError
from train import augment
from train.augment import Augmentation, sheet
from train.augment.settings import FIRST, SHARES

NEW = [name for name in SHARES if name not in FIRST]
SEEDS = [tf.constant([3, number], tf.int64) for number in range(4)]


@pytest.fixture(scope="module")
def face():
    """Smooth colours with a texture: float32 (56, 56, 3), half of the template's side."""
    y, x = np.mgrid[:56, :56] / 55
    smooth = np.stack([40 + 180 * x, 200 - 150 * y, 60 + 120 * x * y], axis=-1)
    texture = np.random.default_rng(0).normal(0, 8, (14, 14, 3)).repeat(4, axis=0).repeat(4, axis=1)
    return np.clip(smooth + texture, 0, 255).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        *[(name, 0.02) for name in ("greyscale", "gamma", "colour_cast", "light_direction", "noise", "erase")],
        ("affine", 0.1),
        ("blur", 0.05),
        ("motion_blur", 0.05),
    ],
)
def test_against_numpy(name, tolerance, face):
    for seed in SEEDS:
        found = getattr(augment, name)(tf.constant(face), seed).numpy()
        wanted = getattr(reference, name)(face, seed)
        np.testing.assert_allclose(found, wanted, atol=tolerance)
        assert np.abs(found - face).max() > 1


def test_jpeg_against_opencv(face):
    lost = []
    for seed in SEEDS:
        found, wanted = augment.jpeg(tf.constant(face), seed).numpy(), reference.jpeg(face, seed)
        # Another build of libjpeg may round its transforms and its chroma differently.
        assert np.abs(found - wanted).mean() < 0.5
        lost.append(np.abs(found - face).mean())
    assert min(lost) > 0.5
    assert len(set(lost)) == len(lost)


@pytest.mark.parametrize("name", ["glasses", "cap", "mask"])
def test_what_is_worn_against_numpy(name, face):
    change, transparency = getattr(augment, name), getattr(reference, f"transparency_of_{name}")
    black, white = tf.zeros((112, 112, 3)), tf.fill((112, 112, 3), 255.0)
    for seed in SEEDS:
        # What is painted over has the same colour on black and on white; where it is transparent, they differ.
        seen = ((change(white, seed) - change(black, seed)) / 255).numpy()
        assert np.ptp(seen, axis=-1).max() < 1e-3
        wanted = transparency((112, 112), seed)
        error = np.abs(seen[..., 0] - wanted)
        assert error.mean() < 0.006
        assert (error > 0.3).mean() < 0.004
        assert 0.02 < (seen < 0.5).mean() < 0.6
    half = tf.image.resize(change(white, SEEDS[0]), (56, 56), method="area").numpy()
    small = change(tf.fill((56, 56, 3), 255.0), SEEDS[0]).numpy()
    assert np.abs(half - small).mean() < 5


def test_the_kinds_of_glasses():
    seen = np.stack([augment.glasses(tf.fill((112, 112, 3), 255.0), tf.constant([0, n], tf.int64)) for n in range(24)])
    # At the eyes' centres: sunglasses hide them, the others do not.
    eyes = seen[:, 49:55, [36, 37, 38, 72, 73, 74]].mean(axis=(1, 2, 3))
    assert 3 < (eyes < 200).sum() < 14
    assert ((eyes < 200) | (eyes > 215)).mean() > 0.9


def test_eagerly_and_inside_tf_data(face):
    image = tf.constant(face)
    everything = Augmentation(True, **dict.fromkeys(SHARES, 1.0))
    eager = np.stack([everything(image, seed).numpy() for seed in SEEDS])
    dataset = tf.data.Dataset.from_tensor_slices(tf.stack(SEEDS))
    inside = dataset.map(lambda seed: everything(image, seed)).batch(len(SEEDS))
    # Where a value is rounded, for JPEG, a tiny difference becomes a visible one.
    np.testing.assert_allclose(next(iter(inside)).numpy(), eager, atol=3)
    assert eager.min() >= -1e-3
    assert eager.max() <= 255 + 1e-3
    assert len({value.tobytes() for value in eager}) == len(SEEDS)


def test_the_default_is_what_earlier_runs_had(face):
    # Their seeds: five from the image's, the last one for the chances.
    for number in range(12):
        seed = tf.constant([5, number], tf.int64)
        seeds = tf.random.split(seed, 5)
        chances = tf.random.stateless_uniform((3,), seeds[4]).numpy()
        wanted = tf.constant(face)
        for chance, change, own in zip(
            chances, (augment.low_resolution, augment.random_crop, augment.colour_jitter), seeds[:3], strict=True
        ):
            if chance < 0.2:
                wanted = change(wanted, own)
        wanted = augment.flip(wanted, seeds[3]).numpy()
        np.testing.assert_array_equal(Augmentation()(tf.constant(face), seed).numpy(), wanted)


def test_shares(face):
    nothing = dict.fromkeys(SHARES, 0.0)
    for name in ("jpeg", "affine"):
        rare = Augmentation(False, **{**nothing, name: 0.3})
        changed = sum(
            not np.array_equal(rare(tf.constant(face), tf.constant([5, n], tf.int64)).numpy(), face) for n in range(40)
        )
        assert 4 < changed < 21
    np.testing.assert_array_equal(Augmentation(False, **nothing)(tf.constant(face), SEEDS[0]).numpy(), face)


def test_the_choices():
    made = {
        choice: stage.instantiate(stage.compose("train", [f"augmentation={choice}"]).fit, "fit").augmentation
        for choice in ("default", "strong", "none")
    }
    assert made["default"] == Augmentation()
    assert made["none"] is None
    assert all(getattr(made["strong"], name) > 0 for name in SHARES)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        *[(name, 1.5) for name in SHARES],
        *[
            ("flip", 1),
            ("smallest_resolution", 0),
            ("smallest_crop", 2),
            ("colour_strength", 1),
            ("light_strength", -1),
        ],
        *[("rotation", "x"), ("scaling", 2), ("shift", 1), ("gamma_strength", 9), ("cast_strength", 9)],
        *[("blur_sigma", 0), ("motion_length", 40), ("noise_sigma", -1), ("jpeg_quality", 95), ("erased_area", 1)],
    ],
)
def test_wrong_settings_are_named(name, wrong):
    with pytest.raises(ConfigError, match=rf"^fit\.augmentation\.{name}: must be"):
        Augmentation(**{name: wrong})


def test_every_setting_is_used(face):
    narrower = {
        **{"smallest_resolution": ("low_resolution", 0.9), "smallest_crop": ("random_crop", 0.95)},
        **{"colour_strength": ("colour_jitter", 0.1), "light_strength": ("light", 0.1), "rotation": ("affine", 1.0)},
        **{"scaling": ("affine", 0.01), "shift": ("affine", 0.0), "gamma_strength": ("gamma", 0.1)},
        **{"cast_strength": ("colour_cast", 0.05), "blur_sigma": ("blur", 0.4), "motion_length": ("motion_blur", 3.0)},
        **{"noise_sigma": ("noise", 1.0), "jpeg_quality": ("jpeg", 85), "erased_area": ("erase", 0.03)},
    }
    assert {*narrower, *SHARES, "flip"} == {field.name for field in dataclasses.fields(Augmentation)}
    wide = Augmentation().changes()
    for setting, (name, value) in narrower.items():
        narrow = dataclasses.replace(Augmentation(), **{setting: value}).changes()
        found, before = (change[name](tf.constant(face), SEEDS[1]).numpy() for change in (narrow, wide))
        assert np.abs(found - before).max() > 0.5, setting


def test_the_contact_sheet():
    faces = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3)).astype(np.uint8)
    drawn = sheet.contact_sheet(faces, Augmentation(), columns=2)
    assert drawn.shape == ((len(SHARES) + 2 + 4) * 112, sheet.MARGIN + 2 * 112, 3)
    np.testing.assert_array_equal(drawn[:112, sheet.MARGIN :], np.concatenate(list(faces), axis=1))
    # Each row has a name, and shows something else.
    rows = drawn.reshape(-1, 112, *drawn.shape[1:])
    assert all((row[:, : sheet.MARGIN] < 128).any() for row in rows)
    assert len({row[:, sheet.MARGIN :].tobytes() for row in rows[: len(SHARES) + 1]}) == len(SHARES) + 1
