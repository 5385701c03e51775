"""Which settings may change when a run is resumed: none that affect its weights.

All settings are compared except those listed here, so that a setting added later is compared as well. A run's weights, its
``config.yaml`` and its row of Table 5 therefore always belong to the same settings.
"""

import dataclasses
import importlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from kface import yaml_file
from kface.errors import ConfigError, TrainingError
from kface.evaluation.runs import CONFIG
from kface.files import PathLike
from train import previous
from train.registry import Json

#: A setting's old and new value.
Change: TypeAlias = tuple[Json, Json]
#: Settings, and groups of settings, that do not affect the weights. Paths of images do not; their content is compared by the
#: fingerprint of the data set.
FREE = (
    "backend",
    "callbacks.progress",
    "callbacks.stop_at_nan",
    "corpus.backend",
    "callbacks.stop_on_signal",
    "corpus.jobs",
    "corpus.parent",
    "corpus.root",
    "data_dir",
    "evaluate",
    # The teacher itself is compared by its fingerprint.
    "fit.distil.teacher",
    "hosts",
    "jobs",
    "logger",
    "output_dir",
    "progress",
    "recipe",
    "resume",
)
#: A run may become longer: learning rate and margin then follow the schedule of the longer run, and ``run.json`` records it.
EPOCHS = "fit.epochs"
#: What ``fit`` is where a run's state describes it.
FIT = "train.fit.FitSettings"
#: Differences that an error lists.
SHOWN = 8
NEW_RUN = "leave resume out to start a new run, or set the old values"

#: In place of the value of a setting that does not exist.
ABSENT = "absent"


def flat(settings: Mapping[str, Json], prefix: str = "") -> Iterator[tuple[str, Json]]:
    """Yield the settings inside nested groups as (key with dots, value); an empty group is a value."""
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def differences(old: Mapping[str, Json], new: Mapping[str, Json]) -> dict[str, Change]:
    """Return the settings that differ, by key, as (old, new), without those in :data:`FREE`.

    Where a group has another choice (``optimizer._target_``), its settings are not listed.
    """
    before, after = (
        {key: value for key, value in flat(json.loads(json.dumps(settings))) if value != {}} for settings in (old, new)
    )
    changed = {
        key: (before.get(key, ABSENT), after.get(key, ABSENT))
        for key in sorted(set(before) | set(after))
        if not _same(before.get(key, ABSENT), after.get(key, ABSENT)) and not free(key)
    }
    groups = [key.rpartition(".")[0] for key in changed if key.endswith("._target_")]
    return {
        key: pair
        for key, pair in changed.items()
        if key.endswith("._target_") or not any(key.startswith(f"{group}.") for group in groups)
    }


def completed(old: Mapping[str, Json], new: Mapping[str, Json] | None = None) -> dict[str, Json]:
    """Return settings with those that did not exist yet or are not given, at the default of their dataclass.

    Args:
        old: A run's settings, as ``config.yaml`` or ``state.json`` holds them.
        new: Today's; a group of these that is null is no change either.
    """
    more: dict[str, Json] = dict(old)
    for key, node in old.items():
        if not isinstance(node, dict):
            continue
        kind = _class(node.get("_target_", FIT if key == "fit" else None))
        more[key] = node if kind is None else _complete(node, kind, named="_target_" in node)
    for key, value in (new or {}).items():
        if value is None:
            more.setdefault(key, None)
    return more


def changes(old: Mapping[str, Json], new: Mapping[str, Json]) -> dict[str, Change]:
    """Return the settings that differ between a run's ``config.yaml``, also of an earlier version, and a configuration."""
    return differences(completed(previous.settings(old), new), completed(new))


def _class(target: Json) -> type | None:
    """Return the dataclass of a ``_target_`` of ours, or None."""
    if not isinstance(target, str) or not target.startswith("train."):
        return None
    module, _, name = target.rpartition(".")
    try:
        kind = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        return None
    return kind if isinstance(kind, type) and dataclasses.is_dataclass(kind) else None


def _complete(node: Mapping[str, Json], kind: type, named: bool) -> dict[str, Json]:
    """Return a group with the fields that it lacks; where `named`, groups inside it have a ``_target_`` as well."""
    made: dict[str, Json] = dict(node)
    for field in dataclasses.fields(kind):
        default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        inside = made.get(field.name)
        if dataclasses.is_dataclass(default) and not isinstance(default, type):
            if isinstance(inside, dict) or field.name not in made:
                target: dict[str, Json] = {"_target_": f"{type(default).__module__}.{type(default).__qualname__}"}
                empty = target if named else {}
                made[field.name] = _complete(inside if isinstance(inside, dict) else empty, type(default), named)
        elif default is not dataclasses.MISSING:
            made.setdefault(field.name, json.loads(json.dumps(default)))
    return made


def compared(settings: Mapping[str, Json]) -> dict[str, Json]:
    """Return the settings that affect the weights, by key."""
    return {key: value for key, value in flat(json.loads(json.dumps(settings))) if not free(key)}


def free(key: str) -> bool:
    """Return whether a setting may change from one start of a run to the next."""
    return any(key == name or key.startswith(f"{name}.") for name in FREE)


def longer(changed: Mapping[str, Change]) -> bool:
    """Return whether the run becomes longer."""
    old, new = changed.get(EPOCHS, (0, 0))
    return type(old) is int and type(new) is int and old < new


def refuse(changed: Mapping[str, Change], run: PathLike) -> None:
    """Raise TrainingError where anything has changed, except for a larger number of epochs."""
    kept = {key: pair for key, pair in changed.items() if key != EPOCHS or not longer(changed)}
    if not kept:
        return
    lines = [_shown_change(key, *pair) for key, pair in kept.items()]
    more = f" and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
    raise TrainingError(f"was trained with other settings: {', '.join(lines[:SHOWN])}{more}", run, NEW_RUN)


def check(run_dir: Path, config: Mapping[str, Json]) -> dict[str, Change]:
    """Compare the configuration that a run was started with and the one for resuming it.

    Args:
        run_dir: The run.
        config: The new configuration, resolved.

    Returns:
        The permitted changes: more epochs, or none. Without a ``config.yaml`` in the run nothing is compared here; the
        checkpoint also holds the settings that affect the weights.

    Raises:
        TrainingError: Another setting that affects the weights has changed, or ``config.yaml`` is damaged.
    """
    path = run_dir / CONFIG
    if not path.exists():
        return {}
    try:
        if not path.is_file():
            raise ConfigError("is not a file", path)
        old, _ = yaml_file.read(path, "is damaged: it holds no settings")
        if not old:
            raise ConfigError("is damaged: it is empty", path)
        changed = changes(old, config)
    except ConfigError as error:
        raise TrainingError(error.what, path, "leave resume out to start a new run")
    except (TypeError, ValueError, RecursionError):
        raise TrainingError("is damaged", path, "leave resume out to start a new run")
    refuse(changed, run_dir)
    return changed


def _same(old: Json, new: Json) -> bool:
    # In Python True equals 1 equals 1.0; of these, only a bool in place of a number is a change.
    return bool(old == new) and isinstance(old, bool) == isinstance(new, bool)


def _shown_change(key: str, old: Json, new: Json) -> str:
    if key.endswith("._target_"):
        key, old, new = (key.rpartition(".")[0], *(str(value).rpartition(".")[2] for value in (old, new)))
    return f"{key} {_shown(old)} -> {_shown(new)}"


def _shown(value: Json) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:37] + "..."
