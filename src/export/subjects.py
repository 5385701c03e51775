"""What is exported: a run's network, or an embedder that was trained elsewhere; its files of full precision, proven."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from export import files, foreign
from kface import bundle
from kface.errors import ModelError
from train import runs
from train.evaluation import read_report
from train.fit import load_backbone
from train.testsets import TestSet

LICENCE_OF_THE_SAMPLE = "Apache-2.0 (procedural: no photograph, no person)"
DETECTOR = bundle.Provenance("detector weights", "mtcnn 1.0.0 (Zhang et al., 2016), converted", "MIT")


class Subject(NamedTuple):
    """What is exported.

    Attributes:
        name: Such as "resnet50-arcface".
        preprocessing: What it expects.
        training: The run's report, or what is known of a foreign embedder.
        synthetic: Whether it was trained on the synthetic sample.
        provenance: Of data and weights.
    """

    name: str
    preprocessing: foreign.Preprocessing
    training: dict[str, Any]
    synthetic: bool
    provenance: tuple[bundle.Provenance, ...]


def from_run(
    folder: Path, config: Any, run_dir: Path, faces: np.ndarray
) -> tuple[Subject, list[files.Made], np.ndarray, np.ndarray]:
    """Make the files of a run's network."""
    network = load_backbone(run_dir)
    about = runs.read_about(run_dir)
    preprocessing = foreign.Preprocessing()
    inputs = preprocessing.apply(faces)
    wanted = np.asarray(network(preprocessing.apply(faces, "NHWC"), training=False))
    made = []
    for one in files.make_all(
        network,
        folder,
        inputs,
        wanted,
        list(config.formats.opsets),
        list(config.formats.fixed_batches),
        bool(config.formats.uff),
    ):
        print(f"made and proven: {one.name}, {len(one.data) / 1e6:.1f} MB", flush=True)
        made.append(one)
    synthetic = about["trained_on"] == "the synthetic sample"
    licence = config.licence_of_data or (LICENCE_OF_THE_SAMPLE if synthetic else "not stated (set licence_of_data)")
    subject = Subject(
        f"{about['backbone']}-{about['loss']}",
        preprocessing,
        _training(run_dir),
        synthetic,
        (
            bundle.Provenance("training data", str(about["trained_on"]), licence),
            bundle.Provenance("embedder weights", f"trained by kface, {run_dir.name}", str(config.licence)),
            DETECTOR,
        ),
    )
    return subject, made, inputs, wanted


def _training(run_dir: Path) -> dict[str, Any]:
    """Return the run's report without the paths of the machine that it was made on."""
    report = read_report(run_dir / "report.json")
    report["run"] = {key: value for key, value in report["run"].items() if key != "data_set"}
    return report


def from_file(
    folder: Path, config: Any, pairs: TestSet, faces: np.ndarray
) -> tuple[Subject, list[files.Made], np.ndarray, np.ndarray]:
    """Take over a foreign embedder as it is, once it is known how to feed it."""
    path = Path(config.embedder)
    embedder = foreign.Embedder(path)
    if embedder.batch is not None:
        raise ModelError(
            f"takes batches of {embedder.batch} only", path, "export it with a dynamic batch, by its own framework"
        )
    given = config.preprocessing
    normalisation = None if given.normalisation is None else [float(value) for value in given.normalisation]
    tried = foreign.probe(embedder, pairs.images, pairs.pairs, pairs.genuine, str(given.colour).lower(), normalisation)
    for one in tried:
        print(f"tried {one.preprocessing}: EER {100 * one.eer:.1f} % on {pairs.title}")
    preprocessing = tried[0].preprocessing
    inputs = preprocessing.apply(faces, embedder.layout)
    wanted = embedder.run(faces, preprocessing)
    unit = bool(np.allclose(np.linalg.norm(wanted, axis=1), 1, atol=1e-3))
    data = path.read_bytes()
    about = files.facts(
        opset=_opset(data),
        normalised=unit,
        input=embedder.input,
        outputs=tuple(embedder.network.outputs),
        layout=embedder.layout,
    )
    made = [files.write_and_prove(folder, "embedder.onnx", data, about, inputs, wanted)]
    training = {
        "foreign": path.name,
        "preprocessing": [{"tried": str(one.preprocessing), "eer": one.eer, "on": pairs.title} for one in tried],
    }
    subject = Subject(
        path.stem,
        preprocessing,
        training,
        False,
        (
            bundle.Provenance("training data", "not known to kface", config.licence_of_data or "not stated"),
            bundle.Provenance("embedder weights", path.name, str(config.licence)),
            DETECTOR,
        ),
    )
    return subject, made, inputs, wanted


def _opset(model: bytes) -> int:
    import onnx

    sets = onnx.load_model_from_string(model).opset_import
    return max(int(one.version) for one in sets if one.domain in ("", "ai.onnx"))
