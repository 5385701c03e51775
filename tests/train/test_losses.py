"""All losses: values and gradients against the papers' equations, extremes, the head's contract, and training."""

import json
import math
import os
import shutil
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import h5py
import keras
import loss_equations as equations
import numpy as np
import pytest
import tensorflow as tf
from tiny_training import SMALL_ADAMW, TINY

from kface import stage
from kface.errors import ConfigError
from train.callbacks import MarginRamp
from train.fit import FitSettings, train_run
from train.losses import LOSSES, UNPG, AdaFace, ArcFace, CosFace, MagFace, MixFace, Softmax, default_scale
from train.losses.pairs import pairs_of
from train.losses.unpg import inside_whiskers
from train.model import FaceModel

#: One of each, and variants; norms of the batches here are on both sides of MagFace's limits.
VARIANTS = {
    "softmax": Softmax(),
    "cosface": CosFace(margin=0.35),
    "arcface": ArcFace(margin=0.5),
    "arcface, 3 sub-centres": ArcFace(margin=0.5, sub_centres=3),
    "adaface": AdaFace(momentum=0.6),
    "magface": MagFace(norm_low=2.0, norm_high=9.0),
    "unpg": UNPG(margin=0.4, whisker=0.4),
    "unpg, cosface": UNPG(base="cosface", whisker=0.0),
    "mixface": MixFace(e=1e-5),
}
every_variant = pytest.mark.parametrize("loss", VARIANTS.values(), ids=VARIANTS)
CLASSES, D = 5, 4
#: Identity 3 has one image and identity 4 has none.
LABELS = np.array([0, 1, 2, 0, 1, 3, 0, 2])


def drawn(loss, classes=CLASSES, seed=2):
    random = np.random.default_rng(seed)
    embeddings = random.normal(size=(len(LABELS), D)) * random.uniform(0.5, 8, (len(LABELS), 1))
    return embeddings.astype(np.float32), random.normal(size=(D, classes * loss.sub_centres)).astype(np.float32)


def head_of(loss, kernel, classes=CLASSES):
    head = loss(classes)
    head.build((None, kernel.shape[0]))
    head.kernel.assign(kernel)
    for name, value in (("norm_mean", 6.0), ("norm_std", 3.0)):
        if name in head.loss_state:
            head.loss_state[name].assign(value)
    return head


def value_and_gradients(head, embeddings, labels, smoothing=0.0):
    source = tf.Variable(embeddings)
    with tf.GradientTape() as tape:
        batch = head.batch(source, tf.constant(labels))
        value = head.loss.value(batch, smoothing)
    return float(value), [np.asarray(one) for one in tape.gradient(value, [source, head.kernel])]


def by_equation(head, embeddings, kernel, labels, smoothing=0.0):
    loss, scale, margin = head.loss, head.scale, float(head.margin)
    embeddings, kernel = embeddings.astype(np.float64), kernel.astype(np.float64)
    z = None
    if loss.name == "adaface":
        averages = [float(head.loss_state[name]) for name in ("norm_mean", "norm_std")]
        z = equations.quality(np.linalg.norm(embeddings, axis=1), *averages, loss.h)

    def value(e, k):
        return equations.value(loss, e, k, labels, scale, margin, smoothing, z)

    gradients = [
        equations.gradient(lambda e: value(e, kernel), embeddings),
        equations.gradient(lambda k: value(embeddings, k), kernel),
    ]
    return value(embeddings, kernel), gradients


@every_variant
def test_value_and_gradients_are_those_of_the_paper(loss):
    embeddings, kernel = drawn(loss)
    head = head_of(loss, kernel)
    found, gradients = value_and_gradients(head, embeddings, LABELS, 0.1)
    wanted, exact = by_equation(head, embeddings, kernel, LABELS, 0.1)
    assert found == pytest.approx(wanted, rel=1e-5)
    for one, other in zip(gradients, exact, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4 * np.abs(other).max())


#: Rows: along its class, almost along it, opposite to it, zero, tiny, huge, and two equal rows of different identities.
EXTREME = np.array(
    [[1, 0, 0], [1, 0.02, 0], [-1, 0, 0], [0, 0, 0], [1e-20, 0, 0], [3e4, 1e4, 0], [0.5, 1, 1], [0.5, 1, 1]], np.float32
)
EXTREME_LABELS = np.array([0, 0, 0, 1, 1, 2, 1, 2])


