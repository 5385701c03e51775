"""Each stage reports its own errors, and only those."""

import sys
import types

import numpy as np
import pytest
from check_fakes import SETTINGS, Program

from kface import bundle
from kface.bundle import golden
from kface.check import PythonChain, chain, chains, check_bundle, check_chain, library_chain
from kface.check import __main__ as command
from kface.check.stages import table
from kface.errors import ConfigError, ModelError
from kface.faces import Faces
from kface.networks import RUNTIMES

STAGES = ["detection", "alignment", "embedding", "chain"]


def results(opened, **changes):
    return {one.stage: one for one in check_chain(opened, golden.read(opened), Program(opened, **changes))}


def wrong(opened, **changes):
    return [stage for stage, one in results(opened, **changes).items() if one.wrong]


def moved(pixels):
    return lambda faces: faces._replace(landmarks=faces.landmarks + np.float32(pixels))


def raising(value=None):
    raise ModelError("cannot run", "network")


def test_golden_values_are_ok_in_every_stage(opened):
    found = results(opened)
    assert sorted(found) == sorted(STAGES)
    assert not any(one.wrong for one in found.values())
    assert (found["detection"].runtime, found["detection"].version) == ("fake", "1.2")
    assert (found["alignment"].runtime, found["alignment"].version) == ("fake aligner", "3.4")
    assert found["embedding"].file == found["chain"].file == "embedder.onnx"
    assert found["detection"].landmarks == found["alignment"].crops == 0
    assert found["chain"].cosine == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("changes", "stages", "words"),
    [
        ({"detect": moved(0.06)}, ["detection"], "landmarks differ by 0.06 px, where 0.05 is the most"),
        (
            {"detect": lambda faces: faces._replace(boxes=faces.boxes + 1)},
            ["detection"],
            "boxes differ by 1 px, where 0.1",
        ),
        ({"detect": lambda faces: faces._replace(scores=faces.scores - 0.1)}, ["detection"], "scores differ by 0.1,"),
        ({"detect": lambda faces: faces._replace(landmarks=faces.landmarks * np.nan)}, ["detection", "chain"], "inf"),
        ({"detect": lambda faces: faces.take(np.arange(faces.count)[1:])}, ["detection", "chain"], "1 faces found"),
        ({"detect": lambda faces: Faces.join([faces, faces])}, ["detection", "chain"], "4 faces found, where 2 are"),
        ({"detect": raising}, ["detection", "chain"], "network: cannot run"),
        ({"align": lambda crops: crops[..., ::-1]}, ["alignment"], "grey levels on average, where 0.5 is the most"),
        ({"align": lambda crops: np.roll(crops, 2, axis=2)}, ["alignment"], "grey levels on average"),
        ({"embed": lambda vectors: -vectors}, ["embedding", "chain"], "a cosine of -1.0000"),
        ({"embed": lambda vectors: vectors * np.nan}, ["embedding", "chain"], "a cosine of -1.0000"),
        ({"embed": raising}, ["embedding", "chain"], "network: cannot run"),
    ],
)
def test_what_is_wrong_is_reported_in_its_stage(opened, changes, stages, words):
    assert wrong(opened, **changes) == stages
    assert words in results(opened, **changes)[stages[0]].wrong


def test_the_order_of_the_faces_does_not_count(opened):
    assert wrong(opened, detect=lambda faces: faces.take(np.arange(faces.count)[::-1])) == []


def test_half_precision_may_differ_by_more(opened):
    assert wrong(opened, detect=moved(0.5)) == ["detection"]
    assert wrong(opened, detect=moved(0.5), computes="fp16") == []
    assert wrong(opened, detect=moved(1.5), computes="fp16") == ["detection"]


def test_a_batch_that_is_computed_otherwise_is_found(opened):
    found = results(opened, embed=lambda vectors: vectors if len(vectors) == 1 else vectors[::-1])
    assert "in a batch of 3" in found["embedding"].wrong


def test_each_aligner_is_checked_once_and_each_program_closed(opened):
    programs = [Program(opened), Program(opened)]
    found = check_bundle(opened, golden.read(opened), programs)
    assert [one.stage for one in found] == [stage for stage in STAGES for _ in range(1 if stage == "alignment" else 2)]
    assert all(program.closed for program in programs)


def test_the_table_has_a_row_each_and_says_what_is_wrong(opened):
    found = check_bundle(opened, golden.read(opened), [Program(opened, detect=moved(0.25))])
    lines = table(found).splitlines()
    assert lines[0].split()[:5] == ["stage", "runtime", "version", "file", "landmarks"]
    assert lines[1].split() == ["detection", "fake", "1.2", "0.2500", "wrong"]
    assert lines[2].split() == ["alignment", "fake", "aligner", "3.4", "0.000", "ok"]
    assert lines[-1] == "detection by fake: landmarks differ by 0.25 px, where 0.05 is the most"


@pytest.mark.parametrize(("changes", "status"), [({}, 0), ({"embed": lambda vectors: -vectors}, 1)])
def test_the_command_s_status(opened, monkeypatch, capsys, changes, status):
    monkeypatch.setattr(command, "chains", lambda *_: [Program(opened, **changes)])
    assert command.main([str(opened.directory)]) == status
    printed = capsys.readouterr().out
    assert printed.splitlines()[-1] == ("2 of 4 wrong" if status else "all 4 ok")


