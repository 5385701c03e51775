"""Verifies networks that need no TensorFlow: an exported bundle, its C++ library, or an ONNX embedder from elsewhere."""

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np

from kface import bundle
from kface.bundle import BundleManifest
from kface.data.dataset import DatasetManifest, load
from kface.data.testsets.kface_protocols import OwnSets
from kface.errors import ConfigError, KFaceError, ModelError, TrainingError
from kface.evaluation import foreign, runs, summary, test_sets
from kface.evaluation.evaluate import Embed, evaluate
from kface.evaluation.job import EvaluateJob
from kface.evaluation.runs import About
from kface.library import Library
from kface.networks import resolve
from kface.recognizer.embedder import Embedder

#: What a bundle's training report may state about the run, with its type.
FACTS = {"protocol": str, "seed": int, "epochs": int, "images": int, "people": int, "data_set_fingerprint": str}
#: Written where the training data of a network is not known.
UNKNOWN_DATA = "data unknown to kface"


class ExportedNetwork(NamedTuple):
    """An open network to verify.

    Attributes:
        name: For file names.
        embed: uint8 (n, 112, 112, 3) RGB -> float32 (n, d), of length 1.
        about: Its description, for the report.
        close: Frees the network.
    """

    name: str
    embed: Embed
    about: About
    close: Callable[[], None]


def verify_exported(job: EvaluateJob) -> str:
    """Verify a bundle, an embedder or a library; write the report and plots; return the row of Table 5 and what is beside it.

    Raises:
        ConfigError: A file does not exist, no test set is available, or no installed runtime can run the network.
        KFaceError: A file is damaged, or a test set cannot be loaded.
    """
    directory = _report_directory(job.out)
    network = open_exported(job)
    try:
        settings = job.seeded(network.about)
        manifest = find_data_set(job, network.about) if settings.pairs is not None or settings.protocols else None
        own = OwnSets() if manifest is None else test_sets.own(settings, manifest)
        sets = [*own.sets, *test_sets.photographs(settings)]
        if not sets:
            raise ConfigError("there is no test set to verify on", "evaluate", "add evaluate.lfw=DIR or data_set=DIR")
        directory = directory or runs.new_run(job.output_dir, slug(network.name), "evaluation")
        print(f"evaluating {job.library or job.bundle or job.embedder}: {network.about['network']}", flush=True)
        report = evaluate(
            network.embed,
            sets,
            directory,
            network.about,
            None,
            settings.bootstrap,
            settings.seed,
            settings.progress,
            own.conditions,
        )
    finally:
        network.close()
    return f"{summary.text(report)}\n\nreport and plots: {directory}"


def open_exported(job: EvaluateJob) -> ExportedNetwork:
    """Open the bundle, the library with a bundle, or the embedder that a job names.

    Raises:
        ConfigError: The file does not exist, or no installed runtime can run it.
        ModelError: It is damaged, or is not a network that maps faces to embeddings.
    """
    if job.library is not None:
        return _library(job.library, job)
    if job.bundle is not None:
        return _bundle(job.bundle, job)
    assert job.embedder is not None
    return _embedder(job.embedder, job)


def _bundle(directory: Path, job: EvaluateJob) -> ExportedNetwork:
    loaded = bundle.load(directory)
    embedder = Embedder(loaded, job.runtime, job.precision)
    manifest = loaded.manifest
    about = _about(manifest, f"bundle {manifest.name}, {job.precision} on {embedder.runtime}")

    def embed(images: np.ndarray) -> np.ndarray:
        found = embedder.run(images)
        if found.failed.any():
            raise ModelError(f"gives no embedding of {int(found.failed.sum())} faces", directory, "export it again")
        return found.vectors

    return ExportedNetwork(manifest.name, mirrored(embed) if job.evaluation.mirror else embed, about, embedder.close)


def _about(manifest: BundleManifest, network: str) -> About:
    """Return the description of a bundle's network."""
    run = manifest.training.get("run")
    run = run if isinstance(run, dict) else {}
    facts = {key: run[key] for key, kind in FACTS.items() if type(run.get(key)) is kind}
    return {
        "backbone": _text(run.get("backbone")) or manifest.name,
        "loss": _text(run.get("loss")),
        "trained_on": _text(run.get("trained_on")) or UNKNOWN_DATA,
        "network": network,
        "fingerprint": manifest.fingerprint,
        **cast(About, facts),
    }


