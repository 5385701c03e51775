"""Builds the aligned data set: plans the shards, has workers make them, and writes them as they finish."""

import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import cv2

from kface.data.dataset.crops import NoDetector
from kface.data.dataset.extract import Chunk, DetectorFactory, Extracted, Mtcnn
from kface.data.dataset.items import CorpusSource, Item
from kface.data.dataset.manifest import FILE, DatasetManifest, PathLike, Refused, Shard, shard_name, split_counts
from kface.data.dataset.parallel import results_of
from kface.data.dataset.settings import DatasetSettings
from kface.data.dataset.sources import open_source
from kface.data.dataset.workspace import SHARDS, Workspace
from kface.data.layout import Problems
from kface.data.protocols import Protocol, Split, split
from kface.errors import ConfigError, DatasetError
from kface.files import read_json, sha256_bytes, write_json
from kface.progress import Progress
from kface.text import printable

#: Maximum number of processes; a larger one is a typing error.
MOST_JOBS = 4096


class BuildReport(NamedTuple):
    """The result of :func:`build`.

    Attributes:
        manifest: The finished data set.
        built: Number of images that were processed in this run.
        kept: Number of images whose shards existed already.
        seconds: Duration.
    """

    manifest: DatasetManifest
    built: int
    kept: int
    seconds: float


class PlannedShard(NamedTuple):
    """A shard to write: its key, its place in the corpus, its number of images, and the fingerprint of their files."""

    key: str
    split: str
    subject: str
    number: int
    images: int
    fingerprint: str


def build(
    root: PathLike,
    out: PathLike,
    settings: DatasetSettings | None = None,
    *,
    jobs: int = -1,
    backend: str = "loky",
    progress: bool = True,
    detector: DetectorFactory | None = None,
    name: str | None = None,
    synthetic: bool = False,
) -> BuildReport:
    """Detect, align and shard a corpus into 112x112 faces.

    Killed at any moment and restarted, it gives the same bytes as an uninterrupted run. Without changes it does nothing; with
    changed images it rebuilds their shards. The crops are JPEG with OpenCV's usual 4:2:0 chroma.

    Args:
        root: The corpus.
        out: The data set's directory.
        settings: Determine the content.
        jobs: Number of worker processes; -1 for one per core.
        backend: What runs the processes, see :func:`kface.workers.backend_of`.
        progress: Whether to show a progress bar, or that nothing is to be done.
        detector: Finds the faces, except in aligned crops. MTCNN by default.
        name: The corpus's name; by default its directory's.
        synthetic: Whether the corpus is synthetic.

    Returns:
        The manifest, and what was done.

    Raises:
        ConfigError: A setting, `jobs` or `backend` is wrong.
        LayoutError: The root is not a corpus of this layout.
        ProtocolError: The corpus has too few people to split.
        DatasetError: The directory cannot be written, is in use or was built with other settings; a worker died; or no
            image could be used.
    """
    began = time.time()
    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs == 0 or not -MOST_JOBS <= jobs <= MOST_JOBS:
        raise ConfigError(f"must be a number of processes, or -1 for one per core, not {jobs!r}", "jobs")
    settings = (settings or DatasetSettings()).validated()
    if settings.landmarks == "aligned":
        detector = NoDetector()
    elif detector is None:
        detector = Mtcnn(tuple(settings.thresholds), settings.factor, settings.runtime)
    # A cluster's workers may run in another directory.
    source = open_source(os.path.abspath(root) if backend == "dask" else root, settings)
    people = _split(source, settings)
    source.tested = frozenset(people.test)
    header = {"settings": settings.as_dict(), "detector": detector.describe(), "people": _people(people)}
    origin = {
        "name": name or os.path.basename(os.path.abspath(os.fspath(root))),
        "root": os.fspath(root),
        "layout": settings.layout,
        "synthetic": synthetic,
    }
    if not source.labelled:
        origin["labelled"] = False
    with Workspace(out, {key: header[key] for key in ("settings", "detector")}) as workspace:
        problems = Problems()
        source.survey(problems)
        plan = list(_plan(source, people, settings, header, problems))
        if not plan:
            raise DatasetError(f"contains no image for the protocol {settings.protocol}", root)
        entries = {work.key: workspace.entry(work.key, work.fingerprint) for work in plan}
        pending = [work for work in plan if entries[work.key] is None]
        kept = sum(work.images for work in plan if entries[work.key] is not None)
        built = sum(work.images for work in pending)
        if pending:
            workspace.drop_manifest()
            _make(source, settings, detector, pending, entries, workspace, jobs, backend, progress, root)
        manifest = _manifest(workspace.directory, origin, source.rules, header, problems, plan, entries)
        _publish(workspace, manifest, plan)
    if progress and not pending:
        print(f"data set: nothing to do, {printable(out)} contains {manifest.images():,} images")
    if not manifest.shards:
        raise DatasetError(f"none of its {kept + built:,} images could be used ({manifest.refused[0].reason})", root)
    return BuildReport(manifest, built, kept, time.time() - began)


