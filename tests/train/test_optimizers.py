"""Optimizers: steps, schedules and averages against plain numpy, and which weights decay."""

import keras
import numpy as np
import pytest
from tiny_training import TINY

from kface import stage
from kface.errors import ConfigError
from train.optimizers import OPTIMIZERS, SGD, AdamW
from train.registry import describe


def weights():
    """A kernel, a normalisation's scale, a PReLU's slopes and a depthwise kernel."""
    random = np.random.default_rng(0)
    return [
        keras.Variable(random.normal(size=shape).astype(np.float32), name=name)
        for name, shape in (("kernel", (3, 2)), ("gamma", (4,)), ("alpha", (2,)), ("kernel", (3, 3, 2, 1)))
    ]


DECAYED = (True, False, False, True)


def gradients(step):
    random = np.random.default_rng(step + 1)
    return [random.normal(size=variable.shape).astype(np.float32) for variable in weights()]


def run(optimizer, steps=6):
    variables = weights()
    optimizer.build(variables)
    for step in range(steps):
        optimizer.apply([keras.ops.convert_to_tensor(gradient) for gradient in gradients(step)])
    return [variable.numpy() for variable in variables]


def rates(settings, steps_per_epoch, epochs, batch_size=512):
    optimizer = settings(steps_per_epoch, epochs, batch_size)
    return np.array([float(optimizer._learning_rate(step)) for step in range(steps_per_epoch * epochs + 1)])


def by_hand_sgd(rate, momentum, decay, steps=6):
    """Decoupled decay and heavy-ball momentum: w = w - rate decay w, then v = momentum v - rate g, and w = w + v."""
    values = [variable.numpy().astype(np.float64) for variable in weights()]
    speeds = [np.zeros_like(value) for value in values]
    history = []
    for step in range(steps):
        for number, gradient in enumerate(gradients(step)):
            if DECAYED[number]:
                values[number] = values[number] - rate[step] * decay * values[number]
            speeds[number] = momentum * speeds[number] - rate[step] * gradient
            values[number] = values[number] + speeds[number]
        history.append([value.copy() for value in values])
    return history


@pytest.mark.parametrize("schedule", ["cosine", "step", "polynomial"])
def test_sgd_against_numpy(schedule):
    settings = SGD(learning_rate=0.2, weight_decay=0.1, momentum=0.9, warmup_epochs=1, schedule=schedule)
    rate = rates(settings, 2, 3, 256)
    wanted = by_hand_sgd(rate, 0.9, 0.1)[-1]
    for found, value in zip(run(settings(2, 3, 256)), wanted, strict=True):
        np.testing.assert_allclose(found, value, rtol=2e-5, atol=1e-6)


