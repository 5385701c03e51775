"""One run of the bench: measures everything and returns the report."""

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from deploy.bench import footprint, machine, paper, report, scenes, streaming
from deploy.bench.networks import BATCHES, QUICK, Effort, available, crops_from, table8, table9
from deploy.bench.streaming import Variant
from kface.bundle import Bundle
from kface.errors import KFaceError
from kface.mtcnn import Detector
from kface.recognizer import FaceRecognizer
from kface.workers import cores

Log = Callable[[str], None]
#: Processes in the queue for each core from which on figures are not to be trusted.
BUSY = 0.5
#: With less memory than this the runtimes of Table 9 are opened one by one.
SMALL_MB = 6000.0


class BenchOptions(NamedTuple):
    """What to measure.

    Attributes:
        quick: Few repetitions.
        runtimes: Only these; all that are installed where None.
        clip: A video file to take the people from.
        seconds: Length of each run at camera frame rate; the default where None.
        synthetic: Use people of the sample even where real clips are available.
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


def make_scenes(options: BenchOptions, detector: Detector) -> List[scenes.BenchScene]:
    """Return the scenes of all sizes and numbers of faces, small ones first.

    Raises:
        ConfigError: The clip cannot be read, or shows no one.
    """
    if options.clip is not None:
        clips = [scenes.read_clip(options.clip)]
    elif scenes.shared_clips() and not options.synthetic:
        clips = [scenes.read_clip(path, scenes.REAL) for path in scenes.shared_clips()]
    else:
        clips = scenes.sample_clips()
    people = scenes.cast(clips, detector, max(paper.COUNTS))
    made = []
    for size in scenes.SIZES:
        shown = [scenes.shown_at(person, size) for person in people]
        room = scenes.background(size)
        made += [scenes.BenchScene(clips[0].source, shown[:count], room) for count in paper.COUNTS]
    return made


def run(bundles: Sequence[Bundle], options: BenchOptions, log: Log) -> Dict[str, Any]:
    """Measure.

    Args:
        bundles: The first one recognises; Table 9 has all of them.
        options: What to measure.
        log: Called with each line of progress.

    Returns:
        The report; see :mod:`deploy.bench.report`.

    Raises:
        ConfigError: The clip cannot be read, or no runtime is installed.
        ModelError: A bundle's file is not the one that was exported.
    """
    document = report.begin(options.quick)
    notes: List[str] = []

    def note(line: str) -> None:
        notes.append(line)
        log(line)

    effort, names, embedding = options.effort, available(options.runtimes), available(options.runtimes, None)
    for name in options.runtimes or ():
        if name not in embedding:
            note("{}: left out (is not installed here)".format(name))
    if not names:
        raise KFaceError(
            "no installed runtime of these reads ONNX files", "--runtimes", "leave it out to use all that do"
        )
    bundle = bundles[0]
    load = machine.load()
    if load is not None and load[0] > BUSY * cores():
        note("the machine was busy: load average {:.1f} on {} cores".format(load[0], cores()))
    apart = (machine.describe()["memory_mb"] or 0) < SMALL_MB
    preferred = "auto" if options.runtimes is None else names[0]
    log("scenes")
    recognizer = FaceRecognizer.load(bundle.directory, preferred, **streaming.thresholds_for(bundle))
    document["bundle"] = {
        "name": bundle.manifest.name,
        "fingerprint": bundle.manifest.fingerprint,
        "synthetic": bundle.manifest.synthetic,
        "min_face": recognizer.detector.min_face,
        "runtime": [recognizer.detector.runtime, recognizer.embedder.runtime],
    }
    every = make_scenes(options, recognizer.detector)
    log("memory, in a process of its own")
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

    log("table 8: MTCNN by {}".format(", ".join(names)))
    document["table8"] = table8(every, bundle.detector_directory, names, effort, note)
    document["unpaced"], document["paced"] = [], []
    for size in scenes.SIZES:
        variants = [Variant(scene, tracks) for scene in every if scene.size == size for tracks in (True, False)]
        log("streams of {}x{}, as fast as possible".format(*size))
        document["unpaced"] += streaming.unpaced(recognizer, variants, effort)
        log("streams of {}x{}, 30 frames a second".format(*size))
        document["paced"] += streaming.paced(recognizer, variants, effort)
    document["ratios"] = streaming.ratios(document["unpaced"], "as fast as possible")
    document["ratios"] += streaming.ratios(document["paced"], "30 fps source")

    document["estimate"] = {"reason": no_estimate()}

    # After the streams: TensorFlow, which reads the embedder alone, starts threads and takes a gigabyte.
    log("table 9: embedders by {}".format(", ".join(embedding)))
    crops = crops_from(every[len(paper.COUNTS) - 1], recognizer.detector, max(BATCHES))
    document["table9"] = table9(bundles, crops, embedding, effort, note, every[0].source, apart)
    recognizer.close()
    document["memory"]["bench_peak_mb"] = machine.peak_mb()
    document["paper"] = paper.as_dict()
    document["notes"] = notes
    document["machine"] = dict(machine.describe(), load_start=load, load_end=machine.load())
    return document


def no_estimate() -> str:
    """Return why a report has no estimate for a Jetson Nano: what measures also runs on a board, what estimates does not."""
    board = machine.describe()["board"]
    if board:
        return "this is a board ({}): what is above was measured on it".format(board)
    return "add one in a checkout: python -m benchmarks.nano, or make bench-realtime"
