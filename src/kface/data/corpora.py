"""Sources of images: a K-Face tree, folders of photographs or crops, InsightFace's RecordIO, or the procedural sample.

``python -m kface.data.corpora`` writes the sample.
"""

import os
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Union

from kface import checks
from kface.errors import ConfigError, LayoutError
from kface.files import sha256_bytes
from kface.text import printable

PathLike = Union[str, "os.PathLike[str]"]


def given(root: PathLike | None, absent: str, wanted: str) -> Path:
    """Check and return the corpus's root directory.

    Args:
        root: The setting.
        absent: Error where it is not set.
        wanted: Remedy where it is not a directory.

    Raises:
        ConfigError: It is not set.
        LayoutError: It is not a directory.
    """
    if not root:
        raise ConfigError(absent, "corpus.root", "add corpus.root=DIR")
    path = _expanded(root)
    if not path.is_dir():
        raise LayoutError("is not a directory", printable(path), wanted)
    return path


def _expanded(path: PathLike) -> Path:
    """Return a path with ~ expanded; on the command line a folder called 2024 is a number."""
    try:
        return Path(str(path)).expanduser()
    except RuntimeError as error:
        raise LayoutError(f"cannot be found ({error})", path, "give the directory without ~")


class Corpus(ABC):
    """The source of a data set's images.

    Attributes:
        title: Name for the reader.
        synthetic: Whether its faces are synthetic.
        layout: How its images are arranged: a key of :data:`kface.data.dataset.sources.SOURCES`.
        name: Name of the data sets made of it.
    """

    title: ClassVar[str]
    synthetic: ClassVar[bool] = False
    layout: ClassVar[str]
    name: str

    @property
    def key(self) -> str:
        """Prefix of the names of its data sets, different for each corpus."""
        return self.name

    @abstractmethod
    def prepare(self, progress: bool = True) -> Path:
        """Return the root, after writing a generated corpus; raises ConfigError or LayoutError where it is missing."""


class KFaceCorpus(Corpus):
    """K-Face as AI-Hub distributes it.

    Args:
        root: The directory with ``High_Resolution`` (or ``High``, or the identities); by default the environment variable
            KFACE_ROOT.
        name: Name of the data sets made of it.
    """

    title = "K-Face"
    layout = "kface"

    def __init__(self, root: PathLike | None = None, name: str = "kface") -> None:
        self.root = root or os.environ.get("KFACE_ROOT")
        self.name = str(name)

    def prepare(self, progress: bool = True) -> Path:
        """Return the tree's root.

        Raises:
            ConfigError: The root is not set.
            LayoutError: The root is not a directory.
        """
        return given(self.root, "K-Face's directory is not set", "give the directory that contains High_Resolution/")


class FolderCorpus(Corpus):
    """A folder of photographs: ``DIR/<person>/<image>``, one face per image.

    Args:
        root: The directory with the people's folders.
        name: Name of the data sets made of it.
        layout: Always "folders", as in older recipes.
    """

    title = "own photographs"
    layout = "folders"

    def __init__(self, root: PathLike | None = None, name: str = "folders", layout: str = "folders") -> None:
        if layout != self.layout:
            raise ConfigError("must be folders", "corpus.layout", "use corpus=kface for a K-Face tree")
        self.root = root
        self.name = str(name)

    @property
    def key(self) -> str:
        """Prefix of the names of its data sets, different for each folder, even for folders of the same name."""
        return _placed(self.name, self.root)

    def prepare(self, progress: bool = True) -> Path:
        """Return the root; raises ConfigError where it is not set, LayoutError where it is not a directory."""
        return given(
            self.root,
            "the folder of photographs is not set",
            "give the directory with one folder per person",
        )


def _placed(name: str, root: PathLike | None) -> str:
    """Return a name and a hash of the directory that a corpus is in."""
    place = os.path.realpath(os.path.expanduser(os.fspath(root or ".")))
    return f"{name}-{sha256_bytes(os.fsencode(place))[:6]}"


