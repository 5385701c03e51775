"""Reads and checks ``report.json``, the figures of a verified network."""

from pathlib import Path
from typing import Any

from kface.evaluation.json_files import check_schema, parse, read_json
from kface.fields import Fields

SCHEMA = 1
AGAIN = "run kface evaluate"
#: Keys and names of Table 5's columns, in its order.
SETS = {"lfw": "LFW", "agedb30": "AgeDB-30", "cfp_fp": "CFP-FP", "kface": "K-Face"}


def read_report(path: Path) -> dict[str, Any]:
    """Read a ``report.json``.

    Raises:
        TrainingError: It is missing, damaged or of another version.
    """
    report = read_json(path, AGAIN)
    check_schema(report, SCHEMA, path, AGAIN)
    parse(_report, report, path, AGAIN)
    return report


def _report(fields: Fields) -> None:
    fields.text("made")
    run = fields.object("run")
    run.text("backbone")
    run.optional("loss", run.text)
    run.text("trained_on")
    if "network" in fields.json("run"):
        run.text("network")
    if "resumed" in fields.json("run"):
        check_resumed(run)
    sets, given = fields.object("sets"), fields.json("sets")
    for key in SETS:
        # Reports older than a column lack it.
        if given.get(key) is not None:
            _set(sets.object(key), given[key])


def check_resumed(run: Fields) -> None:
    """Check the resumptions in a run's description; raises ModelError."""
    for resumed in run.objects("resumed"):
        resumed.whole("after_epoch")
        for key, pair in resumed.json("changed").items():
            if not isinstance(pair, list) or len(pair) != 2:
                raise resumed.object("changed").error(key, "an old and a new value")


def _set(fields: Fields, given: dict[str, Any]) -> None:
    fields.text("title")
    fields.flag("synthetic_sample")
    _figure(fields, "accuracy")
    _figure(fields, "eer")
    tars = fields.object("tar_at_far")
    for far, figure in fields.json("tar_at_far").items():
        if figure is not None:
            _figure(tars, far)
    if "pairs" in given:
        pairs = fields.object("pairs")
        for key in ("genuine", "impostor"):
            pairs.whole(key)
        fields.whole("people")
    fields.whole("images")
    fields.whole("failed_to_acquire")
    fields.object("raw_pixels").number("eer", 0, 1)
    if given.get("before_training") is not None:
        before = fields.object("before_training")
        before.number("eer", 0, 1)
        before.optional("eer_ratio", before.number, 0)


def _figure(fields: Fields, key: str) -> None:
    figure = fields.object(key)
    figure.number("value", 0, 1)
    if figure.value("interval") is not None:
        figure.numbers("interval", 2)
