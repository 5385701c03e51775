"""Frame by frame: with tracks off exactly what the detector finds; with tracks on, hardly less for much less work."""

import threading
import time

import cv2
import numpy as np
import pytest
import recognizer_fakes as fakes
from recognizer_fakes import POINT, FakeDetector, FakeEmbedder, Gallery, faces_at, grey, unit
from tiny_bundle import models_or_skip, tiny_embedder, write_bundle

from kface.errors import ConfigError, ImageError
from kface.faces import Faces
from kface.mtcnn.boxes import overlaps
from kface.recognizer import FaceRecognizer, OperatingPoint, Pipeline, PipelineSettings, TrackSettings
from kface.recognizer.embedder import EmbedderOutput
from kface.streams import Frame

OFF = PipelineSettings(tracks=None)
FOUND = {
    10: faces_at([(150, 100, 90)]),
    20: faces_at([(150, 100, 90)]),
    30: faces_at([(60, 100, 50), (200, 100, 120)]),
    255: faces_at([(150, 100, 90)]),
}
PEOPLE = {"ann": unit(1), "bob": unit(3)}


def fake(found=FOUND, operating_point=POINT, refine=None):
    return FaceRecognizer(FakeDetector(found, refine), FakeEmbedder(), "f", operating_point)


def test_without_tracks_each_frame_stands_alone():
    recognizer = fake()
    gallery = Gallery(PEOPLE)
    pipeline = Pipeline(recognizer, gallery, OFF)
    one, two, none, failed = (pipeline.process(grey(level)) for level in (10, 30, 99, 255))
    assert [(identity.state, identity.name) for identity in one.identities] == [("recognised", "ann")]
    assert [identity.name for identity in two.identities] == ["bob", "bob"]
    assert (two.ids, two.tracks, two.detected, two.embedded) == ((None, None), (), True, 2)
    assert (none.faces.count, none.identities) == (0, ())
    assert [identity.state for identity in failed.identities] == ["undecided"]
    assert recognizer.embedder.batches == [1, 2, 0, 1]
    assert gallery.calls == [1, 2]
    assert [result.frame.number for result in (one, two, none, failed)] == [0, 1, 2, 3]
    assert 0 < one.times.detect + one.times.align + one.times.embed + one.times.match <= one.times.total


def test_frames_keep_their_time_and_number():
    frame = Frame(grey(10), 12.5, 41)
    pipeline = Pipeline(fake(), Gallery(PEOPLE), OFF)
    assert pipeline.process(frame).frame is frame
    assert pipeline.process(grey(10)).frame.number == 42


def test_faces_are_followed_without_the_cascade():
    asked = []

    def refine(rgb, boxes):
        asked.append(boxes.copy())
        return FOUND[30].take(np.array([1, 0])), np.array([1, 0])

    recognizer = fake({10: FOUND[30]}, refine=refine)
    pipeline = Pipeline(recognizer, Gallery(PEOPLE), PipelineSettings(TrackSettings(detect_every=3)))
    results = [pipeline.process(grey(10)) for _ in range(6)]
    assert [result.detected for result in results] == [True, False, False, True, False, False]
    assert len(recognizer.detector.seen) == 2
    np.testing.assert_array_equal(asked[0], FOUND[30].boxes)
    # Refined faces come in another order; ids and identities go along.
    assert [result.ids for result in results[:3]] == [(1, 2), (2, 1), (2, 1)]
    np.testing.assert_array_equal(results[1].faces.boxes, FOUND[30].boxes[::-1])
    assert recognizer.embedder.batches == [2, 2, 2, 0, 0, 0]
    assert [track.number for track in results[5].tracks] == [1, 2]
    assert [identity.state for identity in results[5].identities] == ["recognised"] * 2


def test_a_lost_face_brings_the_cascade_back_in_the_same_frame():
    recognizer = fake(refine=lambda *_: (FOUND[10].take(np.array([], int)), np.zeros((0,), int)))
    pipeline = Pipeline(recognizer, Gallery(PEOPLE))
    results = [pipeline.process(grey(10)) for _ in range(3)]
    assert [(result.detected, result.ids) for result in results] == [(True, (1,))] * 3


def test_landmarks_that_cannot_be_aligned_start_no_track():
    broken = FOUND[30]._replace(landmarks=np.stack([np.full((5, 2), 3, np.float32), FOUND[30].landmarks[1]]))
    pipeline = Pipeline(fake({30: broken}), Gallery(PEOPLE))
    assert pipeline.process(grey(30)).ids == (1,)
    alone = Pipeline(fake({30: broken}), Gallery(PEOPLE), OFF).process(grey(30))
    np.testing.assert_array_equal(alone.faces.boxes, broken.boxes)
    assert [identity.state for identity in alone.identities] == ["undecided", "recognised"]


