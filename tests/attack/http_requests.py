"""Thousands of requests that no browser sends, against a real page on 127.0.0.1; seeded, so that each can be sent again.

``python tests/attack/http_requests.py [SEED] [COUNT]`` needs no pytest. What must hold for each request: nothing but a valid
answer comes back, of one line where it refuses; no defect (500); nothing is done without the token; and what lies inside a
body is never taken for a request of its own.
"""

import os
import random
import re
import socket
import sys

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from web_session import TOKEN, FakeSession

from deploy.settings import WebSettings
from deploy.web import WebServer, access

#: Seconds after which an answer does not come any more.
PATIENCE_S = 10
#: After so many requests a browser asks whether the page is still there.
EVERY = 25
SMUGGLED = "smuggled"
METHODS = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "PATCH",
    "get",
    "BREW",
    "",
    "G\x00T",
    "GET ",
]
PATHS = [
    "/", "/app.js", "/style.css", "/api/status", "/api/people", "/api/faces", "/api/delete", "/api/pick", "/api/enrol",
    "/picture.jpg", "/nowhere", "/../x", "//evil.example/", "*",
    "http://localhost/api/status", "/%00", "/?token=x", "/?a=b&a=c",
    "/api/", "/api/delete?x", "", "/\x80\xff", "/a b", "/\x1b[31m",
    "/" + "a" * 5000, "localhost:80", "/#x", "/;x", "/?" + "&" * 900,
]  # fmt: skip
VERSIONS = ["HTTP/1.1"] * 8 + [
    "HTTP/1.0",
    "HTTP/0.9",
    "HTTP/2.0",
    "HTTP/1.2",
    "HTTP/11",
    "http/1.1",
    "",
    "HTTP/1.1 x",
    "HTTP/-1.1",
]
HOSTS = ["localhost", "127.0.0.1", "[::1]", "LOCALHOST:80"] * 3 + [
    "evil.example",
    "",
    "localhost\x00",
    "a" * 300,
    "localhost, x",
]
ODD_FIELDS = [
    "X: y", "X : y", " folded: line", "\tfolded", "X", ": y", "X:\x00y",
    "X:\x0by", "X: \xff\xfe", "X" * 3000 + ": y", "X: " + "y" * 9000,
    "Connection: close", "Connection: keep-alive", "Connection: upgrade", "Upgrade: websocket", "Expect: 100-continue",
    "Expect: 200-ok", "Transfer-Encoding: chunked", "Transfer-Encoding: identity", "Transfer-Encoding : chunked",
    "transfer-encoding:\tchunked", "Transfer-Encoding: xchunked",
    "Content-Length: 0", "Content-Length: 5", "Content-Length: -1",
    "Content-Length: +5", "Content-Length: 5, 5", "Content-Length: 0x5", "Content-Length: 5\x00", "Content-Length:  5 ",
    "Content-Length: 99999999999999999999999", "Content-Length: ",
    "Content-Length: \xb2", "Host: localhost", "Cookie: " + "a=b;" * 400,
    "Authorization: Basic eA==", "Authorization: Bearer", "Origin: null",
    "Origin: http://evil.example", "Sec-Fetch-Site: cross-site",
    "Last-Event-ID: " + "9" * 40, "Range: bytes=0-1", "Content-Type: text/plain", "Content-Encoding: gzip",
]  # fmt: skip
BODIES = [
    b"",
    b"{}",
    b'{"name": "Park"}',
    b"[" * 3000,
    b"\x00" * 50,
    b"5\r\nhello\r\n0\r\n\r\n",
    b"0\r\n\r\n",
    b"x" * 20000,
]
ENDS = ["\r\n"] * 12 + ["\n", "\r", "\r\r\n", "\n\r"]
_ANSWER = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) [ -~]*\r\n((?:[A-Za-z-]+: [\t -~]*\r\n)+)\r\n")


