"""Writes golden vectors into a bundle's directory; :mod:`kface.bundle.golden` reads them."""

from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from kface import alignment, images
from kface.bundle.directory import DETECTOR_MANIFEST
from kface.bundle.golden import (
    CROP_TOLERANCE,
    CROPS,
    DETECTOR_TOLERANCE,
    LONGEST_SIDE,
    MOST,
    MOST_PICTURES,
    PICTURE,
    SCHEMA,
    VECTORS,
    DetectorSettings,
    pixels_sha256,
)
from kface.bundle.manifest import CANONICAL, GOLDEN, TOLERANCE, BundleFile, PathLike, describe
from kface.errors import ModelError
from kface.faces import Faces
from kface.files import sha256_file, write_atomic, write_json


def write(
    folder: PathLike,
    crops: np.ndarray,
    embeddings: np.ndarray,
    tolerance: Optional[Dict[str, float]] = None,
    pictures: Sequence[Tuple[np.ndarray, Faces]] = (),
    detector: Optional[DetectorSettings] = None,
) -> Tuple[BundleFile, ...]:
    """Write golden vectors into a bundle's directory, which must already hold the canonical embedder.

    Args:
        folder: The bundle's.
        crops: uint8 (n, 112, 112, 3), RGB, aligned. First those of the pictures' faces, in order; then any others.
        embeddings: (n, d), of the canonical network; they are normalised here.
        tolerance: The least cosine by precision; the default for those that are not given.
        pictures: uint8 (h, w, 3), RGB, each with its faces. The directory must then hold the detector.
        detector: The settings with which the faces were found; required with pictures.

    Returns:
        The entries for the manifest.

    Raises:
        ModelError: The arrays do not fit each other, a crop is not that of its face, an embedding has no direction, or the
            files cannot be written.
    """
    root = Path(folder)
    crops = np.asarray(crops)
    unit = _unit(crops, np.asarray(embeddings, np.float64), root)
    _check_pictures(crops, pictures, detector, root)
    size = alignment.SIZE
    names = [PICTURE.format(number) for number in range(1, len(pictures) + 1)]
    try:
        document = {
            "schema": SCHEMA,
            "embedder_sha256": sha256_file(root / CANONICAL),
            # For a reader to know that it decoded the picture as intended: RGB, row by row, crop after crop.
            "crops": {"file": CROPS, "count": len(crops), "size": size, "pixels_sha256": pixels_sha256(crops)},
            "embeddings": _numbers(unit),
            "detector": None,
            "pictures": _pictures_document(names, pictures),
            "tolerance": {
                "cosine": dict(TOLERANCE, **(tolerance or {})),
                "crops": CROP_TOLERANCE,
                **{key: dict(values) for key, values in DETECTOR_TOLERANCE._asdict().items()},
            },
        }  # type: Dict[str, Any]
        if detector is not None:
            known = {"manifest_sha256": sha256_file(root / DETECTOR_MANIFEST)}
            document["detector"] = dict(known, **detector._asdict())
        (root / VECTORS).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(root / CROPS, images.encode_png(crops.reshape(-1, size, 3)))
        for name, (rgb, _) in zip(names, pictures):
            write_atomic(root / name, images.encode_png(rgb))
        write_json(root / VECTORS, document)
    except OSError as error:
        raise ModelError("golden vectors cannot be written ({})".format(error.strerror or error), root)
    return tuple(describe(root, name, GOLDEN) for name in [VECTORS, CROPS] + names)


def _unit(crops: np.ndarray, vectors: np.ndarray, root: Path) -> np.ndarray:
    """Return float32 embeddings of length 1; raises ModelError where crops or embeddings are of another form."""
    size = alignment.SIZE
    if crops.dtype != np.uint8 or crops.shape[1:] != (size, size, 3) or not 1 <= len(crops) <= MOST:
        raise ModelError(
            "golden crops must be uint8 (1 to {}, {}, {}, 3), not {} {}".format(
                MOST, size, size, crops.dtype, crops.shape
            ),
            root,
        )
    if vectors.ndim != 2 or len(vectors) != len(crops):
        raise ModelError("{} golden crops have embeddings of shape {}".format(len(crops), vectors.shape), root)
    lengths = np.sqrt((vectors * vectors).sum(axis=1))
    if not np.isfinite(lengths).all() or not lengths.all():
        raise ModelError("a golden crop has an embedding without a direction", root)
    return (vectors / lengths[:, None]).astype(np.float32)


def _check_pictures(
    crops: np.ndarray,
    pictures: Sequence[Tuple[np.ndarray, Faces]],
    detector: Optional[DetectorSettings],
    root: Path,
) -> None:
    if bool(pictures) != (detector is not None):
        raise ModelError("golden pictures and the detector's settings must be given together", root)
    if len(pictures) > MOST_PICTURES:
        raise ModelError("{} golden pictures, more than {}".format(len(pictures), MOST_PICTURES), root)
    first = 0
    for rgb, faces in pictures:
        if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or not 1 <= max(rgb.shape[:2]) <= LONGEST_SIDE:
            raise ModelError(
                "a golden picture must be uint8 (h, w, 3) of at most {} pixels a side, not {} {}".format(
                    LONGEST_SIDE, rgb.dtype, rgb.shape
                ),
                root,
            )
        own = crops[first : first + faces.count]
        if len(own) != faces.count or not np.array_equal(own, alignment.align(rgb, faces.landmarks)):
            raise ModelError("the golden crops are not those of the pictures' faces", root)
        first += faces.count


def _pictures_document(names: Sequence[str], pictures: Sequence[Tuple[np.ndarray, Faces]]) -> List[Dict[str, Any]]:
    document: List[Dict[str, Any]] = []
    first = 0
    for name, (rgb, faces) in zip(names, pictures):
        values = zip(_numbers(faces.scores), _numbers(faces.boxes), _numbers(faces.landmarks))
        document.append(
            {
                "file": name,
                "width": rgb.shape[1],
                "height": rgb.shape[0],
                "pixels_sha256": pixels_sha256(rgb),
                "faces": [
                    {"crop": first + number, "score": score, "box": box, "landmarks": landmarks}
                    for number, (score, box, landmarks) in enumerate(values)
                ],
            }
        )
        first += faces.count
    return document


def _numbers(values: np.ndarray) -> Any:
    """Return an array as nested lists; nine digits tell any two float32 apart."""
    if values.ndim:
        return [_numbers(part) for part in values]
    return float("{:.9g}".format(float(values)))
