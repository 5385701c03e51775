"""What a report says, as text: the row of Table 5, the other test sets, 1:N, and the conditions in which the network fails."""

from typing import Any

from kface.evaluation import table5
from kface.evaluation.conditions import FACTORS, LEAST_PAIRS, name_of
from kface.evaluation.reports import SETS, TITLES
from kface.text import columns

#: Conditions that are listed at most.
WORST = 5
#: FMR of the thresholds at which the chance of a stranger is printed.
SHOWN_FMRS = (1e-3, 1e-4, 1e-5)


def text(report: dict[str, Any]) -> str:
    """Return the complete text of a report."""
    parts = [table5.row(report), others(report), identification(report), conditions(report)]
    return "\n\n".join(part.rstrip() for part in parts if part)


def others(report: dict[str, Any]) -> str:
    """Return the figures of the test sets that are not in Table 5; empty without any."""
    rows = [("other test set", "accuracy %", "EER %", "TAR % at FAR 1e-2 / 1e-3 / 1e-4")]
    notes = []
    for key in TITLES:
        result = report["sets"].get(key)
        if key in SETS or result is None:
            continue
        size = table5.measured_on(result)
        rows.append(
            (
                result["title"],
                table5.percent(result["accuracy"], measured_on=size),
                table5.percent(result["eer"], 1),
                " / ".join(_short(tar) for tar in result["tar_at_far"].values()),
            )
        )
        if result.get("note"):
            notes.append(f"{result['title']}: {result['note']}")
        if result["failed_to_acquire"]:
            notes.append(
                f"{result['title']}: no face found in {result['failed_to_acquire']} of {result['images']} images, "
                "which count as non-matches"
            )
    return "\n".join([*columns(rows), *notes]) if len(rows) > 1 else ""


def identification(report: dict[str, Any]) -> str:
    """Return the figures of 1:N of all test sets; empty without any."""
    parts = []
    for key in TITLES:
        result = report["sets"].get(key)
        found = None if result is None else result.get("identification")
        if found and found["false_positive"]:
            parts.append(_identification(str(result["title"]), found))
    return "\n\n".join(parts)


def _identification(title: str, found: dict[str, Any]) -> str:
    points = [point for point in found["false_positive"] if point["fmr"] in SHOWN_FMRS] or found["false_positive"]
    sizes = [gallery["size"] for gallery in points[0]["galleries"]]
    rows = [("chance in % that a stranger matches somebody among", *(f"{size:,}" for size in sizes))]
    for point in points:
        cells = [
            f"{'-' if gallery['fpir'] is None else table5.percent(gallery['fpir'])} / {100 * gallery['extrapolated']:.2f}"
            for gallery in point["galleries"]
        ]
        rows.append((f"at FMR {point['fmr']:.0e} (threshold {point['threshold']:.3f})", *cells))
    lines = [
        f"{title}, 1:N, {found['people']:,} people, one template each (measured over all galleries / 1 - (1 - FMR)^N):",
        *columns(rows),
    ]
    if found["rank_1"]:
        rows = [("enrolled people found, in %, among", *(f"{point['size']:,}" for point in found["rank_1"]))]
        rows.append(("first of all (rank 1, nobody is unknown)", *(table5.percent(point) for point in found["rank_1"])))
        for fpir in sorted({point["fpir"] for point in found["open_set"]}, reverse=True):
            by_size = {point["size"]: point["tpir"] for point in found["open_set"] if point["fpir"] == fpir}
            cells = [
                table5.percent(by_size[point["size"]]) if point["size"] in by_size else "-" for point in found["rank_1"]
            ]
            rows.append((f"and above the threshold that {100 * fpir:g} % of strangers reach", *cells))
        lines += columns(rows)
    return "\n".join(lines)


def conditions(report: dict[str, Any]) -> str:
    """Return the conditions with the highest EER; empty without any."""
    found = report.get("conditions")
    if not found:
        return ""
    cells = [cell for cell in found["cells"] if cell["panel"] in FACTORS and not cell["only"] and cell["eer"]]
    if not cells:
        return ""
    cells = [cell for cell in cells if cell["genuine"] >= LEAST_PAIRS] or cells
    cells.sort(key=lambda cell: -cell["eer"]["value"])
    rows = [("worst conditions", "EER %", "genuine pairs")]
    for cell in cells[:WORST]:
        levels = {factor: cell[factor] for factor in FACTORS if cell[factor] is not None}
        rows.append((name_of(levels), table5.percent(cell["eer"], 1), f"{cell['genuine']:,}"))
    there = {
        (cell["panel"], cell[cell["panel"]]) for cell in found["cells"] if cell["panel"] in FACTORS and cell["images"]
    }
    total = sum(len(values) for values in FACTORS.values())
    lines = [
        f"{found['title']}, by condition, against {found['reference']} (conditions.csv, conditions.png):",
        *columns(rows),
    ]
    if len(there) < total:
        lines.append(f"{total - len(there)} of K-Face's {total} conditions are not in the data set's test split.")
    if found["substitutes"]:
        lines.append(
            f"{found['substitutes']} of {found['people']} people have no {found['reference']}; their most similar image "
            "takes its place."
        )
    return "\n".join(lines)


def _short(figure: dict[str, Any] | None) -> str:
    return "n/a" if figure is None else f"{100 * figure['value']:.1f}"
