"""What the stream settings of the window hold, Table 6 of the paper, and their way to a session's settings and back."""

import os
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from deploy.settings import DeploySettings
from kface.errors import ConfigError, KFaceError
from kface.fields import Settings
from kface.recognizer import PipelineSettings
from kface.redaction import is_network, redact_path
from kface.streams import VIEW_SIZES, Secret, StreamSettings
from kface.streams.backends import check
from kface.streams.settings import FPS, RTSP_PORT, Size

#: Kinds of streams in the order of the window; "sample" is the clip of the synthetic sample.
KINDS = ("csi", "rtsp", "file", "v4l2", "sample")
#: What is set for which kind only; the other fields are for all of them.
FIELDS: Dict[str, Tuple[str, ...]] = {
    "csi": ("csi_device", "resolution", "fps"),
    "rtsp": ("address", "port", "path", "id", "password", "resolution", "fps"),
    "file": ("file", "resolution", "fps"),
    "v4l2": ("usb_device", "resolution", "fps"),
    "sample": (),
}
#: Resolutions that cameras usually have, to choose from; others can be typed.
RESOLUTIONS: Tuple[Size, ...] = ((640, 360), (640, 480), (1280, 720), (1920, 1080), (3264, 2464))
#: Sizes for the detector, to choose from; others can be typed.
DNN_SIZES: Tuple[Size, ...] = ((320, 180), (480, 270), (640, 360), (960, 540), (1280, 720))


#: What can be wrong with a field: its form, a password without an id, a file that is not there or cannot
#: be opened, a camera's address in its place, and a CSI camera elsewhere than on a Jetson.
INVALID, ID_MISSING, FILE_ABSENT, FILE_UNUSABLE, FILE_NETWORK, NO_CSI = (
    "invalid",
    "id missing",
    "file absent",
    "file unusable",
    "file network",
    "no csi",
)


class Problem(NamedTuple):
    """A field that cannot be used; :func:`deploy.app.stream_texts.sentence` says it to the user.

    Attributes:
        field: One of :class:`StreamChoice`'s fields.
        wrong: :data:`INVALID` or one of those beside it.
    """

    field: str
    wrong: str = INVALID