def test_a_bundle_without_golden_vectors_cannot_be_checked(opened, capsys):
    kept = tuple(file for file in opened.manifest.files if file.role != "golden")
    bundle.write(opened.directory, opened.manifest._replace(files=kept))
    assert command.main([str(opened.directory)]) == 2
    assert "has no golden vectors; export the bundle again" in capsys.readouterr().err
    assert command.main([str(opened.directory / "absent")]) == 2


def test_without_pictures_only_embeddings_are_checked(opened, monkeypatch, capsys):
    known = golden.read(opened)._replace(pictures=(), detector=None)
    monkeypatch.setattr(golden, "read", lambda _: known)
    monkeypatch.setattr(command, "chains", lambda *_: [Program(opened)])
    assert command.main([str(opened.directory)]) == 0
    printed = capsys.readouterr().out
    assert "detection" not in printed.replace("detection and", "")
    assert "only the embeddings were checked" in printed
    assert "all 1 ok" in printed


@pytest.mark.parametrize("names", [[], ["--runtime", "fake"]])
def test_nothing_checked_is_not_all_ok(opened, monkeypatch, capsys, names):
    program = Program(opened)
    program.files = []
    known = golden.read(opened)._replace(pictures=(), detector=None)
    monkeypatch.setattr(golden, "read", lambda _: known)
    monkeypatch.setattr(command, "chains", lambda *_: [program])
    assert command.main([str(opened.directory), *names]) == 2
    captured = capsys.readouterr()
    assert "can run; choose another runtime, or export the bundle again" in captured.err
    assert captured.out == ""


def test_what_is_not_installed_is_refused(opened, monkeypatch):
    monkeypatch.setattr(library_chain, "WRAPPER", "kface.no_such_library")
    for name in ("caffe", "auto"):
        with pytest.raises(ConfigError, match=f"{name}: unknown runtime; choose one of: .*, library"):
            chains(opened, SETTINGS, [name])
    with pytest.raises(ConfigError, match="library: is not installed here"):
        chains(opened, SETTINGS, ["library"])
    assert [type(one) for one in chains(opened, SETTINGS, ["opencv"])] == [PythonChain]


class Library(object):
    """Stands for the wrapper of the C++ library; remembers how its engines were opened, and gives golden values."""

    version = "0.1.0"
    opened = []

    def open(self, directory, **settings):
        self.opened.append(settings)
        program = Program(bundle.load(directory))
        return types.SimpleNamespace(
            detect=program.detect,
            align=program.align,
            embed=lambda crops: program.embed(crops, None),
            close=lambda: self.opened.append("closed"),
        )


@pytest.fixture
def wrapper(monkeypatch):
    module = types.ModuleType("fake_library")
    module.Library = Library
    module.__spec__ = types.SimpleNamespace(name="fake_library")
    monkeypatch.setitem(sys.modules, "fake_library", module)
    monkeypatch.setattr(library_chain, "WRAPPER", "fake_library")
    monkeypatch.setattr(Library, "opened", [])
    return module


def test_the_library_is_checked_with_both_files_and_the_golden_settings(opened, wrapper):
    (program,) = chains(opened, SETTINGS, ["library"])
    found = check_bundle(opened, golden.read(opened), [program])
    assert [one.wrong for one in found] == [""] * 5
    assert [one.file for one in found] == ["", "", "embedder.pb", "embedder.onnx", "embedder.pb"]
    assert {(one.runtime, one.version) for one in found} == {("library", "0.1.0")}
    assert Library.opened == [
        {"embedder": "pb", "min_face": 40.0, "brighten": ()},
        {"embedder": "onnx", "min_face": 40.0, "brighten": ()},
        "closed",
        "closed",
    ]


def test_a_library_that_has_not_been_built_is_not_checked(opened, wrapper):
    wrapper.Library = raising
    assert "library" not in [one.runtime for one in chains(opened, SETTINGS)]


def test_the_golden_settings_reach_the_detector(opened, monkeypatch):
    given = {}

    def detector(models, min_face, thresholds, factor, runtime):
        given.update(min_face=min_face, thresholds=thresholds, factor=factor, runtime=runtime)
        return types.SimpleNamespace(detect=lambda rgb: Faces.empty(), close=lambda: given.update(closed=True))

    monkeypatch.setattr(chain, "Detector", detector)
    program = PythonChain(opened, "opencv", SETTINGS._replace(factor=0.6))
    assert program.detect(np.zeros((8, 8, 3), np.uint8)).count == 0
    program.close()
    assert given == {
        "min_face": 40.0,
        "thresholds": (0.6, 0.7, 0.8),
        "factor": 0.6,
        "runtime": "opencv",
        "closed": True,
    }


def test_a_runtime_that_reads_no_onnx_finds_no_faces_itself(opened):
    for name, known in RUNTIMES.items():
        assert PythonChain(opened, name, SETTINGS).finds_faces == (".onnx" in known.formats)
