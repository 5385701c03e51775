"""Where a stream comes from and how it is shown: Table 6 of the paper, and the same as a URI."""

import ipaddress
import os
import re
from typing import Any, Iterable, Mapping, NamedTuple, Optional, Sequence, Tuple, Union
from urllib.parse import quote, unquote

from kface import checks
from kface.errors import ConfigError
from kface.redaction import MASK, is_network, redact, redact_path
from kface.streams import credentials
from kface.streams.credentials import Secret, mask

#: Kinds of sources: the camera on a Jetson's ribbon cable, a network camera, a video file, a USB camera.
KINDS = ("csi", "rtsp", "file", "v4l2")
#: Table 6's sizes of the view, (width, height) in pixels.
VIEW_SIZES = ((320, 240), (640, 360), (704, 480), (960, 540), (1280, 720), (1600, 900))
#: Table 6's frames per second.
FPS = (1, 30)
#: Sides of a picture that a resolution may name, in pixels.
SIDES = (16, 8192)
RTSP_PORT = 554

Size = Tuple[int, int]
SizeLike = Union[str, Sequence[int]]


class _Fields(NamedTuple):
    kind: str
    address: str
    id: Secret
    password: Secret
    port: int
    path: str
    file: str
    device: str
    resolution: Optional[Size]
    fps: Optional[int]
    view: Size
    square_pixels: bool


