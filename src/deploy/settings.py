"""Settings of the realtime recogniser, checked before anything is opened."""

import difflib
import numbers
import os
from pathlib import Path
from typing import Any, Dict, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from deploy.outputs.video import CODECS
from kface.bundle.manifest import PRECISIONS
from kface.errors import ConfigError
from kface.gallery import Limits
from kface.mtcnn import settings as cascade
from kface.recognizer import PipelineSettings, TrackSettings
from kface.recognizer.settings import SECTIONS
from kface.streams import StreamSettings

#: What JSON lines are written for.
JSON_LINES = ("changes", "frames")
#: Of whom snapshots are taken.
SNAPSHOT_OF = ("recognised", "unknown")


class GallerySettings(NamedTuple):
    """Where people are enrolled; see ``conf/deploy.yaml``."""

    file: Optional[str] = None
    key_file: Optional[str] = None
    keyring: bool = False
    keep_crops: bool = False


class OutputSettings(NamedTuple):
    """What is written; see ``conf/deploy.yaml``."""

    window: bool = False
    video: Optional[str] = None
    json: Optional[str] = None
    json_lines: str = "changes"
    snapshots: Optional[str] = None
    snapshot_of: Tuple[str, ...] = SNAPSHOT_OF
    snapshots_kept: int = 1000


