"""Answers as bytes: the same headers, which close the page to everybody else's, in front of all of them."""

import http.client
import json
from email.utils import formatdate
from typing import List, Optional, Tuple

from deploy.web.request import RefusedError, Request
from kface.text import printable

#: The page loads nothing from anywhere else, runs nothing inline, and is shown in no other page's frame.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = (
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def head(status: int, headers: List[Tuple[str, str]]) -> bytes:
    """Return the head of an answer."""
    lines = ["HTTP/1.1 {} {}".format(status, http.client.responses.get(status, "Refused"))]
    lines += ["{}: {}".format(*field) for field in [("Date", formatdate(usegmt=True))] + headers + list(HEADERS)]
    return "\r\n".join(lines).encode("ascii") + b"\r\n\r\n"


def whole(
    request: Request, status: int, kind: str, data: bytes, headers: Optional[List[Tuple[str, str]]] = None
) -> bytes:
    """Return an answer with its body; HEAD gets none."""
    given = [("Content-Type", kind), ("Content-Length", str(len(data)))] + list(headers or [])
    if request.close:
        given.append(("Connection", "close"))
    return head(status, given) + (b"" if request.method == "HEAD" else data)


def refusal(request: Request, refused: RefusedError) -> bytes:
    """Return the answer with one line: JSON where a program asked."""
    if request.path.startswith("/api/"):
        kind, text = "application/json", json.dumps({"error": printable(refused.line)}, ensure_ascii=False)
    else:
        kind, text = "text/plain; charset=utf-8", printable(refused.line)
    return whole(request, refused.status, kind, text.encode("utf-8") + b"\n", refused.headers)
