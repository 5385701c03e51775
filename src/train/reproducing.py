"""A run again from its own settings: ``kface train recipe=RUN/config.yaml``; and what else decides what a run computes."""

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from kface import yaml_file
from kface.errors import ConfigError
from kface.evaluation.runs import CONFIG
from kface.files import sha256_bytes, sha256_file
from kface.redaction import redact
from train import previous
from train.registry import Json

#: Packages whose versions a run writes down.
PACKAGES = ("kface", "tensorflow", "tensorflow-cpu", "keras", "jax", "numpy", "opencv-python-headless", "h5py")
#: Settings of this machine and this start, which a recipe does not replace.
OWN = ("backend", "data_dir", "hosts", "jobs", "output_dir", "progress", "recipe", "resume")


def resolved(config: DictConfig, given: Sequence[str] = ()) -> DictConfig:
    """Return the settings of the run that ``recipe`` names, with those of this start and of this machine; else the same.

    Args:
        config: The composed configuration.
        given: The overrides of the command line.

    Raises:
        ConfigError: The recipe cannot be read, or an override chooses another member of a group or another recipe.
    """
    named = config.get("recipe")
    if named is None:
        return config
    if not isinstance(named, str):
        raise ConfigError(f"must be a run's directory or its {CONFIG}, not {named!r}", "recipe")
    path = Path(named).expanduser()
    path = path / CONFIG if path.is_dir() else path
    if not path.is_file():
        raise ConfigError("does not exist", path, f"give a run's directory, or its {CONFIG}")
    settings = previous.settings(yaml_file.read(path, "is damaged: it holds no settings")[0])
    if not {"corpus", "backbone", "loss", "fit"} <= set(settings):
        raise ConfigError("holds no settings of a training", path, f"give a run's directory, or its {CONFIG}")
    made = OmegaConf.create(settings)
    OmegaConf.set_struct(config, False)
    for key in config:
        # A group that is newer than the recipe.
        if key in OWN or key not in made:
            made[key] = config[key]
    for override in given:
        key, _, _ = override.lstrip("+~").partition("=")
        if key in OWN:
            continue
        node = OmegaConf.select(config, key, default=None)
        if "." not in key and (isinstance(node, DictConfig) or key == "experiment"):
            if key not in ("logger", "callbacks"):
                raise ConfigError(
                    "cannot be given together with recipe, whose choice it would replace",
                    override,
                    f"leave it out, or change a single setting, such as {key}.KEY=VALUE",
                )
            made[key] = node
        else:
            # Of a group within a group that is newer than the recipe, all settings are needed.
            parts = key.split(".")
            groups = (".".join(parts[:count]) for count in range(1, len(parts)))
            key = next((group for group in groups if OmegaConf.select(made, group) is None), key)
            OmegaConf.update(made, key, OmegaConf.select(config, key), force_add=True)
    return made


def given() -> list[str]:
    """Return the overrides of the command line."""
    from hydra.core.hydra_config import HydraConfig

    return [str(one) for one in HydraConfig.get().overrides.task] if HydraConfig.initialized() else []


def redacted(config: DictConfig) -> str:
    """Return a configuration as YAML for a run's directory: resolved, and without the logins of loggers' addresses."""
    kept = OmegaConf.to_container(config, resolve=True)
    if not isinstance(kept, dict):
        raise ConfigError("must be a group of settings", "the configuration")
    kept["logger"] = _without_logins(kept.get("logger"))
    if "recipe" in kept:
        kept["recipe"] = None
    return OmegaConf.to_yaml(OmegaConf.create(kept))


def _without_logins(value: object) -> object:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: _without_logins(one) for key, one in value.items()}
    return value


def environment() -> dict[str, Json]:
    """Return what a run was computed with: versions, the code's hash, and the machine; it goes into ``run.json``."""
    import keras
    import tensorflow as tf

    gpus = [
        str(tf.config.experimental.get_device_details(device).get("device_name", device.name))
        for device in tf.config.list_physical_devices("GPU")
    ]
    versions: dict[str, Json] = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "packages": versions,
        "code": code(),
        "backend": keras.backend.backend(),
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "processor": _processor(),
            "threads": len(_cores()),
            "gpus": list(gpus),
        },
    }


def code() -> str:
    """Return the SHA-256 of the program's own files, which is its version where there is no repository."""
    lines = []
    for package in ("kface", "train"):
        module = sys.modules[package]
        root = Path(next(iter(module.__path__)))
        for path in sorted(root.rglob("*")):
            if path.suffix in (".py", ".yaml") and path.is_file():
                lines.append(f"{package}/{path.relative_to(root).as_posix()} {sha256_file(path)}")
    return sha256_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))


def _cores() -> set[int]:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as stream:
            names = [line.partition(":")[2].strip() for line in stream if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor()
