"""ROC and DET plots of verification."""

from collections.abc import Mapping
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from kface.verification import Curve, operating_point

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Distinguishable with colour vision deficiency (Okabe and Ito).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
STYLES = ("-", "--", "-.", ":")
TICKS = (0.0001, 0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99, 0.999)


def plot_roc(curves: Mapping[str, Curve], path: Path, heading: str = "") -> None:
    """Draw TAR over FMR, the latter on a logarithmic scale."""
    figure, axes = _figure()
    lowest = min(1.0 / curve.impostors for curve in curves.values())
    for number, (title, curve) in enumerate(curves.items()):
        seen = curve.fmr > 0
        fmr = np.concatenate([[1.0 / curve.impostors], curve.fmr[seen]])
        first = 1 - operating_point(curve, 0)[2]
        tar = np.concatenate([[first], 1 - curve.fnmr[seen]])
        axes.step(fmr, tar, where="post", label=_label(title, curve), **_line(number))
    chance = np.logspace(np.log10(lowest), 0, 200)
    axes.plot(chance, chance, color="0.6", linewidth=1, label="chance")
    axes.set_xscale("log")
    axes.set_xlim(lowest, 1)
    axes.set_ylim(0, 1.01)
    axes.set_xlabel("false match rate (FMR)")
    axes.set_ylabel("true accept rate (TAR = 1 - FNMR)")
    axes.set_title(f"ROC {heading}".strip())
    _save(figure, path)


def plot_det(curves: Mapping[str, Curve], path: Path, heading: str = "") -> None:
    """Draw FNMR over FMR, both on normal deviate scales (Martin et al., 1997): normal scores give lines."""
    figure, axes = _figure()
    normal = NormalDist()
    probit = np.vectorize(normal.inv_cdf, otypes=[float])
    smallest = min(min(1.0 / curve.impostors, 1.0 / curve.genuine) for curve in curves.values())
    low = max(min(smallest, 0.01), 1e-5)
    for number, (title, curve) in enumerate(curves.items()):
        inside = (curve.fmr > 0) & (curve.fmr < 1) & (curve.fnmr > 0) & (curve.fnmr < 1)
        axes.plot(
            probit(curve.fmr[inside]),
            probit(curve.fnmr[inside]),
            label=_label(title, curve),
            **_line(number),
        )
    ends = [normal.inv_cdf(low), normal.inv_cdf(0.8)]
    axes.plot(ends, ends, color="0.6", linewidth=1, label="FMR = FNMR")
    ticks = [tick for tick in TICKS if low <= tick <= 0.8]
    names = [f"{100 * tick:g} %" for tick in ticks]
    places = [normal.inv_cdf(tick) for tick in ticks]
    axes.set_xticks(places, names)
    axes.set_yticks(places, names)
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
    axes.set_xlabel("false match rate (FMR)")
    axes.set_ylabel("false non-match rate (FNMR)")
    axes.set_title(f"DET {heading}".strip())
    _save(figure, path)


def _line(number: int) -> dict[str, Any]:
    """Return a curve's colour and style; 28 curves differ in at least one of them."""
    return {"color": COLOURS[number % len(COLOURS)], "linestyle": STYLES[number % len(STYLES)]}


def _label(title: str, curve: Curve) -> str:
    return f"{title} ({curve.genuine:,} genuine, {curve.impostors:,} impostor pairs)"


def _figure() -> "tuple[Figure, Axes]":
    # The object interface needs no display and does not change the caller's backend.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 6.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.grid(visible=True, which="major", color="0.85")
    return figure, axes


def _save(figure: "Figure", path: Path) -> None:
    # Below the axes, as inside it would cover a curve.
    figure.legend(loc="outside lower center", frameon=False)
    figure.savefig(path, dpi=110)
