"""Masks secrets in texts: no id, password or token of a camera or page leaves the program.

Everything that is printed, logged, written as JSON, or sent to systemd and the page is masked here: errors on creation, and a
stream's settings, states and events. Known secrets are masked in :func:`kface.streams.credentials.mask`; here secrets are
recognised by their form: logins in URLs, also mistyped ones, parameters by their names, and authorization headers. Of a network
camera's path only the parts of harmless form are kept.
"""

import base64
import binascii
import re
from typing import Match

#: Replaces a secret.
MASK = "***"
#: Longer lines are cut: cameras send lines of any length, and searching takes the square of it.
_LONGEST = 4096

#: Names of secrets in queries, in paths of cameras and in sentences.
_NAMES = (
    r"user(?:[_-]?name|[_-]?id)?|usr|login|account|admin|root|operator|viewer|guest|"
    r"pass(?:word|wort|wd|code|phrase|key)?|pwd|psw|psd|pw|psk|pin|"
    r"(?:[a-z]{1,12}[_-]?)?(?:token|secret|api[_-]?key|passwd|password)|auth(?:orization|[_-]?key)?|bearer|key|"
    r"sig(?:nature)?|session(?:[_-]?id)?|sid|jwt|credentials?|비밀번호|암호"
)
_EQUALS = r"(?:=|%3[Dd])"
#: //ID:PASSWORD@, up to the last @: a password may hold a slash. A file's own path is not a login.
_LOGIN = re.compile(r"(?<!\bfile:)(//)(?!ID:PASSWORD@)[^\s'\"<>]*@")
#: A camera's address in a sentence: its path is redacted as a path.
_CAMERA = re.compile(r"(?i)(\brtsps?://(?:\*\*\*@)?(?:\[[^\]\s]*\]|[\w.-]*)(?::[0-9]{1,5})?)([/?#][^\s'\"<>,)]*)")
#: ID:PASSWORD@ADDRESS without slashes before it.
_BARE_LOGIN = re.compile(r"(?<![\w*])(?!file:|ID:PASSWORD@)[^\s/:@\"'=]+:[^\s/@]+@(?=[\w\[])")
#: Placeholders in our own advice are not secrets.
_STAND_IN = r"(?!(?:TOKEN|PASSWORD|VALUE|KEY|value)(?![\w-]))"
#: The settings corpus.root and database.root are folders, not users called root.
_PARAMETER = re.compile(
    r"(?i)(?<![A-Za-z0-9])(?<!\bcorpus\.)(?<!\bdatabase\.)((?:{})\s?{}\s?)(?-i:{})(?:\"[^\"]*\"|'[^']*'|[^&?/;#\s,'\"]+)".format(
        _NAMES, _EQUALS, _STAND_IN
    )
)
_HEADER = re.compile(r"(?i)\b((?:proxy-)?authorization\s*[:=]\s*)[^\r\n]+")
_BASIC = re.compile(r"(?i)\b(basic\s+)([A-Za-z0-9+/_-]{4,}={0,2})")
_BEARER = re.compile(r"(?i)\b(bearer\s+)[A-Za-z0-9+/_.~=-]{6,}")

#: Values of parameters that cannot be secret.
_HARMLESS = re.compile(
    r"(?i)(?:[0-9]{1,4}|[0-9]{2,4}x[0-9]{2,4}|true|false|yes|no|on|off|main|sub|primary|secondary|h\.?26[45]|hevc|m?jpe?g|"
    r"mpeg4|tcp|udp|unicast|multicast|live|video|audio|(?:ch|channel|stream|profile|track|cam)[0-9]{0,3}(?:\.sdp)?)\Z"
)
_SECRET_NAME = re.compile(r"(?i)(?:.*[^a-z])?(?:{})\Z".format(_NAMES))
_IN_SEGMENT = re.compile(r"(?i)(?<![a-z])((?:{})(?:[=_:-]|%3[AaDd])).*".format(_NAMES))
#: A random-looking part of a path is a stream's key.
_KEY = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])[A-Za-z0-9-]{12,}\Z|[0-9a-fA-F-]{16,}\Z")
#: The start of a network stream's address, also of a mistyped one.
_NETWORK = re.compile(
    r"(?i)[\s'\"<(]*(?:file:)?[\s'\"/]*(?:rts?p[su]?|rtp|rtmp[st]?|https?|mms|udp|tcp|srt|ftp|onvif|csi|v4l2)\s*[:;]?\s*[/\\]{1,3}"
)


