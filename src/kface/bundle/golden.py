"""Golden vectors: pictures with the faces, crops and embeddings that kface makes of them, for any program to compare with.

``docs/golden.md`` describes the files for readers in other languages. ``golden/vectors.json`` holds the expected values and the
tolerances, ``golden/faces.png`` the aligned crops one below the other, ``golden/picture1.png`` and so on the complete pictures.
Bundles of schema 1 hold crops and embeddings alone, in ``golden/faces.png`` and ``golden/embeddings.json``.
"""

import struct
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from kface import alignment, images
from kface.bundle.directory import DETECTOR_MANIFEST, Bundle
from kface.bundle.manifest import CANONICAL, GOLDEN, PRECISIONS, REMEDY
from kface.errors import ImageError, ModelError
from kface.faces import Faces
from kface.fields import Fields, decode
from kface.files import sha256_bytes

SCHEMA = 2
VECTORS = "golden/vectors.json"
CROPS = "golden/faces.png"
PICTURE = "golden/picture{}.png"
#: The document of schema 1, which has no pictures.
EMBEDDINGS_ONLY = "golden/embeddings.json"
#: Most crops and most pictures that a bundle carries, and the longest side of a picture in pixels.
MOST = 64
MOST_PICTURES = 16
LONGEST_SIDE = 640
#: Most bytes of one file: they are read when an embedder is opened.
LARGEST = 16 << 20
#: How every PNG begins, up to its width and height.
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
#: Precisions in which a runtime computes the detector.
DETECTOR_PRECISIONS = ("fp32", "fp16")


class DetectorTolerance(NamedTuple):
    """Largest differences that are rounding, by the precision in which the detector is computed.

    Attributes:
        landmarks: In x or y, pixels.
        boxes: Of a corner in x or y, pixels.
        scores: Of a probability.
    """

    landmarks: Dict[str, float]
    boxes: Dict[str, float]
    scores: Dict[str, float]


#: In full precision runtimes agree to 1e-4 pixels. The values for fp16 are limits, not measurements.
DETECTOR_TOLERANCE = DetectorTolerance(
    {"fp32": 0.05, "fp16": 1.0}, {"fp32": 0.1, "fp16": 2.0}, {"fp32": 0.001, "fp16": 0.05}
)
#: Largest mean absolute difference of a crop in grey levels. Swapped channels differ by 10 and more, a shift of half a pixel
#: by 2.
CROP_TOLERANCE = 0.5


class DetectorSettings(NamedTuple):
    """The settings with which the pictures' faces were found; no picture was brightened.

    Attributes:
        min_face: Side of the smallest face in pixels.
        thresholds: Of P-, R- and O-Net.
        factor: Scale from one level of the pyramid to the next.
    """

    min_face: float = 20.0
    thresholds: Tuple[float, ...] = (0.6, 0.7, 0.8)
    factor: float = 0.709


class GoldenPicture(NamedTuple):
    """A picture and all its faces; :func:`read_picture` returns its pixels.

    Attributes:
        path: Of the PNG, below the bundle's directory.
        size: Width and height in pixels.
        pixels_sha256: Of the decoded pixels, RGB, row by row.
        faces: What the detector finds in it, best score first.
        crops: The index of each face's crop in :attr:`Golden.crops`.
    """

    path: str
    size: Tuple[int, int]
    pixels_sha256: str
    faces: Faces
    crops: Tuple[int, ...]


class Golden(NamedTuple):
    """A bundle's golden vectors.

    Attributes:
        crops: uint8 (n, 112, 112, 3), RGB, aligned.
        embeddings: float32 (n, d), of length 1.
        tolerance: The least cosine by precision, a key of :data:`~kface.bundle.manifest.TOLERANCE`.
        sha256: Of the document; another one holds other vectors.
        pictures: Complete pictures; none in a bundle of schema 1.
        detector: The settings with which their faces were found; None without pictures.
        detector_tolerance: Largest differences of the detector.
        crop_tolerance: Largest mean absolute difference of a crop, in grey levels.
    """

    crops: np.ndarray
    embeddings: np.ndarray
    tolerance: Dict[str, float]
    sha256: str
    pictures: Tuple[GoldenPicture, ...] = ()
    detector: Optional[DetectorSettings] = None
    detector_tolerance: DetectorTolerance = DETECTOR_TOLERANCE
    crop_tolerance: float = CROP_TOLERANCE


