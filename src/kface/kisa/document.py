"""The report as a document in one language."""

from pathlib import Path

from kface.kisa.blocks import Block, Break, Document, Heading, Pairs, Picture, Table, Text
from kface.kisa.conditions import PROBE_CATEGORIES, PROBES, Category
from kface.kisa.database import FULL_PEOPLE, PRELIMINARY_PEOPLE, KisaDatabase, Severity
from kface.kisa.plots import det, distributions, marks
from kface.kisa.report import KisaReport
from kface.kisa.results import RatesFigures, Verdict
from kface.kisa.wording import Words
from kface.kisa.worst import ScoredPair, picture
from kface.text import printable
from kface.verification import RateEstimate

#: A blank at which no line ends.
BLANK = "\u00a0"
#: Images without a template that are listed; the others are in ``kisa.json``.
MOST_FAILURES = 40


def build(report: KisaReport, language: str) -> Document:
    """Return a report as a document in a language, "en" or "ko"."""
    words = Words(language)
    blocks: list[Block] = [
        *_title(report, words),
        *_categories(report, words),
        Break(),
        *_method(report, words),
        *_rates(report, words),
        Break(),
        *_plots(report, words),
        Break(),
        *_conditions(report, words),
        *_worst(report, words),
        *_failures(report, words),
        *_notes(report, words),
    ]
    footer = " · ".join(
        part
        for part in (
            report.facts.model,
            report.facts.fingerprint[:16],
            report.made,
            words("synthetic_mark") if report.database.synthetic else "",
        )
        if part
    )
    return Document(f"{words('title')}: {printable(report.facts.model)}", language, printable(footer), tuple(blocks))


def percent(value: float) -> str:
    """Return a rate in percent."""
    return f"{100 * value:.2f}{BLANK}%"


def interval(figure: RateEstimate) -> str:
    """Return the bounds of a figure's interval in percent; a dash where it has none."""
    if figure.interval is None:
        return "–"
    return f"{100 * figure.interval.low:.2f} – {100 * figure.interval.high:.2f}{BLANK}%"


def _with_interval(figure: RateEstimate) -> str:
    value = percent(figure.value)
    return value if figure.interval is None else f"{value} ({interval(figure)})"


def _title(report: KisaReport, words: Words) -> list[Block]:
    facts, database, results = report.facts, report.database, report.results
    blocks: list[Block] = [
        Heading(words("title"), 1),
        Text(words("subtitle")),
        Text(words("own_test", version=report.version), "small"),
    ]
    if database.synthetic:
        blocks.append(Text(words("synthetic"), "warning"))
    if report.bundle is not None and report.bundle.synthetic:
        blocks.append(Text(words("trained_synthetic"), "warning"))
    if facts.engine == "null":
        blocks.append(Text(words("null_engine"), "warning"))
    settings = facts.settings
    engine = words(
        f"engine_{facts.engine}",
        version=facts.version,
        runtime=settings.get("runtime", ""),
        precision=settings.get("precision", ""),
    )
    rows = [
        (words("model"), printable(facts.model)),
        (words("fingerprint"), facts.fingerprint or "–"),
        (words("engine"), engine),
    ]
    if "library_sha256" in settings:
        rows.append((words("library_hash"), str(settings["library_sha256"])))
    detector = settings.get("detector")
    if isinstance(detector, dict) and detector.get("min_face") is not None:
        ways = ", ".join(detector.get("brighten") or ()) or words("none")
        rows.append((words("detector"), words("detector_text", min_face=f"{detector['min_face']:g}", brighten=ways)))
    if report.bundle is not None:
        rows += [
            (words("bundle_created"), _time(report.bundle.created)),
            (words("licence"), printable(report.bundle.licence)),
        ]
    mark = f" ({words('synthetic_mark')})" if database.synthetic else ""
    title = printable(words.database(database.title))
    rows += [
        (words("database"), title if title == words("synthetic_mark") else title + mark),
        (words("form"), words(f"form_{database.form.value}")),
        (words("people"), words("people_images", people=len(database.people), images=len(database.images))),
        (words("made"), _time(report.made)),
    ]
    blocks += [Heading(words("subject")), Table((), rows, (0.24, 0.76))]
    verdict = results.verdict
    names = ", ".join(
        words.category(category) for category, found in results.verdicts.items() if found.verdict is Verdict.FAIL
    )
    line = f"{words(f'verdict_{verdict}')}. {words(f'overall_{verdict}', names=names)}{mark}"
    blocks.append(Text(f"{words('verdict')}: {line}", "pass" if verdict is Verdict.PASS else "fail"))
    return blocks


