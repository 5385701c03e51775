"""Asks a network camera, before any decoder does, whether it is there, lets us in and has such a stream.

OpenCV only says that a stream did not open. One DESCRIBE (RFC 2326, with Basic or Digest of RFC 2617 and 7616) tells why, and
which codec the hardware decoder has to expect. Credentials are sent as any player sends them.
"""

import base64
import binascii
import hashlib
import os
import re
import socket
import time
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from kface.streams.frame import StreamError, StreamRefusedError, UnusableStreamError
from kface.streams.settings import RTSP_PORT, StreamSettings

#: So many redirects are followed, all to the same address and port.
MOST_REDIRECTS = 5

_LARGEST = 1 << 16
#: hashlib's names of the algorithms; the last one is not in every OpenSSL.
_HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}


class Answer(NamedTuple):
    """A server's answer: the status code, what it says to it, the headers (lower case, in order), and the body."""

    code: int
    text: str
    headers: List[Tuple[str, str]]
    body: str


def video_codec(settings: StreamSettings, timeout: float = 3.0) -> str:
    """Return the codec of a network camera's stream as its description names it, such as ``H264``; empty where it does not.

    Args:
        settings: Of the kind "rtsp".
        timeout: Seconds for all of it.

    Raises:
        StreamRefusedError: The id or the password is wrong, or missing.
        UnusableStreamError: The camera wants a login of an unknown kind, or sends us somewhere else.
        StreamError: The camera cannot be reached, does not answer in time, or has no such stream.
    """
    deadline = time.monotonic() + timeout
    path = settings.encoded_path
    try:
        for _ in range(MOST_REDIRECTS + 1):
            answer = _describe(settings, path, deadline, None)
            if answer.code == 401 and settings.password:
                challenge = [value for name, value in answer.headers if name == "www-authenticate"]
                answer = _describe(settings, path, deadline, challenge)
            if not 300 <= answer.code < 400:
                break
            path = redirected(settings, answer.headers)
        else:
            raise redirected_for_ever(settings)
    except socket.timeout:
        raise StreamError(
            "did not answer within {:g} s".format(timeout), settings.uri, "check address, port and network"
        )
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "no such name"
        raise StreamError(
            "cannot be reached ({})".format(settings.hide(reason)), settings.uri, "check address, port and network"
        )
    if answer.code in (401, 403):
        what = "rejected the id or the password" if settings.password else "requires an id and a password"
        raise StreamRefusedError(what, settings.uri, "correct them in the stream's settings")
    if answer.code == 404:
        raise StreamError("has no stream at this path", settings.uri, "correct the RTSP path")
    if answer.code >= 400:
        reason = settings.hide(answer.text)[:80]
        raise StreamError("answered {} {}".format(answer.code, reason), settings.uri, "check the camera's settings")
    video = answer.body.partition("m=video")[2].partition("\nm=")[0]
    found = re.search(r"a=rtpmap:\s*\d+\s+([\w.-]+)/", video)
    return found.group(1).upper() if found else ""


def redirected(settings: StreamSettings, headers: List[Tuple[str, str]]) -> str:
    """Return the path that a server sends us to.

    Raises:
        UnusableStreamError: It is another address, port or protocol: that must not get the id and the password.
    """
    location = dict(headers).get("location", "")
    found = re.match(r"(?i)rtsp://(?:[^/?#@]*@)?(\[[^\]]*\]|[^/?#:]*)(?::([0-9]{1,5}))?(/[^\s]*|\Z)", location)
    if found is not None:
        host, port = found.group(1).strip("[]").lower(), int(found.group(2) or RTSP_PORT)
        if (host, port) == (settings.address.lower(), settings.port):
            return found.group(3) or "/"
    raise UnusableStreamError(
        "redirects to another address ({}), which is not given the id and the password".format(
            settings.hide(location)[:80] or "none is named"
        ),
        settings.uri,
        "if it is the camera's, set that address in the stream's settings",
    )


def redirected_for_ever(settings: StreamSettings) -> StreamError:
    """Return the error for a server that redirects again and again."""
    return UnusableStreamError(
        "redirects more than {} times".format(MOST_REDIRECTS), settings.uri, "correct the RTSP path"
    )


def _describe(settings: StreamSettings, path: str, deadline: float, challenge: Optional[List[str]]) -> Answer:
    """Send one DESCRIBE on a connection of its own: many servers close theirs after a 401."""
    url = "rtsp://{}{}".format(settings.authority, path)
    lines = ["DESCRIBE {} RTSP/1.0".format(url), "CSeq: 1", "Accept: application/sdp", "User-Agent: kface"]
    if challenge is not None:
        lines.append("Authorization: " + authorization(settings, url, challenge))
    with socket.create_connection((settings.address, settings.port), _left(deadline)) as connection:
        connection.settimeout(_left(deadline))
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape"))
        return _receive(connection, deadline, settings)


