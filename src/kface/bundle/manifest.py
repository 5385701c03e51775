"""A bundle's manifest: its files, what the embedder expects, thresholds, training report and provenance."""

import json
import os
from pathlib import Path
from typing import Any, Dict, NamedTuple, Optional, Tuple, Union

from kface import alignment
from kface.bundle import thresholds as table
from kface.bundle.thresholds import Thresholds
from kface.errors import ModelError
from kface.fields import Fields
from kface.files import sha256_bytes, sha256_file

PathLike = Union[str, "os.PathLike[str]"]

SCHEMA = 1
KIND = "kface bundle"
FILE = "manifest.json"
#: The embedder file that identifies the weights; the other files are conversions of the same network.
CANONICAL = "embedder.onnx"
#: Endings of network files: a bundle must not hold one that its manifest does not list.
NETWORKS = (".onnx", ".pb", ".uff", ".engine")
GOLDEN = "golden"
ROLES = ("detector", "embedder", "settings", "card", GOLDEN)
PRECISIONS = ("fp32", "fp16", "int8")
#: Least cosine between an embedding and that of the canonical network, by the precision it is computed in.
TOLERANCE = {"fp32": 0.999, "fp16": 0.99, "int8": 0.9}
LAYOUTS = ("NCHW", "NHWC")
DYNAMIC = "dynamic"
#: Largest fixed batch and longest embedding: arrays of these sizes are allocated.
BATCH = 4096
LONGEST = 65536
REMEDY = "copy the bundle again, or export it again: kface export"
#: The template's points with the four decimals of the publication, which float32 does not hold exactly.
POINTS = tuple(tuple(round(float(value), 4) for value in point) for point in alignment.TEMPLATE)

Batch = Union[str, int]


class BundleFile(NamedTuple):
    """A file of a bundle. The fields from `precision` on are set for networks only.

    Attributes:
        path: Relative to the bundle's directory, with slashes.
        sha256: The file's hash in hexadecimal.
        bytes: The file's size.
        role: One of :data:`ROLES`.
        format: Its ending, such as "onnx" or "pb".
        precision: One of :data:`PRECISIONS`.
        opset: ONNX's operator set.
        batch: Images per run: a number, or "dynamic" for any.
        normalised: Whether the network divides by the L2 norm, so that embeddings have length 1.
        input: Name of the input.
        outputs: Names of the outputs.
        layout: Axes of the input, "NCHW" or "NHWC".
        parity: Figures (numbers, texts) on how far its outputs are from those of the trained network, and how that was
            measured.
    """

    path: str
    sha256: str
    bytes: int
    role: str
    format: str
    precision: Optional[str] = None
    opset: Optional[int] = None
    batch: Optional[Batch] = None
    normalised: Optional[bool] = None
    input: Optional[str] = None
    outputs: Tuple[str, ...] = ()
    layout: Optional[str] = None
    parity: Optional[Dict[str, Any]] = None


class BundlePreprocessing(NamedTuple):
    """How an aligned crop becomes the embedder's input: ``(pixels - mean) / divisor``.

    Attributes:
        size: Width and height of a crop in pixels.
        colour: Order of the channels, "RGB" or "BGR".
        mean: Subtracted from every channel, in grey levels.
        divisor: Divides the difference.
    """

    size: Tuple[int, int] = (alignment.SIZE, alignment.SIZE)
    colour: str = "RGB"
    mean: float = 127.5
    divisor: float = 128.0


class AlignmentTemplate(NamedTuple):
    """Where the five landmarks of an aligned face lie.

    Attributes:
        name: Its usual name.
        points: Five x y in pixels of the crop, in the order of :data:`kface.faces.LANDMARK_NAMES`.
    """

    name: str = "ArcFace 112x112"
    points: Tuple[Tuple[float, ...], ...] = POINTS


class Provenance(NamedTuple):
    """The origin of something in a bundle.

    Attributes:
        what: Such as "training data" or "detector weights".
        source: Its origin, as text.
        licence: Its licence, as text or as an SPDX identifier.
    """

    what: str
    source: str
    licence: str


