"""``kface enrol NAME --track N``: enrol a face of a running session, through the page that it serves.

The exit status is 0, 1 where the face is not good enough, and 2 where nothing could be done.
"""

import argparse
import json
import sys
import urllib.error
import urllib.request
from typing import Any, Dict, List, Optional
from urllib.parse import urlsplit

from deploy.settings import WebSettings
from deploy.terminal import print_line, typed_name
from deploy.web.token import ENVIRONMENT, find_token
from kface.commands.ending import exit_status
from kface.commands.parser import Parser
from kface.errors import ConfigError, KFaceError

#: Where a session has its page by default.
ADDRESS = "http://{0.host}:{0.port}".format(WebSettings())
TIMEOUT_S = 20.0
_LARGEST = 1 << 20


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the token to wherever it leads."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


class Page(object):
    """A running session's page, as a program uses it.

    Args:
        address: Such as ``http://127.0.0.1:8088``.
        token: Its token.

    Raises:
        ConfigError: It is not such an address.
    """

    def __init__(self, address: str, token: str) -> None:
        try:
            parts = urlsplit(address)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or parts.username is not None or parts.query or parts.path not in ("", "/"):
            raise ConfigError("must be an address such as " + ADDRESS, "--url", "leave out token and path")
        self._address = address.rstrip("/")
        self._token = token
        # No proxy: the token and the faces' names are for the session only.
        self._opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))

    def call(self, name: str, command: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        """Ask, or give a command; raises KFaceError with the session's own line where it is refused."""
        headers = {"Authorization": "Bearer " + self._token}
        data = None
        if command is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(command).encode("ascii")
        request = urllib.request.Request("{}/api/{}".format(self._address, name), data, headers)
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                value = json.loads(answer.read(_LARGEST).decode("utf-8"))
        except urllib.error.HTTPError as error:
            with error:
                raise KFaceError(_line(error.read(_LARGEST), error.code))
        except ValueError:
            raise KFaceError("is not the page of a kface recogniser", self._address, "correct --url")
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise KFaceError(
                "cannot connect to the recogniser ({})".format(getattr(reason, "strerror", None) or reason),
                self._address,
                "start it: kface deploy",
            )
        if not isinstance(value, dict):
            raise KFaceError("is not the page of a kface recogniser", self._address, "correct --url")
        return value


def main(argv: Optional[List[str]] = None) -> int:
    """Run the command and return its exit status."""
    arguments = parser().parse_args(argv)
    return exit_status("enrol", lambda: _run(arguments))


def parser() -> Parser:
    """Return what reads the arguments."""
    made = Parser(
        prog="kface enrol",
        description="enrol a face that is in view of a running recogniser (kface deploy)",
        examples=("kface enrol --list", 'kface enrol "Kim Min-su" --track 3'),
    )
    made.add_argument("name", metavar="NAME", nargs="?", help="name of the person, new or already enrolled")
    made.add_argument(
        "--track", type=int, metavar="N", help="track number of the face; optional if only one face is in view"
    )
    made.add_argument("--force", action="store_true", help="enrol even if the face is not good enough")
    made.add_argument("--list", action="store_true", help="list the faces in view with their tracks")
    made.add_argument("--url", metavar="URL", default=ADDRESS, help="the recogniser's page (default: %(default)s)")
    made.add_argument(
        "--token-file",
        metavar="FILE",
        help="file with the page's token (default: {}, or the recogniser's own file)".format(ENVIRONMENT),
    )
    return made


def _run(arguments: argparse.Namespace) -> int:
    if arguments.list == (arguments.name is not None):
        raise ConfigError("pass either NAME or --list", None, "see kface enrol --help")
    page = Page(arguments.url, find_token(arguments.token_file))
    return _list(page) if arguments.list else _enrol(page, typed_name(arguments.name), arguments)


def _list(page: Page) -> int:
    found = page.call("faces")
    if not found["live"]:
        raise KFaceError("no live picture", "the stream", "wait for the stream")
    for face in found["faces"]:
        who = face["name"] if face["state"] == "recognised" else face["state"]
        score = "" if face["score"] is None else "\tscore {:.3f}".format(face["score"])
        place = "at {:.0f},{:.0f}-{:.0f},{:.0f}".format(*face["box"])
        print_line("track {}\t{}\t{}{}".format("-" if face["track"] is None else face["track"], who, place, score))
    return 0


def _enrol(page: Page, name: str, arguments: argparse.Namespace) -> int:
    picked = page.call("pick", _which(page, arguments.track))
    if picked["refusals"] and not arguments.force:
        print_line("enrol: the face is not good enough: {}".format("; ".join(picked["refusals"])), sys.stderr)
        print_line("enrol: take a sharp picture of the person from the front, or pass --force", sys.stderr)
        return 1
    made = page.call("enrol", {"id": picked["id"], "name": name, "force": arguments.force})
    print_line("template {} of {}".format(made["template"], made["name"]))
    if made.get("warning"):
        print_line("enrol: warning: {}".format(made["warning"]), sys.stderr)
    return 0


def _which(page: Page, track: Optional[int]) -> Dict[str, Any]:
    if track is not None:
        return {"track": track}
    faces = page.call("faces")["faces"]
    if len(faces) != 1:
        raise KFaceError("{} faces are in view".format(len(faces)), None, "pass --track N; --list shows them")
    x1, y1, x2, y2 = faces[0]["box"]
    return {"x": (x1 + x2) / 2, "y": (y1 + y2) / 2}


def _line(data: bytes, status: int) -> str:
    """Return the one line of an answer that refuses."""
    try:
        return str(json.loads(data.decode("utf-8"))["error"])
    except (ValueError, KeyError, TypeError):
        return "the page answered with status {}".format(status)
