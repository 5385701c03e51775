"""One image of K-Face, its path, and sets of conditions."""

import re
from typing import Any, Dict, FrozenSet, Iterable, NamedTuple, Optional

from kface.data.layout.tables import ACCESSORIES, CAMERAS, EXPRESSIONS, LIGHTS, SIZES
from kface.errors import LayoutError

IMAGE_SUFFIXES = (".jpg", ".jpeg")
ANNOTATION_SUFFIX = ".txt"


class Capture(NamedTuple):
    """The place of an image in K-Face.

    For other corpora the four numbers are 0.

    Attributes:
        subject: The identity: 8 digits, YYMMDD, rig 1-4, running number of that day.
        accessory: 1-6, see :data:`~kface.data.layout.tables.ACCESSORIES`.
        light: 1-30, see :data:`~kface.data.layout.tables.LIGHTS`.
        expression: 1-3, see :data:`~kface.data.layout.tables.EXPRESSIONS`.
        camera: 1-20, see :data:`~kface.data.layout.tables.CAMERAS`.
        resolution: "High", "Middle" or "Low".

    Example:
        >>> Capture("19062421", 1, 1, 1, 6).path()
        'High_Resolution/19062421/S001/L1/E01/C6.jpg'
    """

    subject: str
    accessory: int
    light: int
    expression: int
    camera: int
    resolution: str = "High"

    def path(self, long: bool = True) -> str:
        """Return the image's path below the tree's root, with slashes.

        Args:
            long: Whether to write "High_Resolution" or "High".
        """
        root = self.resolution + ("_Resolution" if long else "")
        return "{}/{}".format(root, self.short_path())

    def short_path(self) -> str:
        """Return the image's path below its resolution's folder, as pair lists write it."""
        return "{}/S{:03d}/L{}/E{:02d}/C{}.jpg".format(*self[:5])

    def annotation_path(self, long: bool = True) -> str:
        """Return the path of the annotation file beside the image, whether or not it exists."""
        return self.path(long)[: -len(".jpg")] + ANNOTATION_SUFFIX

    @property
    def yaw(self) -> int:
        """The camera's yaw in degrees, + is right."""
        return CAMERAS[self.camera].yaw

    @property
    def pitch(self) -> int:
        """The camera's pitch in degrees, + is up."""
        return CAMERAS[self.camera].pitch

    @property
    def lux(self) -> int:
        """The illuminance at the face, in lux."""
        return LIGHTS[self.light].lux


class Conditions(NamedTuple):
    """The wanted captures: per field a set, or None for all.

    Attributes:
        resolutions: Of "High", "Middle", "Low".
        subjects: Identities.
        accessories: Numbers of S.
        lights: Numbers of L.
        expressions: Numbers of E.
        cameras: Numbers of C.
    """

    resolutions: Optional[FrozenSet[str]] = None
    subjects: Optional[FrozenSet[str]] = None
    accessories: Optional[FrozenSet[int]] = None
    lights: Optional[FrozenSet[int]] = None
    expressions: Optional[FrozenSet[int]] = None
    cameras: Optional[FrozenSet[int]] = None

    @classmethod
    def of(cls, **fields: Optional[Iterable[Any]]) -> "Conditions":
        """Make conditions from any iterables.

        Raises:
            LayoutError: K-Face does not have a field or value.

        Example:
            >>> Conditions.of(lights=[1, 2], cameras=range(4, 11)).count(1)
            756
        """
        unknown = sorted(set(fields) - set(cls._fields))
        if unknown:
            raise LayoutError("unknown condition", unknown[0], "choose from {}".format(", ".join(cls._fields)))
        made = cls(**{name: None if values is None else frozenset(values) for name, values in fields.items()})
        for name, table in _TABLES.items():
            stray = sorted(set(getattr(made, name) or ()) - set(table), key=str)
            if stray:
                raise LayoutError("K-Face has no {!r}".format(stray[0]), name, "choose from {}".format(sorted(table)))
        return made

    def admits(self, capture: Capture) -> bool:
        """Return whether a capture is wanted."""
        return (
            (self.cameras is None or capture.camera in self.cameras)
            and (self.lights is None or capture.light in self.lights)
            and (self.accessories is None or capture.accessory in self.accessories)
            and (self.expressions is None or capture.expression in self.expressions)
            and (self.subjects is None or capture.subject in self.subjects)
            and (self.resolutions is None or capture.resolution in self.resolutions)
        )

    def count(self, n_subjects: Optional[int] = None) -> int:
        """Return the number of captures that a complete tree has under these conditions.

        Args:
            n_subjects: Number of identities; by default that of `subjects`.
        """
        if n_subjects is None:
            if self.subjects is None:
                raise LayoutError("the number of subjects is needed where the conditions name none")
            n_subjects = len(self.subjects)
        total = n_subjects
        for name, table in _TABLES.items():
            wanted = getattr(self, name)
            total *= len(table) if wanted is None else len(wanted)
        return total


