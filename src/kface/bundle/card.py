"""The model card: a bundle's manifest, for people to read."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

from kface.bundle.manifest import DYNAMIC, NETWORKS, BundleFile, BundleManifest
from kface.bundle.thresholds import Thresholds
from kface.verification.report import RateEstimate

#: Marks every figure that was measured on it.
SAMPLE = "synthetic sample"
#: The newest operator set that TensorRT 8.2, a Jetson Nano's, reads.
NANO_OPSET = 13
#: The entries of the report's "run" that the card lists, with their titles.
RUN = (
    ("backbone", "Backbone"),
    ("loss", "Loss"),
    ("trained_on", "Trained on"),
    ("protocol", "Protocol"),
    ("people", "People"),
    ("images", "Images"),
    ("epochs", "Epochs"),
    ("seed", "Seed"),
)

TRIAL = (
    "> **Trained on the synthetic sample.** This model has never seen a real face. It is for trying out the programs around\n"
    "> it, **not for recognising people**: use it neither for access control nor for identification."
)
INTENDED = (
    "Verification and identification of people who have consented to it, under conditions like those of the test sets below\n"
    "and with a threshold from the table below."
)
NOT_INTENDED = (
    "Not intended: recognising people without their consent; deciding on a person's access, liberty or money without human\n"
    "review; inferring age, sex, descent, health or mood; conditions or groups of people that the test sets do not cover. It\n"
    "does not detect photographs or masks held in front of the camera."
)


def model_card(manifest: BundleManifest) -> str:
    """Return a bundle's model card.

    The card's own entry is omitted, so that the card can be written before the manifest lists it.

    Args:
        manifest: The bundle's.

    Returns:
        Markdown.
    """
    preprocessing, template = manifest.preprocessing, manifest.template
    width, height = preprocessing.size
    sections = [
        "# {}".format(_text(manifest.name)),
        "A face embedding network: it maps an aligned face ({}x{} pixels, {}) to a vector of {} numbers.\n"
        "The higher the cosine between two vectors, the more alike the faces.".format(
            width, height, preprocessing.colour, manifest.embedding
        ),
        TRIAL if manifest.synthetic else "",
        _table(
            ("", ""),
            [
                ("Created", manifest.created),
                ("Licence", manifest.licence),
                ("Fingerprint", _code(manifest.fingerprint)),
            ],
        ),
        "Templates made with a bundle of another fingerprint cannot be compared with templates made with this one.",
        "## Intended use",
        "Trying out the programs around the model, with synthetic faces." if manifest.synthetic else INTENDED,
        NOT_INTENDED,
        _limits(manifest.training),
        "## Training and provenance",
        _run(manifest.training),
        _foreign(manifest.training),
        _table(("What", "Source", "Licence"), [(part.what, part.source, part.licence) for part in manifest.provenance]),
        "## Figures",
        _figures(manifest.training),
        "## Thresholds",
        _thresholds(manifest.thresholds),
        "## Preprocessing",
        "Faces are aligned to {} by five landmarks and cropped to {}x{} pixels in {} order; the input is "
        "(pixel - {:g}) / {:g}.".format(
            _text(template.name), width, height, preprocessing.colour, preprocessing.mean, preprocessing.divisor
        ),
        _table(
            ("Landmark", "x", "y"),
            [
                (str(number), *("{:g}".format(value) for value in point))
                for number, point in enumerate(template.points, 1)
            ],
        ),
        "## Files",
        _files([file for file in manifest.files if file.role != "card"]),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _text(value: Any) -> str:
    """Return a value as one line, escaped so that it is neither Markdown nor HTML."""
    line = " ".join(str(value).split())
    for character in "\\|<>*_`[]":
        line = line.replace(character, "\\" + character)
    return line


def _code(value: str) -> str:
    return "`{}`".format(" ".join(value.replace("`", "'").replace("|", "/").split()))


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    # Cells of code come from _code: escaping them again would show the escapes.
    lines = [[cell if cell.startswith("`") else _text(cell) for cell in row] for row in rows]
    return "\n".join("| {} |".format(" | ".join(cells)) for cells in [heads, ["---"] * len(heads)] + lines)


def _run(training: Dict[str, Any]) -> str:
    about = training.get("run")
    about = about if isinstance(about, dict) else {}
    return _table(
        ("", ""), [(title, str(about[key])) for key, title in RUN if isinstance(about.get(key), (str, int, float))]
    )


def _limits(training: Dict[str, Any]) -> str:
    limits = training.get("limits")
    known = [limit for limit in limits if isinstance(limit, str)] if isinstance(limits, list) else []
    return "Limits:\n\n" + "\n".join("- " + _text(limit) for limit in known) if known else ""


def _foreign(training: Dict[str, Any]) -> str:
    """Return what is known of an embedder that was trained elsewhere; empty for a run's."""
    name = training.get("foreign")
    if not isinstance(name, str):
        return ""
    lines = ["This network was not trained by kface: it was imported from {}.".format(_text(name))]
    changes = training.get("changes")
    if isinstance(changes, list) and changes:
        lines.append("Changed by the import: {}.".format("; ".join(_text(change) for change in changes)))
    rows: List[Sequence[str]] = []
    tried = training.get("preprocessing")
    for one in tried if isinstance(tried, list) else []:
        if isinstance(one, dict) and isinstance(one.get("eer"), float):
            rows.append(
                (
                    str(one.get("tried")),
                    "{:.2f} %".format(100 * one["eer"]),
                    "{} pairs of {}".format(one.get("pairs", "the"), one.get("on")),
                )
            )
    if len(rows) > 1:
        lines.append("Its input format was determined by trying these; the first row is used:")
        lines.append(_table(("Input", "EER", "On"), rows))
    return "\n\n".join(lines)