def test_refined_faces_that_cannot_be_aligned_are_not_mixed_up():
    def refine(rgb, boxes):
        broken = FOUND[30].landmarks.copy()
        broken[0] = 3
        return FOUND[30]._replace(landmarks=broken), np.array([0, 1])

    pipeline = Pipeline(fake(refine=refine), Gallery(PEOPLE))
    assert pipeline.process(grey(30)).ids == (1, 2)
    result = pipeline.process(grey(30))
    assert (result.ids, result.faces.count) == ((2,), 1)
    assert [(track.number, track.missing) for track in result.tracks] == [(1, 1), (2, 0)]


def test_faces_are_followed_in_the_reduced_frame():
    asked = []

    def refine(rgb, boxes):
        asked.append((rgb.shape, boxes.copy()))
        return FOUND[10], np.array([0])

    pipeline = Pipeline(fake(refine=refine), Gallery(PEOPLE), PipelineSettings(TrackSettings(), (300, 200)))
    results = [pipeline.process(grey(10, (400, 600))) for _ in range(2)]
    ((shape, boxes),) = asked
    assert shape == (200, 300, 3)
    np.testing.assert_allclose(boxes, FOUND[10].boxes)
    for result in results:
        np.testing.assert_allclose(result.faces.boxes, 2 * FOUND[10].boxes)
    assert results[1].ids == (1,)


def test_somebody_enrolled_meanwhile_is_recognised_in_the_next_frame():
    recognizer = fake({20: FOUND[20]})
    gallery = Gallery(PEOPLE)
    pipeline = Pipeline(recognizer, gallery, PipelineSettings(TrackSettings(detect_every=1)))
    for _ in range(5):
        result = pipeline.process(grey(20))
    assert result.identities[0].state == "unknown"
    gallery.people["dan"] = unit(2)
    assert pipeline.process(grey(20)).identities[0].state == "unknown"
    pipeline.gallery_changed()
    result = pipeline.process(grey(20))
    assert (result.identities[0].state, result.identities[0].name, result.embedded) == ("recognised", "dan", 0)
    asked = len(gallery.calls)
    pipeline.process(grey(20))
    assert len(gallery.calls) == asked


def test_other_thresholds_count_from_the_next_frame_on():
    recognizer = fake({20: FOUND[20]})
    looks_like = Gallery({"dan": fakes.mixed(unit(2), unit(7), 0.5)})
    pipeline = Pipeline(recognizer, looks_like, PipelineSettings(TrackSettings(detect_every=1)))
    for _ in range(5):
        result = pipeline.process(grey(20))
    assert (result.identities[0].state, result.identities[0].name) == ("undecided", "dan")
    asked = list(looks_like.calls)
    for operating_point, state, name in (
        (OperatingPoint(0.45, 0.3), "recognised", "dan"),
        (OperatingPoint(0.8, 0.55), "unknown", None),
        (OperatingPoint(0.51, 0.49), "undecided", "dan"),
    ):
        pipeline.set_operating_point(operating_point)
        result = pipeline.process(grey(20))
        assert (result.identities[0].state, result.identities[0].name, result.embedded) == (state, name, 0)
        assert [track.identity for track in result.tracks] == list(result.identities)
    # The votes were counted anew: nobody was asked for them, and the recogniser itself is as it was.
    assert looks_like.calls == asked
    assert recognizer.operating_point == POINT


def test_other_thresholds_without_tracks():
    pipeline = Pipeline(fake(), Gallery({"ann": fakes.mixed(unit(1), unit(7), 0.5)}), OFF)
    states = [pipeline.process(grey(10)).identities[0].state]
    pipeline.set_operating_point(OperatingPoint(0.9, 0.8))
    pipeline.set_operating_point(OperatingPoint(0.4, 0.3))
    states.append(pipeline.process(grey(10)).identities[0].state)
    assert states == ["undecided", "recognised"]


def test_tracks_part_by_the_new_thresholds_too():
    """What is alike by one threshold is somebody else by another."""
    recognizer = fake({10: FOUND[10]})
    pipeline = Pipeline(recognizer, Gallery(PEOPLE), PipelineSettings(TrackSettings(detect_every=1, refresh=1)))
    for _ in range(4):
        pipeline.process(grey(10))
    recognizer.embedder.run = lambda crops: EmbedderOutput(
        np.stack([fakes.mixed(unit(1), unit(7), 0.4)] * len(crops)), np.zeros((len(crops),), bool)
    )
    for _ in range(5):
        assert pipeline.process(grey(10)).ids == (1,)
    recognizer.embedder.run = lambda crops: EmbedderOutput(
        np.stack([fakes.mixed(unit(1), unit(8), 0.4)] * len(crops)), np.zeros((len(crops),), bool)
    )
    pipeline.set_operating_point(OperatingPoint(0.6, 0.5))
    assert [pipeline.process(grey(10)).ids for _ in range(4)][-1] == (2,)