def _categories(report: KisaReport, words: Words) -> list[Block]:
    rows, states = [], {}
    for number, category in enumerate(PROBE_CATEGORIES):
        verdict, found = report.results.verdicts[category], report.results.categories[category]
        states[number, 5] = "pass" if verdict.verdict is Verdict.PASS else "fail"
        rows.append(
            (
                words.category(category),
                words("criterion_at_most", mark=f"{100 * verdict.criterion:g}{BLANK}%"),
                "–" if found is None else percent(found.eer.value),
                "–" if found is None else interval(found.eer),
                "–" if found is None or found.eer_acquired is None else percent(found.eer_acquired.value),
                words(f"verdict_{verdict.verdict}"),
                remarks(report, category, words),
            )
        )
    results = report.results
    head = [words(key) for key in ("category", "criterion", "eer", "interval", "eer_acquired", "verdict", "remarks")]
    return [
        Heading(words("categories")),
        Table(head, rows, (0.13, 0.16, 0.09, 0.15, 0.09, 0.11, 0.27), (2, 3, 4), states),
        Picture(marks(results, words)),
        Text(
            words("eer_note", fte=percent(results.fte), failed=results.failed_to_enrol, people=results.people), "small"
        ),
        *([Text(words("straddles_note"), "small")] if any(v.straddles for v in results.verdicts.values()) else []),
    ]


def remarks(report: KisaReport, category: Category, words: Words) -> str:
    """Return what a reader must know of a category's figure."""
    verdict, found = report.results.verdicts[category], report.results.categories[category]
    parts = []
    if found is None:
        parts.append(words("not_there"))
    elif verdict.incomplete:
        parts.append(words("incomplete"))
    if verdict.straddles:
        parts.append(words("straddles"))
    if found is not None and found.eer.interval is None and report.replicates:
        parts.append(words("no_interval"))
    if report.database.synthetic:
        parts.append(words("synthetic_mark"))
    return "; ".join(parts)


def _method(report: KisaReport, words: Words) -> list[Block]:
    templates, matching = report.templates, report.matching
    speed = f"{1000 * templates.seconds / templates.made:.1f}" if templates.made else "–"
    policy = words(f"policy_{report.policy.impostors}", pairs=f"{report.policy.pairs:,}", seed=report.policy.seed)
    intervals = (
        words("method_intervals", replicates=report.replicates, seed=report.seed)
        if report.replicates
        else words("method_no_intervals")
    )
    work = words(
        "method_work",
        made=f"{templates.made:,}",
        speed=speed,
        kept=f"{len(templates.failed) - templates.made:,}",
        comparisons=f"{matching.comparisons:,}",
        seconds=f"{matching.seconds:.2f}",
        peak=f"{matching.peak_bytes / 1e6:.0f}",
    )
    return [
        Heading(words("method")),
        Text(f"{words('method_genuine')} {policy}"),
        Text(words("method_failures")),
        Text(words("method_eer")),
        Text(intervals),
        Text(work, "small"),
    ]


def _named(report: KisaReport, words: Words) -> list[tuple[str, RatesFigures]]:
    found = [(words.category(each), report.results.categories[each]) for each in PROBE_CATEGORIES]
    found.append((words("total"), report.results.total))
    return [(name, made) for name, made in found if made is not None]


def _rates(report: KisaReport, words: Words) -> list[Block]:
    named = _named(report, words)
    pairs = [
        (
            name,
            f"{made.probes:,}",
            f"{made.genuine:,}",
            f"{made.genuine_failed:,}",
            f"{made.impostor:,}",
            f"{made.impostor_failed:,}",
            percent(made.fta),
        )
        for name, made in named
    ]
    rates = [
        (
            name,
            f"{made.threshold:.4f}",
            percent(made.fmr),
            percent(made.fnmr),
            _with_interval(made.fixed_fmr),
            _with_interval(made.fixed_fnmr),
        )
        for name, made in named
    ]
    failed = words("failed_pairs")
    head = [words("category"), words("probes"), words("genuine_pairs"), failed, words("impostor_pairs"), failed, "FTA"]
    fixed = words("at_fixed", threshold=f"{report.results.fixed_threshold:.4f}")
    return [
        Heading(words("method_pairs"), 3),
        Table(head, pairs, (0.18, 0.12, 0.15, 0.14, 0.16, 0.14, 0.11), (1, 2, 3, 4, 5, 6)),
        Heading(words("rates"), 3),
        Text(f"{words('threshold')}, FMR, FNMR: {words('at_eer')}. {words('fixed_note', threshold=fixed)}", "small"),
        Table(
            (words("category"), words("threshold"), "FMR", "FNMR", words("fixed_fmr"), words("fixed_fnmr")),
            rates,
            (0.16, 0.12, 0.1, 0.1, 0.26, 0.26),
            (1, 2, 3, 4, 5),
        ),
    ]


def _plots(report: KisaReport, words: Words) -> list[Block]:
    return [
        Heading(words("plots")),
        Picture(det(report.results, words), words("det_caption")),
        Picture(distributions(report.matching.scores, report.results, words), words("distribution_caption")),
    ]