class BundleManifest(NamedTuple):
    """A bundle's description of itself.

    Attributes:
        name: The model's name, such as "resnet50-arcface".
        created: Time of creation in UTC, ISO 8601 to the second.
        files: In any order.
        embedding: Length of an embedding.
        fingerprint: Of :func:`fingerprint`; templates of another fingerprint cannot be compared with this bundle's.
        training: The run's ``report.json``.
        thresholds: None if no thresholds were measured.
        synthetic: Whether the network was trained on the synthetic sample.
        licence: Of the complete bundle.
        provenance: Of data and weights.
        preprocessing: What the embedder expects.
        template: The template to which faces are aligned.
    """

    name: str
    created: str
    files: Tuple[BundleFile, ...]
    embedding: int
    fingerprint: str
    training: Dict[str, Any]
    thresholds: Optional[Thresholds]
    synthetic: bool
    licence: str
    provenance: Tuple[Provenance, ...]
    preprocessing: BundlePreprocessing = BundlePreprocessing()
    template: AlignmentTemplate = AlignmentTemplate()

    def file(self, path: str) -> BundleFile:
        """Return the entry of a file.

        Raises:
            ModelError: The bundle has no such file.
        """
        for file in self.files:
            if file.path == path:
                return file
        raise ModelError("is not in the bundle", path, "export the bundle with it: kface export")

    def as_dict(self) -> Dict[str, Any]:
        """Return the content of the manifest's file except for the digest."""
        return dict(
            self._asdict(),
            schema=SCHEMA,
            kind=KIND,
            files={file.path: {k: v for k, v in file._asdict().items() if k != "path"} for file in self.files},
            preprocessing=dict(self.preprocessing._asdict()),
            template=dict(self.template._asdict()),
            thresholds=None if self.thresholds is None else self.thresholds.to_dict(),
            provenance=[dict(part._asdict()) for part in self.provenance],
        )


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")


def digest(document: Dict[str, Any]) -> str:
    """Return the SHA-256 of a manifest's fields other than the digest itself.

    It shows damage and edits by hand. It proves nothing about who wrote the manifest.
    """
    return sha256_bytes(_canonical({key: value for key, value in document.items() if key != "digest"}))


def fingerprint(embedder_sha256: str, preprocessing: BundlePreprocessing, template: AlignmentTemplate) -> str:
    """Return the hash that two bundles must share for their templates to be comparable.

    Args:
        embedder_sha256: Of :data:`CANONICAL`.
        preprocessing: What the embedder expects.
        template: The template to which faces are aligned.
    """
    return sha256_bytes(
        _canonical([embedder_sha256, list(preprocessing), [list(point) for point in template.points], template.name])
    )


def describe(directory: PathLike, path: str, role: str, **facts: Any) -> BundleFile:
    """Return the entry of a file in a bundle's directory.

    Args:
        directory: The bundle's.
        path: Relative to it, with slashes.
        role: One of :data:`ROLES`.
        facts: Other fields of :class:`BundleFile`.

    Raises:
        ModelError: The file cannot be read.
    """
    place = Path(directory) / path
    try:
        return BundleFile(path, sha256_file(place), place.stat().st_size, role, place.suffix[1:].lower(), **facts)
    except OSError as error:
        raise ModelError("cannot be read ({})".format(error.strerror or error), place)


