"""The export of ``embedder=pretrained``: its settings, faces if none were given, and published measurements."""

import json
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from export.pretrained.fetch import PACKAGE, prepare
from export.settings import ExportJob
from kface import bundle
from kface.bundle.thresholds import Thresholds, parse
from kface.data.testsets import TestSet
from kface.errors import ConfigError
from kface.fields import Fields

LICENCE = "CC0-1.0"
#: The input it expects.
COLOUR, NORMALISATION = "rgb", (127.5, 128.0)
#: Measurements on real pairs, with the fingerprint of the measured network.
MEASURED = Path(__file__).with_name("measured.json")
#: Number of people of the synthetic sample on whom files are compared if no pairs are given, and the views of each.
PEOPLE = 8
VIEWS = ((7, 1, 1), (6, 2, 2))
PROVENANCE = (
    bundle.Provenance(
        "training data",
        "about 3 million photographs of 7,485 people (Davis King, 2017), not redistributed",
        "not stated",
    ),
    bundle.Provenance("embedder weights", f"dlib's face recognition ResNet, out of {PACKAGE}", LICENCE),
)
#: What is known of LFW's people; nothing is known of the people of other sets.
PEOPLE_OF_SETS = "{} (its author left LFW's people out of its training data)"
LIMITS = (
    "It was trained mostly on photographs of Western faces and confuses people of other descent more often, for example "
    "Asian faces: choose a stricter threshold for them, and measure on people like yours.",
    "It suits one camera and some dozens of people, as at a door; it is not for certification or for large galleries.",
    "Its author says that LFW's people were left out of its training data; whether people of CFP or AgeDB were in it is not "
    "known, and if they were, those figures are too good.",
    "Its cosines lie close together, from about 0.83 to 0.99: thresholds of other networks do not apply.",
)


def with_file(job: ExportJob) -> ExportJob:
    """Return the job with the network's file, which is fetched first if necessary.

    Raises:
        ConfigError: A setting contradicts the network.
        ModelError: It cannot be fetched.
    """
    for key, found, nothing, known in (
        ("colour", job.colour, "auto", COLOUR),
        ("normalisation", job.normalisation, None, NORMALISATION),
    ):
        if found not in (nothing, known):
            shown = list(known) if isinstance(known, tuple) else known
            raise ConfigError(f"must be {shown} for the pretrained network", f"preprocessing.{key}", "remove it")
    precision = job.precision
    if not job.evaluation.photographs:
        for kind, wanted in (("int8", precision.int8), ("fp16", precision.fp16)):
            if wanted:
                raise ConfigError("cannot be judged without real faces", f"precision.{kind}", "add evaluate.lfw=DIR")
    embedder = prepare()
    if not job.evaluation.photographs:
        if None in (precision.int8, precision.fp16):
            print("export: full precision only: INT8 and FP16 are judged on real faces; add evaluate.lfw=DIR")
        precision = replace(precision, int8=False, fp16=False)
    return replace(
        job,
        embedder=embedder,
        colour=COLOUR,
        normalisation=NORMALISATION,
        licence=job.licence or LICENCE,
        precision=precision,
    )


@lru_cache(maxsize=1)
def faces() -> TestSet:
    """Return rendered people of the synthetic sample: enough to compare files, not to measure accuracy."""
    from export.golden_pictures import face_of
    from kface.data.sample import subject_names

    images = [face_of(name, *view) for name in subject_names(PEOPLE, 0) for view in VIEWS]
    people = np.repeat(np.arange(PEOPLE), len(VIEWS))
    pairs = np.stack(np.triu_indices(len(images), 1), axis=1)
    return TestSet(
        "kface", "synthetic sample", np.stack(images), pairs, people, None, np.zeros(len(images), bool), True
    )


@lru_cache(maxsize=1)
def _measured() -> dict[str, Any]:
    return dict(json.loads(MEASURED.read_text(encoding="utf-8")))


def measured_sets(fingerprint: str) -> dict[str, Any]:
    """Return the figures by test set that come with the program; empty if they are of another network."""
    return dict(_measured()["sets"]) if _measured()["fingerprint"] == fingerprint else {}


def measured_thresholds(fingerprint: str) -> Thresholds | None:
    """Return the threshold table that comes with the program; None, with a message printed, if it is of another network."""
    if _measured()["fingerprint"] != fingerprint:
        print(
            "export: no threshold table: the one that comes with kface is for another form of the network; add evaluate.lfw=DIR"
        )
        return None
    return parse(Fields(_measured()["thresholds"], MEASURED, "thresholds"))
