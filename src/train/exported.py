"""Networks that are verified without TensorFlow: an exported bundle, or an ONNX file from elsewhere."""

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kface import bundle
from kface.data.dataset import DatasetManifest as Manifest
from kface.data.dataset import load
from kface.errors import ConfigError, KFaceError, ModelError
from kface.evaluation import runs
from train.evaluate_job import EvaluateJob

#: What a bundle's report of the training may say about the run, by type.
FACTS = {"protocol": str, "seed": int, "epochs": int, "images": int, "people": int, "data_set_fingerprint": str}


class Exported(NamedTuple):
    """A network to be verified.

    Attributes:
        name: For files' names.
        embed: uint8 (n, 112, 112, 3) RGB -> float32 (n, d), of length 1.
        about: What it is, as a report keeps it.
        close: Gives the network's memory back.
    """

    name: str
    embed: Callable[[np.ndarray], np.ndarray]
    about: dict[str, Any]
    close: Callable[[], None]


def open_exported(job: EvaluateJob) -> Exported:
    """Open the bundle or the embedder that a job names.

    Raises:
        ConfigError: There is no such file, or no runtime can run it.
        ModelError: It is damaged, or not a network that maps faces to embeddings.
    """
    if job.bundle is not None:
        return _bundle(job.bundle, job)
    assert job.embedder is not None
    return _embedder(job.embedder, job)


def _bundle(directory: Path, job: EvaluateJob) -> Exported:
    from kface.recognizer.embedder import Embedder

    made = bundle.load(directory)
    embedder = Embedder(made, job.runtime, job.precision)
    manifest = made.manifest
    run = manifest.training.get("run")
    run = run if isinstance(run, dict) else {}
    about = {
        "backbone": _text(run.get("backbone")) or manifest.name,
        "loss": _text(run.get("loss")),
        "trained_on": _text(run.get("trained_on")) or "data unknown to kface",
        "network": f"bundle {manifest.name}, {job.precision} on {embedder.runtime}",
        "fingerprint": manifest.fingerprint,
        **{key: run[key] for key, kind in FACTS.items() if type(run.get(key)) is kind},
    }

    def embed(images: np.ndarray) -> np.ndarray:
        found = embedder.run(images)
        if found.failed.any():
            raise ModelError(f"gives no embedding of {int(found.failed.sum())} faces", directory, "export it again")
        return found.vectors

    return Exported(manifest.name, mirrored(embed) if job.evaluation.mirror else embed, about, embedder.close)


def _embedder(path: Path, job: EvaluateJob) -> Exported:
    from export import foreign
    from kface.networks import resolve

    assert job.colour is not None
    assert job.normalisation is not None
    preprocessing = foreign.Preprocessing(job.colour, *job.normalisation)
    if not path.is_file():
        raise ConfigError("there is no such file", f"embedder={path}")
    # A runtime that reads its file again, for another batch size, finds it there until the network is closed.
    folder = tempfile.TemporaryDirectory(prefix="kface-embedder-")
    try:
        network = foreign.ForeignNetwork(path, Path(folder.name), job.output, resolve(job.runtime, path.suffix.lower()))
    except BaseException:
        folder.cleanup()
        raise
    about = {
        "backbone": path.name,
        "loss": None,
        "trained_on": "data unknown to kface",
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

    return Exported(path.stem, mirrored(embed) if job.evaluation.mirror else embed, about, close)


def unit(embeddings: np.ndarray) -> np.ndarray:
    """Return embeddings, float32 (n, d), scaled to a length of 1."""
    norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return np.asarray(embeddings / np.maximum(norms, 1e-12), np.float32)


def mirrored(embed: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """Add the embedding of the mirrored face: both of length 1, as exported networks give nothing else."""
    return lambda images: unit(embed(images) + embed(np.ascontiguousarray(images[:, :, ::-1])))


def find_data_set(job: EvaluateJob, about: dict[str, Any]) -> Manifest | None:
    """Return the data set whose unseen people a network is verified on, or None, which a line then explains.

    It is the one that is given; else the one that the network was trained on, as people of another one's test split may
    have been trained on; for an embedder from elsewhere, which has seen none of them, the newest run's.

    Raises:
        DatasetError: The one that is given cannot be read.
    """
    trained_on = about.get("data_set_fingerprint")
    if job.data_set is not None:
        manifest = load(job.data_set)
        if job.bundle is not None and manifest.fingerprint != trained_on:
            print("note: nothing says that the network was trained on this data set; it may know the people who test")
        return manifest
    for directory in _candidates(job):
        try:
            manifest = load(directory)
        except KFaceError:
            continue
        if job.bundle is None or trained_on is None or manifest.fingerprint == trained_on:
            return manifest
    print("note: the data set is not here, so its unseen people are not verified; add data_set=DIR to do so")
    return None


def _candidates(job: EvaluateJob) -> list[Path]:
    """Return directories of data sets, the likeliest first; a bundle that does not name its data set gets its run's only."""
    found = []
    try:
        run = job.bundle.resolve().parent if job.bundle is not None else runs.newest_run(job.output_dir, None)
        found.append(runs.data_set_of(run, runs.read_about(run), job.evaluation.data_dir))
    except KFaceError:
        pass
    return found


def slug(name: str) -> str:
    """Return a name as a directory may bear it."""
    return re.sub(r"[^\w.-]+", "-", name).strip(".-") or "network"


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value.strip() else None
