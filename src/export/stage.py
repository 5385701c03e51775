"""The export stage: from a trained run, or a foreign embedder, to a bundle."""

import datetime
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from export import (
    detector_parity,
    exported_network,
    files,
    golden_pictures,
    measuring,
    parity,
    precision,
    probing,
)
from export.deployment import deploy_settings
from export.engines import build_engines
from export.exported_network import ExportedNetwork
from export.judge import Verdict, judge, speed
from export.pairs import Material, gather
from export.pretrained import offer
from export.progress import step
from export.settings import LEAST_FACES, ExportJob
from export.workplace import workplace
from kface import bundle
from kface.bundle import golden_writer
from kface.bundle.manifest import CANONICAL, TOLERANCE
from kface.errors import ConfigError, KFaceError, ModelError
from kface.evaluation import runs
from kface.evaluation.foreign import file as foreign_file
from kface.evaluation.foreign import onnx_form
from kface.files import sha256_bytes
from kface.mtcnn import weights
from kface.networks import open_network

#: Margin below the cosine that a precision reached on the golden crops here: other CPUs round differently.
SLACK = 0.02


def export(job: ExportJob) -> Path:
    """Write a bundle and return its directory.

    Raises:
        KFaceError: There is nothing to export, a file does not compute what the network computes, or the disk is full.
    """
    run_dir = None if job.embedder or job.pretrained else runs.newest_run(job.output_dir, job.run)
    if job.pretrained:
        job = offer.with_file(job)
    if job.embedder is not None:
        # Check the embedder before finding the faces of a test set, which takes minutes.
        foreign_file.read(job.embedder, job.output)
    with step("reading the test sets"):
        material = gather(job, run_dir, offer.faces if job.pretrained else None)
    out = _out(job, run_dir)
    try:
        with workplace(out) as folder:
            _fill(folder, job, run_dir, material)
    except OSError as error:
        raise ModelError(f"the bundle cannot be written ({error.strerror or error})", out, "make room or set out=DIR")
    build_engines(job.formats, out, lambda: material.calibration(job.precision.calibration_faces, job.seed))
    return out


def _out(job: ExportJob, run_dir: Path | None) -> Path:
    if job.out is not None:
        return job.out
    if run_dir is not None:
        return run_dir / "bundle"
    assert job.embedder is not None
    return Path("bundles") / job.embedder.stem


def _fill(folder: Path, job: ExportJob, run_dir: Path | None, material: Material) -> None:
    first = material.sets[0]
    shown = f"faces of the {first.title}" if first.synthetic else f"real faces ({first.title})"
    faces = first.images[~first.failed][: job.parity_faces]
    if len(faces) < LEAST_FACES:
        raise ConfigError(f"{first.title} has {len(faces)} faces, and a comparison needs {LEAST_FACES}", "evaluate")
    if run_dir is not None:
        exported = exported_network.from_run(folder, job, run_dir, faces)
    else:
        exported = exported_network.from_file(folder, job, first, faces)
    if job.pretrained:
        exported = exported_network.of_pretrained(folder, exported)
    embeddings = _embeddings(folder / CANONICAL, exported, material, exported.probed)
    verdicts = _reduced(folder, job, exported, material, embeddings)
    with step("detector: copying and comparing"):
        detector = _detector(folder, first.images[~first.failed][:8])
    entries = _entries(folder, exported.made, detector) + list(_golden(folder, exported))
    preprocessing = bundle.BundlePreprocessing(
        colour=exported.preprocessing.colour.upper(),
        mean=exported.preprocessing.mean,
        divisor=exported.preprocessing.divisor,
    )
    canonical = next(entry for entry in entries if entry.path == CANONICAL)
    # The canonical file follows from the network alone, and so does the fingerprint.
    fingerprint = bundle.fingerprint(canonical.sha256, preprocessing, bundle.AlignmentTemplate())
    if job.pretrained and first.synthetic:
        thresholds = offer.measured_thresholds(fingerprint)
        exported.training["sets"] = offer.measured_sets(fingerprint)
    else:
        with step(f"thresholds: measuring on {first.title}"):
            thresholds = measuring.thresholds(job, first, embeddings[0], exported.people)
            given = list(zip(material.sets, embeddings, strict=True))
            measuring.add_figures(exported.training, given, job.evaluation.bootstrap, job.seed)
    # Not in the manifest, because users edit it.
    (folder / "deploy.yaml").write_text(deploy_settings(exported.name, thresholds), encoding="utf-8")
    manifest = bundle.BundleManifest(
        name=exported.name,
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        files=tuple(entries),
        embedding=int(exported.proof.wanted.shape[1]),
        fingerprint=fingerprint,
        training=exported.training,
        thresholds=thresholds,
        synthetic=exported.synthetic,
        licence=exported.licence,
        provenance=exported.provenance,
        preprocessing=preprocessing,
    )
    (folder / "MODEL_CARD.md").write_text(bundle.model_card(manifest), encoding="utf-8")
    manifest = manifest._replace(files=(*manifest.files, bundle.describe(folder, "MODEL_CARD.md", "card")))
    bundle.write(folder, manifest)
    rows = [row for one in exported.made for row in one.parity]
    print(parity.table(rows, shown, exported.proof.reference))
    for one in exported.made:
        for reader, why in (one.failed or {}).items():
            print(f"{one.name}: do not run it with {reader}: {why}")
    for verdict in verdicts:
        print("\n".join(verdict.lines()))


