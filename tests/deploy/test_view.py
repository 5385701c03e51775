"""What is shown, and that an old picture is never shown as a live one."""

import threading
import time

import numpy as np
import pytest
from deploy_fakes import (
    identity,
    picture,
    result,
    track,
)
from waiting import GENEROUS, until

from deploy import labels as labels_module
from deploy import view
from deploy.labels import Labels, find_font
from deploy.view import (
    BACKDROP,
    COLOURS,
    UNDECIDED_COLOUR,
    Viewer,
    annotate,
    caption,
    draw_faces,
    faces_of,
    fitted,
    placard,
)
from kface.errors import ConfigError
from kface.recognizer import RECOGNISED, UNDECIDED, UNKNOWN

KIM = identity(RECOGNISED, "Kim", 0.876)
BOX = (40, 60, 100, 140)


class Clock(object):
    """The time, which stands still unless it is moved; waiting moves it."""

    def __init__(self):
        self.now = 5000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(view, "time", made)
    return made


@pytest.fixture
def state():
    return ["live", ""]


@pytest.fixture
def viewer(state):
    return Viewer((320, 180), lambda: (state[0], state[1]))


def aged(clock, seconds, **what):
    shown = result(**what)
    return shown._replace(frame=shown.frame._replace(time_monotonic=clock.now - seconds))


def is_placard(shown):
    assert not shown.live
    assert shown.faces == ()
    return tuple(shown.image[0, 0]) == BACKDROP


def test_the_newest_picture_is_shown_once(viewer, clock):
    viewer.take(aged(clock, 0.1, tracks=[track(1, KIM, BOX)]))
    first = viewer.wait(0, 0)
    assert first.live
    assert first.number == 1
    assert first.size == (320, 180) == (first.image.shape[1], first.image.shape[0])
    assert first.faces == (view.ViewFace(1, (40.0, 60.0, 100.0, 140.0), "recognised", "Kim", 0.876),)
    assert viewer.wait(1, 0) is None
    # Another reader gets the same drawing.
    assert viewer.wait(0, 0) is first
    viewer.take(aged(clock, 0.1))
    assert viewer.wait(1, 0).number == 2


def test_a_picture_of_more_than_a_second_ago_is_not_live(viewer, clock):
    viewer.take(aged(clock, 0.9, tracks=[track(1, KIM, BOX)]))
    assert viewer.wait(0, 0).live
    assert viewer.newest() is not None
    clock.now += 0.2
    assert viewer.newest() is None
    shown = viewer.wait(1, 0)
    assert shown.number == 2
    assert is_placard(shown)
    assert viewer.wait(2, 0) is None
    viewer.take(aged(clock, 0.0))
    assert viewer.wait(2, 0).live


def test_a_picture_that_comes_too_late_is_not_shown_at_all(viewer, clock):
    viewer.take(aged(clock, 1.1))
    assert is_placard(viewer.wait(0, 0))


def test_a_picture_that_grows_too_old_while_it_is_drawn_is_not_shown(viewer, clock, monkeypatch):
    drawn = []

    def slowly(*arguments):
        drawn.append(True)
        clock.now += 0.5
        return draw_faces(*arguments)

    monkeypatch.setattr(view, "draw_faces", slowly)
    viewer.take(aged(clock, 0.8))
    assert is_placard(viewer.wait(0, 0))
    assert drawn == [True]


def test_a_waiting_reader_is_told_that_the_picture_has_grown_old(viewer, monkeypatch):
    monkeypatch.setattr(view, "OLDEST_S", 0.3)
    viewer.take(result(tracks=[track(1, KIM, BOX)]))
    assert viewer.wait(0, GENEROUS).live
    begun = time.monotonic()
    shown = viewer.wait(1, GENEROUS)
    assert is_placard(shown)
    assert time.monotonic() - begun < GENEROUS / 2