def _conditions(report: KisaReport, words: Words) -> list[Block]:
    rows = []
    for condition in PROBES:
        found = report.results.conditions[condition]
        name = (words.category(condition.category), words.condition(condition))
        if found is None:
            rows.append((*name, "0", "–", "–", "–", "–", words("not_there")))
            continue
        rows.append(
            (
                *name,
                f"{found.probes:,}",
                percent(found.eer.value),
                interval(found.eer),
                "–" if found.eer_acquired is None else percent(found.eer_acquired.value),
                percent(found.fixed_fnmr.value),
                percent(found.fta),
            )
        )
    keys = ("category", "condition", "probes", "eer", "interval", "eer_acquired")
    fixed = words("at_fixed", threshold=f"{report.results.fixed_threshold:.4f}")
    return [
        Heading(words("conditions")),
        Text(words("fixed_note", threshold=fixed), "small"),
        Table(
            (*(words(key) for key in keys), words("fixed_fnmr"), "FTA"),
            rows,
            (0.13, 0.24, 0.08, 0.09, 0.16, 0.09, 0.12, 0.09),
            (2, 3, 4, 5, 6, 7),
        ),
    ]


def _worst(report: KisaReport, words: Words) -> list[Block]:
    blocks: list[Block] = []
    for category in PROBE_CATEGORIES:
        for genuine, key in ((True, "genuine"), (False, "impostor")):
            pairs = [pair for pair in report.worst.get(category, ()) if pair.genuine is genuine]
            if not pairs:
                continue
            title = words(f"worst_{key}", category=words.category(category))
            lines = [(pair, _caption(pair, words)) for pair in pairs]
            if report.pictures:
                shown = [(picture(pair.enrolment), picture(pair.probe), caption) for pair, caption in lines]
                blocks.append(Pairs(title, shown))
            else:
                blocks += [Heading(title, 3), Text("; ".join(caption for _, caption in lines))]
    if not blocks:
        return []
    return [
        Heading(words("worst")),
        *([Text(words("worst_text"), "small")] if report.pictures else []),
        *blocks,
    ]


def _caption(pair: ScoredPair, words: Words) -> str:
    return words(
        "pair_genuine" if pair.genuine else "pair_impostor",
        enrolled=printable(pair.enrolment.person),
        person=printable(pair.probe.person),
        condition=words.condition(pair.probe.condition),
        score=pair.score,
    )


def _failures(report: KisaReport, words: Words) -> list[Block]:
    blocks: list[Block] = [Heading(words("failures"))]
    if not report.failures:
        return [*blocks, Text(words("failures_none"))]
    rows = [
        (
            printable(failure.image.person),
            words.condition(failure.image.condition),
            # Whoever reads the report knows the data base, not the applicant's disk.
            printable("/".join(Path(failure.image.place).parts[-2:])),
            printable(words.reason(failure.reason)),
        )
        for failure in report.failures[:MOST_FAILURES]
    ]
    head = (words("person"), words("condition"), words("image"), words("reason"))
    blocks.append(Table(head, rows, (0.14, 0.22, 0.4, 0.24)))
    left = len(report.failures) - len(rows)
    return [*blocks, Text(words("failures_more", count=f"{left:,}"), "small")] if left > 0 else blocks


def _notes(report: KisaReport, words: Words) -> list[Block]:
    database = report.database
    blocks: list[Block] = []
    missing = _missing(database, words)
    if missing:
        blocks += [
            Heading(words("missing"), 3),
            *(Text(f"· {printable(line)}", "small") for line in missing),
        ]
    if database.notes:
        blocks += [
            Heading(words("notes"), 3),
            *(Text(f"· {printable(words.note(line))}", "small") for line in database.notes),
        ]
    kinds: dict[tuple[Severity, str], list[str]] = {}
    for fault in database.faults:
        kinds.setdefault((fault.severity, fault.kind), []).append(str(fault))
    if kinds:
        blocks.append(Heading(words("faults"), 3))
        for (_, kind), lines in sorted(kinds.items()):
            blocks.append(Text(f"· {words('fault_line', count=len(lines), kind=kind, first=lines[0])}", "small"))
    rows = [(key, _value(value)) for key, value in sorted(report.facts.settings.items()) if key != "bundle"]
    if rows:
        blocks += [Heading(words("versions"), 3), Table((words("setting"), words("value")), rows, (0.24, 0.76))]
    return blocks


def _missing(database: KisaDatabase, words: Words) -> list[str]:
    """Return what :meth:`KisaDatabase.missing` does, in the report's language."""
    people = len(database.people)
    lines = []
    if people not in (FULL_PEOPLE, PRELIMINARY_PEOPLE):
        lines.append(words("missing_people", people=people))
    for condition, count in database.counts.items():
        name = words.condition(condition)
        if condition in database.absent:
            lines.append(words("missing_source", condition=name))
        elif count < people:
            lines.append(words("missing_condition", condition=name, count=people - count, people=people))
    return lines


def _time(text: str) -> str:
    """Return a time in ISO 8601 as a reader writes it; UTC is named."""
    return text.replace("T", " ").replace("+00:00", " UTC")


def _value(value: object) -> str:
    """Return a setting's value for a reader."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_value(each)}" for key, each in value.items())
    if isinstance(value, (list, tuple)):
        return " ".join(_value(each) for each in value) or "-"
    return printable(value)
