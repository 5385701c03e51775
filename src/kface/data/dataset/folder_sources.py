"""Folders of images: a folder for each person, aligned crops in the same form, and photographs without people."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

from kface.data.dataset.items import CorpusSource, FileItem, PathLike
from kface.data.layout import Capture, Problems, is_directory, is_file
from kface.errors import LayoutError
from kface.images import IMAGE_SUFFIXES, is_image_name
from kface.text import printable

if TYPE_CHECKING:
    from kface.data.dataset.settings import DatasetSettings

#: Stands for the identity of photographs that have none.
UNLABELLED = "unlabelled"


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


class CropSource(FolderSource):
    """Aligned 112x112 crops as ``DIR/<person>/<image>``."""

    landmarks = ("aligned",)


class PathItems(Sequence[FileItem]):
    """Files below a root as items; each is made when it is asked for, as there may be millions.

    Args:
        root: The directory.
        names: The files' paths below it.
    """

    def __init__(self, root: str, names: list[str]) -> None:
        self.root = root
        self.names = names

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, place: int) -> FileItem: ...

    @overload
    def __getitem__(self, place: slice) -> "PathItems": ...

    def __getitem__(self, place: int | slice) -> "FileItem | PathItems":
        if isinstance(place, slice):
            return PathItems(self.root, self.names[place])
        name = self.names[place]
        capture = Capture(UNLABELLED, 0, 0, 0, 0)
        return FileItem(name.replace(os.sep, "/"), capture, os.path.join(self.root, name), strict=False)


class PhotographSource(CorpusSource):
    """Photographs of anybody, at any depth below a directory: to distil from, as no identity is needed.

    Args:
        root: The directory.
        settings: Validated ones.

    Raises:
        LayoutError: It cannot be read.
    """

    labelled = False

    def __init__(self, root: PathLike, settings: "DatasetSettings") -> None:
        self.settings = settings
        self.root = os.fspath(root)
        self._strays: list[str] = []
        self._names: list[str] = []

        def unreadable(error: OSError) -> None:
            if error.filename == self.root:
                raise LayoutError(f"cannot be read ({error.strerror or error})", root)
            self._strays.append(os.path.relpath(str(error.filename), self.root))

        for folder, below, files in os.walk(self.root, onerror=unreadable):
            below[:] = sorted(name for name in below if not name.startswith("."))
            inside = os.path.relpath(folder, self.root)
            for name in files:
                path = name if inside == "." else os.path.join(inside, name)
                usable = not name.startswith(".") and is_image_name(name) and os.path.isfile(os.path.join(folder, name))
                (self._names if usable else self._strays).append(path)
        self._names.sort()
        most = settings.max_per_identity
        if most is not None and len(self._names) > most:
            self._names = [self._names[number * len(self._names) // most] for number in range(most)]

    def subjects(self) -> list[str]:
        """Return the one name that stands for all; raises LayoutError where there is no image."""
        if not self._names:
            expected = ", ".join(IMAGE_SUFFIXES)
            raise LayoutError(f"contains no image (image names end in {expected})", printable(self.root))
        return [UNLABELLED]

    def survey(self, problems: Problems) -> None:
        """Report files that are not images, and folders that cannot be read."""
        for name in sorted(self._strays):
            problems.add("stray file", name)

    def items(self, subject: str, problems: Problems | None = None) -> PathItems:
        """Return all images, sorted by their path."""
        return PathItems(self.root, self._names)
