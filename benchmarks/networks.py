"""Times runtimes side by side on the same networks, a bundle's embedder and the detector: ``make bench-networks``.

``KFACE_BUNDLE=DIR`` selects the bundle, as for ``kface bench``; the default is the newest.
"""

import contextlib
import os
import sys
from functools import partial

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from benchmarks.frames import frames
from deploy.settings import chosen_bundle
from kface import bundle
from kface.errors import KFaceError
from kface.mtcnn import Detector
from kface.networks import RUNTIMES, open_network, runtimes
from kface.timing import interleaved, medians
from kface.workers import cores
from train import backend


def main() -> int:
    backend.start_quietly()
    try:
        found = chosen_bundle()
        if found is None:
            raise KFaceError("outputs and bundles contain no bundle", None, "run: kface export")
        made = bundle.load(found)
    except KFaceError as error:
        print(f"bench-networks: {error}", file=sys.stderr)
        return 2
    print(f"Installed: {', '.join(runtimes())} (of {', '.join(RUNTIMES)}); {cores()} cores; median ms, in turn")
    embedders(made)
    detectors()
    return 0


def embedders(made: bundle.Bundle) -> None:
    """Time every file of the embedder on the installed runtimes that read it."""
    candidates = {}
    for file in made.manifest.files:
        if file.role != "embedder" or file.batch != "dynamic":
            continue
        for runtime in runtimes("." + file.format):
            try:
                candidates[f"{runtime} {file.path}"] = open_network(made.path(file.path), runtime, None, file.sha256)
            except KFaceError as error:
                print(f"  {runtime} {file.path}: left out ({error})")
    random = np.random.default_rng(0)
    for batch in (1, 8):
        faces = random.uniform(-1, 1, (batch, 3, 112, 112)).astype(np.float32)
        times = medians(
            interleaved({name: partial(network.run, faces) for name, network in candidates.items()}, 7, 6.0)
        )
        print(f"embedder {made.manifest.name}, batch {batch}:")
        report(times, "onnxruntime embedder.onnx", batch)


def detectors() -> None:
    """Time the detector on every runtime that reads its networks."""
    with contextlib.ExitStack() as stack:
        candidates = {}
        for runtime in runtimes(".onnx"):
            try:
                candidates[runtime] = stack.enter_context(Detector(runtime=runtime))
            except KFaceError as error:
                print(f"  {runtime}: left out ({error})")
        for frame in frames():
            calls = {name: partial(detector.detect, frame.image) for name, detector in candidates.items()}
            times = medians(interleaved(calls, 5, 3.0))
            height, width = frame.image.shape[:2]
            print(f"detector, {frame.source}, {width}x{height}, {frame.faces} face(s):")
            report(times, "onnxruntime", 1)


def report(times: dict[str, float], base: str, count: int) -> None:
    """Print the times, the fastest first, with the speed relative to a base."""
    for name, value in sorted(times.items(), key=lambda item: item[1]):
        ratio = times[base] / value if base in times else float("nan")
        print(f"  {name:<38} {value:8.2f} ms  {value / count:8.2f} ms each  {ratio:5.2f}")


if __name__ == "__main__":
    sys.exit(main())
