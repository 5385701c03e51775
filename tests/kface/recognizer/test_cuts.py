"""One person cut into another at the same place: no track keeps a name that its newest views speak against."""

import numpy as np
import pytest
from recognizer_fakes import POINT, FakeDetector, FakeEmbedder, Gallery, Scene, faces_at, mixed, unit

from kface import alignment
from kface.errors import ConfigError
from kface.recognizer import FaceRecognizer, Pipeline, PipelineSettings
from kface.recognizer.operating_point import OperatingPoint
from kface.recognizer.settings import TrackSettings
from kface.recognizer.tracks import Tracker
from kface.recognizer.views import appearance, differs

HERE, THERE = (100, 100, 80), (300, 100, 80)
PEOPLE = ("ann", "bob", "eve", "dan")
#: No embedding is due by itself while a test lasts.
LATE = TrackSettings(refresh=1000)


class Scale(object):
    """People whose cosines lie where a network has them: two people's near `apart`, those of one near `together`."""

    def __init__(self, apart, together, operating_point, seed=0):
        self.apart, self.together, self.operating_point = apart, together, operating_point
        self.random = np.random.RandomState(seed)
        self.people = {name: self._direction() for name in PEOPLE}
        self.shared = self._direction()

    def _direction(self):
        vector = self.random.normal(size=256)
        return vector / np.linalg.norm(vector)

    def view(self, name):
        """Return what the embedder makes of a view, another one each time; `(first, second, part)` is a cross-fade."""
        name = self.people[name] if isinstance(name, str) else self._faded(*name)
        parts = self.apart, self.together - self.apart, 1 - self.together
        vector = sum(np.sqrt(part) * one for part, one in zip(parts, (self.shared, name, self._direction())))
        return (vector / np.linalg.norm(vector)).astype(np.float32)

    def _faded(self, first, second, part):
        vector = (1 - part) * self.people[first] + part * self.people[second]
        return vector / np.linalg.norm(vector)

    def gallery(self, *names):
        return Gallery({name: self.view(name) for name in names})


def narrow(**how):
    return Scale(0.86, 0.97, OperatingPoint(0.942, 0.91, 1e-4), **how)


def wide(**how):
    return Scale(0.1, 0.7, OperatingPoint(0.45, 0.3, 1e-4), **how)


SCALES = pytest.mark.parametrize("scale", [narrow, wide])


class Faces(object):
    """What people look like from afar: one cosine between any two, and fades in between."""

    def __init__(self, alike=0.5, seed=1):
        random = np.random.RandomState(seed)
        rows = np.linalg.qr(random.normal(size=(40, 1 + len(PEOPLE))))[0].T
        self.known = {name: np.sqrt(alike) * rows[0] + np.sqrt(1 - alike) * row for name, row in zip(PEOPLE, rows[1:])}

    def __call__(self, name):
        if isinstance(name, str):
            return self.known[name]
        first, second, part = name
        vector = (1 - part) * self.known[first] + part * self.known[second]
        return vector / np.linalg.norm(vector)


def scene_of(people, enrolled, settings=LATE, look=None):
    return Scene(settings, people.gallery(*enrolled), people.operating_point, look)


def show(scene, people, *names, **at):
    """Show a frame with people at one place, or beside each other, and return who they are said to be."""
    places = at.get("places") or [HERE]
    shown = scene.step(dict(zip(names, places)), looks={name: people.view(name) for name in names})
    return [shown.get(name) for name in names]


def film(scene, people, names, **at):
    """Return what is said frame by frame of the one who is there."""
    return [show(scene, people, name, **at)[0] for name in names]


def called(frames, name):
    return [number for number, (_, who) in enumerate(frames) if (who.state, who.name) == ("recognised", name)]


@SCALES
@pytest.mark.parametrize("enrolled", [("ann", "bob"), ("ann",), ()])
def test_after_a_cut_nobody_is_called_by_the_first_ones_name(scale, enrolled):
    people = scale()
    scene = scene_of(people, enrolled, look=Faces())
    before = film(scene, people, ["ann"] * 20)
    assert before[-1][1].state == ("recognised" if "ann" in enrolled else "unknown")
    scene.embedded = []
    after = film(scene, people, ["bob"] * 20)
    assert called(after, "ann") == []
    assert scene.embedded[0] == ["bob"]
    assert after[-1][0] == 2
    assert (after[-1][1].state, after[-1][1].name) == (
        ("recognised", "bob") if "bob" in enrolled else ("unknown", None)
    )
    # A new track within three frames, and a decision within three more: then it is as quiet as before.
    assert [number for number, _ in after].index(2) <= 2
    assert [names for names in scene.embedded[6:] if names] == []
    assert [state.number for state in scene.ended] == [1]