def _library(path: Path, job: EvaluateJob) -> ExportedNetwork:
    """Open the C++ library with a bundle; its embedder gets the faces that were aligned here, as all other networks do."""
    assert job.bundle is not None
    manifest = bundle.load(job.bundle).manifest
    library = Library(path)
    engine = library.open(job.bundle)
    about = _about(manifest, f"library {library.version} with bundle {manifest.name}, on aligned faces")

    def embed(images: np.ndarray) -> np.ndarray:
        vectors = engine.embed(images)
        failed = int((~vectors.any(axis=1)).sum())
        if failed:
            raise ModelError(f"gives no embedding of {failed} faces", job.bundle, "export it again")
        return vectors

    name = f"{manifest.name}-library"
    return ExportedNetwork(name, mirrored(embed) if job.evaluation.mirror else embed, about, engine.close)


def _embedder(path: Path, job: EvaluateJob) -> ExportedNetwork:
    assert job.colour is not None
    assert job.normalisation is not None
    preprocessing = foreign.Preprocessing(job.colour, *job.normalisation)
    if not path.is_file():
        raise ConfigError("there is no such file", f"embedder={path}")
    # Some runtimes read the file again for another batch size, so it stays until the network is closed.
    folder = tempfile.TemporaryDirectory(prefix="kface-embedder-")
    try:
        network = foreign.ForeignNetwork(path, Path(folder.name), job.output, resolve(job.runtime, path.suffix.lower()))
    except BaseException:
        folder.cleanup()
        raise
    about: About = {
        "backbone": path.name,
        "loss": None,
        "trained_on": UNKNOWN_DATA,
        "network": f"{preprocessing}, on {network.network.runtime}",
    }

    def embed(images: np.ndarray) -> np.ndarray:
        values = np.asarray(network.run(images, preprocessing), np.float32)
        if not np.isfinite(values).all():
            raise ModelError("gives embeddings that are not finite", path, "check preprocessing.normalisation")
        return unit(values)

    def close() -> None:
        network.network.close()
        folder.cleanup()

    return ExportedNetwork(path.stem, mirrored(embed) if job.evaluation.mirror else embed, about, close)


def unit(embeddings: np.ndarray) -> np.ndarray:
    """Return embeddings, float32 (n, d), scaled to a length of 1."""
    norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return np.asarray(embeddings / np.maximum(norms, 1e-12), np.float32)


def mirrored(embed: Embed) -> Embed:
    """Add the embedding of the mirrored face; both have a length of 1."""
    return lambda images: unit(embed(images) + embed(np.ascontiguousarray(images[:, :, ::-1])))


def find_data_set(job: EvaluateJob, about: About) -> DatasetManifest | None:
    """Return the data set whose test people a network is verified on, or None, with a printed note.

    A bundle is verified on the data set that it was trained on, because the test people of another one may be among its
    training people; an embedder from elsewhere on the data set of the newest run. ``data_set=DIR`` overrides both.

    Raises:
        DatasetError: ``data_set=DIR`` cannot be read.
    """
    trained_on = about.get("data_set_fingerprint")
    if job.data_set is not None:
        manifest = load(job.data_set)
        if job.bundle is not None and manifest.fingerprint != trained_on:
            print("note: the bundle does not state that it was trained on this data set; it may know the test people")
        return manifest
    for directory in _candidates(job):
        try:
            manifest = load(directory)
        except KFaceError:
            continue
        if job.bundle is None or trained_on is None or manifest.fingerprint == trained_on:
            return manifest
    print("note: the data set was not found, so its test people are not verified; add data_set=DIR to verify them")
    return None


def _candidates(job: EvaluateJob) -> list[Path]:
    """Return the directory of the data set of the bundle's run, or of the newest run; an empty list without a run."""
    try:
        run = job.bundle.resolve().parent if job.bundle is not None else runs.newest_run(job.output_dir, None)
        return [runs.data_set_of(run, runs.read_about(run), job.evaluation.data_dir)]
    except KFaceError:
        return []


def slug(name: str) -> str:
    """Return a name with everything replaced that does not belong into a directory's name."""
    return re.sub(r"[^\w.-]+", "-", name).strip(".-") or "network"


def _report_directory(out: Path | None) -> Path | None:
    """Create the directory that ``out`` names; raises ConfigError or TrainingError."""
    if out is None:
        return None
    for name in ("run.json", "model.json", "manifest.json"):
        if (out / name).exists():
            raise ConfigError(
                f"holds a {name}: it is a run, a bundle or a data set", f"out={out}", "give another directory"
            )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"cannot be created ({error.strerror or error})", out, "add out=DIR")
    return out


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None
