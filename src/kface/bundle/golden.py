"""Golden vectors: a few faces of a bundle with their embeddings, for any consumer to check itself against.

Two files that any language reads: ``golden/faces.png`` holds n aligned crops, one below the other (RGB, lossless);
``golden/embeddings.json`` holds the embedding of each, of length 1, as the network in the bundle's canonical file computes
it in full precision, and the least cosine with it that each precision must reach. Whoever feeds the crops to an embedder of
the bundle as the manifest says, and finds a lower cosine, runs it wrongly.
"""

import struct
from pathlib import Path
from typing import Dict, NamedTuple, Optional, Tuple

import numpy as np

from kface import alignment, images
from kface.bundle.directory import Bundle
from kface.bundle.manifest import CANONICAL, GOLDEN, PRECISIONS, REMEDY, TOLERANCE, BundleFile, PathLike, describe
from kface.errors import ImageError, ModelError
from kface.fields import Fields, decode
from kface.files import sha256_bytes, sha256_file, write_atomic, write_json

SCHEMA = 1
FACES = "golden/faces.png"
EMBEDDINGS = "golden/embeddings.json"
#: Most faces that a bundle carries, and most bytes of either file: both are read when an embedder is opened.
MOST = 64
LARGEST = 16 << 20
#: How every PNG begins, up to its width and height.
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"


class Golden(NamedTuple):
    """A bundle's golden vectors.

    Attributes:
        faces: uint8 (n, 112, 112, 3), RGB, aligned crops.
        embeddings: float32 (n, d), of length 1.
        tolerance: The least cosine by precision, a key of :data:`TOLERANCE`.
    """

    faces: np.ndarray
    embeddings: np.ndarray
    tolerance: Dict[str, float]


def write(
    folder: PathLike, faces: np.ndarray, embeddings: np.ndarray, tolerance: Optional[Dict[str, float]] = None
) -> Tuple[BundleFile, ...]:
    """Write golden vectors into a bundle's directory, in which the canonical embedder lies already.

    Args:
        folder: The bundle's.
        faces: uint8 (n, 112, 112, 3), RGB, aligned crops of different people, in colour.
        embeddings: (n, d), of the canonical network; they are normalised here.
        tolerance: The least cosine by precision; :data:`TOLERANCE` for those that are not given.

    Returns:
        The entries for the manifest.

    Raises:
        ModelError: The arrays do not fit each other, an embedding has no direction, or the files cannot be written.
    """
    root = Path(folder)
    size = alignment.SIZE
    faces = np.asarray(faces)
    vectors = np.asarray(embeddings, np.float64)
    if faces.dtype != np.uint8 or faces.shape[1:] != (size, size, 3) or not 1 <= len(faces) <= MOST:
        raise ModelError(
            "golden faces must be uint8 (1 to {}, {}, {}, 3), not {} {}".format(
                MOST, size, size, faces.dtype, faces.shape
            ),
            root,
        )
    if vectors.ndim != 2 or len(vectors) != len(faces):
        raise ModelError("{} golden faces have embeddings of shape {}".format(len(faces), vectors.shape), root)
    lengths = np.sqrt((vectors * vectors).sum(axis=1))
    if not np.isfinite(lengths).all() or not lengths.all():
        raise ModelError("a golden face has an embedding without a direction", root)
    unit = (vectors / lengths[:, None]).astype(np.float32)
    try:
        document = {
            "schema": SCHEMA,
            "embedder_sha256": sha256_file(root / CANONICAL),
            "faces": len(faces),
            "size": size,
            # For a reader to know that it decoded the picture as it was meant: RGB, row by row, crop after crop.
            "pixels_sha256": sha256_bytes(np.ascontiguousarray(faces).tobytes()),
            # Nine digits tell any two float32 apart.
            "embeddings": [[float("{:.9g}".format(x)) for x in row] for row in unit],
            "tolerance": dict(TOLERANCE, **(tolerance or {})),
        }
        (root / FACES).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(root / FACES, images.encode_png(faces.reshape(-1, size, 3)))
        write_json(root / EMBEDDINGS, document)
    except OSError as error:
        raise ModelError("golden vectors cannot be written ({})".format(error.strerror or error), root)
    return describe(root, FACES, GOLDEN), describe(root, EMBEDDINGS, GOLDEN)