@SCALES
def test_an_old_majority_does_not_keep_voting(scale):
    """Thirty views of one, and then another's that no pixel gives away: only the gallery does, at the next embedding."""
    people = scale()
    settings = TrackSettings(refresh=1)
    scene = scene_of(people, ("ann", "bob"), settings)
    film(scene, people, ["ann"] * 40)
    scene.tracker.settings = settings._replace(refresh=10)
    after = film(scene, people, ["bob"] * 40)
    assert max(called(after, "ann") or [0]) <= 12
    assert (after[-1][0], after[-1][1].name) == (2, "bob")


@SCALES
@pytest.mark.parametrize("enrolled", [("ann", "bob"), ("ann",)])
@pytest.mark.parametrize("frames", [6, 25])
def test_a_cross_fade_takes_the_name_with_it(scale, enrolled, frames):
    people = scale()
    scene = scene_of(people, enrolled, TrackSettings(), Faces())
    film(scene, people, ["ann"] * 20)
    film(scene, people, [("ann", "bob", part) for part in np.linspace(0, 1, frames)])
    after = film(scene, people, ["bob"] * 60)
    assert max(called(after, "ann") or [0]) <= 4
    # Without a cut in between a stranger's views may take long to outnumber the others.
    last = after[-1][1]
    assert (last.state, last.name) == ("recognised", "bob") if "bob" in enrolled else last.state != "recognised"


@SCALES
@pytest.mark.parametrize("length", [2, 3, 4, 7])
def test_fast_cuts_to_and_fro(scale, length):
    people = scale()
    scene = scene_of(people, ("ann",), look=Faces())
    film(scene, people, ["ann"] * 12)
    for _ in range(5):
        assert called(film(scene, people, ["eve"] * length), "ann") == []
        film(scene, people, ["ann"] * length)


@SCALES
def test_two_who_change_places_take_their_tracks_along(scale):
    people = scale()
    scene = scene_of(people, ("ann", "bob"), look=Faces())
    places = [HERE, THERE]
    for _ in range(12):
        show(scene, people, "ann", "bob", places=places)
    for _ in range(8):
        ann, bob = show(scene, people, "ann", "bob", places=places[::-1])
        assert (ann[0], ann[1].state, ann[1].name) == (1, "recognised", "ann")
        assert (bob[0], bob[1].state, bob[1].name) == (2, "recognised", "bob")
    assert scene.ended == []


@SCALES
@pytest.mark.parametrize("enrolled", [("ann",), ()])
def test_the_same_person_after_a_cut_keeps_the_track(scale, enrolled):
    people = scale()
    looks = {name: Faces(seed=number)("ann") for number, name in enumerate(("day", "night"))}
    light = ["day"]
    scene = scene_of(people, enrolled, look=lambda name: looks[light[0]])
    before = film(scene, people, ["ann"] * 12)[-1]
    light[0] = "night"
    for number, who in film(scene, people, ["ann"] * 12):
        assert (number, who.state, who.name) == (1, before[1].state, before[1].name)
    assert sum(map(len, scene.embedded[12:])) == 1


@SCALES
def test_somebody_who_takes_the_place_of_one_who_left_has_to_be_alike(scale):
    people = scale()
    scene = scene_of(people, ("ann",), look=Faces())
    film(scene, people, ["ann"] * 12)
    for _ in range(3):
        scene.step({})
    # Like enough for the lower threshold, as one in a hundred strangers is; not for the upper one.
    between = (2 * people.operating_point.unknown + people.operating_point.recognised) / 3
    ann = scene.gallery.people["ann"]
    other = np.zeros_like(ann)
    other[:2] = ann[1], -ann[0]
    stranger = mixed(ann, other / np.linalg.norm(other), between)
    for _ in range(12):
        frame = scene.step({"eve": HERE}, looks={"eve": stranger})
        assert (frame["eve"][1].state, frame["eve"][1].name) != ("recognised", "ann")


def turning(scene, direction=0):
    """Turn a head to the side and back, in frames that look a little otherwise each, and return what is said of it."""
    frames = []
    for degrees in list(range(0, 91, 6)) + [90] * 10 + list(range(90, -1, -6)):
        angle = np.radians(degrees)
        vector = (np.cos(angle) * unit(0) + np.sin(angle) * unit(9)).astype(np.float32)
        scene.look = lambda name, angle=angle: np.array([np.cos(angle), np.sin(angle)])
        frames.append(scene.step({"ann": HERE}, looks={"ann": vector})["ann"])
    return frames


