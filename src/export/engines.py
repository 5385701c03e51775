"""TensorRT engines of a bundle for the exporting machine, if TensorRT is installed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from export.settings import Formats
from kface import bundle
from kface.errors import KFaceError
from kface.evaluation.foreign import Preprocessing
from kface.networks import runtimes
from kface.tensorrt import Calibrator, default_directory, get_engine
from kface.tensorrt.verify import bundle_files

#: Faces per calibration batch.
BATCH = 8


def build_engines(formats: Formats, out: Path, faces: Callable[[], np.ndarray]) -> list[Path]:
    """Build the engines of a bundle; they are stored in the cache, not in the bundle.

    P-Net's engine is built for a frame size when the detector first sees one. Detector and embedder use the same precision,
    except that the detector is not built in INT8, in which it misses faces.

    Args:
        formats: Whether engines are built, and in which precisions.
        out: The bundle's directory.
        faces: Returns uint8 (n, 112, 112, 3), RGB, for INT8 calibration; called only if that is needed.

    Raises:
        KFaceError: Engines were requested and cannot be built.
    """
    wanted = formats.engines
    if wanted is False or (wanted is None and not runtimes(".engine")):
        return []
    made = []
    try:
        for path in bundle_files(out):
            if path.name == "pnet.onnx":
                continue
            for precision in formats.engine_precisions:
                calibrator = None
                if precision == "int8":
                    if path.parent.name == "detector":
                        continue
                    calibrator = calibration(out, faces)
                made.append(get_engine(path, precision=precision, calibrator=calibrator))
                print(f"engine: {made[-1]}", flush=True)
    except KFaceError as error:
        if wanted:
            raise
        print(f"export: no engines ({error})")
    return made


def calibration(out: Path, faces: Callable[[], np.ndarray]) -> Calibrator:
    """Return the calibrator of a bundle's embedder."""
    manifest = bundle.load(out, "sizes").manifest
    expected = manifest.preprocessing
    preprocessing = Preprocessing(expected.colour.lower(), expected.mean, expected.divisor)
    layout = str(manifest.file("embedder.onnx").layout)

    def batches() -> Iterator[np.ndarray]:
        inputs = preprocessing.apply(faces(), layout)
        return (inputs[start : start + BATCH] for start in range(0, len(inputs) - BATCH + 1, BATCH))

    return Calibrator(batches, default_directory(), f"{manifest.name}-faces")
