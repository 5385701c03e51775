"""Runs of earlier versions, in the terms of this one: settings and descriptions that have been renamed since."""

from collections.abc import Mapping

from train.registry import Json

#: Targets in ``config.yaml`` and ``state.json`` that have another name now.
TARGETS = {
    "train.heads.ArcFace": "train.losses.arcface.ArcFace",
    "train.heads.CosFace": "train.losses.cosface.CosFace",
    "train.heads.Softmax": "train.losses.softmax.Softmax",
    "train.optimizers.adamw": "train.optimizers.AdamW",
    "train.optimizers.sgd": "train.optimizers.SGD",
}
#: Settings that were added later, with the value that has the effect of their absence.
ADDED: dict[str, dict[str, Json]] = {
    "loss": {"scale_start": None, "sub_centres": 1},
    "protocol": {"test_conditions": "same"},
}
#: Groups that were added later, with the settings that have the effect of their absence.
LATER: dict[str, dict[str, Json]] = {
    "exclude": {"testset": None, "by": ["name", "image"], "bundle": None, "threshold": None},
    "sampler": {"_target_": "train.samplers.Natural", "per_identity_cap": None},
}
#: Backbones were named by ``backbone.name``.
BACKBONES = {
    "mobilenetv2": "train.backbones.MobileNetV2",
    "resnet50": "train.backbones.ResNet50",
}
#: ``state.json`` of this schema version and older is translated by :func:`state`.
STATE_SCHEMA = 2


def backbone(described: Mapping[str, object]) -> dict[str, object]:
    """Translate a backbone's description: ``head`` is ``neck`` now, and ``size`` was not recorded."""
    translated = dict(described)
    if "head" in translated and "neck" not in translated:
        translated["neck"] = translated.pop("head")
    return translated


def settings(config: Mapping[str, Json]) -> dict[str, Json]:
    """Translate the settings of a ``config.yaml``; those of this version are returned unchanged."""
    translated = dict(config)
    group = translated.get("backbone")
    if isinstance(group, dict) and "_target_" not in group:
        old = dict(group)
        name = old.pop("name", None)
        if "head" in old:
            old["neck"] = old.pop("head")
        translated["backbone"] = {"_target_": BACKBONES.get(str(name), str(name)), **old}
    fit = translated.get("fit")
    if isinstance(fit, dict):
        # The log is chosen by the group "logger" now.
        translated["fit"] = {key: value for key, value in fit.items() if key != "tensorboard"}
    for name, group in LATER.items():
        translated.setdefault(name, group)
    # Every step computed all identities.
    translated.setdefault("head", {"_target_": "train.partial.Sampling", "sample_rate": 1.0, "shards": 8})
    return renamed(translated)


def renamed(described: Mapping[str, Json]) -> dict[str, Json]:
    """Give groups of settings their present targets, and the settings that did not exist the value of their absence."""
    translated = dict(described)
    for name, group in translated.items():
        if not isinstance(group, dict):
            continue
        new = {**ADDED.get(name, {}), **group}
        target = new.get("_target_")
        if isinstance(target, str):
            new["_target_"] = TARGETS.get(target, target)
        translated[name] = new
    return translated


def state(run: Mapping[str, Json]) -> dict[str, Json]:
    """Translate what a ``state.json`` of schema version 2 says of its run; later ones need :func:`renamed` alone.

    It described the optimizer by Keras's own configuration, which does not compare with its settings here; ``config.yaml``
    does. The optimizer is therefore left out.
    """
    translated = {key: value for key, value in run.items() if key != "optimizer"}
    network, loss, fit = (translated.get(key) for key in ("backbone", "loss", "fit"))
    if isinstance(network, dict):
        old = dict(network)
        if "head" in old:
            old["neck"] = old.pop("head")
        translated["backbone"] = {"size": 112, **old}
    if isinstance(loss, dict):
        extra = ("dtype", "name", "trainable")
        translated["loss"] = {key: value for key, value in loss.items() if key not in extra}
    if isinstance(fit, dict):
        translated["fit"] = {key: value for key, value in fit.items() if key != "tensorboard"}
    return translated