def test_a_head_that_turns_away_stays_one_track_and_is_never_another():
    scene = Scene(TrackSettings())
    frames = turning(scene)
    assert {number for number, _ in frames} == {1}
    assert {who.name for _, who in frames} <= {"ann", None}
    assert frames[-1][1][:2] == ("recognised", "ann")
    # From the side it is like nobody who is enrolled: no longer sure, and not asked in every frame.
    assert "undecided" in [who.state for _, who in frames[16:26]]
    assert sum(map(len, scene.embedded)) < len(frames)


def test_a_jump_is_embedded_at_once():
    scene = Scene(LATE)
    scene.run(8, {"ann": HERE})
    scene.embedded = []
    scene.step({"ann": (100 + 26, 100, 80)})
    scene.step({"ann": (100 + 30, 100, 80)})
    assert scene.embedded == [["ann"], []]
    # Where it goes on as it moved there is no jump.
    walk = Scene(LATE)
    walk.run(8, lambda number: {"ann": (100 + 18 * number, 100, 80)})
    assert sum(map(len, walk.embedded)) == 3
    # Half as large from one frame to the next, at the same middle.
    scene.embedded = []
    scene.step({"ann": (130, 100, 55)})
    assert scene.embedded == [["ann"]]


def test_a_vote_against_the_name_is_followed_up_at_once():
    gallery = Gallery({"ann": mixed(unit(0), unit(5), 0.7), "bob": unit(1)})
    scene = Scene(TrackSettings(refresh=4), gallery)
    scene.run(5, {"ann": HERE})
    scene.embedded = []
    # Alike enough to be the same face (0.76), but the gallery says bob (0.65, and 0.53 for ann).
    bob = mixed(unit(1), unit(0), 0.65)
    frames = [scene.step({"ann": HERE}, looks={"ann": bob})["ann"] for _ in range(12)]
    first = [bool(names) for names in scene.embedded].index(True)
    assert scene.embedded[first : first + 3] == [["ann"]] * 3
    assert called(frames[first + 3 :], "ann") == []
    assert frames[-1][1].name == "bob"


def test_unlike_views_are_asked_for_less_often_the_longer_they_last():
    scene = Scene(LATE, look=Faces())
    scene.run(8, {"ann": HERE})
    scene.tracker.settings = LATE._replace(takeover=3)
    scene.embedded = []
    for number in range(60):
        # Views like nothing else and unlike each other: a face behind rain.
        scene.step({"ann": HERE}, looks={"ann": unit(3 + number % 12)}, sharp={"ann": 100.0})
    spent = sum(map(len, scene.embedded))
    assert spent <= 1
    scene.step({"ann": HERE}, sharp={"ann": 500.0}, looks={"ann": unit(5)})
    scene.embedded = []
    for number in range(60):
        scene.step({"ann": HERE}, looks={"ann": unit(3 + number % 12)})
    assert 3 <= sum(map(len, scene.embedded)) <= 20


def test_votes_of_views_in_doubt_are_cast_anew_too():
    """Whoever is enrolled while a track is in doubt counts for the track that begins."""
    gallery = Gallery({"ann": unit(0)})
    scene = Scene(LATE, gallery, look=Faces())
    scene.run(8, {"ann": HERE})
    scene.step({"bob": HERE})
    scene.step({"bob": HERE})
    gallery.people["bob"] = unit(1)
    scene.tracker.rematch(lambda some: [row[0] for row in gallery.match(some, 1)])
    number, who = scene.step({"bob": HERE})["bob"]
    assert (number, who.state, who.name, who.share) == (2, "recognised", "bob", 1.0)


def test_an_unknown_one_who_looks_otherwise_but_not_unlike_stays_one_track():
    scene = Scene(LATE, Gallery(), look=Faces())
    scene.run(6, {"ann": HERE})
    between = mixed(unit(0), unit(7), 0.45)
    frames = [scene.step({"bob": HERE}, looks={"bob": between})["bob"] for _ in range(6)]
    assert [number for number, _ in frames] == [1] * 6
    assert [who.state for _, who in frames] == ["undecided"] * 2 + ["unknown"] * 4


def test_looks_do_not_change_with_the_light_and_flat_ones_are_none():
    random = np.random.RandomState(0)
    crop = np.repeat(np.repeat(random.randint(60, 160, (14, 14, 3)), 8, 0), 8, 1).astype(np.uint8)
    other = np.repeat(np.repeat(random.randint(60, 160, (14, 14, 3)), 8, 0), 8, 1).astype(np.uint8)
    look = appearance(crop)
    assert np.linalg.norm(look) == pytest.approx(1, abs=1e-5)
    assert look.dot(appearance((crop * 0.5 + 40).astype(np.uint8))) > 0.99
    assert abs(look.dot(appearance(other))) < 0.5
    assert appearance(np.full((alignment.SIZE, alignment.SIZE, 3), 99, np.uint8)) is None
    assert differs(appearance(other), look, 0.8)
    assert not differs(look, np.stack([appearance(other), look]), 0.8)
    assert not differs(None, look, 0.8)
    assert not differs(look, None, 0.8)


