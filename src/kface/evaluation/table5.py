"""Table 5 of the paper, and rows of our own beside it.

``kface table5 [DIR ...]`` prints the newest report of each backbone and loss, and of each bundle and embedder,
in ``outputs/`` or in the directories that are given.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from kface.commands.ending import exit_status
from kface.commands.parser import Parser
from kface.errors import ConfigError, KFaceError
from kface.evaluation.reports import SETS, read_report
from kface.text import columns

#: Accuracy in %, trained on K-Face alone (Chang & Park, 2021, Table 5).
PAPER: dict[tuple[str, str], dict[str, float]] = {
    ("resnet50", "arcface"): {"lfw": 60.38, "agedb30": 50.30, "cfp_fp": 53.67, "kface": 99.38},
    ("resnet50", "cosface"): {"lfw": 58.83, "agedb30": 50.58, "cfp_fp": 53.99, "kface": 99.10},
    ("resnet50", "softmax"): {"lfw": 61.33, "agedb30": 49.15, "cfp_fp": 54.50, "kface": 98.71},
    ("mobilenetv2", "arcface"): {"lfw": 53.40, "agedb30": 55.52, "cfp_fp": 51.00, "kface": 96.57},
    ("mobilenetv2", "cosface"): {"lfw": 58.53, "agedb30": 50.00, "cfp_fp": 54.19, "kface": 96.21},
    ("mobilenetv2", "softmax"): {"lfw": 66.10, "agedb30": 53.73, "cfp_fp": 60.36, "kface": 97.95},
}
ABSENT = "not available"


def percent(figure: dict[str, Any] | None, digits: int = 2, measured_on: str = "") -> str:
    """Return a figure with its interval, such as ``87.45 [85.10, 89.62]``, or "not available".

    Args:
        figure: Its value and its interval; one of zero width, as in older reports, is left out: without an error to
            resample it is meaningless.
        digits: Behind the decimal point.
        measured_on: Shown in parentheses in place of the interval, such as ``100.00 (12 pairs of 4 people)``.
    """
    if figure is None:
        return ABSENT
    text = f"{100 * figure['value']:.{digits}f}"
    low, high = figure.get("interval") or (0.0, 0.0)
    if low < high:
        return f"{text} [{100 * low:.{digits}f}, {100 * high:.{digits}f}]"
    return f"{text} ({measured_on})" if measured_on else text


def measured_on(result: dict[str, Any]) -> str:
    """Return how many pairs and people a test set has, such as "12 pairs of 4 people"; nothing where a report lacks them."""
    pairs, people = result.get("pairs"), result.get("people")
    if not isinstance(pairs, dict) or not isinstance(people, int):
        return ""
    return f"{pairs['genuine'] + pairs['impostor']:,} pairs of {people:,} people"


def title(run: dict[str, Any]) -> str:
    """Return a report's title: backbone and loss, the network for a bundle or an embedder, and the corpus."""
    name = f"{run['backbone']} + {run['loss']}" if run["loss"] else run["backbone"]
    network = f" ({run['network']})" if run.get("network") else ""
    return f"{name}{network}, trained on {run['trained_on']}"


def row(report: dict[str, Any]) -> str:
    """Return a run's row of Table 5 beside the paper's, as a table of plain text, with EER and TAR at fixed FAR below."""
    run = report["run"]
    paper = PAPER.get((run["backbone"], run["loss"]), {})
    lines = [
        f"Table 5, {title(run)}: accuracy in %, 95 % interval over people or size of the test set",
        "",
    ]
    table = [("test set", "this run", "paper", "EER %", "TAR % at FAR 1e-2 / 1e-3 / 1e-4")]
    for key, name in SETS.items():
        result = report["sets"].get(key)
        theirs = f"{paper[key]:.2f}" if key in paper else "-"
        if result is None:
            table.append((name, ABSENT, theirs, "-", "-"))
            continue
        shown = shown_title(key, result)
        tars = " / ".join(
            "n/a" if tar is None else f"{100 * tar['value']:.1f}" for tar in result["tar_at_far"].values()
        )
        theirs = theirs if shown == name else "-"
        table.append(
            (
                shown,
                percent(result["accuracy"], measured_on=measured_on(result)),
                theirs,
                percent(result["eer"], 1),
                tars,
            )
        )
    lines += [*columns(table), ""]
    for key in SETS:
        result = report["sets"].get(key)
        if result is None:
            continue
        shown = shown_title(key, result)
        before = result.get("before_training")
        if before:
            ratio = "" if before["eer_ratio"] is None else f", ratio {before['eer_ratio']:.2f}"
            lines.append(
                f"{shown}: EER on unseen people {100 * before['eer']:.1f} % before training, "
                f"{100 * result['eer']['value']:.1f} % after{ratio}; raw pixels {100 * result['raw_pixels']['eer']:.1f} %"
            )
        if result["failed_to_acquire"]:
            lines.append(
                f"{shown}: no face found in {result['failed_to_acquire']} of {result['images']} images, "
                "which count as non-matches"
            )
    for changed in run.get("resumed", ()):
        what = ", ".join(f"{name} {old} -> {new}" for name, (old, new) in changed["changed"].items())
        lines.append(f"Changed when the run was resumed after epoch {changed['after_epoch']}: {what}.")
    kface = report["sets"].get("kface")
    if kface is not None and kface["synthetic_sample"] and "kface" in paper:
        lines.append(
            f"The paper's {paper['kface']:.2f} % is on K-Face itself, and cannot be compared with the synthetic sample."
        )
    return "\n".join(lines)