@every_variant
@pytest.mark.parametrize("precision", [np.float32, np.float16])
def test_the_extremes_have_the_right_value_and_finite_gradients(loss, precision):
    kernel = np.repeat(np.eye(3, dtype=np.float32), loss.sub_centres, axis=1)
    head = head_of(replace(loss, scale=64.0), kernel, classes=3)
    given = EXTREME.astype(precision)
    found, gradients = value_and_gradients(head, given, EXTREME_LABELS)
    z = equations.quality(np.linalg.norm(given.astype(np.float64), axis=1), 6.0, 3.0, getattr(loss, "h", 1))
    wanted = equations.value(loss, given.astype(np.float64), kernel, EXTREME_LABELS, 64.0, float(head.margin), z=z)
    assert found == pytest.approx(wanted, rel=1e-4)
    assert all(np.isfinite(one).all() for one in gradients)
    assert gradients[1].dtype == np.float32


@every_variant
def test_a_batch_of_one_identity(loss):
    embeddings, kernel = drawn(loss)
    head = head_of(loss, kernel)
    labels = np.zeros(len(LABELS), int)
    found, gradients = value_and_gradients(head, embeddings, labels)
    wanted, _ = by_equation(head, embeddings, kernel, labels)
    assert found == pytest.approx(wanted, rel=1e-5)
    assert all(np.isfinite(one).all() for one in gradients)


@every_variant
def test_a_sample_of_the_classes(loss):
    """Classes that are not in the batch may be left out, with labels that name columns of the sample."""
    kept = [3, 0, 2, 1]
    embeddings, kernel = drawn(loss)
    head = head_of(loss, kernel)
    complete = head.batch(tf.constant(embeddings), tf.constant(LABELS))
    sampled = complete._replace(
        cosines=tf.gather(complete.cosines, kept, axis=1), labels=tf.constant([kept.index(one) for one in LABELS])
    )
    columns = kernel.reshape(D, CLASSES, -1)[:, kept].reshape(D, -1)
    z = equations.quality(np.linalg.norm(embeddings, axis=1), 6.0, 3.0, getattr(loss, "h", 1))
    labels = [kept.index(one) for one in LABELS]
    wanted = equations.value(loss, embeddings.astype(np.float64), columns, labels, head.scale, float(head.margin), z=z)
    assert float(loss.value(sampled)) == pytest.approx(wanted, rel=1e-5)
    assert float(loss.value(sampled)) < float(loss.value(complete))
    # The target of a row does not depend on which other classes are there.
    np.testing.assert_allclose(loss.target(sampled), loss.target(complete), rtol=1e-6)


@every_variant
def test_mixtures_of_two_identities(loss):
    """Each row's loss is that of either label, so their weighted sum is the loss of a mixture."""
    embeddings, kernel = drawn(loss)
    head = head_of(loss, kernel)
    rows = []
    for labels in (LABELS, LABELS[::-1].copy()):
        batch = head.batch(tf.constant(embeddings), tf.constant(labels))
        rows.append(loss.rows(batch))
        penalty = loss.penalty(batch)
        mean = float(keras.ops.mean(rows[-1])) + (0 if penalty is None else float(penalty))
        assert mean == pytest.approx(float(loss.value(batch)), rel=1e-6)
    assert rows[0].shape == (len(LABELS),)
    assert np.isfinite(0.3 * rows[0] + 0.7 * rows[1]).all()


def test_smoothing_is_spread_over_the_classes_alone():
    embeddings, kernel = drawn(UNPG())
    values = [value_and_gradients(head_of(kind, kernel), embeddings, LABELS, 0.2)[0] for kind in (UNPG(), ArcFace())]
    plain = [value_and_gradients(head_of(kind, kernel), embeddings, LABELS)[0] for kind in (UNPG(), ArcFace())]
    assert values[0] - values[1] == pytest.approx(plain[0] - plain[1], rel=1e-4)


