"""The scenes: people enter, turn, leave and come back, cross, are cut and faded into each other, and strangers queue at a door.

Each clip has a gallery of its own, of ten people, who are others in the next clip as long as there are enough. All is seeded.
"""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from benchmarks.identity_people import Album, Cutout, People, Subject
from benchmarks.identity_pictures import Clip, Placed

SMALL, LARGE = (640, 360), (1280, 720)
GALLERY = 10
#: Sides of faces at 640x360, in pixels.
FAR, NEAR = 50.0, 160.0
#: Frames of a slow fade, and between two views of one head that turns.
FADE, TURN = 20, 6
#: Strangers at the door one after the other, how long each is there, and how long the door is empty before the next one.
QUEUE, THERE, GAPS = 20, 16, (0, 3, 18)

Frames = list[list[Placed]]


class Cast:
    """Selects people for clips.

    Args:
        people: Everybody there is.
        album: Their pictures.
        seed: Of the draws.
    """

    def __init__(self, people: People, album: Album, seed: int) -> None:
        self.album = album
        self.random = random.Random(seed)
        subjects = list(people.subjects)
        self.random.shuffle(subjects)
        several = [subject for subject in subjects if len(subject.fronts) > 2]
        # Whoever may be enrolled in one clip is a stranger in none, so that neither runs out of the other.
        self._enrollable = several[: max(len(several) * 2 // 5, min(GALLERY, len(several)))]
        taken = {subject.name for subject in self._enrollable}
        self._strangers = [subject for subject in subjects if subject.name not in taken]
        self._next = {"enrolled": 0, "stranger": 0}

    def gallery(self) -> list[Subject]:
        """Return the next people to enrol, each with an enrolled picture and another one."""
        return self._take("enrolled", self._enrollable, GALLERY, self._can_be_enrolled)

    def strangers(self, count: int) -> list[Subject]:
        """Return the next people who are not enrolled."""
        return self._take("stranger", self._strangers, count, lambda one: bool(self.album.cutouts(one, 1)))

    def _can_be_enrolled(self, subject: Subject) -> bool:
        return self.album.enrolment(subject) is not None and bool(self.album.cutouts(subject, 1))

    def _take(
        self, kind: str, subjects: Sequence[Subject], count: int, fit: Callable[[Subject], bool]
    ) -> list[Subject]:
        found: list[Subject] = []
        for _ in range(len(subjects)):
            if len(found) == count:
                break
            subject = subjects[self._next[kind] % len(subjects)]
            self._next[kind] += 1
            if fit(subject):
                found.append(subject)
        return found


class Role(NamedTuple):
    """A person in a clip: a name, and cut-outs from the front and from the side."""

    name: str
    fronts: list[Cutout]
    profiles: list[Cutout]

    def at(self, x: float, y: float, side: float, view: int = 0) -> Placed:
        """Return the person at a place, from the front."""
        return Placed(self.name, self.fronts[view % len(self.fronts)], x, y, side)


class Stage:
    """The material of a scene: its people, its size, and a random generator.

    Args:
        cast: Hands out the people.
        size: Width and height in pixels.
    """

    def __init__(self, cast: Cast, size: tuple[int, int]) -> None:
        self.cast, self.size, self.random = cast, size, cast.random
        self.zoom = size[1] / SMALL[1]
        self.enrolled = cast.gallery()
        self._known = iter(self.enrolled)

    def known(self) -> Role:
        """Return the next enrolled person."""
        return self._role(next(self._known))

    def strangers(self, count: int) -> list[Role]:
        """Return the next people who are not enrolled."""
        return [self._role(subject) for subject in self.cast.strangers(count)]

    def either(self, known: bool) -> Role:
        """Return an enrolled person, or one who is not."""
        return self.known() if known else self.strangers(1)[0]

    def place(self, side: float) -> tuple[float, float]:
        """Return a place for a face of this side, completely inside."""
        width, height = self.size
        return (
            self.random.uniform(0.9 * side, width - 0.9 * side),
            self.random.uniform(0.62 * side, max(height - 0.7 * side, 0.62 * side)),
        )

    def clip(self, scene: str, frames: Frames) -> Clip:
        """Return the clip of a scene."""
        names = tuple(subject.name for subject in self.enrolled)
        return Clip(scene, self.size, frames, names, self.random.randrange(2**31))

    def _role(self, subject: Subject) -> Role:
        album = self.cast.album
        return Role(subject.name, album.cutouts(subject, 3), album.cutouts(subject, 2, True))


def enter(stage: Stage, known: bool, frames: int = 50) -> Frames:
    """A person comes in from the side and nearer: from 50 to 160 pixels, more in a larger picture."""
    role, near = stage.either(known), stage.random.uniform(110, NEAR) * stage.zoom
    x, y = stage.place(near)
    begin = stage.random.choice((-0.2 * near, stage.size[0] + 0.2 * near))
    made = []
    for number in range(frames):
        part = min(number / (0.7 * frames), 1.0)
        step = 4 * abs(math.sin(number / 3.0)) * stage.zoom
        side = FAR * stage.zoom * (near / (FAR * stage.zoom)) ** part
        made.append([role.at(begin + (x - begin) * math.sqrt(part), y + step * (1 - part), side)])
    return made


def turn(stage: Stage, known: bool, fade: int, hold: int = 16) -> Frames:
    """A head turns from the front to the side and back; views fade into each other, or change at once where `fade` is 0."""
    role, side = stage.either(known), stage.random.uniform(80, 150) * stage.zoom
    x, y = stage.place(side)
    views = [role.fronts[0], *role.profiles[:1], role.fronts[0], *role.profiles[1:], role.fronts[-1]]
    made: Frames = []
    for number, view in enumerate(views):
        made += [[Placed(role.name, view, x, y, side)]] * hold
        if number + 1 < len(views):
            parts = [(step + 1) / (fade + 1) for step in range(fade)]
            made += [[Placed(role.name, view, x, y, side, (role.name, views[number + 1], part))] for part in parts]
    return made


def come_back(stage: Stage, same: bool, away: int) -> Frames:
    """An enrolled person leaves, and comes back, or another one comes, to the same place."""
    first, side = stage.known(), stage.random.uniform(70, 140) * stage.zoom
    second = first if same else stage.either(stage.random.random() < 0.5)
    x, y = stage.place(side)
    outside = -side if x < stage.size[0] / 2 else stage.size[0] + side
    walk = [x + (outside - x) * (step + 1) / 14 for step in range(14)]
    made = [[first.at(x, y, side)]] * 28 + [[first.at(place, y, side)] for place in walk]
    made += [[] for _ in range(away)]
    return made + [[second.at(place, y, side, 1)] for place in reversed(walk)] + [[second.at(x, y, side, 1)]] * 28


def cross(stage: Stage, known: bool, frames: int = 70) -> Frames:
    """Two people cross, one in front of the other; the first is enrolled, the second as given."""
    roles = [stage.known(), stage.either(known)]
    stage.random.shuffle(roles)
    sides = [stage.random.uniform(70, 120) * stage.zoom for _ in roles]
    y = stage.place(max(sides))[1]
    left, right = 0.9 * max(sides), stage.size[0] - 0.9 * max(sides)
    made = []
    for number in range(frames):
        # They stand, walk and stand again.
        part = min(max((number - 15) / (frames - 30), 0.0), 1.0)
        first = roles[0].at(left + (right - left) * part, y, sides[0])
        second = roles[1].at(right + (left - right) * part, y + 6 * stage.zoom, sides[1])
        made.append([first, second])
    return made


def cut(stage: Stage, known: bool) -> Frames:
    """One person is cut to another at the same place."""
    first, second = stage.known(), stage.either(known)
    side = stage.random.uniform(70, 150) * stage.zoom
    x, y = stage.place(side)
    return [[first.at(x, y, side)]] * 30 + [[second.at(x, y, side)]] * 40


def fade(stage: Stage, known: bool) -> Frames:
    """One person fades into another at the same place, slowly."""
    first, second = stage.known(), stage.either(known)
    side = stage.random.uniform(70, 150) * stage.zoom
    x, y = stage.place(side)
    made = [[first.at(x, y, side)]] * 30
    for step in range(FADE):
        other = (second.name, second.fronts[0], step / (FADE - 1))
        made.append([first.at(x, y, side)._replace(other=other)])
    return made + [[second.at(x, y, side)]] * 40


def several(stage: Stage, known: int, frames: int = 50) -> Frames:
    """Six people at once, a given number of them enrolled; each moves around its place."""
    roles = [stage.known() for _ in range(known)] + stage.strangers(6 - known)
    stage.random.shuffle(roles)
    width, height = stage.size
    sides = [stage.random.uniform(55, 85) * stage.zoom for _ in roles]
    phases = [stage.random.uniform(0, 6.28) for _ in roles]
    made = []
    for number in range(frames):
        row = []
        for place, (role, side, phase) in enumerate(zip(roles, sides, phases, strict=True)):
            x = (place % 3 + 0.5 + 0.1 * math.sin(phase + number / 9.0)) * width / 3
            y = (place // 3 + 0.5 + 0.05 * math.sin(2 * phase + number / 7.0)) * height / 2
            row.append(role.at(x, y, side))
        made.append(row)
    return made


def door(stage: Stage, beside: bool) -> Frames:
    """Twenty strangers come one after the other to the same door, alone or beside an enrolled person."""
    made: Frames = []
    side = stage.random.uniform(75, 110) * stage.zoom
    x, y = stage.size[0] * 0.3, stage.size[1] * 0.45
    host = [stage.known().at(stage.size[0] * 0.75, y, side)] if beside else []
    for number, role in enumerate(stage.strangers(QUEUE)):
        size = side * stage.random.uniform(0.85, 1.15)
        made += [[*host, role.at(x, y, size)]] * THERE
        made += [list(host) for _ in range(GAPS[number % len(GAPS)])]
    return made


def program(cast: Cast, quick: bool) -> Iterator[Clip]:
    """Yield the clips of all scenes, one at a time.

    Args:
        cast: The people.
        quick: A quarter of them.
    """
    repeat = 1 if quick else 4

    def stage(size: tuple[int, int] = SMALL) -> Stage:
        return Stage(cast, size)

    for number in range(repeat):
        for known in (True, False):
            large = LARGE if number % 4 == 3 else SMALL
            made = stage(large)
            yield made.clip("enter", enter(made, known))
            made = stage()
            yield made.clip("turn", turn(made, known, TURN if number % 2 == 0 else 0))
            made = stage()
            yield made.clip("leave and come back", come_back(made, known, (8, 22)[number % 2]))
            made = stage()
            yield made.clip("cross", cross(made, known))
            made = stage()
            yield made.clip("cut", cut(made, known))
            made = stage()
            yield made.clip("fade", fade(made, known))
        made = stage(LARGE if number % 2 == 1 else SMALL)
        yield made.clip("six at once", several(made, 3))
    # The queues are long: two in all.
    for beside in (False, True) if not quick else (True,):
        made = stage()
        yield made.clip("door beside one" if beside else "door", door(made, beside))
    # What is hardest to notice comes more often: half of those that fade in are strangers.
    for number in range(2 * repeat):
        made = stage()
        yield made.clip("fade", fade(made, number % 2 == 0))
