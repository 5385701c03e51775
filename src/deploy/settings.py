"""Settings of the realtime recogniser, checked before anything is opened."""

import os
from typing import Any, Dict, Mapping, NamedTuple, Optional, Tuple, Type

from deploy.outputs import Output, outputs
from kface import checks
from kface.bundle.newest import chosen_bundle
from kface.errors import ConfigError
from kface.fields import Settings
from kface.gallery import Limits
from kface.recognizer import PipelineSettings, TrackSettings
from kface.recognizer.settings import PRECISION, recognizer_settings
from kface.streams import StreamSettings


class GallerySettings(NamedTuple):
    """Where people are enrolled; see ``conf/deploy.yaml``."""

    file: Optional[str] = None
    key_file: Optional[str] = None
    keyring: bool = False
    keep_crops: bool = False


class ChosenOutput(NamedTuple):
    """An output that is on, and its settings: an instance of :attr:`deploy.outputs.Output.options`."""

    output: Type[Output]
    options: Tuple[Any, ...]


class OutputSettings(NamedTuple):
    """What is written; see ``conf/deploy.yaml``.

    Attributes:
        window: Whether a plain window shows the live picture.
        chosen: The outputs that are on.
    """

    window: bool = False
    chosen: Tuple[ChosenOutput, ...] = ()


class WebSettings(NamedTuple):
    """The page with the live picture; see ``conf/deploy.yaml``."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: int = 8088
    token_file: Optional[str] = None
    fps: int = 15
    quality: int = 80


class DeploySettings(NamedTuple):
    """All settings of the realtime recogniser.

    Attributes:
        bundle: The exported model's directory.
        stream: What to watch; None stands for the clip of the synthetic sample.
        view: (width, height) in pixels of the window and the page's picture (Table 6 of the paper).
        loop: A file begins again at its end.
        every_frame: A file is read without loss.
        seconds: Seconds after which to stop; None for no limit.
        detector: Keyword arguments for :meth:`kface.recognizer.FaceRecognizer.load`.
        runtime: A name in :data:`kface.networks.RUNTIMES`, or "auto".
        precision: The embedder's.
        match: Likewise.
        pipeline: Tracks, and the size for the detector.
        gallery: Where people are enrolled.
        enrolment: Quality that a live face needs to be enrolled.
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
    precision: str = PRECISION
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
        read = Settings(values, "", _DEFAULTS)
        stream, view = _stream(read)
        recognizer = recognizer_settings(read.values)
        made = cls(
            bundle=_bundle(read.name("bundle")),
            stream=stream,
            view=view,
            loop=read.flag("loop"),
            every_frame=read.flag("every_frame"),
            seconds=read.optional("seconds", _positive, read),
            detector=recognizer.get("detector", {}),
            runtime=recognizer.get("runtime", "auto"),
            precision=recognizer.get("precision", PRECISION),
            match=recognizer.get("match", {}),
            pipeline=_pipeline(read),
            gallery=_gallery(read.section("gallery", GallerySettings()._asdict())),
            enrolment=_limits(read.section("enrolment", Limits()._asdict())),
            outputs=_outputs(read),
            web=_web(read.section("web", WebSettings()._asdict())),
        )
        if made.every_frame and made.stream is not None and made.stream.kind != "file":
            raise ConfigError("only a file can be read without loss", "every_frame")
        if made.every_frame and made.loop:
            raise ConfigError("a file that is read without loss ends", "loop", "leave out loop or every_frame")
        for output, options in made.outputs.chosen:
            written = output.file(options)
            if written is not None and stream is not None and stream.kind == "file" and _same(written, stream.file):
                where = "outputs." + output.options._fields[0]
                raise ConfigError("is the stream's own file, which would be lost", where, "give another")
        return made


#: All settings, those of sections left out.
_DEFAULTS: Dict[str, Any] = dict(
    dict.fromkeys(
        (
            "bundle", "source", "stream", "seconds", "detector", "runtime", "precision", "dnn_size", "match", "tracks",
            "gallery", "enrolment", "outputs", "web", "hydra",
        )
    ),
    loop=False,
    every_frame=False,
)  # fmt: skip
#: Former names of settings of ``tracks``; files of earlier versions have them.
_TRACKS_BEFORE = {"missing": "max_age", "iou": "iou_threshold", "views": "min_views", "memory": "max_views"}
_SHARED = ("resolution", "fps", "view", "square_pixels")


