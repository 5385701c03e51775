"""Writes the files of a bundle's embedder from a Keras model, and verifies that each computes what the model computes."""

import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from export import parity
from export.progress import step
from kface.bundle.manifest import CANONICAL
from kface.errors import ModelError
from kface.evaluation.foreign.onnx_form import CANONICAL_OPSET, INPUT, OUTPUT
from kface.networks import RUNTIMES, Network, open_network, runtimes

if TYPE_CHECKING:
    import keras


class ProvenFile(NamedTuple):
    """A file that was written and verified.

    Attributes:
        name: In the bundle.
        bytes: Its size.
        facts: Fields of :class:`kface.bundle.BundleFile` other than path, hash, size, role and format.
        parity: The comparisons.
        failed: The errors of runtimes that do not read it, or compute something else, by runtime; None if there are none.
    """

    name: str
    bytes: int
    facts: dict[str, Any]
    parity: tuple[parity.Parity, ...]
    failed: dict[str, str] | None = None


def facts(**more: Any) -> dict[str, Any]:
    """Return the facts of an embedder's file: the usual ones, with changes and additions."""
    common: dict[str, Any] = {
        "precision": "fp32",
        "opset": None,
        "batch": "dynamic",
        "normalised": True,
        "input": INPUT,
        "outputs": (OUTPUT,),
        "layout": "NCHW",
    }
    return {**common, **more}


