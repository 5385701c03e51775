"""Who may use the page: holders of the token, on our own host names, from our own pages."""

import collections
import hashlib
import hmac
import threading
import time
from typing import Any, Deque, Optional, Sequence

#: So many wrong tokens from one address in so many seconds; then none is looked at until they are old.
WRONG, WRONG_S = 10, 60.0
#: Addresses that are remembered.
_ADDRESSES = 1000

RIGHT, NO_TOKEN, NOT_RIGHT, TOO_OFTEN = "right", "no token", "wrong", "too often"


class Access(object):
    """Judges requests by their headers. Safe to share between threads.

    A browser keeps a session value that is derived from the token, not the token: whoever steals it cannot use it
    elsewhere once the token is changed, and cannot make the token of it.

    Args:
        token: The secret.
        port: Of the server; a browser's cookies do not tell ports apart, their names do.
        hosts: Host names, lower case, that requests must be for (against DNS rebinding); None allows any.
    """

    def __init__(self, token: str, port: int, hosts: Optional[Sequence[str]]) -> None:
        self._token = token.encode("utf-8")
        self._hosts = None if hosts is None else frozenset(hosts)
        self._session = hmac.new(self._token, b"kface web session", hashlib.sha256).hexdigest()
        self._wrong: "collections.OrderedDict[str, Deque[float]]" = collections.OrderedDict()
        self._lock = threading.Lock()
        self._cookie = "kface-{}".format(port)

    @property
    def cookie(self) -> str:
        """The header line's value that gives a browser its session."""
        return "{}={}; Path=/; HttpOnly; SameSite=Strict".format(self._cookie, self._session)

    def knows_host(self, host: Optional[str]) -> bool:
        """Return whether a ``Host`` header names us; the port may be another one (``ssh -L``)."""
        return host is not None and (self._hosts is None or host_name(host) in self._hosts)

    def judge(self, headers: Any, address: str) -> str:
        """Return :data:`RIGHT` for a request with a session or a bearer token, else what is wrong."""
        if self._has_session(headers.get("Cookie") or ""):
            return RIGHT
        scheme, _, given = (headers.get("Authorization") or "").partition(" ")
        return self.judge_token(given.strip(), address) if scheme.lower() == "bearer" else NO_TOKEN

    def judge_token(self, given: str, address: str) -> str:
        """Compare a token in constant time; after too many wrong ones from an address not even a right one counts."""
        with self._lock:
            recent = self._wrong.get(address)
            while recent and time.monotonic() - recent[0] > WRONG_S:
                recent.popleft()
            if recent and len(recent) >= WRONG:
                return TOO_OFTEN
            if hmac.compare_digest(given.encode("utf-8", "surrogatepass"), self._token):
                return RIGHT
            self._wrong.setdefault(address, collections.deque()).append(time.monotonic())
            self._wrong.move_to_end(address)
            while len(self._wrong) > _ADDRESSES:
                self._wrong.popitem(last=False)
            return NOT_RIGHT

    def _has_session(self, cookies: str) -> bool:
        for pair in cookies.split(";"):
            name, _, value = pair.strip().partition("=")
            if name == self._cookie and hmac.compare_digest(
                value.encode("utf-8", "surrogatepass"), self._session.encode("ascii")
            ):
                return True
        return False


def same_origin(origin: Optional[str], host: str) -> bool:
    """Return whether an ``Origin`` header is absent or that of our own pages; a proxy may have taken the TLS off."""
    if origin is None:
        return True
    scheme, separator, place = origin.partition("://")
    return bool(separator) and scheme in ("http", "https") and place.lower() == host.lower()


def host_name(host: str) -> str:
    """Return a ``Host`` header without its port, lower case; IPv6 in brackets."""
    if host.startswith("["):
        return host.partition("]")[0].lower() + "]"
    return host.partition(":")[0].lower()
