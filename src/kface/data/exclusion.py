"""Identities of a corpus that also occur in a test set, found by name, by image or by similarity, to be left out.

A network that has been trained on a test set's people, or on its very photographs, looks better on it than it is. Names do not
suffice where a set calls its people by numbers, as InsightFace's do; a network tells them apart, and an image shows itself.
"""

import os
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from kface import checks
from kface.data.dataset.manifest import DatasetManifest, Excluded
from kface.data.dataset.records import read
from kface.errors import ConfigError, LayoutError
from kface.files import read_lines
from kface.images import is_image_name
from kface.progress import Progress

WAYS = ("name", "image", "similarity")
#: Side of the grey copies that are compared, and the correlation from which two show the same photograph: of 29.6 million pairs
#: of LFW's images 4 reach it, all of them one photograph twice.
SIDE, SAME = 32, 0.97
#: Images of an identity whose mean is its template.
IMAGES = 8
#: Crops that are compared or embedded at a time.
BATCH = 128
#: Folders between a person's and the photographs, as in CFP.
_VIEWS = ("frontal", "profile")


@dataclass(frozen=True)
class Exclusion:
    """What to leave out.

    Attributes:
        testsets: Each a directory of photographs (``DIR/.../<person>/<image>``, such as LFW's or CFP's), a ``.bin`` of
            InsightFace's, or a text file with a name on each line.
        by: Of :data:`WAYS`.
        bundle: The network for "similarity".
        threshold: Cosine of two templates from which they count as one person; None for the bundle's at its lowest FMR.
    """

    testsets: tuple[Path, ...]
    by: tuple[str, ...] = ("name", "image")
    bundle: Path | None = None
    threshold: float | None = None

    @classmethod
    def of(cls, config: Mapping[str, Any] | None) -> "Exclusion | None":
        """Read the group ``exclude`` of a configuration; None where nothing is to be left out.

        Raises:
            ConfigError: A path does not exist, or a value is out of its range.
        """
        if config is None:
            return None
        with checks.all_errors():
            given = config.get("testset")
            paths = [given] if isinstance(given, str) else [] if given is None else list(given)
            testsets = tuple(Path(str(path)).expanduser() for path in paths)
            for path in testsets:
                if not path.exists():
                    checks.refuse(ConfigError("does not exist", f"exclude.testset={path}", "correct the path"))
            by = config.get("by", cls.by)
            by = (by,) if isinstance(by, str) else tuple(by or ())
            if not by or not set(by) <= set(WAYS):
                checks.refuse(ConfigError(f"must be one or more of {', '.join(WAYS)}, not {list(by)}", "exclude.by"))
            bundle, threshold = config.get("bundle"), config.get("threshold")
            if "similarity" in by and not bundle:
                checks.refuse(ConfigError("similarity needs a network", "exclude.by", "add exclude.bundle=DIR"))
            if bundle and "similarity" not in by:
                checks.refuse(
                    ConfigError("is used by similarity only", "exclude.bundle", "add exclude.by=[similarity]")
                )
            if threshold is not None:
                checks.number("exclude.threshold", threshold, -1, 1)
            if not testsets:
                return None
            return cls(testsets, by, Path(str(bundle)).expanduser() if bundle else None, threshold)

    def described(self) -> list[Any]:
        """Return what the result depends on, ready for JSON."""
        return [
            [os.path.abspath(path) for path in self.testsets],
            list(self.by),
            str(self.bundle or ""),
            self.threshold,
        ]


@dataclass(frozen=True)
class KnownFaces:
    """The people of a test set.

    Attributes:
        title: Its name.
        people: Their names; numbers where it has no names.
        person: int64 (n,), the person in each face.
        faces: uint8 (n, 112, 112, 3), RGB, without those in which no face was found; empty where they are not needed.
    """

    title: str
    people: tuple[str, ...]
    person: np.ndarray
    faces: np.ndarray