def pixels_sha256(rgb: np.ndarray) -> str:
    """Return the SHA-256 of pixels, uint8 (..., 3) RGB, row by row."""
    return sha256_bytes(np.ascontiguousarray(rgb).tobytes())


def read(bundle: Bundle) -> Optional[Golden]:
    """Return a bundle's golden vectors, of schema 1 or 2; None where it has none, as the oldest bundles.

    Raises:
        ModelError: A file is not listed or was changed, or a field (named) is not what :mod:`kface.bundle.golden_writer`
            writes.
    """
    listed = {file.path for file in bundle.manifest.files if file.role == GOLDEN}
    if not listed:
        return None
    name = EMBEDDINGS_ONLY if EMBEDDINGS_ONLY in listed and VECTORS not in listed else VECTORS
    place = bundle.path(name)
    data = _bytes(bundle, name)
    try:
        fields = Fields(decode(data), place, remedy=REMEDY)
    except ValueError as error:
        raise ModelError("is damaged: not JSON ({})".format(error), place, REMEDY)
    expected = 1 if name == EMBEDDINGS_ONLY else SCHEMA
    if fields.whole("schema") != expected:
        raise ModelError(
            "has schema version {}, this program reads {}".format(fields.whole("schema"), expected),
            place,
            "export the bundle again with this version: kface export",
        )
    if fields.text("embedder_sha256") != bundle.manifest.file(CANONICAL).sha256:
        raise fields.error("embedder_sha256", "the SHA-256 of {}".format(CANONICAL))
    found = _read_embeddings_only(bundle, fields) if expected == 1 else _read_vectors(bundle, fields)
    fields.close()
    return found._replace(sha256=sha256_bytes(data))


def _read_embeddings_only(bundle: Bundle, fields: Fields) -> Golden:
    crops = _crops(bundle, fields, "faces")
    part = fields.object("tolerance")
    return Golden(crops, _embeddings(bundle, fields, len(crops)), _by_precision(part, PRECISIONS, -1, 1), "")


def _read_vectors(bundle: Bundle, fields: Fields) -> Golden:
    part = fields.object("crops")
    part.text("file", (CROPS,))
    crops = _crops(bundle, part, "count")
    part.close()
    embeddings = _embeddings(bundle, fields, len(crops))
    detector = None if fields.value("detector") is None else _detector(bundle, fields.object("detector"))
    listed = fields.objects("pictures")
    if len(listed) > MOST_PICTURES or bool(listed) != (detector is not None):
        raise fields.error("pictures", "at most {} pictures, with a detector".format(MOST_PICTURES))
    pictures = tuple(_picture(bundle, one, number, len(crops)) for number, one in enumerate(listed, 1))
    limits = fields.object("tolerance")
    cosine = _by_precision(limits.object("cosine"), PRECISIONS, -1, 1)
    detector_tolerance = DetectorTolerance(
        *(_by_precision(limits.object(key), DETECTOR_PRECISIONS, 0, 100) for key in DetectorTolerance._fields)
    )
    crop_tolerance = limits.number("crops", 0, 255)
    limits.close()
    return Golden(crops, embeddings, cosine, "", pictures, detector, detector_tolerance, crop_tolerance)


def _by_precision(part: Fields, precisions: Sequence[str], least: float, most: float) -> Dict[str, float]:
    values = {precision: part.number(precision, least, most) for precision in precisions}
    part.close()
    return values