@pytest.mark.parametrize(
    "wrong", [OperatingPoint(0.3, 0.6), OperatingPoint(1.5, 0.2), OperatingPoint(0.5, float("nan"))]
)
def test_thresholds_that_are_none_change_nothing(wrong):
    pipeline = Pipeline(fake(), Gallery(PEOPLE), OFF)
    with pytest.raises(ConfigError, match="match"):
        pipeline.set_operating_point(wrong)
    assert pipeline.process(grey(10)).identities[0].state == "recognised"


def test_thresholds_may_come_from_another_thread_at_any_time():
    pipeline = Pipeline(fake(), Gallery({"ann": fakes.mixed(unit(1), unit(7), 0.5)}), OFF)
    pipeline.set_operating_point(OperatingPoint(0.4, 0.3))
    stop = threading.Event()

    def turn():
        while not stop.is_set():
            pipeline.set_operating_point(OperatingPoint(0.4, 0.3))
            pipeline.set_operating_point(OperatingPoint(0.9, 0.8))

    thread = threading.Thread(target=turn)
    thread.start()
    states = {pipeline.process(grey(10)).identities[0].state for _ in range(50)}
    stop.set()
    thread.join()
    # Each frame is judged by one of the two, never by a mixture.
    assert states <= {"recognised", "unknown"}
    pipeline.set_operating_point(OperatingPoint(0.4, 0.3))
    assert pipeline.process(grey(10)).identities[0].state == "recognised"


def test_crops_are_those_that_are_embedded(monkeypatch):
    frame = np.random.RandomState(0).randint(0, 150, (200, 300, 3)).astype(np.uint8)
    for settings in (OFF, PipelineSettings()):
        recognizer = fake({int(frame[0, 0, 0]): FOUND[30]})
        seen = []
        run = recognizer.embedder.run
        monkeypatch.setattr(recognizer.embedder, "run", lambda crops: seen.append(crops.copy()) or run(crops))  # noqa: B023
        result = Pipeline(recognizer, Gallery(PEOPLE), settings).process(frame)
        np.testing.assert_array_equal(result.crops(), seen[0])
        np.testing.assert_array_equal(result.crops([1]), seen[0][1:])
        assert result.crops([]).shape == (0, 112, 112, 3)
        assert (result.crops().dtype, result.crops().shape) == (np.uint8, (2, 112, 112, 3))


def test_crops_of_what_cannot_be_aligned_are_black():
    broken = FOUND[30]._replace(landmarks=np.stack([np.full((5, 2), 3, np.float32), FOUND[30].landmarks[1]]))
    crops = Pipeline(fake({30: broken}), None, OFF).process(grey(30)).crops()
    assert (crops[0].max(), crops[1].max()) == (0, 30)


def test_ended_tracks_are_told_once():
    pipeline = Pipeline(fake(), Gallery(PEOPLE), PipelineSettings(TrackSettings(detect_every=1, max_age=2)))
    for _ in range(4):
        pipeline.process(grey(10))
    ended = [[state.identity.name for state in pipeline.process(grey(99)).ended] for _ in range(4)]
    assert ended == [[], [], ["ann"], []]


def test_nobody_is_enrolled():
    result = [Pipeline(fake(), None, settings).process(grey(10)) for settings in (OFF, None)]
    assert [entry.identities[0].state for entry in result] == ["unknown", "undecided"]


def test_the_detector_sees_less_and_the_embedder_the_frame_itself():
    class Resized(FakeDetector):
        def detect_many(self, images):
            self.seen += list(images)
            height, width = images[0].shape[:2]
            return [faces_at([(width / 2.0, height / 2.0, height / 2.0)])]

    recognizer = FaceRecognizer(Resized({}), FakeEmbedder(), "f", POINT)
    gallery = Gallery(PEOPLE)
    result = Pipeline(recognizer, gallery, PipelineSettings(None, (100, 500))).process(grey(10, (200, 301)))
    assert [identity.name for identity in result.identities] == ["ann"]
    assert recognizer.detector.seen[0].shape == (66, 100, 3)
    centre = result.faces.boxes.reshape(2, 2).mean(axis=0)
    np.testing.assert_allclose(centre, [150.5, 100], atol=1e-3)
    np.testing.assert_allclose(result.faces.boxes[0, 3] - result.faces.boxes[0, 1], 100, atol=1e-3)
    np.testing.assert_allclose(result.faces.landmarks[0, 2], [150.5, 100 + (71.7366 / 112 - 0.5) * 100], atol=0.6)
    # Never enlarged.
    Pipeline(recognizer, None, PipelineSettings(None, (640, 360))).process(grey(10))
    assert recognizer.detector.seen[1].shape == (200, 300, 3)
    with pytest.raises(ImageError, match="uint8"):
        Pipeline(recognizer, None, PipelineSettings(None, (640, 360))).process(np.zeros((5, 5), np.uint8))


