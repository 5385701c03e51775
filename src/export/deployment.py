"""The settings that a bundle is deployed with, ready to be edited."""

import math

from kface.bundle import Thresholds
from kface.mtcnn.settings import BRIGHTEN
from kface.recognizer.decision import TARGETS, Decision


def deploy_settings(name: str, thresholds: Thresholds | None) -> str:
    """Return ``deploy.yaml`` as text.

    Args:
        name: The model's.
        thresholds: Its table; without one the thresholds are left open.
    """
    decision = Decision.from_thresholds(thresholds)
    measured = set() if thresholds is None else {row.target for row in thresholds.rows if row.threshold is not None}
    origin = "" if thresholds is None else f" on {thresholds.source}"
    lines = [
        f"# How {name} is deployed. The bundle is the directory that this file lies in.",
        "detector:",
        "  min_face: 39.8              # pixels; 20 / 0.709^k keeps the pyramid's grid",
        "  thresholds: [0.6, 0.7, 0.8] # of P-, R- and O-Net",
        "  factor: 0.709",
        f"  brighten: [{', '.join(BRIGHTEN)}] # ways to look again where too few faces were found; none for no way",
        "runtime:",
        "  name: auto                  # the fastest that is installed",
        "  precision: fp32             # or fp16, int8, where the bundle has them",
        "match:                        # cosine similarity",
    ]
    if decision is None:
        lines += ["  recognised: null            # no threshold could be measured: set one", "  unknown: null"]
    else:
        # Rounded up: rounded down, a threshold would accept more than its FMR.
        upper, lower = (math.ceil(cosine * 1e4) / 1e4 for cosine in (decision.recognised, decision.unknown))
        recognised = next(fmr for fmr in TARGETS if fmr in measured)
        lines += [
            f"  recognised: {upper:.4f}          # from here: FMR {recognised:g}{origin}",
            f"  unknown: {lower:.4f}             # below: nobody known (FMR {TARGETS[-1]:g}); undecided in between",
        ]
    return "\n".join(lines) + "\n"
