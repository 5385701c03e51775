"""Dark and side-lit faces: what searching brightened copies finds on Extended Yale B, correctly and wrongly.

    .venv/bin/python -m benchmarks.light YALE_B [--bundle DIR] [--without-faces DIR] [--brighten clahe log_clahe]

``YALE_B`` is the cropped Extended Yale B (Georghiades et al., 2001), folders of images named after their light, such
as ``yaleB01/yaleB01_P00A+035E+15.pgm``. The crops are tight, so each gets a black border of 55 pixels. A bundle
(``make export embedder=pretrained``) adds equal error rates: each image is compared with the images of all people that are lit
from the front, and a face that is not found counts as a non-match. ``--without-faces`` names a folder of
photographs without faces.
"""

import argparse
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from kface.errors import ConfigError, KFaceError
from kface.faces import Faces
from kface.images import read_image
from kface.mtcnn import Detector, settings
from kface.mtcnn.again import find_again
from kface.recognizer import FaceRecognizer
from kface.verification.curves import eer
from kface.verification.scores import score_pairs

#: Ranges of the angle between the light and the camera's axis, in degrees.
BINS = ((0, 12), (12, 25), (25, 50), (50, 77), (77, 180))
#: Black border around the crops, in pixels.
BORDER = 55
#: Landmarks at a larger distance from their place, as a fraction of the distance between the eyes, are wrong.
ASTRAY = 0.25
SUFFIXES = (".pgm", ".png", ".jpg", ".jpeg", ".bmp")
BATCH = 16


class Lit(NamedTuple):
    """An image: its file, its person, and the angle between the light and the camera's axis in degrees."""

    file: Path
    person: str
    angle: float


class Detections(NamedTuple):
    """The detections in some images, at most one face each.

    Attributes:
        faces: The largest face of each image, or none.
        seconds: Duration.
    """

    faces: list[Faces]
    seconds: float

    @property
    def there(self) -> np.ndarray:
        """Bool (n,), whether each image has a face."""
        return np.array([faces.count > 0 for faces in self.faces], bool)


def angle_of(name: str) -> float | None:
    """Return the angle of the light in an image's name, such as A+035E+15: azimuth and elevation; None without one."""
    match = re.search(r"A([+-]\d+)E([+-]\d+)", name)
    if match is None:
        return None
    azimuth, elevation = np.radians([float(number) for number in match.groups()])
    return float(np.degrees(np.arccos(np.cos(azimuth) * np.cos(elevation))))


def images_of(folder: Path) -> list[Lit]:
    """List the data base; raises ConfigError where the folder does not exist or has no image with such a name."""
    if not folder.is_dir():
        raise ConfigError("is not a directory", folder, "give the folder of the cropped Extended Yale B")
    found = []
    for file in sorted(folder.rglob("*")):
        angle = angle_of(file.name)
        if angle is not None and file.suffix.lower() in SUFFIXES:
            found.append(Lit(file, file.name.split("_")[0], angle))
    if not found:
        raise ConfigError("contains no image with its light in the name, such as yaleB01_P00A+035E+15.pgm", folder)
    return found


def detect(detector: Detector, images: Sequence[np.ndarray], ways: Sequence[str]) -> tuple[Detections, Detections]:
    """Return the detections without and with brightened copies; the time of the latter is that of the copies alone."""
    before: list[Faces] = []
    after: list[Faces] = []
    spent = [0.0, 0.0]
    for start in range(0, len(images), BATCH):
        some = images[start : start + BATCH]
        began = time.perf_counter()
        found = detector.detect_many(some)
        between = time.perf_counter()
        again = find_again(detector.detect_many, some, found, ways)
        spent[0] += between - began
        spent[1] += time.perf_counter() - between
        before += [largest(faces) for faces in found]
        after += [largest(faces) for faces in again]
    return Detections(before, spent[0]), Detections(after, spent[1])


def largest(faces: Faces) -> Faces:
    """Return the largest face alone, or none."""
    which = faces.largest()
    return faces.take(np.array([] if which is None else [which], np.int64))


def astray(found: Sequence[Faces], people: Sequence[str]) -> np.ndarray:
    """Return, as bool (n,), which faces are in a wrong place.

    The crops were aligned by hand: all images of a person have the face in the same place, the median of the detections.

    Args:
        found: The face of each image, or none.
        people: The person in each image.
    """
    wrong = np.zeros((len(found),), bool)
    for name in sorted(set(people)):
        mine = [number for number, person in enumerate(people) if person == name and found[number].count]
        if not mine:
            continue
        points = np.stack([found[number].landmarks[0] for number in mine])
        truth = np.median(points, axis=0)
        away = np.linalg.norm(points - truth, axis=2).mean(axis=1)
        wrong[mine] = away > ASTRAY * np.linalg.norm(truth[1] - truth[0])
    return wrong


def embeddings_of(
    recognizer: FaceRecognizer, images: Sequence[np.ndarray], found: Detections
) -> tuple[np.ndarray, np.ndarray]:
    """Return the embeddings, float32 (n, d), and bool (n,), which images have none."""
    vectors = np.zeros((len(images), recognizer.embedder.size), np.float32)
    failed = np.ones((len(images),), bool)
    for start in range(0, len(images), BATCH):
        numbers = [n for n in range(start, min(start + BATCH, len(images))) if found.faces[n].count]
        if numbers:
            made = recognizer.embed_faces([images[n] for n in numbers], [found.faces[n] for n in numbers])
            vectors[numbers], failed[numbers] = made.embeddings, made.failed
    return vectors, failed