def _embeddings(
    path: Path, exported: ExportedNetwork, material: Material, probed: probing.Probed | None = None
) -> list[np.ndarray]:
    """Return the embeddings of every test set's faces by an embedder's file; those of the first may be partly known."""
    network = open_network(path, "onnxruntime")
    found = []
    for number, testset in enumerate(material.sets):
        about = exported.preprocessing, exported.layout
        known = probed.known if probed is not None and number == 0 else np.zeros(len(testset.images), bool)
        with step(f"{path.name}: {int((~known).sum())} faces of {testset.title}"):
            if probed is not None and number == 0:
                found.append(measuring.complete(network, testset.images, *about, probed.embeddings, known))
            else:
                found.append(measuring.embed(network, testset.images, *about))
    return found


def _reduced(
    folder: Path, job: ExportJob, exported: ExportedNetwork, material: Material, embeddings: list[np.ndarray]
) -> list[Verdict]:
    """Write the embedders of reduced precision, judge them, and keep those that are accepted."""
    source = (folder / CANONICAL).read_bytes()
    verdicts = []
    for kind, wanted in (("int8", job.precision.int8), ("fp16", job.precision.fp16)):
        if wanted is False:
            continue
        name = f"embedder.{kind}.onnx"
        path = folder / name
        about = {**exported.made[0].facts, "precision": kind}
        origin = {}
        try:
            with step(f"{name}: writing"):
                if kind == "int8":
                    faces = material.calibration(job.precision.calibration_faces, job.seed)
                    data = precision.to_int8(source, exported.preprocessing.apply(faces, exported.layout))
                    origin = {"calibrated on": f"{len(faces)} of {material.calibrated_on()}"}
                else:
                    data = precision.to_fp16(source)
                path.write_bytes(data)
            with step(f"{name}: timing"):
                ratios = speed(folder / CANONICAL, path, exported.proof.inputs, job.precision.seconds)
            allowed, asked = job.precision.allowed_loss, wanted is True
            verdict = Verdict(name, (), (len(source), len(data)), ratios, allowed, asked)
            # Judging takes minutes: skip it for a file that is not bundled anyway.
            if verdict.useful:
                verdict = judge(
                    name,
                    list(zip(material.sets, embeddings, _embeddings(path, exported, material), strict=True)),
                    (len(source), len(data)),
                    allowed,
                    ratios,
                    job.evaluation.bootstrap,
                    job.seed,
                    asked,
                )
            verdicts.append(verdict)
            if verdict.accepted:
                proven = files.write_and_prove(folder, name, data, about, exported.proof, exact=False)
                exported.made.append(proven._replace(facts={**about, "parity": {**origin, **verdict.figures()}}))
            else:
                path.unlink()
        except KFaceError as error:
            # Invalid settings are errors; a precision that a foreign network does not support is skipped.
            path.unlink(missing_ok=True)
            if isinstance(error, ConfigError) or wanted is True or job.embedder is None:
                raise
            print(f"export: no {name}: {error}")
    return verdicts


