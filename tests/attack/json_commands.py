"""Commands whose JSON nobody's page sends, against a real page on 127.0.0.1; seeded.

``python tests/attack/json_commands.py [SEED] [COUNT]`` needs no pytest. Each is carried out or refused in one line of JSON: no
defect (500), no hang, and a command with a field too many, too few or of another type reaches the session never.
"""

import http.client
import json
import math
import os
import random
import sys

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from web_session import BEARER, TOKEN, FakeSession

from deploy.settings import WebSettings
from deploy.web import WebServer

PATIENCE_S = 10
HEADERS = dict(BEARER, **{"Content-Type": "application/json"})
#: The fields of each command, and what a valid one may hold.
COMMANDS = {
    "pick": ({"x": (int, float), "y": (int, float)}, {"track": int}),
    "enrol": ({"id": str, "name": str}, {"id": str, "name": str, "force": bool}),
    "rename": ({"name": str, "new": str},),
    "delete": ({"name": str},),
    "threshold": ({"value": (int, float)},),
}
#: Values as JSON text: json.dumps could not write some of them.
VALUES = [
    "null", "true", "false", "0", "-0", "1", "-1", "1.5", "1e308",
    "1e400", "-1e400", "1" + "0" * 400, "-1" + "0" * 400, "1" * 5000,
    "NaN", "Infinity", "-Infinity", "9007199254740993", "1e-400",
    "0x10", "01", "+1", "1.", ".5", '""', '" "', '"x"', '"Park"',
    '"\\ud800"', '"\\udfff\\ud800"', '"\\u0000"', '"\\u202e\\u200b"',
    '"\\u001b[31m"', '"\\u3164"', '"\\u115f"', '"\\u2800"', '"' + "a" * 9000 + '"',
    '"\uc774\ub984"', '"<img src=x onerror=alert(1)>"', '"../../etc"',
    '"a\\nb"', '"\\"', "[]", "{}", '["Park"]', '{"name": "Park"}',
    "[" * 200 + "]" * 200, "[" * 6000, '{"a":' * 2000 + "1" + "}" * 2000,
    '"unfinished', "", "x", "'x'", "1,", "\ufeff1", "/**/1",
]  # fmt: skip
KEYS = [
    "x",
    "y",
    "track",
    "id",
    "name",
    "force",
    "new",
    "value",
    "",
    "__proto__",
    "\\ud800",
    "constructor",
    "x\\u0000",
    "a" * 300,
    "self",
]
WHOLES = [
    "null",
    "[]",
    "[{}]",
    '"x"',
    "1",
    "NaN",
    "",
    " ",
    "{",
    "}",
    "{}{}",
    "\x00",
    "{\x00}",
    "[" * 8000,
    "\ufeff{}",
    '{"a" "b"}',
    "{'a': 1}",
]


def make(chance):
    """Return the name of a command, and its JSON as bytes."""
    name = chance.choice(sorted(COMMANDS))
    if chance.random() < 0.1:
        return name, chance.choice(WHOLES).encode("utf-8")
    fields = list(chance.choice(COMMANDS[name]))
    if chance.random() < 0.3:
        fields.append(chance.choice(KEYS))
    if fields and chance.random() < 0.2:
        fields.remove(chance.choice(fields))
    text = "{" + ", ".join(f'"{field}": {chance.choice(VALUES)}' for field in fields) + "}"
    data = text.encode("utf-8")
    for _ in range(chance.choice([0, 0, 0, 0, 1, 2])):
        place = chance.randrange(len(data))
        data = data[:place] + bytes([chance.randrange(256)]) + data[place + chance.choice([0, 1]) :]
    return name, data


def valid(name, data):
    """Return whether a command has the fields that it must have, each of its type."""
    try:
        value = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        return False
    if not isinstance(value, dict):
        return False
    return any(
        set(value) == set(fields) and all(_is(value[key], kinds) for key, kinds in fields.items())
        for fields in COMMANDS[name]
    )


def _is(value, kinds):
    if kinds is bool or isinstance(value, bool):
        return kinds is bool and isinstance(value, bool)
    if not isinstance(value, kinds):
        return False
    return not isinstance(value, float) or math.isfinite(value)


def fault(name, data, status, answer, calls):
    """Return what is wrong about an answer, in a few words; None where nothing is."""
    try:
        told = json.loads(answer.decode("utf-8"))
    except ValueError:
        return "no JSON"
    if status == 500:
        return "a defect"
    if status not in (200, 400, 409, 413):
        return f"status {status}"
    if answer.count(b"\n") != 1 or not answer.endswith(b"\n"):
        return "not one line"
    if status != 200 and (
        list(told) != ["error"] or "Traceback" in told["error"] or "\n" in told["error"] or "\x1b" in told["error"]
    ):
        return "not one reason"
    if calls and not valid(name, data):
        return "done although it cannot be"
    return None


def campaign(seed, count):
    """Send `count` commands; return how many were sent, and a line for each that went wrong.

    Args:
        seed: Chooses them.
        count: How many.
    """
    chance = random.Random(seed)
    session = FakeSession(size=(64, 48))
    failed = []
    try:
        with WebServer(session, WebSettings(port=0), token=TOKEN) as server:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
            for number in range(count):
                name, data = make(chance)
                del session.calls[:]
                try:
                    connection.request("POST", "/api/" + name, data, HEADERS)
                    got = connection.getresponse()
                    wrong = fault(name, data, got.status, got.read(), session.calls)
                except (OSError, http.client.HTTPException) as error:
                    connection.close()
                    wrong = f"no answer ({error!r})"
                if wrong:
                    failed.append(f"command {number}: {wrong}: {name} {data[:200]!a}")
            connection.close()
    finally:
        session.stop()
    return count, failed


def main(argv):
    seed, count = (int(argv[0]) if argv else 0), (int(argv[1]) if len(argv) > 1 else 2000)
    tried, failed = campaign(seed, count)
    print("\n".join([*failed, f"JSON commands: {tried} tried, {len(failed)} failed (seed {seed})"]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
