"""Walks a K-Face tree, or a listing of one, as a stream."""

import os
from typing import Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Set, Tuple, Union

from kface.data.layout.capture import (
    ACCESSORY_NAMES,
    ANNOTATION_SUFFIX,
    EXPRESSION_NAMES,
    IMAGE_SUFFIXES,
    LIGHT_NAMES,
    RESOLUTION_NAMES,
    Capture,
    Conditions,
    camera_of,
    is_annotation,
    is_image,
    is_subject,
    parse_folder,
)
from kface.errors import LayoutError
from kface.text import printable

PathLike = Union[str, "os.PathLike[str]"]

EXAMPLES = 5

#: No condition at all.
EVERYTHING = Conditions()


class Problem(NamedTuple):
    """Number of files or folders of a kind that do not belong in the tree, and the first five of them."""

    times: int
    examples: Tuple[str, ...]


class Problems:
    """Counts files and folders that do not parse, by kind, to report them once; they are never fatal."""

    def __init__(self) -> None:
        self._counts: Dict[str, int] = {}
        self._examples: Dict[str, List[str]] = {}

    def add(self, kind: str, example: str) -> None:
        """Count one of a kind; the first few examples are kept."""
        self._counts[kind] = self._counts.get(kind, 0) + 1
        examples = self._examples.setdefault(kind, [])
        if len(examples) < EXAMPLES:
            # A name that is not UTF-8, or contains control characters, must not break the report.
            examples.append(printable(example))

    def update(self, other: "Problems") -> None:
        """Add the counts of another object."""
        for kind, problem in other.kinds().items():
            self._counts[kind] = self._counts.get(kind, 0) + problem.times
            examples = self._examples.setdefault(kind, [])
            examples += problem.examples[: EXAMPLES - len(examples)]

    @property
    def total(self) -> int:
        """Number of files and folders that did not parse."""
        return sum(self._counts.values())

    def kinds(self) -> Dict[str, Problem]:
        """Return the counts and examples by kind, sorted."""
        return {kind: Problem(self._counts[kind], tuple(self._examples[kind])) for kind in sorted(self._counts)}

    def lines(self) -> List[str]:
        """Return one line per kind, for a report."""
        found = []
        for kind, problem in self.kinds().items():
            more = ", ..." if problem.times > len(problem.examples) else ""
            found.append("{} x {}: {}{}".format(problem.times, kind, ", ".join(problem.examples), more))
        return found