_TABLES: Dict[str, Dict[Any, Any]] = {
    "resolutions": SIZES,
    "accessories": ACCESSORIES,
    "lights": LIGHTS,
    "expressions": EXPRESSIONS,
    "cameras": CAMERAS,
}

# Each folder or file name that K-Face's grammar knows, with its value: a look-up is both the check and the conversion.
RESOLUTION_NAMES: Dict[str, str] = {name + tail: name for name in SIZES for tail in ("_Resolution", "")}
ACCESSORY_NAMES = {"S{:03d}".format(number): number for number in ACCESSORIES}
LIGHT_NAMES = {"L{}".format(number): number for number in LIGHTS}
EXPRESSION_NAMES = {"E{:02d}".format(number): number for number in EXPRESSIONS}
CAMERA_NAMES = {"C{}".format(number): number for number in CAMERAS}
_SUBJECT = re.compile("[0-9]{8}", re.ASCII)


def is_subject(name: str) -> bool:
    """Return whether a folder's name has the form of a K-Face identity."""
    return _SUBJECT.fullmatch(name) is not None


def camera_of(file_name: str) -> Optional[int]:
    """Return the camera of an image file's name (with its suffix in either case), or None."""
    stem, dot, suffix = file_name.rpartition(".")
    return CAMERA_NAMES.get(stem) if (dot + suffix).lower() in IMAGE_SUFFIXES else None


def is_image(file_name: str) -> bool:
    """Return whether a file's name has an image's suffix."""
    return file_name.lower().endswith(IMAGE_SUFFIXES)


def is_annotation(file_name: str) -> bool:
    """Return whether a file's name is that of an annotation file."""
    stem, dot, suffix = file_name.rpartition(".")
    return (dot + suffix).lower() == ANNOTATION_SUFFIX and stem in CAMERA_NAMES


def parse_folder(folder: str) -> Capture:
    """Read the conditions from an image's folder; the camera is left at 0.

    Args:
        folder: A path that ends in ``[<resolution>/]<ID>/S00a/L<l>/E0e``, with slashes.

    Raises:
        LayoutError: It does not; the message names the wrong part.
    """
    parts = folder.split("/")
    if len(parts) < 4:
        raise LayoutError("is not a K-Face path", folder, "expected .../<ID>/S00a/L<l>/E0e/C<p>.jpg")
    subject, accessory, light, expression = parts[-4:]
    if not is_subject(subject):
        raise LayoutError("{!r} is not an identity of 8 digits".format(subject), folder)
    if accessory not in ACCESSORY_NAMES:
        raise LayoutError("{!r} is not an accessory S001-S006".format(accessory), folder)
    if light not in LIGHT_NAMES:
        raise LayoutError("{!r} is not a light L1-L30".format(light), folder)
    if expression not in EXPRESSION_NAMES:
        raise LayoutError("{!r} is not an expression E01-E03".format(expression), folder)
    resolution = RESOLUTION_NAMES.get(parts[-5], "High") if len(parts) > 4 else "High"
    return Capture(subject, ACCESSORY_NAMES[accessory], LIGHT_NAMES[light], EXPRESSION_NAMES[expression], 0, resolution)


def parse(path: str) -> Capture:
    """Read a capture from its path.

    Args:
        path: ``[.../][High_Resolution/]<ID>/S00a/L<l>/E0e/C<p>.jpg``, both spellings of the resolution, slashes or
            backslashes. Where the folder above the identity is not a resolution, "High" is assumed, as in pair lists.

    Raises:
        LayoutError: The path is not in K-Face's grammar; the message names the wrong part.
    """
    folder, _, name = path.replace("\\", "/").rpartition("/")
    capture = parse_folder(folder)
    camera = camera_of(name)
    if camera is None:
        raise LayoutError("{!r} is not an image C1.jpg-C20.jpg".format(name), path)
    return capture._replace(camera=camera)