class WebSettings(NamedTuple):
    """The page with the live picture; see ``conf/deploy.yaml``."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: int = 8088
    token_file: Optional[str] = None
    fps: int = 15
    quality: int = 80


class DeploySettings(NamedTuple):
    """Everything that the realtime recogniser is told.

    Attributes:
        bundle: The exported model's directory.
        stream: What to watch; None stands for the clip of the synthetic sample.
        view: (width, height) in pixels of the window and the page's picture (Table 6 of the paper).
        loop: A file begins again at its end.
        every_frame: A file is read without loss.
        seconds: Stop after so long; None goes on.
        detector: Keyword arguments for :meth:`kface.recognizer.FaceRecognizer.load`.
        runtime: A name in :data:`kface.networks.RUNTIMES`, or "auto".
        precision: The embedder's.
        match: As in the section ``match`` of a ``deploy.yaml``.
        pipeline: Tracks, and the size for the detector.
        gallery: Where people are enrolled.
        enrolment: What a live face must be to be enrolled.
        outputs: What is written.
        web: The page.
    """

    bundle: str
    stream: Optional[StreamSettings] = None
    view: Tuple[int, int] = (640, 360)
    loop: bool = False
    every_frame: bool = False
    seconds: Optional[float] = None
    detector: Mapping[str, Any] = {}
    runtime: str = "auto"
    precision: str = "fp32"
    match: Mapping[str, Any] = {}
    pipeline: PipelineSettings = PipelineSettings()
    gallery: GallerySettings = GallerySettings()
    enrolment: Limits = Limits()
    outputs: OutputSettings = OutputSettings()
    web: WebSettings = WebSettings()

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "DeploySettings":
        """Check settings, such as :func:`deploy.configuration.resolve` returns; what is absent has its default.

        Raises:
            ConfigError: A setting does not exist, or its value cannot be; the setting is named.
        """
        values = _section(dict(values), "", _KEYS)
        values.pop("hydra", None)
        stream, view = _stream(values)
        made = cls(
            bundle=_bundle(values.get("bundle")),
            stream=stream,
            view=view,
            loop=_flag(values.get("loop", False), "loop"),
            every_frame=_flag(values.get("every_frame", False), "every_frame"),
            seconds=_seconds(values.get("seconds")),
            detector=_detector(values.get("detector")),
            runtime=_runtime(values.get("runtime")),
            precision=_precision(values),
            match=_numbers(values.get("match"), "match", _MATCH),
            pipeline=_pipeline(values),
            gallery=_gallery(values.get("gallery")),
            enrolment=_limits(values.get("enrolment")),
            outputs=_outputs(values.get("outputs")),
            web=_web(values.get("web")),
        )
        if made.every_frame and made.stream is not None and made.stream.kind != "file":
            raise ConfigError("only a file can be read without loss", "every_frame")
        if made.every_frame and made.loop:
            raise ConfigError("a file that is read without loss ends", "loop", "leave out loop or every_frame")
        for name in ("video", "json"):
            if stream is not None and stream.kind == "file" and _same(getattr(made.outputs, name), stream.file):
                raise ConfigError("is the stream's own file, which would be lost", "outputs." + name, "give another")
        return made


_KEYS = (
    "bundle", "source", "stream", "loop", "every_frame", "seconds", "detector", "runtime", "precision", "dnn_size", "match",
    "tracks", "gallery", "enrolment", "outputs", "web", "hydra",
)  # fmt: skip
_DETECTOR = SECTIONS["detector"]
_RUNTIME = ("name", "precision")
_MATCH = ("recognised", "unknown")
_STREAM = (
    "kind",
    "address",
    "id",
    "password",
    "port",
    "path",
    "file",
    "device",
    "resolution",
    "fps",
    "view",
    "square_pixels",
)
_SHARED = ("resolution", "fps", "view", "square_pixels")


def newest_bundle() -> Optional[str]:
    """Return the bundle that was exported last under ``outputs`` and ``bundles`` of the working directory, if any."""
    found = list(Path("outputs").glob("*/*/bundle/manifest.json")) + list(Path("bundles").glob("*/manifest.json"))
    newest = max(found, key=lambda path: path.stat().st_mtime, default=None)
    return None if newest is None else str(newest.parent)


def chosen_bundle(named: Optional[str] = None) -> Optional[str]:
    """Return the bundle that is named, by the setting or else by KFACE_BUNDLE, or the newest; None where there is none."""
    return named or os.environ.get("KFACE_BUNDLE") or newest_bundle()


def _bundle(value: Any) -> str:
    directory = chosen_bundle(_text(value, "bundle"))
    if not directory:
        raise ConfigError(
            "is not given, and none is found in outputs or bundles", "bundle", "make one (kface train, kface export)"
        )
    return directory


def _stream(values: Mapping[str, Any]) -> Tuple[Optional[StreamSettings], Tuple[int, int]]:
    section = _section(values.get("stream"), "stream", _STREAM)
    given = {key: value for key, value in section.items() if value is not None}
    for key in ("address", "path", "file"):
        _text(given.get(key), "stream." + key)
    given_source = values.get("source")
    # The number of a USB camera, which YAML and Hydra read as one.
    number = isinstance(given_source, int) and not isinstance(given_source, bool)
    source = _text(str(given_source) if number else given_source, "source")
    if source is not None:
        found = StreamSettings.from_uri(source, **{key: given[key] for key in _SHARED if key in given})
        return found, found.view
    kind = given.pop("kind", "sample")
    if kind == "sample":
        # The view is checked like that of any other stream.
        checked = StreamSettings("csi", **{key: given[key] for key in _SHARED if key in given})
        return None, checked.view
    found = StreamSettings(_text(kind, "stream.kind") or "", **given)
    return found, found.view


def _pipeline(values: Mapping[str, Any]) -> PipelineSettings:
    section = _section(values.get("tracks"), "tracks", ("enabled",) + TrackSettings._fields)
    enabled = _flag(section.pop("enabled", True), "tracks.enabled")
    given = {key: value for key, value in section.items() if value is not None}
    for key, value in given.items():
        _number(value, "tracks." + key)
    size = values.get("dnn_size")
    if isinstance(size, str):
        size = [int(part) if part.isdecimal() else part for part in size.lower().split("x")]
    if size is not None and (not isinstance(size, (list, tuple)) or not all(isinstance(side, int) for side in size)):
        raise ConfigError("must be a width and a height, such as [640, 360]", "dnn_size")
    made = PipelineSettings(TrackSettings(**given) if enabled else None, None if size is None else tuple(size))
    made.check()
    return made


def _gallery(value: Any) -> GallerySettings:
    section = _section(value, "gallery", GallerySettings._fields)
    return GallerySettings(
        _text(section.get("file"), "gallery.file"),
        _text(section.get("key_file"), "gallery.key_file"),
        _flag(section.get("keyring", False), "gallery.keyring"),
        _flag(section.get("keep_crops", False), "gallery.keep_crops"),
    )


def _numbers(value: Any, name: str, keys: Sequence[str]) -> Dict[str, Any]:
    """Return a section of numbers and lists of numbers; whether they can be is for what takes them to say."""
    given = {key: one for key, one in _section(value, name, keys).items() if one is not None}
    for key, one in given.items():
        if key == "thresholds" and not isinstance(one, (list, tuple)):
            raise ConfigError("must be a list of numbers, not {!r}".format(one), name + "." + key)
        for number in one if key == "thresholds" else (one,):
            _number(number, name + "." + key)
    return given


def _detector(value: Any) -> Dict[str, Any]:
    """Return the detector's settings; ways to brighten that are null are none, not those by default."""
    section = _section(value, "detector", _DETECTOR)
    ways = {key: cascade.brighten(section.pop(key)) for key in ("brighten",) if key in section}
    return dict(_numbers(section, "detector", _DETECTOR), **ways)