def _receive(connection: socket.socket, deadline: float, settings: StreamSettings) -> Answer:
    data = b""
    needed: Optional[int] = None
    head, headers = b"", []  # type: bytes, List[Tuple[str, str]]
    while needed is None or len(data) < needed:
        connection.settimeout(_left(deadline))
        block = connection.recv(4096)
        data += block
        if needed is None and b"\r\n\r\n" in data:
            head = data.partition(b"\r\n\r\n")[0]
            headers = headers_of(head)
            length = dict(headers).get("content-length", "0")
            needed = len(head) + 4 + (int(length) if re.match(r"[0-9]{1,5}\Z", length) else 0)
        if not block or len(data) > _LARGEST:
            break
    status = re.match(r"RTSP/\d\.\d (\d{3}) ?(.*)", head.decode("utf-8", "replace").split("\r\n")[0])
    if status is None:
        raise StreamError("does not answer as an RTSP server", settings.uri, "check address and port")
    body = data[len(head) + 4 :].decode("utf-8", "replace")
    return Answer(int(status.group(1)), status.group(2), headers, body)


def headers_of(head: bytes) -> List[Tuple[str, str]]:
    """Return the headers of a message, names in lower case; what is not UTF-8 survives, because a login depends on it."""
    pairs = [line.partition(":") for line in head.decode("utf-8", "surrogateescape").split("\r\n")[1:]]
    return [(name.strip().lower(), value.strip()) for name, _, value in pairs]


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise socket.timeout()
    return left


def authorization(
    settings: StreamSettings,
    url: str,
    challenge: List[str],
    cnonce: Optional[str] = None,
    method: str = "DESCRIBE",
    count: int = 1,
) -> str:
    """Return the value of the Authorization header that answers a server's challenges.

    Args:
        settings: They hold the credentials.
        url: The URL of the request, without them.
        challenge: The WWW-Authenticate headers; Digest is preferred to Basic.
        cnonce: The client's own random text.
        method: The request's.
        count: How often the server's nonce was used, this time included.

    Raises:
        UnusableStreamError: It is neither Basic nor Digest with MD5, SHA-256 or SHA-512-256.
    """
    name, password = settings.id.reveal(), settings.password.reveal()
    for value in challenge:
        if not value.lower().startswith("digest"):
            continue
        fields: Dict[str, str] = {
            key.lower(): quoted or plain for key, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', value)
        }
        algorithm = fields.get("algorithm", "MD5").upper()
        session = algorithm.endswith("-SESS")
        make = _hash(algorithm[:-5] if session else algorithm)
        if make is None:
            continue

        def digest(*parts: str, make: Any = make) -> str:
            return str(make(":".join(parts).encode("utf-8", "surrogateescape")).hexdigest())

        realm, nonce = fields.get("realm", ""), fields.get("nonce", "")
        own = cnonce or binascii.hexlify(os.urandom(8)).decode("ascii")
        first, second = digest(name, realm, password), digest(method, url)
        if session:
            first = digest(first, nonce, own)
        quoted = [("username", name.replace("\\", "\\\\").replace('"', '\\"')), ("realm", realm), ("nonce", nonce)]
        quoted.append(("uri", url))
        tail = ", algorithm={}".format(fields["algorithm"]) if "algorithm" in fields else ""
        if "auth" in re.split(r"[\s,]+", fields.get("qop", "")):
            times = "{:08x}".format(count)
            response = digest(first, nonce, times, own, "auth", second)
            tail += ', qop=auth, nc={}, cnonce="{}"'.format(times, own)
        else:
            response = digest(first, nonce, second)
            tail += ', cnonce="{}"'.format(own) if session else ""
        if "opaque" in fields:
            quoted.append(("opaque", fields["opaque"]))
        quoted.append(("response", response))
        return "Digest " + ", ".join('{}="{}"'.format(*pair) for pair in quoted) + tail
    if any(value.lower().startswith("basic") for value in challenge):
        pair = "{}:{}".format(name, password).encode("utf-8")
        return "Basic " + base64.b64encode(pair).decode("ascii")
    kinds = sorted({_kind(value) for value in challenge}) or ["none offered"]
    raise UnusableStreamError(
        "requires a login that is neither Basic nor Digest ({})".format(settings.hide(", ".join(kinds))[:80]),
        settings.uri,
        "choose one in the camera's settings",
    )


def _hash(algorithm: str) -> Any:
    name = _HASHES.get(algorithm)
    if name is None or name not in hashlib.algorithms_available:
        return None
    return lambda data: hashlib.new(str(name), data)


def _kind(value: str) -> str:
    """Return what a challenge calls itself, with its algorithm."""
    algorithm = re.search(r'(?i)algorithm="?([\w-]{1,20})', value)
    return (value.split() or ["?"])[0][:20] + (" " + algorithm.group(1) if algorithm else "")
