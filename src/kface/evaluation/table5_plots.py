"""The pictures of ``notebooks/table5.ipynb``, from the runs' reports and scores; each is a PNG.

They are returned and not saved: some of them show faces.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kface.alignment import SIZE
from kface.data.testsets.references import REFERENCE
from kface.errors import TrainingError
from kface.evaluation.conditions import LEAST_PAIRS
from kface.evaluation.plots import COLOURS, STYLES, TICKS
from kface.evaluation.reports import SETS, TITLES
from kface.evaluation.score_files import PairScores, read_scores
from kface.evaluation.table5 import PAPER, shown_title
from kface.evaluation.table5_files import drawing, short
from kface.verification import FAILED, curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 100
BINS = 60
#: Conditions that are shown: panels of the report, and the letter of each condition's number.
FACTORS = {"accessory": "S{:03d}", "light": "L{}", "expression": "E{:02d}", "camera": "C{}"}
#: Pixels between faces, and of a face with the gap.
GAP = 8
SIDE = SIZE + GAP
#: The highest EER that has a colour of its own.
MOST = 0.5


class ReportedRun(NamedTuple):
    """A run with its report: the directory that holds the report, and its content."""

    directory: Path
    report: dict[str, Any]

    @property
    def name(self) -> str:
        """Backbone and loss."""
        return short(self.report)

    def result(self, key: str) -> dict[str, Any] | None:
        """Return the figures of a test set, or None."""
        found: dict[str, Any] | None = self.report["sets"].get(key)
        return found

    def scores(self, key: str) -> PairScores | None:
        """Return the scores of a test set; None where an older version did not keep them, or they are damaged."""
        result = self.result(key)
        if result is None or "scores" not in result:
            return None
        try:
            return read_scores(self.directory / result["scores"])
        except TrainingError:
            return None


def sets_with_scores(runs: Sequence[ReportedRun]) -> list[str]:
    """Return the keys of the test sets of which a run has kept scores that can be read."""
    return [key for key in TITLES if any(run.scores(key) is not None for run in runs)]


def accuracy(runs: Sequence[ReportedRun]) -> bytes:
    """Draw accuracy with its 95 % interval, a panel for each test set of Table 5; diamonds are the paper's."""
    keys = [key for key in SETS if any(run.result(key) for run in runs)]
    with drawing():
        figure = _figure(3.4 * max(len(keys), 1) + 1.2, 0.42 * len(runs) + 1.9)
        for number, key in enumerate(keys):
            axes = figure.add_subplot(1, len(keys), number + 1)
            for place, run in enumerate(runs):
                _accuracy(axes, place, run, key)
            axes.axvline(50, color="0.6", linewidth=1, linestyle=":")
            axes.set_ylim(len(runs) - 0.5, -0.5)
            axes.set_yticks(range(len(runs)), [run.name for run in runs] if number == 0 else [""] * len(runs))
            axes.set_title(_title(runs, key), fontsize=10)
            axes.set_xlabel("accuracy in %")
            axes.grid(visible=True, axis="x", color="0.88")
        handles = [
            _mark("o", COLOURS[0], "ours, 95 % interval"),
            _mark("D", COLOURS[1], "the paper, trained on K-Face"),
        ]
        figure.legend(handles=handles, loc="outside lower center", frameon=False, ncols=2)
        return _png(figure)