def readers(path: Path) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Open an embedder's file in every installed CPU runtime that reads it; engines are compared on the board itself.

    Returns:
        By the runtime's name, float32 (n, 3, h, w) -> (n, d).
    """
    if path.suffix == ".uff":
        from export.uff import execute_uff

        data = path.read_bytes()
        return {"numpy": lambda batch: execute_uff(data, batch)}
    return {runtime: _opened_when_called(path, runtime) for runtime in runtimes(path.suffix, gpu=False)}


def _opened_when_called(path: Path, runtime: str) -> Callable[[np.ndarray], np.ndarray]:
    opened: list[Network] = []

    def run(batch: np.ndarray) -> np.ndarray:
        if not opened:
            opened.append(open_network(path, runtime))
        return next(iter(opened[0].run(batch).values()))

    return run


def _prefers_another_format(reader: str, suffix: str) -> bool:
    """Whether a runtime reads such files, but has another format that it reads better."""
    return reader in RUNTIMES and RUNTIMES[reader].formats[0] != suffix


class Proof(NamedTuple):
    """The reference that a file is compared with.

    Attributes:
        inputs: float32 (n, 3, h, w) or (n, h, w, 3), preprocessed faces.
        wanted: float32 (n, d), their embeddings.
        reference: Name of the network that computed them.
    """

    inputs: np.ndarray
    wanted: np.ndarray
    reference: str = "the Keras model"


def prove(path: Path, proof: Proof, batch: Any, exact: bool = True) -> tuple[list[parity.Parity], dict[str, str]]:
    """Run a file in all readers and compare it; see :func:`export.parity.compare`.

    Every reader has to agree, with two exceptions: OpenCV on ONNX, for which a bundle has the ``.pb`` (many of its versions
    cannot read such files, some compute them wrongly), and files of reduced precision. Of these, one reader has to agree.

    Returns:
        The comparisons, and the errors of the readers that failed.
    """
    opened = readers(path)
    if not opened:
        raise ModelError("cannot be verified: no installed runtime reads it", path)
    inputs, wanted = proof.inputs, proof.wanted
    batches = parity.BATCHES if batch == "dynamic" else (int(batch),)
    if path.suffix == ".uff":
        # The interpreter in numpy is slow.
        inputs, wanted, batches = inputs[:2], wanted[:2], (1, 2)
    rows: list[parity.Parity] = []
    failures: dict[str, ModelError] = {}
    for reader, run in opened.items():
        try:
            rows += parity.compare(path.name, reader, run, inputs, wanted, batches, exact, proof.reference)
        except ModelError as error:
            if exact and not _prefers_another_format(reader, path.suffix):
                raise
            failures[reader] = error
    if not rows:
        raise next(iter(failures.values()))
    return rows, {reader: error.what for reader, error in failures.items()}


def make_all(
    network: "keras.Model",
    folder: Path,
    proof: Proof,
    opsets: Sequence[int],
    fixed_batches: Sequence[int],
    uff: bool,
) -> Iterator[ProvenFile]:
    """Write and verify the files of full precision, one after the other.

    The network is frozen once; every file is a form of that one graph.

    Args:
        network: The Keras model.
        folder: Directory for the files.
        proof: Preprocessed faces, float32 (n, 3, h, w), and the Keras model's embeddings.
        opsets: Of the ONNX files with any batch; ``embedder.onnx`` at opset 13 is always written.
        fixed_batches: Of further ONNX files.
        uff: Whether to write UFF.

    Raises:
        ModelError: A file does not compute what the model computes.
    """
    from export import folding, frozen, onnx_export
    from export.uff import write_uff

    with step("freezing the network"):
        graph = folding.fold(frozen.freeze(network, normalise=False))
    plan: list[tuple[str, Callable[[], bytes], dict[str, Any]]] = [
        (CANONICAL, lambda: onnx_export.from_graph(graph, CANONICAL_OPSET), facts(opset=CANONICAL_OPSET)),
        ("embedder.pb", lambda: folding.serialised(folding.normalised(graph)), facts(layout="NHWC")),
    ]
    for opset in sorted(set(opsets) - {CANONICAL_OPSET}):
        name = f"embedder.opset{opset}.onnx"
        plan.append((name, functools.partial(onnx_export.from_graph, graph, opset), facts(opset=opset)))
    for batch in sorted(set(fixed_batches)):
        fixed = functools.partial(onnx_export.from_graph, graph, CANONICAL_OPSET, batch)
        plan.append((f"embedder.batch{batch}.onnx", fixed, facts(opset=CANONICAL_OPSET, batch=batch)))
    if uff:
        about = facts(normalised=False, outputs=("MarkOutput_0",))
        plan.append(("embedder.uff", lambda: write_uff(graph, OUTPUT, INPUT), about))
    for name, make, about in plan:
        with step(f"{name}: writing and comparing"):
            made = write_and_prove(folder, name, make(), about, proof)
        yield made


def fixed(folder: Path, data: bytes, about: dict[str, Any], proof: Proof, batches: Sequence[int]) -> list[ProvenFile]:
    """Write and verify fixed-batch forms of an ONNX file that was trained elsewhere.

    Args:
        folder: Directory for the files.
        data: The bytes of the file in its form for a bundle, with any batch.
        about: Its facts.
        proof: The reference.
        batches: The batch sizes.

    Raises:
        ModelError: A form does not compute what the file computes.
    """
    import onnx

    from kface.evaluation.foreign import onnx_form

    made = []
    for batch in sorted(set(batches)):
        name = f"embedder.batch{batch}.onnx"
        with step(f"{name}: writing and comparing"):
            model = onnx.load_model_from_string(data)
            for value in (*model.graph.input, *model.graph.output):
                value.type.tensor_type.shape.dim[0].dim_value = batch
            made.append(write_and_prove(folder, name, onnx_form.checked(model, name), {**about, "batch": batch}, proof))
    return made


def write_and_prove(
    folder: Path, name: str, data: bytes, about: dict[str, Any], proof: Proof, exact: bool = True
) -> ProvenFile:
    """Write and verify one file; it is removed if it is wrong."""
    path = folder / name
    path.write_bytes(data)
    try:
        rows, failed = prove(path, proof, about["batch"], exact)
    except ModelError:
        path.unlink()
        raise
    return ProvenFile(name, len(data), about, tuple(rows), failed or None)
