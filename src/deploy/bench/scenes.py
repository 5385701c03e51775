"""Moving faces to measure on: people cut out of clips, each on a tile that wanders over the picture.

The people are found with the cascade itself, so that any clip will do; without one, people of the procedural sample tilt
their heads. How many faces are really found in a scene is counted (:func:`found`), not taken on trust.
"""

import math
import os
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

import cv2
import numpy as np

from kface.errors import ConfigError
from kface.mtcnn import Detector
from kface.mtcnn.boxes import overlaps

PathLike = Union[str, "os.PathLike[str]"]
Size = Tuple[int, int]

SIZES = ((640, 360), (1280, 720))
SYNTHETIC = "synthetic sample"
REAL = "real clips"
#: Frames a second of the scenes; clips of another rate are shown at their own.
FPS = 30.0
#: Tiles across and down: as many as the largest scene has faces.
GRID = (3, 2)
#: Height of a face as a part of the frame's.
FACE = 0.2
#: How far a tile wanders as a part of its place, across and down.
WANDER = (0.09, 0.06)
#: Frames of a clip that are used at most; a board's memory holds the tiles of all.
KEPT = 40
#: Frames that a person has to be seen in, as a part of the clip's.
SEEN = 0.5
#: How a person of the sample holds the head, frame by frame: degrees, and how large.
TILTS = [(7 * math.sin(step / 4.0), 1 + 0.06 * math.sin(step / 6.0)) for step in range(24)]


class Clip(NamedTuple):
    """Frames with people: what they are called, uint8 (h, w, 3) RGB each, and frames a second."""

    source: str
    frames: List[np.ndarray]
    fps: float


class CutOutPerson(NamedTuple):
    """A person cut out of a clip.

    Attributes:
        tiles: uint8 (h, w, 3), RGB, all of one size.
        face: Mean height of the face in pixels.
        fps: Tiles a second.
    """

    tiles: List[np.ndarray]
    face: float
    fps: float