class StreamSettings(_Fields):
    """What to open, checked (Table 6 of the paper). Prints without credentials, as a tuple and as a text.

    Attributes:
        kind: One of :data:`KINDS`.
        address: The network camera's, a name or an IP address.
        id: The network camera's user, a :class:`Secret`; given as a text.
        password: Likewise.
        port: The network camera's.
        path: The network camera's RTSP path, with its query.
        file: The video file's path.
        device: The CSI camera's number ("0") or the USB camera's device ("/dev/video0").
        resolution: (width, height) in pixels; cameras are asked for it, and frames fit into it, aspect kept. As the source
            has it where None.
        fps: Frames a second, 1 to 30, that are handed out at most; as the source has it where None.
        view: (width, height) in pixels of the view, one of :data:`VIEW_SIZES`.
        square_pixels: Whether frames whose pixels are not square, as the source says, are stretched until they are: faces
            are recognised in their own proportions.

    Raises:
        ConfigError: A setting is missing, has a wrong type or is out of its range; credentials are not in the message.

    Example:
        >>> StreamSettings("rtsp", address="10.0.0.7", id="admin", password="pass", path="/live", fps=10).uri
        'rtsp://10.0.0.7:554/live'
    """

    __slots__ = ()

    def __new__(  # noqa: D102 - the class's docstring says it
        cls,
        kind: str,
        address: str = "",
        id: Union[str, Secret] = "",
        password: Union[str, Secret] = "",
        port: int = RTSP_PORT,
        path: str = "/",
        file: Union[str, "os.PathLike[str]"] = "",
        device: Union[str, int] = "",
        resolution: Optional[SizeLike] = None,
        fps: Optional[int] = None,
        view: SizeLike = VIEW_SIZES[1],
        square_pixels: bool = True,
    ) -> "StreamSettings":
        if kind not in KINDS:
            raise ConfigError("must be one of {}".format(", ".join(KINDS)), "stream.kind")
        size = None if resolution is None else _size(resolution, "stream.resolution")
        shown = _size(view, "stream.view")
        if shown not in VIEW_SIZES:
            sizes = ", ".join("{}x{}".format(*choice) for choice in VIEW_SIZES)
            raise ConfigError("must be one of {}, not {}x{}".format(sizes, *shown), "stream.view")
        if fps is not None:
            checks.whole("stream.fps", fps, *FPS)
        checks.flag("stream.square_pixels", square_pixels)
        name, word = _secret(id, "stream.id"), _secret(password, "stream.password")
        if ":" in name.reveal():
            raise ConfigError("must not contain a colon, which ends the id in RTSP", "stream.id")
        if word and not name:
            raise ConfigError("is missing, but a password is set", "stream.id")
        video, where = os.fspath(file), str(device)
        if kind == "rtsp":
            _check_address(address)
            checks.whole("stream.port", port, 1, 65535)
            if not isinstance(path, str) or not path.isprintable():
                raise ConfigError("must be text without control characters", "stream.path")
            path = path if path.startswith("/") else "/" + path
        elif kind == "file":
            if not video or "\0" in video:
                raise ConfigError("must be the path of a video file", "stream.file")
        elif kind == "csi":
            where = where or "0"
            if not re.match(r"[0-9]\Z", where):
                raise ConfigError("must be the number of a CSI camera, such as 0", "stream.device")
        else:
            where = "/dev/video" + (where or "0") if re.match(r"[0-9]{0,3}\Z", where) else where
            if not re.match(r"/dev/[A-Za-z0-9_./:+-]+\Z", where):
                raise ConfigError("must be a device like /dev/video0", "stream.device")
        return super(StreamSettings, cls).__new__(
            cls, kind, address, name, word, port, path, video, where, size, fps, shown, square_pixels
        )

    @classmethod
    def _make(cls, iterable: Iterable[Any]) -> "StreamSettings":  # type: ignore[override]
        # _replace comes through here: what it makes is checked as well.
        return cls(*iterable)

    @classmethod
    def from_uri(cls, uri: Union[str, int], **others: Any) -> "StreamSettings":
        """Return the settings that a URI stands for.

        Args:
            uri: A number (a USB camera's), ``file:PATH`` or a plain path (taken literally), ``file:///PATH`` (percent-decoded),
                ``rtsp://[ID:PASSWORD@]ADDRESS[:PORT][/PATH]`` with percent-encoded id and password, ``csi://0``, or
                ``v4l2:///dev/video0`` (also ``/dev/video0``).
            others: ``resolution``, ``fps``, ``view``, ``square_pixels``, or whatever else is not in the URI.

        Raises:
            ConfigError: It is not such a URI; neither the URI nor a part of it is in the message.
        """
        if isinstance(uri, int) and not isinstance(uri, bool):
            # A USB camera's number, as in OpenCV; YAML and Hydra read it as an integer.
            uri = str(checks.whole("stream", uri, 0, 999))
        if not isinstance(uri, str) or not uri.strip():
            raise ConfigError("is empty", "stream", "give a file, rtsp://..., csi://0 or v4l2:///dev/video0")
        if re.match(r"[0-9]{1,3}\Z", uri) and not os.path.lexists(uri):
            return cls(**dict(others, kind="v4l2", device=uri))
        trimmed = uri.strip().strip("\"'<>").strip()
        if re.match(r"(?i)rtsp://", trimmed):
            uri = trimmed
        scheme, _, rest = uri.partition(":")
        scheme = scheme.lower()
        if scheme == "file" and _:
            return cls(**dict(others, kind="file", file=_path(_file(rest))))
        if scheme in KINDS and rest.startswith("//"):
            if scheme == "rtsp":
                return cls(**dict(others, kind="rtsp", **_network(rest[2:])))
            return cls(**dict(others, kind=scheme, device=rest[2:]))
        if re.match(r"[a-z][a-z0-9+.-]*\Z", scheme) and (rest.startswith("//") or (scheme in KINDS and _)):
            raise ConfigError(
                "unknown kind of stream", "stream", "give a file, rtsp://..., csi://0 or v4l2:///dev/video0"
            )
        if re.match(r"/dev/video[0-9]+\Z", uri):
            return cls(**dict(others, kind="v4l2", device=uri))
        return cls(**dict(others, kind="file", file=_path(uri)))

    @property
    def uri(self) -> str:
        """The source as a URI for people and logs: without id and password."""
        if self.kind == "rtsp":
            return "rtsp://{}{}".format(self.authority, self.hide(redact_path(self.encoded_path)))
        return redact(self.reveal_uri())

    def reveal_uri(self) -> str:
        """Return the source as a URI that :meth:`from_uri` reads back; keep it out of logs: it holds the credentials."""
        if self.kind == "rtsp":
            user = quote(self.id.reveal(), safe="")
            if self.password:
                user += ":" + quote(self.password.reveal(), safe="")
            return "rtsp://{}{}{}".format(user + "@" if user else "", self.authority, self.encoded_path)
        if self.kind == "file":
            return "file://" + quote(self.file) if self.file.startswith("//") else "file:" + self.file
        return "{}://{}".format(self.kind, self.device)

    @property
    def authority(self) -> str:
        """The network camera's address and port, as a URL has them."""
        return "{}:{}".format("[{}]".format(self.address) if ":" in self.address else self.address, self.port)

    @property
    def encoded_path(self) -> str:
        """The network camera's path as a URL has it; what is percent-encoded already stays."""
        return quote(self.path, safe="/%?=&:+,;@!$'()*~[]")

    def hide(self, text: str) -> str:
        """Return a text in one line, without these settings' credentials."""
        return mask(text, self.password, self.id)

    def with_credentials(
        self,
        file: Optional[Union[str, "os.PathLike[str]"]] = None,
        environ: Optional[Mapping[str, str]] = None,
    ) -> "StreamSettings":
        """Return the settings with id and password from a file or the environment where a network camera has none.

        See :func:`kface.streams.credentials.find`; the password need not be in a URI on a command line, which every user of
        the machine can read there.

        Raises:
            ConfigError: The file cannot be used.
        """
        if self.kind != "rtsp" or self.password:
            return self
        found = credentials.find(self.address, self.id, file, environ)
        return self if found is None else self._replace(id=found.id, password=found.password)

    def __repr__(self) -> str:
        values = self._asdict()
        values["path"] = self.hide(redact_path(self.path))
        values["file"] = redact(self.file)
        return "StreamSettings({})".format(", ".join("{}={!r}".format(*item) for item in values.items()))

    def __str__(self) -> str:
        return self.uri


