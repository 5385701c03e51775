"""Where the images come from: a K-Face tree that the user holds, or the procedural sample."""

import os
from pathlib import Path
from typing import Optional, Union

from kface.errors import ConfigError, LayoutError

PathLike = Union[str, "os.PathLike[str]"]


class KFaceCorpus:
    """K-Face as AI-Hub hands it out.

    Args:
        root: The directory that holds ``High_Resolution`` (or ``High``, or the identities themselves). By default the
            environment's KFACE_ROOT.
        name: What to call the data sets made of it.
    """

    synthetic = False
    title = "K-Face"

    def __init__(self, root: Optional[PathLike] = None, name: str = "kface") -> None:
        self.root = root or os.environ.get("KFACE_ROOT")
        self.name = name

    def prepare(self, progress: bool = True) -> Path:
        """Return the tree's root.

        Raises:
            ConfigError: No root was given.
            LayoutError: The root is no directory.
        """
        if not self.root:
            raise ConfigError("K-Face's place is not given", "corpus.root", "add corpus.root=DIR or set KFACE_ROOT")
        root = Path(self.root).expanduser()
        if not root.is_dir():
            raise LayoutError("is not a directory", root, "give the directory that holds High_Resolution/")
        return root


class SampleCorpus:
    """The procedural, K-Face-shaped sample: for everybody who has no K-Face (yet).

    Args:
        parent: Directory under which the sample is written, in a folder named after the other arguments.
        identities: How many people.
        views: Random scenes a person (accessory, expression, camera) beside the seven frontal ones.
        lights_per_view: Random lights a scene.
        seed: Same seed, same bytes.
        jobs: Processes; -1 for one a core.
    """

    synthetic = True
    title = "synthetic sample"

    def __init__(
        self,
        parent: PathLike = "data",
        identities: int = 72,
        views: int = 16,
        lights_per_view: int = 3,
        seed: int = 0,
        jobs: int = -1,
    ) -> None:
        for key, value, least in (("identities", identities, 2), ("views", views, 0), ("lights_per_view", lights_per_view, 1)):
            if not isinstance(value, int) or value < least:
                raise ConfigError("must be a whole number of at least {}, not {!r}".format(least, value), "corpus." + key)
        self.identities = identities
        self.views = views
        self.lights_per_view = lights_per_view
        self.seed = seed
        self.jobs = jobs
        self.name = "sample-{}x{}x{}-seed{}".format(identities, views, lights_per_view, seed)
        self.root = Path(parent).expanduser() / self.name

    def prepare(self, progress: bool = True) -> Path:
        """Write what is missing of the sample and return its root."""
        from kface.sample import write_sample

        write_sample(
            self.root,
            identities=self.identities,
            views=self.views,
            lights_per_view=self.lights_per_view,
            seed=self.seed,
            jobs=self.jobs,
            progress=progress,
        )
        return self.root
