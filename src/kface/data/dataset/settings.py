"""The settings that determine the content of a data set."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from kface import checks
from kface.data.dataset.sources import SOURCES
from kface.data.protocols import Protocol, get
from kface.errors import ConfigError
from kface.mtcnn import settings as cascade

LANDMARKS = ("image", "camera", "annotation", "aligned")


class DatasetSettings(NamedTuple):
    """The content of a data set: equal settings and equal images give equal bytes.

    Attributes:
        layout: A key of :data:`~kface.data.dataset.sources.SOURCES`: "kface", or one for a corpus without conditions, such
            as "folders" for ``DIR/<person>/<image>``.
        protocol: Selects the captures, see :mod:`kface.data.protocols`; ignored for a corpus without conditions.
        test: Test people: a fraction (a float below 1), a number (an int), a list, or None for none.
        published: Whether to use K-Face's 30 published test people instead of `test`, if the corpus contains them all.
        seed: Seed of the split and of the selection.
        identities: Maximum number of people; by default the protocol's.
        max_per_identity: Maximum number of images per person, spread evenly over the conditions; None for all.
        landmarks: "image" detects in every image. "camera" detects once for each person and camera, under S001, L1 and
            E01 (or another capture of that camera), and reuses the landmarks: it saves 540 of 541 detections and loses no
            dark images, but requires that people do not move between takes. "annotation" takes the landmarks from the file
            beside the image, and detects where it is missing. "aligned" takes 112x112 crops as they are; the detector's
            settings then have no effect, and count as the default ones.
        min_face: Sizes of the smallest face, in pixels, from the first try to the last. Values of 20 / 0.709^k keep
            the detector's grid, so that large faces have the same landmarks with each of them.
        thresholds: Of the three networks.
        factor: Of the pyramid.
        brighten: Ways to brighten an image in which no face is found, see :mod:`kface.mtcnn.brighten`; may be empty. Crops
            are cut from the original image.
        runtime: Runtime of the detector.
        quality: JPEG quality of the crops, 1-100.
        max_per_shard: Maximum number of images per shard, which is also the most that is repeated after an interruption.
    """

    layout: str = "kface"
    protocol: str = "paper"
    test: float | int | Sequence[str] | None = 0.25
    published: bool = True
    seed: int = 0
    identities: int | None = None
    max_per_identity: int | None = None
    landmarks: str = "image"
    min_face: Sequence[float] = (cascade.MIN_FACE_OF_PORTRAITS, cascade.MIN_FACE_OF_STREAMS, cascade.MIN_FACE)
    thresholds: Sequence[float] = cascade.THRESHOLDS
    factor: float = cascade.FACTOR
    brighten: Sequence[str] = cascade.BRIGHTEN
    runtime: str = "auto"
    quality: int = 95
    max_per_shard: int = 500

    @property
    def rules(self) -> Protocol:
        """The protocol that `protocol` names."""
        return get(self.protocol)

    def validated(self) -> "DatasetSettings":
        """Return the same settings with plain tuples and numbers.

        Raises:
            ConfigError: A value has the wrong type, lies outside its range or contradicts another.
            ProtocolError: The protocol is unknown.
        """
        with checks.all_errors():
            if self.layout not in SOURCES:
                checks.refuse(
                    ConfigError("must be one of {}, not {!r}".format(", ".join(SOURCES), self.layout), "layout")
                )
            if self.landmarks not in LANDMARKS:
                checks.refuse(
                    ConfigError("must be one of {}, not {!r}".format(", ".join(LANDMARKS), self.landmarks), "landmarks")
                )
            elif self.layout in SOURCES and self.landmarks not in SOURCES[self.layout].landmarks:
                needs = "aligned crops" if self.landmarks == "aligned" else "K-Face's cameras or annotation files"
                known = SOURCES[self.layout].landmarks
                checks.refuse(
                    ConfigError(
                        f"{self.landmarks!r} needs {needs}"
                        if "aligned" not in known
                        else "the crops are aligned already",
                        "landmarks",
                        f"use landmarks={known[0]} with layout={self.layout}",
                    )
                )
            checks.whole("seed", self.seed, 0)
            if self.identities is not None:
                checks.whole("identities", self.identities, 2)
            if self.max_per_identity is not None:
                checks.whole("max_per_identity", self.max_per_identity, 1)
            checks.whole("max_per_shard", self.max_per_shard, 1)
            checks.whole("quality", self.quality, 1, 100)
            checks.flag("published", self.published)
            if not isinstance(self.runtime, str):
                checks.refuse(ConfigError(f"must be a runtime's name, not {self.runtime!r}", "runtime"))
            sizes = (self.min_face,) if isinstance(self.min_face, (int, float)) else self.min_face
            if isinstance(sizes, (str, bytes)) or not isinstance(sizes, Iterable):
                checks.refuse(ConfigError(f"must be numbers, not {sizes!r}", "min_face"))
            min_face = tuple(cascade.min_face(size, "") for size in sizes)
            if not min_face or list(min_face) != sorted(set(min_face), reverse=True):
                checks.refuse(
                    ConfigError(f"must decrease from the first try to the last, not {list(min_face)}", "min_face")
                )
            if self.landmarks == "aligned":
                plain = DatasetSettings()
                return self._replace(
                    protocol=self.rules.name,
                    test=_tested(self.test),
                    min_face=plain.min_face,
                    thresholds=plain.thresholds,
                    factor=plain.factor,
                    brighten=plain.brighten,
                    runtime=plain.runtime,
                )
            return self._replace(
                protocol=self.rules.name,
                test=_tested(self.test),
                min_face=min_face,
                thresholds=cascade.thresholds(self.thresholds, ""),
                factor=cascade.factor(self.factor, ""),
                brighten=cascade.brighten(self.brighten, ""),
            )

    def as_dict(self) -> dict[str, Any]:
        """Return the settings with JSON's types."""
        found: dict[str, Any] = json.loads(json.dumps(self._asdict()))
        return found

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that identify the settings, for instance in a directory's name."""
        text = json.dumps(self.as_dict(), sort_keys=True)
        return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Return what changed from one :meth:`DatasetSettings.as_dict` to another, such as "quality 95 -> 90"."""
    changed = []
    for key in sorted(set(old) | set(new)):
        if old.get(key) != new.get(key):
            changed.append(f"{key} {json.dumps(old.get(key))} -> {json.dumps(new.get(key))}")
    return changed


def _tested(value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, (bool, str)):
        raise ConfigError(f"must be a fraction below 1, a number of people or a list, not {value!r}", "test")
    if isinstance(value, int) and value >= 1:
        return value
    if isinstance(value, (int, float)):
        if not 0 < value < 1:
            raise ConfigError(f"must be a fraction between 0 and 1 or a number of people, not {value!r}", "test")
        return float(value)
    return tuple(sorted(str(subject) for subject in value))