def read(bundle: Bundle) -> Optional[Golden]:
    """Return a bundle's golden vectors; None where it has none, as those exported by older versions.

    Raises:
        ModelError: One of the two files is not listed, was changed, or is not what :func:`write` writes.
    """
    if not any(file.role == GOLDEN for file in bundle.manifest.files):
        return None
    place = bundle.path(EMBEDDINGS)
    try:
        document = decode(_bytes(bundle, EMBEDDINGS))
    except ValueError as error:
        raise ModelError("is damaged: not JSON ({})".format(error), place, REMEDY)
    fields = Fields(document, place, remedy=REMEDY)
    if fields.whole("schema") != SCHEMA:
        raise ModelError(
            "has schema version {}, this program reads {}".format(fields.whole("schema"), SCHEMA),
            place,
            "export the bundle again with this version: kface export",
        )
    if fields.text("embedder_sha256") != bundle.manifest.file(CANONICAL).sha256:
        raise fields.error("embedder_sha256", "the SHA-256 of {}".format(CANONICAL))
    count = fields.whole("faces", 1)
    if count > MOST:
        raise fields.error("faces", "at most {}".format(MOST))
    if fields.whole("size") != alignment.SIZE:
        raise fields.error("size", str(alignment.SIZE))
    faces = _faces(bundle, count)
    if fields.text("pixels_sha256") != sha256_bytes(faces.tobytes()):
        raise ModelError("does not hold the pixels that were written", bundle.path(FACES), REMEDY)
    rows = fields.value("embeddings")
    if not isinstance(rows, list) or len(rows) != count:
        raise fields.error("embeddings", "{} embeddings".format(count))
    numbered = Fields({str(number): row for number, row in enumerate(rows)}, place, "embeddings", REMEDY)
    vectors = [numbered.numbers(str(number), bundle.manifest.embedding) for number in range(count)]
    embeddings = np.array(vectors, np.float64)
    if not np.allclose((embeddings * embeddings).sum(axis=1), 1, atol=1e-4):
        raise fields.error("embeddings", "vectors of length 1")
    part = fields.object("tolerance")
    tolerance = {precision: part.number(precision, -1, 1) for precision in PRECISIONS}
    part.close()
    fields.close()
    return Golden(faces, embeddings.astype(np.float32), tolerance)


def _bytes(bundle: Bundle, name: str) -> bytes:
    entry = bundle.manifest.file(name)
    place = bundle.path(name)
    if entry.bytes > LARGEST:
        raise ModelError("has {} bytes, more than {}".format(entry.bytes, LARGEST), place, REMEDY)
    try:
        with open(str(place), "rb") as stream:
            data = stream.read(LARGEST + 1)
    except OSError as error:
        raise ModelError("cannot be read ({})".format(error.strerror or error), place, REMEDY)
    # A bundle may have been opened without its hashes being compared.
    if sha256_bytes(data) != entry.sha256:
        raise ModelError("was changed: its SHA-256 is not the manifest's", place, REMEDY)
    return data


def _faces(bundle: Bundle, count: int) -> np.ndarray:
    place = bundle.path(FACES)
    data = _bytes(bundle, FACES)
    side = alignment.SIZE
    wanted = (side, side * count)
    # The header first: a few bytes of PNG can hold gigabytes of pixels.
    if not data.startswith(PNG) or data[16:24] != struct.pack(">II", *wanted):
        raise ModelError("is not a PNG of {}x{} pixels".format(*wanted), place, REMEDY)
    try:
        picture = images.decode_image(data, place)
    except ImageError as error:
        raise ModelError(error.what, place, REMEDY)
    if picture.shape != (side * count, side, 3):
        raise ModelError("is not a PNG of {}x{} pixels".format(*wanted), place, REMEDY)
    return np.ascontiguousarray(picture.reshape(count, side, side, 3))