class BenchScene(object):
    """An endless video of people who move.

    Args:
        source: Where the people come from.
        people: One a face; their tiles are of the size that they are shown at.
        background: uint8 (h, w, 3), RGB.

    Attributes:
        source: As given.
        faces: How many people there are.
        size: Width and height in pixels.
    """

    def __init__(self, source: str, people: Sequence[CutOutPerson], background: np.ndarray) -> None:
        self.source = source
        self.faces = len(people)
        self.size = (background.shape[1], background.shape[0])
        self._people = list(people)
        self._background = background

    def frame(self, number: int) -> np.ndarray:
        """Return the frame of a number from 0 on: uint8 (h, w, 3), RGB; an array of its own."""
        picture = self._background.copy()
        width, height = self.size[0] // GRID[0], self.size[1] // GRID[1]
        for place, person in enumerate(self._people):
            # A clip runs forwards and backwards, so that no one jumps at its end.
            turn = max(2 * len(person.tiles) - 2, 1)
            step = int(number * person.fps / FPS) % turn
            tile = person.tiles[min(step, turn - step)]
            phase = 2 * math.pi * (number / 60.0 + place / 6.0)
            x = width * (place % GRID[0]) + (width - tile.shape[1]) // 2 + int(WANDER[0] * width * math.sin(phase))
            y = height * (place // GRID[0]) + (height - tile.shape[0]) // 2
            y += int(WANDER[1] * height * math.sin(1.7 * phase))
            picture[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
        return picture


def shared_clips() -> List[Path]:
    """Return the real clips where they are: in the folder ``shared`` beside the checkout, or that of KFACE_SHARED."""
    beside = Path(__file__).resolve().parents[4] / "shared"
    return sorted((Path(os.environ.get("KFACE_SHARED", str(beside))) / "data" / "video").glob("*.gif"))


def read_clip(path: PathLike, source: Optional[str] = None) -> Clip:
    """Read a video file's first frames; raises ConfigError where it has none."""
    capture = cv2.VideoCapture(os.fspath(path))
    frames: List[np.ndarray] = []
    fps = capture.get(cv2.CAP_PROP_FPS)
    while len(frames) < KEPT:
        there, bgr = capture.read()
        if not there:
            break
        frames.append(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
    capture.release()
    if not frames:
        raise ConfigError("is not a video that can be read", path, "give another --clip")
    return Clip(source or os.path.basename(os.fspath(path)), frames, fps if 1 <= fps <= 120 else FPS)


def sample_clips(people: int = 6) -> List[Clip]:
    """Return clips of people of the procedural sample who tilt their heads."""
    from kface.data.layout import Capture
    from kface.data.sample import render, subject_names

    clips = []
    for number, name in enumerate(subject_names(people)):
        accessory, camera = (1, 2, 1, 3, 1, 5)[number % 6], (7, 8, 6, 7, 9, 6)[number % 6]
        picture = render(Capture(name, accessory, 1, 1, camera))[0]
        height, width = picture.shape[:2]
        small = cv2.resize(picture, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        middle = (width / 4.0, height / 4.0)
        frames = [
            cv2.warpAffine(
                small,
                cv2.getRotationMatrix2D(middle, degrees, scale),
                (small.shape[1], small.shape[0]),
                borderMode=cv2.BORDER_REPLICATE,
            )
            for degrees, scale in TILTS
        ]
        clips.append(Clip(SYNTHETIC, frames, FPS))
    return clips


def people_in(clip: Clip, detector: Detector) -> List[CutOutPerson]:
    """Cut the people out of a clip, each with as much of the surroundings as holds no other face.

    Args:
        clip: The clip.
        detector: A :class:`kface.mtcnn.Detector`.
    """
    paths: List[Dict[int, np.ndarray]] = []
    for number, frame in enumerate(clip.frames):
        boxes = detector.detect(frame).boxes.astype(np.float64)
        last = np.array([path[max(path)] for path in paths]).reshape(-1, 4)
        iou = overlaps(last, boxes)
        for face, box in enumerate(boxes):
            near = int(np.argmax(iou[:, face])) if len(paths) and len(iou) else -1
            if near >= 0 and iou[near, face] >= 0.3 and number not in paths[near]:
                paths[near][number] = box
            else:
                paths.append({number: box})
    paths = [path for path in paths if len(path) >= SEEN * len(clip.frames)]
    reach = [_union(path) for path in paths]
    people = []
    for mine, path in enumerate(paths):
        first, last_seen = min(path), max(path)
        x1, y1, x2, y2 = _window(reach[mine], reach[:mine] + reach[mine + 1 :], clip.frames[0].shape)
        if x2 - x1 < 24 or y2 - y1 < 24:
            continue
        tiles = [frame[y1:y2, x1:x2].copy() for frame in clip.frames[first : last_seen + 1]]
        people.append(CutOutPerson(tiles, float(np.mean([box[3] - box[1] for box in path.values()])), clip.fps))
    return people


def cast(clips: Sequence[Clip], detector: Detector, count: int) -> List[CutOutPerson]:
    """Return `count` people of clips; where there are fewer, they are repeated mirrored.

    Raises:
        ConfigError: No one is found.
    """
    found = [people_in(clip, detector) for clip in clips]
    # One of each clip, then the second ones: the first scenes are not all of one clip.
    people = [some[turn] for turn in range(max(map(len, found), default=0)) for some in found if turn < len(some)]
    if not people:
        raise ConfigError(
            "shows no one long enough to be cut out", ", ".join(clip.source for clip in clips), "give another --clip"
        )
    mirrored = [person._replace(tiles=[np.ascontiguousarray(t[:, ::-1]) for t in person.tiles]) for person in people]
    both = people + mirrored
    return [both[number % len(both)] for number in range(count)]


def shown_at(person: CutOutPerson, size: Size) -> CutOutPerson:
    """Return a person in the size that a frame shows, cut to the place that the tile may wander in."""
    scale = FACE * size[1] / person.face
    room = [int(size[axis] / GRID[axis] * (1 - 2.2 * WANDER[axis])) for axis in (0, 1)]
    tiles = []
    for tile in person.tiles:
        sides = [max(int(round(tile.shape[1 - axis] * scale)), 1) for axis in (0, 1)]
        shown = cv2.resize(tile, (sides[0], sides[1]), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        spare = [max(sides[axis] - room[axis], 0) // 2 for axis in (0, 1)]
        tiles.append(np.ascontiguousarray(shown[spare[1] : spare[1] + room[1], spare[0] : spare[0] + room[0]]))
    return person._replace(tiles=tiles, face=person.face * scale)


def background(size: Size) -> np.ndarray:
    """Return a room without anybody in it, uint8 (h, w, 3) RGB; always the same.

    Walls, furniture and round things about as large as heads: P-Net takes as many of them for faces at first sight as it
    does in a room of the real clips (about twenty of them go on to R-Net), as an empty wall would be too easy.
    """
    random = np.random.RandomState(7)
    width, height = size
    across, down = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    picture = np.stack([150 + 40 * across, 145 + 30 * down, 140 - 30 * across], axis=2)
    for _ in range(24):
        x, y = random.randint(0, width), random.randint(0, height)
        w, h = random.randint(width // 40, width // 5), random.randint(height // 40, height // 3)
        picture[y : y + h, x : x + w] = random.randint(40, 210, 3)
    for _ in range(11):
        at = int(random.randint(0, width)), int(random.randint(0, height))
        tall = random.randint(height // 14, height // 7)
        for part, shade in ((1.0, random.randint(60, 120)), (0.8, random.randint(130, 220))):
            axes = int(0.75 * part * tall), int(part * tall)
            cv2.ellipse(picture, at, axes, 0, 0, 360, (int(shade), int(0.9 * shade), int(0.8 * shade)), -1)
        for side in (-0.3, 0.3):
            knob = int(at[0] + side * tall), int(at[1] + 0.3 * tall)
            cv2.circle(picture, knob, max(int(0.08 * tall), 1), (60, 55, 50), -1)
    picture = cv2.GaussianBlur(picture, (0, 0), width / 640.0)
    return np.clip(picture + random.normal(0, 3, picture.shape), 0, 255).astype(np.uint8)


def found(scene: BenchScene, detector: Detector, frames: int = 60, every: int = 6) -> Tuple[int, int, int]:
    """Return how many faces the cascade finds in a scene's frames: at least, in the median, at most."""
    counts = [detector.detect(scene.frame(number)).count for number in range(0, frames, every)]
    return min(counts), int(np.median(counts)), max(counts)


def _union(path: Dict[int, np.ndarray]) -> np.ndarray:
    boxes = np.array(list(path.values()))
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def _window(mine: np.ndarray, others: Sequence[np.ndarray], shape: Tuple[int, ...]) -> Tuple[int, int, int, int]:
    """Return what to cut out, x1 y1 x2 y2: a face's reach and half as much around it, without another face's.

    Nothing where another one's reach is in the same columns.
    """
    margin = 0.5 * float((mine[2:] - mine[:2]).max())
    x1, x2 = mine[0] - margin, mine[2] + margin
    for other in others:
        if other[0] >= mine[2]:
            x2 = min(x2, other[0])
        elif other[2] <= mine[0]:
            x1 = max(x1, other[2])
        elif other[1] < mine[3] + margin and other[3] > mine[1] - margin:
            return 0, 0, 0, 0
    low = [max(int(x1), 0), max(int(mine[1] - margin), 0)]
    high = [min(int(x2), shape[1]), min(int(mine[3] + margin), shape[0])]
    return low[0], low[1], high[0], high[1]
