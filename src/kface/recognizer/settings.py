"""Settings of the recogniser, checked where they are created: one schema for a bundle's and the stage's ``deploy.yaml``."""

import os
from typing import Any, Dict, Mapping, NamedTuple, Optional, Tuple, Union

from kface import checks, yaml_file
from kface.bundle.manifest import PRECISIONS
from kface.errors import ConfigError
from kface.fields import Settings
from kface.mtcnn import settings as cascade

PathLike = Union[str, "os.PathLike[str]"]

#: Sections of a ``deploy.yaml`` that describe the recogniser, with the settings of each and their defaults. By default the
#: bundle's threshold table decides what matches.
SECTIONS: Dict[str, Dict[str, Any]] = {
    "detector": cascade.OF_STREAMS,
    "runtime": {"name": "auto"},
    "match": {"recognised": None, "unknown": None},
}
#: The embedder's precision by default: the setting ``precision``, which has no section.
PRECISION = PRECISIONS[0]


class TrackSettings(NamedTuple):
    """How faces are followed.

    Attributes:
        detect_every: The complete cascade runs at least once in this number of frames, and whenever a face was lost.
        max_age: Frames without its face after which a track ends.
        iou_threshold: Intersection over union of two boxes from which on a face may belong to a track.
        min_views: Views of a track that are embedded in any case; nothing is decided before.
        max_views: Views of a track that are kept and vote; the oldest is dropped first.
        budget: Followed faces that are embedded in one frame at most, so that six of them do not delay it; faces that are
            new or in doubt are always embedded.
        refine: Faces that O-Net looks for at most in a frame without the cascade; they take turns, and the others are
            assumed to continue their movement.
        refresh: Frames after which a track is embedded again in any case; sooner after its appearance has drifted.
        moved: Landmarks that moved by more than this in the aligned crop, in pixels of 112, make a new view.
        grown: A face that is larger by this factor makes a new view.
        sharpened: A face that is sharper by this factor makes a new view.
        changed: A face whose appearance correlates by less than this with its last one may belong to another person, as
            after a cut: it is embedded at once, and must resemble the track's views to keep its name. At half that distance
            from every appearance that was embedded it makes a new view. See :func:`kface.recognizer.views.appearance`.
        takeover: Number of consecutive views, alike among themselves and unlike the track's, after which the track is taken
            to show another person and a new one begins. As many consecutive votes against the track's person, or votes
            below the threshold that recognises, leave it undecided.
    """

    detect_every: int = 5
    max_age: int = 15
    iou_threshold: float = 0.3
    min_views: int = 3
    max_views: int = 30
    budget: int = 3
    refine: int = 3
    refresh: int = 30
    moved: float = 5.0
    grown: float = 1.3
    sharpened: float = 2.0
    changed: float = 0.8
    takeover: int = 3

    def check(self) -> None:
        """Raise a ConfigError where a setting is out of its range."""
        for key in ("detect_every", "min_views", "max_views", "budget", "refine", "refresh", "takeover"):
            checks.whole("tracks." + key, getattr(self, key), 1)
        checks.whole("tracks.max_age", self.max_age, 0)
        checks.number("tracks.iou_threshold", self.iou_threshold, 0, 1, open_below=True)
        checks.number("tracks.changed", self.changed, -1, 1)
        checks.number("tracks.moved", self.moved, 0, open_below=True)
        for key in ("grown", "sharpened"):
            checks.number("tracks." + key, getattr(self, key), 1, open_below=True)
        if self.max_views < self.min_views:
            raise ConfigError("is less than tracks.min_views ({})".format(self.min_views), "tracks.max_views")


class PipelineSettings(NamedTuple):
    """How a stream is processed.

    Attributes:
        tracks: None detects, embeds and decides in every frame by itself.
        dnn_size: Width and height in pixels that frames are reduced to for the detector (the paper's "DNN resize",
            Table 6); their proportions are kept and they are never enlarged. Faces are cut out of the frame itself. None
            leaves frames as they are.
    """

    tracks: Optional[TrackSettings] = TrackSettings()
    dnn_size: Optional[Tuple[int, int]] = None

    def check(self) -> None:
        """Raise a ConfigError where a setting is out of its range."""
        if self.tracks is not None:
            self.tracks.check()
        if self.dnn_size is not None:
            if len(self.dnn_size) != 2:
                raise ConfigError("must be a width and a height, not {}".format(self.dnn_size), "dnn_size")
            for side in self.dnn_size:
                checks.whole("dnn_size", side, 12)


def read_settings(path: PathLike) -> Dict[str, Any]:
    """Read a ``deploy.yaml``, such as an edited copy of the one in a bundle.

    Returns:
        Keyword arguments for :meth:`FaceRecognizer.load`: runtime, precision, detector and match, as far as they are given.

    Raises:
        ConfigError: It cannot be read or is not YAML, one of these settings does not exist or has an invalid value, or PyYAML
            is not installed.
    """
    document, _ = yaml_file.read(path, "must have sections, such as detector:")
    return recognizer_settings(document, path)


def recognizer_settings(document: Mapping[str, Any], path: Optional[PathLike] = None) -> Dict[str, Any]:
    """Return what a ``deploy.yaml`` says about the recogniser; see :func:`read_settings`.

    A bundle's file and that of ``kface deploy`` have these settings in the same places. Bundles of earlier versions have the
    precision under ``runtime``, which is read as well.

    Args:
        document: The file's content, or the settings of ``kface deploy``; other settings are ignored.
        path: The file, for errors; None for settings from a command line.

    Raises:
        ConfigError: One of these settings does not exist or has an invalid value.
    """
    known = dict.fromkeys(tuple(SECTIONS) + ("precision",))
    read = Settings({key: document[key] for key in known if key in document}, "", known, path)
    made: Dict[str, Any] = {}
    precision = read if read.given.get("precision") else None
    if isinstance(read.value("runtime"), str):
        made["runtime"] = read.name("runtime")
    else:
        runtime = read.section("runtime", dict(SECTIONS["runtime"], precision=None))
        made["runtime"] = runtime.name("name") if "name" in runtime.given else None
        precision = precision or (runtime if runtime.given.get("precision") else None)
    made["precision"] = None if precision is None else precision.text("precision", PRECISIONS)
    made["detector"] = _detector(read.section("detector", SECTIONS["detector"]))
    match = read.section("match", SECTIONS["match"])
    made["match"] = {key: match.number(key) for key in match.given}
    return {key: value for key, value in made.items() if value}


def _detector(section: Settings) -> Dict[str, Any]:
    """Return the detector's settings; null for the ways to brighten means none of them, not the default."""
    made: Dict[str, Any] = {}
    for key in section.given:
        if key == "thresholds":
            made[key] = list(cascade.thresholds(section.value(key)))
        elif key != "brighten":
            made[key] = section.number(key)
    if "brighten" in section.values:
        made["brighten"] = cascade.brighten(section.value("brighten"))
    return made
