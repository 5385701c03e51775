"""Table 5 as files, the paper's figures beside ours: Markdown, CSV and a picture."""

import contextlib
import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kface.errors import ConfigError, TrainingError
from kface.evaluation.reports import SETS, read_report
from kface.evaluation.table5 import PAPER, measured_on, percent, shown_title
from kface.files import write_atomic
from kface.kisa.fonts import font_file, korean

#: Names of the networks and losses as the paper writes them.
NAMES = {
    "resnet50": "ResNet-50",
    "mobilenetv2": "MobileNetV2",
    "arcface": "ArcFace",
    "cosface": "CosFace",
    "softmax": "Softmax",
}
OWN = "kface"
SOURCE = "Chang & Park (2021), Table 5"
DPI = 150


class Column(NamedTuple):
    """A column of the table: a test set.

    Attributes:
        key: Its key in a report.
        title: As shown.
        paper: Whether the paper has figures of this very set.
    """

    key: str
    title: str
    paper: bool


def read(directories: Iterable[Path]) -> list[dict[str, Any]]:
    """Read the reports of runs, in the order of Table 5; raises TrainingError where one is damaged."""
    order = list(PAPER)
    found = [read_report(directory / "report.json") for directory in directories]
    return sorted(found, key=lambda report: order.index(_key(report)) if _key(report) in order else len(order))


def columns(reports: Iterable[dict[str, Any]]) -> list[Column]:
    """Return the table's columns: the paper's test sets, and those of other people in the place of K-Face."""
    others = [
        shown_title(OWN, report["sets"][OWN])
        for report in reports
        if report["sets"].get(OWN) is not None and shown_title(OWN, report["sets"][OWN]) != SETS[OWN]
    ]
    photographs = [Column(key, name, True) for key, name in SETS.items() if key != OWN]
    return [*photographs, *(Column(OWN, name, False) for name in dict.fromkeys(others)), Column(OWN, SETS[OWN], True)]


def markdown(reports: Sequence[dict[str, Any]], unfinished: Sequence[str] = ()) -> str:
    """Return Table 5 with the paper's figures beside ours, and a table of EER and TAR, in Markdown.

    Args:
        reports: One for each row.
        unfinished: Cells without a report, by name.
    """
    shown = columns(reports)
    heads = [name for column in shown for name in ([column.title, "paper"] if column.paper else [column.title])]
    lines = ["# Table 5: verification accuracy in %", "", *_table([["network", *heads], *_rows(reports, shown)]), ""]
    lines += [
        f"In brackets the 95 % interval, by bootstrap over people. paper: {SOURCE}, trained on K-Face.",
        *(f"{', '.join(names)}: trained on {corpus}." for corpus, names in _trained_on(reports).items()),
    ]
    if any(not column.paper for column in shown):
        names = ", ".join(column.title for column in shown if not column.paper)
        lines.append(f"Figures on other people ({names}) cannot be compared with the paper's on K-Face.")
    if unfinished:
        lines.append(f"Not finished: {', '.join(unfinished)}.")
    head = ["network", "test set", "EER", "TAR at FAR 1e-2", "1e-3", "1e-4", "measured on", "no face found"]
    lines += ["", "# EER and TAR at fixed FAR in %", "", *_table([head, *_error_rows(reports)])]
    return "\n".join(lines)