def shown_title(key: str, result: dict[str, Any]) -> str:
    """Return a test set's name; other people than K-Face's have another name, and are not compared with the paper's."""
    if result["synthetic_sample"]:
        return "synthetic sample"
    return str(result["title"]) if key == "kface" else SETS.get(key, str(result["title"]))


def collect(*places: Path) -> list[dict[str, Any]]:
    """Return the newest report of each backbone, loss and network, in Table 5's order.

    Unreadable reports are left out, with a line on standard error.

    Args:
        places: Output directories (``<date>/<run>/report.json``), or directories with a report.
    """
    newest: dict[tuple[str, str, str], dict[str, Any]] = {}
    for path in _reports(places):
        try:
            report = read_report(path)
        except KFaceError as error:
            print(f"table5: {error}", file=sys.stderr)
            continue
        run = report["run"]
        key = (run["backbone"], run["loss"] or "", run.get("network") or "")
        if key not in newest or report["made"] >= newest[key]["made"]:
            newest[key] = report
    order = list(PAPER)
    return [
        newest[key]
        for key in sorted(newest, key=lambda key: (order.index(key[:2]) if key[:2] in order else len(order), key))
    ]


def _reports(places: Iterable[Path]) -> Iterator[Path]:
    for place in places:
        yield from (path for path in (place / "report.json",) if path.exists())
        yield from sorted(place.glob("*/*/report.json"))


def table(reports: Iterable[dict[str, Any]]) -> str:
    """Return the complete table in Markdown: accuracy in %, ours above the paper's."""
    lines = ["| | " + " | ".join(SETS.values()) + " |", "|---" * (len(SETS) + 1) + "|"]
    for report in reports:
        run = report["run"]
        cells = []
        for key in SETS:
            result = report["sets"].get(key)
            other = result is not None and shown_title(key, result) != SETS[key]
            note = f" ({shown_title(key, result)})" if result is not None and other else ""
            cells.append(
                ABSENT if result is None else percent(result["accuracy"], measured_on=measured_on(result)) + note
            )
        lines.append(f"| {title(run)} | " + " | ".join(cells) + " |")
        paper = PAPER.get((run["backbone"], run["loss"]))
        if paper:
            lines.append("| the paper, trained on K-Face | " + " | ".join(f"{paper[key]:.2f}" for key in SETS) + " |")
    return "\n".join(lines)


def parser() -> Parser:
    """Return what reads the arguments."""
    made = Parser(
        prog="kface table5",
        description="print the newest report of each backbone, loss and network beside the paper's Table 5, in Markdown",
        examples=("kface table5", "kface table5 outputs other/outputs"),
    )
    made.add_argument(
        "places", metavar="DIR", nargs="*", help="directory of runs, also output_dir=DIR (default: outputs)"
    )
    return made


def main(arguments: Sequence[str] = ()) -> int:
    """Print the table of all reports in ``outputs/``, or in the directories that are given."""
    places = parser().parse_args(list(arguments)).places
    return exit_status("table5", lambda: _print(places))


def _print(arguments: Sequence[str]) -> int:
    strange = [argument for argument in arguments if "=" in argument and not argument.startswith("output_dir=")]
    if strange:
        raise ConfigError("unknown key", strange[0], "the keys are: output_dir")
    places = [Path(argument.removeprefix("output_dir=")).expanduser() for argument in arguments] or [Path("outputs")]
    reports = collect(*places)
    if not reports:
        named = ", ".join(str(place) for place in places)
        raise ConfigError("contains no runs", named, "run: kface train backbone=resnet50 loss=arcface")
    print(table(reports))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