def _size(value: SizeLike, where: str) -> Size:
    parts = re.split("[xX]", value) if isinstance(value, str) else value
    try:
        width, height = (checks.whole(where, int(part) if isinstance(part, str) else part, *SIDES) for part in parts)
    except (TypeError, ValueError, ConfigError):
        raise ConfigError("must be WIDTHxHEIGHT, each from {} to {}, not {!r}".format(SIDES[0], SIDES[1], value), where)
    return width, height


def _secret(value: object, where: str) -> Secret:
    text = value.reveal() if isinstance(value, Secret) else value
    if not isinstance(text, str) or not all(sign.isprintable() for sign in text):
        raise ConfigError("must be text without control characters", where)
    if text == MASK:
        raise ConfigError("is the mask shown in its place", where, "set the real one, or use a credentials file")
    return Secret(text)


def _check_address(address: object) -> None:
    if not isinstance(address, str) or not re.match(r"[^\s/@?#\[\]%:\\\"]+\Z", address):
        try:
            ipaddress.IPv6Address(address)
        except (ValueError, TypeError):
            raise ConfigError("must be a name or an IP address", "stream.address")


def _file(rest: str) -> str:
    """Return the path of ``file:REST``; only with two slashes is it a URL, whose special characters are percent-encoded."""
    if not rest.startswith("//"):
        return rest
    host, slash, path = rest[2:].partition("/")
    if host not in ("", "localhost") or not slash:
        raise ConfigError("a file URI must have a path and no other host", "stream", "write file:PATH")
    return "/" + unquote(path)


def _path(path: str) -> str:
    """Return a file's path; a mistyped address of a camera is refused, and not shown as the name of a missing file."""
    if is_network(path) and not os.path.lexists(path.replace("\0", "")):
        raise ConfigError(
            "is neither a file nor a stream address", "stream", "write rtsp://ADDRESS:PORT/PATH, or the file's path"
        )
    return path


def _network(rest: str) -> Mapping[str, Any]:
    """Return address, port, path, id and password of ``rtsp://REST``; no message holds a part of it."""
    authority, mark, path = _split(rest)
    user, at, host = authority.rpartition("@")
    found = re.match(r"(\[[^\]]*\]|[^:]*)(?::([0-9]*))?\Z", host)
    # An @ behind the address is most likely the end of a password with a slash in it, of which the rest would be shown.
    if found is None or (not at and "@" in path):
        raise ConfigError(
            "is not rtsp://ID:PASSWORD@ADDRESS:PORT/PATH",
            "stream",
            "percent-encode all but letters and digits in id and password, or set them separately",
        )
    values = {"address": found.group(1).strip("[]"), "path": mark + path}
    if found.group(2):
        values["port"] = int(found.group(2))
    if at:
        name, _, password = user.partition(":")
        try:
            values.update(id=unquote(name, errors="strict"), password=unquote(password, errors="strict"))
        except UnicodeDecodeError:
            raise ConfigError("id or password is not percent-encoded UTF-8", "stream", "encode them again")
    return values


def _split(rest: str) -> Tuple[str, str, str]:
    found = re.search("[/?#]", rest)
    return (rest, "", "") if found is None else (rest[: found.start()], found.group(), rest[found.end() :])
