"""Streams: how rates, latencies and ratios are made of what happens, with networks that only take time."""

import bench_fakes as fakes
import numpy as np
import pytest

from deploy.bench import streaming
from deploy.bench.figures import figure
from deploy.bench.networks import Effort
from deploy.bench.scenes import BenchScene
from deploy.bench.streaming import Variant
from kface.faces import Faces
from kface.mtcnn import FaceDetector
from kface.timing import interleaved

SIZE = (96, 60)
EFFORT = Effort(rounds=1, seconds=0.0, chunks=3, frames=4, paced=0.6, paced_turns=2)


def scene(count=0):
    picture = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    made = BenchScene("squares", [], picture)
    made.faces = count
    return made


class Slow(FaceDetector):
    """Takes its time, and finds a number of faces."""

    min_face, runtime = 39.8, "fake"

    def __init__(self, seconds, count=0):
        self.fakes = fakes.BrightFaces(seconds=seconds)
        self.faces = fakes.faces_at([(5 + 30 * n, 10, 20) for n in range(count)]) if count else Faces.empty()

    def detect(self, rgb):
        self.fakes.detect(rgb)
        return self.faces


def test_figures():
    made = figure([5.0, 1.0, 3.0])
    assert (made.n, made.median) == (3, 3.0)
    assert made.p95 == pytest.approx(4.8)
    assert made.as_dict() == {"n": 3, "median": 3.0, "p95": 4.8}
    with pytest.raises(ValueError, match="nothing"):
        figure([])


def test_candidates_take_turns():
    calls = []
    now = [0.0]

    def call(name, seconds):
        def run():
            calls.append(name)
            now[0] += seconds

        return run

    times = interleaved({"a": call("a", 0.01), "b": call("b", 0.03)}, 2, 0.1, lambda: now[0])
    # Once each beforehand, two rounds in any case, and a third as the time is not up: 2 * 0.04 s < 0.1 s.
    assert "".join(calls) == "ab" + "ababab"
    assert times["a"] == pytest.approx([10, 10, 10])
    assert times["b"] == pytest.approx([30, 30, 30])
    assert len(interleaved({"a": call("a", 0.01)}, 3)["a"]) == 3
    assert interleaved({}, 3) == {}


def test_strangers_in_memory():
    gallery = streaming.StrangerGallery(8, 50)
    np.testing.assert_allclose(np.linalg.norm(gallery.matrix, axis=1), 1, atol=1e-6)
    rows = gallery.match(gallery.matrix[[7, 3]], 2)
    assert [row[0][0] for row in rows] == ["stranger 7", "stranger 3"]
    assert rows[0][0][1] == pytest.approx(1)
    assert rows[0][1][1] < 1
    assert len(rows[0]) == 2


def test_as_fast_as_it_goes():
    recognizer = fakes.FakeRecognizer(Slow(0.02, 2))
    rows = streaming.unpaced(recognizer, [Variant(scene(2), False), Variant(scene(2), False)], EFFORT)
    for row in rows:
        assert (row["size"], row["faces"], row["tracks"], row["source"]) == ([96, 60], 2, False, "squares")
        assert row["fps"]["n"] == 3
        assert row["ms"]["n"] == 12
        # No frame is faster than its detector.
        assert row["fps"]["median"] <= 50
        assert row["mean_ms"] >= 20
        assert row["steps"]["detect"] >= 20
        assert sum(row["steps"].values()) == pytest.approx(row["mean_ms"], rel=0.2)
        assert (row["found"], row["detected"], row["embedded"]) == (2.0, 1.0, 2.0)


def test_a_scene_goes_on_from_turn_to_turn():
    seen = []
    moving = scene()
    moving.frame = lambda number: seen.append(number) or np.zeros((60, 96, 3), np.uint8)
    streaming.unpaced(fakes.FakeRecognizer(Slow(0.0)), [Variant(moving, False)], EFFORT)
    assert seen == list(range(4 * (1 + EFFORT.chunks)))


def test_a_camera_does_not_wait():
    recognizer = fakes.FakeRecognizer(Slow(0.1))
    row = streaming.paced(recognizer, [Variant(scene(), False)], EFFORT)[0]
    assert row["captured"] == 2 * 33
    # A tenth of a second a frame: of 30 a second at least two thirds are skipped, whatever the machine does.
    assert row["skipped"] >= 2 * 20
    # Captures of 30 a second are a grid: a short turn may count one step less between its first and its last.
    assert 0 < row["fps"]["median"] <= 12
    assert row["fps"]["n"] == 2
    # The newest frame only: it waited for one other at most. A queue would be seconds behind.
    assert row["latency_ms"]["median"] >= 100
    assert row["source_fps"] == 30.0


def test_what_is_fast_enough_skips_little():
    made = streaming.pipeline(fakes.FakeRecognizer(Slow(0.0)), None, False)
    turn = streaming.paced_turn(scene(), made, 1.0, settle=0.2)
    assert turn.captured == 36
    assert turn.fps > 10
    assert turn.skipped < 24
    assert 0 < len(turn.latencies) <= 31
    assert min(turn.latencies) >= 0


def row(faces, fps, tracks=True, size=(640, 360)):
    return {"size": list(size), "faces": faces, "tracks": tracks, "fps": {"median": fps}}


def test_what_is_left_with_six_faces():
    rows = [row(1, 100.0), row(6, 75.0), row(1, 50.0, False), row(6, 10.0, False), row(3, 99.0)]
    rows += [row(1, 40.0, size=(1280, 720)), row(6, 29.0, size=(1280, 720)), row(6, 5.0, size=(1, 1))]
    made = streaming.ratios(rows, "fast")
    assert [(r["size"], r["tracks"], r["ratio"], r["wanted"], r["kept"]) for r in made] == [
        ([640, 360], True, 0.75, 0.75, True),
        ([640, 360], False, 0.2, None, None),
        ([1280, 720], True, 0.725, 0.75, False),
    ]
    assert {r["pace"] for r in made} == {"fast"}