def error_curves(runs: Sequence[ReportedRun], key: str) -> bytes:
    """Draw ROC (left) and DET (right) of all runs on a test set; of :func:`sets_with_scores`."""
    found = [(run.name, run.scores(key)) for run in runs]
    normal = NormalDist()
    with drawing():
        figure = _figure(13, 6)
        roc, det = figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2)
        lowest = 1.0
        for number, (name, scores) in enumerate(found):
            if scores is None:
                continue
            made = curve(scores.scores, scores.genuine)
            lowest = min(lowest, 1 / made.impostors)
            style: dict[str, Any] = {
                "color": COLOURS[number % 4],
                "linestyle": STYLES[number // 4 % 4],
                "linewidth": 1.4,
            }
            seen = made.fmr > 0
            roc.step(made.fmr[seen], 1 - made.fnmr[seen], where="post", label=name, **style)
            inside = (made.fmr > 0) & (made.fmr < 1) & (made.fnmr > 0) & (made.fnmr < 1)
            rates = [[normal.inv_cdf(float(rate)) for rate in part[inside]] for part in (made.fmr, made.fnmr)]
            det.plot(*rates, **style)
        chance = np.geomspace(lowest, 1, 100)
        roc.plot(chance, chance, color="0.6", linewidth=1, linestyle=":", label="chance")
        roc.set_xscale("log")
        roc.xaxis.set_major_formatter(lambda rate, _: f"{100 * rate:g} %")
        roc.set(xlim=(lowest, 1), ylim=(0, 1.01), xlabel="false match rate (FMR)", ylabel="true accept rate (1 - FNMR)")
        low = max(min(lowest, 0.01), 1e-5)
        ends = [normal.inv_cdf(low), normal.inv_cdf(0.95)]
        ticks = [tick for tick in TICKS if low <= tick <= 0.95]
        places, names = [normal.inv_cdf(tick) for tick in ticks], [f"{100 * tick:g} %" for tick in ticks]
        det.plot(ends, ends, color="0.6", linewidth=1, linestyle=":")
        det.set_xticks(places, names)
        det.set_yticks(places, names)
        det.set(xlim=ends, ylim=ends, xlabel="false match rate (FMR)", ylabel="false non-match rate (FNMR)")
        for axes, kind in ((roc, "ROC"), (det, "DET; dotted: FMR = FNMR")):
            axes.set_title(f"{kind}, {_title(runs, key)}", fontsize=10)
            axes.grid(visible=True, which="major", color="0.88")
        figure.legend(loc="outside lower center", frameon=False, ncols=4)
        return _png(figure)


def histograms(runs: Sequence[ReportedRun], key: str) -> bytes:
    """Draw the distribution of the genuine and the impostor pairs' scores, a panel for each run that has kept them."""
    found = [(run, scores) for run in runs if (scores := run.scores(key)) is not None]
    columns = min(3, max(len(found), 1))
    rows = -(-len(found) // columns) or 1
    with drawing():
        figure = _figure(4.4 * columns, 2.5 * rows + 0.7)
        for number, (run, scores) in enumerate(found):
            axes = figure.add_subplot(rows, columns, number + 1)
            acquired = scores.scores > FAILED
            edges = np.linspace(scores.scores[acquired].min(), scores.scores[acquired].max(), BINS + 1)
            for wanted, colour in ((scores.genuine, COLOURS[0]), (~scores.genuine, COLOURS[1])):
                axes.hist(scores.scores[wanted & acquired], edges.tolist(), density=True, color=colour, alpha=0.55)
            threshold, failures = (run.result(key) or {}).get("threshold_at_eer"), int((~acquired).sum())
            if threshold is not None and edges[0] <= threshold <= edges[-1]:
                axes.axvline(threshold, color="0.2", linewidth=1, linestyle="--")
            axes.set_title(f"{run.name}{f', {failures} pairs without a face' if failures else ''}", fontsize=9)
            axes.set_yticks([])
            axes.set_xlabel("cosine similarity", fontsize=8)
        handles = [_mark("s", COLOURS[0], "genuine pairs"), _mark("s", COLOURS[1], "impostor pairs")]
        handles.append(_mark("", "0.2", "threshold at the EER", linestyle="--"))
        figure.suptitle(f"Scores, {_title(runs, key)}", fontsize=11)
        figure.legend(handles=handles, loc="outside lower center", frameon=False, ncols=3)
        return _png(figure)


def hardest(run: ReportedRun, key: str) -> bytes | None:
    """Draw the hardest pairs of a test set: genuine ones with the lowest scores, and impostors with the highest.

    Beside a score stands whether it is an error at the EER's threshold. None where the run has kept no faces.
    """
    scores = run.scores(key)
    if scores is None or not len(scores.hardest):
        return None
    threshold = (run.result(key) or {}).get("threshold_at_eer")
    genuine = scores.genuine[scores.hardest]
    groups = [np.flatnonzero(genuine), np.flatnonzero(~genuine)]
    columns = max(len(group) for group in groups)
    with drawing():
        figure = _figure(1.5 * columns + 0.3, 8.2)
        for number, (group, kind) in enumerate(zip(groups, ("genuine", "impostor"), strict=True)):
            axes = figure.add_subplot(2, 1, number + 1)
            axes.set_axis_off()
            # One picture of all faces is drawn much faster than one for each.
            axes.imshow(_mosaic(scores.hardest_faces[group], columns))
            for column, pair in enumerate(scores.hardest[group]):
                text = _verdict(float(scores.scores[pair]), bool(scores.genuine[pair]), threshold)
                axes.text(SIDE * column + SIZE / 2, -6, text, fontsize=8, ha="center", va="bottom")
            which = "lowest" if number == 0 else "highest"
            axes.set_title(f"{kind} pairs, {which} scores, {run.name}, {_title([run], key)}", fontsize=10, pad=24)
        return _png(figure)


def _mosaic(faces: np.ndarray, columns: int) -> np.ndarray:
    """Return pairs of faces, uint8 (k, 2, 112, 112, 3), as one picture: a column for each pair, on white."""
    canvas = np.full((2 * SIDE - GAP, columns * SIDE - GAP, 3), 255, np.uint8)
    for column, pair in enumerate(faces):
        for row, face in enumerate(pair):
            canvas[row * SIDE : row * SIDE + SIZE, column * SIDE : column * SIDE + SIZE] = face
    return canvas


def by_condition(runs: Sequence[ReportedRun]) -> bytes | None:
    """Draw the EER of each run by accessory, light, expression and camera; None where no run was compared by condition.

    A column is a condition with enough genuine pairs. The other conditions are as in the reference (S001/L1/E01/C7) where all
    columns of a panel have enough such pairs, and arbitrary otherwise, which the panel's heading says.
    """
    found = [run for run in runs if run.report.get("conditions")]
    if not found:
        return None
    panels = {factor: _Panel.of(found, factor) for factor in FACTORS}
    panels = {factor: panel for factor, panel in panels.items() if panel.numbers}
    if not panels:
        return None
    with drawing():
        width = sum(len(panel.numbers) for panel in panels.values())
        figure = _figure(0.46 * width + 3.6, 0.42 * len(found) + 2.0)
        from matplotlib.colors import Normalize

        shades = Normalize(0, MOST)
        grid = figure.add_gridspec(1, len(panels), width_ratios=[len(panel.numbers) for panel in panels.values()])
        for place, (factor, panel) in enumerate(panels.items()):
            numbers = panel.numbers
            axes = figure.add_subplot(grid[place])
            values = np.array(
                [[eers.get(number, np.nan) for number in numbers] for eers in map(panel.enough, found)], float
            )
            axes.imshow(np.ma.masked_invalid(values), cmap="YlOrRd", norm=shades, aspect="auto")
            axes.set_facecolor("0.88")
            for (row, column), value in np.ndenumerate(values):
                if not np.isnan(value):
                    dark = value > 0.65 * MOST
                    text = f"{100 * value:.0f}"
                    axes.text(
                        column, row, text, ha="center", va="center", fontsize=7, color="white" if dark else "black"
                    )
            axes.set_xticks(
                range(len(numbers)), [FACTORS[factor].format(number) for number in numbers], fontsize=7, rotation=90
            )
            axes.set_yticks(range(len(found)), [run.name for run in found] if place == 0 else [""] * len(found))
            axes.set_title(f"{factor}\n{'alone' if panel.only else 'all else varies'}", fontsize=9)
            axes.tick_params(length=0)
        title = found[0].report["conditions"]["title"]
        figure.suptitle(f"EER in % by condition, {title}: darker is worse", fontsize=11)
        return _png(figure)


def _accuracy(axes: "Axes", place: int, run: ReportedRun, key: str) -> None:
    paper, result = PAPER.get((run.report["run"]["backbone"], run.report["run"]["loss"]), {}).get(key), run.result(key)
    if result is None:
        return
    value = result["accuracy"]["value"]
    low, high = result["accuracy"].get("interval") or (value, value)
    axes.plot([100 * low, 100 * high], [place] * 2, color=COLOURS[0], linewidth=2)
    axes.plot([100 * value], [place], "o", color=COLOURS[0])
    if paper is not None and shown_title(key, result) == SETS[key]:
        axes.plot([paper], [place], "D", color=COLOURS[1], markerfacecolor="none")


def _title(runs: Sequence[ReportedRun], key: str) -> str:
    """Return a test set's name; of other people than K-Face's all names there are."""
    names = [shown_title(key, result) for run in runs if (result := run.result(key)) is not None]
    return ", ".join(dict.fromkeys(names)) or TITLES[key]


def _verdict(score: float, genuine: bool, threshold: float | None) -> str:
    if threshold is None:
        return f"{score:.2f}"
    if genuine:
        return f"{score:.2f}\n{'false non-match' if score < threshold else 'match'}"
    return f"{score:.2f}\n{'false match' if score >= threshold else 'non-match'}"


class _Panel(NamedTuple):
    """The columns of one condition: its values, and whether all else is as in the reference."""

    factor: str
    numbers: list[int]
    only: bool

    @classmethod
    def of(cls, runs: Sequence[ReportedRun], factor: str) -> "_Panel":
        alone, any_ = (
            sorted({number for run in runs for number in cls(factor, [], only).enough(run)}) for only in (True, False)
        )
        # The reference has no pairs with itself.
        reference = dict(zip(FACTORS, REFERENCE, strict=True))[factor]
        return cls(factor, alone, True) if alone and {*any_} - {reference} <= {*alone} else cls(factor, any_, False)

    def enough(self, run: ReportedRun) -> dict[int, float]:
        """Return the EERs from enough genuine pairs, by the condition's value."""
        return {
            cell[self.factor]: float(cell["eer"]["value"])
            for cell in run.report["conditions"]["cells"]
            if cell["panel"] == self.factor
            and bool(cell["only"]) == self.only
            and cell["eer"] is not None
            and cell["genuine"] >= LEAST_PAIRS
        }


def _mark(marker: str, colour: str, label: str, linestyle: str = "") -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], marker=marker, color=colour, linestyle=linestyle, label=label)


def _figure(width: float, height: float) -> "Figure":
    # The object interface needs no display and leaves the notebook's backend alone.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _png(figure: "Figure") -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=DPI)
    return out.getvalue()