class Tree:
    """A K-Face tree on disk.

    The root contains the resolutions (``High_Resolution`` or ``High``, and so on), or is one of them, or contains identities
    directly. In the last two cases the resolution is that of the root's name, else that of the conditions, else "High".

    Args:
        root: The directory.

    Raises:
        LayoutError: The root is not a directory, cannot be read, or contains neither resolutions nor identities.
    """

    def __init__(self, root: PathLike) -> None:
        self.root = os.fspath(root)
        self.resolutions: Dict[str, str] = {}
        self._extra: List[str] = []
        remedy = "give the directory that contains High_Resolution/ or the identities"
        try:
            with os.scandir(self.root) as entries:
                folders = {entry.name for entry in entries if is_directory(entry)}
        except (OSError, ValueError) as error:
            raise LayoutError("cannot be read ({})".format(getattr(error, "strerror", None) or error), root, remedy)
        # The long spelling first: it takes precedence.
        for name in sorted(folders & set(RESOLUTION_NAMES), key=len, reverse=True):
            if RESOLUTION_NAMES[name] in self.resolutions:
                self._extra.append(name)
            else:
                self.resolutions[RESOLUTION_NAMES[name]] = os.path.join(self.root, name)
        self.direct = not self.resolutions and any(is_subject(name) for name in folders)
        if not self.resolutions and not self.direct:
            raise LayoutError("is not a K-Face tree", root, remedy)

    def _roots(self, conditions: Conditions) -> List[Tuple[str, str]]:
        """Return the wanted resolutions with their folders, highest first."""
        wanted = conditions.resolutions
        if self.direct:
            name = RESOLUTION_NAMES.get(os.path.basename(os.path.abspath(self.root)))
            if name is None:
                name = min(wanted) if wanted and len(wanted) == 1 else "High"
            found = {name: self.root}
        else:
            found = self.resolutions
        order = ("High", "Middle", "Low")
        return [(name, found[name]) for name in order if name in found and (wanted is None or name in wanted)]

    def subjects(self, resolution: Optional[str] = None) -> List[str]:
        """Return the identities, sorted.

        Args:
            resolution: One of the resolutions; by default all.
        """
        conditions = Conditions() if resolution is None else Conditions.of(resolutions=[resolution])
        found: Set[str] = set()
        for _, folder in self._roots(conditions):
            with os.scandir(folder) as entries:
                found.update(entry.name for entry in entries if is_subject(entry.name) and is_directory(entry))
        return sorted(found)

    def find(self, capture: Capture) -> Optional[str]:
        """Return the path of a capture's image, or None, without listing a folder."""
        for _, folder in self._roots(Conditions(resolutions=frozenset([capture.resolution]))):
            stem = os.path.join(folder, *capture.short_path().split("/"))[: -len(".jpg")]
            for suffix in IMAGE_SUFFIXES:
                for path in (stem + suffix, stem + suffix.upper()):
                    if os.path.isfile(path):
                        return path
        return None

    def files(
        self, conditions: Conditions = EVERYTHING, problems: Optional[Problems] = None
    ) -> Iterator[Tuple[Capture, str]]:
        """Yield the wanted captures with their paths, sorted, opening only the folders that can contain one.

        Args:
            conditions: The wanted captures.
            problems: Counts what does not parse in the opened folders.

        Yields:
            By resolution (High, Middle, Low), then in the order of :class:`Capture`.
        """
        problems = Problems() if problems is None else problems
        for name in self._extra:
            problems.add("second folder of a resolution", os.path.join(self.root, name))
        for resolution, folder in self._roots(conditions):
            for subject, subject_path in _folders(folder, _subject_of, conditions.subjects, problems, "identity"):
                for captured in _walk_subject(subject_path, subject, resolution, conditions, problems):
                    yield captured

    def files_of(
        self, subject: str, conditions: Conditions = EVERYTHING, problems: Optional[Problems] = None
    ) -> Iterator[Tuple[Capture, str]]:
        """Yield one identity's wanted captures with their paths, without listing the other identities."""
        problems = Problems() if problems is None else problems
        for resolution, folder in self._roots(conditions):
            path = os.path.join(folder, subject)
            if os.path.isdir(path):
                for captured in _walk_subject(path, subject, resolution, conditions, problems):
                    yield captured

    def survey(self, conditions: Conditions, problems: Problems) -> None:
        """Report stray files and folders beside the identities."""
        for name in self._extra:
            problems.add("second folder of a resolution", os.path.join(self.root, name))
        for _, folder in self._roots(conditions):
            _folders(folder, _subject_of, None, problems, "identity")


def annotation_beside(path: str) -> Optional[str]:
    """Return the path of the annotation file beside an image, or None."""
    stem = os.path.splitext(path)[0]
    for suffix in (ANNOTATION_SUFFIX, ANNOTATION_SUFFIX.upper()):
        if os.path.isfile(stem + suffix):
            return stem + suffix
    return None


def walk(root: PathLike, conditions: Conditions = EVERYTHING, problems: Optional[Problems] = None) -> Iterator[Capture]:
    """Yield a tree's captures, sorted, streaming; see :class:`Tree` and :meth:`Tree.files`.

    Raises:
        LayoutError: Immediately, where the root is not a K-Face tree.
    """
    files = Tree(root).files(conditions, problems)
    return (capture for capture, _ in files)


