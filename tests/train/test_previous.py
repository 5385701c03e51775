"""Runs of the previous version: resumed, loaded and compared in today's terms."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from omegaconf import OmegaConf, open_dict
from tiny_training import run

from kface import stage
from kface.errors import TrainingError
from train import backbones, checkpoints, previous, resuming
from train.job import plain
from train.trained import load_backbone
from train.verification import untrained

#: What the previous version added to a loss's description.
KERAS = {"dtype": {"class_name": "DTypePolicy", "config": {"name": "float32"}}, "name": "ArcFace", "trainable": True}


def older(config):
    """A composed configuration as the previous version wrote it into ``config.yaml``."""
    config = config.copy()
    with open_dict(config):
        del config["callbacks"], config["logger"], config.backbone["_target_"]
        config.backbone.name = "mobilenetv2"
        config.backbone.head = config.backbone.pop("neck")
        config.fit.tensorboard = True
    return OmegaConf.to_yaml(config, resolve=True)


@pytest.mark.parametrize("optimizer", ["train.optimizers.AdamW", "train.optimizers.adamw"])
def test_its_settings_are_compared_by_their_new_names(tmp_path, optimizer):
    config = stage.compose("train", ["backbone=mobilenetv2"])
    text = older(config)
    assert "head: gdc" in text
    (tmp_path / "config.yaml").write_text(text.replace("train.optimizers.AdamW", optimizer))
    assert resuming.check(tmp_path, plain(config)) == {}
    for override, message in (
        ("backbone.neck=gap", r"backbone\.neck gdc -> gap"),
        ("backbone=resnet50", "backbone MobileNetV2 -> ResNet50"),
        ("optimizer.learning_rate=0.5", r"optimizer\.learning_rate 0\.001 -> 0\.5"),
    ):
        with pytest.raises(TrainingError, match=message):
            resuming.check(tmp_path, plain(stage.compose("train", ["backbone=mobilenetv2", override])))


@pytest.fixture
def old_run(undisturbed, tmp_path):
    """The tiny run, with ``state.json`` and ``model.json`` in the previous schema versions."""
    directory = Path(shutil.copytree(undisturbed[0], tmp_path / "old"))
    for name, schema in (("checkpoints/state.json", 2), ("model.json", 1)):
        path = directory / name
        document = json.loads(path.read_text())
        described = document["run"] if schema == 2 else document
        described["backbone"]["head"] = described["backbone"].pop("neck")
        described["loss"] = {**described["loss"], **KERAS}
        document["schema"] = schema
        if schema == 2:
            del described["backbone"]["size"]
            del described["callbacks"]
            described["fit"]["tensorboard"] = False
            described["optimizer"] = {"_target_": "keras.src.optimizers.adamw.AdamW", "global_clipnorm": 5.0}
        path.write_text(json.dumps(document))
    return directory


def test_its_run_is_resumed(old_run, tiny_manifest):
    assert run(tiny_manifest, old_run, epochs=4, resume=True).epochs == 4
    state = json.loads((old_run / "checkpoints" / "state.json").read_text())
    assert (state["schema"], state["epoch"]) == (checkpoints.SCHEMA, 4)
    assert state["run"]["optimizer"]["_target_"] == "train.optimizers.AdamW"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"batch_size": 16}, r"fit\.batch_size 8 -> 16"),
        ({"label_smoothing": 0.1}, r"fit\.label_smoothing 0\.0 -> 0\.1"),
    ],
)
def test_its_run_is_not_resumed_with_other_settings(old_run, tiny_manifest, changed, message):
    state = checkpoints.read_state(old_run / "checkpoints")
    described = {**state.run, "fit": {**state.run["fit"], **changed}, "optimizer": {}}
    checkpoints.compare(old_run / "checkpoints", state, {**described, "fit": state.run["fit"]})
    with pytest.raises(TrainingError, match=message):
        checkpoints.compare(old_run / "checkpoints", state, described)


def test_its_network_is_loaded(old_run, undisturbed):
    images = np.random.default_rng(0).uniform(-1, 1, (2, 112, 112, 3)).astype(np.float32)
    wanted = np.asarray(undisturbed[1].backbone(images, training=False))
    np.testing.assert_allclose(np.asarray(load_backbone(old_run)(images, training=False)), wanted, atol=1e-6)


def test_its_untrained_network_is_built(tmp_path):
    arguments = {"name": "mobilenetv2", "embedding": 16, "head": "gap", "width": 0.125}
    network = untrained(arguments, 3, tmp_path)
    keras.utils.set_random_seed(3)
    again = backbones.build("mobilenetv2", embedding=16, neck="gap", width=0.125)
    for one, other in zip(network.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("name", "schema"), [("checkpoints/state.json", 1), ("model.json", 3), ("model.json", True)])
def test_other_versions_are_refused(old_run, name, schema):
    path = old_run / name
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": schema}))
    with pytest.raises(TrainingError, match=rf"has schema version {schema} instead of \d; "):
        load_backbone(old_run) if name == "model.json" else checkpoints.read_state(old_run / "checkpoints")


def test_settings_of_this_version_are_unchanged():
    settings = plain(stage.compose("train", ["backbone=mobilenetv2"]))
    assert previous.settings(settings) == settings