def test_it_needs_thresholds():
    with pytest.raises(ConfigError, match="match.recognised"):
        Pipeline(fake(operating_point=None), Gallery())
    with pytest.raises(ConfigError, match="tracks.max_age"):
        Pipeline(fake(), Gallery(), PipelineSettings(TrackSettings(max_age=-1)))


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    pytest.importorskip("onnx", reason="makes the embedder")
    models = models_or_skip()
    place = write_bundle(tmp_path_factory.mktemp("real") / "bundle", tiny_embedder(), models=models)
    return FaceRecognizer.load(place, match={"recognised": 0.9, "unknown": 0.6}, threads=2)


def walk(tiles, count, shape=(240, 640)):
    """Return frames in which faces move over a grey wall."""
    frames = []
    for number in range(count):
        frame = np.full(shape + (3,), 120, np.uint8)
        for place, tile in enumerate(tiles):
            x, y = 10 + 200 * place + 3 * number, 20 + (number if place % 2 else -number) % 30
            frame[y : y + 170, x : x + 170] = tile
        frames.append(frame)
    return frames


def clip_frames(path):
    capture = cv2.VideoCapture(str(path))
    frames = []
    while True:
        read, bgr = capture.read()
        if not read:
            break
        frames.append(np.ascontiguousarray(bgr[:, :, ::-1]))
    capture.release()
    return frames


def test_without_tracks_it_is_the_detector_exactly(real, sample_faces):
    pipeline = Pipeline(real, None, OFF)
    for frame in walk(sample_faces[:2], 4):
        result, faces = pipeline.process(frame), real.detector.detect(frame)
        assert faces.count == 2
        for one, other in zip(result.faces, faces):
            np.testing.assert_array_equal(one, other)
        embeddings = real.embed_faces([frame], [faces]).embeddings
        gallery = Gallery({"first": embeddings[0], "second": embeddings[1]})
        named = Pipeline(real, gallery, OFF).process(frame)
        assert [identity.name for identity in named.identities] == ["first", "second"]


def test_people_who_walk_are_followed_and_named(real, sample_faces):
    tiles = sample_faces[:2]
    gallery = Gallery({"left": real.embed(tiles[0]).embeddings[0], "right": real.embed(tiles[1]).embeddings[0]})
    pipeline = Pipeline(real, gallery, PipelineSettings(TrackSettings(detect_every=5)))
    results = [pipeline.process(frame) for frame in walk(tiles, 20)]
    assert sum(result.detected for result in results) < 10
    assert all(result.faces.count == 2 for result in results)
    assert {number for result in results for number in result.ids} == {1, 2}
    names = {track.identity.name: track for track in results[-1].tracks}
    assert names["left"].box[0] < names["right"].box[0]
    assert [track.identity.state for track in names.values()] == ["recognised"] * 2
    assert sum(result.embedded for result in results) < 25


def compare(truth, found):
    """Return how many faces of `truth` are missed, and how many of `found` are in no place of `truth`."""
    missed = extra = 0
    for one, other in zip(truth, found):
        hit = overlaps(one.boxes, other.boxes) > 0.5
        missed += one.count - int(hit.any(axis=1).sum())
        extra += other.count - int(hit.any(axis=0).sum())
    return missed, extra


def test_comparing():
    two, one = FOUND[30], FOUND[30].take(np.array([1]))
    assert compare([two, one, Faces.empty()], [one, two, one]) == (1, 2)


def test_real_clips_hardly_miss_a_face(real, shared_data, record_property):
    for path in sorted((shared_data / "video").glob("*.gif")):
        frames = clip_frames(path)
        assert len(frames) > 30
        truth = [real.detector.detect(frame) for frame in frames]
        seconds = []
        for settings in (OFF, PipelineSettings(TrackSettings(detect_every=5))):
            pipeline = Pipeline(real, None, settings)
            began = time.perf_counter()
            results = [pipeline.process(frame) for frame in frames]
            seconds.append(time.perf_counter() - began)
            missed, extra = compare(truth, [result.faces for result in results])
            total = sum(faces.count for faces in truth)
            record_property(path.stem, "{} of {} missed, {} extra".format(missed, total, extra))
            # Newcomers wait for the next detection; followed naively, 11-23 % would be missed.
            assert missed <= (0 if settings is OFF else 0.1 * total)
            assert extra <= (0 if settings is OFF else 0.1 * total)
        assert sum(result.detected for result in results) < 0.5 * len(frames)
        record_property(path.stem + " speed", seconds[0] / seconds[1])
