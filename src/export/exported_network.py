"""The network to export: a run's, or one that was trained elsewhere, with its verified files of full precision."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from export import files, probing
from export.pairs import UNKNOWN, UNSEEN
from export.pretrained import offer
from export.progress import step
from export.settings import ExportJob
from kface import bundle
from kface.bundle.manifest import CANONICAL
from kface.data.testsets import TestSet
from kface.errors import ConfigError, ModelError
from kface.evaluation import foreign, runs
from kface.evaluation.evaluate import read_report

LICENCE = "Apache-2.0"
LICENCE_OF_THE_SAMPLE = "Apache-2.0 (procedural: no photograph, no person)"
NOT_STATED = "not stated"
FROZEN = "embedder.pb"
#: A limit of every network that was trained elsewhere.
LIMIT = (
    "Whether people of the test sets were in its training data is not known to kface; if they were, its figures are too "
    "good."
)
DETECTOR = bundle.Provenance("detector weights", "mtcnn 1.0.0 (Zhang et al., 2016), converted", "MIT")


class ExportedNetwork(NamedTuple):
    """A network to export.

    Attributes:
        name: Such as "resnet50-arcface".
        preprocessing: The input it expects.
        layout: Of its ONNX file's input.
        training: The run's report, or what is known of a foreign embedder.
        synthetic: Whether it was trained on the synthetic sample.
        licence: Of the complete bundle.
        provenance: Of data and weights.
        made: Its files of full precision.
        proof: The reference that every file is compared with.
        people: Whether it was trained on the people of test sets, such as :data:`export.pairs.UNSEEN`.
        probed: Embeddings of the first test set that probing computed; None for a run's network.
    """

    name: str
    preprocessing: foreign.Preprocessing
    layout: str
    training: dict[str, Any]
    synthetic: bool
    licence: str
    provenance: tuple[bundle.Provenance, ...]
    made: list[files.ProvenFile]
    proof: files.Proof
    people: str = UNSEEN
    probed: probing.Probed | None = None


def from_run(folder: Path, job: ExportJob, run_dir: Path, faces: np.ndarray) -> ExportedNetwork:
    """Write the files of a run's network."""
    from train.trained import load_backbone

    network = load_backbone(run_dir)
    about = runs.read_about(run_dir)
    _print_needs(f"{about['backbone']}-{about['loss']}", 4 * network.count_params())
    preprocessing = foreign.Preprocessing()
    inputs = preprocessing.apply(faces)
    wanted = np.asarray(network(preprocessing.apply(faces, "NHWC"), training=False))
    if not np.isfinite(wanted).all():
        raise ModelError("gives embeddings that are not finite", run_dir, "train again: this run diverged")
    proof = files.Proof(inputs, wanted)
    formats = job.formats
    made = list(
        files.make_all(
            network, folder, proof, list(formats.opsets), list(formats.fixed_batches), formats.uff is not False
        )
    )
    synthetic = about["trained_on"] == "the synthetic sample"
    licence = job.licence or LICENCE
    data_licence = job.licence_of_data or (
        LICENCE_OF_THE_SAMPLE if synthetic else f"{NOT_STATED} (set licence_of_data)"
    )
    return ExportedNetwork(
        f"{about['backbone']}-{about['loss']}",
        preprocessing,
        "NCHW",
        _training(run_dir),
        synthetic,
        licence,
        (
            bundle.Provenance("training data", str(about["trained_on"]), data_licence),
            bundle.Provenance("embedder weights", f"trained by kface, {run_dir.name}", licence),
            DETECTOR,
        ),
        made,
        proof,
    )


def _training(run_dir: Path) -> dict[str, Any]:
    """Return the run's report without paths of the training machine."""
    report = read_report(run_dir / "report.json")
    report["run"] = {key: value for key, value in report["run"].items() if key != "data_set"}
    return report


