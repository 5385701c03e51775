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
from typing import Dict, List, NamedTuple, Optional, Tuple

from kface.streams.frame import StreamError, StreamRefusedError
from kface.streams.settings import StreamSettings

_LARGEST = 1 << 16
_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


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
        StreamError: The camera cannot be reached, does not answer in time, or has no such stream.
    """
    deadline = time.monotonic() + timeout
    try:
        answer = _describe(settings, deadline, None)
        if answer.code == 401 and settings.password:
            challenge = [value for name, value in answer.headers if name == "www-authenticate"]
            answer = _describe(settings, deadline, challenge)
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
        what = "refused the id or the password" if settings.password else "asks for an id and a password"
        raise StreamRefusedError(what, settings.uri, "correct them in the stream's settings")
    if answer.code == 404:
        raise StreamError("has no stream at this path", settings.uri, "correct the RTSP path")
    if answer.code >= 400:
        said = settings.hide(answer.text)[:80]
        raise StreamError("answered {} {}".format(answer.code, said), settings.uri, "look at the camera's settings")
    video = answer.body.partition("m=video")[2].partition("\nm=")[0]
    found = re.search(r"a=rtpmap:\s*\d+\s+([\w.-]+)/", video)
    return found.group(1).upper() if found else ""


def _describe(settings: StreamSettings, deadline: float, challenge: Optional[List[str]]) -> Answer:
    """Send one DESCRIBE on a connection of its own: many servers close theirs after a 401."""
    url = "rtsp://{}{}".format(settings.authority, settings.encoded_path)
    lines = ["DESCRIBE {} RTSP/1.0".format(url), "CSeq: 1", "Accept: application/sdp", "User-Agent: kface"]
    if challenge is not None:
        lines.append("Authorization: " + authorization(settings, url, challenge))
    with socket.create_connection((settings.address, settings.port), _left(deadline)) as connection:
        connection.settimeout(_left(deadline))
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("utf-8"))
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
            pairs = [line.partition(":") for line in head.decode("utf-8", "replace").split("\r\n")[1:]]
            headers = [(name.strip().lower(), value.strip()) for name, _, value in pairs]
            length = dict(headers).get("content-length", "0")
            needed = len(head) + 4 + (int(length) if re.match(r"[0-9]{1,5}\Z", length) else 0)
        if not block or len(data) > _LARGEST:
            break
    status = re.match(r"RTSP/\d\.\d (\d{3}) ?(.*)", head.decode("utf-8", "replace").split("\r\n")[0])
    if status is None:
        raise StreamError("does not answer as an RTSP server", settings.uri, "check address and port")
    body = data[len(head) + 4 :].decode("utf-8", "replace")
    return Answer(int(status.group(1)), status.group(2), headers, body)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise socket.timeout()
    return left


def authorization(settings: StreamSettings, url: str, challenge: List[str], cnonce: Optional[str] = None) -> str:
    """Return the value of the Authorization header that answers a server's challenges.

    Args:
        settings: They hold the credentials.
        url: The URL of the request, without them.
        challenge: The WWW-Authenticate headers; Digest is preferred to Basic.
        cnonce: The client's own random text.

    Raises:
        StreamError: It is neither Basic nor Digest with MD5 or SHA-256.
    """
    name, password = settings.id.reveal(), settings.password.reveal()
    for value in challenge:
        if not value.lower().startswith("digest"):
            continue
        fields: Dict[str, str] = {
            key.lower(): quoted or plain for key, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', value)
        }
        algorithm = fields.get("algorithm", "MD5").upper()
        if algorithm not in _HASHES:
            continue

        def digest(*parts: str, function: str = algorithm) -> str:
            return _HASHES[function](":".join(parts).encode("utf-8")).hexdigest()

        realm, nonce = fields.get("realm", ""), fields.get("nonce", "")
        first, second = digest(name, realm, password), digest("DESCRIBE", url)
        quoted = [("username", name.replace("\\", "\\\\").replace('"', '\\"')), ("realm", realm), ("nonce", nonce)]
        quoted.append(("uri", url))
        tail = ", algorithm={}".format(algorithm) if "algorithm" in fields else ""
        if "auth" in re.split(r"[\s,]+", fields.get("qop", "")):
            own = cnonce or binascii.hexlify(os.urandom(8)).decode("ascii")
            response = digest(first, nonce, "00000001", own, "auth", second)
            tail += ', qop=auth, nc=00000001, cnonce="{}"'.format(own)
        else:
            response = digest(first, nonce, second)
        if "opaque" in fields:
            quoted.append(("opaque", fields["opaque"]))
        quoted.append(("response", response))
        return "Digest " + ", ".join('{}="{}"'.format(*pair) for pair in quoted) + tail
    if any(value.lower().startswith("basic") for value in challenge):
        pair = "{}:{}".format(name, password).encode("utf-8")
        return "Basic " + base64.b64encode(pair).decode("ascii")
    raise StreamError(
        "asks for a login that is neither Basic nor Digest", settings.uri, "choose one in the camera's settings"
    )
