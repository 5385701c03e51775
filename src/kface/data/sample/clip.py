"""A demonstration clip: people of the sample turn their heads, walk in and leave."""

import math
import os
from pathlib import Path
from typing import Dict, List, NamedTuple, Tuple, Union

import cv2
import numpy as np

from kface.data.layout import CAMERAS
from kface.data.sample.identity import Identity, generator, subject_names
from kface.data.sample.scene import Scene, develop
from kface.errors import DatasetError
from kface.images import reverse_channels

PathLike = Union[str, "os.PathLike[str]"]

SIZE = (640, 360)
FPS = 25
SECONDS = 16
#: Increase when the drawing changes, so that existing clips are replaced.
VERSION = 1


class Walk(NamedTuple):
    """How a person moves through the clip.

    Attributes:
        subject: Number of the person in the sample.
        begins: When the person enters, as a fraction of the clip.
        ends: When the person has left.
        across: Where the person stands, as a fraction of the width.
        height: Height of the bust, as a fraction of the picture's.
        turns: How often the head turns there and back.
    """

    subject: int
    begins: float
    ends: float
    across: float
    height: float
    turns: float


WALKS = (
    Walk(0, -1.0, 2.0, 0.27, 0.86, 2.0),
    Walk(1, 0.15, 2.0, 0.74, 0.92, 3.0),
    Walk(4, 0.40, 0.85, 0.51, 0.72, 1.5),
)
#: Fraction of the clip that entering or leaving takes.
WALKING = 0.10


def frames(size: Tuple[int, int] = SIZE, seconds: float = SECONDS, seed: int = 0) -> "List[np.ndarray]":
    """Draw the clip.

    Args:
        size: Width and height in pixels.
        seconds: Its length; a shorter clip shows the same movements faster.
        seed: Of the sample.

    Returns:
        uint8 (h, w, 3), RGB each, at :data:`FPS`.
    """
    count = max(int(round(seconds * FPS)), 1)
    room = _room(size)
    busts = [_busts(walk, size, seed) for walk in WALKS]
    random = generator(seed, "clip")
    made = []
    for number in range(count):
        moment = number / float(count)
        picture = room.copy()
        for walk, views in zip(WALKS, busts):
            _place(picture, walk, views, moment, number / float(FPS))
        grain = random.normal(0, 1.5, picture.shape).astype(np.float32)
        made.append(np.clip(picture + grain, 0, 255).astype(np.uint8))
    return made


def clip_path(directory: PathLike, seed: int = 0) -> Path:
    """Return where :func:`write_clip` writes the clip."""
    return Path(os.fspath(directory)) / "clip-{}-{}.mp4".format(VERSION, seed)


def write_clip(directory: PathLike, seed: int = 0) -> Path:
    """Write the clip as MPEG-4, unless it is there, and return its path.

    Raises:
        DatasetError: It cannot be written.
    """
    target = clip_path(directory, seed)
    if target.is_file():
        return target
    part = target.with_name("part-{}-{}".format(os.getpid(), target.name))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        writer = cv2.VideoWriter(str(part), cv2.VideoWriter.fourcc(*"mp4v"), FPS, SIZE)
        try:
            for picture in frames(seed=seed):
                writer.write(reverse_channels(picture))
        finally:
            writer.release()
        if not part.is_file() or not part.stat().st_size:
            raise DatasetError("cannot be written", target, "make room, or give another directory")
        os.replace(str(part), str(target))
    except OSError as error:
        raise DatasetError("cannot be written ({})".format(error.strerror), target, "give another directory")
    finally:
        if part.is_file():
            part.unlink()
    return target


def _room(size: Tuple[int, int]) -> np.ndarray:
    """Return an empty room, float32 (h, w, 3): a wall, a floor line, a door."""
    width, height = size
    across = np.linspace(-1, 1, width, dtype=np.float32)[None, :, None]
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    picture = np.array([188, 184, 176], np.float32) * (1 - 0.16 * across**2 - 0.10 * down)
    x1, x2, y1 = int(0.42 * width), int(0.60 * width), int(0.12 * height)
    picture[y1:, x1:x2] *= np.array([0.80, 0.76, 0.70], np.float32)
    picture[y1 + height // 30 :, x1 + width // 60 : x2 - width // 60] *= 0.93
    return picture


def _busts(walk: Walk, size: Tuple[int, int], seed: int) -> Dict[int, Tuple[np.ndarray, np.ndarray]]:
    """Return a person's picture, float32 (h, w, 3), and what it covers, float32 (h, w, 1), for each yaw in degrees."""
    person = Identity(subject_names(walk.subject + 1)[walk.subject], seed)
    scene = Scene(person, 1, 1)
    height = int(walk.height * size[1])
    made = {}
    for number, camera in CAMERAS.items():
        if camera.pitch != 0 or abs(camera.yaw) > 45:
            continue
        view = scene.view(number)
        picture = develop(view, 1, generator(seed, "clip", walk.subject, number), "High")
        scale = height / float(picture.shape[0])
        target = int(picture.shape[1] * scale), height
        cover = cv2.resize(view.cover.astype(np.float32), target, interpolation=cv2.INTER_AREA)
        picture = cv2.resize(picture, target, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
        made[camera.yaw] = picture.astype(np.float32), cover[..., None]
    return made


def _place(
    picture: np.ndarray,
    walk: Walk,
    views: Dict[int, Tuple[np.ndarray, np.ndarray]],
    moment: float,
    seconds: float,
) -> None:
    """Draw the visible part of a person into the picture at a moment."""
    if not walk.begins <= moment <= walk.ends:
        return
    width, height = picture.shape[1], picture.shape[0]
    # From the nearer side in, and out again.
    side = -0.35 if walk.across < 0.5 else 1.35
    outside = max(1 - (moment - walk.begins) / WALKING, 1 - (walk.ends - moment) / WALKING, 0.0)
    outside = outside * outside * (3 - 2 * outside)
    across = walk.across + (side - walk.across) * outside + 0.012 * math.sin(1.3 * seconds + walk.subject)
    wanted = 34 * math.sin(2 * math.pi * walk.turns * moment + walk.subject)
    bust, cover = _turned(views, wanted)
    left = int(round(across * width - bust.shape[1] / 2.0))
    top = int(round(height - bust.shape[0] + 0.012 * height * (1 + math.sin(2.1 * seconds + walk.subject))))
    x1, x2, y1, y2 = max(left, 0), min(left + bust.shape[1], width), max(top, 0), height
    if x1 >= x2:
        return
    part = np.s_[y1 - top : y2 - top, x1 - left : x2 - left]
    picture[y1:y2, x1:x2] = picture[y1:y2, x1:x2] * (1 - cover[part]) + bust[part] * cover[part]


def _turned(views: Dict[int, Tuple[np.ndarray, np.ndarray]], yaw: float) -> Tuple[np.ndarray, np.ndarray]:
    """Return the view of the camera that is nearest to a yaw in degrees."""
    return views[min(views, key=lambda angle: abs(angle - yaw))]