def test_adaface_keeps_running_averages_of_the_norms():
    loss = AdaFace(momentum=0.9)
    embeddings, kernel = drawn(loss)
    head = loss(CLASSES)
    head.build((None, D))
    norms = np.linalg.norm(embeddings.astype(np.float64), axis=1)
    mean, std = 20.0, 100.0
    for scale in (1.0, 0.5, 40.0):
        loss.update(head.batch(tf.constant(embeddings * scale), tf.constant(LABELS)))
        seen = np.clip(norms * scale, 1e-3, 100)
        mean, std = 0.9 * mean + 0.1 * seen.mean(), 0.9 * std + 0.1 * seen.std(ddof=1)
        assert float(head.loss_state["norm_mean"]) == pytest.approx(mean, rel=1e-5)
        assert float(head.loss_state["norm_std"]) == pytest.approx(std, rel=1e-5)
    assert kernel.shape == head.kernel.shape


def test_adaface_is_arcface_for_poor_images_and_cosface_for_average_ones():
    embeddings, kernel = drawn(AdaFace())
    embeddings = 6 * embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    head = head_of(AdaFace(margin=0.4, h=1.0), kernel)

    def targets(kind, mean):
        made = head_of(kind, kernel)
        if made.loss_state:
            made.loss_state["norm_mean"].assign(mean)
        return kind.target(made.batch(tf.constant(embeddings), tf.constant(LABELS))).numpy()

    theta = np.arccos(np.asarray(head.batch(tf.constant(embeddings), tf.constant(LABELS)).own))
    poor = targets(AdaFace(margin=0.4, h=1.0), 100.0)
    np.testing.assert_allclose(poor, np.cos(np.minimum(theta + 0.4, math.pi - 1e-3)), atol=1e-5)
    np.testing.assert_allclose(targets(AdaFace(margin=0.4), 6.0), targets(CosFace(margin=0.4), 0), atol=1e-5)


def test_magface_draws_short_embeddings_out_and_leaves_long_ones():
    loss = MagFace(margin=0.0, margin_low=0.0, weight=1.0)
    kernel = np.eye(2, dtype=np.float32)
    head = head_of(loss, kernel, classes=2)
    lengths = np.array([0.5, 9.0, 11.0, 60.0, 109.0, 111.0, 500.0], np.float32)
    source = tf.Variable(np.stack([lengths, np.zeros(7, np.float32)], 1))
    with tf.GradientTape() as tape:
        term = loss.penalty(head.batch(source, tf.zeros(7, tf.int32)))
    slope = 7 * tape.gradient(term, source).numpy()[:, 0]
    assert slope[:2] == pytest.approx([1 / 110**2 - 1 / 100] * 2, rel=1e-4)
    assert slope[2:5] == pytest.approx([1 / 110**2 - 1 / a**2 for a in lengths[2:5]], rel=1e-4)
    assert (slope[5:] == 0).all()


def test_the_whiskers_leave_out_what_is_far_from_the_others():
    random = np.random.default_rng(5)
    embeddings, labels = random.normal(size=(40, 16)), random.integers(0, 8, 40)
    # An image under a wrong label: almost the same as one of another identity.
    embeddings[1], labels[:2] = embeddings[0] + 0.01, (0, 1)
    head = head_of(UNPG(), random.normal(size=(16, 8)).astype(np.float32), classes=8)
    pairs = pairs_of(head.batch(tf.constant(embeddings.astype(np.float32)), tf.constant(labels)))
    for whisker in (0.0, 1.0, 1.5, 50.0):
        kept = np.sort(np.asarray(pairs.cosines)[np.asarray(inside_whiskers(pairs, whisker))])
        wanted = sorted(equations.box_and_whiskers(equations.pairs(embeddings, labels)[1], whisker))
        # The pairs on a whisker's end may differ in the last digit.
        assert abs(len(kept) - len(wanted)) <= 1
        assert (kept.max() > 0.99) == (whisker == 50.0)


def test_mixface_s_scales_follow_from_e():
    assert MixFace()(370).scale == pytest.approx((math.log(369) + 22 * math.log(10)) / math.cos(0.5))
    assert MixFace(scale=20.0)(370).scale == 20.0
    assert ArcFace()(370).scale == default_scale(370)


