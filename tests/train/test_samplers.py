"""The group ``sampler``: its files, and a training with it that is resumed."""

import dataclasses
import json
from pathlib import Path

import pytest
import yaml
from tiny_training import HEAD, SMALL_ADAMW, TINY

from kface.errors import TrainingError
from train.fit import FitSettings, train_run
from train.samplers import PK, SAMPLERS, Balanced

CONF = Path(__file__).resolve().parents[2] / "conf" / "sampler"


def test_every_member_has_its_file_with_its_fields_and_defaults():
    assert sorted(SAMPLERS.members) == sorted(path.stem for path in CONF.glob("*.yaml"))
    for name, kind in SAMPLERS.members.items():
        document = yaml.safe_load((CONF / f"{name}.yaml").read_text("utf-8"))
        assert document.pop("_target_") == f"train.samplers.{kind.__name__}"
        assert document == dataclasses.asdict(kind())


def trained(manifest, directory, sampler, epochs, resume=False):
    settings = FitSettings(epochs=epochs, batch_size=8, images_per_epoch=16, augmentation=None)
    return train_run(manifest, directory, TINY, HEAD, SMALL_ADAMW, settings, resume=resume, sampler=sampler)


def test_a_sampler_belongs_to_the_run(tiny_manifest, tmp_path):
    sampler = PK(images_per_identity=2)
    trained(tiny_manifest, tmp_path, sampler, 1)
    saved = json.loads((tmp_path / "checkpoints" / "state.json").read_text())["run"]
    assert saved["sampler"] == {"_target_": "train.samplers.PK", "images_per_identity": 2, "power": 0.0}
    for other in (Balanced(), None):
        with pytest.raises(TrainingError, match="was trained with other settings"):
            trained(tiny_manifest, tmp_path, other, 2, resume=True)
    assert [row["epoch"] for row in trained(tiny_manifest, tmp_path, sampler, 2, resume=True).history] == ["1", "2"]
