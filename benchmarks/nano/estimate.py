"""What a Jetson Nano would do: an ESTIMATE from counted operations, never a measurement.

Operations are counted exactly; how much of the board's peak they reach is not known, and so every figure is a range. Its ends
are calibrated against published points, which :func:`calibration` shows beside what the same arithmetic says about them.

Capture, decoding and output run beside the inference on other cores and are not in it, nor is P-Net's canvas being filled. The
processor's share was measured on the machine that makes the estimate, in Python as it is, and scaled.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from benchmarks.nano import counting
from benchmarks.nano.counting import Count
from benchmarks.nano.probe import FrameWork, Observed
from deploy.bench import paper
from deploy.bench.paper import Range
from kface.mtcnn import canvas, pyramid
from kface.mtcnn.settings import FACTOR

NOTE = "estimate, not measured"
#: A Nano's public peak at 921 MHz, in operations a second (a multiply-accumulate is two), and its memory's bytes a second.
PEAK = {"fp16": 472e9, "fp32": 236e9}
BANDWIDTH = 25.6e9
BYTES = {"fp16": 2, "fp32": 4}


class Assumed(NamedTuple):
    """What is not counted, each from the worse to the better.

    Attributes:
        large: Part of the peak that an embedder's layers reach. 0.62 is what ResNet-50 at 256x256 reaches (42 ms in FP16,
            79 ms in FP32); 0.20 puts ResNet-50 at 112x112 at the paper's "about 30 ms".
        small: The same for the cascade's layers, whose 10 to 64 channels fill few of the GPU's lanes.
        memory: Part of the memory's bandwidth.
        launch_us: Microseconds to start a layer.
        call_ms: Milliseconds to hand a network its input and to wait for its outputs.
        host: How much longer a core of the Nano takes than one of this machine. The worse end is what OpenCV's cascade
            takes on the Nano (Table 8, before TensorRT) over what it takes here on one core, as far as the paper's smallest
            face was 20 px; the better is half of it, as what is left to the processor is less vector arithmetic.
    """

    large: Range = (0.20, 0.62)
    small: Range = (0.08, 0.30)
    memory: Range = (0.5, 0.9)
    launch_us: Range = (20.0, 10.0)
    call_ms: Range = (0.8, 0.2)
    host: Range = (15.0, 7.5)

    def as_dict(self) -> dict[str, list[float]]:
        """Return it for the report."""
        return {key: list(value) for key, value in self._asdict().items()}


def assumed(opencv_ms: Sequence[tuple[tuple[int, int], float]] | None = None) -> Assumed:
    """Return the assumptions, with the processors' ratio from this machine.

    Args:
        opencv_ms: What OpenCV's cascade takes here on one core with a smallest face of 20 px, by frame size; the stored
            ratio stands where it is None or has no size of Table 8.
    """
    found = []
    for size, ms in opencv_ms or ():
        published = [row for row in paper.TABLE8.get(size, []) if "OpenCV" in row.where]
        found += [sum(row.ms) / 2 / ms for row in published]
    if not found:
        return Assumed()
    worst = round(max(found), 2)
    return Assumed(host=(worst, round(worst / 2, 2)))


def network_ms(count: Count, items: float, precision: str, utilisation: Range, other: Assumed | None = None) -> Range:
    """Return the range of milliseconds that a network takes for a batch of images.

    At best its arithmetic hides its memory traffic, or the other way round, and all that can be is computed along with the
    layer before; at worst they add up and every layer stands alone.

    Args:
        count: On one image.
        items: How many images; with none it is not called.
        precision: "fp16" or "fp32".
        utilisation: Parts of the peak, the worse first.
        other: What else is assumed.
    """
    if not items:
        return 0.0, 0.0
    guess = other or Assumed()
    compute = [1000 * 2.0 * count.macs * items / (PEAK[precision] * part) for part in utilisation]
    bandwidth = [BANDWIDTH * part / BYTES[precision] / 1000 for part in guess.memory]
    # A frame that has a candidate only now and then pays for the call only then.
    calls = min(items, 1.0)
    slow_memory = (count.weights * calls + count.moved_all * items) / bandwidth[0]
    fast_memory = (count.weights * calls + count.moved * items) / bandwidth[1]
    slow_calls = calls * (guess.call_ms[0] + count.layers_all * guess.launch_us[0] / 1000)
    fast_calls = calls * (guess.call_ms[1] + count.layers * guess.launch_us[1] / 1000)
    return max(compute[1], fast_memory) + fast_calls, compute[0] + slow_memory + slow_calls


def pnet_canvas(size: tuple[int, int], min_face: float) -> tuple[int, int]:
    """Return height and width of the canvas that P-Net sees, for a frame's (width, height)."""
    width, height = size
    scales = pyramid.scales(height, width, min_face, FACTOR)
    placed = canvas.layout([(max(int(height * scale), 1), max(int(width * scale), 1)) for scale in scales])
    return placed.height, placed.width


class FrameEstimate(NamedTuple):
    """Frames of one kind: from and to which milliseconds each part takes, and together."""

    host: Range
    pnet: Range
    rnet: Range
    onet: Range
    embedder: Range
    total: Range


class StreamEstimate(NamedTuple):
    """A stream with tracks.

    Attributes:
        faces: How many faces.
        share: The part of its frames that the complete cascade runs on.
        detection: Those frames.
        following: The others.
        ms: From and to which milliseconds a frame takes in the mean.
        fps: From and to how many frames a second.
        reached: Whether the paper's 10 frames a second are reached: "yes", "no", or "perhaps" where only the better end does.
    """

    faces: int
    share: float
    detection: FrameEstimate
    following: FrameEstimate | None
    ms: Range
    fps: Range
    reached: str


