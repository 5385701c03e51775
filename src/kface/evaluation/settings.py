"""The settings of ``conf/evaluate/``: the test sets on which networks are verified, and how."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kface import checks
from kface.checks import flag, text, whole
from kface.data.protocols import read_pairs
from kface.errors import ConfigError
from kface.mtcnn import settings as cascade

#: Maximum number of draws of people for an interval: more would not change a digit that is shown.
MOST_DRAWS = 100_000


@dataclass(frozen=True)
class EvaluateSettings:
    """The test sets on which networks are verified, and how.

    Attributes:
        lfw: The directory of LFW, or None.
        agedb30: insightface's file of AgeDB-30.
        cfp_fp: insightface's file of CFP-FP, or the directory of CFP.
        pairs: Maximum number of pairs among the data set's test people, a file of pairs, or None for no pairs.
        brighten: Ways to brighten photographs in which no face is found.
        bootstrap: Draws of people for the intervals; 0 for none.
        mirror: Whether the mirrored face's embedding is added.
        before: Whether the untrained network is verified too.
        seed: Of the pairs and the draws.
        data_dir: Directory for the faces found in photographs.
        progress: Whether to show progress bars.
    """

    lfw: Path | None = None
    agedb30: Path | None = None
    cfp_fp: Path | None = None
    pairs: int | str | None = 6000
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
            paths = {key: _path(given[key], f"evaluate.{key}") for key in ("lfw", "agedb30", "cfp_fp")}
            return cls(
                **paths,
                pairs=_pairs(given["pairs"]),
                bootstrap=whole("evaluate.bootstrap", given["bootstrap"], 0, MOST_DRAWS),
                mirror=flag("evaluate.mirror", given.get("mirror", False)),
                before=flag("evaluate.before", given.get("before", True)),
                # Recipes older than the setting have the default.
                brighten=cascade.brighten(given.get("brighten", cascade.BRIGHTEN), "evaluate."),
                seed=0 if config["seed"] is None else whole("seed", config["seed"], 0, 2**32 - 1),
                data_dir=Path(text("data_dir", config["data_dir"])),
                progress=flag("progress", config["progress"]),
            )

    @property
    def photographs(self) -> bool:
        """Whether a test set of photographs is configured."""
        return any(path is not None for path in (self.lfw, self.agedb30, self.cfp_fp))


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
