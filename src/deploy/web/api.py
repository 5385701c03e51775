"""A session as JSON: what the page asks for, what it commands, and the checks of what it sends."""

import base64
import math
import numbers
from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping

import numpy as np

from kface.errors import KFaceError
from kface.fields import Fields
from kface.images import encode_jpeg
from kface.recognizer.threshold_meaning import Rate

if TYPE_CHECKING:
    from deploy.session import Session
    from kface.gallery import Person


#: Coordinates and thresholds beyond this are refused.
LARGEST_NUMBER = 1e9


class RequestError(KFaceError):
    """A request with a field that is missing, unknown or invalid."""


class RequestFields(Fields):
    """The fields of a request; every reader raises RequestError that names the field.

    Args:
        request: The request's JSON object.
        keys: The fields that it may have.
    """

    def __init__(self, request: Mapping[str, Any], *keys: str) -> None:
        super(RequestFields, self).__init__(dict(request), None)
        for key in request:
            if key not in keys:
                raise RequestError("unknown field", ascii(key)[:60], "choose: " + ", ".join(keys))

    def _error(self, place: str, wanted: str, value: Any) -> KFaceError:
        return RequestError("must be " + wanted, place)

    def value(self, key: str) -> Any:
        """Return a field unchecked."""
        if key not in self._value:
            raise RequestError("is missing", key)
        return super(RequestFields, self).value(key)

    def string(self, key: str) -> str:
        """Return a string, which may be anything that UTF-8 can encode: whether it can be a name, the gallery says."""
        value = self.value(key)
        if not isinstance(value, str):
            raise self.error(key, "a string")
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise RequestError("is not valid text", key)
        return value


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
            "review": self.review,
            "meaning": self.meaning,
        }
        self.commands: Dict[str, Callable[[Mapping[str, Any]], Any]] = {
            "pick": self.pick,
            "enrol": self.enrol,
            "rename": self.rename,
            "delete": self.delete,
            "merge": self.merge,
            "undo": self.undo,
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
            found = self.session.pick_track(RequestFields(request, "track").whole("track"))
        else:
            fields = RequestFields(request, "x", "y")
            x, y = (fields.number(key, -LARGEST_NUMBER, LARGEST_NUMBER) for key in ("x", "y"))
            found = self.session.pick(x, y)
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
        fields = RequestFields(request, "id", "name", "force")
        force = "force" in request and fields.flag("force")
        made = self.session.enrol(fields.string("id"), fields.string("name"), force)
        return plain({key: value for key, value in made._asdict().items() if value is not None})

    def rename(self, request: Mapping[str, Any]) -> Dict[str, Any]:
        """Rename the person ``name`` to ``new``."""
        fields = RequestFields(request, "name", "new")
        self.session.rename(fields.string("name"), fields.string("new"))
        return {}

    def delete(self, request: Mapping[str, Any]) -> Dict[str, Any]:
        """Delete the person ``name``; with ``keep`` the answer has the ``id`` that ``undo`` takes for a while."""
        fields = RequestFields(request, "name", "keep")
        name = fields.string("name")
        if "keep" in request and fields.flag("keep"):
            made = self.session.face_settings.delete(name)
            return plain({"id": made.id, "templates": made.templates})
        self.session.delete(name)
        return {}

    def merge(self, request: Mapping[str, Any]) -> Dict[str, Any]:
        """Give the person ``name`` the templates of ``other``, who is forgotten."""
        fields = RequestFields(request, "name", "other")
        return plain({"moved": self.session.face_settings.merge(fields.string("name"), fields.string("other"))})

    def undo(self, request: Mapping[str, Any]) -> Dict[str, Any]:
        """Undo the deletion ``id``."""
        return plain({"templates": self.session.face_settings.undo(RequestFields(request, "id").string("id"))})

    def review(self) -> Dict[str, Any]:
        """Return what was enrolled wrongly or poorly, a line each."""
        found = self.session.face_settings.review()
        return plain({"findings": [dict(one._asdict(), text=str(one)) for one in found.findings]})

    def meaning(self) -> Dict[str, Any]:
        """Return what the threshold in force means, and the scores seen lately."""
        meaning = self.session.face_settings.meaning()
        rates = {key: value._asdict() if isinstance(value, Rate) else value for key, value in meaning._asdict().items()}
        return plain(dict(rates, scores=[one._asdict() for one in self.session.face_settings.scores()]))

    def set_threshold(self, request: Mapping[str, Any]) -> Dict[str, Any]:
        """Judge by the cosine ``value`` from now on."""
        value = RequestFields(request, "value").number("value", -LARGEST_NUMBER, LARGEST_NUMBER)
        self.session.set_threshold(value)
        return plain({"threshold": self.session.threshold})


def plain(value: object) -> Any:
    """Return a value for JSON: arrays as lists, and null for numbers that are not finite."""
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


def _entry(person: "Person") -> Dict[str, Any]:
    return plain({"name": person.name, "templates": person.templates, "created": person.created})
