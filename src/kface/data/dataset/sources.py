"""Sources of images: a K-Face tree, or a folder of people. Each yields one person's images at a time."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from kface.data.dataset.items import CorpusSource, FileItem, Item, PathLike
from kface.data.layout import Capture, Problems, Tree, is_directory, is_file
from kface.data.protocols import select
from kface.errors import LayoutError
from kface.images import IMAGE_SUFFIXES, is_image_name
from kface.text import printable

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


class FolderSource(CorpusSource):
    """Any corpus of the form ``DIR/<person>/<image>``; folders below a person's are not entered.

    Args:
        root: The directory.
        settings: Validated ones.

    Raises:
        LayoutError: The root cannot be read.
    """

    def __init__(self, root: PathLike, settings: "DatasetSettings") -> None:
        self.settings = settings
        self.root = os.fspath(root)
        self._people: list[str] = []
        self._beside: list[str] = []
        try:
            with os.scandir(self.root) as entries:
                for entry in entries:
                    mine = is_directory(entry) and not entry.name.startswith(".")
                    (self._people if mine else self._beside).append(entry.name)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise LayoutError(f"cannot be read ({reason})", root, "give a folder of people")
        self._people.sort()

    def subjects(self) -> list[str]:
        """Return the people's folders that contain an image, sorted.

        Raises:
            LayoutError: No folder has an image; the message names the suffixes of images and of the files found.
        """
        found = [name for name in self._people if self._files(name, Problems())]
        if not found:
            raise LayoutError(
                self._without_people(), printable(self.root), "give DIR, where images are DIR/<person>/<image>"
            )
        return found

    def _without_people(self) -> str:
        """Return why no person was found."""
        expected = "image names end in {}".format(", ".join(IMAGE_SUFFIXES))
        images = sum(is_image_name(name) for name in self._beside)
        if not self._people:
            if images:
                return f"contains {images:,} images but no person's folder; put each person's images into a folder"
            return "contains no person's folder"
        suffixes: dict[str, int] = {}
        folders = 0
        for person in self._people:
            for name, kind in self._entries(person):
                folders += kind == FOLDER
                if kind == STRAY:
                    suffix = os.path.splitext(name)[1].lower() or "without suffix"
                    suffixes[suffix] = suffixes.get(suffix, 0) + 1
        common = sorted(suffixes.items(), key=lambda pair: (-pair[1], pair[0]))[:5]
        there = [f"{count} {printable(suffix)}" for suffix, count in common]
        there += [f"{folders} folders"] if folders else []
        return "none of its {:,} folders contains an image ({}; found: {})".format(
            len(self._people), expected, ", ".join(there) or "no files"
        )

    def survey(self, problems: Problems) -> None:
        """Report stray files beside the people's folders, and folders without images."""
        for name in sorted(self._beside):
            problems.add(
                "image beside the people's folders" if is_image_name(name) else "file beside the people's folders", name
            )
        for person in self._people:
            found = Problems()
            if not self._files(person, found):
                problems.add("person without an image", person)
                # The files of the others are reported when their images are planned.
                problems.update(found)

    def items(self, subject: str, problems: Problems | None = None) -> list[FileItem]:
        """Return one person's images, sorted by name; `problems` counts other files there."""
        files = self._files(subject, Problems() if problems is None else problems)
        most = self.settings.max_per_identity
        if most is not None and len(files) > most:
            files = [files[number * len(files) // most] for number in range(most)]
        capture = Capture(subject, 0, 0, 0, 0)
        return [
            FileItem(f"{subject}/{name}", capture, os.path.join(self.root, subject, name), strict=False)
            for name in files
        ]

    def _files(self, subject: str, problems: Problems) -> list[str]:
        found = []
        for name, kind in self._entries(subject):
            if kind is None:
                found.append(name)
            else:
                problems.add(kind, f"{subject}/{name}" if name else subject)
        return sorted(found)

    def _entries(self, subject: str) -> list[tuple[str, str | None]]:
        """Return the names in a person's folder, each with the reason to leave it out, or None."""
        try:
            with os.scandir(os.path.join(self.root, subject)) as entries:
                return [(entry.name, _not_an_image(entry)) for entry in entries]
        except OSError:
            return [("", "unreadable folder")]


STRAY, FOLDER = "stray file", "folder inside a person's"


def _not_an_image(entry: "os.DirEntry[str]") -> str | None:
    """Return the reason to leave out a person's file, or None."""
    if is_directory(entry):
        return FOLDER
    if not is_file(entry):
        # Also links to themselves, for which the checks above return False.
        return "broken link or special file"
    if entry.name.startswith("."):
        return "hidden file"
    return None if is_image_name(entry.name) else STRAY


#: By layout.
SOURCES: dict[str, type[CorpusSource]] = {"kface": KFaceSource, "folders": FolderSource}


def open_source(root: PathLike, settings: "DatasetSettings") -> CorpusSource:
    """Open the corpus that the settings' layout names; raises :class:`~kface.errors.LayoutError`."""
    return SOURCES[settings.layout](root, settings)
