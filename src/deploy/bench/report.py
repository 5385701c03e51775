"""The bench's report: one JSON file that tables, notes and the notebook read; nothing is computed from it twice."""

import datetime
import json
import os
from pathlib import Path
from typing import Any, Dict, List, Optional, Union

from kface.errors import KFaceError, ModelError
from kface.files import write_json

PathLike = Union[str, "os.PathLike[str]"]

SCHEMA = 1
KIND = "kface realtime bench"
FILE = "realtime-bench.json"
REMEDY = "run: kface bench"
#: What every report has.
PARTS = (
    "machine",
    "bundle",
    "scenes",
    "table8",
    "table9",
    "unpaced",
    "paced",
    "ratios",
    "memory",
    "estimate",
    "paper",
    "notes",
)


def default_path(outputs: PathLike = "outputs") -> Path:
    """Return where today's report belongs."""
    return Path(outputs) / datetime.date.today().isoformat() / FILE


def begin(quick: bool) -> Dict[str, Any]:
    """Return a report without any part."""
    made = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0).isoformat()
    return {"schema": SCHEMA, "kind": KIND, "made": made, "quick": quick}


def write(path: PathLike, document: Dict[str, Any]) -> None:
    """Write a report; raises KFaceError where that cannot be done."""
    missing = [part for part in PARTS if part not in document]
    if missing:
        raise ValueError("the report lacks {}".format(", ".join(missing)))
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_json(path, document)
    except OSError as error:
        raise KFaceError("cannot be written ({})".format(error.strerror or error), path, "give another --out")


def read(path: PathLike) -> Dict[str, Any]:
    """Read a report.

    Raises:
        ModelError: It is not such a report, is damaged, or has another schema version.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError("cannot be read ({})".format(error.strerror or error), path, REMEDY)
    except ValueError:
        raise ModelError("is damaged: not JSON", path, REMEDY)
    if not isinstance(document, dict) or document.get("kind") != KIND:
        raise ModelError("is not a report of the realtime bench", path, REMEDY)
    if document.get("schema") != SCHEMA:
        raise ModelError("has schema version {} instead of {}".format(document.get("schema"), SCHEMA), path, REMEDY)
    missing = [part for part in PARTS if part not in document]
    if missing:
        raise ModelError("is damaged: it lacks {}".format(", ".join(missing)), path, REMEDY)
    return document


def newest(outputs: PathLike) -> Dict[str, Any]:
    """Return the newest report below ``outputs``; raises KFaceError where there is none."""
    return read(newest_path(outputs))


def newest_path(outputs: PathLike) -> Path:
    """Return the path of the newest report below ``outputs``; raises KFaceError where there is none."""
    found: List[Path] = sorted(Path(outputs).glob("*/" + FILE), key=lambda path: (path.parent.name, path.name))
    if not found:
        raise KFaceError("holds no report of the realtime bench", outputs, REMEDY)
    return found[-1]


def rows(document: Dict[str, Any], part: str, **wanted: Any) -> List[Dict[str, Any]]:
    """Return the rows of a part that have these values."""
    found: List[Dict[str, Any]] = document.get(part) or []
    return [row for row in found if all(row.get(key) == value for key, value in wanted.items())]


def row(document: Dict[str, Any], part: str, **wanted: Any) -> Optional[Dict[str, Any]]:
    """Return the first of those rows; None where there is none."""
    found = rows(document, part, **wanted)
    return found[0] if found else None