def find_excluded(
    manifest: DatasetManifest, exclusion: Exclusion, cache: Path, progress: bool = True
) -> list[Excluded]:
    """Find the training identities of a data set that also occur in a test set; each is reported once.

    Args:
        manifest: The data set.
        exclusion: The test sets, and how they are compared.
        cache: Directory for the faces found in photographs.
        progress: Whether to show progress bars.

    Raises:
        KFaceError: A test set or the network cannot be read.
    """
    needed = bool({"image", "similarity"} & set(exclusion.by))
    sets = [open_testset(path, cache, needed, progress) for path in exclusion.testsets]
    images: dict[str, int] = {}
    for shard in manifest.of("train"):
        images[shard.subject] = images.get(shard.subject, 0) + shard.images
    # Photographs without identity are not a person who could be left out.
    named = [subject for subject in images if not _is_pool(manifest, subject)]
    found: dict[str, Excluded] = {}
    for one in sets:
        if "name" in exclusion.by:
            known = {plain_name(person): person for person in one.people if plain_name(person)}
            for subject in named:
                person = known.get(plain_name(subject.partition(":")[2] or subject))
                if person is not None:
                    found.setdefault(subject, Excluded(subject, one.title, person, "name", None, images[subject]))
    sets = [one for one in sets if len(one.faces)]
    if sets and "image" in exclusion.by:
        for subject, one, person in _copies(manifest, set(named) - set(found), sets, progress):
            found.setdefault(subject, Excluded(subject, one.title, person, "image", None, images[subject]))
    if sets and "similarity" in exclusion.by:
        for subject, one, person, score in _alike(manifest, set(named) - set(found), sets, exclusion, progress):
            found.setdefault(subject, Excluded(subject, one.title, person, "similarity", score, images[subject]))
    return sorted(found.values())


def _is_pool(manifest: DatasetManifest, subject: str) -> bool:
    if not manifest.members:
        return not manifest.labelled()
    member = subject.partition(":")[0]
    alone = len(manifest.members) == 1
    return not next(one.labelled for one in manifest.members if alone or one.name == member)


def plain_name(name: str) -> str:
    r"""Return a name without case, accents, blanks, underscores and punctuation; "" for a mere number, which is no name.

    Example:
        >>> plain_name("Jos\u00e9_Mar\u00eda Aznar") == plain_name("jose-maria.aznar")
        True
    """
    letters = unicodedata.normalize("NFKD", name.casefold())
    # Hangul's parts stay: they are letters, not marks.
    plain = "".join(sign for sign in letters if sign.isalnum() and not unicodedata.combining(sign))
    return "" if plain.isdecimal() else unicodedata.normalize("NFC", plain)


def open_testset(path: Path, cache: Path, faces: bool, progress: bool) -> KnownFaces:
    """Open a test set.

    Args:
        path: See :attr:`Exclusion.testsets`.
        cache: Directory for the faces found in photographs.
        faces: Whether its faces are needed beside its names.
        progress: Whether to show progress bars.

    Raises:
        LayoutError: It holds no people.
        KFaceError: It cannot be read.
    """
    from kface.data.testsets import acquire, bin_set

    nothing = np.empty((0, 112, 112, 3), np.uint8)
    if path.is_dir():
        photographs = list(_photographs(path))
        if not photographs:
            raise LayoutError("contains no photographs of people", path, "give a folder with a folder for each person")
        names = sorted({name for name, _ in photographs})
        number = {name: index for index, name in enumerate(names)}
        person = np.array([number[name] for name, _ in photographs], np.int64)
        if not faces:
            return KnownFaces(path.name, tuple(names), person, nothing)
        crops, failed = acquire([file for _, file in photographs], cache, path.name, progress)
        return KnownFaces(path.name, tuple(names), person[~failed], crops[~failed])
    if path.suffix == ".bin":
        loaded = bin_set(path, path.stem, path.stem)
        people = tuple(f"person {one}" for one in range(int(loaded.people.max()) + 1))
        kept = ~loaded.failed
        return KnownFaces(path.stem, people, loaded.people[kept], loaded.images[kept])
    try:
        lines = [line.strip() for line in read_lines(path)]
    except (OSError, ValueError) as error:
        raise LayoutError(f"cannot be read as a list of names ({error})", path)
    if not any(lines):
        raise LayoutError("contains no names", path)
    return KnownFaces(path.stem, tuple(line for line in lines if line), np.empty(0, np.int64), nothing)


