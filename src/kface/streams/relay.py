"""Stands between the decoder and a network camera, so that the decoder knows neither the id nor the password.

FFmpeg and GStreamer follow redirects to any address and log in there, print locations, cut long credentials off, and know only
some of the logins. Here the decoder connects to a port of this machine and asks without a login; its requests (RFC 2326) go to
the camera with the Authorization that the camera wants, and pictures come back as they are (RTP interleaved, section 10.12).
A redirect is followed within the camera's own address only, and the decoder never learns of it. Whoever does not know the
random word in the decoder's URL, such as another user of this machine, gets nothing.
"""

import binascii
import contextlib
import hmac
import os
import re
import selectors
import socket
import threading
from typing import List, NamedTuple, Optional, Tuple

from kface.errors import KFaceError
from kface.streams.credentials import Secret
from kface.streams.frame import StreamError
from kface.streams.probe import MOST_REDIRECTS, authorization, headers_of, redirected, redirected_for_ever
from kface.streams.settings import StreamSettings

#: Seconds that the camera gets to be connected to and to take what was sent; and the decoder, which is read when there is time.
PATIENCE = 4.0
DECODER_PATIENCE = 30.0
_BLOCK = 1 << 16
#: Maximum bytes of a message's head and of its body.
_LARGEST = 1 << 16


class _Message(NamedTuple):
    """A request or an answer: its head without the empty line, and its body."""

    head: bytes
    body: bytes

    @property
    def first(self) -> List[str]:
        """The words of the first line."""
        return self.head.split(b"\r\n", 1)[0].decode("utf-8", "surrogateescape").split(" ")

    @property
    def data(self) -> bytes:
        """As it is sent."""
        return self.head + b"\r\n\r\n" + self.body


class Relay(object):
    """A port of this machine through which a decoder plays one network camera.

    Args:
        settings: The camera, with its credentials.

    Attributes:
        settings: What the decoder is to open: no id, no password.
        failure: Why the camera's answers were not passed on, None where they were.
    """

    def __init__(self, settings: StreamSettings) -> None:
        self._camera = settings
        self._word = "/" + binascii.hexlify(os.urandom(16)).decode("ascii")
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(2)
        self.failure: Optional[KFaceError] = None
        self.settings = settings._replace(
            address="127.0.0.1",
            port=self._listener.getsockname()[1],
            id=Secret(),
            password=Secret(),
            path=self._word + settings.encoded_path,
        )
        threading.Thread(target=self._accept, name="kface-relay", daemon=True).start()

    def close(self) -> None:
        """Take no further decoder; one that plays goes on until it hangs up."""
        # Closing alone would not wake the thread that waits in it.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                decoder, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(decoder,), name="kface-relay-rtsp", daemon=True).start()

    def _serve(self, decoder: socket.socket) -> None:
        line = _Line(self._camera, self.settings, self._word, decoder)
        try:
            # What cannot be connected to or goes away looks to the decoder like a camera that does.
            with contextlib.suppress(OSError):
                line.run()
        except KFaceError as error:
            self.failure = error
        finally:
            line.close()


