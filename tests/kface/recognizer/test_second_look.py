"""Frames that are looked at again on a brightened copy: when, for how much work, and what becomes of the faces."""

import cv2
import numpy as np
import pytest
from recognizer_fakes import POINT, FakeDetector, FakeEmbedder, Gallery, faces_at, grey, unit
from tiny_bundle import models_or_skip

from kface.faces import Faces
from kface.mtcnn import Detector
from kface.mtcnn.brighten import brightened
from kface.recognizer import FaceRecognizer, Pipeline, PipelineSettings, TrackSettings
from kface.recognizer import finder as finder_module
from kface.recognizer.finder import is_dark
from kface.recognizer.second_look import FOLLOWED, SHARE, SecondLook

BOTH = ("clahe", "log_clahe")
OFF = PipelineSettings(tracks=None)
ONE, TWO = faces_at([(150, 100, 90)]), faces_at([(150, 100, 90), (40, 60, 40)])


def run(second, frames, cascade=True, found=False, **seen):
    """Play frames that all look alike; return in which way each was looked at again."""
    given = dict({"lost": False, "dark": True, "new": 0}, **seen)
    ways = []
    for _ in range(frames):
        way = second.way(**given)
        if way is not None:
            second.looked(found)
        second.frame(cascade)
        ways.append(way)
    return ways


@pytest.mark.parametrize(
    ("lost", "dark", "new", "wanted"),
    [
        (False, False, 0, False),
        (False, False, 1, False),
        (False, True, 0, True),
        (False, True, 1, False),
        (True, False, 0, True),
        (True, True, 1, True),
    ],
)
def test_only_a_lost_face_or_a_dark_frame_without_newcomers_is_worth_a_look(lost, dark, new, wanted):
    assert (SecondLook(BOTH).way(lost, dark, new) == "clahe") is wanted
    assert SecondLook(()).way(lost, dark, new) is None


def test_a_bright_empty_street_costs_nothing():
    assert run(SecondLook(BOTH), 500, dark=False) == [None] * 500


def test_looks_keep_their_distance():
    # Where all the work may be looks, only the distance counts.
    ways = run(SecondLook(BOTH, every=7, share=1.0), 50)
    assert [number for number, way in enumerate(ways) if way] == list(range(0, 50, 7))


@pytest.mark.parametrize("cascade", [True, False])
@pytest.mark.parametrize("every", [1, 5])
def test_looks_never_take_more_than_their_share(cascade, every):
    ways = run(SecondLook(BOTH, every), 2000, cascade)
    looks = sum(way is not None for way in ways)
    assert looks > 2
    # The very first look is free.
    assert looks - 1 <= SHARE * (looks + 2000 * (1.0 if cascade else FOLLOWED)) + 1e-6
    everything = run(SecondLook(BOTH, every=1, share=1.0), 100)
    assert None not in everything


def test_a_dark_empty_street_is_looked_at_again_at_every_fifth_frame():
    ways = run(SecondLook(BOTH), 1000)
    looks = [number for number, way in enumerate(ways) if way]
    assert set(np.diff(looks[1:])) == {5}


def test_what_a_bright_day_has_saved_pays_for_one_look():
    second = SecondLook(BOTH, every=1)
    run(second, 1)
    run(second, 5000, dark=False)
    ways = run(second, 100)
    assert ways[:2] == ["log_clahe", None]
    assert sum(way is not None for way in ways) - 1 <= SHARE * (100 + 100 / 4)


def test_the_clock_decides_nothing(monkeypatch):
    """A file is read alike, however long its frames take."""
    monkeypatch.setattr(finder_module.time, "perf_counter", iter(range(10**9)).__next__)
    slow, _ = pipeline_of({})
    ways = [slow.process(grey(10)).brightened for _ in range(30)]
    monkeypatch.undo()
    quick, _ = pipeline_of({})
    assert [quick.process(grey(10)).brightened for _ in range(30)] == ways


def test_a_way_that_shows_nothing_gives_way_to_the_next():
    assert run(SecondLook(BOTH, 1, 1.0), 5) == ["clahe", "log_clahe", "clahe", "log_clahe", "clahe"]
    assert run(SecondLook(BOTH, 1, 1.0), 3, found=True) == ["clahe"] * 3


class Dim(FakeDetector):
    """Finds what it was told to find by level; brightens."""

    brighten = BOTH

    def with_brighten(self, ways):
        assert ways == ()
        return self


def levels_of(rgb):
    """Return the level of each copy of an image of one level, by the way."""
    return {way: int(brightened(rgb, way)[0, 0, 0]) for way in BOTH}


def pipeline_of(found, settings=OFF):
    recognizer = FaceRecognizer(Dim(found), FakeEmbedder(), "f", POINT)
    return Pipeline(recognizer, Gallery({"ann": unit(1)}), settings), recognizer.detector


def at_any_time(monkeypatch):
    """Let frames be looked at again whenever something speaks for it: how long things take is the machine's affair."""
    monkeypatch.setattr(finder_module, "SecondLook", lambda ways: SecondLook(ways, every=1, share=1.0))


