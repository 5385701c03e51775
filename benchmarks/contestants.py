"""Detectors that are compared, each in a process of its own with a number of cores: ``python -m benchmarks.contestants NAME``.

A process reads lines of JSON, ``{"frame": FILE.npy, "seconds": S}``, and answers each with a line: the wall and processor times
of its calls in milliseconds, and the landmarks.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from typing import Any, NamedTuple

import numpy as np

#: Names a Python that has torch and facenet-pytorch; the project does not need them.
TORCH_PYTHON = "KFACE_TORCH_PYTHON"
LEAST_CALLS = 3

Detect = Callable[[np.ndarray], np.ndarray]


class Answer(NamedTuple):
    """What a contestant has measured.

    Attributes:
        wall: Milliseconds of each call.
        cpu: Processor milliseconds of each call, of all threads.
        landmarks: (n, 5, 2), in pixels.
    """

    wall: list[float]
    cpu: list[float]
    landmarks: np.ndarray


class Contestant:
    """A detector in a process of its own, which is pinned to some cores.

    Args:
        name: In :data:`CONTESTANTS`.
        cores: Numbers of the cores that it may use.
        python: The interpreter that has its packages.
    """

    def __init__(self, name: str, cores: list[int], python: str = sys.executable) -> None:
        threads = str(len(cores))
        env = dict(os.environ, OMP_NUM_THREADS=threads, TF_NUM_INTRAOP_THREADS=threads, TF_NUM_INTEROP_THREADS="1")
        env.update(CUDA_VISIBLE_DEVICES="", TF_CPP_MIN_LOG_LEVEL="3")
        command = [python, "-m", "benchmarks.contestants", name, ",".join(map(str, cores))]
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  # open as long as the process runs
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, env=env
        )
        self.name = name
        self.about = str(self._line()["about"])

    def measure(self, frame: str, seconds: float) -> Answer:
        """Detect the faces of a frame, a file of :func:`numpy.save`, for some seconds."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"frame": frame, "seconds": seconds}) + "\n")
        self._process.stdin.flush()
        answer = self._line()
        return Answer(answer["wall"], answer["cpu"], np.array(answer["landmarks"]).reshape(-1, 5, 2))

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        # Libraries print what they like.
        for line in self._process.stdout:
            if line.startswith("{"):
                found: dict[str, Any] = json.loads(line)
                return found
        self._errors.seek(0)
        raise RuntimeError(f"{self.name} has ended: {self._errors.read().strip().splitlines()[-1:]}")


def _mtcnn(threads: int) -> tuple[str, Detect]:
    from train import backend

    backend.start_quietly()
    import mtcnn
    import tensorflow as tf

    oracle = mtcnn.MTCNN()

    def detect(rgb: np.ndarray) -> np.ndarray:
        found = oracle.detect_faces(rgb, output_type="numpy", fit_to_image=False, box_format="xyxy")
        return np.stack([found[:, 6:11], found[:, 11:16]], axis=2) if len(found) else np.zeros((0, 5, 2))

    return f"mtcnn {metadata.version('mtcnn')}, TensorFlow {tf.__version__}", detect


def _facenet(threads: int) -> tuple[str, Detect]:
    import facenet_pytorch
    import torch

    torch.set_num_threads(threads)
    # Its own defaults are those of the reference, and a smallest face of 20 pixels.
    model = facenet_pytorch.MTCNN(keep_all=True)

    def detect(rgb: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            _, _, landmarks = model.detect(rgb, landmarks=True)
        return np.zeros((0, 5, 2)) if landmarks is None else landmarks

    return f"facenet-pytorch, torch {torch.__version__}", detect


def _kface(runtime: str) -> Callable[[int], tuple[str, Detect]]:
    def make(threads: int) -> tuple[str, Detect]:
        import cv2

        from kface.mtcnn import Detector
        from kface.native import kernels

        cv2.setNumThreads(threads)
        detector = Detector(runtime=runtime, threads=threads)
        about = f"{detector.runtime} ({kernels().variants()[-1]})" if detector.runtime == "native" else detector.runtime
        return f"kface on {about}", lambda rgb: detector.detect(rgb).landmarks

    return make


CONTESTANTS: dict[str, Callable[[int], tuple[str, Detect]]] = {
    "mtcnn": _mtcnn,
    "facenet-pytorch": _facenet,
    "kface": _kface("auto"),
    "kface, ONNX Runtime": _kface("onnxruntime"),
}


def main(name: str, cores: str) -> int:
    """Answer until the input ends."""
    chosen = [int(core) for core in cores.split(",")]
    os.sched_setaffinity(0, chosen)
    about, detect = CONTESTANTS[name](len(chosen))
    print(json.dumps({"about": about}), flush=True)
    for line in sys.stdin:
        wanted = json.loads(line)
        frame = np.load(wanted["frame"])
        landmarks = detect(frame)
        wall: list[float] = []
        cpu: list[float] = []
        began = time.perf_counter()
        while len(wall) < LEAST_CALLS or time.perf_counter() - began < wanted["seconds"]:
            start, spent = time.perf_counter(), time.process_time()
            detect(frame)
            wall.append(1000 * (time.perf_counter() - start))
            cpu.append(1000 * (time.process_time() - spent))
        print(json.dumps({"wall": wall, "cpu": cpu, "landmarks": landmarks.tolist()}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