def _photographs(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield (person, file) of the photographs below a directory, sorted."""
    for folder, below, files in os.walk(root):
        below.sort()
        place = Path(folder)
        if place == root:
            continue
        person = place.parent.name if place.name in _VIEWS else place.name
        for name in sorted(files):
            if is_image_name(name) and not name.startswith("."):
                yield person, place / name


def thumbnails(faces: np.ndarray) -> np.ndarray:
    """Return float32 (n, SIDE * SIDE): grey copies of crops, mean 0 and length 1, whose products are correlations."""
    small = np.empty((len(faces), SIDE * SIDE), np.float32)
    for number, face in enumerate(faces):
        grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)
        small[number] = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).reshape(-1)
    small -= small.mean(axis=1, keepdims=True)
    return small / np.maximum(np.linalg.norm(small, axis=1, keepdims=True), 1e-6)


def _copies(
    manifest: DatasetManifest, subjects: set[str], sets: Sequence[KnownFaces], progress: bool
) -> Iterator[tuple[str, KnownFaces, str]]:
    """Yield (subject, test set, person) for identities with an image that is a test set's."""
    known = [thumbnails(one.faces) for one in sets]
    for names, faces in _crops(manifest, subjects, None, "comparing images", progress):
        small = thumbnails(faces)
        for one, other in zip(sets, known, strict=True):
            alike = small @ other.T
            best = alike.argmax(axis=1)
            for row in np.flatnonzero(alike.max(axis=1) >= SAME):
                yield names[row], one, one.people[int(one.person[best[row]])]


def _alike(
    manifest: DatasetManifest, subjects: set[str], sets: Sequence[KnownFaces], exclusion: Exclusion, progress: bool
) -> Iterator[tuple[str, KnownFaces, str, float]]:
    """Yield (subject, test set, person, cosine) for identities whose template is like that of a test set's person."""
    from kface import bundle
    from kface.recognizer.embedder import Embedder

    assert exclusion.bundle is not None
    loaded = bundle.load(exclusion.bundle)
    threshold = exclusion.threshold if exclusion.threshold is not None else _threshold(loaded, exclusion.bundle)
    embedder = Embedder(loaded)
    try:
        templates = [
            _templates(embedder, [one.faces[n : n + BATCH] for n in range(0, len(one.faces), BATCH)], one.person)
            for one in sets
        ]
        names: list[str] = []
        vectors: list[np.ndarray] = []
        for some, faces in _crops(manifest, subjects, IMAGES, "comparing people", progress):
            names += some
            vectors.append(embedder.run(faces).vectors)
    finally:
        embedder.close()
    if not names:
        return
    order = sorted(set(names))
    number = {name: index for index, name in enumerate(order)}
    mine = _means(np.concatenate(vectors), np.array([number[name] for name in names], np.int64), len(order))
    for one, other in zip(sets, templates, strict=True):
        for start in range(0, len(order), 1024):
            alike = mine[start : start + 1024] @ other.T
            for row in np.flatnonzero(alike.max(axis=1) >= threshold):
                best = int(alike[row].argmax())
                yield order[start + row], one, one.people[best], round(float(alike[row, best]), 4)


def _templates(embedder: Any, batches: Sequence[np.ndarray], person: np.ndarray) -> np.ndarray:
    vectors = np.concatenate([embedder.run(batch).vectors for batch in batches])
    return _means(vectors, person, int(person.max()) + 1)


def _means(vectors: np.ndarray, person: np.ndarray, people: int) -> np.ndarray:
    """Return float32 (people, d), the mean direction of each person's embeddings; zeros for none."""
    sums = np.zeros((people, vectors.shape[1]), np.float32)
    np.add.at(sums, person, vectors)
    return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-6)


def _threshold(loaded: Any, path: Path) -> float:
    """Return a bundle's threshold at the lowest FMR for which it has one."""
    rows = loaded.manifest.thresholds.rows if loaded.manifest.thresholds is not None else ()
    known = [(row.target, row.threshold) for row in rows if row.threshold is not None]
    if not known:
        raise ConfigError("has no threshold", f"exclude.bundle={path}", "add exclude.threshold=COSINE")
    return float(min(known)[1])


def _crops(
    manifest: DatasetManifest, subjects: set[str], most: int | None, title: str, progress: bool
) -> Iterator[tuple[list[str], np.ndarray]]:
    """Yield (identities, uint8 (n, 112, 112, 3)) of the training split in batches, at most some images an identity."""
    total = sum(shard.images for shard in manifest.of("train") if shard.subject in subjects)
    names: list[str] = []
    faces: list[np.ndarray] = []
    seen: dict[str, int] = {}
    with Progress(total, title, "images", enabled=progress) as bar:
        for record in read(manifest, "train", subjects):
            bar.update(1)
            subject = record.capture.subject
            seen[subject] = seen.get(subject, 0) + 1
            if most is not None and seen[subject] > most:
                continue
            names.append(subject)
            faces.append(record.image)
            if len(names) == BATCH:
                yield names, np.stack(faces)
                names, faces = [], []
    if names:
        yield names, np.stack(faces)