class StreamChoice(NamedTuple):
    """Every item of Table 6, those of the kinds that are not chosen as well: they are there when the user comes back.

    Attributes:
        kind: One of :data:`KINDS`.
        csi_device: The number of the camera on the ribbon cable.
        usb_device: The USB camera's device or number.
        resolution: "WIDTHxHEIGHT" that a camera is asked for and frames fit into; empty: as the source has it.
        fps: Frames a second that are taken at most, 1 to 30; None for all.
        address: The network camera's name or IP address.
        port: The network camera's.
        path: The network camera's RTSP path.
        id: The network camera's user.
        password: Likewise; never in :meth:`as_dict`.
        file: The video file's path.
        view: (width, height) in pixels of the view, one of :data:`kface.streams.VIEW_SIZES`.
        dnn_resize: Whether frames are reduced for the detector.
        dnn_size: "WIDTHxHEIGHT" that they are reduced to, kept while `dnn_resize` is off.

    Example:
        >>> StreamChoice("rtsp", address="10.0.0.7", path="/live", id="me", password=Secret("garden")).uri
        'rtsp://10.0.0.7:554/live'
    """

    kind: str = "sample"
    csi_device: str = "0"
    usb_device: str = "/dev/video0"
    resolution: str = ""
    fps: Optional[int] = None
    address: str = ""
    port: int = RTSP_PORT
    path: str = "/"
    id: str = ""
    password: Secret = Secret()
    file: str = ""
    view: Size = VIEW_SIZES[1]
    dnn_resize: bool = False
    dnn_size: str = "640x360"

    @classmethod
    def of(cls, settings: DeploySettings, before: Optional["StreamChoice"] = None) -> "StreamChoice":
        """Return the choice that a session's settings are the result of.

        Args:
            settings: The session's.
            before: Where the fields come from that these settings do not use.
        """
        made = cls() if before is None else before
        size = settings.pipeline.dnn_size
        made = made._replace(view=settings.view, dnn_resize=size is not None)
        if size is not None:
            made = made._replace(dnn_size=written(size))
        stream = settings.stream
        if stream is None:
            return made._replace(kind="sample")
        resolution = "" if stream.resolution is None else written(stream.resolution)
        made = made._replace(kind=stream.kind, resolution=resolution, fps=stream.fps)
        if stream.kind == "csi":
            return made._replace(csi_device=stream.device)
        if stream.kind == "v4l2":
            return made._replace(usb_device=stream.device)
        if stream.kind == "file":
            return made._replace(file=stream.file)
        return made._replace(
            address=stream.address, port=stream.port, path=stream.path, id=stream.id.reveal(), password=stream.password
        )

    def stream(self, square_pixels: bool = True) -> Optional[StreamSettings]:
        """Return the stream's settings; None for the clip of the synthetic sample.

        Raises:
            ConfigError: A field cannot be used; credentials are not in the message. See :meth:`problems`.
        """
        if self.kind == "sample":
            # The view is checked like that of any other stream.
            StreamSettings("csi", view=self.view)
            return None
        shared: Dict[str, Any] = {
            "resolution": self.resolution.strip() or None,
            "fps": self.fps,
            "view": self.view,
            "square_pixels": square_pixels,
        }
        if self.kind == "csi":
            return StreamSettings("csi", device=self.csi_device.strip(), **shared)
        if self.kind == "v4l2":
            return StreamSettings("v4l2", device=self.usb_device.strip(), **shared)
        if self.kind == "file":
            return StreamSettings("file", file=self.file, **shared)
        return StreamSettings(
            self.kind,
            address=self.address.strip(),
            port=self.port,
            path=self.path.strip() or "/",
            id=self.id,
            password=self.password,
            **shared,
        )

    def pipeline(self, before: PipelineSettings) -> PipelineSettings:
        """Return the settings of a pipeline with this size for the detector.

        Raises:
            ConfigError: It is not a size.
        """
        if not self.dnn_resize:
            return before._replace(dnn_size=None)
        try:
            # One reader of sizes in the house; the least for the detector is the pipeline's own.
            width, height = (int(part) for part in self.dnn_size.lower().split("x"))
        except ValueError:
            raise ConfigError("must be a width and a height, such as 640x360", "dnn_size")
        if max(width, height) > _LARGEST_SIDE:
            raise ConfigError("must be at most {} pixels a side".format(_LARGEST_SIDE), "dnn_size")
        made = before._replace(dnn_size=(width, height))
        made.check()
        return made

    def settings(self, before: DeploySettings) -> DeploySettings:
        """Return a session's settings with this choice in place of their stream, view and size for the detector.

        Args:
            before: The others are taken from here.

        Raises:
            ConfigError: A field cannot be used, see :meth:`problems`.
        """
        stream = self.stream(True if before.stream is None else before.stream.square_pixels)
        complete = before.every_frame and stream is not None and stream.kind == "file"
        return before._replace(
            stream=stream, view=self.view, pipeline=self.pipeline(before.pipeline), every_frame=complete
        )

    @property
    def uri(self) -> str:
        """The source as a URL for people: without id and password; empty where it is not complete yet."""
        try:
            stream = self.stream()
        except ConfigError:
            return ""
        return "" if stream is None else stream.uri

    def problems(self, present: bool = True) -> List[Problem]:
        """Return what is wrong with the fields that the kind uses; nothing where the choice can be used.

        Args:
            present: Whether the file, or a CSI camera, must be on this machine.
        """
        found = []
        for key in FIELDS.get(self.kind, ()) + ("view",):
            wrong = self._wrong(key)
            if wrong is not None:
                found.append(wrong)
        if self.kind not in KINDS:
            found.append(Problem("kind"))
        try:
            self.pipeline(PipelineSettings())
        except ConfigError:
            found.append(Problem("dnn_size"))
        return found or (self._absent() if present else [])

    def _wrong(self, key: str, kind: Optional[str] = None) -> Optional[Problem]:
        """Return what is wrong with one field, the others having values that are right."""
        kind = self.kind if kind is None else kind
        right = StreamChoice(kind, address="camera", file="clip.mp4", id="id" if key == "password" else "")
        try:
            right._replace(**{key: getattr(self, key)}).stream()
        except ConfigError:
            return Problem(key)
        if key == "id" and self.password and not self.id:
            return Problem(key, ID_MISSING)
        return None

    def _absent(self) -> List[Problem]:
        """Return what is not on this machine; a camera that is off may come yet."""
        stream = self.stream()
        if stream is None or stream.kind not in ("file", "csi"):
            return []
        try:
            check(stream)
        except KFaceError:
            if stream.kind == "csi":
                return [Problem("kind", NO_CSI)]
            if is_network(stream.file):
                return [Problem("file", FILE_NETWORK)]
            there = os.path.lexists(stream.file.replace("\0", ""))
            return [Problem("file", FILE_UNUSABLE) if there else Problem("file", FILE_ABSENT)]
        return []

    @property
    def secret_path(self) -> bool:
        """Whether the network camera's path has a part that may be a password or a key, as some cameras want it."""
        return redact_path(self.path) != self.path

    def with_uri(self, uri: str) -> "StreamChoice":
        """Return the choice with the parts of a network camera's URL, as people copy it from a manual, in their fields.

        Raises:
            ConfigError: It is not ``rtsp://[ID:PASSWORD@]ADDRESS[:PORT][/PATH]``; no part of it is in the message.
        """
        stream = StreamSettings.from_uri(uri)
        if stream.kind != "rtsp":
            raise ConfigError("is not the URL of a network camera", "stream.address")
        parts: Dict[str, Any] = {"address": stream.address, "port": stream.port, "path": stream.path, "kind": "rtsp"}
        if stream.id:
            parts.update(id=stream.id.reveal(), password=stream.password)
        return self._replace(**parts)

    def as_dict(self) -> Dict[str, Any]:
        """Return everything but what is secret for JSON; :meth:`from_dict` reads it.

        A field that cannot be used has its default: what was typed into a wrong one may be a login.
        """
        default = StreamChoice()
        values: Dict[str, Any] = dict(self._asdict(), view=written(self.view))
        for kind, keys in FIELDS.items():
            for key in keys:
                if self._replace(password=Secret())._wrong(key, kind) is not None:
                    values[key] = getattr(default, key)
        if self.secret_path:
            values["path"] = default.path
        if is_network(self.file):
            values["file"] = default.file
        try:
            self._replace(dnn_resize=True).pipeline(PipelineSettings())
        except ConfigError:
            values["dnn_size"] = default.dnn_size
        del values["password"]
        return values

    @classmethod
    def from_dict(cls, values: Any, path: Any) -> "StreamChoice":
        """Return the choice that :meth:`as_dict` wrote, without a password.

        Args:
            values: What was read.
            path: Its file, for errors.

        Raises:
            ConfigError: It is none, or has a field that is unknown or has another type.
        """
        default = cls()
        read = Settings(values, "stream", default.as_dict(), path)
        view = read.text("view", [written(size) for size in VIEW_SIZES])
        texts: Dict[str, Any] = {key: read.name(key) or "" for key in _TEXTS}
        for key in ("csi_device", "usb_device", "path"):
            texts[key] = texts[key] or getattr(default, key)
        return cls(
            kind=read.text("kind", KINDS),
            fps=read.optional("fps", read.whole, *FPS),
            port=read.whole("port", 1, 65535),
            view=parsed(view),
            dnn_resize=read.flag("dnn_resize"),
            **texts,
        )


_TEXTS = ("csi_device", "usb_device", "resolution", "address", "path", "id", "file", "dnn_size")
_LARGEST_SIDE = 8192


def written(size: Size) -> str:
    """Return a size as it is written, such as "1280x720"."""
    return "{}x{}".format(*size)


def parsed(text: str) -> Size:
    """Return the size that :func:`written` wrote."""
    width, height = text.split("x")
    return int(width), int(height)
