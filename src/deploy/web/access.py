"""Who may use the page: holders of the token, on our own host names, from our own pages."""

import collections
import hashlib
import hmac
import secrets
import threading
import time
from typing import Any, Deque, Mapping, Optional, Sequence

#: Number of wrong tokens from one address, and the seconds they are counted over, after which further answers are delayed.
WRONG, WRONG_S = 3, 60.0
#: Seconds that such an answer is held back. A right token is never refused, nor kept waiting.
DELAY_S = 1.0
#: Addresses that are remembered.
_ADDRESSES = 1000

RIGHT, NO_TOKEN, NOT_RIGHT = "right", "no token", "wrong"


class Access(object):
    """Judges requests by their headers. Safe to share between threads.

    A browser keeps a session value that is derived from the token, not the token: a thief cannot use it
    elsewhere once the token is changed, and cannot make the token of it.

    Args:
        token: The secret.
        port: Of the server; a browser's cookies do not distinguish ports, their names do.
        hosts: Host names, lower case, that requests must be for (against DNS rebinding); None allows any.
    """

    def __init__(self, token: str, port: int, hosts: Optional[Sequence[str]]) -> None:
        self._token = token.encode("utf-8")
        self._hosts = None if hosts is None else frozenset(hosts)
        self._session = hmac.new(self._token, b"kface web session", hashlib.sha256).hexdigest()
        self._salt = secrets.token_bytes(32)
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

    def judge(self, headers: Mapping[str, str]) -> str:
        """Return :data:`RIGHT` for a request with a session or a bearer token, else what is wrong.

        Args:
            headers: By name, lower case.
        """
        if self._has_session(headers.get("cookie", "")):
            return RIGHT
        scheme, _, given = headers.get("authorization", "").partition(" ")
        return self.judge_token(given.strip()) if scheme.lower() == "bearer" else NO_TOKEN

    def judge_token(self, given: str) -> str:
        """Compare a token in constant time, however many wrong ones came before."""
        return RIGHT if self._same(given, self._token) else NOT_RIGHT

    def delay(self, address: str, headers: Mapping[str, str]) -> float:
        """Count a wrong token, and return how many seconds its answer is to be held back.

        A request that another site's page made a browser send does not count: no one was guessing.
        """
        if from_elsewhere(headers):
            return 0.0
        now = time.monotonic()
        with self._lock:
            recent = self._wrong.setdefault(address, collections.deque(maxlen=WRONG + 1))
            self._wrong.move_to_end(address)
            while len(self._wrong) > _ADDRESSES:
                self._wrong.popitem(last=False)
            while recent and now - recent[0] > WRONG_S:
                recent.popleft()
            recent.append(now)
            return DELAY_S if len(recent) > WRONG else 0.0

    def _has_session(self, cookies: str) -> bool:
        for pair in cookies.split(";"):
            name, _, value = pair.strip().partition("=")
            if name == self._cookie and self._same(value, self._session.encode("ascii")):
                return True
        return False

    def _same(self, given: str, secret: bytes) -> bool:
        # Hashes are of one length: the comparison itself does not reveal that of the secret.
        made, kept = (
            hmac.new(self._salt, value, hashlib.sha256).digest()
            for value in (given.encode("utf-8", "surrogatepass"), secret)
        )
        return hmac.compare_digest(made, kept)


def from_elsewhere(headers: Mapping[str, Any]) -> bool:
    """Return whether a browser says that another site's page made it send a request.

    Args:
        headers: By name, lower case.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    return not same_origin(headers.get("origin"), headers.get("host") or "")


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
