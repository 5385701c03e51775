"""The test from beginning to end: templates, comparisons, figures, and the report's files."""

import datetime
import re
from collections.abc import Callable
from pathlib import Path

import kface
from kface import bundle
from kface.errors import ConfigError
from kface.evaluation.runs import new_run
from kface.files import write_atomic, write_json
from kface.kisa import report as reports
from kface.kisa.conditions import PROBE_CATEGORIES
from kface.kisa.database import KisaDatabase
from kface.kisa.engines import Engine
from kface.kisa.matching import match
from kface.kisa.report import KisaReport
from kface.kisa.results import Verdict, compute
from kface.kisa.sample_source import SampleDatabase
from kface.kisa.settings import KisaJob
from kface.kisa.templates import make_templates
from kface.kisa.worst import failed_images, worst_pairs
from kface.progress import Progress
from kface.text import columns, printable

#: Where the templates are, below the data directory.
TEMPLATES = Path("kisa") / "templates"


def perform(job: KisaJob, engine: Engine, database: KisaDatabase) -> KisaReport:
    """Run the test.

    Args:
        job: How.
        engine: What is tested.
        database: On what.

    Raises:
        KFaceError: A file cannot be written, an image is there under two names, or there are no pairs to compare.
    """
    templates = make_templates(database, engine, job.data_dir / TEMPLATES, job.progress)
    database = templates.database.require_sound()
    matching = match(templates, engine.scores, job.policy, job.progress)
    with Progress(None, "figures", enabled=job.progress):
        results = compute(matching.scores, database, job.criteria, job.bootstrap, job.seed)
        worst = worst_pairs(matching.scores, database, job.worst)
    manifest = None if job.bundle is None else bundle.load(job.bundle, check="sizes").manifest
    return KisaReport(
        made=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        version=kface.__version__,
        facts=engine.facts,
        bundle=manifest,
        database=database,
        templates=templates,
        policy=job.policy,
        matching=matching,
        results=results,
        replicates=job.bootstrap,
        seed=job.seed,
        worst=worst,
        failures=failed_images(templates),
        pictures=job.pictures,
    )


def directory_of(job: KisaJob) -> Path:
    """Return the directory for the report, made.

    Raises:
        ConfigError: It holds something else, or cannot be made.
        TrainingError: There is no room for another one today.
    """
    if job.out is None:
        name = "null" if job.bundle is None else bundle.load(job.bundle, check="sizes").manifest.name
        return new_run(job.output_dir, "kisa", re.sub(r"[^\w.-]+", "-", name).strip(".-") or "bundle")
    for name in ("run.json", "model.json", "manifest.json"):
        if (job.out / name).exists():
            raise ConfigError(
                f"holds a {name}: it is a run, a bundle or a data set", f"out={job.out}", "give another one"
            )
    try:
        job.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot be made ({error.strerror or error})", f"out={job.out}", "give another one")
    return job.out


def write(report: KisaReport, directory: Path, languages: tuple[str, ...]) -> list[Path]:
    """Write a report: ``kisa.json``, ``figures.csv``, and in each language HTML and PDF; return what was written.

    Raises:
        ConfigError: A file cannot be written, or the fonts are absent.
    """
    from kface.kisa.document import build
    from kface.kisa.html_report import to_html
    from kface.kisa.pdf_report import to_pdf

    made: list[tuple[str, Callable[[Path], None]]] = [
        (reports.FILE, lambda path: write_json(path, report.to_dict())),
        ("figures.csv", lambda path: write_atomic(path, report.to_csv().encode("utf-8"))),
    ]
    for language in languages:
        document = build(report, language)
        page, paper = to_html(document).encode("utf-8", "backslashreplace"), to_pdf(document)
        made += [
            (f"report.{language}.html", lambda path, data=page: write_atomic(path, data)),  # type: ignore[misc]
            (f"report.{language}.pdf", lambda path, data=paper: write_atomic(path, data)),  # type: ignore[misc]
        ]
    written = []
    for name, writer in made:
        try:
            writer(directory / name)
        except OSError as error:
            raise ConfigError(f"cannot be written ({error.strerror or error})", directory / name, "give out=DIR")
        written.append(directory / name)
    return written


def table(report: KisaReport) -> str:
    """Return the four categories beside the criteria, as plain text."""
    results, database = report.results, report.database
    rows = [("category", "criterion", "EER %", "95 % interval", "EER* %", "FTA %", "verdict")]
    remarks = []
    for category in PROBE_CATEGORIES:
        verdict, found = results.verdicts[category], results.categories[category]
        mark = f"<= {100 * verdict.criterion:g} %"
        if found is None:
            rows.append((category.value, mark, "-", "-", "-", "-", verdict.verdict.value))
            remarks.append(f"{category}: the data base has no image of it")
            continue
        spread = found.eer.interval
        rows.append(
            (
                category.value,
                mark,
                f"{100 * found.eer.value:.2f}",
                "-" if spread is None else f"{100 * spread.low:.2f} to {100 * spread.high:.2f}",
                "-" if found.eer_acquired is None else f"{100 * found.eer_acquired.value:.2f}",
                f"{100 * found.fta:.2f}",
                verdict.verdict.value,
            )
        )
        if verdict.incomplete:
            remarks.append(f"{category}: incomplete, the data base lacks images of it")
        if verdict.straddles:
            remarks.append(
                f"{category}: the interval holds the criterion; other people might have given the other verdict"
            )
        if spread is None and report.replicates:
            remarks.append(f"{category}: no interval, as every draw of people gives this figure")
    synthetic = " (synthetic sample)" if database.synthetic else ""
    # The sample's own title says so already.
    mark = "" if database.title == SampleDatabase.title else synthetic
    warnings = database.warnings
    if warnings:
        remarks.append(f"{len(warnings)} warnings about the data base, the first: {warnings[0]}")
    title = (
        f"KISA's criteria, {printable(report.facts.model)} by engine {report.facts.engine} {report.facts.version}, on "
        f"{printable(database.title)}{mark}: {len(database.people)} people, {len(database.images)} images"
    )
    total = results.total
    lines = [
        title,
        "",
        *columns(rows),
        "",
        *remarks,
        f"{total.genuine:,} genuine and {total.impostor:,} impostor pairs ({report.policy.impostors}); FTE "
        f"{100 * results.fte:.2f} %, {len(report.failures)} images without a template",
        f"verdict{synthetic}: {results.verdict}",
    ]
    return "\n".join(lines)


def status(report: KisaReport, strict: bool) -> int:
    """Return the exit status: 1 where `strict` and not every category passes."""
    return int(strict and report.results.verdict is not Verdict.PASS)