class _Line(object):
    """One decoder's connection to the camera."""

    def __init__(
        self,
        camera: StreamSettings,
        local: StreamSettings,
        word: str,
        decoder: socket.socket,
    ) -> None:
        self._settings = camera
        self._decoder = decoder
        self._camera: Optional[socket.socket] = None
        self._here = "rtsp://{}{}".format(local.authority, word)
        self._there = "rtsp://{}".format(camera.authority)
        host = re.escape(camera.authority[: -len(":{}".format(camera.port))])
        # Cameras leave out the usual port in what they answer.
        self._names = re.compile(r"(?i)rtsp://(?:[^/@\s]*@)?{}(?::{})?(?=[/\s,;\"]|\Z)".format(host, camera.port))
        self._path = self._asked = camera.encoded_path
        self._known = False
        self._challenge: List[str] = []
        self._used = 0
        self._request: Optional[_Message] = None
        self._tried = False
        self._again = False
        self._redirects = 0

    def run(self) -> None:
        """Pass on until one side hangs up; raises OSError where one cannot be reached, KFaceError for what is refused."""
        self._decoder.settimeout(DECODER_PATIENCE)
        requests, answers = b"", b""
        while True:
            waiting = [self._decoder] if self._camera is None else [self._decoder, self._camera]
            ready = _readable(waiting)
            if self._decoder in ready:
                data = self._decoder.recv(_BLOCK)
                if not data:
                    return
                messages, requests = split(requests + data)
                for message in messages:
                    self._ask(message)
            if self._camera is not None and self._camera in ready:
                try:
                    data = self._camera.recv(_BLOCK)
                except ConnectionError:
                    data = b""
                # Many cameras hang up when they have asked for a login.
                if not data and self._tried and self._request is not None and not self._again:
                    self._again, answers = True, b""
                    self._camera.close()
                    self._camera = None
                    self._send()
                    continue
                if not data:
                    return
                messages, answers = split(answers + data)
                for message in messages:
                    self._answer(message)

    def close(self) -> None:
        """Hang up on both sides."""
        for side in (self._decoder, self._camera):
            if side is not None:
                side.close()

    def _to_camera(self, data: bytes) -> None:
        if self._camera is None:
            self._camera = socket.create_connection((self._settings.address, self._settings.port), PATIENCE)
        # A camera that has hung up is found out by the next read.
        with contextlib.suppress(ConnectionError):
            self._camera.sendall(data)

    def _ask(self, message: "Tuple[bytes, Optional[_Message]]") -> None:
        data, request = message
        if request is None:
            if self._known:
                self._to_camera(data)
            return
        head = request.head.decode("utf-8", "surrogateescape")
        if not self._known:
            url = (request.first + [""])[1]
            if not hmac.compare_digest(url[: len(self._here)].encode("utf-8", "replace"), self._here.encode("utf-8")):
                raise OSError("not the decoder")
            self._known = True
        head = head.replace(self._here + self._asked, self._there + self._path).replace(self._here, self._there)
        self._request, self._tried = _Message(head.encode("utf-8", "surrogateescape"), request.body), False
        self._send()

    def _send(self) -> None:
        request = self._request
        if request is None:
            return
        lines = [line for line in request.head.split(b"\r\n") if not line.lower().startswith(b"authorization:")]
        if self._challenge and len(request.first) >= 2:
            self._used += 1
            method, url = request.first[:2]
            value = authorization(self._settings, url, self._challenge, method=method, count=self._used)
            lines.append(b"Authorization: " + value.encode("utf-8", "surrogateescape"))
        self._to_camera(_Message(b"\r\n".join(lines), request.body).data)

    def _answer(self, message: "Tuple[bytes, Optional[_Message]]") -> None:
        data, answer = message
        if answer is None or not answer.head.startswith(b"RTSP/"):
            # Pictures, and what the camera asks of the decoder; but not to go elsewhere.
            if answer is not None and answer.first[0].upper() == "REDIRECT":
                redirected(self._settings, headers_of(answer.head))
            self._decoder.sendall(data)
            return
        code = answer.first[1] if len(answer.first) > 1 else ""
        headers = headers_of(answer.head)
        if code == "401" and self._settings.password and self._request is not None and not self._tried:
            self._challenge = [value for name, value in headers if name == "www-authenticate"]
            self._used, self._tried = 0, True
            self._send()
            return
        if code.startswith("3") and self._request is not None:
            self._redirects += 1
            if self._redirects > MOST_REDIRECTS:
                raise redirected_for_ever(self._settings)
            before, self._path = self._path, redirected(self._settings, headers)
            head = self._request.head.decode("utf-8", "surrogateescape")
            head = head.replace(self._there + before, self._there + self._path, 1)
            self._request, self._tried = self._request._replace(head=head.encode("utf-8", "surrogateescape")), False
            self._send()
            return
        self._request = None
        self._decoder.sendall(self._renamed(answer).data)

    def _renamed(self, answer: _Message) -> _Message:
        """Return an answer with this relay in place of the camera, so that the decoder asks no one else."""
        head, body = (
            self._names.sub(lambda _: self._here, part.decode("utf-8", "surrogateescape")).encode(
                "utf-8", "surrogateescape"
            )
            for part in answer
        )
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"www-authenticate:")]
        if len(body) != len(answer.body):
            lines = [line for line in lines if not line.lower().startswith(b"content-length:")]
            lines.append("Content-Length: {}".format(len(body)).encode("ascii"))
        return _Message(b"\r\n".join(lines), body)


def _readable(sockets: List[socket.socket]) -> List[socket.socket]:
    # select() takes no descriptor above 1023.
    with selectors.DefaultSelector() as selector:
        for one in sockets:
            selector.register(one, selectors.EVENT_READ)
        return [key.fileobj for key, _ in selector.select()]  # type: ignore[misc]


def split(data: bytes) -> "Tuple[List[Tuple[bytes, Optional[_Message]]], bytes]":
    """Split what was received into what is passed on as it is and messages, in order; returns them and the rest.

    Each is (bytes, None) or (bytes, message).

    Raises:
        StreamError: A message is longer than any camera's.
    """
    found: List[Tuple[bytes, Optional[_Message]]] = []
    place = start = 0
    while place < len(data):
        if data[place : place + 1] == b"$":
            if len(data) < place + 4 or len(data) < place + 4 + int.from_bytes(data[place + 2 : place + 4], "big"):
                break
            place += 4 + int.from_bytes(data[place + 2 : place + 4], "big")
            continue
        if not data[place : place + 1].isalpha():
            # Between messages there may be empty lines; decoders look for the next sign as well.
            place += 1
            continue
        end = data.find(b"\r\n\r\n", place)
        if end < 0:
            if len(data) - place > _LARGEST:
                raise StreamError("does not answer as an RTSP server")
            break
        head = data[place:end]
        length = dict(headers_of(head)).get("content-length", "0")
        size = int(length) if re.match(r"[0-9]{1,5}\Z", length) else 0
        if len(data) < end + 4 + size:
            break
        if place > start:
            found.append((data[start:place], None))
        start = place = end + 4 + size
        found.append((data[end - len(head) : start], _Message(head, data[end + 4 : start])))
    if place > start:
        found.append((data[start:place], None))
    return found, data[place:]