def comma_separated(reports: Iterable[dict[str, Any]]) -> str:
    """Return all figures as CSV, a row for each network and test set, in %, with the limits of the 95 % intervals."""
    out = io.StringIO()
    fars = ("1e-02", "1e-03", "1e-04")
    rates = ["accuracy", "eer", *(f"tar_at_far_{far}" for far in fars)]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["backbone", "loss", "network", "trained_on", "made", "test_set", "title", "synthetic_sample", "paper_accuracy"]
        + [f"{rate}{suffix}" for rate in rates for suffix in ("", "_low", "_high")]
        + ["genuine_pairs", "impostor_pairs", "people", "images", "failed_to_acquire"]
    )
    for report in reports:
        run = report["run"]
        for key, result in report["sets"].items():
            if result is None:
                continue
            paper = PAPER.get(_key(report), {}).get(key) if shown_title(key, result) == SETS.get(key) else None
            pairs = result.get("pairs") or {}
            figures = [result["accuracy"], result["eer"], *(result["tar_at_far"].get(far) for far in fars)]
            writer.writerow(
                [run["backbone"], run["loss"], run.get("network"), run["trained_on"], report["made"], key]
                + [shown_title(key, result), str(result["synthetic_sample"]).lower(), paper]
                + [cell for figure in figures for cell in _limits(figure)]
                + [pairs.get("genuine"), pairs.get("impostor"), result.get("people")]
                + [result["images"], result["failed_to_acquire"]]
            )
    return out.getvalue()


def draw(reports: Sequence[dict[str, Any]], unfinished: Sequence[str] = ()) -> bytes:
    """Draw the table; returns a PNG.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError(f"is needed for the picture ({error})", "matplotlib", "run make setup")
    shown = columns(reports)
    rows = len(reports) + len(unfinished)
    widths = [2.6, *(2.5 if column.paper else 1.9 for column in shown)]
    width, height = sum(widths) + 0.4, 0.62 * rows + 1.9
    with _font():
        figure = Figure(figsize=(width, height))
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(0, width)
        axes.set_ylim(height, 0)
        axes.text(0.2, 0.35, "Table 5: verification accuracy in %", fontsize=14, fontweight="bold", va="center")
        lefts = [0.2 + sum(widths[:number]) for number in range(len(widths))]
        for left, column in zip(lefts[1:], shown, strict=True):
            axes.text(left, 0.85, column.title, fontsize=11, fontweight="bold", va="center")
            if column.paper:
                axes.text(left + 1.65, 0.85, "paper", fontsize=10, color="0.45", va="center")
        axes.plot([0.2, width - 0.2], [1.05, 1.05], color="0.2", linewidth=1)
        for number, report in enumerate(reports):
            top = 1.36 + 0.62 * number
            if number % 2:
                axes.axhspan(top - 0.31, top + 0.31, color="0.96")
            axes.text(lefts[0], top, short(report), fontsize=11, va="center")
            for left, column in zip(lefts[1:], shown, strict=True):
                _draw_cell(axes, left, top, report, column)
        for number, name in enumerate(unfinished):
            top = 1.36 + 0.62 * (len(reports) + number)
            axes.text(lefts[0], top, f"{name}: not finished", fontsize=11, color="0.45", va="center")
        foot = 1.36 + 0.62 * rows - 0.31
        axes.plot([0.2, width - 0.2], [foot, foot], color="0.2", linewidth=1)
        axes.text(0.2, foot + 0.3, _foot(reports, shown), fontsize=8.5, color="0.3", va="center", linespacing=1.4)
        out = io.BytesIO()
        figure.savefig(out, format="png", dpi=DPI)
    return out.getvalue()


def write(directory: Path, reports: Sequence[dict[str, Any]], unfinished: Sequence[str] = ()) -> list[Path]:
    """Write ``table5.md``, ``table5.csv`` and ``table5.png``, and return their paths; raises TrainingError."""
    contents = {
        "table5.md": (markdown(reports, unfinished) + "\n").encode("utf-8"),
        "table5.csv": comma_separated(reports).encode("utf-8"),
        "table5.png": draw(reports, unfinished),
    }
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, data in contents.items():
            write_atomic(directory / name, data)
    except OSError as error:
        raise TrainingError(f"the table cannot be written ({error.strerror or error})", directory, "make room")
    return [directory / name for name in contents]


def short(report: dict[str, Any]) -> str:
    """Return a row's name without its corpus, such as "ResNet-50 + ArcFace"; a bundle's and an embedder's with the network."""
    run = report["run"]
    names = [NAMES.get(run[key], run[key]) for key in ("backbone", "loss") if run[key]]
    return " + ".join(names) + (f" ({run['network']})" if run.get("network") else "")


