"""The export stage: from a trained run, or a foreign embedder, to a bundle."""

import datetime
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from export import detector_parity, files, parity, precision, subjects
from export.deployment import deploy_settings
from export.engines import build_engines
from export.judge import Verdict, judge
from export.subjects import Subject
from kface import bundle
from kface.bundle.manifest import CANONICAL, PRECISIONS
from kface.dataset import Manifest as DataSet
from kface.dataset import load as load_data_set
from kface.dataset import read_arrays
from kface.errors import ConfigError, KFaceError, ModelError
from kface.files import sha256_bytes
from kface.mtcnn import weights
from kface.networks import open_network
from kface.verification import score_pairs
from train import runs, stages
from train.testsets import TestSet


def export(config: Any) -> Path:
    """Write a bundle and return its directory.

    Raises:
        KFaceError: There is nothing to export, a file does not compute what the network does, or the disk is full.
    """
    check(config)
    run_dir = None if config.embedder else runs.newest_run(Path(config.output_dir), config.run)
    data_set = _data_set(config, run_dir)
    sets = _testsets(config, data_set)
    out = _out(config, run_dir)
    folder = out.with_name(out.name + ".partial")
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            _fill(folder, config, run_dir, data_set, sets)
            # Whoever reads the old bundle keeps it until the new one is whole.
            old = out.with_name(out.name + ".old")
            shutil.rmtree(old, ignore_errors=True)
            if out.exists():
                out.rename(old)
            folder.rename(out)
            shutil.rmtree(old, ignore_errors=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise ModelError(f"the bundle cannot be written ({error.strerror or error})", out, "make room or set out=DIR")
    build_engines(config, out, lambda: _calibration(config, data_set, sets))
    return out


def check(config: Any) -> None:
    """Find out before minutes are spent whether the settings make sense; raises ConfigError."""
    stages.check_evaluation(config.evaluate)
    if not config.formats.opsets:
        raise ConfigError("needs one opset at least", "formats.opsets", "use formats.opsets=[13,17]")
    if not 0 <= config.precision.allowed_loss <= 1:
        raise ConfigError(f"must be from 0 to 1, not {config.precision.allowed_loss}", "precision.allowed_loss")
    if not isinstance(config.parity.faces, int) or config.parity.faces < max(parity.BATCHES):
        raise ConfigError(f"must be at least {max(parity.BATCHES)}, not {config.parity.faces!r}", "parity.faces")
    stray = set(config.formats.engine_precisions) - set(PRECISIONS)
    if stray:
        raise ConfigError(f"must be among {', '.join(PRECISIONS)}, not {stray.pop()!r}", "formats.engine_precisions")
    if config.formats.engines not in ("auto", True, False):
        raise ConfigError(f"must be auto, true or false, not {config.formats.engines!r}", "formats.engines")
    if config.embedder and config.run:
        raise ConfigError("exclude each other", "embedder and run", "leave one out")
    if config.embedder and not Path(config.embedder).is_file():
        raise ConfigError("there is no such file", f"embedder={config.embedder}")
    out = Path(config.out) if config.out else None
    if out is not None and out.exists() and not (out / "manifest.json").is_file():
        raise ConfigError("is there already, and is no bundle", f"out={out}", "give a new directory")


def _out(config: Any, run_dir: Path | None) -> Path:
    if config.out:
        return Path(config.out)
    return run_dir / "bundle" if run_dir is not None else Path("bundles") / Path(config.embedder).stem


def _data_set(config: Any, run_dir: Path | None) -> DataSet | None:
    """Return the data set that the run was trained on; for a foreign embedder the newest run's, where there is one."""
    if run_dir is None:
        try:
            run_dir = runs.newest_run(Path(config.output_dir), None)
        except ConfigError:
            return None
    return load_data_set(runs.read_about(run_dir)["data_set"])


def _testsets(config: Any, data_set: DataSet | None) -> list[TestSet]:
    if data_set is not None:
        return stages.testsets(config, data_set)
    sets = stages.photographs(config)
    if not sets:
        raise ConfigError(
            "there are no pairs of faces to judge the embedder on",
            "evaluate",
            "train a run first, or add evaluate.lfw=DIR",
        )
    return sets


def _fill(folder: Path, config: Any, run_dir: Path | None, data_set: DataSet | None, sets: list[TestSet]) -> None:
    real = next((testset for testset in sets if not testset.synthetic), sets[0])
    shown = f"faces of the {real.title}" if real.synthetic else f"real faces ({real.title})"
    faces = real.images[~real.failed][: config.parity.faces]
    if run_dir is not None:
        subject, made, inputs, wanted = subjects.from_run(folder, config, run_dir, faces)
    else:
        subject, made, inputs, wanted = subjects.from_file(folder, config, real, faces)
    canonical = open_network(folder / CANONICAL, "onnxruntime")

    def run(batch: np.ndarray) -> np.ndarray:
        return next(iter(canonical.run(batch).values())).reshape(len(batch), -1)

    # A fixed batch cannot be judged on pairs in reasonable time, nor quantised with a calibration that means anything.
    layout = made[0].facts["layout"] if run_dir is None else "NCHW"
    given = [(testset, subject.preprocessing.apply(testset.images, layout)) for testset in sets]
    verdicts = []
    for name, data in _reduced(config, made, subject, data_set, sets, layout):
        verdict = _judge(folder, config, name, data, run, given, made)
        verdicts.append(verdict)
        if verdict.accepted:
            about = {**next(one.facts for one in made if one.name == CANONICAL), "precision": name.split(".")[1]}
            proven = files.write_and_prove(folder, name, data, about, inputs, wanted, exact=False)
            made.append(proven._replace(facts={**about, "parity": verdict.figures()}))
        else:
            (folder / name).unlink()
    detector = _detector(folder, real.images[~real.failed][:8])
    thresholds = _thresholds(config, run, given[0])
    entries = _entries(folder, made, detector)
    canonical_file = next(entry for entry in entries if entry.path == CANONICAL)
    preprocessing = bundle.Preprocessing(
        colour=subject.preprocessing.colour.upper(),
        mean=subject.preprocessing.mean,
        divisor=subject.preprocessing.divisor,
    )
    # Not in the manifest: it is there to be edited.
    (folder / "deploy.yaml").write_text(deploy_settings(subject.name, thresholds), encoding="utf-8")
    manifest = bundle.Manifest(
        name=subject.name,
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        files=tuple(entries),
        embedding=int(wanted.shape[1]),
        fingerprint=bundle.fingerprint(canonical_file.sha256, preprocessing, bundle.Template()),
        training=subject.training,
        thresholds=thresholds,
        synthetic=subject.synthetic,
        licence=config.licence,
        provenance=subject.provenance,
        preprocessing=preprocessing,
    )
    (folder / "MODEL_CARD.md").write_text(bundle.model_card(manifest), encoding="utf-8")
    manifest = manifest._replace(files=(*manifest.files, bundle.describe(folder, "MODEL_CARD.md", "card")))
    bundle.write(folder, manifest)
    print(parity.table([row for one in made for row in one.parity], shown))
    for verdict in verdicts:
        print("\n".join(verdict.lines()))


def _calibration(config: Any, data_set: DataSet | None, sets: list[TestSet]) -> np.ndarray:
    """Return faces to calibrate on, uint8 (n, 112, 112, 3), RGB: never those of the judgement, where there are others."""
    images = read_arrays(data_set, "train")[0] if data_set is not None else sets[-1].images[::-1]
    chosen = np.random.default_rng(config.seed).permutation(len(images))[: config.precision.calibration_faces]
    return np.asarray(images[chosen])


def _reduced(
    config: Any,
    made: list[files.Made],
    subject: Subject,
    data_set: DataSet | None,
    sets: list[TestSet],
    layout: str,
) -> list[tuple[str, bytes]]:
    """Make the embedders of reduced precision."""
    source = next(one.data for one in made if one.name == CANONICAL)
    found = []
    if config.precision.int8:
        inputs = subject.preprocessing.apply(_calibration(config, data_set, sets), layout)
        found.append(("embedder.int8.onnx", precision.to_int8(source, inputs)))
    if config.precision.fp16:
        found.append(("embedder.fp16.onnx", precision.to_fp16(source)))
    return found


def _judge(
    folder: Path,
    config: Any,
    name: str,
    data: bytes,
    run: Callable[[np.ndarray], np.ndarray],
    given: list[tuple[TestSet, np.ndarray]],
    made: list[files.Made],
) -> Verdict:
    (folder / name).write_bytes(data)
    network = open_network(folder / name, "onnxruntime")
    size = len(next(one.data for one in made if one.name == CANONICAL))
    return judge(
        name,
        run,
        lambda batch: next(iter(network.run(batch).values())).reshape(len(batch), -1),
        given,
        (size, len(data)),
        float(config.precision.allowed_loss),
        float(config.precision.seconds),
    )


def _detector(folder: Path, faces: np.ndarray) -> dict[str, dict[str, Any]]:
    """Copy the detector's networks and prove each; return by file what the proofs showed.

    Their manifest comes with them, and is checked against the copies.
    """
    source = weights.prepare()
    target = folder / "detector"
    target.mkdir()
    for name, digest in weights.hashes(source).items():
        data = (source / name).read_bytes()
        if sha256_bytes(data) != digest:
            raise ModelError("is not the file it was (its SHA-256 differs)", source / name, f"remove {source}")
        (target / name).write_bytes(data)
    shutil.copyfile(source / "manifest.json", target / "manifest.json")
    return {path.name: detector_parity.prove(path, faces) for path in sorted(target.glob("*.onnx"))}


def _figures(rows: Sequence[parity.Parity]) -> dict[str, Any]:
    """Return what a proof showed: the largest difference, and each reader's smallest cosine."""
    found: dict[str, Any] = {"faces": max(row.faces for row in rows)}
    found["largest difference"] = max(row.difference for row in rows)
    for reader in dict.fromkeys(row.reader for row in rows):
        found[f"smallest cosine by {reader}"] = round(min(row.cosine for row in rows if row.reader == reader), 7)
    return found


def _entries(folder: Path, made: list[files.Made], detector: dict[str, dict[str, Any]]) -> list[bundle.File]:
    entries = []
    for one in made:
        about = dict(one.facts)
        about["parity"] = {**_figures(one.parity), **about.get("parity", {})}
        entries.append(bundle.describe(folder, one.name, "embedder", **about))
    for path in sorted((folder / "detector").iterdir()):
        network = {}
        if path.suffix == ".onnx":
            name = path.name.split(".")[0]
            outputs = ("offsets", "landmarks", "logits") if name == "onet" else ("offsets", "logits")
            network = files.facts(opset=13, normalised=None, outputs=outputs, parity=detector[path.name])
        entries.append(bundle.describe(folder, f"detector/{path.name}", "detector", **network))
    return entries


def _thresholds(
    config: Any, run: Callable[[np.ndarray], np.ndarray], given: tuple[TestSet, np.ndarray]
) -> bundle.Thresholds | None:
    """Measure the threshold table on all pairs of the first test set's images: its own list is too short for small FMRs."""
    testset, inputs = given
    kept = np.flatnonzero(~testset.failed)
    embeddings = np.concatenate([run(inputs[kept[start : start + 32]]) for start in range(0, len(kept), 32)])
    people = testset.people[kept]
    first, second = np.triu_indices(len(kept), 1)
    same = people[first] == people[second]
    random = np.random.default_rng(config.seed)
    impostors = np.flatnonzero(~same)
    if len(impostors) > config.thresholds.impostors:
        impostors = random.choice(impostors, config.thresholds.impostors, replace=False)
    chosen = np.concatenate([np.flatnonzero(same), np.sort(impostors)])
    pairs = np.stack([first[chosen], second[chosen]], axis=1)
    try:
        return bundle.measure(
            score_pairs(embeddings, pairs),
            same[chosen],
            people[pairs],
            source=f"all pairs of unseen people, {testset.title}",
            synthetic=testset.synthetic,
            replicates=int(config.thresholds.replicates),
            seed=int(config.seed),
        )
    except ConfigError:
        raise
    except KFaceError as error:
        print(f"export: no threshold table: {error}")
        return None
