"""The identity bench's report as text."""

from typing import Any

ENROLLED = ("right", "wrong", "unknown", "undecided")
STRANGERS = ("wrong", "unknown", "undecided")
WIDTH = 20


def table(document: dict[str, Any]) -> str:
    """Return the report as tables: by frame, by track, and over time."""
    rows = {**document["scenes"], "total": document["total"]}
    limits, half = document["thresholds"], document["half"]
    people = ", ".join(f"{count} people of {source}" for source, count in document["people"].items())
    everyone = "wrong names of strangers are all names"
    lines = [
        f"{people}{'' if half == 'both' else f' ({half} half)'}; recognised from {limits['recognised']:.4f}, "
        f"unknown below {limits['unknown']:.4f}; {document['seconds']:.0f} s",
        "",
        f"Faces by frame ({everyone})",
        _head(
            "", *(f"{word:>10}" for word in (*ENROLLED, "missed")), " |", *(f"{w:>10}" for w in (*STRANGERS, "missed"))
        ),
    ]
    for scene, row in rows.items():
        known, strangers = row["faces"]["enrolled"], row["faces"]["strangers"]
        lines.append(
            _head(scene, *_cells(known, (*ENROLLED, "missed")), " |", *_cells(strangers, (*STRANGERS, "missed")))
        )
    lines += ["", "Tracks"]
    lines.append(
        _head("", *(f"{word:>10}" for word in ENROLLED), " |", *(f"{w:>10}" for w in STRANGERS), " | of two people")
    )
    for scene, row in rows.items():
        known, strangers = row["tracks"]["enrolled"], row["tracks"]["strangers"]
        shared = f" |{row['tracks']['shared']:14}"
        lines.append(_head(scene, *_cells(known, ENROLLED), " |", *_cells(strangers, STRANGERS), shared))
    lines += [
        "",
        "Stays of enrolled people, how many had their name and when (median, p90); how long a track had a wrong one at most",
        _head("", *(f"{word:>10}" for word in TIMES)),
    ]
    lines += [_head(scene, *(f"{word:>10}" for word in _times(row))) for scene, row in rows.items()]
    mixed, elsewhere = rows["total"]["faces"]["mixed"], rows["total"]["faces"]["elsewhere"]
    lines += [
        "",
        f"Besides: {mixed['wrong'] + mixed['other']} faces on their way from one person to another, {mixed['wrong']} with a "
        f"name of neither; {elsewhere['named'] + elsewhere['other']} where nobody is, {elsewhere['named']} with a name.",
    ]
    return "\n".join(lines)


TIMES = (
    "clips",
    "frames",
    "enrolled",
    "named",
    "median",
    "p90",
    "wrong",
    "over .5 s",
    "strangers",
    "named",
    "switches",
    "embedded",
)


def _times(row: dict[str, Any]) -> tuple[Any, ...]:
    stays, first, wrong = row["stays"], row["first_name_s"], row["wrong_s"]
    return (
        row["clips"],
        row["frames"],
        stays["enrolled"],
        stays["named"],
        _seconds(first["median"]),
        _seconds(first["p90"]),
        _seconds(wrong["longest"]),
        wrong["tracks_over_half"],
        stays["strangers"],
        stays["strangers_named"],
        row["switches"],
        f"{row['embeddings_per_frame']:.2f}/frame",
    )


def _head(first: str, *cells: str) -> str:
    return f"{first:{WIDTH}}" + "".join(cells)


def _cells(counts: dict[str, int], words: tuple[str, ...]) -> list[str]:
    return [f"{counts[word]:10}" for word in words]


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.2f} s"