def _key(report: dict[str, Any]) -> tuple[str, str]:
    return report["run"]["backbone"], report["run"]["loss"] or ""


def _result(report: dict[str, Any], column: Column) -> dict[str, Any] | None:
    """Return a report's result of the people that a column shows."""
    result: dict[str, Any] | None = report["sets"].get(column.key)
    return result if result is not None and shown_title(column.key, result) == column.title else None


def _paper(report: dict[str, Any], column: Column) -> str:
    figure = PAPER.get(_key(report), {}).get(column.key)
    return "-" if figure is None else f"{figure:.2f}"


def _rows(reports: Iterable[dict[str, Any]], shown: Sequence[Column]) -> list[list[str]]:
    rows = []
    for report in reports:
        row = [short(report)]
        for column in shown:
            result = _result(report, column)
            ours = "-" if result is None else percent(result["accuracy"], measured_on=measured_on(result))
            row += [ours, _paper(report, column)] if column.paper else [ours]
        rows.append(row)
    return rows


def _error_rows(reports: Iterable[dict[str, Any]]) -> list[list[str]]:
    rows = []
    for report in reports:
        for key, result in report["sets"].items():
            if result is None:
                continue
            tars = [percent(result["tar_at_far"].get(far), 1) for far in ("1e-02", "1e-03", "1e-04")]
            rows.append([short(report), shown_title(key, result), percent(result["eer"], 1), *tars])
            rows[-1] += [measured_on(result) or "-", f"{result['failed_to_acquire']} of {result['images']} images"]
    return rows


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as a table in Markdown, the first as its head."""
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = ["| " + " | ".join(row) + " |" for row in escaped]
    return [lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]


def _trained_on(reports: Iterable[dict[str, Any]]) -> dict[str, list[str]]:
    corpora: dict[str, list[str]] = {}
    for report in reports:
        corpora.setdefault(report["run"]["trained_on"], []).append(short(report))
    return corpora


def _limits(figure: dict[str, Any] | None) -> list[str]:
    if figure is None:
        return ["", "", ""]
    low, high = figure.get("interval") or (None, None)
    return ["" if value is None else f"{100 * value:.4f}" for value in (figure["value"], low, high)]


def _draw_cell(axes: Any, left: float, top: float, report: dict[str, Any], column: Column) -> None:
    result = _result(report, column)
    if result is None:
        axes.text(left, top, "–", fontsize=11, color="0.45", va="center")
    else:
        value, _, interval = percent(result["accuracy"]).partition(" ")
        axes.text(left, top - (0.1 if interval else 0), value, fontsize=11.5, va="center")
        axes.text(left, top + 0.13, interval, fontsize=8, color="0.3", va="center")
    if column.paper:
        axes.text(left + 1.65, top, _paper(report, column), fontsize=11, color="0.45", va="center")


def _foot(reports: Sequence[dict[str, Any]], shown: Sequence[Column]) -> str:
    corpora = _trained_on(reports)
    lines = [f"In brackets: 95 % interval by bootstrap over people. paper: {SOURCE}, trained on K-Face."]
    if len(corpora) == 1:
        lines.append(f"Ours: trained on {next(iter(corpora))}.")
    else:
        lines += [f"{', '.join(names)}: trained on {corpus}." for corpus, names in corpora.items()]
    if any(not column.paper for column in shown):
        lines[-1] += " Its people are not K-Face's: that column cannot be compared with the paper's figures on K-Face."
    return "\n".join(lines)


def _font() -> "contextlib.AbstractContextManager[None]":
    """Draw with a font that has Hangul where it is installed: a corpus may have a Korean name."""
    try:
        font_file(bold=True)
    except ConfigError:
        return contextlib.nullcontext()
    return korean()
