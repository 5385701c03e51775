"""Tables 8 and 9 and whole streams on this machine, beside the obvious way to do it: ``make bench-realtime``.

The obvious way is the ``mtcnn`` package on every frame, one embedding a face, and a loop over the gallery in Python. Both take
turns on the same frames. Takes the arguments of ``kface bench``.
"""

import os
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from benchmarks.nano.section import section
from deploy import bench_command
from deploy.bench import measure, paper, scenes
from deploy.bench.figures import figure
from deploy.bench.networks import crops_from
from deploy.bench.streaming import StrangerGallery, pipeline, thresholds_for
from kface.alignment import align
from kface.bundle import Bundle
from kface.recognizer import FaceRecognizer
from kface.recognizer.embedder import Embedder
from kface.timing import interleaved
from train import backend

OBVIOUS = "obvious way"
#: Frames of a turn, and turns: the obvious way takes its time.
TURN, TURNS = 10, 5
QUICK_TURN, QUICK_TURNS = 5, 2
#: What embeds one face in the obvious way: the faster of these on this machine.
SINGLE = ("onnxruntime", "tensorflow")


def main(argv: list[str] | None = None) -> int:
    return bench_command.main(argv, "bench-realtime", more)


def more(bundle: Bundle, options: measure.BenchOptions) -> dict[str, Any]:
    """Return what only a workstation adds to the report: the estimate for a Nano, and the obvious way."""
    with FaceRecognizer.load(bundle.directory, **thresholds_for(bundle)) as recognizer:
        every = measure.make_scenes(options, recognizer.detector)
    bench_command.log("counting for the estimate")
    return {"estimate": section(bundle, every, options.effort), "obvious": beside_the_obvious(bundle, options)}


def beside_the_obvious(bundle: Bundle, options: measure.BenchOptions) -> dict[str, Any]:
    """Run the obvious way and the pipeline in turns on the same frames."""
    backend.start_quietly()
    import mtcnn

    oracle = mtcnn.MTCNN()
    recognizer = FaceRecognizer.load(bundle.directory, **thresholds_for(bundle))
    every = measure.make_scenes(options, recognizer.detector)
    embedder, why = stronger(bundle, crops_from(every[len(paper.COUNTS) - 1], recognizer.detector, 1))
    gallery = StrangerGallery(recognizer.embedder.size)
    people = {f"stranger {number}": template for number, template in enumerate(gallery.matrix)}
    same = FaceRecognizer(
        recognizer.detector.with_min_face(20.0), recognizer.embedder, recognizer.fingerprint, recognizer.operating_point
    )
    frames, turns = (QUICK_TURN, QUICK_TURNS) if options.quick else (TURN, TURNS)
    rows = []
    for scene in every:
        bench_command.log("beside the obvious way: {}x{}, {} faces".format(*scene.size, scene.faces))
        ways: dict[str, Callable[[np.ndarray], Any]] = {
            OBVIOUS: partial(obvious, oracle, embedder, people),
            "kface": pipeline(recognizer, gallery, True).process,
            "kface, every frame": pipeline(recognizer, gallery, False).process,
            "kface, every frame, 20 px": pipeline(same, gallery, False).process,
        }
        rows.append(compare(ways, scene, frames, turns) | {"found": obvious(oracle, embedder, people, scene.frame(0))})
    recognizer.close()
    embedder.close()
    return {
        "base": OBVIOUS,
        "what": f"mtcnn {version('mtcnn')} on every frame (smallest face 20 px: it finds nothing with another), one "
        f"embedding a face ({why}), a loop over {len(people)} templates in Python; kface: the default, with tracks and a "
        f"smallest face of {recognizer.detector.min_face:g} px, then without tracks, then with 20 px as well",
        "embedder": why,
        "rows": rows,
    }


def obvious(oracle: Any, embedder: Embedder, people: dict[str, np.ndarray], image: np.ndarray) -> int:
    """Recognise the people in one frame as a tutorial does, and return how many faces it had."""
    found = oracle.detect_faces(image, output_type="numpy", fit_to_image=False, box_format="xyxy")
    for face in found:
        landmarks = np.stack([face[6:11], face[11:16]], axis=1).astype(np.float32)
        embedding = embedder.run(align(image, landmarks[None])).vectors[0]
        best, most = None, -2.0
        for name, template in people.items():
            score = float(np.dot(template, embedding))
            if score > most:
                best, most = name, score
        assert best is not None
    return len(found)


def stronger(bundle: Bundle, crop: np.ndarray) -> tuple[Embedder, str]:
    """Return what embeds one face the fastest here, and how it compares."""
    embedders = {name: Embedder(bundle, name) for name in SINGLE}
    times = interleaved({name: partial(embedder.run, crop) for name, embedder in embedders.items()}, 20)
    medians = {name: figure(values).median for name, values in times.items()}
    best = min(medians, key=lambda name: medians[name])
    for name, embedder in embedders.items():
        if name != best:
            embedder.close()
    others = ", ".join(f"{name} {value:.1f} ms" for name, value in medians.items() if name != best)
    return embedders[best], f"{best}, batch 1, {medians[best]:.1f} ms; the other way: {others}"


def compare(
    ways: dict[str, Callable[[np.ndarray], Any]], scene: scenes.BenchScene, frames: int, turns: int
) -> dict[str, Any]:
    """Return frames a second of each way, and by how much each is faster than the first."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(turns + 1):
        pictures = [scene.frame(turn * frames + number) for number in range(frames)]
        for name, way in ways.items():
            began = time.perf_counter()
            for picture in pictures:
                way(picture)
            # The first turn warms up.
            if turn:
                rates[name].append(frames / (time.perf_counter() - began))
    figures = {name: figure(values) for name, values in rates.items()}
    base = figures[next(iter(ways))].median
    return {
        "size": list(scene.size),
        "faces": scene.faces,
        "source": scene.source,
        "fps": {name: value.as_dict() for name, value in figures.items()},
        "ms": {name: figure([1000 / rate for rate in values]).as_dict() for name, values in rates.items()},
        "ratios": {name: round(value.median / base, 2) for name, value in figures.items()},
    }


if __name__ == "__main__":
    sys.exit(main())