def _bundle(named: Optional[str]) -> str:
    directory = chosen_bundle(named)
    if not directory:
        raise ConfigError(
            "is not given, and none is found in outputs or bundles", "bundle", "make one (kface train, kface export)"
        )
    return directory


def _positive(key: str, read: Settings) -> float:
    return checks.number(key, read.number(key), 0, open_below=True)


def _stream(read: Settings) -> Tuple[Optional[StreamSettings], Tuple[int, int]]:
    section = read.section("stream", dict.fromkeys(StreamSettings._fields))
    given = dict(section.given)
    for key in ("address", "path", "file"):
        section.name(key)
    source = read.value("source")
    # The number of a USB camera, which YAML and Hydra read as one.
    source = str(source) if isinstance(source, int) and not isinstance(source, bool) else read.name("source")
    if source is not None:
        found = StreamSettings.from_uri(source, **{key: given[key] for key in _SHARED if key in given})
        return found, found.view
    kind = given.pop("kind", "sample")
    if kind == "sample":
        # The view is checked like that of any other stream.
        checked = StreamSettings("csi", **{key: given[key] for key in _SHARED if key in given})
        return None, checked.view
    found = StreamSettings(section.name("kind") or "", **given)
    return found, found.view


def _pipeline(read: Settings) -> PipelineSettings:
    section = _tracks(read)
    enabled = section.flag("enabled")
    given = {key: value for key, value in section.given.items() if key != "enabled"}
    for key in given:
        section.number(key)
    size = read.value("dnn_size")
    if isinstance(size, str):
        size = [int(part) if part.isdecimal() else part for part in size.lower().split("x")]
    if size is not None and (not isinstance(size, (list, tuple)) or not all(isinstance(side, int) for side in size)):
        raise ConfigError("must be a width and a height, such as [640, 360]", "dnn_size")
    made = PipelineSettings(TrackSettings(**given) if enabled else None, None if size is None else tuple(size))
    made.check()
    return made


def _tracks(read: Settings) -> Settings:
    """Return the section, with settings of earlier versions under their present names."""
    values = read.value("tracks")
    if isinstance(values, Mapping):
        for before, now in _TRACKS_BEFORE.items():
            if before in values and now in values:
                raise ConfigError("is the former name of tracks.{}".format(now), "tracks." + before, "leave it out")
        values = {_TRACKS_BEFORE.get(key, key): value for key, value in values.items()}
    return Settings(values, "tracks", dict(TrackSettings()._asdict(), enabled=True))


def _gallery(read: Settings) -> GallerySettings:
    return GallerySettings(read.name("file"), read.name("key_file"), read.flag("keyring"), read.flag("keep_crops"))


def _same(output: str, source: str) -> bool:
    if os.path.exists(output) and os.path.exists(source):
        return os.path.samefile(output, source)
    return os.path.realpath(output) == os.path.realpath(source)


def _limits(read: Settings) -> Limits:
    given: Dict[str, Any] = {}
    for key, limit in read.given.items():
        if key == "pitch":
            if not isinstance(limit, (list, tuple)) or len(limit) != 2:
                raise ConfigError("must be the least and the largest", "enrolment.pitch")
            given[key] = read.numbers(key, 2)
        else:
            given[key] = read.number(key)
    made = Limits(**given)
    made.check()
    return made


def _outputs(read: Settings) -> OutputSettings:
    every = outputs()
    defaults: Dict[str, Any] = {"window": False}
    for output in every:
        defaults.update(output.options()._asdict())
    section = read.section("outputs", defaults)
    chosen = [ChosenOutput(output, output.read(section)) for output in every]
    return OutputSettings(section.flag("window"), tuple(one for one in chosen if one.options[0] is not None))


def _web(read: Settings) -> WebSettings:
    return WebSettings(
        read.flag("enabled"),
        read.name("host") or WebSettings().host,
        read.whole("port", 0, 65535),
        read.name("token_file"),
        read.whole("fps", 1, 60),
        read.whole("quality", 1, 100),
    )
