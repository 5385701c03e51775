"""``python -m benchmarks.nano``: what a stream asks for is counted, and the estimate is added to the report it belongs to."""

import pytest
from tiny_bundle import models_or_skip, tiny_embedder, write_bundle

from benchmarks.nano import __main__ as command
from benchmarks.nano import probe
from benchmarks.nano import section as section_module
from benchmarks.nano.section import SIZE, section
from deploy.bench import paper, printing, report, scenes
from deploy.bench.networks import Effort
from kface import bundle
from kface.mtcnn import Detector

LEAST = Effort(rounds=1, seconds=0.0, chunks=1, frames=5, paced=0.3, paced_turns=1, settle=0.1)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    pytest.importorskip("onnxruntime")
    made = tmp_path_factory.mktemp("runs") / "2026-01-01" / "resnet50-arcface" / "bundle"
    return write_bundle(made, tiny_embedder(sign=1.0), models=models_or_skip(), name="resnet50-arcface")


@pytest.fixture(scope="module")
def people(directory):
    with Detector(bundle.load(directory).detector_directory, min_face=39.8, threads=1) as detector:
        return [scenes.shown_at(person, SIZE) for person in scenes.cast(scenes.sample_clips(2), detector, 6)]


@pytest.fixture(scope="module")
def every(people):
    """Scenes with as many faces as the paper's tables have."""
    room = scenes.background(SIZE)
    return [scenes.BenchScene("s", people[:count], room) for count in paper.COUNTS]


def test_the_estimate_of_a_bundle(directory, every):
    made = section(bundle.load(directory), every, LEAST)
    assert made["note"] == "estimate, not measured"
    assert [row["faces"] for row in made["streams"]] == list(paper.COUNTS)
    nobody, six = made["streams"][0], made["streams"][-1]
    assert nobody["share"] == 1
    assert nobody["following_ms"] is None
    assert six["share"] < 1
    assert six["following_ms"]["onet"][0] > 0
    assert "ESTIMATE, NOT MEASURED" in "\n".join(printing.estimate({"estimate": made}))


def test_a_board_has_no_estimate(directory, every, monkeypatch):
    monkeypatch.setattr(section_module.machine, "describe", lambda: {"board": "Jetson Nano"})
    assert section(bundle.load(directory), every, LEAST)["reason"].startswith("this is a board (Jetson Nano)")


def test_what_a_stream_asks_for_is_counted(directory, people, every):
    two_faces = scenes.BenchScene("s", people[:2], scenes.background(SIZE))
    nobody, two = probe.observe(bundle.load(directory), [every[0], two_faces], 15)
    assert (nobody.share, nobody.following, nobody.detection.embedded) == (1.0, None, 0.0)
    assert nobody.detection.rnet > nobody.detection.onet
    assert 1 / 6.0 <= two.share < 0.8
    assert two.detection.rnet > two.detection.onet >= 2
    assert two.following.rnet == 0
    assert 1 <= two.following.onet <= 3
    assert two.detection.host_ms > 0 < two.following.host_ms


def test_the_report_of_the_bundle_gets_it(directory, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    document = {part: {} for part in report.PARTS}
    document.update(report.begin(True), estimate={"reason": "none yet"})
    document["bundle"] = {"name": "net", "fingerprint": bundle.load(directory).manifest.fingerprint}
    path = tmp_path / "outputs" / "2026-01-01" / report.FILE
    report.write(path, document)
    monkeypatch.setattr(command.measure, "make_scenes", lambda options, detector: [options])
    monkeypatch.setattr(
        command, "section", lambda made, every, effort: {"reason": f"{made.manifest.name} {every[0].quick}"}
    )
    assert command.main(["--bundle", str(directory), "--quick"]) == 0
    assert report.read(path)["estimate"] == {"reason": "resnet50-arcface True"}
    assert "Jetson Nano: no estimate (resnet50-arcface True)" in capsys.readouterr().out
    report.write(path, document | {"bundle": {"name": "net", "fingerprint": "other"}})
    assert command.main(["--bundle", str(directory)]) == 2
    line = f"nano: {directory}: is not the report's bundle (net); give it as --bundle DIR\n"
    assert capsys.readouterr().err == line
    assert command.main([str(tmp_path / "absent.json")]) == 2
    assert "cannot be read" in capsys.readouterr().err
