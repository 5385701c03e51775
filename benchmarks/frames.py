"""The frames of the benchmarks: the synthetic sample, and real faces if available."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from deploy.bench.scenes import background
from kface.data.layout import Capture
from kface.data.sample import render, subject_names
from kface.images import read_image

SIZES = ((640, 360), (1280, 720))
#: Tiles of a crowd, across and down.
CROWD = (12, 7)


class BenchFrame(NamedTuple):
    """A frame of a benchmark: its source, its approximate number of faces, and the image, uint8 (h, w, 3), RGB."""

    source: str
    faces: str
    image: np.ndarray


def shared_data() -> Path:
    """Return the folder of real faces, whether or not it exists."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    return Path(os.environ.get("KFACE_SHARED", beside)) / "data"


def frames() -> Iterator[BenchFrame]:
    """Yield one, six and many faces at each size, from the real clips (if available) and from the synthetic sample."""
    for source, pictures in (("real clips", _real()), ("synthetic sample", _synthetic())):
        if pictures is None:
            print(f"real faces are not here ({shared_data()}; set KFACE_SHARED): measuring only the synthetic sample")
            continue
        for size in SIZES:
            for faces, image in pictures.items():
                yield BenchFrame(source, faces, cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def _real() -> dict[str, np.ndarray] | None:
    folder = shared_data()
    walking, turning = (
        _clip(folder / "video" / name)
        for name in ("face-demographics-walking-and-pause.gif", "head-pose-face-detection-female-and-male.gif")
    )
    people = sorted((folder / "lfw").rglob("*.jpg"))[:: max(1, 7701 // (CROWD[0] * CROWD[1]))]
    if not walking or not turning or len(people) < CROWD[0] * CROWD[1]:
        return None
    man = turning[0][:152, 210:480]
    six = _grid([walking[0], turning[0], man, np.full_like(man, 150)], 2, (640, 360))
    faces = [read_image(path) for path in people]
    thirty = _grid([*faces[:29], np.full_like(faces[0], 150)], 6, (213, 144))
    return {"0": background(SIZES[1]), "1": man, "6": six, "29": thirty, "many": _grid(faces, CROWD[0], (107, 103))}


def _synthetic() -> dict[str, np.ndarray]:
    names = subject_names(6)
    pictures = [
        render(Capture(name, accessory, light, 1, camera))[0][:486]
        for name, accessory, light, camera in zip(
            names, (1, 2, 1, 3, 1, 5), (1, 2, 8, 1, 25, 1), (7, 8, 6, 7, 9, 6), strict=True
        )
    ]
    blank = np.full_like(pictures[0], 110)
    crops = [picture[:, 200:664] for picture in pictures]
    many = [crops[index % len(crops)] for index in range(CROWD[0] * CROWD[1])]
    return {
        "1": pictures[0],
        "6": _grid([*pictures, blank, blank, blank], 3, (640, 360)),
        "many": _grid(many, CROWD[0], (107, 103)),
    }


def _clip(path: Path) -> list[np.ndarray]:
    """Return a clip's frames, RGB; an unreadable clip has none."""
    found = []
    capture = cv2.VideoCapture(str(path)) if path.is_file() else None
    while capture is not None:
        read, bgr = capture.read()
        if not read:
            capture.release()
            break
        found.append(np.ascontiguousarray(bgr[:, :, ::-1]))
    return found


def _grid(pictures: list[np.ndarray], columns: int, size: tuple[int, int]) -> np.ndarray:
    tiles = [cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in pictures]
    rows = len(tiles) // columns
    return np.concatenate([np.concatenate(tiles[row * columns : (row + 1) * columns], axis=1) for row in range(rows)])
