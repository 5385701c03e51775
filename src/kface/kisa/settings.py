"""A KISA test as its configuration describes it; made once, in the door of ``python -m kface.kisa``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kface.bundle.newest import chosen_bundle
from kface.checks import flag, number, text, whole
from kface.errors import ConfigError
from kface.kisa.conditions import PROBE_CATEGORIES, Category
from kface.kisa.engines import Engine, NullEngine
from kface.kisa.matching import POLICIES, PairPolicy
from kface.mtcnn import settings as cascade

ENGINES: Final = ("python", "library", "null")
LANGUAGES: Final = ("ko", "en")
PRECISIONS: Final = ("fp32", "fp16", "int8")
#: Draws of people for an interval: more change no digit that is shown.
MOST_DRAWS: Final = 100_000
#: Pairs of a kind and category that are shown at most: a report with more would not be read.
MOST_PAIRS: Final = 50


@dataclass(frozen=True)
class KisaJob:
    """A test.

    Attributes:
        engine: What is tested, one of :data:`ENGINES`.
        bundle: The bundle's directory; None for the null engine.
        library: The library's file or folder.
        embedder: The bundle's file that the library reads.
        runtime: What runs the networks of the Python chain.
        precision: The embedder's of the Python chain.
        detector: ``min_face``, ``thresholds``, ``factor`` and ``brighten``.
        policy: Which impostor pairs are compared.
        criteria: The passing marks.
        bootstrap: Draws of people for the intervals; 0 for none.
        seed: Of the draws and the pairs.
        worst: Pairs of each kind and category that the report shows.
        pictures: Whether it shows their pictures.
        languages: Of the report.
        strict: Whether a category that does not pass makes the command fail.
        data_dir: Keeps the templates.
        output_dir: Directory of the reports.
        out: Directory of this report; None for one in `output_dir`.
        progress: Whether to show progress bars.
    """

    engine: str
    bundle: Path | None
    library: Path | None
    embedder: str | None
    runtime: str
    precision: str
    detector: dict[str, Any]
    policy: PairPolicy
    criteria: dict[Category, float]
    bootstrap: int
    seed: int
    worst: int
    pictures: bool
    languages: tuple[str, ...]
    strict: bool
    data_dir: Path
    output_dir: Path
    out: Path | None
    progress: bool

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "KisaJob":
        """Read a job off ``conf/kisa.yaml``; no network and no image is opened to find out what makes no sense.

        Raises:
            ConfigError: A value has the wrong type, is out of its range or contradicts another.
        """
        # engine=null on a command line is YAML's null.
        engine = _choice("engine", "null" if config["engine"] is None else config["engine"], ENGINES)
        for key, only in (("library", "library"), ("embedder", "library")):
            if config[key] is not None and engine != only:
                raise ConfigError(f"is for engine={only}", key, "leave it out")
        for key, value, default in (
            ("runtime", config["runtime"]["name"], "auto"),
            ("precision", config["precision"], PRECISIONS[0]),
        ):
            if engine == "library" and value != default:
                raise ConfigError(
                    f"{value} is for engine=python", key, "leave it out: the library computes by OpenCV in fp32"
                )
        embedder = None if config["embedder"] is None else _choice("embedder", config["embedder"], ("onnx", "pb"))
        seed = whole("seed", config["seed"], 0, 2**32 - 1)
        pairs = config["pairs"]
        return cls(
            engine=engine,
            bundle=_bundle(config["bundle"], engine),
            library=_path("library", config["library"]),
            embedder=embedder,
            runtime=text("runtime.name", config["runtime"]["name"]),
            precision=_choice("precision", config["precision"], PRECISIONS),
            detector=_detector(config["detector"]),
            policy=PairPolicy(
                _choice("pairs.impostors", pairs["impostors"], POLICIES),
                whole("pairs.number", pairs["number"], 1),
                seed,
            ),
            criteria={
                each: number(f"criteria.{each}", config["criteria"][each.value], 0, 1) for each in PROBE_CATEGORIES
            },
            bootstrap=whole("bootstrap", config["bootstrap"], 0, MOST_DRAWS),
            seed=seed,
            worst=whole("worst", config["worst"], 0, MOST_PAIRS),
            pictures=flag("pictures", config["pictures"]),
            languages=_languages(config["languages"]),
            strict=flag("strict", config["strict"]),
            data_dir=Path(text("data_dir", config["data_dir"])).expanduser(),
            output_dir=Path(text("output_dir", config["output_dir"])).expanduser(),
            out=_path("out", config["out"]),
            progress=flag("progress", config["progress"]),
        )

    def open_engine(self) -> Engine:
        """Open what is tested.

        Raises:
            ConfigError: A setting does not suit it.
            ModelError: The bundle or the library cannot be used.
        """
        if self.bundle is None:
            return NullEngine()
        if self.engine == "library":
            from kface.kisa.library_engine import LibraryEngine

            return LibraryEngine(self.bundle, self.library, self.embedder, self.detector)
        from kface.kisa.python_engine import PythonEngine

        return PythonEngine(self.bundle, self.runtime, self.precision, self.detector)


def _choice(key: str, value: Any, choices: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in choices:
        raise ConfigError(f"must be one of {', '.join(choices)}, not {value!r}", key)
    return value


def _path(key: str, value: Any) -> Path | None:
    return None if value is None else Path(text(key, value)).expanduser()


def _bundle(named: Any, engine: str) -> Path | None:
    if engine == "null":
        if named is not None:
            raise ConfigError("is not read by engine=null", "bundle", "leave it out, or choose engine=python")
        return None
    found = chosen_bundle(None if named is None else text("bundle", named))
    if not found:
        raise ConfigError(
            "is not given, and none is found in outputs or bundles",
            "bundle",
            "make one: kface export embedder=pretrained",
        )
    return Path(found).expanduser()


def _detector(given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "min_face": cascade.min_face(given["min_face"]),
        "thresholds": list(cascade.thresholds(given["thresholds"])),
        "factor": cascade.factor(given["factor"]),
        "brighten": list(cascade.brighten(given["brighten"])),
    }


def _languages(given: Any) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) else tuple(given or ())
    wrong = [name for name in names if name not in LANGUAGES]
    if wrong or not names or len(set(names)) != len(names):
        raise ConfigError(f"must be a list of {', '.join(LANGUAGES)}, not {list(names)!r}", "languages")
    return names