def _split(source: CorpusSource, settings: DatasetSettings) -> Split:
    identities = settings.identities
    if identities is None and source.rules is not None:
        identities = source.rules.identities
    subjects = source.subjects()
    if not source.labelled:
        return Split(tuple(subjects), ())
    if settings.test is None:
        if identities is None or len(subjects) <= identities:
            return Split(tuple(sorted(subjects)), ())
        both = split(subjects, 1, settings.seed, published=False, identities=identities)
        return Split(tuple(sorted(both.train + both.test)), ())
    return split(subjects, settings.test, settings.seed, settings.published, identities)


def _people(people: Split) -> str:
    return hashlib.sha256(repr(people).encode("utf-8", "surrogateescape")).hexdigest()


def _pieces(items: Sequence[Item], size: int) -> Iterator[tuple[int, Sequence[Item]]]:
    for number, start in enumerate(range(0, len(items), size)):
        yield number, items[start : start + size]


def _plan(
    source: CorpusSource, people: Split, settings: DatasetSettings, header: dict[str, Any], problems: Problems
) -> Iterator[PlannedShard]:
    """Yield the shards to write, with at most one identity's images in memory."""
    for part, subjects in (("test", people.test), ("train", people.train)):
        for subject in subjects:
            items = source.items(subject, problems)
            extra: list[Item] = []
            if settings.landmarks == "camera":
                several = source.references(items).values()
                extra = sorted((item for found in several for item in found), key=lambda item: item.place)
            for number, piece in _pieces(items, settings.max_per_shard):
                key = shard_name(part, subject, number)
                yield PlannedShard(key, part, subject, number, len(piece), _fingerprint(piece, extra, settings))


def _fingerprint(items: Sequence[Item], extra: Sequence[Item], settings: DatasetSettings) -> str:
    """Return a hash of the names, sizes and times of all files that determine a shard's content."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(f"{item.name}\0{item.stamp()}\n".encode("utf-8", "surrogateescape"))
        if settings.landmarks == "annotation":
            digest.update(f"{item.marks_stamp()}\n".encode())
    for item in extra:
        digest.update(f"{item.stamp()}\n".encode())
    return digest.hexdigest()


def _make(
    source: CorpusSource,
    settings: DatasetSettings,
    detector: DetectorFactory,
    pending: list[PlannedShard],
    entries: dict[str, dict[str, Any] | None],
    workspace: Workspace,
    jobs: int,
    backend: str,
    progress: bool,
    root: PathLike,
) -> None:
    """Make the pending shards, and write each as soon as it is finished."""
    by_key = {work.key: work for work in pending}
    chunks = _chunks(source, settings, detector, pending)
    bar = Progress(sum(work.images for work in pending), "data set", "images", enabled=progress)
    with bar, _one_thread(), results_of(chunks, jobs, backend, root) as results:
        for done in results:
            work = by_key[done.key]
            entries[done.key] = entry = _entry(work, done)
            workspace.finish(done.key, entry, done.data)
            bar.update(done.seen)


def _chunks(
    source: CorpusSource, settings: DatasetSettings, detector: DetectorFactory, pending: list[PlannedShard]
) -> Iterator[Chunk]:
    """Yield the chunks of work, with one identity's images in memory at a time."""
    subject: str | None = None
    items: Sequence[Item] = ()
    references: dict[tuple[str, int], list[Item]] = {}
    for work in pending:
        if work.subject != subject:
            subject, items = work.subject, source.items(work.subject)
            references = source.references(items) if settings.landmarks == "camera" else {}
        start = work.number * settings.max_per_shard
        piece = items[start : start + settings.max_per_shard]
        yield Chunk(work.split, work.subject, work.number, piece, references, settings, detector, os.getpid())