def _same(output: Optional[str], source: str) -> bool:
    if output is None:
        return False
    if os.path.exists(output) and os.path.exists(source):
        return os.path.samefile(output, source)
    return os.path.realpath(output) == os.path.realpath(source)


def _limits(value: Any) -> Limits:
    section = _section(value, "enrolment", Limits._fields)
    given: Dict[str, Any] = {}
    for key, limit in section.items():
        if key == "pitch" and limit is not None:
            if not isinstance(limit, (list, tuple)) or len(limit) != 2:
                raise ConfigError("must be the least and the largest", "enrolment.pitch")
            given[key] = tuple(_number(side, "enrolment.pitch") for side in limit)
        elif limit is not None:
            given[key] = _number(limit, "enrolment." + key)
    made = Limits(**given)
    made.check()
    return made


def _outputs(value: Any) -> OutputSettings:
    section = _section(value, "outputs", OutputSettings._fields)
    video = _text(section.get("video"), "outputs.video")
    if video is not None and not video.lower().endswith(tuple(CODECS)):
        raise ConfigError("must end in {}, not {}".format(" or ".join(CODECS), video), "outputs.video")
    whose = section.get("snapshot_of", SNAPSHOT_OF)
    whose = [whose] if isinstance(whose, str) else whose
    if not isinstance(whose, (list, tuple)):
        raise ConfigError("must be a list of {}".format(", ".join(SNAPSHOT_OF)), "outputs.snapshot_of")
    return OutputSettings(
        _flag(section.get("window", False), "outputs.window"),
        video,
        _text(section.get("json"), "outputs.json"),
        _choice(section.get("json_lines", JSON_LINES[0]), JSON_LINES, "outputs.json_lines"),
        _text(section.get("snapshots"), "outputs.snapshots"),
        tuple(_choice(one, SNAPSHOT_OF, "outputs.snapshot_of") for one in whose),
        _whole(section.get("snapshots_kept", 1000), "outputs.snapshots_kept", 1, 10**7),
    )


def _web(value: Any) -> WebSettings:
    section = _section(value, "web", WebSettings._fields)
    given = WebSettings()
    return WebSettings(
        _flag(section.get("enabled", given.enabled), "web.enabled"),
        _text(section.get("host", given.host), "web.host") or given.host,
        _whole(section.get("port", given.port), "web.port", 0, 65535),
        _text(section.get("token_file"), "web.token_file"),
        _whole(section.get("fps", given.fps), "web.fps", 1, 60),
        _whole(section.get("quality", given.quality), "web.quality", 1, 100),
    )


def _runtime(value: Any) -> str:
    if isinstance(value, str):
        return value
    return _text(_section(value, "runtime", _RUNTIME).get("name"), "runtime.name") or "auto"


def _precision(values: Mapping[str, Any]) -> str:
    runtime = values.get("runtime")
    # A bundle's own deploy.yaml has it there.
    inside = runtime.get("precision") if isinstance(runtime, Mapping) else None
    return _choice(values.get("precision") or inside or "fp32", PRECISIONS, "precision")


def _section(value: Any, name: str, keys: Sequence[str]) -> Dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigError(
            # Not the value: a URI at the wrong place may hold a password.
            "must have settings of its own, not a {}".format(type(value).__name__),
            name,
            "such as {}.{}".format(name, keys[0]),
        )
    for key in value:
        if key not in keys:
            near = difflib.get_close_matches(str(key), keys, n=1) or list(keys)
            raise ConfigError(
                "there is no such setting", "{}.{}".format(name, key).lstrip("."), "choose: " + ", ".join(near)
            )
    return dict(value)


def _flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise ConfigError("must be true or false, not {!r}".format(value), name)
    return value


def _text(value: Any, name: str) -> Optional[str]:
    if value is None or value == "":
        return None
    if not isinstance(value, str) or "\0" in value:
        raise ConfigError("must be a text", name)
    return value


def _choice(value: Any, choices: Sequence[str], name: str) -> str:
    if value not in choices:
        raise ConfigError("must be one of {}, not {!r}".format(", ".join(choices), value), name)
    return str(value)


def _number(value: Any, name: str) -> Union[int, float]:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ConfigError("must be a number, not {!r}".format(value), name)
    return value  # type: ignore[return-value]


def _whole(value: Any, name: str, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ConfigError("must be a whole number from {} to {}, not {!r}".format(least, most, value), name)
    return value


def _seconds(value: Any) -> Optional[float]:
    if value is None:
        return None
    if not _number(value, "seconds") > 0:
        raise ConfigError("must be more than 0, not {}".format(value), "seconds")
    return float(value)