def stream(
    observed: Observed, size: tuple[int, int], min_face: float, embedder: Count, guess: Assumed, precision: str = "fp16"
) -> StreamEstimate:
    """Return what a stream would do on a Nano.

    Args:
        observed: What its frames ask for.
        size: Width and height of the frames in pixels.
        min_face: The cascade's smallest face in pixels.
        embedder: The embedder, on one face.
        guess: What is assumed.
        precision: Of all engines.
    """
    pnet = network_ms(counting.pnet(*pnet_canvas(size, min_face)), 1, precision, guess.small, guess)
    detection = _frames(observed.detection, pnet, embedder, guess, precision)
    following = None
    if observed.following is not None:
        following = _frames(observed.following, (0.0, 0.0), embedder, guess, precision)
    low, high = (
        observed.share * detection.total[end] + (1 - observed.share) * (following.total[end] if following else 0.0)
        for end in (0, 1)
    )
    fps = (1000 / high, 1000 / low)
    reached = "yes" if fps[0] >= paper.PAPER_FPS else "perhaps" if fps[1] >= paper.PAPER_FPS else "no"
    return StreamEstimate(observed.faces, observed.share, detection, following, (low, high), fps, reached)


def _frames(work: FrameWork, pnet: Range, embedder: Count, guess: Assumed, precision: str) -> FrameEstimate:
    host = (work.host_ms * guess.host[1], work.host_ms * guess.host[0])
    rnet = network_ms(counting.rnet(), work.rnet, precision, guess.small, guess)
    onet = network_ms(counting.onet(), work.onet, precision, guess.small, guess)
    embedded = network_ms(embedder, work.embedded, precision, guess.large, guess)
    parts = (host, pnet, rnet, onet, embedded)
    return FrameEstimate(*parts, (sum(part[0] for part in parts), sum(part[1] for part in parts)))


class Point(NamedTuple):
    """A published time beside the estimate of the same; it was calibrated well where the two ranges meet."""

    what: str
    published: Range
    estimated: Range

    @property
    def met(self) -> bool:
        """Whether the ranges have a time in common."""
        return self.estimated[0] <= self.published[1] and self.published[0] <= self.estimated[1]


def calibration() -> list[Point]:
    """Return the published points that networks alone decide, beside what the same arithmetic says about them."""
    guess = Assumed()
    resnet50 = counting.STORED["resnet50"]
    # At 256x256 every layer but the last has (256 / 112)^2 times the outputs; the dense one has few operations.
    area = (256 / 112.0) ** 2
    larger = resnet50._replace(
        macs=int(resnet50.macs * area), moved=int(resnet50.moved * area), moved_all=int(resnet50.moved_all * area)
    )
    points = [
        Point(
            f"ResNet-50 at 256x256, Nano, TensorRT {precision}",
            (ms, ms),
            network_ms(larger, 1, precision, guess.large),
        )
        for precision, ms in sorted(paper.RESNET50_256.items())
    ]
    for published in paper.TABLE9:
        if "Nano" in published.where:
            points.append(
                Point(
                    f"{published.what}, {published.where}",
                    published.ms,
                    network_ms(resnet50, 1, "fp16", guess.large),
                )
            )
    # Four times the pixels take more: a third of the difference is what grows with the pixels of one 640x360 frame. P-Net
    # is a part of that, next to the resizing, and must not take longer.
    small, large = (
        next(row.ms for row in paper.TABLE8[size] if "TensorRT" in row.where) for size in ((640, 360), (1280, 720))
    )
    grows = ((large[0] - small[1]) / 3, (large[1] - small[0]) / 3)
    pnet = network_ms(counting.pnet(*pnet_canvas((640, 360), 20.0)), 1, "fp16", guess.small)
    points.append(Point("P-Net, smallest face 20 px, at most what grows with the pixels", (0.0, grows[1]), pnet))
    return points


def report(
    rows: Sequence[StreamEstimate], size: tuple[int, int], min_face: float, embedder: Any, guess: Assumed
) -> dict[str, Any]:
    """Return the estimate for the bench's report, with its arithmetic."""

    def parts(frames: FrameEstimate | None) -> dict[str, list[float]] | None:
        return None if frames is None else {key: _rounded(value) for key, value in frames._asdict().items()}

    height, width = pnet_canvas(size, min_face)
    counts = {"pnet": counting.pnet(height, width), "rnet": counting.rnet(), "onet": counting.onet()}
    return {
        "note": NOTE,
        "board": "Jetson Nano, FP16 engines, 472 GFLOPS at 921 MHz, 25.6 GB/s",
        "size": list(size),
        "min_face": min_face,
        "canvas": [width, height],
        "assumed": guess.as_dict(),
        "counts": dict({name: count.as_dict() for name, count in counts.items()}, **embedder),
        "calibration": [
            {"what": point.what, "published": _rounded(point.published), "estimated": _rounded(point.estimated)}
            for point in calibration()
        ],
        "streams": [
            {
                "faces": row.faces,
                "share": round(row.share, 3),
                "detection_ms": parts(row.detection),
                "following_ms": parts(row.following),
                "ms": _rounded(row.ms),
                "fps": _rounded(row.fps),
                "reached": row.reached,
            }
            for row in rows
        ],
    }


def _rounded(value: Range) -> list[float]:
    return [round(value[0], 2), round(value[1], 2)]
