"""The settings of ``conf/evaluate/``: the test sets on which networks are verified, and how."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kface import checks
from kface.checks import flag, text, whole
from kface.data.protocols import read_pairs
from kface.data.testsets import PHOTOGRAPH_SETS
from kface.errors import ConfigError
from kface.mtcnn import settings as cascade

#: Maximum number of draws of people for an interval: more would not change a digit that is shown.
MOST_DRAWS = 100_000
#: mixface's pairs among the test people.
PROTOCOLS = ("q1", "q2", "q3", "q4")


@dataclass(frozen=True)
class EvaluateSettings:
    """The test sets on which networks are verified, and how.

    Attributes:
        sets: Where the test sets of photographs are, by their keys in
            :data:`~kface.data.testsets.registry.PHOTOGRAPH_SETS`.
        pairs: Maximum number of pairs among the data set's test people, a file of pairs, or None for no pairs.
        protocols: Of :data:`PROTOCOLS`: mixface's pairs among the data set's test people.
        pair_lists: A folder with their published lists; None to draw them.
        conditions: Whether the test people are compared by condition.
        brighten: Ways to brighten photographs in which no face is found.
        bootstrap: Draws of people for the intervals; 0 for none.
        mirror: Whether the mirrored face's embedding is added.
        before: Whether the untrained network is verified too.
        seed: Of the pairs and the draws.
        data_dir: Directory for the faces found in photographs.
        progress: Whether to show progress bars.
    """

    sets: Mapping[str, Path] = field(default_factory=dict)
    pairs: int | str | None = 6000
    protocols: tuple[str, ...] = ()
    pair_lists: Path | None = None
    conditions: bool = True
    brighten: tuple[str, ...] = cascade.BRIGHTEN
    bootstrap: int = 1000
    mirror: bool = False
    before: bool = True
    seed: int = 0
    data_dir: Path = Path("data")
    progress: bool = True

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "EvaluateSettings":
        """Read the settings from a stage's: its group ``evaluate``, and ``seed``, ``data_dir`` and ``progress``.

        Args:
            config: The stage's configuration; a seed of None counts as 0.

        Raises:
            ConfigError: A path does not exist, or a value is out of its range.
            ProtocolError: A file of pairs is damaged.
        """
        with checks.all_errors():
            given = config["evaluate"]
            # Recipes of before a setting was known lack it and have its default.
            paths = {key: _path(given.get(key), f"evaluate.{key}") for key in PHOTOGRAPH_SETS}
            return cls(
                sets={key: path for key, path in paths.items() if path is not None},
                pairs=_pairs(given["pairs"]),
                protocols=_protocols(given.get("protocols")),
                pair_lists=_folder(given.get("pair_lists")),
                conditions=flag("evaluate.conditions", given.get("conditions", True)),
                bootstrap=whole("evaluate.bootstrap", given["bootstrap"], 0, MOST_DRAWS),
                mirror=flag("evaluate.mirror", given.get("mirror", False)),
                before=flag("evaluate.before", given.get("before", True)),
                brighten=cascade.brighten(given.get("brighten", cascade.BRIGHTEN), "evaluate."),
                seed=0 if config["seed"] is None else whole("seed", config["seed"], 0, 2**32 - 1),
                data_dir=Path(text("data_dir", config["data_dir"])),
                progress=flag("progress", config["progress"]),
            )

    @property
    def photographs(self) -> bool:
        """Whether a test set of photographs is configured."""
        return bool(self.sets)

    @property
    def lfw(self) -> Path | None:
        """Where LFW is, or None."""
        return self.sets.get("lfw")


def _path(value: object, key: str) -> Path | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        checks.refuse(ConfigError(f"must be a path, not {value!r}", key))
        return None
    path = Path(value).expanduser()
    if not path.exists():
        checks.refuse(ConfigError("does not exist", f"{key}={value}", "correct the path or leave it out"))
    return path


def _pairs(value: object) -> int | str | None:
    if isinstance(value, str):
        if not Path(value).is_file():
            raise ConfigError("does not exist", f"evaluate.pairs={value}", "correct the path")
        read_pairs(value)
        return value
    if value is None:
        return None
    return whole("evaluate.pairs", value, 2, remedy="give a number of pairs, a file of pairs, or null for none")


def _protocols(value: object) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if names is None:
        return ()
    if not isinstance(names, Sequence) or not all(str(name).lower() in PROTOCOLS for name in names):
        checks.refuse(
            ConfigError(
                f"must be a list of {', '.join(PROTOCOLS)}, not {value!r}", "evaluate.protocols", "such as [q1,q4]"
            )
        )
        return ()
    return tuple(name for name in PROTOCOLS if name in {str(name).lower() for name in names})


def _folder(value: object) -> Path | None:
    path = _path(value, "evaluate.pair_lists")
    if path is not None and path.exists() and not path.is_dir():
        checks.refuse(ConfigError("is not a directory", f"evaluate.pair_lists={value}", "give the folder of the lists"))
    return path