def test_without_a_picture_the_streams_state_is_shown_and_each_change_of_it(viewer, state):
    state[:] = ["connecting", ""]
    first = viewer.wait(0, 0)
    assert is_placard(first)
    assert viewer.wait(first.number, 0) is None
    state[:] = ["lost", "rtsp://10.0.0.7/live: the camera is off"]
    second = viewer.wait(first.number, 0)
    assert is_placard(second)
    assert second.number > first.number
    assert (second.image != first.image).any()
    state[:] = ["lost", "rtsp://10.0.0.7/live: no route"]
    assert viewer.wait(second.number, 0).number > second.number


def test_a_change_of_state_wakes_who_waits(viewer, state):
    number = viewer.wait(0, 0).number
    seen = []
    reader = threading.Thread(target=lambda: seen.append(viewer.wait(number, GENEROUS)))
    reader.start()
    state[:] = ["ended", ""]
    viewer.changed()
    reader.join(GENEROUS)
    assert is_placard(seen[0])


def test_closing_wakes_who_waits(viewer):
    viewer.wait(0, 0)
    seen = []
    reader = threading.Thread(target=lambda: seen.append(viewer.wait(1, 2 * GENEROUS)))
    reader.start()
    begun = time.monotonic()
    viewer.close()
    reader.join(GENEROUS)
    assert seen == [None]
    assert time.monotonic() - begun < GENEROUS


def test_the_grey_picture_has_the_shape_of_the_last_live_one(viewer, clock):
    viewer.take(aged(clock, 0, image=picture(size=(400, 400))))
    assert viewer.wait(0, 0).size == (180, 180)
    clock.now += 2
    assert viewer.wait(1, 0).size == (180, 180)


def test_boxes_are_in_the_pixels_of_the_view(viewer, clock):
    viewer.take(aged(clock, 0, tracks=[track(1, KIM, (80, 120, 200, 280))], image=picture(size=(640, 360))))
    shown = viewer.wait(0, 0)
    assert shown.faces[0].box == (40.0, 60.0, 100.0, 140.0)
    # The drawing agrees: the left side's colour is there.
    assert np.abs(shown.image[100, 38:43].astype(int) - COLOURS[RECOGNISED]).sum(axis=1).min() < 60


def test_several_readers_never_see_a_number_go_back(viewer):
    stop = threading.Event()
    wrong = []

    def feed():
        number = 0
        while not stop.is_set():
            number += 1
            viewer.take(result(number))
            time.sleep(0.001)

    def read():
        last = 0
        for _ in range(60):
            shown = viewer.wait(last, GENEROUS)
            if shown is None or shown.number <= last:
                wrong.append((last, shown))
                return
            last = shown.number

    feeder = threading.Thread(target=feed)
    readers = [threading.Thread(target=read) for _ in range(3)]
    for thread in [feeder] + readers:
        thread.start()
    for thread in readers:
        thread.join(2 * GENEROUS)
    stop.set()
    feeder.join()
    assert wrong == []


def test_a_picture_is_fitted_but_never_enlarged_and_never_changed():
    image = picture((90, 100, 100, 60), size=(320, 180))
    same, scale = fitted(image, None)
    assert scale == 1
    assert same is not image
    assert (same == image).all()
    assert fitted(image, (640, 360))[1] == 1
    small, scale = fitted(image, (160, 160))
    assert small.shape == (90, 160, 3)
    assert scale == 0.5
    before = image.copy()
    annotate(result(0, [track(1, KIM, BOX)], image=image), Labels())
    assert (image == before).all()


@pytest.mark.parametrize(
    ("who", "colour", "text"),
    [
        (KIM, COLOURS[RECOGNISED], "Kim 0.88 #7"),
        (identity(UNKNOWN), COLOURS[UNKNOWN], "unknown #7"),
        (identity(UNDECIDED, "Kim"), UNDECIDED_COLOUR, "... #7"),
    ],
)
def test_each_state_has_its_colour_and_its_text(who, colour, text):
    assert caption(who, 7) == text
    assert caption(who, None) == text.replace(" #7", "")
    drawn = annotate(result(0, [track(7, who, BOX)]), Labels())
    assert (drawn.reshape(-1, 3) == colour).all(axis=1).sum() > 200