def parse(document: Any, path: PathLike) -> BundleManifest:
    """Return the manifest that a JSON document holds.

    Args:
        document: The decoded JSON.
        path: The document's path, for errors.

    Raises:
        ModelError: It is not a manifest, has another schema version, or a field (named) is missing, unknown, of a wrong
            type, or edited.
    """
    fields = Fields(document, path, remedy=REMEDY)
    if document.get("kind") != KIND:
        raise ModelError("is not a bundle's manifest", path, "give a bundle's directory")
    if document.get("schema") != SCHEMA:
        raise ModelError(
            "has schema version {}, this program reads {}".format(json.dumps(document.get("schema"))[:60], SCHEMA),
            path,
            "export the bundle again with this version: kface export",
        )
    fields.text("kind")
    fields.whole("schema")
    manifest = BundleManifest(
        name=fields.text("name"),
        created=fields.text("created", (), r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|\+00:00)"),
        files=tuple(_file(name, part, path) for name, part in sorted(fields.named("files").items())),
        embedding=fields.whole("embedding", 1, LONGEST),
        fingerprint=fields.text("fingerprint", (), "[0-9a-f]{64}"),
        training=fields.json("training"),
        thresholds=None if fields.value("thresholds") is None else table.parse(fields.object("thresholds")),
        synthetic=fields.flag("synthetic"),
        licence=fields.text("licence"),
        provenance=tuple(_provenance(part) for part in fields.objects("provenance")),
        preprocessing=_preprocessing(fields.object("preprocessing")),
        template=_template(fields.object("template")),
    )
    written = fields.text("digest")
    fields.close()
    if written != digest(document):
        raise ModelError("was edited: its digest is not that of its fields", path, REMEDY)
    canonical = manifest.file(CANONICAL)
    if manifest.fingerprint != fingerprint(canonical.sha256, manifest.preprocessing, manifest.template):
        raise ModelError("its fingerprint is not that of {} and how it is fed".format(CANONICAL), path, REMEDY)
    return manifest


def _file(name: str, part: Fields, path: PathLike) -> BundleFile:
    inside = all(step not in ("", ".", "..") for step in name.split("/"))
    # Backslashes and colons lead out of the directory on Windows; unprintable names cannot be shown in an error.
    if not inside or not name.isprintable() or any(character in name for character in "\\:") or name.lower() == FILE:
        raise ModelError("names a file that is not inside the bundle: {}".format(json.dumps(name)), path, REMEDY)
    dynamic = part.value("batch") == DYNAMIC
    file = BundleFile(
        path=name,
        sha256=part.text("sha256", (), "[0-9a-f]{64}"),
        bytes=part.whole("bytes"),
        role=part.text("role", ROLES),
        format=part.text("format", (), "[a-z0-9]+"),
        precision=part.optional("precision", part.text, PRECISIONS),
        opset=part.optional("opset", part.whole, 1, 1000),
        batch=DYNAMIC if dynamic else part.optional("batch", part.whole, 1, BATCH),
        normalised=part.optional("normalised", part.flag),
        input=part.optional("input", part.text),
        outputs=part.texts("outputs"),
        layout=part.optional("layout", part.text, LAYOUTS),
        parity=part.optional("parity", part.json),
    )
    part.close()
    if name.lower().endswith(NETWORKS):
        if not name.lower().endswith("." + file.format):
            raise part.error("format", "the file's ending")
        for key in ("precision", "batch", "input", "layout"):
            if getattr(file, key) is None:
                raise part.error(key, "given for a network")
        if not file.outputs:
            raise part.error("outputs", "given for a network")
        if file.normalised is None and file.role == "embedder":
            raise part.error("normalised", "given for an embedder")
    return file


def _preprocessing(part: Fields) -> BundlePreprocessing:
    width, height = part.numbers("size", 2)
    if min(width, height) < 1 or width != int(width) or height != int(height):
        raise part.error("size", "a width and a height in pixels")
    made = BundlePreprocessing(
        (int(width), int(height)),
        part.text("colour", ("RGB", "BGR")),
        part.number("mean", -1e6, 1e6),
        part.number("divisor", 0, 1e6),
    )
    if made.divisor < 1e-6:
        raise part.error("divisor", "more than 0")
    part.close()
    return made


def _template(part: Fields) -> AlignmentTemplate:
    points = part.value("points")
    if not isinstance(points, list) or len(points) != len(alignment.TEMPLATE):
        raise part.error("points", "{} points".format(len(alignment.TEMPLATE)))
    pairs = Fields({str(number): point for number, point in enumerate(points)}, part.path, "template.points", REMEDY)
    made = AlignmentTemplate(part.text("name"), tuple(pairs.numbers(str(number), 2) for number in range(len(points))))
    part.close()
    return made


def _provenance(part: Fields) -> Provenance:
    made = Provenance(part.text("what"), part.text("source"), part.text("licence"))
    part.close()
    return made
