"""From image files to embedded faces: the one place where the gallery's commands use networks."""

import os
from typing import List, Optional, Sequence, Union

import numpy as np

from kface import bundle
from kface.bundle import Thresholds
from kface.errors import ImageError, ModelError
from kface.faces import Faces
from kface.gallery import Enrolment, Limits
from kface.gallery.quality import refuse
from kface.images import read_image
from kface.recognizer import Decision, FaceRecognizer
from kface.recognizer.templates import Template

PathLike = Union[str, "os.PathLike[str]"]


class FaceReader(object):
    """Finds and embeds faces.

    Args:
        recognizer: Does the work.
        thresholds: The bundle's table; None where none were measured.

    Attributes:
        fingerprint: Of the bundle.
        thresholds: As given.
        decision: What the bundle recommends; None without thresholds.
    """

    def __init__(self, recognizer: FaceRecognizer, thresholds: Optional[Thresholds]) -> None:
        self._recognizer = recognizer
        self.fingerprint: str = recognizer.fingerprint
        self.thresholds = thresholds
        self.decision: Optional[Decision] = recognizer.decision

    def faces(self, image: PathLike) -> List[Template]:
        """Return the faces of an image file; raises ImageError where it cannot be read."""
        return self._recognizer.faces(os.fspath(image))

    def to_enrol(self, image: PathLike, limits: Limits) -> Template:
        """Return the one face of an image file, to be enrolled.

        Args:
            image: The file.
            limits: What the face must be.

        Raises:
            ImageError: It cannot be read, or must not be enrolled; with all the reasons.
        """
        pixels = read_image(image)
        found = self._recognizer.faces(pixels)
        return face_to_enrol(pixels, found, Enrolment(limits, self._recognizer.detector), image)

    def embed(self, crops: np.ndarray) -> np.ndarray:
        """Embed aligned faces.

        Args:
            crops: uint8 (n, 112, 112, 3), RGB.

        Returns:
            float32 (n, d), of length 1.

        Raises:
            ModelError: The network gives no embedding for one of them.
        """
        made = self._recognizer.embedder.run(crops)
        if made.failed.any():
            raise ModelError("gives no embedding for {} of {} crops".format(int(made.failed.sum()), len(crops)))
        return made.vectors


def face_to_enrol(rgb: np.ndarray, found: Sequence[Template], enrolment: Enrolment, where: object = None) -> Template:
    """Return the one face of a picture where it may be enrolled.

    Args:
        rgb: uint8 (h, w, 3), RGB.
        found: All faces in it.
        enrolment: Decides.
        where: The picture's name.

    Raises:
        ImageError: It must not be enrolled; with all the reasons.
    """
    one = found[0] if len(found) == 1 else None
    if one is not None and one.failed:
        raise ImageError("cannot be enrolled: {}".format(one.reason), where, "take another picture")
    faces = Faces.join(
        [Faces(face.box[None], np.array([face.score], np.float32), face.landmarks[None]) for face in found]
    )
    refuse(enrolment.refusals(rgb, faces, None if one is None else one.crop), where)
    return found[0]


def open_reader(directory: PathLike, runtime: str = "auto", precision: str = "fp32") -> FaceReader:
    """Open a bundle.

    Args:
        directory: The bundle's.
        runtime: A name in :data:`kface.networks.RUNTIMES`, or ``auto``.
        precision: The embedder's: "fp32", "fp16" or "int8".

    Raises:
        ConfigError: There is no such runtime or precision.
        ModelError: It is no bundle, or a file (named) is not the one that was exported.
    """
    recognizer = FaceRecognizer.load(directory, runtime, precision)
    return FaceReader(recognizer, bundle.load(directory, check="sizes").manifest.thresholds)
