"""Run directories: ``<output_dir>/<date>/<backbone>-<loss>[-N]``."""

import datetime
from pathlib import Path
from typing import Any, NamedTuple, TypedDict, cast

from kface.data.dataset.manifest import FILE as MANIFEST
from kface.errors import ConfigError, TrainingError
from kface.evaluation.json_files import check_schema, parse, read_json
from kface.evaluation.reports import check_resumed
from kface.fields import Fields
from kface.files import write_atomic, write_json

ABOUT = "run.json"
CONFIG = "config.yaml"
SCHEMA = 1


class About(TypedDict, total=False):
    """What a verified network is: the contents of ``run.json``, and ``run`` in ``report.json``.

    A run has every key up to ``backbone_arguments``; a bundle or an embedder has ``network`` and what its manifest says.
    """

    backbone: str
    loss: str | None
    trained_on: str
    protocol: str
    images: int
    people: int
    epochs: int
    seed: int
    data_set: str
    data_set_fingerprint: str
    backbone_arguments: dict[str, Any]
    network: str
    fingerprint: str
    resumed: list[dict[str, Any]]
    environment: dict[str, Any]


class Resumed(NamedTuple):
    """A run that goes on: its directory, how many epochs are done, and by key the (old, new) settings that may change."""

    directory: Path
    epoch: int
    changed: dict[str, tuple[Any, Any]]


def begin(about: About, outputs: Path, recipe: str) -> Path:
    """Make a new run's directory, write down what it is and return it; raises TrainingError."""
    run_dir = new_run(outputs, about["backbone"], str(about["loss"]))
    write_down(run_dir, about, recipe)
    return run_dir


def resumed_about(resumed: Resumed, about: About) -> About:
    """Return what a run is that goes on: as it is now, and under ``resumed`` what was changed after which epoch.

    Raises:
        TrainingError: Its ``run.json`` is damaged.
    """
    path = resumed.directory / ABOUT
    before = read_about(resumed.directory).get("resumed", []) if path.exists() else []
    if resumed.changed:
        changed = {key: list(pair) for key, pair in resumed.changed.items()}
        before = [*before, {"after_epoch": resumed.epoch, "changed": changed}]
    return {**about, "resumed": before} if before else about


def write_down(run_dir: Path, about: About, recipe: str) -> None:
    """Write a run's ``config.yaml``, the settings as YAML, and ``run.json``; raises TrainingError."""
    try:
        write_atomic(run_dir / CONFIG, recipe.encode("utf-8"))
    except OSError as error:
        raise TrainingError(f"cannot be written ({error.strerror or error})", run_dir / CONFIG, "add output_dir=DIR")
    write_about(run_dir, about)


def new_run(outputs: Path, backbone: str, loss: str) -> Path:
    """Make the directory of a new run; a second one on the same day gets a number.

    Raises:
        TrainingError: It cannot be made.
    """
    day = outputs / datetime.date.today().isoformat()
    for number in range(1, 10_000):
        path = day / (f"{backbone}-{loss}" if number == 1 else f"{backbone}-{loss}-{number}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise TrainingError(f"cannot be made ({error.strerror})", path, "add output_dir=DIR")
        return path
    raise TrainingError("holds 9,999 runs of one day", day, "clear it up")


def find_run(outputs: Path, resume: bool | str, backbone: str, loss: str) -> Path:
    """Return the run to resume: the directory that is named, or the newest of this backbone and loss.

    Raises:
        TrainingError: There is none.
    """
    if isinstance(resume, str):
        path = Path(resume)
        if not path.is_dir():
            raise TrainingError("there is no such run", path, "give a directory in outputs/, or resume=true")
        return path
    name = f"{backbone}-{loss}"
    runs = [path.parent.parent for path in outputs.glob(f"*/{name}*/checkpoints/state.json")]
    # A longer name of another loss must not match: the rest is a number.
    runs = [path for path in runs if path.name == name or path.name[len(name) + 1 :].isdigit()]
    if not runs:
        raise TrainingError(f"there is no run of {name} to resume", outputs, "leave resume out to start one")
    return max(runs, key=lambda path: (path / "checkpoints" / "state.json").stat().st_mtime)


def newest_run(outputs: Path, named: str | None) -> Path:
    """Return a trained run: the one that is named, or the newest.

    Raises:
        ConfigError: There is none.
    """
    if named:
        path = Path(named).expanduser()
        if not (path / "model.json").is_file():
            raise ConfigError("holds no trained network", named, "give a directory in outputs/ that has a model.json")
        return path
    runs = list(outputs.glob("*/*/model.json"))
    if not runs:
        raise ConfigError("there is no trained run", outputs, "run: kface train backbone=resnet50 loss=arcface")
    return max(runs, key=lambda path: path.stat().st_mtime).parent


def data_set_of(run_dir: Path, about: About, data_dir: str | Path) -> Path:
    """Return the directory of the data set that a run was trained on.

    A run writes it down as the settings gave it, as a rule relative to the directory of the training. It is looked for
    from the directories that hold the run, from the current one, and in ``data_dir``, so that a run can be used from
    anywhere and after it was moved or copied together with its data.

    Args:
        run_dir: The run.
        about: What :func:`read_about` says of it.
        data_dir: Where this machine keeps its data.

    Returns:
        The first place that holds a data set; the one that was written down where none does.
    """
    written = Path(about["data_set"])
    places = [
        *(parent / written for parent in run_dir.resolve().parents),
        written,
        Path(data_dir) / "aligned" / written.name,
    ]
    return next((place for place in places if (place / MANIFEST).is_file()), written)


def write_about(run_dir: Path, about: About) -> None:
    """Write down what a run is (backbone, loss, data set, ...) before it starts; raises TrainingError."""
    try:
        write_json(run_dir / ABOUT, {"schema": SCHEMA, **about})
    except OSError as error:
        raise TrainingError(f"cannot be written ({error.strerror or error})", run_dir / ABOUT, "add output_dir=DIR")


def read_about(run_dir: Path) -> About:
    """Return what :func:`write_about` wrote.

    Raises:
        TrainingError: It is absent, damaged or of another version.
    """
    path = run_dir / ABOUT
    about = read_json(path, "train again", "give a run's directory: run=DIR")
    check_schema(about, SCHEMA, path, "train again")
    parse(lambda fields: _check(fields, "resumed" in about), about, path, "train again")
    del about["schema"]
    return cast(About, about)


def _check(fields: Fields, resumed: bool) -> None:
    for key in ("backbone", "loss", "trained_on", "data_set"):
        fields.text(key)
    fields.object("backbone_arguments").text("name")
    fields.whole("seed")
    if resumed:
        check_resumed(fields)