def test_sub_centres_take_the_nearest():
    head = ArcFace(sub_centres=2)(3)
    head.build((None, 2))
    angles = np.radians([0, 90, 180, 270, 45, 225])
    head.kernel.assign(np.stack([np.cos(angles), np.sin(angles)]))
    cosines = head.cosines(tf.constant([[1.0, 0.1], [-1.0, -1.0]])).numpy()
    np.testing.assert_array_equal(cosines.argmax(axis=1), [0, 2])
    assert cosines[1] == pytest.approx([-math.sqrt(0.5), math.sqrt(0.5), 1 - 1e-3], abs=1e-5)


@every_variant
def test_the_margin_and_the_scale_grow(loss):
    head = replace(loss, scale=64.0, scale_start=16.0)(CLASSES)
    head.build((None, D))
    ramp = MarginRamp(head, 1, 4, 10)
    seen = []
    for epoch, batch in ((0, 0), (1, 0), (2, 0), (4, 0), (9, 5)):
        ramp.on_epoch_begin(epoch)
        ramp.on_train_batch_begin(batch)
        seen.append((float(head.margin), float(head.batch(tf.zeros((1, D)), tf.zeros(1, tf.int32)).scale)))
    assert [margin for margin, _ in seen] == pytest.approx([share * loss.margin for share in (0, 0, 1 / 3, 1, 1)])
    assert [scale for _, scale in seen] == pytest.approx([16, 16 * math.sqrt(2), 32, 64, 64])
    head.ramp(0.0, 0.0)
    embeddings, kernel = drawn(loss)
    head.kernel.assign(kernel)
    # Without a margin, and with what the batch adds left out, all are the normalised softmax.
    batch = head.batch(tf.constant(embeddings), tf.constant(LABELS))
    np.testing.assert_allclose(loss.logits(batch), 16 * batch.cosines, atol=1e-4)


def test_a_constant_scale_has_no_variable():
    """So that checkpoints of runs without a ramp of the scale can be loaded."""
    head = ArcFace()(CLASSES)
    head.build((None, D))
    assert [weight.name for weight in head.weights] == ["kernel", "margin"]


@pytest.mark.parametrize("name", sorted(LOSSES.members))
def test_a_separable_problem_is_learned(name):
    keras.utils.set_random_seed(1)
    random = np.random.default_rng(0)
    people = random.normal(size=(4, 6))
    y = np.arange(24) % 4
    x = (people[y] + 0.2 * random.normal(size=(24, 6))).astype(np.float32)
    image = keras.Input((6,))
    model = FaceModel(
        keras.Model(image, keras.layers.Dense(5, use_bias=False)(image)), LOSSES.members[name](scale=12.0)(4)
    )
    model.head.ramp(0.5, 1.0)
    started = {key: float(variable) for key, variable in model.head.loss_state.items()}
    values = []
    for _ in range(15):
        with tf.GradientTape() as tape:
            values.append(model.compute_loss(x, y, model(x)))
        for variable, gradient in zip(
            model.trainable_variables, tape.gradient(values[-1], model.trainable_variables), strict=True
        ):
            variable.assign_sub(0.1 * gradient / tf.norm(gradient) * tf.norm(variable))
    assert float(values[-1]) < 0.8 * float(values[0])
    cosines = np.asarray(model.head.batch(model(x), y).cosines)
    assert (cosines.argmax(axis=1) == y).mean() > 0.9
    assert all(float(variable) != started[key] for key, variable in model.head.loss_state.items())


@pytest.mark.parametrize("name", sorted(LOSSES.members))
def test_it_is_made_again_from_its_description(name):
    made = LOSSES.members[name](sub_centres=3, scale_start=4.0)
    described = made(7).described()
    again = LOSSES.make(name, {key: value for key, value in described.items() if key != "classes"})
    assert again == replace(made, scale=made(7).scale)


def test_the_command_line_chooses_it():
    config = stage.compose("train", ["loss=unpg", "loss.base=cosface", "loss.margin=0.2", "loss.scale_start=4"])
    assert LOSSES.instantiate(config["loss"]) == UNPG(base="cosface", margin=0.2, scale_start=4)


