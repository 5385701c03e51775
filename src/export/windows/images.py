"""Images for the comparison, in a folder whose name every path has to survive."""

import shutil
from pathlib import Path

import cv2
import numpy as np

from kface.errors import ConfigError
from kface.images import IMAGE_SUFFIXES
from kface.progress import progressing

#: A name in Hangul, with a space and a sign beyond 16 bits.
FOLDER = "얼굴 인식 𝄞"
#: People of the synthetic sample, and camera, light and expression of each one's images.
PEOPLE = 5
VIEWS = ((7, 1, 1), (6, 1, 2), (8, 4, 1))
#: Most images that are compared.
MOST = 500


def prepare(folder: Path, given: Path | None) -> list[Path]:
    """Write images into a folder and return their paths: those of a folder, or people of the synthetic sample.

    Two more come with them: one without a face, and one that is no image.

    Raises:
        ConfigError: The folder that was given has no images.
    """
    target = folder / FOLDER
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    paths = _copied(given, target) if given else _rendered(target)
    empty = target / "아무도 없음.png"
    empty.write_bytes(cv2.imencode(".png", np.full((120, 160, 3), 90, np.uint8))[1].tobytes())
    damaged = target / "그림이 아님.jpg"
    damaged.write_bytes(b"\xff\xd8\xff\xe0" + bytes(50))
    return [*paths, empty, damaged]


def _copied(given: Path, target: Path) -> list[Path]:
    found = sorted(path for path in given.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())[:MOST]
    if not found:
        raise ConfigError("has no images", given, "name a folder of images")
    paths = [target / f"사진 {number}{path.suffix}" for number, path in enumerate(found)]
    for source, path in zip(found, paths, strict=True):
        shutil.copyfile(source, path)
    return paths


def _rendered(target: Path) -> list[Path]:
    from kface.data.layout import Capture
    from kface.data.sample import render, subject_names

    paths = []
    captures = [
        Capture(subject, 1, light, expression, camera)
        for subject in subject_names(PEOPLE, 0)
        for camera, light, expression in VIEWS
    ]
    for number, capture in enumerate(progressing(captures, "synthetic faces", "images")):
        image, _ = render(capture, 0)
        path = target / f"사람 {number}.png"
        path.write_bytes(cv2.imencode(".png", np.ascontiguousarray(image[..., ::-1]))[1].tobytes())
        paths.append(path)
    return paths
