"""Plots of the report, in its language: DET curves, distributions of scores, and EER beside the passing marks."""

import io
from statistics import NormalDist
from typing import Any, Final

import numpy as np

from kface.evaluation.plots import COLOURS, STYLES, TICKS
from kface.kisa.conditions import PROBE_CATEGORIES
from kface.kisa.fonts import korean
from kface.kisa.matching import KisaScores
from kface.kisa.results import KisaResults
from kface.kisa.wording import Words

DPI: Final = 170
BINS: Final = 80


def det(results: KisaResults, words: Words) -> bytes:
    """Draw FNMR over FMR of each category on normal deviate scales, with the passing marks; returns a PNG."""
    with korean():
        figure = _figure(7.2, 4.9)
        axes = figure.add_subplot()
        normal = NormalDist()
        probit = np.vectorize(normal.inv_cdf, otypes=[float])
        curves = [(category, found.curve) for category in PROBE_CATEGORIES if (found := results.categories[category])]
        smallest = min(min(1 / made.impostors, 1 / made.genuine) for _, made in curves)
        low, high = max(min(smallest, 0.005), 1e-5), 0.5
        ends = [normal.inv_cdf(low), normal.inv_cdf(high)]
        for number, (category, made) in enumerate(curves):
            # A rate of 0 has no place on this scale: it is drawn at the edge.
            fmr, fnmr = (np.clip(rate, low / 2, 1 - low / 2) for rate in (made.fmr, made.fnmr))
            mark = results.verdicts[category].criterion
            axes.plot(
                probit(fmr),
                probit(fnmr),
                label=words(
                    "det_label", category=words.category(category), genuine=made.genuine, impostor=made.impostors
                ),
                color=COLOURS[number % 4],
                linestyle=STYLES[number % 4],
                drawstyle="steps-post",
            )
            if low < mark < high:
                place = normal.inv_cdf(mark)
                axes.plot([place], [place], "o", color=COLOURS[number % 4], markersize=7, markerfacecolor="none")
        axes.plot(ends, ends, color="0.6", linewidth=1, label=words("det_diagonal"))
        ticks = [tick for tick in TICKS if low <= tick <= high]
        places, names = [normal.inv_cdf(tick) for tick in ticks], [f"{100 * tick:g} %" for tick in ticks]
        axes.set_xticks(places, names)
        axes.set_yticks(places, names)
        axes.set_xlim(*ends)
        axes.set_ylim(*ends)
        axes.grid(visible=True, color="0.88")
        axes.set_xlabel(words("fmr"))
        axes.set_ylabel(words("fnmr"))
        figure.legend(loc="outside lower center", frameon=False, ncols=2)
        return _png(figure)


def distributions(scores: KisaScores, results: KisaResults, words: Words) -> bytes:
    """Draw the distributions of genuine and impostor scores of each category, with the common threshold; a PNG."""
    with korean():
        figure = _figure(7.2, 4.3)
        grid = figure.subplots(2, 2, sharex=True)
        good = scores.scores[~scores.failed]
        edges = (
            np.linspace(float(good.min()), float(good.max()) + 1e-6, BINS + 1) if good.size else np.linspace(-1, 1, 3)
        )
        for axes, category in zip(grid.flat, PROBE_CATEGORIES, strict=True):
            part = scores.of_category(category)
            kinds = (
                ("impostor", part.scores[part.compared & ~part.failed], COLOURS[1]),
                ("genuine", part.genuine[~part.genuine_failed], COLOURS[0]),
            )
            for name, values, colour in kinds:
                if not len(values):
                    continue
                share = np.histogram(values, edges)[0] / len(values)
                axes.stairs(100 * share, edges, fill=True, alpha=0.45, color=colour, label=words(name))
            axes.axvline(
                results.fixed_threshold, color="0.25", linewidth=1, linestyle="--", label=words("threshold_all")
            )
            axes.set_title(words.category(category), fontsize=10)
            axes.grid(visible=True, color="0.9")
        for axes in grid[-1]:
            axes.set_xlabel(words("score"))
        for axes in grid[:, 0]:
            axes.set_ylabel(words("share_of_pairs"))
        # A category without images has no distribution: the legend is of all of them.
        entries = {
            label: handle for axes in grid.flat for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        order = sorted(entries, key=[words(key) for key in ("impostor", "genuine", "threshold_all")].index)
        figure.legend([entries[label] for label in order], order, loc="outside lower center", frameon=False, ncols=3)
        return _png(figure)


def marks(results: KisaResults, words: Words) -> bytes:
    """Draw each category's EER with its interval beside its passing mark; a PNG."""
    with korean():
        figure = _figure(7.2, 1.85)
        axes = figure.add_subplot()
        names, most, labelled = [], 0.03, False
        for number, category in enumerate(PROBE_CATEGORIES):
            place = len(PROBE_CATEGORIES) - number
            names.append((place, words.category(category)))
            mark = results.verdicts[category].criterion
            label = words("criterion") if number == 0 else None
            axes.plot([100 * mark] * 2, [place - 0.36, place + 0.36], color=COLOURS[1], linewidth=3, label=label)
            found = results.categories[category]
            if found is None:
                continue
            low, high = found.eer.interval or (found.eer.value, found.eer.value)
            most = max(most, high, found.eer.value)
            label = None if labelled else words("eer_interval")
            labelled = True
            axes.plot([100 * low, 100 * high], [place, place], color=COLOURS[0], linewidth=2)
            axes.plot([100 * found.eer.value], [place], "o", color=COLOURS[0], label=label)
        axes.set_yticks([place for place, _ in names], [name for _, name in names])
        axes.set_ylim(0.4, len(PROBE_CATEGORIES) + 0.6)
        axes.set_xlim(-2 * most, 105 * most)
        axes.set_xlabel("EER (%)")
        axes.grid(visible=True, axis="x", color="0.88")
        figure.legend(loc="outside lower center", frameon=False, ncols=2)
        return _png(figure)


def _figure(width: float, height: float) -> Any:
    # The object interface needs no display and leaves the caller's backend alone.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _png(figure: Any) -> bytes:
    made = io.BytesIO()
    figure.savefig(made, dpi=DPI, format="png", metadata={"Software": None})
    return made.getvalue()