def from_file(folder: Path, job: ExportJob, pairs: TestSet, faces: np.ndarray) -> ExportedNetwork:
    """Import a foreign embedder: determine its input format, then write its files."""
    path = job.embedder
    assert path is not None
    with step(f"reading {path.name}"):
        embedder = foreign.ForeignNetwork(path, folder, job.output)
    for change in embedder.file.changes:
        print(f"export: {path.name}: {change}", flush=True)
    _print_needs(path.name, len(embedder.file.data))
    normalisation = None if job.normalisation is None else list(job.normalisation)
    with step(f"determining its input format on {pairs.title}"):
        probed = probing.probe(
            embedder,
            pairs.images,
            *_acquired(pairs),
            job.colour,
            normalisation,
            seed=job.seed,
        )
    tried = probed.tried
    for one in tried:
        print(f"tried {one.preprocessing}: EER {100 * one.eer:.1f} % on {one.pairs} pairs of {pairs.title}")
    preprocessing = tried[0].preprocessing
    wanted = embedder.run(faces, preprocessing)
    proof = files.Proof(preprocessing.apply(faces, embedder.layout), wanted, f"{path.name} by ONNX Runtime")
    about = files.facts(
        opset=embedder.file.opset,
        normalised=bool(np.allclose(np.linalg.norm(wanted, axis=1), 1, atol=1e-3)),
        layout=embedder.layout,
    )
    with step(f"{CANONICAL}: comparing"):
        made = [files.write_and_prove(folder, CANONICAL, embedder.file.data, about, proof)]
    made += files.fixed(folder, embedder.file.data, about, proof, list(job.formats.fixed_batches))
    licence = job.licence or NOT_STATED
    training = {
        "foreign": path.name,
        "changes": list(embedder.file.changes),
        "preprocessing": [
            {"tried": str(one.preprocessing), "eer": one.eer, "on": pairs.title, "pairs": one.pairs} for one in tried
        ],
        "limits": [LIMIT],
    }
    return ExportedNetwork(
        path.stem,
        preprocessing,
        embedder.layout,
        training,
        False,
        licence,
        (
            bundle.Provenance("training data", "not known to kface", job.licence_of_data or NOT_STATED),
            bundle.Provenance("embedder weights", f"{path.name}, trained elsewhere", licence),
            DETECTOR,
        ),
        made,
        proof,
        UNKNOWN,
        probed,
    )


def of_pretrained(folder: Path, exported: ExportedNetwork) -> ExportedNetwork:
    """Return the pretrained network with its provenance, its limits and a ``.pb`` file."""
    from export.pretrained.frozen_form import to_frozen

    training = {**exported.training, "limits": list(offer.LIMITS)}
    about = {**exported.made[0].facts, "opset": None, "layout": "NHWC"}
    with step(f"{FROZEN}: writing and comparing"):
        data = to_frozen((folder / CANONICAL).read_bytes())
        made = [*exported.made, files.write_and_prove(folder, FROZEN, data, about, exported.proof)]
    return exported._replace(
        training=training, provenance=(*offer.PROVENANCE, DETECTOR), made=made, people=offer.PEOPLE_OF_SETS
    )


def _acquired(pairs: TestSet) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of which both faces were found, and which of them are genuine."""
    kept = ~pairs.failed[pairs.pairs].any(axis=1) if len(pairs.failed) else np.ones(len(pairs.pairs), bool)
    genuine = pairs.genuine[kept]
    if genuine.all() or not genuine.any():
        raise ConfigError(
            f"{pairs.title} does not have both genuine and impostor pairs to judge the embedder on", "evaluate"
        )
    return pairs.pairs[kept], genuine


def _print_needs(name: str, size: int) -> None:
    """Print what an export needs, as measured with 128 MB of weights (5.2 GB) and with 22 MB (2.0 GB)."""
    print(
        f"export: {name}: {size / 1e6:.0f} MB of weights; needs up to {1.5 + 30 * size / 1e9:.1f} GB of memory, "
        f"{6 * size / 1e6 + 20:.0f} MB of disk and some minutes, most of them for the test sets' faces",
        flush=True,
    )
