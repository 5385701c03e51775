"""Puts the bench together: one run, one report."""

import time
from functools import partial
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import cv2

from deploy.bench import counting, estimate, figures, footprint, machine, paper, probe, report, scenes, streaming
from deploy.bench.networks import BATCHES, QUICK, Effort, available, crops_from, table8, table9
from deploy.bench.streaming import Variant
from kface.bundle import Bundle
from kface.errors import KFaceError
from kface.mtcnn import Detector
from kface.recognizer import FaceRecognizer
from kface.recognizer.recognizer import MIN_FACE
from kface.timing import interleaved
from kface.workers import cores

Say = Callable[[str], None]
#: The paper's size, which the estimate is for.
ESTIMATED = (640, 360)
#: Processes in the queue for each core from which on figures are not to be trusted.
BUSY = 0.5
#: With less memory than this the runtimes of Table 9 are opened one by one.
SMALL_MB = 6000.0


class Wishes(NamedTuple):
    """What is asked for.

    Attributes:
        quick: Few repetitions.
        runtimes: Only these; all that are here where None.
        clip: A video file to take the people from.
        seconds: At a camera's pace, for each turn; the usual where None.
        synthetic: People of the sample even where real clips are.
    """

    quick: bool = False
    runtimes: Optional[Sequence[str]] = None
    clip: Optional[str] = None
    seconds: Optional[float] = None
    synthetic: bool = False

    @property
    def effort(self) -> Effort:
        """How long to measure."""
        effort = QUICK if self.quick else Effort()
        return effort if self.seconds is None else effort._replace(paced=self.seconds)


def make_scenes(wishes: Wishes, detector: Any) -> List[scenes.Scene]:
    """Return the scenes of all sizes and numbers of faces, small ones first.

    Raises:
        ConfigError: The clip cannot be read, or shows nobody.
    """
    if wishes.clip is not None:
        clips = [scenes.read_clip(wishes.clip)]
    elif scenes.shared_clips() and not wishes.synthetic:
        clips = [scenes.read_clip(path, scenes.REAL) for path in scenes.shared_clips()]
    else:
        clips = scenes.sample_clips()
    people = scenes.cast(clips, detector, max(paper.COUNTS))
    made = []
    for size in scenes.SIZES:
        shown = [scenes.shown_at(person, size) for person in people]
        room = scenes.background(size)
        made += [scenes.Scene(clips[0].source, shown[:count], room) for count in paper.COUNTS]
    return made


