"""Settings of the recogniser on streams, checked where they are made, and the door to ``deploy.yaml``."""

import os
from typing import Any, Dict, NamedTuple, Optional, Tuple, Union

from kface import checks, yaml_file
from kface.errors import ConfigError
from kface.fields import Settings
from kface.mtcnn import settings as cascade

PathLike = Union[str, "os.PathLike[str]"]

#: Sections of a ``deploy.yaml`` that :func:`read_settings` reads, and the settings of each with what they are by default;
#: others are other rooms'. By default the bundle's threshold table says what matches.
SECTIONS: Dict[str, Dict[str, Any]] = {
    "detector": cascade.OF_STREAMS,
    "runtime": {"name": "auto", "precision": "fp32"},
    "match": {"recognised": None, "unknown": None},
}


class TrackSettings(NamedTuple):
    """How faces are followed.

    Attributes:
        detect_every: The whole cascade runs at least every so many frames, and whenever a face was lost.
        missing: Frames after which a track ends whose face is not seen.
        iou: Overlap from which on a face may be that of a track.
        views: So many views of a track are embedded whatever they look like; before, nothing is decided.
        memory: Views of a track that are kept and vote; the oldest goes first.
        budget: Followed faces that are embedded in one frame at most, so that six of them do not delay it; those that are
            new or in doubt are embedded at once.
        refine: Faces that O-Net looks for in one frame at most where the cascade does not run; they take turns, and the
            others are taken to go on as they moved.
        refresh: A track is embedded again after so many frames in any case; sooner after its look has drifted.
        moved: Landmarks that moved more than this within the aligned crop, in pixels of 112, make a new view.
        grown: A face that has grown by this factor makes a new view.
        sharpened: A face that is sharper by this factor makes a new view.
        changed: A face whose look correlates by less than this with the one before may be another person's, as after a cut:
            it is embedded at once, and has to be like the track's views to keep its name. Half as far from every look that
            was embedded it makes a new view. See :func:`kface.recognizer.views.appearance`.
        takeover: So many views in a row that are alike among themselves, and unlike what the track has shown, are another
            person's: a new track begins. So many votes in a row against the track's person leave it undecided, and so do
            as many of which none reaches the threshold that recognises.
    """

    detect_every: int = 5
    missing: int = 15
    iou: float = 0.3
    views: int = 3
    memory: int = 30
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
        for key in ("detect_every", "views", "memory", "budget", "refine", "refresh", "takeover"):
            checks.whole("tracks." + key, getattr(self, key), 1)
        checks.whole("tracks.missing", self.missing, 0)
        if not 0 < self.iou <= 1:
            raise ConfigError("must be from 0 to 1, not {}".format(self.iou), "tracks.iou")
        if not -1 <= self.changed <= 1:
            raise ConfigError("must be a correlation, from -1 to 1, not {}".format(self.changed), "tracks.changed")
        if not self.moved > 0:
            raise ConfigError("must be more than 0, not {}".format(self.moved), "tracks.moved")
        for key in ("grown", "sharpened"):
            if not getattr(self, key) > 1:
                raise ConfigError("must be more than 1, not {}".format(getattr(self, key)), "tracks." + key)
        if self.memory < self.views:
            raise ConfigError("is less than tracks.views ({})".format(self.views), "tracks.memory")


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
        ConfigError: It cannot be read, is no YAML, or has a setting in these sections that there is not; or PyYAML is absent.
    """
    document, _ = yaml_file.read(path, "must have sections, such as detector:")
    found = {
        section: Settings(document.get(section), section, defaults, path).values
        for section, defaults in SECTIONS.items()
    }
    made: Dict[str, Any] = {key: found[key] for key in ("detector", "match") if found[key]}
    if "name" in found["runtime"]:
        made["runtime"] = found["runtime"]["name"]
    if "precision" in found["runtime"]:
        made["precision"] = found["runtime"]["precision"]
    return made