def _entry(work: PlannedShard, done: Extracted) -> dict[str, Any]:
    shard = None
    if done.images:
        file = f"{SHARDS}/{work.key}.tfrecord"
        shard = Shard(file, work.split, work.subject, done.images, len(done.data), sha256_bytes(done.data))._asdict()
    return {
        "fingerprint": work.fingerprint,
        "shard": None if shard is None else dict(shard),
        "refused": [list(pair) for pair in done.refused],
        "conditions": done.conditions,
        "landmarks": done.landmarks,
    }


@contextmanager
def _one_thread() -> Iterator[None]:
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _manifest(
    directory: Path,
    origin: dict[str, Any],
    rules: Protocol | None,
    header: dict[str, Any],
    problems: Problems,
    plan: list[PlannedShard],
    entries: dict[str, dict[str, Any] | None],
) -> DatasetManifest:
    shards: list[Shard] = []
    refused: list[Refused] = []
    subjects: dict[str, int] = {}
    conditions: dict[str, dict[str, int]] = {}
    landmarks: dict[str, int] = {}
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode("utf-8"))
    for work in sorted(plan):
        entry = entries[work.key] or {}
        digest.update(work.fingerprint.encode("ascii"))
        subjects.setdefault(work.subject, 0)
        refused += [Refused(*pair) for pair in entry["refused"]]
        if entry["shard"] is not None:
            shard = Shard(**entry["shard"])
            shards.append(shard)
            subjects[work.subject] += shard.images
        for origin_name, count in entry["landmarks"].items():
            landmarks[origin_name] = landmarks.get(origin_name, 0) + count
        for condition, numbers in entry["conditions"].items():
            total = conditions.setdefault(condition, {})
            for number, count in numbers.items():
                total[number] = total.get(number, 0) + count
    counts = {
        "images": sum(shard.images for shard in shards),
        "refused": len(refused),
        "splits": split_counts(shards),
        "subjects": subjects,
        "conditions": conditions,
        "landmarks": landmarks,
    }
    found = {
        kind: {"times": problem.times, "examples": list(problem.examples)} for kind, problem in problems.kinds().items()
    }
    return DatasetManifest(
        directory=directory,
        source=origin,
        protocol=_protocol(rules),
        settings=header["settings"],
        detector=header["detector"],
        counts=counts,
        shards=tuple(sorted(shards)),
        refused=tuple(sorted(refused)),
        problems=found,
        fingerprint=digest.hexdigest(),
    )


def _protocol(rules: Protocol | None) -> dict[str, Any] | None:
    if rules is None:
        return None
    conditions = {
        name: None if values is None else sorted(values) for name, values in rules.conditions._asdict().items()
    }
    return {"name": rules.name, "conditions": conditions}


def _publish(workspace: Workspace, manifest: DatasetManifest, plan: list[PlannedShard]) -> None:
    """Remove stray files, and write the manifest where it changed."""
    path = workspace.directory / FILE
    try:
        strays = list(workspace.strays([work.key for work in plan], [shard.file for shard in manifest.shards]))
        if strays:
            workspace.drop_manifest()
            for stray in strays:
                stray.unlink()
        if not _is_written(path, manifest):
            write_json(path, manifest.as_dict())
    except OSError as error:
        raise workspace.cannot_write(error)


def _is_written(path: Path, manifest: DatasetManifest) -> bool:
    try:
        return bool(read_json(path) == json.loads(json.dumps(manifest.as_dict())))
    except (OSError, ValueError, RecursionError):
        return False