@pytest.mark.parametrize("settings", [OFF, PipelineSettings(TrackSettings(detect_every=1))])
def test_a_face_that_only_the_copy_shows(settings):
    dark = grey(10)
    copy = levels_of(dark)["clahe"]
    assert copy != 10
    pipeline, detector = pipeline_of({copy: ONE}, settings)
    result = pipeline.process(dark)
    assert (result.faces.count, result.brightened, result.detected) == (1, "clahe", True)
    assert [int(image[0, 0, 0]) for image in detector.seen] == [10, copy]
    assert 0 < result.times.copies <= result.times.detect
    # The crop is the frame's own: a face of level 10 is ann.
    assert (result.crops() == 10).all()
    assert [identity.name for identity in result.identities if identity.name] in (["ann"], [])
    # Bright, and nothing is found: an empty street.
    assert pipeline_of({}, settings)[0].process(grey(200)).brightened is None


def test_an_empty_street_is_not_looked_at_twice_and_nor_is_one_with_a_face(monkeypatch):
    at_any_time(monkeypatch)
    pipeline, detector = pipeline_of({10: ONE})
    for level, count in ((200, 0), (200, 0), (10, 1), (10, 1)):
        result = pipeline.process(grey(level))
        assert (result.faces.count, result.brightened, result.times.copies) == (count, None, 0.0)
    assert len(detector.seen) == 4


def test_what_the_frame_shows_is_as_without_copies(monkeypatch):
    at_any_time(monkeypatch)
    copy = levels_of(grey(10))["clahe"]
    found = {30: TWO, 10: TWO.take(np.array([1])), copy: TWO}
    pipeline, _ = pipeline_of(found, PipelineSettings(TrackSettings(detect_every=1)))
    assert pipeline.process(grey(30)).brightened is None
    # One of two is gone: the copy shows it, and the other one stays to the bit.
    result = pipeline.process(grey(10))
    assert (result.faces.count, result.brightened) == (2, "clahe")
    place = int(np.flatnonzero(result.faces.boxes[:, 0] == TWO.boxes[1, 0])[0])
    for one, other in zip(result.faces.take(np.array([place])), TWO.take(np.array([1]))):
        np.testing.assert_array_equal(one, other)


def test_a_lost_track_is_looked_for_on_copies_in_turn(monkeypatch):
    at_any_time(monkeypatch)
    bright = grey(150)
    pipeline, detector = pipeline_of({150: ONE}, PipelineSettings(TrackSettings(detect_every=1, max_age=3)))
    assert pipeline.process(bright).ids == (1,)
    detector.found = {}
    results = [pipeline.process(bright) for _ in range(6)]
    # As long as the track is kept; then this is an empty street.
    assert [result.brightened for result in results] == ["clahe", "log_clahe", "clahe", "log_clahe", None, None]
    detector.found = {150: ONE}
    pipeline.process(bright)
    detector.found = {levels_of(bright)["clahe"]: ONE}
    back = pipeline.process(bright)
    assert (back.ids, back.brightened) == ((2,), "clahe")


def test_a_face_from_a_copy_is_followed_on_copies_without_the_cascade():
    dark = grey(10)
    copy = levels_of(dark)["clahe"]
    asked = []

    def refine(rgb, boxes):
        level = int(rgb[0, 0, 0])
        asked.append(level)
        if level != copy:
            return Faces.empty(), np.zeros((0,), np.int64)
        return ONE, np.zeros((1,), np.int64)

    pipeline, detector = pipeline_of({copy: ONE}, PipelineSettings(TrackSettings(detect_every=10)))
    detector.refine = refine
    results = [pipeline.process(dark) for _ in range(8)]
    assert [result.detected for result in results] == [True] + [False] * 7
    assert [result.ids for result in results] == [(1,)] * 8
    assert [result.brightened for result in results] == ["clahe"] * 8
    assert asked == [10, 10, copy] * 7
    assert len(detector.seen) == 2


def test_dark_is_dark():
    assert is_dark(grey(10))
    assert not is_dark(grey(90))
    assert not is_dark(np.zeros((0, 5, 3), np.uint8))
    half = grey(10)
    half[:, 150:] = 200
    assert not is_dark(half)


@pytest.mark.parametrize("reduced", [None, (480, 270)])
def test_somebody_who_walks_in_the_dark_is_one_track(sample_faces, reduced):
    models_or_skip()
    tile = cv2.resize(sample_faces[1], (300, 300), interpolation=cv2.INTER_AREA)
    frames = []
    for number in range(24):
        frame = np.full((360, 640, 3), 12, np.uint8)
        frame[30:330, 40 + 6 * number : 340 + 6 * number] = (tile * 0.12).astype(np.uint8)
        frames.append(frame)
    seen = {}
    for ways in ((), BOTH):
        recognizer = FaceRecognizer(Detector(min_face=39.8, threads=1, brighten=ways), FakeEmbedder(), "f", POINT)
        settings = PipelineSettings(TrackSettings(detect_every=5), reduced)
        pipeline = Pipeline(recognizer, None, settings)
        seen[ways] = [pipeline.process(frame) for frame in frames]
    assert [result.faces.count for result in seen[()]] == [0] * len(frames)
    assert [result.faces.count for result in seen[BOTH]] == [1] * len(frames)
    assert {result.ids for result in seen[BOTH]} == {(1,)}
    for number, result in enumerate(seen[BOTH]):
        middle = (result.faces.boxes[0, 0] + result.faces.boxes[0, 2]) / 2
        assert abs(middle - (190 + 6 * number)) < 45
