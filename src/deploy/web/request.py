"""The head of a request, read strictly: what two programs could read in two ways is refused."""

import re
from typing import Dict, List, Optional, Tuple
from urllib.parse import parse_qs

#: Bytes of the largest request line, and of the largest head.
LINE_BYTES, HEAD_BYTES = 4096, 1 << 15
#: Fields of the longest head.
FIELDS = 100
#: Where a head ends. Bare line feeds end one too, so that it can be refused at once.
END = re.compile(rb"\r?\n\r?\n")
_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
# Visible ASCII only, and one space at a time (RFC 9112, 3).
_LINE = re.compile(rb"(" + _TOKEN + rb") ([!-~]+) HTTP/([0-9])\.([0-9])\Z")
# No space before the colon, nothing folded over lines, no control signs (RFC 9110, 5; RFC 9112, 5).
_FIELD = re.compile(rb"(" + _TOKEN + rb"):[ \t]*([\t -~\x80-\xff]*?)[ \t]*\Z")
#: Fields that must not come twice: each program may take another one of them.
_ONCE = frozenset(
    ["host", "content-length", "content-type", "authorization", "origin", "sec-fetch-site", "expect", "last-event-id"]
)


class RefusedError(Exception):
    """Ends a request with a status and one line.

    Args:
        status: Of HTTP.
        line: The reason.
        headers: Of the answer.

    Attributes:
        delay: Seconds until the answer is given.
    """

    def __init__(self, status: int, line: str, *headers: Tuple[str, str]) -> None:
        self.status = status
        self.line = line
        self.headers = list(headers)
        self.delay = 0.0
        super(RefusedError, self).__init__(status, line)


class Request(object):
    """What is asked.

    Attributes:
        method: Such as "GET"; "" where the request line cannot be read.
        path: Without the query; for the log also where the request is refused.
        query: Without the question mark.
        headers: By name, lower case; text is Latin-1.
        length: Bytes of the body.
        close: Whether the connection ends with the answer.
        continues: Whether the client waits for a word before it sends the body.
    """

    def __init__(self) -> None:
        self.method, self.path, self.query = "", "", ""
        self.headers: Dict[str, str] = {}
        self.length = 0
        self.close = True
        self.continues = False

    def parameter(self, name: str) -> Optional[str]:
        """Return the query's first value of a name."""
        return parse_qs(self.query).get(name, [None])[0]

    def read(self, head: bytes) -> None:
        """Take over what a head says.

        Args:
            head: Without the empty line at its end.

        Raises:
            RefusedError: It is not a request, or one that could be read in more than one way.
        """
        # A line feed that no carriage return precedes stays in its line, and is refused there.
        lines = head.split(b"\r\n")
        self._read_line(lines[0])
        if len(lines) - 1 > FIELDS:
            raise RefusedError(431, "the request has more than {} header fields".format(FIELDS))
        seen: List[str] = []
        for line in lines[1:]:
            found = _FIELD.match(line)
            if not found:
                raise RefusedError(400, "the request has a malformed header field")
            name, value = found.group(1).decode("ascii").lower(), found.group(2).decode("latin-1")
            if name in _ONCE and name in seen:
                raise RefusedError(400, "the request has {} twice".format(name))
            seen.append(name)
            separator = "; " if name == "cookie" else ", "
            self.headers[name] = self.headers[name] + separator + value if name in self.headers else value
        self._read_length()
        words = [word.strip().lower() for word in self.headers.get("connection", "").split(",")]
        self.close = self.close or "close" in words

    def _read_line(self, line: bytes) -> None:
        # For the log, even where the line is refused.
        method, _, target = line.partition(b" ")
        target = target.partition(b" ")[0]
        if re.match(_TOKEN + rb"\Z", method):
            self.method = method[:20].decode("ascii")
        if target.startswith(b"/"):
            self.path = target.partition(b"?")[0].decode("latin-1")
        found = _LINE.match(line)
        if not found:
            raise RefusedError(400, "malformed request")
        self.method = found.group(1).decode("ascii")
        major, minor = found.group(3), found.group(4)
        if major != b"1":
            raise RefusedError(505, "only HTTP/1.1 is supported")
        self.close = minor == b"0"
        # Not http://HOST/...: a second host, which could be another one than that of the Host field.
        if not target.startswith(b"/"):
            raise RefusedError(400, "a request must name a path, such as /api/status")
        self.query = target.partition(b"?")[2].decode("ascii")

    def _read_length(self) -> None:
        given = self.headers.get("content-length")
        if "transfer-encoding" in self.headers:
            # Chunks are not read here: two parties could disagree where they end.
            if given is not None:
                raise RefusedError(400, "Content-Length and Transfer-Encoding exclude each other")
            raise RefusedError(411, "a body requires a Content-Length")
        if given is None:
            return
        if not re.match(r"[0-9]+\Z", given):
            raise RefusedError(411, "Content-Length must be a number")
        # What is longer is refused anyway; int() takes its time with long ones.
        self.length = int(given) if len(given) < 16 else 10**15
        expect = self.headers.get("expect", "").lower()
        if expect not in ("", "100-continue"):
            raise RefusedError(417, "this expectation is not supported")
        self.continues = expect == "100-continue" and not self.close
