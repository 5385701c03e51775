"""The report in words and columns, the paper's figures beside ours and named as the paper's."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

from deploy.bench import paper
from kface.text import columns

Document = Dict[str, Any]
Table = List[Tuple[str, ...]]


def text(document: Document) -> str:
    """Return the report as text."""
    parts = (head, table8, table9, unpaced, paced, ratios, memory, obvious, estimate)
    return "\n\n".join("\n".join(lines) for lines in (part(document) for part in parts) if lines)


def head(document: Document) -> List[str]:
    """Return what was measured, and on what."""
    machine, bundle = document["machine"], document["bundle"]
    synthetic = " (trained on the synthetic sample)" if bundle["synthetic"] else ""
    loads = [" ".join("{:.2f}".format(value) for value in load) if load else "unknown" for load in _loads(machine)]
    lines = [
        "kface {}: {}, {} core{}, Python {}".format(
            machine["kface"],
            machine.get("board") or machine["cpu"],
            machine["cores"],
            "" if machine["cores"] == 1 else "s",
            machine["python"],
        ),
        "runtimes: " + ", ".join("{} {}".format(*pair) for pair in sorted(machine["runtimes"].items())),
        "load average at the start {}, at the end {}".format(*loads),
        "bundle: {}{}; figures are medians of repetitions in turn{}".format(
            bundle["name"], synthetic, "; --quick: rough" if document["quick"] else ""
        ),
    ]
    lines += ["note: " + line for line in document["notes"]]
    lines.append("faces that the cascade really finds in the scenes (smallest face {} px):".format(bundle["min_face"]))
    table: Table = [("source", "size", "faces", "found: least", "median", "most")]
    for scene in document["scenes"]:
        table.append((scene["source"], _size(scene), str(scene["faces"])) + tuple(str(n) for n in scene["found"]))
    return lines + columns(table)


def table8(document: Document) -> List[str]:
    """Return Table 8."""
    table: Table = [("size", "smallest face", "by", "faces", "ms", "p95", "n", "source of the faces")]
    for size in sorted({tuple(row["size"]) for row in document["table8"]}):
        mine = [row for row in document["table8"] if tuple(row["size"]) == size]
        for row in sorted(mine, key=lambda row: (row["min_face"], row["faces"], row["ms"]["median"])):
            table.append(
                (_size(row), "{:g} px".format(row["min_face"]), row["runtime"], str(row["faces"]))
                + _figure(row["ms"], 1)
                + (row["source"],)
            )
        for published in paper.TABLE8.get((size[0], size[1]), []):
            table.append(
                (
                    _size({"size": size}),
                    "not said",
                    published.where,
                    "?",
                    _range(published.ms),
                    "",
                    "",
                    published.source,
                )
            )
    return ["Table 8: MTCNN, ms a frame"] + columns(table)


def table9(document: Document) -> List[str]:
    """Return Table 9."""
    table: Table = [("network", "by", "precision", "batch", "ms a face", "p95", "n", "cosine with fp32")]
    for row in document["table9"]:
        cosine = "" if row["cosine"] is None else "{:.4f}".format(row["cosine"])
        if row["cosine"] is not None and row["cosine"] < 0.9:
            cosine += " (not the same network)"
        table.append(
            (row["bundle"], row["runtime"], row["precision"], str(row["batch"]))
            + _figure(row["ms_a_face"], 2)
            + (cosine,)
        )
    for published in paper.TABLE9:
        table.append((published.what, published.where, "?", "?", _range(published.ms), "", "", published.source))
    sources = sorted({row["source"] for row in document["table9"] if row["source"]})
    return ["Table 9: embedder, ms a face; faces from: " + ", ".join(sources)] + columns(table)


def unpaced(document: Document) -> List[str]:
    """Return frames a second without a pace."""
    table: Table = [
        (
            "size",
            "faces",
            "found",
            "tracks",
            "fps",
            "ms mean",
            "p95",
            "detect",
            "align",
            "embed",
            "match",
            "tracks ms",
            "cascade",
            "source",
        )
    ]
    for row in document["unpaced"]:
        steps = row["steps"]
        table.append(
            (
                _size(row),
                str(row["faces"]),
                "{:.1f}".format(row["found"]),
                _on(row),
                "{:.1f}".format(row["fps"]["median"]),
            )
            + ("{:.1f}".format(row["mean_ms"]), "{:.1f}".format(row["ms"]["p95"]))
            + tuple("{:.1f}".format(steps[step]) for step in ("detect", "align", "embed", "match", "tracks"))
            + ("{:.0f} %".format(100 * row["detected"]), row["source"])
        )
    return ["End to end, every frame, as fast as possible (cascade: frames on which all of it runs)"] + columns(table)


def paced(document: Document) -> List[str]:
    """Return frames a second and latency with a camera's pace."""
    table: Table = [("size", "faces", "tracks", "fps", "latency p50 ms", "p95", "n", "captured", "skipped", "source")]
    for row in document["paced"]:
        table.append(
            (_size(row), str(row["faces"]), _on(row), "{:.1f}".format(row["fps"]["median"]))
            + _figure(row["latency_ms"], 1)
            + (str(row["captured"]), str(row["skipped"]), row["source"])
        )
    return ["End to end, source of 30 frames a second, the newest frame only"] + columns(table)


def ratios(document: Document) -> List[str]:
    """Return what is left of the frame rate with six faces."""
    table: Table = [("pace", "size", "tracks", "fps with 6 faces / with 1", "wanted", "kept")]
    for row in document["ratios"]:
        wanted = "" if row["wanted"] is None else "{:.2f}".format(row["wanted"])
        kept = {None: "", True: "yes", False: "NO"}[row["kept"]]
        table.append((row["pace"], _size(row), _on(row), "{:.2f}".format(row["ratio"]), wanted, kept))
    return ["From 1 to 6 faces (with tracks the frame rate may fall by at most a quarter)"] + columns(table)


