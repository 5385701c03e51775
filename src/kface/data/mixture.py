"""Several corpora at once: each is built into a data set of its own, and all are trained on together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from kface import checks
from kface.data.corpora import (
    Corpus,
    CropCorpus,
    FolderCorpus,
    KFaceCorpus,
    PathLike,
    PhotographCorpus,
    RecordCorpus,
    SampleCorpus,
)
from kface.data.dataset.sources import SOURCES
from kface.errors import ConfigError

#: Kinds of corpora that a part may be, named as in conf/corpus/.
KINDS: dict[str, type[Corpus]] = {
    "kface": KFaceCorpus,
    "folders": FolderCorpus,
    "crops": CropCorpus,
    "photographs": PhotographCorpus,
    "recordio": RecordCorpus,
    "sample": SampleCorpus,
}


@dataclass(frozen=True)
class MixturePart:
    """One of several corpora.

    Attributes:
        corpus: The corpus.
        weight: Its part of an epoch's images, beside the other parts' weights; None for the sampler's own.
        cap: Largest number of an identity's images an epoch; None for no limit.
        test: Whether some of its people are kept for the verification; otherwise all are trained on.
    """

    corpus: Corpus
    weight: float | None = None
    cap: int | None = None
    test: bool = True


class MixtureCorpus(Corpus):
    """Several corpora at once.

    Args:
        parts: Each a mapping with ``corpus`` (a key of :data:`KINDS`), the arguments of that corpus (``root``, ``name``, ...)
            and optionally ``weight``, ``cap`` and ``test``, see :class:`MixturePart`.
        name: Name of the data set.
        data_dir: Directory of a sample among them.
    """

    title: ClassVar[str] = "several corpora"

    def __init__(
        self, parts: Sequence[Mapping[str, Any]] = (), name: str = "mixture", data_dir: PathLike = "data"
    ) -> None:
        if isinstance(parts, (str, Mapping)) or not isinstance(parts, Sequence):
            raise ConfigError(
                f"must be a list of corpora, not {parts!r}", "corpus.parts", "write [{corpus: kface, root: DIR}, ...]"
            )
        self.name = str(name)
        self.parts = tuple(_part(part, f"corpus.parts[{number}]", data_dir) for number, part in enumerate(parts))
        names = [part.corpus.name for part in self.parts]
        for one in names:
            if names.count(one) > 1:
                raise ConfigError(f"two parts are called {one}", "corpus.parts", "give each another name")
            if ":" in one:
                raise ConfigError(f"{one!r} contains a colon", "corpus.parts", "give the part another name")

    @property
    def layout(self) -> str:  # type: ignore[override]
        """The first part's layout."""
        return self.parts[0].corpus.layout if self.parts else "folders"

    @property
    def synthetic(self) -> bool:  # type: ignore[override]
        """Whether all parts are synthetic."""
        return bool(self.parts) and all(part.corpus.synthetic for part in self.parts)

    def prepare(self, progress: bool = True) -> Path:
        """Prepare all parts and return the first one's root; raises ConfigError where there are none."""
        if not self.parts:
            raise ConfigError(
                "names no corpus",
                "corpus.parts",
                "add 'corpus.parts=[{corpus: kface, root: DIR}, {corpus: recordio, root: DIR}]'",
            )
        roots = [part.corpus.prepare(progress=progress) for part in self.parts]
        return roots[0]


def _part(given: Mapping[str, Any], key: str, data_dir: PathLike) -> MixturePart:
    """Make a part; raises ConfigError where a setting is wrong."""
    if not isinstance(given, Mapping):
        raise ConfigError(f"must be a corpus with its settings, not {given!r}", key, "write {corpus: kface, root: DIR}")
    rest = {str(name): value for name, value in given.items()}
    kind = rest.pop("corpus", None)
    if kind not in KINDS:
        raise ConfigError(f"must be one of {', '.join(KINDS)}, not {kind!r}", f"{key}.corpus")
    weight, cap, test = rest.pop("weight", None), rest.pop("cap", None), rest.pop("test", True)
    if weight is not None:
        weight = checks.number(f"{key}.weight", weight, 0, open_below=True)
    if cap is not None:
        checks.whole(f"{key}.cap", cap, 1)
    checks.flag(f"{key}.test", test)
    if kind == "sample":
        rest.setdefault("parent", data_dir)
    try:
        corpus = KINDS[kind](**rest)
    except TypeError as error:
        raise ConfigError(f"cannot be a corpus of kind {kind} ({error})", key, f"compare with conf/corpus/{kind}.yaml")
    return MixturePart(corpus, weight, cap, test and SOURCES[corpus.layout].labelled)