def test_a_text_without_room_above_the_face_is_below_it():
    high, low = (annotate(result(0, [track(1, KIM, (40, y, 100, y + 60))]), Labels()) for y in (2, 100))
    assert (high[64:78, 40:60] != 0).any()
    assert (low[84:98, 40:60] != 0).any()


@pytest.mark.parametrize("box", [(-50, -50, 20, 20), (300, 160, 400, 300), (500, 500, 600, 600), (0, 0, 320, 180)])
def test_faces_at_the_edges_are_drawn_as_far_as_they_are_in_the_picture(box):
    assert annotate(result(0, [track(1, KIM, box)]), Labels()).shape == (180, 320, 3)


def test_who_is_not_recognised_has_no_name_in_the_view():
    shown = faces_of(result(0, [track(1, identity(UNDECIDED, "Kim", 0.5), BOX), track(2, identity(UNKNOWN, None, -2))]))
    assert [(face.name, face.score) for face in shown] == [(None, 0.5), (None, None)]
    assert faces_of(result(0, alone=[(BOX, KIM)]))[0].track is None


def drawn(text, labels=None, size=(320, 40)):
    image = np.zeros((size[1], size[0], 3), np.uint8)
    (labels or Labels()).draw(image, text, (0, 30), (0, 158, 115), 24)
    return image


def hangul_font():
    pytest.importorskip("PIL")
    font = find_font()
    if font is None or "DejaVu" in font:
        pytest.skip("no font with Hangul is installed (apt install fonts-nanum)")
    return font


def test_hangul_is_drawn_as_hangul():
    labels = Labels(hangul_font())
    kim, park, marks = (drawn(text, labels) for text in ("김철수", "박영희", "???"))
    assert (kim != park).any()
    assert (kim != marks).any()


def test_without_pillow_hangul_is_question_marks(monkeypatch):
    monkeypatch.setattr(labels_module.Labels, "_with_pillow", lambda *_: None)
    assert (drawn("김", Labels()) == drawn("?", Labels())).all()
    assert (drawn("Kim", Labels()) != drawn("???", Labels())).any()


def test_without_pillow_names_are_drawn_by_opencv(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "PIL", None)
    labels = Labels("some.ttf")
    assert (labels._mask("Kim", 24) == labels_module._with_opencv("Kim", 24)).all()
    assert (drawn("Kim", labels) != drawn("Lee", labels)).any()


def test_letters_can_be_read_on_any_colour():
    for colour, ink in (((240, 228, 66), 0), ((0, 0, 120), 255)):
        image = np.full((40, 200, 3), 128, np.uint8)
        Labels().draw(image, "Kim", (0, 30), colour, 24)
        assert np.abs(image.reshape(-1, 3).astype(int) - ink).max(axis=1).min() < 80
        assert (image.reshape(-1, 3) == colour).all(axis=1).any()


def test_the_font_can_be_named_and_must_be_one(tmp_path, monkeypatch):
    monkeypatch.setenv("KFACE_FONT", str(tmp_path / "none.ttf"))
    with pytest.raises(ConfigError, match=r"none\.ttf: does not exist; correct KFACE_FONT"):
        Labels()
    pytest.importorskip("PIL")
    (tmp_path / "bad.ttf").write_bytes(b"no font")
    monkeypatch.setenv("KFACE_FONT", str(tmp_path / "bad.ttf"))
    with pytest.raises(ConfigError, match=r"bad\.ttf: is not a readable font; correct KFACE_FONT"):
        Labels()


LONG = "rtsp://192.168.100.200:8554/Streaming/Channels/101: no frame for 3 s, and the next attempt is in 4 s"


