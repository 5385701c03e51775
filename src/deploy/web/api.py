"""A session as JSON: what the page asks for, what it commands, and the check of everything that it sends."""

import base64
import math
import numbers
from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping

import numpy as np

from kface.errors import KFaceError
from kface.images import encode_jpeg

if TYPE_CHECKING:
    from deploy.session import Session
    from kface.gallery import Person


class RequestError(KFaceError):
    """A request that lacks something, or has something that cannot be."""


class Api(object):
    """Answers a session's questions and passes commands on; every decision is the session's.

    Args:
        session: See :class:`deploy.session.Session`.

    Attributes:
        session: As given.
        questions: What ``GET /api/NAME`` calls.
        commands: What ``POST /api/NAME`` calls with the request's JSON.
    """

    def __init__(self, session: "Session") -> None:
        self.session = session
        self.questions: Dict[str, Callable[[], Any]] = {
            "status": self.status,
            "faces": self.faces,
            "people": self.people,
        }
        self.commands: Dict[str, Callable[[Mapping[str, Any]], Any]] = {
            "pick": self.pick,
            "enrol": self.enrol,
            "rename": self.rename,
            "delete": self.delete,
            "threshold": self.set_threshold,
        }

    def status(self) -> Dict[str, Any]:
        """Return how the session is doing, and its threshold."""
        return plain(dict(self.session.status._asdict(), threshold=self.session.threshold))

    def faces(self) -> Dict[str, Any]:
        """Return the faces in the newest picture, boxes in its pixels."""
        view = self.session.wait_view(0, 0)
        if view is None:
            return {"live": False, "size": None, "faces": []}
        return plain({"live": view.live, "size": view.size, "faces": [face._asdict() for face in view.faces]})

    def people(self) -> Dict[str, Any]:
        """Return who is enrolled."""
        return {"people": [_entry(person) for person in self.session.people()]}

    def pick(self, request: Mapping[str, Any]) -> Dict[str, Any]:
        """Pick a face to be enrolled, by ``x`` and ``y`` in the picture's pixels or by its ``track``."""
        if "track" in request:
            _only(request, "track")
            found = self.session.pick_track(_whole(request, "track"))
        else:
            _only(request, "x", "y")
            found = self.session.pick(_number(request, "x"), _number(request, "y"))
        crop = base64.b64encode(encode_jpeg(found.crop, 92)).decode("ascii")
        return plain(
            {
                "id": found.id,
                "crop": "data:image/jpeg;base64," + crop,
                "track": found.track,
                "box": found.box,
                "name": found.name,
                "refusals": [str(refusal) for refusal in found.refusals],
            }
        )

    def enrol(self, request: Mapping[str, Any]) -> Dict[str, Any]:
        """Enrol a picked face: its ``id``, a ``name``, and ``force`` where it is not good enough."""
        _only(request, "id", "name", "force")
        force = request.get("force", False)
        if not isinstance(force, bool):
            raise RequestError("must be true or false", "force")
        made = self.session.enrol(_text(request, "id"), _text(request, "name"), force)
        return plain({key: value for key, value in made._asdict().items() if value is not None})

    def rename(self, request: Mapping[str, Any]) -> Dict[str, Any]:
        """Give the person ``name`` the name ``new``."""
        _only(request, "name", "new")
        self.session.rename(_text(request, "name"), _text(request, "new"))
        return {}

    def delete(self, request: Mapping[str, Any]) -> Dict[str, Any]:
        """Forget the person ``name``."""
        _only(request, "name")
        self.session.delete(_text(request, "name"))
        return {}

    def set_threshold(self, request: Mapping[str, Any]) -> Dict[str, Any]:
        """Judge by the cosine ``value`` from now on."""
        _only(request, "value")
        self.session.set_threshold(_number(request, "value"))
        return plain({"threshold": self.session.threshold})


def plain(value: Any) -> Any:
    """Return a value as JSON has it: arrays as lists, and null for numbers that are not finite."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value) if math.isfinite(value) else None
    return value if value is None else str(value)


def _entry(person: "Person") -> Any:
    return plain({"name": person.name, "templates": person.templates, "created": person.created})


def _only(request: Mapping[str, Any], *keys: str) -> None:
    for key in request:
        if key not in keys:
            raise RequestError("unknown field", ascii(key)[:60], "choose: " + ", ".join(keys))


def _field(request: Mapping[str, Any], key: str) -> Any:
    if key not in request:
        raise RequestError("is missing", key)
    return request[key]


def _text(request: Mapping[str, Any], key: str) -> str:
    value = _field(request, key)
    if not isinstance(value, str):
        raise RequestError("must be a string", key)
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise RequestError("is not valid text", key)
    return value


def _number(request: Mapping[str, Any], key: str) -> float:
    value = _field(request, key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > 1e9 or value != value:
        raise RequestError("must be a number", key)
    return float(value)


def _whole(request: Mapping[str, Any], key: str) -> int:
    value = _field(request, key)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 1 << 53:
        raise RequestError("must be a whole number", key)
    return value