def _figure(value: Any) -> Optional[Tuple[str, str]]:
    """Return a figure of the report and its interval; None if it is not a figure."""
    try:
        low_high = value["interval"]
        read = "{:.2f} %".format(100 * value["value"])
        return read, "" if low_high is None else "{:.2f} to {:.2f} %".format(100 * low_high[0], 100 * low_high[1])
    # The report is another stage's file, copied unchanged: an entry that is not a figure is skipped.
    except (KeyError, IndexError, TypeError, ValueError):
        return None


def _figures(training: Dict[str, Any]) -> str:
    sets = training.get("sets")
    rows: List[Sequence[str]] = []
    for name, result in sorted(sets.items()) if isinstance(sets, dict) else ():
        if not isinstance(result, dict):
            continue
        title = _marked(str(result.get("title") or name), bool(result.get("synthetic_sample")))
        tars = result.get("tar_at_far")
        found = [("Accuracy (10 folds)", result.get("accuracy")), ("EER", result.get("eer"))] + [
            ("TAR at FAR {}".format(far), tar) for far, tar in sorted(tars.items() if isinstance(tars, dict) else ())
        ]
        for what, value in found:
            figure = _figure(value)
            if figure is not None:
                rows.append((title, what) + figure)
    if not rows:
        return "No figures were measured."
    return _table(("Test set", "Figure", "Value", "95 % interval"), rows)


def _marked(source: str, synthetic: bool) -> str:
    return "{} ({})".format(source, SAMPLE) if synthetic and SAMPLE not in source else source


def _thresholds(thresholds: Optional[Thresholds]) -> str:
    if thresholds is None:
        return "No thresholds were measured: choose one on your own pairs."
    source = _marked(thresholds.source, thresholds.synthetic)
    rows: List[Sequence[str]] = []
    for row in thresholds.rows:
        if row.threshold is None or row.fmr is None or row.fnmr is None:
            rows.append(("{:g}".format(row.target), str(row.reason), "", "", "", "", source))
            continue
        rows.append(
            ("{:g}".format(row.target), "{:.4f}".format(row.threshold)) + _rate(row.fmr) + _rate(row.fnmr) + (source,)
        )
    draws = (
        " The intervals come from {} bootstrap draws of people (seed {}).".format(
            thresholds.replicates, thresholds.seed
        )
        if thresholds.replicates
        else ""
    )
    return "\n\n".join(
        [
            "A pair is accepted if its cosine reaches the threshold.\n"
            "Measured on {} genuine and {} impostor pairs of {} people.{}".format(
                thresholds.genuine, thresholds.impostors, thresholds.people, draws
            ),
            _table(("Target FMR", "Threshold", "FMR", "95 % interval", "FNMR", "95 % interval", "Measured on"), rows),
            "An interval of 0 to 0 means that no error was observed, not that none is possible." if draws else "",
        ]
    ).rstrip()


def _rate(figure: RateEstimate) -> Tuple[str, str]:
    interval = figure.interval
    return (
        "{:.3g}".format(figure.value),
        "" if interval is None else "{:.3g} to {:.3g}".format(interval.low, interval.high),
    )


def _files(files: Sequence[BundleFile]) -> str:
    ordered = sorted(files, key=lambda file: file.path)
    networks = [file for file in ordered if file.path.lower().endswith(NETWORKS)]
    return "\n\n".join(
        part
        for part in (
            _table(
                ("File", "For"),
                [(_code(file.path), use_of(file)) for file in networks if file.role == "embedder"],
            ),
            _table(
                ("File", "Format", "Precision", "Opset", "Batch", "L2 norm", "Input", "Outputs", "Parity"),
                [_network(file) for file in networks],
            ),
            _table(
                ("File", "Role", "Bytes", "SHA-256"),
                [(_code(file.path), file.role, str(file.bytes), _code(file.sha256)) for file in ordered],
            ),
        )
        if part
    )


def use_of(file: BundleFile) -> str:
    """Return a description of the runtimes that an embedder's file is for."""
    if file.format == "pb":
        return "OpenCV 4.1 and later, TensorFlow 1.15 and later"
    if file.format == "uff":
        return "TensorRT 7 to 8.6, with its UFF parser"
    if file.format != "onnx":
        return "the device it was built on"
    if file.precision == "int8":
        return "ONNX Runtime and OpenVINO on a CPU; not OpenCV, and not TensorRT, which quantises by itself"
    if file.precision == "fp16":
        return "TensorRT 11, which computes in the precision of the file; other versions take embedder.onnx"
    newer = file.opset is not None and file.opset > NANO_OPSET
    runtimes = "ONNX Runtime, OpenVINO and TensorRT" + (
        ", except the versions of JetPack 4" if newer else ", including the versions of JetPack 4"
    )
    if file.batch != DYNAMIC:
        return "{}, for batches of exactly {}".format(runtimes, file.batch)
    return runtimes


def _network(file: BundleFile) -> Sequence[str]:
    norm = {True: "included", False: "left to the caller", None: ""}[file.normalised]
    parity = ", ".join(
        "{} {}".format(key, "{:.6g}".format(value) if isinstance(value, float) else value)
        for key, value in sorted((file.parity or {}).items())
    )
    return (
        _code(file.path),
        file.format,
        str(file.precision),
        "" if file.opset is None else str(file.opset),
        "any" if file.batch == DYNAMIC else str(file.batch),
        norm,
        "{} ({})".format(file.input, file.layout),
        ", ".join(file.outputs),
        parity,
    )
