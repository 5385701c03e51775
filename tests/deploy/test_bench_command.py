"""``kface bench`` from end to end, with the real cascade and an embedder of a few nodes."""

import json
import os
import shutil
import time
from pathlib import Path

import bench_fakes as fakes
import numpy as np
import pytest
from tiny_bundle import models_or_skip, tiny_embedder, write_bundle

from deploy import bench_command
from deploy.bench import footprint, measure, networks, paper, report, scenes
from deploy.bench.networks import Effort
from kface import alignment, bundle
from kface.errors import ConfigError, ModelError
from kface.mtcnn import Detector
from kface.recognizer.embedder import EmbedderOutput

LEAST = Effort(rounds=1, seconds=0.0, chunks=1, frames=5, paced=0.3, paced_turns=1, settle=0.1)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A bundle: the real cascade, an embedder, and what claims to be the same in half precision."""
    pytest.importorskip("onnxruntime")
    models = models_or_skip()
    made = tmp_path_factory.mktemp("runs") / "2026-01-01" / "resnet50-arcface" / "bundle"
    return write_bundle(
        made, tiny_embedder(sign=1.0), models=models, half=tiny_embedder(sign=-1.0), name="resnet50-arcface"
    )


@pytest.fixture(scope="module")
def crops():
    return np.random.RandomState(0).randint(0, 256, (6, alignment.SIZE, alignment.SIZE, 3)).astype(np.uint8)


def test_the_whole_bench(directory, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(measure, "QUICK", LEAST)
    # Larger frames would only take longer.
    monkeypatch.setattr(scenes, "SIZES", ((640, 360), (720, 405)))
    out = tmp_path / "deep" / "bench.json"
    arguments = ["--quick", "--synthetic", "--runtimes", "onnxruntime,tensorrt", "--bundle", str(directory)]
    assert bench_command.main(arguments + ["--out", str(out)]) == 0
    text, progress = capsys.readouterr()
    made = report.read(out)
    assert "Table 8: MTCNN" in text
    assert str(out) in text
    assert "bench: scenes" in progress
    assert [(row["size"], row["faces"], row["source"]) for row in made["scenes"]] == [
        (list(size), count, "synthetic sample") for size in scenes.SIZES for count in paper.COUNTS
    ]
    # What is counted is what was put in: nobody in the room, and all six of the sample.
    assert [row["found"][1] for row in made["scenes"]] == [0, 1, 3, 6] * 2
    # Small cascades on a runtime, for two smallest faces, two sizes, one face and six.
    assert len(made["table8"]) == 2 * 2 * 2
    for size in scenes.SIZES:
        fine, coarse = [
            report.row(made, "table8", size=list(size), min_face=face, faces=1)["ms"]["median"] for face in (20.0, 39.8)
        ]
        assert fine > 0 < coarse
    assert {row["precision"]: row["cosine"] for row in made["table9"]} == {"fp32": 1.0, "fp16": -1.0}
    assert "not the same network" in text
    for part in ("unpaced", "paced"):
        assert len(made[part]) == 2 * 4 * 2
    followed = report.row(made, "unpaced", size=[640, 360], faces=6, tracks=True)
    assert followed["detected"] < 1 == report.row(made, "unpaced", size=[640, 360], faces=6, tracks=False)["detected"]
    assert followed["found"] > 4
    assert {row["pace"] for row in made["ratios"]} == {"as fast as possible", "30 fps source"}
    assert made["memory"]["peak_mb"] >= made["memory"]["start_mb"] > 0
    assert made["memory"]["runtime"] == ["onnxruntime", "onnxruntime"]
    assert made["estimate"] == {"reason": measure.no_estimate()}
    assert any("tensorrt: left out" in line for line in made["notes"]) or "tensorrt" in made["machine"]["runtimes"]
    assert not any("were put in" in line for line in made["notes"])
    assert made["quick"] is True


def test_memory_is_measured_in_another_process(directory, tmp_path):
    found = footprint.measure(str(directory), 320, 180, "onnxruntime")
    assert 0 < found["first_result_s"] < 600
    assert found["peak_mb"] >= found["resident_mb"] * 0.9 > found["start_mb"] * 0.9 > 0
    assert found["size"] == [320, 180]
    reason = footprint.measure(str(tmp_path / "absent"), 320, 180)["reason"]
    assert "is not a bundle" in reason
    assert "timed out" in footprint.measure(str(directory), 320, 180, patience=0.01)["reason"]


def test_crops_of_a_scene(directory):
    detector = Detector(bundle.load(directory).detector_directory, min_face=39.8, threads=1)
    room = scenes.background((640, 360))
    people = [scenes.shown_at(person, (640, 360)) for person in scenes.cast(scenes.sample_clips(1), detector, 1)]
    crops = networks.crops_from(scenes.BenchScene("s", people, room), detector, 3)
    assert (crops.shape, crops.dtype) == ((3, 112, 112, 3), np.uint8)
    assert crops[0].std() > 20
    assert not np.array_equal(crops[0], crops[1])
    grey = networks.crops_from(scenes.BenchScene("s", [], room), detector, 2)
    assert (grey == 128).all()


def test_a_runtime_that_cannot_is_left_out_with_the_reason(directory, crops):
    opened = bundle.load(directory)
    notes = []
    rows = networks.table9([opened], crops, ["onnxruntime", "tensorflow"], LEAST, notes.append, "here")
    assert {(row["runtime"], row["source"]) for row in rows} == {("onnxruntime", "here")}
    assert sorted((row["precision"], row["batch"]) for row in rows) == [
        (precision, batch) for precision in ("fp16", "fp32") for batch in (1, 3, 6)
    ]
    # There is no frozen graph in the bundle: no such precision, and nothing that was left out.
    assert notes == []
    apart = networks.table9([opened], crops, ["onnxruntime", "opencv"], LEAST, notes.append, "here", apart=True)
    assert {row["runtime"]: row["cosine"] for row in apart if row["precision"] == "fp16"}["onnxruntime"] == -1.0
    assert [row["batch"] for row in apart] == sorted(row["batch"] for row in apart)
    assert "one runtime after the other" in notes.pop(0)
    notes = []
    made = networks.table8([], opened.detector_directory, ["nonsense"], LEAST, notes.append)
    assert made == []
    assert notes == ["table 8: nonsense: left out (unknown runtime)"]


class Sleepy(object):
    """A detector that takes the longer, the smaller its smallest face is; an embedder that takes 30 ms a call."""

    file = None

    def __init__(self, *_, **settings):
        self.min_face = settings.get("min_face")

    def with_min_face(self, min_face):
        return Sleepy(min_face=min_face)

    def detect(self, rgb):
        time.sleep(2 / self.min_face)

    def run(self, crops):
        time.sleep(0.03)
        return EmbedderOutput(np.ones((len(crops), 2), np.float32), np.zeros((len(crops),), bool))

    def close(self):
        self.min_face = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def test_times_are_those_of_the_smallest_face_and_of_each_face(crops, monkeypatch):
    monkeypatch.setattr(networks, "Detector", Sleepy)
    monkeypatch.setattr(networks, "Embedder", Sleepy)
    people = [scenes.CutOutPerson([np.zeros((9, 9, 3), np.uint8)], 5.0, 30.0)]
    every = [scenes.BenchScene("s", people * count, np.zeros((60, 90, 3), np.uint8)) for count in paper.COUNTS]
    made = networks.table8(every, None, ["opencv"], LEAST._replace(rounds=3), print)
    assert sorted({row["faces"] for row in made}) == [1, 6]
    fine, coarse = [[r["ms"]["median"] for r in made if r["min_face"] == face] for face in (20.0, 39.8)]
    assert min(fine) >= 100
    assert 50 <= min(coarse) < 95
    file = bundle.BundleFile("embedder.onnx", "", 1, "embedder", "onnx", "fp32")
    manifest = type("Manifest", (), {"name": "m", "files": (file,)})
    opened = bundle.Bundle(Path("bundle"), manifest)
    rows = networks.table9([opened], crops, ["opencv"], LEAST._replace(rounds=3), print)
    each = {row["batch"]: row["ms_a_face"]["median"] for row in rows}
    assert each[1] >= 30
    assert 10 <= each[3] < 28
    assert 5 <= each[6] < 28


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--runtimes", "onnxruntime,caffe"], "caffe: unknown runtime; choose from: tensorrt"),
        (["--runtimes", ","], "--runtimes: is empty"),
        (["--seconds", "0.1"], "--seconds: must be from 0.5 to 3600 s, not 0.1"),
        (["--seconds", "nan"], "--seconds: must be from 0.5 to 3600 s, not nan"),
        (["--bundle", "absent"], "absent: is not a bundle"),
        ([], "--bundle: no bundle in outputs or bundles; pass --bundle DIR, or create one: kface export"),
    ],
)
def test_what_cannot_be_done_is_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(bench_command.BUNDLE, raising=False)
    assert bench_command.main(arguments) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith("bench: " + message)
    assert error.count("\n") == 1


def test_a_clip_without_people_is_refused(directory, tmp_path, capsys):
    assert bench_command.main(["--bundle", str(directory), "--clip", str(tmp_path / "absent.mp4")]) == 2
    assert "absent.mp4: is not a video that can be read" in capsys.readouterr()[1]


def test_only_a_runtime_that_cannot_find_faces(directory, capsys):
    assert bench_command.main(["--bundle", str(directory), "--runtimes", "tensorflow"]) == 2
    assert "reads ONNX files" in capsys.readouterr()[1]


def test_a_board_needs_no_estimate_and_a_workstation_adds_one(monkeypatch):
    monkeypatch.setattr(measure.machine, "describe", lambda: {"board": None})
    assert measure.no_estimate() == "add one in a checkout: python -m benchmarks.nano, or make bench-realtime"
    monkeypatch.setattr(measure.machine, "describe", lambda: {"board": "Jetson Nano"})
    assert measure.no_estimate() == "this is a board (Jetson Nano): what is above was measured on it"


def test_stopped_in_between(directory, monkeypatch, capsys):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(measure, "run", stop)
    assert bench_command.main(["--bundle", str(directory)]) == 130
    assert capsys.readouterr()[1] == "bench: stopped; nothing was written\n"


def test_the_newest_bundle_of_each_model(directory, monkeypatch, tmp_path):
    monkeypatch.delenv(bench_command.BUNDLE, raising=False)
    monkeypatch.chdir(str(tmp_path))
    outputs = directory.parents[2]
    assert [made.directory for made in bench_command.open_bundles(None, str(outputs))] == [directory]
    # Beside runs, networks that were trained elsewhere, under names of their own.
    shutil.copytree(str(directory), str(tmp_path / "dlib-resnet"))
    os.utime(str(tmp_path / "dlib-resnet" / "manifest.json"), (1, 1))
    both = bench_command.open_bundles(None, str(outputs), str(tmp_path))
    assert [made.directory for made in both] == [directory, tmp_path / "dlib-resnet"]
    assert len(bench_command.open_bundles(None, "absent", str(tmp_path))) == 1
    with pytest.raises(ConfigError, match="no bundle in absent or nowhere"):
        bench_command.open_bundles(None, "absent", "nowhere")
    monkeypatch.setenv(bench_command.BUNDLE, str(directory))
    assert [made.directory for made in bench_command.open_bundles(None, "absent")] == [directory]
    with pytest.raises(ModelError):
        bench_command.open_bundles(["absent"])


def test_a_clip_of_ones_own(monkeypatch):
    clip = fakes.clip_of_squares()
    monkeypatch.setattr(scenes, "read_clip", lambda path: clip._replace(source=path))
    made = measure.make_scenes(measure.BenchOptions(clip="mine.mp4"), fakes.BrightFaces())
    assert {scene.source for scene in made} == {"mine.mp4"}
    assert [scene.faces for scene in made] == [0, 1, 3, 6] * 2
    monkeypatch.setattr(scenes, "shared_clips", lambda: ["a.gif", "b.gif"])
    monkeypatch.setattr(scenes, "read_clip", lambda path, source: clip._replace(source=source))
    assert {scene.source for scene in measure.make_scenes(measure.BenchOptions(), fakes.BrightFaces())} == {
        "real clips"
    }


def test_options():
    parsed = bench_command.parser().parse_args(["--quick", "--seconds", "7", "--runtimes", "opencv, openvino"])
    options = bench_command.options_of(parsed)
    assert options.runtimes == ["opencv", "openvino"]
    assert options.effort == networks.QUICK._replace(paced=7.0)
    assert measure.BenchOptions().effort == Effort()
    with pytest.raises(ConfigError):
        bench_command.options_of(bench_command.parser().parse_args(["--seconds", "-1"]))


def test_a_report_is_json_without_surprises():
    assert json.loads(json.dumps(fakes.document(), allow_nan=False))["schema"] == report.SCHEMA