@pytest.mark.parametrize("value", [1.5, -1.1, float("nan")])
def test_a_correlation_is_from_minus_one_to_one(value):
    with pytest.raises(ConfigError, match="tracks.changed"):
        Tracker(TrackSettings(changed=value), POINT)


def pattern(level):
    """Return a picture with a face's worth of pattern of its own, and the grey of a person in the face's middle."""
    rows = np.random.RandomState(level).randint(30, 226, (20, 30, 3)).astype(np.uint8)
    rgb = np.repeat(np.repeat(rows, 10, 0), 10, 1)
    rgb[96:105, 146:155] = level
    rgb[0, 0] = level
    return rgb


def test_the_pipeline_looks_at_the_pixels_and_embeds_in_the_very_frame_of_a_cut():
    here = faces_at([(150, 100, 112)])
    recognizer = FaceRecognizer(FakeDetector({10: here, 20: here}), FakeEmbedder(), "f" * 64, POINT)
    gallery = Gallery({"ann": unit(1), "bob": unit(2)})
    pipeline = Pipeline(recognizer, gallery, PipelineSettings(LATE._replace(detect_every=1)))
    ann = [pipeline.process(pattern(10)) for _ in range(8)]
    assert [result.embedded for result in ann] == [1, 1, 1, 0, 0, 0, 0, 0]
    bob = [pipeline.process(pattern(20)) for _ in range(8)]
    assert [result.embedded for result in bob][:3] == [1, 1, 1]
    states = [(result.identities[0].state, result.identities[0].name) for result in bob]
    assert ("recognised", "ann") not in states
    assert states[-1] == ("recognised", "bob")
    assert bob[-1].ids == (2,)


def test_a_name_needs_one_of_the_newest_views():
    """A face that has drifted to where the gallery is unsure keeps no name of its older views, however many these are."""
    scene = Scene(TrackSettings(refresh=1))
    unsure = mixed(unit(0), unit(5), 0.45)
    assert scene.run(20, {"ann": HERE})[-1]["ann"][1].state == "recognised"
    states = [shown["ann"][1].state for shown in scene.run(5, {"ann": HERE}, looks={"ann": unsure})]
    assert states == ["recognised", "recognised", "undecided", "undecided", "undecided"]
    assert scene.tracker.states()[0].identity.score > POINT.recognised
    # One view that is surely the person's is enough to have the name again, on the same track.
    number, who = scene.step({"ann": HERE})["ann"]
    assert (number, who.state, who.name) == (1, "recognised", "ann")


def test_a_track_in_doubt_looks_again_when_the_face_looks_as_before():
    """A head that turns away and back: the look is an old one, but the newest view speaks against the name."""
    front, side = np.eye(2, 396, dtype=np.float32)
    # Too much alike to be another face at once.
    side = 0.85 * front + np.sqrt(1 - 0.85**2).astype(np.float32) * side
    shown = [front]
    scene = Scene(LATE, look=lambda name: shown[0])
    scene.run(10, {"ann": HERE})
    shown[0] = side
    away = scene.run(8, {"ann": HERE}, looks={"ann": mixed(unit(0), unit(5), 0.45)})
    assert away[-1]["ann"][1].state == "undecided"
    shown[0], scene.embedded = front, []
    assert scene.step({"ann": HERE})["ann"][1].state == "recognised"
    assert scene.embedded == [["ann"]]


def test_a_look_that_drifts_is_followed_up_less_and_less_often():
    first, second = np.eye(2, 396, dtype=np.float32)
    shown = [first]
    scene = Scene(LATE, look=lambda name: shown[0])
    scene.run(20, {"ann": HERE})
    shown[0], scene.embedded = 0.85 * first + np.sqrt(1 - 0.85**2).astype(np.float32) * second, []
    scene.run(130, {"ann": HERE})
    assert [frame for frame, names in enumerate(scene.embedded) if names] == [0, 4, 12, 28, 60, 124]


@SCALES
@pytest.mark.parametrize("alike", [0.7, 0.75, 0.8])
def test_a_cross_fade_between_faces_that_are_much_alike_from_afar(scale, alike):
    people = scale()
    scene = scene_of(people, ("ann",), TrackSettings(), Faces(alike))
    film(scene, people, ["ann"] * 20)
    film(scene, people, [("ann", "bob", part) for part in np.linspace(0, 1, 20)])
    after = film(scene, people, ["bob"] * 60)
    assert max(called(after, "ann") or [0]) <= 12
