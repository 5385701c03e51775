"""A report's newer parts are checked when it is read, and reports of before them are still read."""

import copy
import json

import pytest

from kface.errors import TrainingError
from kface.evaluation.reports import read_report

FIGURE = {"value": 0.5, "interval": [0.4, 0.6]}
SET = {
    "title": "LFW",
    "synthetic_sample": False,
    "accuracy": FIGURE,
    "eer": FIGURE,
    "tar_at_far": {"1e-02": FIGURE},
    "images": 4,
    "failed_to_acquire": 0,
    "raw_pixels": {"eer": 0.5},
}
IDENTIFICATION = {
    "people": 20,
    "mated_probes": 3,
    "not_enrolled": 0,
    "false_positive": [
        {
            "fmr": 0.01,
            "threshold": 0.3,
            "measured_fmr": 0.01,
            "galleries": [
                {"size": 10, "fpir": FIGURE, "extrapolated": 0.1},
                {"size": 100, "fpir": None, "extrapolated": 0.6},
            ],
        }
    ],
    "open_set": [{"size": 10, "fpir": 0.1, "threshold": 0.3, "tpir": FIGURE}],
    "rank_1": [{"size": 10, **FIGURE}],
}
CELL = {
    "panel": "camera",
    "accessory": None,
    "light": None,
    "expression": None,
    "camera": 3,
    "only": False,
    "images": 3,
    "genuine": 3,
    "impostor": 6,
    "eer": FIGURE,
}
CONDITIONS = {
    "reference": "S001/L1/E01/C7",
    "title": "K-Face",
    "synthetic_sample": False,
    "people": 3,
    "substitutes": 0,
    "file": "conditions.csv",
    "picture": None,
    "cells": [CELL, {**CELL, "eer": None}],
}
REPORT = {
    "schema": 1,
    "made": "2026-01-02T00:00:00+00:00",
    "run": {"backbone": "x", "loss": "y", "trained_on": "z"},
    "sets": {"calfw": {**SET, "scores": "scores/calfw.npz", "note": "few", "identification": IDENTIFICATION}},
    "conditions": CONDITIONS,
}


def written(folder, report):
    path = folder / "report.json"
    path.write_text(json.dumps(report))
    return path


def test_both_are_read(tmp_path):
    assert read_report(written(tmp_path, REPORT)) == REPORT
    older = {**REPORT, "sets": {"lfw": SET, "kface": None}}
    del older["conditions"]
    assert read_report(written(tmp_path, older)) == older


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("sets", "calfw", "scores"), "../elsewhere.npz"),
        (("sets", "calfw", "scores"), 3),
        (("sets", "calfw", "note"), 3),
        (("sets", "calfw", "identification"), []),
        (("sets", "calfw", "identification", "people"), -1),
        (("sets", "calfw", "identification", "false_positive", 0, "threshold"), None),
        (("sets", "calfw", "identification", "false_positive", 0, "galleries", 0, "fpir"), 0.5),
        (("sets", "calfw", "identification", "false_positive", 0, "galleries", 1, "extrapolated"), 3),
        (("sets", "calfw", "identification", "open_set", 0, "tpir"), None),
        (("sets", "calfw", "identification", "rank_1", 0, "value"), "all"),
        (("conditions",), 3),
        (("conditions", "picture"), 3),
        (("conditions", "cells", 0, "camera"), 0),
        (("conditions", "cells", 1, "only"), 1),
        (("conditions", "cells", 1, "eer"), 0.2),
    ],
)
def test_wrong_types_are_one_line_that_names_the_file(tmp_path, place, value):
    report = copy.deepcopy(REPORT)
    inner = report
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    with pytest.raises(TrainingError, match=r"report\.json: is damaged") as caught:
        read_report(written(tmp_path, report))
    assert "\n" not in str(caught.value)
