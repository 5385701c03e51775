"""What may change when a run is resumed: nothing that decides its weights.

Settings are compared by what is exempt, not by what counts, so that a setting added later counts until it is listed here.
A run's weights, its ``config.yaml`` and its row of Table 5 therefore tell of the same settings.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kface import yaml_file
from kface.errors import ConfigError, TrainingError
from kface.evaluation.runs import CONFIG
from kface.files import PathLike

#: Settings, and groups of settings, that do not decide the weights. Where the images lie does not; what they are is
#: compared by the data set's fingerprint.
FREE = (
    "backend",
    "corpus.jobs",
    "corpus.parent",
    "corpus.root",
    "data_dir",
    "evaluate",
    "fit.tensorboard",
    "jobs",
    "output_dir",
    "progress",
    "resume",
)
#: Old names of what a setting makes: a run from before goes on.
RENAMED = {"train.optimizers.adamw": "train.optimizers.AdamW", "train.optimizers.sgd": "train.optimizers.SGD"}
#: A run may become longer: its learning rate and margin then follow the longer run's course, and the run says so.
EPOCHS = "fit.epochs"
#: Differences that one line names.
SHOWN = 8
NEW_RUN = "leave resume out to start a new run, or give the old values"

#: What stands in the place of a setting that is not there.
ABSENT = "absent"


def flat(settings: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the settings inside nested groups as (key with dots, value); an empty group is a value."""
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def differences(old: dict[str, Any], new: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return by key what two nested settings do not share, as (old, new), :data:`FREE` settings left out.

    Of a group that makes another thing now (``optimizer._target_``) only that is told.
    """
    before, after = (
        {key: RENAMED.get(value, value) if key.endswith("._target_") else value for key, value in flat(settings)}
        for settings in (json.loads(json.dumps(old)), json.loads(json.dumps(new)))
    )
    changed = {
        key: (before.get(key, ABSENT), after.get(key, ABSENT))
        for key in sorted(set(before) | set(after))
        if not _same(before.get(key, ABSENT), after.get(key, ABSENT)) and not free(key)
    }
    made = [key.rpartition(".")[0] for key in changed if key.endswith("._target_")]
    return {
        key: pair
        for key, pair in changed.items()
        if key.endswith("._target_") or not any(key.startswith(f"{group}.") for group in made)
    }


def free(key: str) -> bool:
    """Return whether a setting may change from one start of a run to the next."""
    return any(key == name or key.startswith(f"{name}.") for name in FREE)


def longer(changed: dict[str, tuple[Any, Any]]) -> bool:
    """Return whether the run becomes longer."""
    old, new = changed.get(EPOCHS, (0, 0))
    return type(old) is int and type(new) is int and old < new


def refuse(changed: dict[str, tuple[Any, Any]], run: PathLike) -> None:
    """Raise TrainingError where anything but the number of epochs, upward, has changed."""
    kept = {key: pair for key, pair in changed.items() if key != EPOCHS or not longer(changed)}
    if not kept:
        return
    told = [_told(key, *pair) for key, pair in kept.items()]
    more = f" and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
    raise TrainingError(f"was trained with other settings: {', '.join(told[:SHOWN])}{more}", run, NEW_RUN)


def check(run_dir: Path, config: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Compare the configuration that a run was started with with the one that it is to be resumed with.

    Args:
        run_dir: The run.
        config: The new configuration, resolved.

    Returns:
        What has changed that may change: more epochs, or nothing. Without a ``config.yaml`` in the run there is nothing to
        compare; the checkpoint says what decides the weights as well.

    Raises:
        TrainingError: Anything else that decides the weights has changed, or ``config.yaml`` is damaged.
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
        changed = differences(old, config)
    except ConfigError as error:
        raise TrainingError(error.what, path, "leave resume out to start a new run")
    except (TypeError, ValueError, RecursionError):
        raise TrainingError("is damaged", path, "leave resume out to start a new run")
    refuse(changed, run_dir)
    return changed


def _same(old: Any, new: Any) -> bool:
    # True is 1 to Python, and 1 is 1.0; a setting that turns from one to the other is another setting only for a bool.
    return bool(old == new) and isinstance(old, bool) == isinstance(new, bool)


def _told(key: str, old: Any, new: Any) -> str:
    if key.endswith("._target_"):
        key, old, new = (key.rpartition(".")[0], *(str(value).rpartition(".")[2] for value in (old, new)))
    return f"{key} {_shown(old)} -> {_shown(new)}"


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:37] + "..."