def redact(text: str) -> str:
    """Return a text with everything masked that has the form of a secret.

    Example:
        >>> redact("cannot open rtsp://me:garden@cam/x?psw=hush")
        'cannot open rtsp://***@cam/x?psw=***'
    """
    return "".join(_line(line) for line in text.splitlines(True))


def redact_path(path: str) -> str:
    """Return a network camera's path and query with secrets masked.

    Example:
        >>> redact_path("/user:garden/live?channel=1&apikey=hush&name=garden")
        '/***/live?channel=1&apikey=***&name=***'
    """
    place = re.search(r"[?#]", path)
    head, query = (path, "") if place is None else (path[: place.start()], path[place.start() :])
    head = "/".join(_segment(segment) for segment in head.split("/"))
    return head + "".join(
        part if part in ("?", "#", "&", ";") else _value(part) for part in re.split(r"([?#&;])", query)
    )


def redact_source(text: str) -> str:
    """Return a stream's source, a path or a URI, with secrets masked."""
    found = re.match(r"(?i)(rtsps?://)([^\s'\"]*@)?((?:\[[^\]\s]*\]|[\w.-]*)(?::[0-9]{1,5})?)([/?#][^\s@]*)?\Z", text)
    if found is not None:
        login = MASK + "@" if found.group(2) else ""
        return found.group(1) + login + found.group(3) + redact_path(found.group(4) or "")
    return MASK if is_network(text) else redact(text)


def _line(text: str) -> str:
    if len(text) > _LONGEST:
        text = text[:_LONGEST] + " ...\n"[: 4 + text.endswith("\n")]
    text = _HEADER.sub(r"\1" + MASK, text)
    text = _BASIC.sub(_basic, text)
    text = _BEARER.sub(r"\1" + MASK, text)
    text = _BARE_LOGIN.sub(MASK + "@", _LOGIN.sub(r"\1" + MASK + "@", text))
    text = _CAMERA.sub(lambda found: found.group(1) + _sentence(found.group(2)), text)
    return _PARAMETER.sub(r"\1" + MASK, text)


def is_network(text: str) -> bool:
    """Return whether a text is meant as a network stream's address rather than a file's path."""
    start = text[:_LONGEST].strip()
    return _NETWORK.match(start[:200]) is not None or any(
        form.match(start) is not None for form in (_LOGIN, _BARE_LOGIN)
    )


def holds_password(text: str) -> bool:
    """Return whether a text has a login with a password, as in a URL, also in a mistyped one."""
    return re.search(r"[^\s/:@\"'=]+:[^\s/@]*@", text) is not None


def _sentence(path: str) -> str:
    # A colon of "WHERE: what", or a sentence's punctuation, may follow the address.
    bare = path.rstrip(":;.!")
    return redact_path(bare) + path[len(bare) :]


def _basic(found: "Match[str]") -> str:
    word = found.group(2).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        decoded = base64.b64decode(word + "=" * (-len(word) % 4))
    except (binascii.Error, ValueError):
        return found.group(0)
    return found.group(1) + MASK if b":" in decoded else found.group(0)


def _segment(segment: str) -> str:
    # user:PASSWORD, or a parameter between ";" or "&".
    if (
        ":" in segment
        or ("@" in segment and "=" not in segment)
        or (re.search(r"(?i)%3a|%40", segment) and "=" not in segment)
    ):
        return MASK
    if any(_KEY.match(part) for part in segment.split("_")):
        return MASK
    parts = re.split(r"([&;,])", segment)
    return "".join(_value(part) if "=" in part else _IN_SEGMENT.sub(_named, part) for part in parts)


def _named(found: "Match[str]") -> str:
    return found.group(1) + MASK


def _value(part: str) -> str:
    name, equals, value = part.partition("=")
    if not equals:
        return part if not part or _HARMLESS.match(part) or re.match(r"[A-Za-z]{1,12}\Z", part) else MASK
    if _SECRET_NAME.match(name) or not _HARMLESS.match(value):
        # Text behind an underscore belongs to the value: user=admin_password=x.
        return "{}={}".format(name if re.match(r"[\w.-]{1,20}\Z", name) else MASK, MASK if value else "")
    return part
