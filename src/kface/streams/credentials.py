"""Ids and passwords of cameras: where they come from, and how they stay out of whatever is printed."""

import base64
import binascii
import html
import json
import os
import re
import stat
from typing import Any, Mapping, NamedTuple, Optional, Set, Union
from urllib.parse import quote, quote_plus

from kface.errors import ConfigError
from kface.files import decoded
from kface.redaction import MASK, redact

PathLike = Union[str, "os.PathLike[str]"]

#: Environment variables: an id and a password for every camera that has none of its own, and a file by address.
ID_VARIABLE = "KFACE_STREAM_ID"
PASSWORD_VARIABLE = "KFACE_STREAM_PASSWORD"
FILE_VARIABLE = "KFACE_STREAM_CREDENTIALS"
_LARGEST_FILE = 1 << 16
#: Of what a camera says so much is looked at.
_LONGEST = 4096


class Secret(object):
    """A text that shows itself only on request: ``repr``, ``str`` and everything that holds one print stars.

    Example:
        >>> Secret("garden"), Secret("garden").reveal()
        (***, 'garden')
    """

    __slots__ = ("_text",)

    def __init__(self, text: str = "") -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text."""
        return self._text

    def __repr__(self) -> str:
        return MASK if self._text else "''"

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> Any:
        raise TypeError("a Secret cannot be pickled")

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: object) -> "Secret":
        return self


def mask(text: str, password: Secret = Secret(), id: Secret = Secret()) -> str:  # noqa: B008 - it never changes
    """Return a text without credentials, in one line: the given ones, and what :func:`kface.redaction.redact` hides.

    Args:
        text: A message of a decoder or a camera.
        password: Hidden wherever it occurs, as it is or encoded.
        id: Likewise, as a word of its own: "admin" is also a part of other words.
    """
    text = text[:_LONGEST]
    pair = "{}:{}".format(id.reveal(), password.reveal()) if id or password else ""
    for form in sorted(_encoded(pair), key=len, reverse=True):
        text = text.replace(form, MASK)
    for secret, whole in ((password, len(password.reveal()) < 4), (id, True)):
        for form in sorted(_forms(secret.reveal()), key=len, reverse=True):
            pattern = re.escape(form)
            text = re.sub("(?i)" + (r"(?<!\w){}(?!\w)".format(pattern) if whole else pattern), MASK, text)
    return " ".join("".join(sign if sign.isprintable() else " " for sign in redact(text)).split())


def _forms(secret: str) -> Set[str]:
    """Return how a secret may be written: as it is, percent-encoded, escaped as in JSON, Python, HTML, and base64."""
    if not secret:
        return set()
    made = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), html.escape(secret)}
    made |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}
    made |= {secret.encode("unicode_escape").decode("ascii"), secret.encode("utf-8").decode("latin-1")}
    made.add(secret.replace("\\", "\\\\").replace('"', '\\"'))
    # Spaces are what a line's own are made of.
    made.add(" ".join(secret.split()))
    return {form for form in made | _encoded(secret) if form}


def _encoded(secret: str) -> Set[str]:
    if len(secret) < 3:
        return set()
    data = secret.encode("utf-8", "surrogateescape")
    made = {base64.b64encode(data).decode("ascii"), base64.urlsafe_b64encode(data).decode("ascii")}
    made |= {binascii.hexlify(data).decode("ascii")}
    return made | {form.rstrip("=") for form in made}


class Credentials(NamedTuple):
    """An id and a password."""

    id: Secret
    password: Secret


def find(
    address: str, known_id: Secret, file: Optional[PathLike] = None, environ: Optional[Mapping[str, str]] = None
) -> Optional[Credentials]:
    """Look up the credentials of a camera: in a file, by its address, then in the environment.

    A line of the file is ``ADDRESS ID PASSWORD``, the password being the rest of the line without the blanks at its end; ``*``
    stands for any address, ``#`` begins a comment line. Editors of Windows may have written it: with a byte order mark, as
    UTF-16, or in the code page of Korea.

    Args:
        address: The camera's, as in its URI.
        known_id: The id it is to be, or an empty one.
        file: The file; by default the one that ``KFACE_STREAM_CREDENTIALS`` names, if it does.
        environ: The environment; this process's where None.

    Raises:
        ConfigError: The file cannot be read, can be read by others, or has a line that is not of that form.
    """
    environment = os.environ if environ is None else environ
    chosen = file if file is not None else environment.get(FILE_VARIABLE) or None
    if chosen is not None:
        for place, name, password in _lines(chosen):
            if place in (address, "*") and known_id.reveal() in ("", name):
                return Credentials(Secret(name), Secret(password))
    name, password = environment.get(ID_VARIABLE, ""), environment.get(PASSWORD_VARIABLE, "")
    if password and (name or known_id):
        if known_id and name not in ("", known_id.reveal()):
            return None
        return Credentials(known_id or Secret(name), Secret(password))
    return None


def _lines(path: PathLike) -> Any:
    """Yield (address, id, password) of a file that only its owner can read."""
    try:
        # Whether others can read it is asked of the very file that is open, not of the name. O_NONBLOCK: of a named
        # pipe too, instead of waiting for a writer.
        handle = os.open(os.fspath(path), os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as stream:
            found = os.fstat(stream.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise ConfigError("is not a file", path, "use a file of lines ADDRESS ID PASSWORD")
            if found.st_mode & 0o077 or found.st_uid not in (0, os.geteuid()):
                raise ConfigError(
                    "holds passwords, and other users can read or change it", path, "make it yours, and run chmod 600"
                )
            data = stream.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise ConfigError("cannot be read ({})".format(error.strerror or error), path)
    try:
        text = decoded(data)
    except ValueError:
        raise ConfigError("is not UTF-8", path, "save it as UTF-8")
    if len(data) > _LARGEST_FILE:
        raise ConfigError("is too large for a credentials file", path, "use another file")
    for number, line in enumerate(re.split("\r\n|\r|\n", text), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        parts = line.split(None, 2)
        if len(parts) < 3:
            raise ConfigError(
                "line {} is not ADDRESS ID PASSWORD".format(number),
                path,
                "separate the three by spaces",
            )
        yield parts[0], parts[1], parts[2]