def memory(document: Document) -> List[str]:
    """Return what memory it takes."""
    found = document["memory"]
    lines = []
    if "reason" in found:
        lines.append("Memory: not measured ({})".format(found["reason"]))
    else:
        lines.append(
            "Memory of a process that only recognises, {}, {} and {}: {} MB at most, {} MB at the end, "
            "{} MB before the networks were opened; GPU: {}".format(
                _size(found), found["runtime"][0], found["runtime"][1], *[_mb(found[key]) for key in _MEMORY]
            )
        )
        if "first_result_s" in found:
            lines.append("From its start to its first result: {:.2f} s".format(found["first_result_s"]))
    lines.append("The bench itself, with all runtimes open: {} MB at most".format(_mb(found.get("bench_peak_mb"))))
    return lines


_MEMORY = ("peak_mb", "resident_mb", "start_mb", "gpu_mb")


def obvious(document: Document) -> List[str]:
    """Return the comparison with the obvious way; nothing where it was not measured."""
    found = document.get("obvious")
    if not found:
        return []
    names = [name for name in found["rows"][0]["fps"] if name != found["base"]]
    table: Table = [("size", "faces", "found", found["base"]) + tuple(names) + tuple("ratio " + name for name in names)]
    for row in found["rows"]:
        fps = row["fps"]
        table.append(
            (_size(row), str(row["faces"]), str(row["found"]))
            + tuple("{:.1f}".format(fps[name]["median"]) for name in [found["base"]] + names)
            + tuple("{:.1f}".format(row["ratios"][name]) for name in names)
        )
    return [
        "Beside the obvious way, in turns on the same frames, frames a second as fast as possible: " + found["what"]
    ] + columns(table)


def estimate(document: Document) -> List[str]:
    """Return the estimate for a Nano with its arithmetic."""
    found = document["estimate"]
    if "reason" in found:
        return ["Jetson Nano: no estimate ({})".format(found["reason"])]
    note = found["note"]
    lines = [
        "{} - {}: {}, smallest face {:g} px, tracks".format(
            note.upper(), found["board"], _size(found), found["min_face"]
        )
    ]
    lines.append("P-Net's canvas {}x{}; operations on one image:".format(*found["canvas"]))
    table: Table = [
        ("network", "million MACs", "thousand weights", "thousand numbers moved: fused", "all", "layers: fused", "all")
    ]
    for name, count in sorted(found["counts"].items()):
        thousands = ["{:.0f}".format(count[key] / 1000.0) for key in ("weights", "moved", "moved_all")]
        table.append(
            tuple(
                [name, "{:.1f}".format(count["macs"] / 1e6)]
                + thousands
                + [str(count["layers"]), str(count["layers_all"])]
            )
        )
    lines += columns(table)
    lines.append(
        "assumed, from the worse to the better: "
        + "; ".join("{} {:g} to {:g}".format(k, *v) for k, v in sorted(found["assumed"].items()))
    )
    lines.append("calibrated against published points:")
    lines += columns(
        [("point", "published ms", "estimated ms ({})".format(note))]
        + [(point["what"], _range(point["published"]), _range(point["estimated"])) for point in found["calibration"]]
    )
    lines.append(
        "ms of a frame ({}): processor (measured here on one core, times the assumed {:g} to {:g}) + P-Net + R-Net + O-Net "
        "+ embedder; capture, decoding and output run beside it on other cores".format(
            note, *found["assumed"]["host"][::-1]
        )
    )
    table = [("faces", "frames", "part", "processor", "P-Net", "R-Net", "O-Net", "embedder", "together")]
    for row in found["streams"]:
        for kind, part in (("cascade", row["share"]), ("following", 1 - row["share"])):
            ms = row["detection_ms"] if kind == "cascade" else row["following_ms"]
            if ms is not None:
                cells = [_range(ms[key]) for key in ("host", "pnet", "rnet", "onet", "embedder", "total")]
                table.append(tuple([str(row["faces"]), kind, "{:.0f} %".format(100 * part)] + cells))
    lines += columns(table)
    table = [
        ("faces", "ms a frame ({})".format(note), "fps", "10 fps reached?", "face by face, published (nwesem, 640x480)")
    ]
    for row in found["streams"]:
        published = paper.FACE_BY_FACE.get(row["faces"])
        table.append(
            (
                str(row["faces"]),
                _range(row["ms"]),
                _range(row["fps"]),
                row["reached"],
                "" if published is None else "{:g} fps".format(published),
            )
        )
    return lines + columns(table)


def _loads(machine: Document) -> List[Optional[List[float]]]:
    return [machine["load_start"], machine["load_end"]]


def _size(row: Document) -> str:
    return "{}x{}".format(*row["size"])


def _on(row: Document) -> str:
    return "on" if row["tracks"] else "off"


def _figure(figure: Document, digits: int) -> Tuple[str, str, str]:
    return "{:.{}f}".format(figure["median"], digits), "{:.{}f}".format(figure["p95"], digits), str(figure["n"])


def _range(ends: Sequence[float]) -> str:
    low, high = ("{:.0f}".format(end) if end >= 20 or end == int(end) else "{:.1f}".format(end) for end in ends)
    return low if low == high else "{} - {}".format(low, high)


def _mb(value: Optional[float]) -> str:
    return "not known" if value is None else "{:.0f}".format(value)
