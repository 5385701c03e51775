"""The settings with which a bundle is deployed, written for editing."""

import math

from kface.bundle import Thresholds
from kface.recognizer.operating_point import TARGETS, OperatingPoint
from kface.recognizer.settings import PRECISION, SECTIONS


def deploy_settings(name: str, thresholds: Thresholds | None) -> str:
    """Return ``deploy.yaml`` as text.

    Args:
        name: The model's name.
        thresholds: Its threshold table; None leaves the thresholds open.
    """
    operating_point = OperatingPoint.from_thresholds(thresholds)
    measured = set() if thresholds is None else {row.target for row in thresholds.rows if row.threshold is not None}
    origin = "" if thresholds is None else f" on {thresholds.source}"
    detector, runtime = SECTIONS["detector"], SECTIONS["runtime"]
    ways = ", ".join(detector["brighten"])
    lines = [
        f"# How {name} is deployed. The bundle is the directory of this file.",
        "detector:",
        f"  min_face: {detector['min_face']}              # pixels; 20 / {detector['factor']}^k keeps the pyramid's levels",
        f"  thresholds: {list(detector['thresholds'])} # of P-, R- and O-Net",
        f"  factor: {detector['factor']}",
        f"  brighten: [{ways}] # retried on brightened copies if too few faces are found; none: off",
        "runtime:",
        f"  name: {runtime['name']}                  # the fastest installed runtime",
        f"precision: {PRECISION}               # or fp16, int8 if the bundle has them",
        "match:                        # cosine similarity",
    ]
    if operating_point is None:
        lines += ["  recognised: null            # no threshold was measured: set one", "  unknown: null"]
    else:
        # Rounded up: rounded down, a threshold would accept more than its FMR.
        upper, lower = (
            math.ceil(cosine * 1e4) / 1e4 for cosine in (operating_point.recognised, operating_point.unknown)
        )
        recognised = next(fmr for fmr in TARGETS if fmr in measured)
        lines += [
            f"  recognised: {upper:.4f}          # recognised from here on: FMR {recognised:g}{origin}",
            f"  unknown: {lower:.4f}             # unknown below (FMR {TARGETS[-1]:g}); undecided in between",
        ]
    return "\n".join(lines) + "\n"
