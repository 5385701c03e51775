"""The files of a bundle's embedder: made from a Keras model, and proven to compute what it computes before they count."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from export import frozen, onnx_export, parity
from export.uff import execute_uff, write_uff
from kface.errors import ModelError
from kface.networks import Network, open_network, runtimes


class Made(NamedTuple):
    """A file that was made and proven.

    Attributes:
        name: In the bundle.
        data: Its bytes.
        facts: Fields of :class:`kface.bundle.File` beside the path, hash, size, role and format.
        parity: What the proof showed.
    """

    name: str
    data: bytes
    facts: dict[str, Any]
    parity: tuple[parity.Parity, ...]


def facts(**more: Any) -> dict[str, Any]:
    """Return the facts of an embedder's file, those that most have in common filled in."""
    common: dict[str, Any] = {
        "precision": "fp32",
        "opset": None,
        "batch": "dynamic",
        "normalised": True,
        "input": frozen.INPUT,
        "outputs": (frozen.OUTPUT,),
        "layout": "NCHW",
    }
    return {**common, **more}


def readers(path: Path) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Open an embedder's file in every runtime installed here that reads it.

    Returns:
        By the runtime's name, float32 (n, 3, h, w) -> (n, d).
    """
    if path.suffix == ".uff":
        data = path.read_bytes()
        return {"numpy": lambda batch: execute_uff(data, batch)}
    wanted = {".pb": ("tensorflow", "opencv"), ".onnx": ("onnxruntime", "openvino", "opencv")}[path.suffix]
    return {runtime: _opened_when_called(path, runtime) for runtime in wanted if runtime in runtimes(path.suffix)}


def _opened_when_called(path: Path, runtime: str) -> Callable[[np.ndarray], np.ndarray]:
    opened: list[Network] = []

    def run(batch: np.ndarray) -> np.ndarray:
        if not opened:
            opened.append(open_network(path, runtime))
        return next(iter(opened[0].run(batch).values()))

    return run


def prove(path: Path, inputs: np.ndarray, wanted: np.ndarray, batch: Any, exact: bool = True) -> list[parity.Parity]:
    """Run a file in all readers and compare it with the Keras model; see :func:`export.parity.compare`.

    A file of reduced precision need not be read by every runtime, only by one.
    """
    opened = readers(path)
    if not opened:
        raise ModelError("cannot be proven: no runtime that reads it is installed", path)
    batches = parity.BATCHES if batch == "dynamic" else (int(batch),)
    if path.suffix == ".uff":
        # An interpreter in numpy: right, and slow.
        inputs, wanted, batches = inputs[:2], wanted[:2], (1, 2)
    rows = []
    failures = []
    for reader, run in opened.items():
        try:
            rows += parity.compare(path.name, reader, run, inputs, wanted, batches, exact)
        except ModelError as error:
            if exact:
                raise
            failures.append(error)
    if not rows:
        raise failures[0]
    return rows


def make_all(
    network: keras.Model,
    folder: Path,
    inputs: np.ndarray,
    wanted: np.ndarray,
    opsets: Sequence[int],
    fixed_batches: Sequence[int],
    uff: bool,
) -> Iterator[Made]:
    """Make the files of full precision one after the other, each proven.

    Args:
        network: The Keras model.
        folder: Takes the files.
        inputs: float32 (n, 3, h, w), preprocessed faces to prove them on.
        wanted: float32 (n, d), of the Keras model.
        opsets: Of the ONNX files with any batch; the first names ``embedder.onnx``.
        fixed_batches: Of further ONNX files.
        uff: Whether to write UFF.

    Raises:
        ModelError: A file does not compute what the model does.
    """
    plan: list[tuple[str, Callable[[], bytes], dict[str, Any]]] = [
        ("embedder.pb", lambda: bytes(frozen.freeze(network).SerializeToString()), facts(layout="NHWC"))
    ]
    for number, opset in enumerate(opsets):
        name = "embedder.onnx" if number == 0 else f"embedder.opset{opset}.onnx"
        plan.append((name, lambda opset=opset: onnx_export.to_onnx(network, opset), facts(opset=opset)))  # type: ignore[misc]
    for batch in fixed_batches:
        plan.append(
            (
                f"embedder.batch{batch}.onnx",
                lambda batch=batch: onnx_export.to_onnx(network, opsets[0], batch),  # type: ignore[misc]
                facts(opset=opsets[0], batch=batch),
            )
        )
    if uff:
        plan.append(
            (
                "embedder.uff",
                lambda: write_uff(frozen.freeze(network, normalise=False), frozen.OUTPUT, frozen.INPUT),
                facts(normalised=False, outputs=("MarkOutput_0",)),
            )
        )
    for name, make, about in plan:
        yield write_and_prove(folder, name, make(), about, inputs, wanted)


def write_and_prove(
    folder: Path,
    name: str,
    data: bytes,
    about: dict[str, Any],
    inputs: np.ndarray,
    wanted: np.ndarray,
    exact: bool = True,
) -> Made:
    """Write one file and prove it; it is removed again where it is wrong."""
    path = folder / name
    path.write_bytes(data)
    try:
        rows = prove(path, inputs, wanted, about["batch"], exact)
    except ModelError:
        path.unlink()
        raise
    return Made(name, data, about, tuple(rows))
