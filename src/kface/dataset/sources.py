"""Where images come from: a K-Face tree, or a folder of people. Both yield one person's images at a time."""

import os
from typing import Dict, Iterable, List, NamedTuple, Optional, Tuple, Union

from kface.dataset.settings import DatasetSettings
from kface.errors import LayoutError
from kface.layout import Capture, Problems, Tree
from kface.protocols import select

PathLike = Union[str, "os.PathLike[str]"]

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


class Item(NamedTuple):
    """One image to put into a data set.

    Attributes:
        path: The file.
        name: What the data set calls it: K-Face's relative path, or ``person/file``.
        capture: Its conditions; where the corpus has none, the four numbers are 0.
    """

    path: str
    name: str
    capture: Capture


class KFaceSource:
    """The captures that a protocol wants out of a K-Face tree.

    Args:
        root: The tree.
        settings: Validated ones.

    Raises:
        LayoutError: The root is no K-Face tree, or holds nobody.
    """

    def __init__(self, root: PathLike, settings: DatasetSettings) -> None:
        self.settings = settings
        self.conditions = settings.rules.conditions
        self.tree = Tree(root)

    def subjects(self) -> List[str]:
        """Return the identities, sorted."""
        return self.tree.subjects()

    def survey(self, problems: Problems) -> None:
        """Report what lies beside the identities."""
        self.tree.survey(self.conditions, problems)

    def items(self, subject: str, problems: Optional[Problems] = None) -> List[Item]:
        """Return one identity's images, sorted; `problems` receives what does not parse beside them."""
        paths = dict(self.tree.files_of(subject, self.conditions, problems))
        kept = select(paths, self.settings.max_per_identity, self.settings.seed)
        return [Item(paths[capture], capture.path(), capture) for capture in kept]

    def references(self, items: Iterable[Item]) -> Dict[Tuple[str, int], List[str]]:
        """Return where to look for each (resolution, camera)'s landmarks, the best file first.

        First comes S001/L1/E01, even where the protocol leaves it out, then what is most like it.
        """
        held: Dict[Tuple[str, int], List[Item]] = {}
        for item in items:
            held.setdefault((item.capture.resolution, item.capture.camera), []).append(item)
        found = {}
        for key, group in held.items():
            best = group[0].capture._replace(accessory=1, light=1, expression=1)
            path = self.tree.find(best)
            group = sorted(group, key=lambda item: (item.capture.accessory, -item.capture.lux, item.capture))
            others = [item.path for item in group if item.path != path]
            found[key] = ([] if path is None else [path]) + others[:MOST_REFERENCES]
        return found


#: Captures of one camera that are tried for its landmarks beside S001/L1/E01.
MOST_REFERENCES = 5


class FolderSource:
    """Any corpus of the form ``DIR/<person>/<image>``; folders below a person's are not entered.

    Args:
        root: The directory.
        settings: Validated ones.

    Raises:
        LayoutError: The root cannot be read.
    """

    def __init__(self, root: PathLike, settings: DatasetSettings) -> None:
        self.settings = settings
        self.root = os.fspath(root)
        try:
            with os.scandir(self.root) as entries:
                self._people = sorted(entry.name for entry in entries if entry.is_dir() and entry.name[0] != ".")
        except OSError as error:
            raise LayoutError("cannot be read ({})".format(error.strerror or error), root, "give a folder of people")

    def subjects(self) -> List[str]:
        """Return the people's folders that hold an image, sorted."""
        return [name for name in self._people if self._files(name, Problems())]

    def survey(self, problems: Problems) -> None:
        """Report nothing: files beside the people's folders are nobody's."""

    def items(self, subject: str, problems: Optional[Problems] = None) -> List[Item]:
        """Return one person's images, sorted by name; `problems` receives what else lies there."""
        files = self._files(subject, Problems() if problems is None else problems)
        most = self.settings.max_per_identity
        if most is not None and len(files) > most:
            files = [files[number * len(files) // most] for number in range(most)]
        capture = Capture(subject, 0, 0, 0, 0)
        return [Item(os.path.join(self.root, subject, name), "{}/{}".format(subject, name), capture) for name in files]

    def _files(self, subject: str, problems: Problems) -> List[str]:
        found = []
        try:
            with os.scandir(os.path.join(self.root, subject)) as entries:
                for entry in entries:
                    if entry.name.lower().endswith(SUFFIXES) and entry.is_file():
                        found.append(entry.name)
                    else:
                        problems.add("stray file", "{}/{}".format(subject, entry.name))
        except OSError:
            problems.add("unreadable folder", subject)
        return sorted(found)

    def references(self, items: Iterable[Item]) -> Dict[Tuple[str, int], List[str]]:
        """Return nothing: there are no cameras."""
        return {}


Source = Union[KFaceSource, FolderSource]


def open_source(root: PathLike, settings: DatasetSettings) -> Source:
    """Open the corpus that the settings' layout names; raises :class:`~kface.errors.LayoutError`."""
    return (FolderSource if settings.layout == "folders" else KFaceSource)(root, settings)
