"""All test sets of photographs: one line each, with a key of the same name in ``conf/evaluate/test_sets.yaml``."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from kface.data.testsets.base import TestSet
from kface.data.testsets.cfp import cfp_set
from kface.data.testsets.ijb import ijb_set
from kface.data.testsets.image_lists import listed_set
from kface.data.testsets.insightface import bin_set
from kface.data.testsets.lfw import lfw_set
from kface.errors import ConfigError
from kface.mtcnn.settings import BRIGHTEN
from kface.progress import Progress

#: Arguments: the folder, its key in reports, its title, the directory of the caches, whether to show progress, brighten.
FolderLoader = Callable[[Path, str, str, Path, bool, Sequence[str]], TestSet]


class PhotographSet(NamedTuple):
    """A known test set.

    Attributes:
        key: Its key in reports and in ``evaluate``.
        title: Name for the reader.
        folder: Loads it as it is distributed, from a folder.
        bin: Whether it is also distributed in insightface's ``.bin`` format.
    """

    key: str
    title: str
    folder: FolderLoader
    bin: bool = True

    def load(self, path: Path, cache: Path, progress: bool = True, brighten: Sequence[str] = BRIGHTEN) -> TestSet:
        """Load it from a folder or from a ``.bin`` file.

        Args:
            path: What ``evaluate`` names.
            cache: Directory for the aligned faces.
            progress: Whether to show a progress bar.
            brighten: See :func:`kface.data.testsets.faces.acquire`.

        Raises:
            ConfigError: The path does not exist, or is a file where a folder is needed.
            LayoutError: It is not in a known format, or is damaged.
            ImageError: An image cannot be read.
        """
        if self.bin and not path.is_dir():
            with Progress(None, f"{self.title}: decoding", enabled=progress):
                return bin_set(path, self.key, self.title)
        if not path.is_dir():
            raise ConfigError(
                "is not a directory",
                path,
                f"give the folder of {self.title} with evaluate.{self.key}=DIR, or leave it out",
            )
        return self.folder(path, self.key, self.title, cache, progress, brighten)


def _lfw(path: Path, key: str, title: str, cache: Path, progress: bool, brighten: Sequence[str]) -> TestSet:
    return lfw_set(path, cache, progress, brighten)


def _cfp(path: Path, key: str, title: str, cache: Path, progress: bool, brighten: Sequence[str]) -> TestSet:
    return cfp_set(path, cache, progress, brighten, key[-2:].upper())


#: By key, in the order in which they are verified and printed.
PHOTOGRAPH_SETS: dict[str, PhotographSet] = {
    known.key: known
    for known in (
        PhotographSet("lfw", "LFW", _lfw),
        PhotographSet("agedb30", "AgeDB-30", listed_set),
        PhotographSet("cfp_fp", "CFP-FP", _cfp),
        PhotographSet("cfp_ff", "CFP-FF", _cfp),
        PhotographSet("calfw", "CALFW", listed_set),
        PhotographSet("cplfw", "CPLFW", listed_set),
        PhotographSet("ijbb", "IJB-B", ijb_set, bin=False),
        PhotographSet("ijbc", "IJB-C", ijb_set, bin=False),
    )
}
