"""Reads and checks ``report.json``, the figures of a verified network."""

from pathlib import Path
from typing import Any

from kface.evaluation.json_files import check_schema, parse, read_json
from kface.fields import Fields

SCHEMA = 1
AGAIN = "run kface evaluate"
#: Keys and names of Table 5's columns, in its order.
SETS = {"lfw": "LFW", "agedb30": "AgeDB-30", "cfp_fp": "CFP-FP", "kface": "K-Face"}
#: Keys and names of all test sets: Table 5's columns, then the others.
TITLES = {
    **SETS,
    "cfp_ff": "CFP-FF",
    "calfw": "CALFW",
    "cplfw": "CPLFW",
    "ijbb": "IJB-B",
    "ijbc": "IJB-C",
    "q1": "K-Face Q1",
    "q2": "K-Face Q2",
    "q3": "K-Face Q3",
    "q4": "K-Face Q4",
}


def read_report(path: Path) -> dict[str, Any]:
    """Read a ``report.json``.

    Raises:
        TrainingError: It is missing, damaged or of another version.
    """
    report = read_json(path, AGAIN)
    check_schema(report, SCHEMA, path, AGAIN)
    parse(lambda fields: _report(fields, report), report, path, AGAIN)
    return report


def _report(fields: Fields, report: dict[str, Any]) -> None:
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
    for key in TITLES:
        # Reports older than a column lack it.
        if given.get(key) is not None:
            _set(sets.object(key), given[key])
    if report.get("conditions") is not None:
        _conditions(fields.object("conditions"))


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
    if "scores" in given:
        # It is joined to the report's directory and must not leave it.
        fields.text("scores", pattern=r"scores/[\w-]+\.npz")
    if "note" in given:
        fields.text("note")
    if given.get("identification") is not None:
        _identification(fields.object("identification"))


def _identification(fields: Fields) -> None:
    for key in ("people", "mated_probes", "not_enrolled"):
        fields.whole(key)
    for point in fields.objects("false_positive"):
        point.number("fmr", 0, 1)
        point.number("threshold")
        point.number("measured_fmr", 0, 1)
        for gallery in point.objects("galleries"):
            gallery.whole("size", 1)
            gallery.number("extrapolated", 0, 1)
            if gallery.value("fpir") is not None:
                _figure(gallery, "fpir")
    for opened in fields.objects("open_set"):
        opened.whole("size", 1)
        opened.number("fpir", 0, 1)
        opened.number("threshold")
        _figure(opened, "tpir")
    for first in fields.objects("rank_1"):
        first.whole("size", 1)
        _value(first)


def _conditions(fields: Fields) -> None:
    for key in ("reference", "title", "file"):
        fields.text(key)
    fields.optional("picture", fields.text)
    fields.flag("synthetic_sample")
    for key in ("people", "substitutes"):
        fields.whole(key)
    for cell in fields.objects("cells"):
        cell.text("panel")
        for key in ("accessory", "light", "expression", "camera"):
            cell.optional(key, cell.whole, 1)
        cell.flag("only")
        for key in ("images", "genuine", "impostor"):
            cell.whole(key)
        if cell.value("eer") is not None:
            _figure(cell, "eer")


def _figure(fields: Fields, key: str) -> None:
    _value(fields.object(key))


def _value(figure: Fields) -> None:
    figure.number("value", 0, 1)
    if figure.value("interval") is not None:
        figure.numbers("interval", 2)
