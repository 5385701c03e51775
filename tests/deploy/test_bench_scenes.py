"""Scenes: people cut out of clips, and that they move and are found."""

import bench_fakes as fakes
import cv2
import numpy as np
import pytest

from deploy.bench import scenes
from kface.errors import ConfigError, ModelError
from kface.mtcnn import Detector


def test_people_are_cut_out_with_nobody_else_in_the_tile():
    clip = fakes.clip_of_squares()
    people = scenes.people_in(clip, fakes.BrightFaces())
    assert len(people) == 2
    for person, grey in zip(people, (250, 230)):
        assert person.fps == 15.0
        assert person.face == pytest.approx(30)
        assert len(person.tiles) == 12
        for tile in person.tiles:
            assert tile.shape == person.tiles[0].shape
            assert (tile == grey).all(axis=2).sum() == 900
            assert not (tile == (480 - grey)).all(axis=2).any()


def test_a_face_that_is_missed_for_a_moment_is_the_same_person_and_one_seen_seldom_is_nobody():
    clip = fakes.clip_of_squares(lost=(4, 5))
    assert [len(person.tiles) for person in scenes.people_in(clip, fakes.BrightFaces())] == [12, 12]
    clip = fakes.clip_of_squares(lost=range(4, 12))
    assert len(scenes.people_in(clip, fakes.BrightFaces())) == 1


class Always(object):
    """Finds the same faces in every frame."""

    def __init__(self, *places):
        self.found = fakes.faces_at(places)

    def detect(self, rgb):
        return self.found


def test_a_tile_ends_where_the_neighbours_face_begins():
    clip = scenes.Clip("x", [np.arange(200, dtype=np.uint8)[None, :, None].repeat(90, 0).repeat(3, 2)] * 4, 30.0)
    left, right = scenes.people_in(clip, Always((40, 30, 30), (76, 30, 30)))
    # Half a face's side around it, but for the neighbour's columns; a pixel is its column's number.
    assert [tile[0, end, 0] for tile in (left.tiles[0], right.tiles[0]) for end in (0, -1)] == [25, 75, 70, 120]
    assert left.tiles[0].shape[0] == 60


def test_two_faces_of_a_frame_are_never_one_persons():
    clip = scenes.Clip("x", [np.zeros((90, 200, 3), np.uint8)] * 4, 30.0)
    detector = Always((40, 30, 30), (46, 30, 30))
    both, calls = detector.found, []

    def detect(rgb):
        # The second one comes later, and lies where the first one was.
        calls.append(rgb)
        return both.take(np.arange(1 if len(calls) == 1 else 2))

    detector.detect = detect
    # They overlap by more than half: each is in the other's tile.
    assert scenes.people_in(clip, detector) == []


def test_people_whose_faces_share_columns_are_left_out():
    picture = np.zeros((200, 200, 3), np.uint8)
    both = Always((60, 20, 40), (70, 75, 40))
    assert scenes.people_in(scenes.Clip("x", [picture] * 4, 30.0), both) == []


def test_a_cast_takes_turns_between_clips_and_ends_with_mirrors():
    first, second = fakes.clip_of_squares(), fakes.clip_of_squares()
    cast = scenes.cast([first, second], fakes.BrightFaces(), 6)
    # The left ones of both clips, the right ones, and then the left ones as in a mirror.
    assert [int(person.tiles[0].max()) for person in cast] == [250, 250, 230, 230, 250, 250]
    np.testing.assert_array_equal(cast[4].tiles[3], cast[0].tiles[3][:, ::-1])
    with pytest.raises(ConfigError, match="squares: shows no one long enough"):
        scenes.cast(
            [fakes.clip_of_squares()._replace(frames=[np.zeros((90, 90, 3), np.uint8)])], fakes.BrightFaces(), 1
        )