def walk_listing(
    lines: Iterable[str], conditions: Conditions = EVERYTHING, problems: Optional[Problems] = None
) -> Iterator[Capture]:
    """Yield the captures of a listing of paths, in its order, as a stream and without accessing files.

    Args:
        lines: One path a line, for instance an open text file; absolute, relative, with slashes or backslashes.
        conditions: The wanted captures.
        problems: Counts the lines that do not parse, but not annotation files and empty lines.
    """
    problems = Problems() if problems is None else problems
    last_folder: Optional[str] = None
    fields: Optional[Tuple[str, int, int, int]] = None
    resolution, kind = "High", ""
    outer = conditions._replace(cameras=None)
    cameras: Dict[str, int] = {}
    for line in lines:
        path = line.rstrip("\r\n")
        if "\\" in path:
            path = path.replace("\\", "/")
        folder, _, name = path.rpartition("/")
        # The 20 images of a folder are usually listed together: the folder is parsed once.
        if folder != last_folder:
            last_folder, fields, kind = folder, None, "not a K-Face path"
            try:
                head = parse_folder(folder)
            except LayoutError:
                pass
            else:
                fields, resolution, kind = head[:4], head.resolution, ""
                if not outer.admits(head):
                    fields = None
        if kind:
            if path.strip():
                problems.add(kind, path)
            continue
        camera = cameras.get(name)
        if camera is None:
            camera = camera_of(name)
            if camera is None:
                if not is_annotation(name):
                    problems.add("misnamed image" if is_image(name) else "stray file", path)
                continue
            cameras[name] = camera
        if fields is not None and (conditions.cameras is None or camera in conditions.cameras):
            yield Capture(fields[0], fields[1], fields[2], fields[3], camera, resolution)


def _walk_subject(
    path: str, subject: str, resolution: str, conditions: Conditions, problems: Problems
) -> Iterator[Tuple[Capture, str]]:
    for accessory, path_s in _folders(path, ACCESSORY_NAMES.get, conditions.accessories, problems, "accessory"):
        for light, path_l in _folders(path_s, LIGHT_NAMES.get, conditions.lights, problems, "light"):
            for expression, path_e in _folders(
                path_l, EXPRESSION_NAMES.get, conditions.expressions, problems, "expression"
            ):
                for camera, file_path in _images(path_e, conditions, problems):
                    yield Capture(subject, accessory, light, expression, camera, resolution), file_path


def _subject_of(name: str) -> Optional[str]:
    return name if is_subject(name) else None


def is_directory(entry: "os.DirEntry[str]") -> bool:
    """Return whether an entry is a directory or a link to one, but not a link to itself."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def is_file(entry: "os.DirEntry[str]") -> bool:
    """Return whether an entry is a regular file or a link to one, but not a link to itself."""
    try:
        return entry.is_file()
    except OSError:
        return False


def _scan(folder: str, problems: Problems) -> "List[os.DirEntry[str]]":
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        problems.add("unreadable folder", folder)
        return []


def _folders(
    folder: str, value_of: Callable, wanted: Optional[frozenset], problems: Problems, kind: str
) -> List[Tuple]:
    """Return the (value, path) of the wanted folders in a folder, by value."""
    found = []
    for entry in _scan(folder, problems):
        value = value_of(entry.name)
        if value is not None and wanted is not None and value not in wanted:
            continue
        if is_directory(entry):
            if value is None:
                problems.add("misnamed {} folder".format(kind), entry.path)
            else:
                found.append((value, entry.path))
        else:
            problems.add(_not_a_folder(entry, value is not None), entry.path)
    return sorted(found)


def _not_a_folder(entry: "os.DirEntry[str]", named_well: bool) -> str:
    if not is_file(entry):
        return "broken link"
    return "file in a folder's place" if named_well else "stray file"


def _not_an_image(entry: "os.DirEntry[str]") -> str:
    if is_directory(entry):
        return "stray folder"
    if not is_file(entry):
        return "broken link"
    return "misnamed image" if is_image(entry.name) else "stray file"


def _images(folder: str, conditions: Conditions, problems: Problems) -> List[Tuple[int, str]]:
    """Return the (camera, path) of the wanted images in a folder, by camera."""
    found: Dict[int, str] = {}
    for entry in _scan(folder, problems):
        camera = camera_of(entry.name)
        if camera is None:
            if not is_annotation(entry.name):
                problems.add(_not_an_image(entry), entry.path)
        elif conditions.cameras is not None and camera not in conditions.cameras:
            continue
        elif not is_file(entry):
            problems.add("folder in an image's place" if is_directory(entry) else "broken link", entry.path)
        elif camera in found:
            problems.add("second file of an image", entry.path)
        else:
            found[camera] = entry.path
    return sorted(found.items())
