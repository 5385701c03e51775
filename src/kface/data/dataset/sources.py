"""Sources of images, by layout: a K-Face tree and the others. Each yields one person's images at a time."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kface.data.dataset.folder_sources import CropSource, FolderSource, PhotographSource
from kface.data.dataset.items import CorpusSource, FileItem, Item, PathLike
from kface.data.dataset.record_source import RecordSource
from kface.data.layout import Problems, Tree
from kface.data.protocols import select

if TYPE_CHECKING:
    from kface.data.dataset.settings import DatasetSettings


class KFaceSource(CorpusSource):
    """The captures of a K-Face tree that a protocol selects.

    Args:
        root: The tree.
        settings: Validated ones.

    Raises:
        LayoutError: The root is not a K-Face tree.
    """

    landmarks = ("image", "camera", "annotation")

    def __init__(self, root: PathLike, settings: "DatasetSettings") -> None:
        self.settings = settings
        self.rules = settings.rules
        self.conditions = settings.rules.conditions
        self.tree = Tree(root)

    def subjects(self) -> list[str]:
        """Return the identities, sorted."""
        return self.tree.subjects()

    def survey(self, problems: Problems) -> None:
        """Report stray files beside the identities."""
        self.tree.survey(self.conditions, problems)

    def items(self, subject: str, problems: Problems | None = None) -> list[FileItem]:
        """Return one identity's images, sorted; `problems` counts what does not parse."""
        paths = dict(self.tree.files_of(subject, self.conditions, problems))
        kept = select(paths, self.settings.max_per_identity, self.settings.seed)
        return [FileItem(capture.path(), capture, paths[capture]) for capture in kept]

    def references(self, items: Iterable[Item]) -> dict[tuple[str, int], list[Item]]:
        """Return the images to take each (resolution, camera)'s landmarks from, the best first.

        The first is S001/L1/E01, even where the protocol excludes it, then those most similar to it.
        """
        held: dict[tuple[str, int], list[Item]] = {}
        for item in items:
            held.setdefault((item.capture.resolution, item.capture.camera), []).append(item)
        found: dict[tuple[str, int], list[Item]] = {}
        for key, group in held.items():
            best = group[0].capture._replace(accessory=1, light=1, expression=1)
            path = self.tree.find(best)
            group = sorted(group, key=lambda item: (item.capture.accessory, -item.capture.lux, item.capture))
            others = [item for item in group if item.place != path]
            first = [] if path is None else [FileItem(best.path(), best, path)]
            found[key] = [*first, *others[:MOST_REFERENCES]]
        return found


#: Captures of one camera to try for its landmarks, besides S001/L1/E01.
MOST_REFERENCES = 5


#: By layout.
SOURCES: dict[str, type[CorpusSource]] = {
    "kface": KFaceSource,
    "folders": FolderSource,
    "crops": CropSource,
    "photographs": PhotographSource,
    "recordio": RecordSource,
}


def open_source(root: PathLike, settings: "DatasetSettings") -> CorpusSource:
    """Open the corpus that the settings' layout names; raises :class:`~kface.errors.LayoutError`."""
    return SOURCES[settings.layout](root, settings)