@pytest.mark.parametrize("size", scenes.SIZES)
@pytest.mark.parametrize("count", [0, 1, 6])
def test_a_scene_moves_its_people_and_never_ends(size, count):
    room = np.full((size[1], size[0], 3), 10, np.uint8)
    people = [scenes.shown_at(p, size) for p in scenes.cast([fakes.clip_of_squares()], fakes.BrightFaces(), count or 1)]
    scene = scenes.BenchScene("squares", people[:count], room)
    assert (scene.size, scene.faces) == (size, count)
    detector = fakes.BrightFaces(size[0] // 3)
    places = []
    for number in (0, 1, 9, 30, 1000, 123456):
        frame = scene.frame(number)
        assert frame.shape == (size[1], size[0], 3)
        assert frame.dtype == np.uint8
        rows = [frame[: size[1] // 2], frame[size[1] // 2 :]]
        found = [detector.detect(np.ascontiguousarray(row)) for row in rows]
        assert sum(faces.count for faces in found) == count
        if count:
            places.append(tuple(found[0].boxes[0].tolist()))
            height = found[0].boxes[0, 3] - found[0].boxes[0, 1]
            assert height == pytest.approx(scenes.FACE * size[1], rel=0.1)
    assert len(set(places)) >= min(count, 1) * 4
    assert (room == 10).all()


def test_a_clip_runs_forth_and_back_at_its_own_pace():
    tiles = [np.full((4, 4, 3), level, np.uint8) for level in (1, 2, 3)]
    for fps, levels in ((30.0, [1, 2, 3, 2, 1, 2, 3, 2]), (15.0, [1, 1, 2, 2, 3, 3, 2, 2])):
        scene = scenes.BenchScene("x", [scenes.CutOutPerson(tiles, 2.0, fps)], np.zeros((60, 90, 3), np.uint8))
        assert [int(scene.frame(number).max()) for number in range(8)] == levels


def test_a_frame_is_the_callers_own():
    scene = scenes.BenchScene("x", [], scenes.background((64, 36)))
    scene.frame(0)[:] = 0
    assert scene.frame(0).any()
    np.testing.assert_array_equal(scenes.background((64, 36)), scene.frame(5))


def test_clips_are_read_and_others_refused(tmp_path):
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 12.5, (64, 48))
    for _ in range(3):
        writer.write(np.full((48, 64, 3), (255, 0, 0), np.uint8))
    writer.release()
    clip = scenes.read_clip(path)
    assert (clip.source, len(clip.frames), clip.fps) == ("clip.avi", 3, pytest.approx(12.5, abs=0.1))
    # Blue in OpenCV's order is the last colour in ours.
    assert clip.frames[0][20, 30, 2] > 200 > 100 > clip.frames[0][20, 30, 0]
    with pytest.raises(ConfigError, match="is not a video that can be read"):
        scenes.read_clip(tmp_path / "absent.avi")


def test_the_clips_are_looked_for_where_the_environment_says(tmp_path, monkeypatch):
    (tmp_path / "data" / "video").mkdir(parents=True)
    (tmp_path / "data" / "video" / "a.gif").write_bytes(b"")
    monkeypatch.setenv("KFACE_SHARED", str(tmp_path))
    assert [path.name for path in scenes.shared_clips()] == ["a.gif"]
    monkeypatch.setenv("KFACE_SHARED", str(tmp_path / "absent"))
    assert scenes.shared_clips() == []


@pytest.fixture(scope="module")
def detector():
    try:
        return Detector(min_face=39.8, threads=1)
    except ModelError as error:
        return pytest.skip("the detector's networks are not here: {}".format(error))


def test_the_cascade_finds_the_people_of_the_sample_and_nobody_in_the_room(detector, monkeypatch):
    size = (640, 360)
    people = [scenes.shown_at(person, size) for person in scenes.cast(scenes.sample_clips(3), detector, 3)]
    room = scenes.background(size)
    assert scenes.found(scenes.BenchScene("sample", people, room), detector, frames=30, every=6)[1] == 3
    assert scenes.found(scenes.BenchScene("sample", [], room), detector, frames=5) == (0, 0, 0)
    candidates = []
    refine = detector._stages.refine

    def count(name, images, boxes):
        candidates.extend(len(some) for some in boxes if name == "rnet")
        return refine(name, images, boxes)

    monkeypatch.setattr(detector._stages, "refine", count)
    detector.detect(room)
    # As many as in a room of the real clips, where 19 to 21 were counted.
    assert 8 <= sum(candidates) <= 40