def _golden(folder: Path, exported: ExportedNetwork) -> tuple[bundle.BundleFile, ...]:
    """Write the golden vectors; a precision that rounds more than usual gets its own tolerance."""
    with step("golden vectors: writing"):
        found = golden_pictures.golden_pictures(folder / "detector")
        reached = {}
        for one in exported.made:
            if one.name.endswith(".onnx") and one.facts["batch"] == "dynamic":
                network = open_network(folder / one.name, "onnxruntime")
                vectors = parity.unit(measuring.embed(network, found.crops, exported.preprocessing, exported.layout))
                if one.name == CANONICAL:
                    wanted = vectors
                else:
                    reached[one.facts["precision"]] = float((vectors * wanted).sum(axis=1).min())
        tolerance = {
            kind: min(TOLERANCE[kind], round(max(reached[kind] - SLACK, -1.0), 4))
            for kind in ("int8", "fp16")
            if kind in reached
        }
        return golden_writer.write(folder, found.crops, wanted, tolerance, found.pictures, found.settings)


def _detector(folder: Path, faces: np.ndarray) -> dict[str, dict[str, Any]]:
    """Copy the detector's networks, verify each, and return the figures of each by file name.

    Their manifest is copied too, and the copies are checked against it.
    """
    import onnx

    source = weights.prepare()
    target = folder / "detector"
    target.mkdir()
    for name, digest in weights.hashes(source).items():
        data = (source / name).read_bytes()
        if sha256_bytes(data) != digest:
            raise ModelError("has been changed (its SHA-256 differs)", source / name, f"remove {source}")
        onnx_form.checked(onnx.load_model_from_string(data), source / name)
        (target / name).write_bytes(data)
    shutil.copyfile(source / "manifest.json", target / "manifest.json")
    return {path.name: detector_parity.prove(path, faces) for path in sorted(target.glob("*.onnx"))}


def _figures(rows: Sequence[parity.Parity], failed: dict[str, str]) -> dict[str, Any]:
    """Return the figures of a comparison: the largest difference, and the smallest cosine of each reader."""
    found: dict[str, Any] = {"faces": max(row.faces for row in rows)}
    found["largest difference"] = max(row.difference for row in rows)
    for reader in dict.fromkeys(row.reader for row in rows):
        found[f"smallest cosine by {reader}"] = round(min(row.cosine for row in rows if row.reader == reader), 7)
    for reader in failed:
        found[reader] = "not supported"
    return found


def _entries(
    folder: Path, made: list[files.ProvenFile], detector: dict[str, dict[str, Any]]
) -> list[bundle.BundleFile]:
    entries = []
    for one in made:
        about = dict(one.facts)
        about["parity"] = {**_figures(one.parity, one.failed or {}), **about.get("parity", {})}
        entries.append(bundle.describe(folder, one.name, "embedder", **about))
    for path in sorted((folder / "detector").iterdir()):
        network = {}
        if path.suffix == ".onnx":
            name = path.name.split(".")[0]
            outputs = ("offsets", "landmarks", "logits") if name == "onet" else ("offsets", "logits")
            network = files.facts(opset=13, normalised=None, outputs=outputs, parity=detector[path.name])
        entries.append(bundle.describe(folder, f"detector/{path.name}", "detector", **network))
    return entries
