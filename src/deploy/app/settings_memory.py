"""What the window remembers of a session's settings: read back before the session opens, written after each change."""

import logging
import os
import threading
from typing import Any, Collection, Dict, Iterable, NamedTuple, Optional, Set, Tuple

from deploy.app import preferences
from deploy.app.preferences import KeptThreshold, Preferences
from deploy.app.stream_memory import StreamMemory
from deploy.settings import DeploySettings
from kface.bundle.newest import chosen_bundle
from kface.errors import ConfigError, KFaceError

LOGGER = logging.getLogger(__name__)

#: What can be remembered, as :func:`given_by` names it.
STREAM, VIEW, DNN_SIZE, BUNDLE, GALLERY, THRESHOLD, MIN_FACE, TRACKS = (
    "stream", "view", "dnn_size", "bundle", "gallery", "threshold", "min_face", "tracks",
)  # fmt: skip
_ITEMS: Dict[str, Tuple[str, ...]] = {
    "source": (STREAM,),
    "stream": (STREAM, VIEW),
    "stream.view": (VIEW,),
    "dnn_size": (DNN_SIZE,),
    "bundle": (BUNDLE, GALLERY),
    "gallery": (GALLERY,),
    "gallery.file": (GALLERY,),
    "match": (THRESHOLD,),
    "match.recognised": (THRESHOLD,),
    "match.unknown": (THRESHOLD,),
    "detector": (MIN_FACE,),
    "detector.min_face": (MIN_FACE,),
}


class Recalled(NamedTuple):
    """What a session is to be opened with.

    Attributes:
        settings: Its settings.
        threshold: To be set where the model is the one it was set for; None for the bundle's own.
        trouble: What is remembered and cannot be used, in one line; empty where nothing is.
    """

    settings: DeploySettings
    threshold: Optional[KeptThreshold]
    trouble: str


class SettingsMemory(object):
    """Remembers settings. Methods may be called from any thread; but for :meth:`keep` they may take long.

    Args:
        streams: Remembers the stream, and knows the file.
        given: What the command line gives, see :func:`given_by`: that wins over what is remembered.
    """

    def __init__(self, streams: StreamMemory, given: Collection[str] = ()) -> None:
        self._streams = streams
        self._given = frozenset(given)
        self._waiting: Dict[str, Any] = {}
        self._lock = threading.Lock()
        # Held while what waits is taken and written, so that an older value never comes after a newer one.
        self._writing = threading.Lock()

    def recall(self, settings: DeploySettings) -> Recalled:
        """Return the settings of a command with what is remembered in place of what its line did not give."""
        before, given = settings, self._given
        found, trouble = preferences.load(self._streams.file)
        if STREAM not in given:
            settings, trouble = self._streams.recall(settings)
        if DNN_SIZE in given or STREAM in given:
            settings = settings._replace(pipeline=settings.pipeline._replace(dnn_size=before.pipeline.dnn_size))
        view = before.view if VIEW in given else (found.view or settings.view)
        settings = settings._replace(view=view)
        if found.min_face is not None and MIN_FACE not in given:
            settings = settings._replace(detector=dict(settings.detector, min_face=found.min_face))
        if found.tracks is not None and TRACKS not in given:
            settings = settings._replace(pipeline=settings.pipeline._replace(tracks=found.tracks.tracks))
        settings, gone = self._with_bundle(settings, found)
        return Recalled(settings, None if THRESHOLD in given else found.threshold, trouble or gone)

    def _with_bundle(self, settings: DeploySettings, found: Preferences) -> Tuple[DeploySettings, str]:
        if found.bundle and BUNDLE not in self._given:
            if not is_bundle(found.bundle):
                what = "the model that was chosen last is not there any more, so {} is used".format(settings.bundle)
                # Its people are of its model.
                return settings, str(ConfigError(what, found.bundle, "choose a model in the settings"))
            settings = settings._replace(bundle=found.bundle)
        if found.gallery and GALLERY not in self._given:
            settings = settings._replace(gallery=settings.gallery._replace(file=found.gallery))
        return settings, ""

    def keep(self, **fields: Any) -> None:
        """Change fields of :class:`~deploy.app.preferences.Preferences`, with the next :meth:`write`."""
        with self._lock:
            self._waiting.update(fields)

    def write(self) -> None:
        """Write what is to be kept and is not written yet; raises ConfigError where it cannot be written."""
        with self._writing:
            with self._lock:
                fields, self._waiting = self._waiting, {}
            if fields:
                preferences.change(self._streams.file, **fields)

    def write_at_end(self) -> None:
        """Write, for a window that is gone: an error goes to the log."""
        try:
            self.write()
        except KFaceError as error:
            LOGGER.warning("%s", error)

    def forget(self) -> bool:
        """Forget everything, the password of the camera that was watched last included; returns whether something was there.

        Raises:
            KFaceError: Something cannot be removed.
        """
        self._streams.forget()
        return preferences.forget(self._streams.file)


def is_bundle(directory: str) -> bool:
    """Return whether there is a bundle in a directory, whatever its state."""
    return os.path.isfile(os.path.join(directory, "manifest.json"))


def given_by(overrides: Iterable[str], environment: Optional[Dict[str, str]] = None) -> Set[str]:
    """Return what the arguments of a command give, and KFACE_BUNDLE, of what can be remembered.

    Args:
        overrides: ``key=value`` each.
        environment: That of the process where None.

    Example:
        >>> sorted(given_by(["match.recognised=0.5", "tracks.max_age=3"], {}))
        ['threshold', 'tracks']
    """
    found: Set[str] = set()
    for override in overrides:
        key = override.lstrip("+~").partition("=")[0].strip()
        section = key.partition(".")[0].partition("@")[0]
        items: Collection[str] = _ITEMS.get(key, ())
        if not items and section in (STREAM, TRACKS):
            items = (section,)
        found.update(items)
    if (os.environ if environment is None else environment).get("KFACE_BUNDLE"):
        found.update((BUNDLE, GALLERY))
    return found


def remembered_bundle(values: Dict[str, Any], file: Optional[preferences.PathLike] = None) -> Dict[str, Any]:
    """Return a command's settings with the bundle that was chosen last where they, and the working directory, have none."""
    if values.get("bundle") or chosen_bundle():
        return values
    found = preferences.load(file)[0].bundle
    return dict(values, bundle=found) if found and is_bundle(found) else values
