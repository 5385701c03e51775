"""Detects and aligns the faces in photographs, once, and caches them."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from kface.alignment import SIZE, align
from kface.data.subject import find_subjects
from kface.errors import ImageError, KFaceError
from kface.faces import Faces
from kface.files import sha256_bytes, write_atomic
from kface.images import in_batches, read_image
from kface.mtcnn import Detector, settings
from kface.progress import Progress

#: Smallest faces in pixels, the first to try first.
MIN_FACES = (settings.MIN_FACE_OF_STREAMS, settings.MIN_FACE)
#: Black border, as a fraction of the side, around an image in which no face was found: tight crops cut off the head.
BORDER = 0.25
#: Minimum width of a face that only a brightened copy shows, as a fraction of the photograph's shorter side.
PART = 1 / 3
BATCH = 32
SCHEMA = 1


def acquire(
    files: Sequence[Path], cache: Path, title: str, progress: bool = True, brighten: Sequence[str] = settings.BRIGHTEN
) -> tuple[np.ndarray, np.ndarray]:
    """Return the aligned face of each photograph.

    The face is the one nearest to the middle of the image: benchmarks centre their subject. An image in which no face is
    found fails; its middle is returned instead.

    Args:
        files: The photographs.
        cache: Directory for the result, whose key depends on the files' names, sizes and times and on the detection.
        title: Their name in the progress bar.
        progress: Whether to show one.
        brighten: Ways to brighten images without a face, see :mod:`kface.mtcnn.brighten`.

    Returns:
        uint8 (n, 112, 112, 3), RGB; bool (n,), whether each failed.

    Raises:
        ImageError: A file cannot be read as an image.
        KFaceError: The cache cannot be written.
    """
    ways = settings.brighten(brighten)
    listing = [f"{SCHEMA} {MIN_FACES} {BORDER} {ways} {PART:.3f}"]
    for file in files:
        try:
            status = file.stat()
        except OSError as error:
            raise ImageError(f"cannot be read ({error.strerror})", file)
        listing.append(f"{file.parent.name}/{file.name} {status.st_size} {status.st_mtime_ns}")
    key = sha256_bytes("\n".join(listing).encode("utf-8", "surrogateescape"))[:16]
    path = cache / f"{title.lower()}-{key}.npz"
    kept = _load(path, len(files))
    if kept is not None:
        return kept
    faces = np.empty((len(files), SIZE, SIZE, 3), np.uint8)
    failed = np.zeros(len(files), bool)
    with (
        Detector(min_face=MIN_FACES[0], threads=2) as detector,
        ThreadPoolExecutor(2) as pool,
        Progress(len(files), f"{title}: faces", "images", enabled=progress) as bar,
    ):
        detectors = [detector, *(detector.with_min_face(size) for size in MIN_FACES[1:])]
        start = 0
        # Two at a time, to bound the memory for huge images.
        reading = (
            image for place in range(0, len(files), 2) for image in pool.map(read_image, files[place : place + 2])
        )
        for images in in_batches(reading, BATCH, lambda image: image.shape[0] * image.shape[1]):
            for number, crop in enumerate(_faces(images, detectors, ways), start):
                failed[number] = crop is None
                faces[number] = _middle(images[number - start]) if crop is None else crop
            start += len(images)
            bar.update(len(images))
    _store(path, faces, failed)
    return faces, failed


def _faces(images: list[np.ndarray], detectors: list[Detector], ways: Sequence[str]) -> list[np.ndarray | None]:
    """Find and align the central face of each image; None for an image without a face."""
    found = find_subjects(images, detectors, ways, central, PART, (0.0, BORDER))
    return [None if face is None else align(face.picture, face.landmarks[None])[0] for face in found]


def central(faces: Faces, shape: Sequence[int]) -> int | None:
    """Return the face whose box is nearest to the middle of the image, or None."""
    if not faces.count:
        return None
    middle = np.array([shape[1], shape[0]]) / 2
    centres = (faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2
    return int(np.argmin(np.linalg.norm(centres - middle, axis=1)))


def _middle(image: np.ndarray) -> np.ndarray:
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    return cv2.resize(image[top : top + side, left : left + side], (SIZE, SIZE), interpolation=cv2.INTER_AREA)


def _load(path: Path, count: int) -> tuple[np.ndarray, np.ndarray] | None:
    try:
        with np.load(path, allow_pickle=False) as kept:
            faces, failed = kept["faces"], kept["failed"]
    except (OSError, ValueError, KeyError, EOFError):
        return None
    complete = faces.shape == (count, SIZE, SIZE, 3) and failed.shape == (count,)
    return (faces, failed) if complete else None


def _store(path: Path, faces: np.ndarray, failed: np.ndarray) -> None:
    import io

    buffer = io.BytesIO()
    np.savez(buffer, faces=faces, failed=failed)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, buffer.getvalue())
    except OSError as error:
        raise KFaceError(f"cannot be written ({error.strerror or error})", path, "free some space or set data_dir=DIR")