def test_adamw_against_numpy():
    settings = AdamW(learning_rate=0.01, weight_decay=0.5, warmup_epochs=0, clip_norm=2.0)
    rate = rates(settings, 2, 3)
    values = [variable.numpy().astype(np.float64) for variable in weights()]
    first, second = ([np.zeros_like(value) for value in values] for _ in range(2))
    for step in range(6):
        found = gradients(step)
        norm = np.sqrt(sum((gradient**2).sum() for gradient in found))
        for number, gradient in enumerate(found):
            gradient = gradient * min(1, 2.0 / norm)
            first[number] = 0.9 * first[number] + 0.1 * gradient
            second[number] = 0.999 * second[number] + 0.001 * gradient**2
            if DECAYED[number]:
                values[number] = values[number] * (1 - rate[step] * 0.5)
            corrected = first[number] / (1 - 0.9 ** (step + 1)), second[number] / (1 - 0.999 ** (step + 1))
            values[number] = values[number] - rate[step] * corrected[0] / (np.sqrt(corrected[1]) + 1e-7)
    for found, value in zip(run(settings(2, 3, 512)), values, strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", [AdamW, SGD])
def test_the_average_against_numpy(kind):
    plain = kind(learning_rate=0.1, warmup_epochs=0)
    values = [np.stack(steps) for steps in zip(*(run(plain(2, 3, 512), steps) for steps in range(1, 7)), strict=True)]
    optimizer = kind(learning_rate=0.1, warmup_epochs=0, average=0.3)(2, 3, 512)
    for found, value in zip(run(optimizer), values, strict=True):
        # The weights themselves are not changed by being averaged.
        np.testing.assert_allclose(found, value[-1], rtol=1e-6)
    for average, value in zip(optimizer.averages, values, strict=True):
        wanted = value[0]
        for step in range(1, 6):
            momentum = min(0.3, step / (step + 9))
            wanted = momentum * wanted + (1 - momentum) * value[step]
        np.testing.assert_allclose(average.numpy(), wanted, rtol=1e-5, atol=1e-6)


def test_schedules_against_numpy():
    steps, warmup = np.arange(41), 10
    rising = 1e-3 + (1 - 1e-3) * steps / warmup
    progress = np.clip((steps - warmup) / 30, 0, 1)
    wanted = {
        "cosine": 0.05 + 0.95 * (1 + np.cos(np.pi * progress)) / 2,
        "polynomial": 0.05 + 0.95 * (1 - progress) ** 3,
        "step": np.select([steps < 20, steps < 36], [1, 0.2], 0.04),
    }
    for schedule, after in wanted.items():
        settings = AdamW(
            learning_rate=2.0,
            warmup_epochs=1,
            schedule=schedule,
            final_rate=0.05,
            power=3.0,
            drops=[0.5, 0.9],
            drop_factor=0.2,
        )
        found = rates(settings, 10, 4)
        np.testing.assert_allclose(found, 2 * np.where(steps < warmup, rising, after), rtol=1e-4)
    # insightface's arcface_torch, lr_scheduler.PolyScheduler: the rate of a run of 100 steps, 20 of them warm-up.
    poly = rates(SGD(learning_rate=0.1, warmup_epochs=2, schedule="polynomial", final_rate=0.0), 10, 10)
    np.testing.assert_allclose(poly[20:], 0.1 * (1 - (np.arange(20, 101) - 20) / 80) ** 2, atol=1e-7)


@pytest.mark.parametrize("kind", [AdamW, SGD])
def test_without_a_warm_up_it_begins_at_the_highest(kind):
    for schedule in ("cosine", "step", "polynomial"):
        found = rates(kind(learning_rate=0.5, warmup_epochs=0, schedule=schedule), 5, 2)
        assert found[0] == pytest.approx(0.5)
        assert (np.diff(found) <= 1e-9).all()


def test_what_decays():
    network = TINY()
    optimizer = SGD()(10, 4, 512)
    optimizer.build(network.trainable_variables)
    decayed = {
        variable.path.split("/")[-1]
        for variable in network.trainable_variables
        if optimizer._use_weight_decay(variable)
    }
    assert decayed == {"kernel"}
    slopes = keras.layers.PReLU()
    slopes.build((None, 3))
    assert not optimizer._use_weight_decay(slopes.alpha)


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_the_files_have_the_defaults(name):
    # The schedule of the sample has a learning rate of its own.
    made = OPTIMIZERS.instantiate(stage.compose("train", ["corpus=kface", f"optimizer={name}"]).optimizer)
    assert made == OPTIMIZERS.members[name]()
    assert describe(made)["drops"] == [0.5, 0.75, 0.9]


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("schedule", "linear", "unknown schedule 'linear'; choose one of: cosine, step, polynomial"),
        ("final_rate", 2, "must be a number"),
        ("drops", 0.5, "must be a list of numbers from 0 to 1"),
        ("drops", [0.5, 1.5], "must be a number, at least 0, at most 1, not 1.5"),
        ("drop_factor", 0, "must be a number, above 0"),
        ("power", -1, "must be a number"),
        ("average", 1, "must be a number, at least 0, below 1, not 1"),
    ],
)
def test_wrong_settings_are_named(name, wrong, message):
    with pytest.raises(ConfigError, match=rf"^optimizer\.{name}: {message}"):
        SGD(**{name: wrong})