def test_a_loss_with_variables_is_resumed_exactly(tiny_manifest, tmp_path):
    """Two epochs are the same as one, an interruption, and one more."""
    settings = FitSettings(epochs=2, batch_size=8, images_per_epoch=24)
    loss = AdaFace(momentum=0.5, scale_start=4.0)

    def state(directory):
        with h5py.File(directory / "checkpoints" / "epoch-0002.weights.h5") as file:
            found = {}
            file.visititems(lambda key, one: found.update({key: one[()]}) if isinstance(one, h5py.Dataset) else None)
        return found

    (tmp_path / "a").mkdir()
    train_run(tiny_manifest, tmp_path / "a", TINY, loss, SMALL_ADAMW, settings)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    # The state after the first epoch is kept, and used where that of the second is lost.
    (tmp_path / "b" / "checkpoints" / "epoch-0002.weights.h5").unlink()
    assert train_run(tiny_manifest, tmp_path / "b", TINY, loss, SMALL_ADAMW, settings, resume=True).epochs == 2
    first, second = state(tmp_path / "a"), state(tmp_path / "b")
    assert first.keys() == second.keys()
    for key, value in first.items():
        np.testing.assert_array_equal(value, second[key], err_msg=key)
    # Of the head: margin, mean and standard deviation of the norms, and the scale.
    assert sum(value.shape == () and key.startswith("head/") for key, value in first.items()) == 4
    assert not np.isclose(first["head/vars/2"], 20.0)


@pytest.mark.parametrize(
    ("kind", "wrong", "key"),
    [
        (ArcFace, {"sub_centres": 0}, "sub_centres"),
        (ArcFace, {"sub_centres": 2.5}, "sub_centres"),
        (ArcFace, {"scale_start": 0.0}, "scale_start"),
        (AdaFace, {"margin": 1.0}, "margin"),
        (AdaFace, {"h": 0.0}, "h"),
        (AdaFace, {"momentum": 1.0}, "momentum"),
        (MagFace, {"margin": 1.6}, "margin"),
        (MagFace, {"margin": 0.3}, "margin_low"),
        (MagFace, {"norm_low": 200.0}, "norm_low"),
        (MagFace, {"norm_low": 0.0}, "norm_low"),
        (MagFace, {"weight": -1.0}, "weight"),
        (UNPG, {"base": "adaface"}, "base"),
        (UNPG, {"base": "cosface", "margin": 1.2}, "margin"),
        (UNPG, {"whisker": -0.1}, "whisker"),
        (MixFace, {"margin": 1.6}, "margin"),
        (MixFace, {"e": 0.0}, "e"),
        (MixFace, {"e": 0.9}, "e"),
    ],
)
def test_what_makes_no_sense_is_refused(kind, wrong, key):
    with pytest.raises(ConfigError) as caught:
        kind(**wrong)
    assert caught.value.where == f"loss.{key}"
    assert key in {field.name for field in fields(kind)}


@pytest.mark.slow
def test_jax_computes_the_same(tmp_path):
    script = Path(__file__).with_name("losses_in_jax.py")
    given = {}
    for name, loss in VARIANTS.items():
        embeddings, kernel = drawn(loss)
        given[name] = {"embeddings": embeddings.tolist(), "kernel": kernel.tolist(), "labels": LABELS.tolist()}
        given[name]["loss"] = {"name": loss.name, **{f.name: getattr(loss, f.name) for f in fields(loss)}}
    (tmp_path / "in.json").write_text(json.dumps(given))
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "in.json")], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    for name, loss in VARIANTS.items():
        embeddings, kernel = drawn(loss)
        head = head_of(loss, kernel)
        loss.update(head.batch(tf.constant(embeddings), tf.constant(LABELS)))
        value, gradients = value_and_gradients(head, embeddings, LABELS, 0.1)
        assert found[name]["value"] == pytest.approx(value, rel=1e-5), name
        for one, other in zip(found[name]["gradients"], gradients, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * np.abs(other).max(), err_msg=name)
        assert found[name]["state"] == pytest.approx(
            {key: float(one) for key, one in head.loss_state.items()}, rel=1e-5
        )