def rate(listed: Sequence[Lit], vectors: np.ndarray, failed: np.ndarray, low: float, high: float) -> float | None:
    """Return the equal error rate of the images between two angles against those lit from the front; None without pairs.

    Args:
        listed: The images.
        vectors: float32 (n, d), their embeddings.
        failed: bool (n,), those without one: they match no one.
        low: Minimum angle in degrees.
        high: Upper limit of the angle in degrees, exclusive.
    """
    front = [number for number, image in enumerate(listed) if image.angle == 0]
    probes = [number for number, image in enumerate(listed) if image.angle > 0 and low <= image.angle < high]
    pairs = np.array([(probe, reference) for probe in probes for reference in front], np.int64).reshape(-1, 2)
    genuine = np.array([listed[a].person == listed[b].person for a, b in pairs], bool)
    if not genuine.any() or genuine.all():
        return None
    return eer(score_pairs(vectors, pairs, failed), genuine)[0]


def rows(
    listed: Sequence[Lit], found: tuple[Detections, Detections], embedded: Sequence[tuple[np.ndarray, np.ndarray]] = ()
) -> list[list[str]]:
    """Return the table's rows: by angle, and for all images."""
    people = [image.person for image in listed]
    angles = np.array([image.angle for image in listed])
    there = [some.there for some in found]
    wrong = [astray(some.faces, people) for some in found]
    made = []
    for low, high in (*BINS, (0, 180)):
        inside = (angles >= low) & (angles < high)
        total = int(inside.sum())
        if not total:
            continue
        row = ["all" if (low, high) == (0, 180) else f"over {low}" if high == 180 else f"{low}-{high}", str(total)]
        for number in (0, 1):
            count = int((there[number] & inside).sum())
            row += [f"{count} ({100 * count / total:.1f} %)", str(int((wrong[number] & inside).sum()))]
        for vectors, failed in embedded:
            figure = rate(listed, vectors, failed, low, high)
            row.append("-" if figure is None else f"{100 * figure:.1f} %")
        made.append(row)
    return made


def table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Return rows as text with right-aligned columns."""
    widths = [max(len(row[column]) for row in (head, *body)) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *body)
    )


def without_faces(detector: Detector, folder: Path, ways: Sequence[str]) -> str:
    """Return in how many photographs without faces one is found; raises ConfigError without photographs."""
    files = [file for file in sorted(folder.rglob("*")) if file.suffix.lower() in SUFFIXES]
    if not files:
        raise ConfigError("contains no photographs", folder)
    before = after = 0
    for file in files:
        one, other = detect(detector, [read_image(file)], ways)
        before, after = before + int(one.there[0]), after + int(other.there[0])
    return f"of {len(files)} photographs without faces {before} show one without copies, {after} with copies"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.light", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="the cropped Extended Yale B")
    parser.add_argument("--bundle", type=Path, help="verify with this bundle's embedder")
    parser.add_argument("--without-faces", type=Path, metavar="DIR", help="folder of photographs without faces")
    parser.add_argument(
        "--brighten",
        nargs="+",
        default=list(settings.BRIGHTEN),
        metavar="WAY",
        help="ways to brighten, in order (default: %(default)s)",
    )
    parser.add_argument("--min-face", type=float, default=settings.MIN_FACE_OF_STREAMS, metavar="PIXELS")
    arguments = parser.parse_args(argv)
    try:
        print(measured(arguments), flush=True)
    except KFaceError as error:
        print(f"light: {error}", file=sys.stderr)
        return 2
    return 0


def measured(arguments: argparse.Namespace) -> str:
    """Measure and return the report."""
    ways = settings.brighten(arguments.brighten)
    detector = Detector(min_face=arguments.min_face)
    listed = images_of(arguments.folder)
    images = [
        cv2.copyMakeBorder(read_image(image.file), BORDER, BORDER, BORDER, BORDER, cv2.BORDER_CONSTANT)
        for image in listed
    ]
    found = detect(detector, images, ways)
    embedded: list[tuple[np.ndarray, np.ndarray]] = []
    head = ["light, degrees", "images", "found", "astray", "with copies", "astray"]
    if arguments.bundle is not None:
        with FaceRecognizer.load(arguments.bundle) as recognizer:
            embedded = [embeddings_of(recognizer, images, some) for some in found]
        head += ["EER", "with copies"]
    looked = len(images) - int(found[0].there.sum())
    lines = [
        f"Extended Yale B, smallest face {arguments.min_face:g} px, copies: {', '.join(ways) or 'none'}",
        table(head, rows(listed, found, embedded)),
        f"{1000 * found[0].seconds / len(images):.1f} ms per image; copies {1000 * found[1].seconds / max(looked, 1):.1f} ms "
        f"for each of the {looked} without a face",
    ]
    if arguments.without_faces is not None:
        lines.append(without_faces(detector, arguments.without_faces, ways))
    detector.close()
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