@pytest.mark.parametrize("pillow", [True, False])
@pytest.mark.parametrize("size", [(320, 240), (640, 360), (1600, 900)])
def test_a_placard_can_be_read_on_every_view(size, pillow, monkeypatch):
    if pillow:
        pytest.importorskip("PIL")
    else:
        monkeypatch.setattr(labels_module.Labels, "_with_pillow", lambda *_: None)
    labels = Labels()
    texts = ("No live picture: the stream is lost.", LONG + " 카메라가 꺼져 있습니다" * 3)
    seen = []
    draw = labels.draw

    def watched(picture, text, at, colour, height):
        seen.append((text, at, height, labels._mask(text, height).shape[1]))
        draw(picture, text, at, colour, height)

    monkeypatch.setattr(labels, "draw", watched)
    image = placard(texts, labels, size)
    assert image.shape == (size[1], size[0], 3)
    # Nothing is left out, nothing lies outside or on another line, and the letters are large enough.
    assert "".join(" ".join(texts).split()) == "".join("".join(line[0] for line in seen).split())
    assert all(at[0] + width <= size[0] and at[1] <= size[1] for _, at, _, width in seen)
    assert [at[1] for _, at, _, _ in seen] == [seen[0][1][1] + n * seen[0][2] for n in range(len(seen))]
    assert seen[0][2] >= 18
    # The backdrop stays free at the edges.
    assert (image[:, -5:] == BACKDROP).all()


def test_a_placard_for_which_there_is_no_room_ends_in_dots(monkeypatch):
    labels = Labels()
    seen = []
    monkeypatch.setattr(labels, "draw", lambda picture, text, *_: seen.append(text))
    placard((LONG * 5,), labels, (320, 240))
    assert seen[-1] == "..."
    assert len(seen) == 240 // 18


def test_a_word_that_is_too_long_is_broken():
    labels = Labels()
    lines = labels.lines("a" + "W" * 60 + " b", 18, 200)
    assert "".join("".join(lines).split()) == "a" + "W" * 60 + "b"
    assert len(lines) > 2
    assert labels.lines("", 18, 200) == []
    # Even where no sign fits there is an end.
    assert labels.lines("abc", 40, 1) == ["a", "b", "c"]


def test_each_text_is_rendered_once(monkeypatch):
    labels = Labels()
    count = []
    render = labels._render
    monkeypatch.setattr(labels, "_render", lambda *what: count.append(what) or render(*what))
    for _ in range(3):
        drawn("Kim", labels)
    assert len(count) == 1
    for number in range(600):
        labels._mask(str(number), 14)
    assert len(labels._masks) <= 256


def test_a_slow_drawing_does_not_hold_up_who_takes(viewer, monkeypatch):
    gate, begun = threading.Event(), threading.Event()

    def slowly(*arguments):
        begun.set()
        assert gate.wait(GENEROUS)
        return draw_faces(*arguments)

    monkeypatch.setattr(view, "draw_faces", slowly)
    viewer.take(result())
    reader = threading.Thread(target=lambda: viewer.wait(0, GENEROUS))
    reader.start()
    assert begun.wait(GENEROUS)
    viewer.take(result(1))
    assert viewer.newest().frame.number == 1
    gate.set()
    reader.join(GENEROUS)
    assert until(lambda: not reader.is_alive())


def test_a_plain_picture_is_the_annotated_one_without_annotations():
    state = ["live", ""]
    viewer = Viewer((320, 180), lambda: tuple(state))
    image = picture((90, 130, 90, 60))
    viewer.take(result(0, [track(1, KIM, BOX)], image=image))
    view = viewer.wait(0, 1)
    assert view.plain.shape == view.image.shape
    assert np.array_equal(view.plain, image)
    assert not np.array_equal(view.plain, view.image)
    viewer.clear()
    state[:] = ["lost", "no frame for 3 s"]
    grey = viewer.wait(view.number, 1)
    assert not grey.live
    # What is wrong is written into the one for whoever has no words of their own.
    assert (grey.plain == grey.plain[0, 0]).all()
    assert not np.array_equal(grey.plain, grey.image)