def run(bundles: Sequence[Bundle], wishes: Wishes, say: Say) -> Dict[str, Any]:
    """Measure.

    Args:
        bundles: The first one recognises; Table 9 has all of them.
        wishes: What is asked for.
        say: Told what is going on, line by line.

    Returns:
        The report; see :mod:`deploy.bench.report`.

    Raises:
        ConfigError: The clip cannot be read, or no runtime is here.
        ModelError: A bundle's file is not the one that was exported.
    """
    document = report.begin(wishes.quick)
    notes: List[str] = []

    def note(line: str) -> None:
        notes.append(line)
        say(line)

    effort, names, embedding = wishes.effort, available(wishes.runtimes), available(wishes.runtimes, None)
    for name in wishes.runtimes or ():
        if name not in embedding:
            note("{}: left out (is not installed here)".format(name))
    if not names:
        raise KFaceError("none that is here reads ONNX files", "--runtimes", "leave it out to take all that do")
    bundle = bundles[0]
    load = machine.load()
    if load is not None and load[0] > BUSY * cores():
        note("the machine was busy with something else: load average {:.1f} on {} cores".format(load[0], cores()))
    apart = (machine.describe()["memory_mb"] or 0) < SMALL_MB
    preferred = "auto" if wishes.runtimes is None else names[0]
    say("scenes")
    recognizer = FaceRecognizer.load(bundle.directory, preferred, **probe.decision_for(bundle))
    document["bundle"] = {
        "name": bundle.manifest.name,
        "fingerprint": bundle.manifest.fingerprint,
        "synthetic": bundle.manifest.synthetic,
        "min_face": recognizer.detector.min_face,
        "runtime": [recognizer.detector.runtime, recognizer.embedder.runtime],
    }
    every = make_scenes(wishes, recognizer.detector)
    say("memory, in a process of its own")
    document["memory"] = footprint.measure(str(bundle.directory), 1280, 720, preferred)
    document["scenes"] = [
        {
            "source": scene.source,
            "size": list(scene.size),
            "faces": scene.faces,
            "found": list(scenes.found(scene, recognizer.detector)),
        }
        for scene in every
    ]
    for row in document["scenes"]:
        if row["found"][1] != row["faces"]:
            note("{}x{}: {} faces were put in, {} are found".format(*row["size"] + [row["faces"], row["found"][1]]))

    say("table 8: MTCNN by {}".format(", ".join(names)))
    document["table8"] = table8(every, bundle.detector_directory, names, effort, note)
    document["unpaced"], document["paced"] = [], []
    for size in scenes.SIZES:
        variants = [Variant(scene, tracks) for scene in every if scene.size == size for tracks in (True, False)]
        say("streams of {}x{}, as fast as it goes".format(*size))
        document["unpaced"] += streaming.unpaced(recognizer, variants, effort)
        say("streams of {}x{}, 30 frames a second".format(*size))
        document["paced"] += streaming.paced(recognizer, variants, effort)
    document["ratios"] = streaming.ratios(document["unpaced"], "as fast as it goes")
    document["ratios"] += streaming.ratios(document["paced"], "30 fps source")

    say("counting for the estimate")
    document["estimate"] = estimate_for(bundle, every, effort)

    # After the streams: TensorFlow, which reads the embedder alone, starts threads and takes a gigabyte.
    say("table 9: embedders by {}".format(", ".join(embedding)))
    crops = crops_from(every[len(paper.COUNTS) - 1], recognizer.detector, max(BATCHES))
    document["table9"] = table9(bundles, crops, embedding, effort, note, every[0].source, apart)
    recognizer.close()
    document["memory"]["bench_peak_mb"] = machine.peak_mb()
    document["paper"] = paper.as_dict()
    document["notes"] = notes
    document["machine"] = dict(machine.describe(), load_start=load, load_end=machine.load())
    return document


def estimate_for(bundle: Bundle, every: Sequence[scenes.Scene], effort: Effort) -> Dict[str, Any]:
    """Return the estimate for a Nano, or the reason why there is none."""
    board = machine.describe()["board"]
    if board:
        return {"reason": "this is a board ({}): what is above was measured on it".format(board)}
    chosen = [scene for scene in every if scene.size == ESTIMATED]
    try:
        file = next(
            (file for file in bundle.manifest.files if file.role == "embedder" and file.batch == 1), None
        ) or bundle.embedder("onnxruntime")
        count = counting.embedder_count(bundle.manifest.name, bundle.path(file.path), (1, 3, 112, 112))
        guess = estimate.assumed(_opencv_on_one_core(bundle, [s for s in every if s.faces == 1], effort))
        observed = probe.observe(bundle, chosen, 3 * effort.frames)
    except KFaceError as error:
        return {"reason": str(error)}
    rows = [estimate.stream(some, ESTIMATED, MIN_FACE, count, guess) for some in observed]
    return estimate.report(rows, ESTIMATED, MIN_FACE, {"embedder " + bundle.manifest.name: count.as_dict()}, guess)


def _opencv_on_one_core(
    bundle: Bundle, every: Sequence[scenes.Scene], effort: Effort
) -> List[Tuple[Tuple[int, int], float]]:
    """Return the milliseconds that one core of this machine computes for OpenCV's cascade, by frame size.

    The paper's "before"; what other processes take of the core is no part of it.
    """
    before = cv2.getNumThreads()
    try:
        with Detector(bundle.detector_directory, min_face=20.0, runtime="opencv", threads=1) as detector:
            made = []
            for scene in every:
                frame = scene.frame(0)
                call = partial(detector.detect, frame)
                times = interleaved({"": call}, effort.rounds, clock=time.process_time)
                made.append((scene.size, figures.figure(times[""]).median))
            return made
    except KFaceError:
        return []
    finally:
        cv2.setNumThreads(before)
