"""The settings that a bundle is deployed with, ready to be edited."""

import math

from kface.bundle import Thresholds

#: A face is recognised above the threshold of the first FMR that could be measured, and unknown below that of the last.
RECOGNISED = (1e-4, 1e-3, 1e-2)
UNKNOWN = 1e-2


def deploy_settings(name: str, thresholds: Thresholds | None) -> str:
    """Return ``deploy.yaml`` as text.

    Args:
        name: The model's.
        thresholds: Its table; without one the thresholds are left open.
    """
    measured = (
        {}
        if thresholds is None
        else {row.target: row.threshold for row in thresholds.rows if row.threshold is not None}
    )
    recognised = next((fmr for fmr in RECOGNISED if fmr in measured), None)
    origin = "" if thresholds is None else f" on {thresholds.source}"
    lines = [
        f"# How {name} is deployed. The bundle is the directory that this file lies in.",
        "detector:",
        "  min_face: 39.8              # pixels; 20 / 0.709^k keeps the pyramid's grid",
        "  thresholds: [0.6, 0.7, 0.8] # of P-, R- and O-Net",
        "  factor: 0.709",
        "runtime:",
        "  name: auto                  # the fastest that is installed",
        "  precision: fp32             # or fp16, int8, where the bundle has them",
        "match:                        # cosine similarity",
    ]
    if recognised is None:
        lines += ["  recognised: null            # no threshold could be measured: set one", "  unknown: null"]
    else:
        # Rounded up: rounded down, a threshold would accept more than its FMR.
        upper = math.ceil(measured[recognised] * 1e4) / 1e4
        lower = min(math.ceil(measured.get(UNKNOWN, upper) * 1e4) / 1e4, upper)
        lines += [
            f"  recognised: {upper:.4f}          # from here: FMR {recognised:g}{origin}",
            f"  unknown: {lower:.4f}             # below: nobody known (FMR {UNKNOWN:g}); undecided in between",
        ]
    return "\n".join(lines) + "\n"