def _crops(bundle: Bundle, fields: Fields, count_key: str) -> np.ndarray:
    """Return uint8 (n, 112, 112, 3): the crops, whose number is the field `count_key`."""
    count = fields.whole(count_key, 1, MOST)
    side = alignment.SIZE
    if fields.whole("size") != side:
        raise fields.error("size", str(side))
    pixels = _png(bundle, CROPS, (side, side * count), fields.text("pixels_sha256"))
    return np.ascontiguousarray(pixels.reshape(count, side, side, 3))


def _embeddings(bundle: Bundle, fields: Fields, count: int) -> np.ndarray:
    rows = fields.value("embeddings")
    if not isinstance(rows, list) or len(rows) != count:
        raise fields.error("embeddings", "{} embeddings".format(count))
    numbered = Fields({str(number): row for number, row in enumerate(rows)}, fields.path, "embeddings", REMEDY)
    vectors = [numbered.numbers(str(number), bundle.manifest.embedding) for number in range(count)]
    embeddings = np.array(vectors, np.float64)
    if not np.allclose((embeddings * embeddings).sum(axis=1), 1, atol=1e-4):
        raise fields.error("embeddings", "vectors of length 1")
    return embeddings.astype(np.float32)


def _detector(bundle: Bundle, part: Fields) -> DetectorSettings:
    if part.text("manifest_sha256") != bundle.manifest.file(DETECTOR_MANIFEST).sha256:
        raise part.error("manifest_sha256", "the SHA-256 of {}".format(DETECTOR_MANIFEST))
    made = DetectorSettings(
        part.number("min_face", 20, 10000), part.numbers("thresholds", 3), part.number("factor", 0.5, 0.95)
    )
    part.close()
    return made


def _picture(bundle: Bundle, part: Fields, number: int, crops: int) -> GoldenPicture:
    path = part.text("file", (PICTURE.format(number),))
    bundle.path(path)
    size = part.whole("width", 1, LONGEST_SIDE), part.whole("height", 1, LONGEST_SIDE)
    digest = part.text("pixels_sha256", (), "[0-9a-f]{64}")
    listed = part.objects("faces")
    faces: List[Faces] = []
    indices: List[int] = []
    for one in listed:
        indices.append(one.whole("crop", 0, crops - 1))
        score, box = one.number("score", 0, 1), one.numbers("box", 4)
        points = one.value("landmarks")
        if not isinstance(points, list) or len(points) != len(alignment.TEMPLATE):
            raise one.error("landmarks", "{} points".format(len(alignment.TEMPLATE)))
        named = Fields({str(which): point for which, point in enumerate(points)}, part.path, "landmarks", REMEDY)
        landmarks = [named.numbers(str(which), 2) for which in range(len(points))]
        faces.append(Faces(*(np.array([value], np.float32) for value in (box, score, landmarks))))
        one.close()
    part.close()
    return GoldenPicture(path, size, digest, Faces.join(faces), tuple(indices))


def read_picture(bundle: Bundle, picture: GoldenPicture) -> np.ndarray:
    """Return a golden picture's pixels: uint8 (h, w, 3), RGB.

    Raises:
        ModelError: The file was changed, or does not hold the pixels that were written.
    """
    return _png(bundle, picture.path, picture.size, picture.pixels_sha256)


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


def _png(bundle: Bundle, name: str, size: Tuple[int, int], digest: str) -> np.ndarray:
    """Return the pixels of a PNG of known width and height; raises ModelError where they are not those that were written."""
    place = bundle.path(name)
    data = _bytes(bundle, name)
    # The header first: a few bytes of PNG can hold gigabytes of pixels.
    if not data.startswith(PNG) or data[16:24] != struct.pack(">II", *size):
        raise ModelError("is not a PNG of {}x{} pixels".format(*size), place, REMEDY)
    try:
        picture = images.decode_image(data, place)
    except ImageError as error:
        raise ModelError(error.what, place, REMEDY)
    if picture.shape != (size[1], size[0], 3):
        raise ModelError("is not a PNG of {}x{} pixels".format(*size), place, REMEDY)
    if digest != pixels_sha256(picture):
        raise ModelError("does not hold the pixels that were written", place, REMEDY)
    return picture
