"""Settings of the realtime recogniser, checked before anything is opened."""

import os
from typing import Any, Dict, Mapping, NamedTuple, Optional, Tuple

from deploy.outputs.video import CODECS
from kface.bundle.manifest import PRECISIONS
from kface.bundle.newest import chosen_bundle
from kface.errors import ConfigError
from kface.fields import Settings
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
        read = Settings(values, "", _DEFAULTS)
        stream, view = _stream(read)
        made = cls(
            bundle=_bundle(read.name("bundle")),
            stream=stream,
            view=view,
            loop=read.flag("loop"),
            every_frame=read.flag("every_frame"),
            seconds=read.optional("seconds", _positive, read),
            detector=_detector(read),
            runtime=_runtime(read),
            precision=_precision(read),
            match=_numbers(read.section("match", SECTIONS["match"])),
            pipeline=_pipeline(read),
            gallery=_gallery(read.section("gallery", GallerySettings()._asdict())),
            enrolment=_limits(read.section("enrolment", Limits()._asdict())),
            outputs=_outputs(read.section("outputs", OutputSettings()._asdict())),
            web=_web(read.section("web", WebSettings()._asdict())),
        )
        if made.every_frame and made.stream is not None and made.stream.kind != "file":
            raise ConfigError("only a file can be read without loss", "every_frame")
        if made.every_frame and made.loop:
            raise ConfigError("a file that is read without loss ends", "loop", "leave out loop or every_frame")
        for name in ("video", "json"):
            if stream is not None and stream.kind == "file" and _same(getattr(made.outputs, name), stream.file):
                raise ConfigError("is the stream's own file, which would be lost", "outputs." + name, "give another")
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
_SHARED = ("resolution", "fps", "view", "square_pixels")


def _bundle(named: Optional[str]) -> str:
    directory = chosen_bundle(named)
    if not directory:
        raise ConfigError(
            "is not given, and none is found in outputs or bundles", "bundle", "make one (kface train, kface export)"
        )
    return directory


def _positive(key: str, read: Settings) -> float:
    value = read.number(key)
    if not value > 0:
        raise ConfigError("must be more than 0, not {}".format(value), key)
    return value


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
    section = read.section("tracks", dict(TrackSettings()._asdict(), enabled=True))
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


def _gallery(read: Settings) -> GallerySettings:
    return GallerySettings(read.name("file"), read.name("key_file"), read.flag("keyring"), read.flag("keep_crops"))


def _numbers(read: Settings) -> Dict[str, Any]:
    """Return the numbers of a section that are given; whether they can be is for what takes them to say."""
    return {key: read.number(key) for key in read.given}


def _detector(read: Settings) -> Dict[str, Any]:
    """Return the detector's settings; ways to brighten that are null are none, not those by default."""
    section = read.section("detector", SECTIONS["detector"])
    made: Dict[str, Any] = {}
    for key in section.given:
        if key == "thresholds":
            made[key] = list(cascade.thresholds(section.value(key)))
        elif key != "brighten":
            made[key] = section.number(key)
    if "brighten" in section.values:
        made["brighten"] = cascade.brighten(section.value("brighten"))
    return made


def _same(output: Optional[str], source: str) -> bool:
    if output is None:
        return False
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
    video = read.name("video")
    if video is not None and not video.lower().endswith(tuple(CODECS)):
        raise ConfigError("must end in {}, not {}".format(" or ".join(CODECS), video), "outputs.video")
    whose = read.value("snapshot_of")
    whose = [whose] if isinstance(whose, str) else whose
    if not isinstance(whose, (list, tuple)) or not set(map(str, whose)) <= set(SNAPSHOT_OF):
        raise read.error("snapshot_of", "a list of {}".format(", ".join(SNAPSHOT_OF)))
    return OutputSettings(
        read.flag("window"),
        video,
        read.name("json"),
        read.text("json_lines", JSON_LINES),
        read.name("snapshots"),
        tuple(whose),
        read.whole("snapshots_kept", 1, 10**7),
    )


def _web(read: Settings) -> WebSettings:
    return WebSettings(
        read.flag("enabled"),
        read.name("host") or WebSettings().host,
        read.whole("port", 0, 65535),
        read.name("token_file"),
        read.whole("fps", 1, 60),
        read.whole("quality", 1, 100),
    )


def _runtime(read: Settings) -> str:
    value = read.value("runtime")
    return value if isinstance(value, str) else _runtime_section(read).name("name") or "auto"


def _precision(read: Settings) -> str:
    # A bundle's own deploy.yaml has it there.
    inside = None if isinstance(read.value("runtime"), str) else _runtime_section(read).value("precision")
    value = read.value("precision") or inside or SECTIONS["runtime"]["precision"]
    if value not in PRECISIONS:
        raise ConfigError("must be one of {}, not {!r}".format(", ".join(PRECISIONS), value), "precision")
    return str(value)


def _runtime_section(read: Settings) -> Settings:
    return read.section("runtime", SECTIONS["runtime"])
