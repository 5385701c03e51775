"""All that a test has found, as JSON and CSV."""

import csv
import io
from dataclasses import dataclass
from typing import Any, Final

from kface.bundle.manifest import BundleManifest
from kface.kisa.conditions import PROBE_CATEGORIES, PROBES, Category
from kface.kisa.database import KisaDatabase
from kface.kisa.engines import EngineFacts
from kface.kisa.matching import FAILED_SCORE, Matching, PairPolicy
from kface.kisa.results import TOTAL, KisaResults, RatesFigures
from kface.kisa.templates import KisaTemplates
from kface.kisa.worst import FailedImage, ScoredPair
from kface.verification import RateEstimate

#: Version of ``kisa.json``.
SCHEMA: Final = 1
KIND: Final = "kface kisa report"
FILE: Final = "kisa.json"


@dataclass(frozen=True)
class KisaReport:
    """All that a test has found.

    Attributes:
        made: When, in UTC and ISO 8601 to the second.
        version: Of kface.
        facts: Of the engine.
        bundle: Of the bundle that was tested; None for the null engine.
        database: What it was tested on.
        templates: Of the data base.
        policy: Which pairs were compared.
        matching: The scores, and what they took.
        results: The figures.
        replicates: Draws of people for the intervals.
        seed: Of the draws.
        worst: The pairs that cost most, by category.
        failures: The images without a template.
        pictures: Whether a reader is shown the images.
    """

    made: str
    version: str
    facts: EngineFacts
    bundle: BundleManifest | None
    database: KisaDatabase
    templates: KisaTemplates
    policy: PairPolicy
    matching: Matching
    results: KisaResults
    replicates: int
    seed: int
    worst: dict[Category, tuple[ScoredPair, ...]]
    failures: tuple[FailedImage, ...]
    pictures: bool

    @property
    def parts(self) -> dict[str, RatesFigures | None]:
        """The figures by the key of what they are of: the categories, the conditions, then :data:`TOTAL`."""
        found: dict[str, RatesFigures | None] = {
            category.value: self.results.categories[category] for category in PROBE_CATEGORIES
        }
        found.update({condition.key: self.results.conditions[condition] for condition in PROBES})
        found[TOTAL] = self.results.total
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it; rates are fractions."""
        results, work = self.results, self.matching
        return {
            "schema": SCHEMA,
            "kind": KIND,
            "made": self.made,
            "kface": self.version,
            "synthetic_sample": self.database.synthetic,
            "engine": {
                "engine": self.facts.engine,
                "version": self.facts.version,
                "model": self.facts.model,
                "fingerprint": self.facts.fingerprint,
                "settings": dict(self.facts.settings),
            },
            "bundle": None if self.bundle is None else _bundle(self.bundle),
            "database": _database(self.database),
            "method": {
                "impostors": self.policy.impostors,
                "random_pairs": self.policy.pairs if self.policy.impostors == "random" else None,
                "seed": self.seed,
                "bootstrap": {"replicates": self.replicates, "over": "people", "percentiles": [2.5, 97.5]},
                "score_of_a_failed_pair": FAILED_SCORE,
            },
            "verdict": results.verdict.value,
            "categories": {
                category.value: {
                    "criterion": verdict.criterion,
                    "verdict": verdict.verdict.value,
                    "interval_holds_the_criterion": verdict.straddles,
                    "incomplete": verdict.incomplete,
                }
                for category, verdict in results.verdicts.items()
            },
            "figures": {key: None if made is None else _rates(made) for key, made in self.parts.items()},
            "threshold_for_all": results.fixed_threshold,
            "people": results.people,
            "failed_to_enrol": results.failed_to_enrol,
            "fte": results.fte,
            "worst_pairs": {category.value: [_pair(pair) for pair in pairs] for category, pairs in self.worst.items()},
            "failures": [
                {
                    "person": failure.image.person,
                    "condition": failure.image.condition.key,
                    "place": failure.image.place,
                    "reason": failure.reason,
                }
                for failure in self.failures
            ],
            "work": {
                "templates_made": self.templates.made,
                "templates_seconds": self.templates.seconds,
                "comparisons": work.comparisons,
                "comparisons_seconds": work.seconds,
                "peak_bytes": work.peak_bytes,
            },
        }

    def to_csv(self) -> str:
        """Return the figures as a table, a line for each category, each condition and all; rates are fractions."""
        made = io.StringIO()
        writer = csv.writer(made, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for key, found in self.parts.items():
            verdict = next((self.results.verdicts[each] for each in PROBE_CATEGORIES if each.value == key), None)
            mark = [None, None] if verdict is None else [verdict.criterion, verdict.verdict.value]
            writer.writerow(
                [key, self.facts.model, self.facts.engine, _yes(self.database.synthetic), *mark, *_line(found)]
            )
        return made.getvalue()


_COLUMNS: Final = (
    "part", "model", "engine", "synthetic_sample", "criterion", "verdict", "probes", "genuine_pairs", "impostor_pairs",
    "genuine_failed", "impostor_failed", "eer", "eer_low", "eer_high", "eer_acquired", "eer_acquired_low",
    "eer_acquired_high", "threshold", "fmr", "fnmr", "fixed_fmr", "fixed_fmr_low", "fixed_fmr_high", "fixed_fnmr",
    "fixed_fnmr_low", "fixed_fnmr_high", "failed_to_acquire", "fta",
)  # fmt: skip


def _line(found: RatesFigures | None) -> list[Any]:
    if found is None:
        return [None] * (len(_COLUMNS) - 6)
    counts = [found.probes, found.genuine, found.impostor, found.genuine_failed, found.impostor_failed]
    return [
        *counts,
        *_spread(found.eer),
        *_spread(found.eer_acquired),
        found.threshold,
        found.fmr,
        found.fnmr,
        *_spread(found.fixed_fmr),
        *_spread(found.fixed_fnmr),
        found.failed_to_acquire,
        found.fta,
    ]


def _spread(figure: RateEstimate | None) -> list[float | None]:
    if figure is None:
        return [None, None, None]
    low, high = figure.interval or (None, None)
    return [figure.value, low, high]


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _rates(made: RatesFigures) -> dict[str, Any]:
    return {
        "probes": made.probes,
        "pairs": {
            "genuine": made.genuine,
            "impostor": made.impostor,
            "genuine_failed": made.genuine_failed,
            "impostor_failed": made.impostor_failed,
        },
        "eer": made.eer.to_dict(),
        "eer_without_failures": None if made.eer_acquired is None else made.eer_acquired.to_dict(),
        "at_eer": {"threshold": made.threshold, "fmr": made.fmr, "fnmr": made.fnmr},
        "at_threshold_for_all": {"fmr": made.fixed_fmr.to_dict(), "fnmr": made.fixed_fnmr.to_dict()},
        "failed_to_acquire": made.failed_to_acquire,
        "fta": made.fta,
    }


def _bundle(manifest: BundleManifest) -> dict[str, Any]:
    return {
        "name": manifest.name,
        "created": manifest.created,
        "fingerprint": manifest.fingerprint,
        "embedding": manifest.embedding,
        "trained_on_synthetic_sample": manifest.synthetic,
        "licence": manifest.licence,
    }


def _database(database: KisaDatabase) -> dict[str, Any]:
    return {
        "title": database.title,
        "synthetic_sample": database.synthetic,
        "form": database.form.value,
        "people": len(database.people),
        "images": len(database.images),
        "missing": list(database.missing()),
        "notes": list(database.notes),
        "faults": [
            {"severity": fault.severity.value, "kind": fault.kind, "place": fault.place, "what": fault.what}
            for fault in database.faults
        ],
    }


def _pair(pair: ScoredPair) -> dict[str, Any]:
    return {
        "genuine": pair.genuine,
        "score": pair.score,
        "enrolled": {"person": pair.enrolment.person, "place": pair.enrolment.place},
        "probe": {"person": pair.probe.person, "condition": pair.probe.condition.key, "place": pair.probe.place},
    }