class PlacedCorpus(Corpus):
    """A corpus in a directory of its own, without conditions.

    Args:
        root: The directory.
        name: Name of the data sets made of it; by default the corpus's own.
    """

    #: What the root contains, for an error.
    content: ClassVar[str]

    def __init__(self, root: PathLike | None = None, name: str | None = None) -> None:
        self.root = root
        self.name = str(name or self.layout)

    @property
    def key(self) -> str:
        """Prefix of the names of its data sets, different for each directory."""
        return _placed(self.name, self.root)

    def prepare(self, progress: bool = True) -> Path:
        """Return the root; raises ConfigError where it is not set, LayoutError where it is not a directory."""
        return given(self.root, "the corpus's directory is not set", f"give the directory with {self.content}")


class CropCorpus(PlacedCorpus):
    """Aligned 112x112 crops, ``DIR/<person>/<image>``: nothing is detected, and JPEGs are copied."""

    title = "aligned crops"
    layout = "crops"
    content = "one folder per person"


class PhotographCorpus(PlacedCorpus):
    """Photographs without identities, at any depth below a directory, to distil from."""

    title = "unlabelled photographs"
    layout = "photographs"
    content = "photographs"


class RecordCorpus(PlacedCorpus):
    """InsightFace's RecordIO: aligned 112x112 crops in ``train.rec`` and ``train.idx``, as MS1M, Glint360K and others come."""

    title = "InsightFace RecordIO"
    layout = "recordio"
    content = "train.rec and train.idx"


class SampleCorpus(Corpus):
    """The procedural, K-Face-shaped sample: for use without K-Face.

    Args:
        parent: Directory under which the sample is written, in a folder named after the other arguments.
        identities: How many people.
        views: Random scenes a person (accessory, expression, camera) beside the seven frontal ones.
        lights_per_view: Random lights a scene.
        seed: Same seed, same bytes.
        jobs: Processes; -1 for one a core.
        variation: From 0 to 1: how far people, takes and pictures differ from one another beyond K-Face's conditions.
        plain: Share of the people who are drawn without variation: those whom a protocol with this share tests.
    """

    synthetic = True
    title = "synthetic sample"
    layout = "kface"

    def __init__(
        self,
        parent: PathLike = "data",
        identities: int = 112,
        views: int = 8,
        lights_per_view: int = 4,
        seed: int = 0,
        jobs: int = -1,
        variation: float = 1.0,
        plain: float = 0.25,
    ) -> None:
        for key, value, least in (
            ("identities", identities, 2),
            ("views", views, 0),
            ("lights_per_view", lights_per_view, 1),
        ):
            checks.whole("corpus." + key, value, least)
        checks.number("corpus.variation", variation, 0, 1)
        checks.number("corpus.plain", plain, 0, 1)
        self.identities = identities
        self.views = views
        self.lights_per_view = lights_per_view
        self.seed = seed
        self.jobs = jobs
        self.variation = variation
        self.plain = plain
        self.name = f"sample-{identities}x{views}x{lights_per_view}-seed{seed}"
        if variation:
            self.name += f"-varied{variation:g}-plain{plain:g}"
        self.root = _expanded(parent) / self.name

    def prepare(self, progress: bool = True) -> Path:
        """Write the missing parts of the sample and return its root."""
        from kface.data.sample import write_sample

        write_sample(
            self.root,
            identities=self.identities,
            views=self.views,
            lights_per_view=self.lights_per_view,
            seed=self.seed,
            jobs=self.jobs,
            progress=progress,
            variation=self.variation,
            plain=self.plain,
        )
        return self.root


def main(config: Any) -> None:
    """Prepare the corpus of ``conf/dataset.yaml``, and print its directory."""
    from kface.stage import instantiate

    corpus = instantiate(config.corpus, "corpus")
    print(f"{corpus.title}: {printable(corpus.prepare(progress=config.progress))}")


if __name__ == "__main__":
    from kface.stage import run

    sys.exit(run("dataset", main))
