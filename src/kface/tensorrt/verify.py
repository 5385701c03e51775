"""Compares engines with a reference on the same inputs, on the device itself."""

import os
import time
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from kface.errors import ModelError
from kface.networks import Network, open_network, runtimes
from kface.tensorrt.adapter import open_engine
from kface.tensorrt.api import Profile
from kface.tensorrt.builder import BY_SIDE, Profiles, input_shapes, read_source
from kface.tensorrt.cache import get_engine
from kface.tensorrt.memory import Memory, open_memory

PathLike = Union[str, "os.PathLike[str]"]

#: The least cosine between an engine's outputs and the reference's; TensorRT's fp32 may round to TF32.
LEAST_COSINE = {"fp32": 0.9999, "fp16": 0.99}
#: Sizes used for axes that vary besides the batch: about those of P-Net's canvas for a 640x480 frame.
CANVAS = (288, 850)


class EngineComparison(NamedTuple):
    """The comparison of one engine with the reference; times are medians in ms."""

    file: str
    precision: str
    shape: Tuple[int, ...]
    difference: float
    cosine: float
    engine_ms: float
    reference_ms: float

    @property
    def agrees(self) -> bool:
        """Whether the outputs are close enough."""
        return self.cosine >= LEAST_COSINE[self.precision]

    def __str__(self) -> str:
        return "{:<18} {:<5} {:<18} {:>10.2e} {:>10.6f} {:>9.2f} {:>9.2f}  {}".format(
            self.file,
            self.precision,
            "x".join(map(str, self.shape)),
            self.difference,
            self.cosine,
            self.engine_ms,
            self.reference_ms,
            "agrees" if self.agrees else "DIFFERS",
        )


def header(reference: str) -> str:
    """Return the line above the rows."""
    return "{:<18} {:<5} {:<18} {:>10} {:>10} {:>9} {:>9}".format(
        "file", "", "input", "max diff", "cosine", "ms", reference[:6] + " ms"
    )


def bundle_files(bundle: PathLike) -> List[Path]:
    """Return the networks of a bundle for TensorRT: the plain detector's and the embedder.

    Raises:
        ModelError: The bundle has none.
    """
    root = Path(bundle)
    # The split and canvas forms are the same networks for other uses.
    found = [path for path in sorted((root / "detector").glob("*.onnx")) if "." not in path.stem]
    found += [path for path in [root / "embedder.onnx"] if path.is_file()]
    if not found:
        raise ModelError("holds no detector/*.onnx and no embedder.onnx", root, "give a bundle's directory")
    return found


def reference_runtime() -> str:
    """Return the name of the CPU runtime that engines are compared with."""
    return "onnxruntime" if "onnxruntime" in runtimes() else "opencv"


def verify(
    path: PathLike,
    precisions: Sequence[str] = ("fp32", "fp16"),
    runs: int = 20,
    seed: int = 0,
    directory: Optional[PathLike] = None,
    memory: Optional[Memory] = None,
) -> List[EngineComparison]:
    """Build a file's engines or take them from the cache, and compare them with the reference on the same inputs.

    Args:
        path: An ONNX file with one input.
        precisions: Of the engines.
        runs: Number of timed runs, after one untimed run.
        seed: Of the inputs, uniform between -1 and 1 as normalised pixels are.
        directory: Directory of the engines.
        memory: The GPU; the first one if None.

    Raises:
        ConfigError: TensorRT or the GPU is not available.
        ModelError: A runtime refuses the file.
    """
    memory = memory or open_memory()
    profiles = _profiles(path, memory)
    reference = open_network(path, reference_runtime())
    rows = []
    for precision in precisions:
        engine = open_engine(get_engine(path, None, precision, profiles, directory=directory, memory=memory), memory)
        shape = engine.usual_shape
        batch = np.random.RandomState(seed).uniform(-1, 1, shape).astype(np.float32)
        expected, found = reference.run(batch), engine.run(batch)
        difference, cosine = compare(expected, found, path)
        times = [_median(network, batch, runs) for network in (engine, reference)]
        rows.append(EngineComparison(Path(path).name, precision, shape, difference, cosine, times[0], times[1]))
        engine.close()
    return rows


def compare(expected: Dict[str, np.ndarray], found: Dict[str, np.ndarray], where: Any) -> Tuple[float, float]:
    """Return the largest difference of all outputs, and the smallest cosine of any.

    Raises:
        ModelError: The outputs have other names or sizes.
    """
    sizes = [{name: value.size for name, value in outputs.items()} for outputs in (expected, found)]
    if sizes[0] != sizes[1]:
        raise ModelError("gives {} as an engine, not {}".format(sizes[1], sizes[0]), where)
    differences, cosines = [], []
    for name, value in expected.items():
        one, other = value.reshape(-1).astype(np.float64), found[name].reshape(-1).astype(np.float64)
        differences.append(float(np.abs(one - other).max()))
        norms = np.linalg.norm(one) * np.linalg.norm(other)
        cosines.append(float(one @ other / norms) if norms > 0 else float(np.array_equal(one, other)))
    # A NaN compares as nothing; it has to come out as a difference.
    return float(np.max(differences)), float(np.min(np.nan_to_num(cosines)))


def _profiles(path: PathLike, memory: Memory) -> Profiles:
    shapes = input_shapes(read_source(path), memory)
    if all(-1 not in shape[1:] for shape in shapes.values()):
        return BY_SIDE
    fixed: Dict[str, Profile] = {}
    for name, shape in shapes.items():
        if len(shape) != 4:
            raise ModelError("has an input {} of varying sizes {}".format(name, shape), path)
        size = (1, shape[1]) + CANVAS
        fixed[name] = (size, size, size)
    return fixed


def _median(network: Network, batch: np.ndarray, runs: int) -> float:
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        network.run(batch)
        times.append(time.perf_counter() - start)
    return float(np.median(times)) * 1000
