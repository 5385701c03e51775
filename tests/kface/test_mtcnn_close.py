"""A detector that was closed: no thread, no network and no memory is left, and whoever shares it is told so in one line."""

import threading

import numpy as np
import pytest
from cascades import cascade
from tiny_bundle import models_or_skip, tiny_embedder, write_bundle

from kface.errors import ModelError
from kface.mtcnn import Detector, opened
from kface.networks import RUNTIMES, Network, open_network, runtimes
from kface.recognizer import FaceRecognizer, Pipeline

CLOSED = "the detector has been closed; open another"
IMAGE = np.random.RandomState(0).randint(0, 256, (60, 80, 3)).astype(np.uint8)


def threads():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("kface-mtcnn")]


class Counted(Network):
    """A network that counts how often it was closed."""

    def __init__(self, network, closed):
        super(Counted, self).__init__(network.inputs, network.outputs)
        self._network = network
        self._closed = closed

    def run(self, batch):
        return self._network.run(batch)

    def close(self):
        self._closed.append(self)
        self._network.close()


@pytest.fixture
def closed(monkeypatch):
    """Every network that the detector opens from now on is in the list once it is closed."""
    models_or_skip()
    found = []
    monkeypatch.setattr(opened, "open_network", lambda *rest: Counted(open_network(*rest), found))
    return found


def test_no_thread_and_no_network_is_left(closed):
    before = threads()
    detector = Detector(runtime=_side_by_side(), threads=3)
    detector.detect_many([IMAGE, IMAGE])
    assert len(threads()) > len(before)
    detector.close()
    assert threads() == before
    assert len(closed) == 3
    detector.close()
    assert len(closed) == 3


def test_the_compiled_cascade_leaves_no_thread():
    before = threads()
    first = cascade("native", threads=3)
    every = [first, first.with_min_face(40.0)]
    first.detect_many([IMAGE, IMAGE])
    assert len(threads()) > len(before)
    every[1].close()
    assert threads() == before
    for detector in every:
        for call in (
            lambda one: one.detect(IMAGE),
            lambda one: one.detect_many([]),
            lambda one: one.refine(IMAGE, np.array([[0, 0, 20, 20]])),
        ):
            with pytest.raises(ModelError, match=CLOSED):
                call(detector)
        detector.close()


def _side_by_side():
    found = [name for name in runtimes(".onnx") if RUNTIMES[name].side_by_side]
    return found[0] if found else pytest.skip("no runtime that runs pieces side by side is installed")


@pytest.mark.parametrize("runtime", runtimes(".onnx"))
def test_detectors_that_share_networks_are_closed_together(closed, runtime):
    if runtime == "tensorrt":
        pytest.skip("it needs a GPU")
    first = Detector(runtime=runtime, threads=1, brighten=["clahe"])
    every = [first, first.with_min_face(40.0), first.with_brighten(()), first.with_brighten(["log"]).plain()]
    assert {detector.detect(IMAGE).count for detector in every} == {0}
    every[1].close()
    assert len(closed) == 3
    for detector in every:
        for call in (
            lambda one: one.detect(IMAGE),
            lambda one: one.detect_many([IMAGE]),
            lambda one: one.detect_many([]),
            lambda one: one.detect_others(IMAGE, np.zeros((0, 4))),
            lambda one: one.refine(IMAGE, np.zeros((0, 4))),
            lambda one: one.refine(IMAGE, np.array([[0, 0, 20, 20]])),
        ):
            with pytest.raises(ModelError, match=CLOSED):
                call(detector)
        detector.close()
    assert len(closed) == 3


def test_a_packed_pyramids_networks_are_closed_too(closed, monkeypatch):
    pytest.importorskip("onnxruntime", reason="stands for TensorRT")
    monkeypatch.setitem(RUNTIMES, "onnxruntime", RUNTIMES["onnxruntime"]._replace(detector_form="canvas"))
    with Detector(runtime="onnxruntime", threads=1) as detector:
        detector.detect_many([IMAGE, IMAGE[:40], IMAGE])
        assert closed == []
    # R-Net, O-Net, and P-Net for each of two sizes.
    assert len(closed) == 4


def test_what_cannot_be_opened_leaves_nothing_behind(closed, monkeypatch):
    before = threads()
    counted = opened.open_network

    def refuse(path, *rest):
        if path.name.startswith("onet"):
            raise ModelError("cannot be read", path)
        return counted(path, *rest)

    monkeypatch.setattr(opened, "open_network", refuse)
    with pytest.raises(ModelError, match="onet"):
        Detector(threads=3, runtime=_side_by_side())
    assert len(closed) == 2
    assert threads() == before


def test_a_recogniser_closes_all_that_it_has(tmp_path):
    directory = write_bundle(tmp_path / "bundle", tiny_embedder(), models=models_or_skip())
    before = threading.enumerate()
    recognizer = FaceRecognizer.load(directory, match={"recognised": 0.9, "unknown": 0.6}, threads=3)
    pipeline = Pipeline(recognizer)
    pipeline.process(IMAGE)
    recognizer.close()
    assert threading.enumerate() == before
    recognizer.close()
    crops = np.zeros((1, 112, 112, 3), np.uint8)
    for call, reason in (
        (lambda: recognizer.embed(IMAGE), CLOSED),
        (lambda: recognizer.faces(IMAGE), CLOSED),
        (lambda: pipeline.process(IMAGE), CLOSED),
        (lambda: recognizer.embedder.run(crops), "embedder.onnx: has been closed"),
    ):
        with pytest.raises(ModelError, match=reason) as caught:
            call()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("runtime", runtimes(".onnx"))
def test_a_network_that_was_closed_says_so(runtime):
    if runtime == "tensorrt":
        pytest.skip("it needs a GPU")
    network = open_network(models_or_skip() / "rnet.onnx", runtime, threads=1)
    network.run(np.zeros((1, 3, 24, 24), np.float32))
    network.close()
    network.close()
    with pytest.raises(ModelError, match=r"rnet\.onnx: has been closed"):
        network.run(np.zeros((1, 3, 24, 24), np.float32))
