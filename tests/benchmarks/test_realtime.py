"""What the obvious way does, how ways are compared, and that the stored counts are those of this project's backbones."""

import time

import numpy as np
import pytest

from benchmarks import realtime
from benchmarks.nano import counting
from deploy.bench.scenes import BenchScene
from kface import alignment


class Oracle:
    """Finds what it is told to, in the package's rows: box, score, five x, five y."""

    def __init__(self, places):
        self.rows = np.zeros((len(places), 16), np.float32)
        for row, (x, y) in zip(self.rows, places, strict=True):
            row[6:11] = alignment.TEMPLATE[:, 0] + x
            row[11:16] = alignment.TEMPLATE[:, 1] + y

    def detect_faces(self, image, **options):
        assert options["output_type"] == "numpy"
        return self.rows


class Levels:
    """Embeds a crop as its grey level in the middle."""

    def __init__(self):
        self.seen = []

    def run(self, crops):
        assert len(crops) == 1
        self.seen.append(int(crops[0, 56, 56, 0]))
        return type("Out", (), {"vectors": np.array([[1.0, 0.0]], np.float32)})


def test_the_obvious_way_embeds_each_face_by_itself():
    image = np.zeros((200, 400, 3), np.uint8)
    image[:, :150], image[:, 200:] = 70, 140
    embedder = Levels()
    people = {"a": np.array([0, 1], np.float32), "b": np.array([1, 0], np.float32)}
    assert realtime.obvious(Oracle([(10, 20), (220, 30)]), embedder, people, image) == 2
    assert embedder.seen == [70, 140]
    assert realtime.obvious(Oracle([]), embedder, people, image) == 0


def test_ways_take_turns_on_the_same_frames():
    calls = []

    def way(name, seconds):
        def run(frame):
            calls.append((name, int(frame[0, 0, 0])))
            time.sleep(seconds)

        return run

    scene = BenchScene("numbers", [], np.zeros((4, 4, 3), np.uint8))
    scene.frame = lambda number: np.full((4, 4, 3), number, np.uint8)
    row = realtime.compare({"slow": way("slow", 0.05), "fast": way("fast", 0.0)}, scene, 2, 2)
    # A turn that warms up, and two that count.
    expected = [(name, 2 * turn + number) for turn in range(3) for name in ("slow", "fast") for number in (0, 1)]
    assert calls == expected
    assert row["fps"]["slow"]["n"] == 2
    assert row["fps"]["slow"]["median"] <= 20
    assert row["ms"]["slow"]["median"] >= 50
    assert row["ratios"]["slow"] == 1
    assert row["ratios"]["fast"] > 2
    assert (row["size"], row["faces"], row["source"]) == ([4, 4], 0, "numbers")


@pytest.mark.parametrize("name", sorted(counting.STORED))
def test_the_stored_counts_are_those_of_our_backbones(name):
    from train import backbones

    model = backbones.build(name, embedding=256)
    macs = weights = 0
    for layer in model.layers:
        kind = type(layer).__name__
        if kind in ("Conv2D", "DepthwiseConv2D", "Dense"):
            # Each output is a product with as many numbers as the kernel has of each filter.
            outputs = int(np.prod(layer.output.shape[1:]))
            kernel = layer.kernel.shape
            each = kernel[0] * kernel[1] if kind == "DepthwiseConv2D" else int(np.prod(kernel[:-1]))
            macs += outputs * each
            weights += int(np.prod(layer.kernel.shape))
    stored = counting.STORED[name]
    assert stored.macs == macs
    # Biases, and what is left of the batch normalisation, are few.
    assert weights < stored.weights < 1.02 * weights


def test_it_refuses_like_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KFACE_BUNDLE", raising=False)
    assert realtime.main(["--seconds", "0"]) == 2
    assert capsys.readouterr()[1].startswith("bench-realtime: --seconds: must be")
    assert realtime.main([]) == 2
    assert "no bundle in outputs or bundles" in capsys.readouterr()[1]