def make(chance):
    """Return a request's bytes, whether it holds the token, and whether it could be read as one that is allowed."""
    method, path, version = chance.choice(METHODS[:3] * 4 + METHODS), chance.choice(PATHS), chance.choice(VERSIONS)
    fields = ["Host: " + chance.choice(HOSTS)]
    allowed = chance.random() < 0.7
    if allowed:
        fields.append("Authorization: Bearer " + TOKEN)
    if chance.random() < 0.5:
        fields.append("Content-Type: application/json")
    body = chance.choice(BODIES)
    if chance.random() < 0.4:
        # Whoever reads no body, or ends it elsewhere, reads this.
        body += smuggled()
    if chance.random() < 0.7:
        fields.append(f"Content-Length: {len(body)}")
    fields += [chance.choice(ODD_FIELDS) for _ in range(chance.choice([0, 0, 1, 1, 2, 3]))]
    if chance.random() < 0.02:
        fields += [f"X-{number}: y" for number in range(150)]
    chance.shuffle(fields)
    end = chance.choice(ENDS)
    head = f"{method} {path} {version}{end}" + "".join(field + end for field in fields) + end
    data = head.encode("latin-1") + body
    for _ in range(chance.choice([0, 0, 0, 1, 4])):
        place = chance.randrange(len(data))
        data = chance.choice(
            [
                data[:place] + bytes([chance.randrange(256)]) + data[place + 1 :],
                data[:place] + data[place + 1 :],
                data[:place] + data[place : place + 40] + data[place:],
                data[: max(place, 1)],
            ]
        )
    return data, allowed


def smuggled():
    """Return a command that is only ever sent inside a body."""
    command = f'{{"name": "{SMUGGLED}"}}'
    head = (
        "POST /api/delete HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n"
    )
    return (head + "Content-Length: {}\r\n\r\n{}").format(TOKEN, len(command), command).encode("ascii")


def declared(data):
    """Return whether what follows the head is declared as its body: then nothing in it may ever be a request."""
    head = data.partition(b"\r\n\r\n")[0].lower()
    return b"content-length:" in head or b"transfer-encoding" in head


def send(port, data):
    """Send bytes and return all that comes back."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while True:
                part = connection.recv(1 << 16)
                if not part:
                    break
                received += part
        except ConnectionError:
            pass
    return received


def faults(data, allowed, answer):
    """Return what is wrong about an answer, in a few words; None where nothing is."""
    rest = answer
    while rest:
        found = _ANSWER.match(rest)
        if not found:
            return "no HTTP"
        status, rest = int(found.group(1)), rest[found.end() :]
        if status == 500:
            return "a defect"
        if status == 100:
            continue
        length = re.search(rb"(?m)^Content-Length: (\d+)\r$", found.group(2))
        if length is None:
            return "no length"
        # HEAD has a length and no body: what follows then is the next answer.
        body = b"" if rest.startswith(b"HTTP/1.1 ") or not rest else rest[: int(length.group(1))]
        rest = rest[len(body) :]
        if b"Traceback" in body:
            return "a traceback"
        if status >= 400 and body and body.count(b"\n") != 1:
            return "not one line"
        if status < 300 and TOKEN.encode("ascii") not in data:
            return "allowed without the token"
    return None


def campaign(seed, count):
    """Send `count` requests; return how many were sent, and a line for each that went wrong.

    Args:
        seed: Chooses them.
        count: How many.
    """
    chance = random.Random(seed)
    session = FakeSession(size=(64, 48))
    failed = []
    delay, access.DELAY_S = access.DELAY_S, 0.02
    try:
        with WebServer(session, WebSettings(port=0), token=TOKEN) as server:
            for number in range(count):
                data, allowed = make(chance)
                del session.calls[:]
                # FakeSession forgets whom it deletes: the smuggled command would be refused the second time.
                session.names[SMUGGLED] = 1
                try:
                    fault = faults(data, allowed, send(server.port, data))
                except TimeoutError:
                    fault = "no end"
                if session.calls and TOKEN.encode("ascii") not in data:
                    fault = "done without the token"
                if declared(data) and any(SMUGGLED in call for call in session.calls):
                    fault = "a body was taken for a request"
                if number % EVERY == 0 and not alive(server.port):
                    fault = "the page is gone"
                if fault:
                    failed.append(f"request {number}: {fault}: {data[:300]!a}")
    finally:
        access.DELAY_S = delay
        session.stop()
    return count, failed


def alive(port):
    """Return whether a plain question is answered."""
    data = f"GET /api/people HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    return send(port, data.encode("ascii")).startswith(b"HTTP/1.1 200 ")


def main(argv):
    seed, count = (int(argv[0]) if argv else 0), (int(argv[1]) if len(argv) > 1 else 3000)
    tried, failed = campaign(seed, count)
    print("\n".join([*failed, f"raw HTTP requests: {tried} tried, {len(failed)} failed (seed {seed})"]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
