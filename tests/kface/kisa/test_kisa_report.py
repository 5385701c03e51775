"""The report: what JSON, CSV, HTML and PDF say, that nothing is cut or lacking, and nothing is fetched."""

import csv
import io
import json
import re
import string
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from small_kisa import PixelEngine, job, small_database

from kface.kisa import stage
from kface.kisa.blocks import Pairs, Picture, Table, Text
from kface.kisa.conditions import PROBE_CATEGORIES, Category, conditions_of
from kface.kisa.database import Form
from kface.kisa.document import build
from kface.kisa.fonts import font_file
from kface.kisa.html_report import to_html
from kface.kisa.pdf_report import to_pdf
from kface.kisa.sample_source import NOTE, SampleDatabase
from kface.kisa.wording import TEXTS, Words

LANGUAGES = ("ko", "en")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    database = small_database(
        people=6,
        unlike=0.75,
        black=[(0, "light_0"), (3, "pose_left-45")],
        unreadable=[(5, "enrolment_neutral")],
        left_out=["accessory_hair-band"],
    )
    return stage.perform(job(tmp_path_factory.mktemp("kisa")), PixelEngine(), database)


@pytest.fixture(scope="module")
def documents(report):
    return {language: build(report, language) for language in LANGUAGES}


def texts(document):
    """Return all that a document says."""
    found = [document.title, document.footer]
    for block in document.blocks:
        if isinstance(block, Table):
            found += [cell for row in (block.head, *block.rows) for cell in row]
        elif isinstance(block, Pairs):
            found += [block.title, *(caption for _, _, caption in block.pairs)]
        else:
            found.append(getattr(block, "text", getattr(block, "caption", "")))
    return found


def test_json_holds_the_figures_and_what_they_are_of(report):
    made = json.loads(json.dumps(report.to_dict()))
    assert (made["schema"], made["kind"]) == (1, "kface kisa report")
    assert made["synthetic_sample"] is True
    assert made["engine"]["fingerprint"] == "ab" * 32
    assert set(made["figures"]) == {*(made["categories"]), *(c.key for c in report.results.conditions), "total"}
    light = made["figures"]["light"]
    assert light["pairs"] == {
        "genuine": 48,
        "impostor": 240,
        # The black probe, and those of the person who is not enrolled.
        "genuine_failed": 9,
        # All with that person's enrolment, and the black probe with the others.
        "impostor_failed": 40 + 4,
    }
    assert light["eer"]["value"] == report.results.categories[Category.LIGHT].eer.value
    assert made["figures"]["accessory_hair-band"] is None
    assert made["categories"]["accessory"]["incomplete"] is True
    assert made["categories"]["light"]["criterion"] == 0.01
    assert [failure["reason"] for failure in made["failures"]].count("no face was found") == 2
    assert made["failed_to_enrol"] == 1
    for pairs in made["worst_pairs"].values():
        scores = [[pair["score"] for pair in pairs if pair["genuine"] is kind] for kind in (True, False)]
        assert [len(some) for some in scores] == [2, 2]
        assert scores[0] == sorted(scores[0])
        assert scores[1] == sorted(scores[1], reverse=True)


def test_the_worst_pairs_are_the_worst(report):
    scores = report.matching.scores.of_category(Category.LIGHT)
    lowest = min(score for score, failed in zip(scores.genuine, scores.genuine_failed, strict=True) if not failed)
    highest = scores.scores[scores.compared & ~scores.failed].max()
    pairs = report.worst[Category.LIGHT]
    assert pairs[0].score == pytest.approx(float(lowest))
    assert pairs[0].enrolment.person == pairs[0].probe.person
    assert pairs[2].score == pytest.approx(float(highest))
    assert pairs[2].enrolment.person != pairs[2].probe.person
    assert {pair.probe.category for pair in pairs} == {Category.LIGHT}
    assert {pair.enrolment.category for pair in pairs} == {Category.ENROLMENT}


def test_csv_has_a_line_for_each_category_each_condition_and_all(report):
    lines = list(csv.DictReader(io.StringIO(report.to_csv())))
    assert [line["part"] for line in lines[:4]] == [category.value for category in PROBE_CATEGORIES]
    assert len(lines) == 4 + 17 + 1
    assert {line["synthetic_sample"] for line in lines} == {"yes"}
    assert float(lines[0]["eer"]) == report.results.categories[Category.LIGHT].eer.value
    assert [line["eer"] for line in lines if line["part"] == "accessory_hair-band"] == [""]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_document_says_what_a_reader_must_know(documents, language):
    document, words = documents[language], Words(language)
    said = "\n".join(texts(document))
    for needed in (words("synthetic"), words("incomplete"), "ab" * 32, words("verdict_fail"), words("synthetic_mark")):
        assert needed in said
    assert words("synthetic_mark") in document.footer
    assert sum(isinstance(block, Picture) for block in document.blocks) == 3
    pairs = [block for block in document.blocks if isinstance(block, Pairs)]
    assert [len(block.pairs) for block in pairs] == [2] * 8
    assert all(first and second for block in pairs for first, second, _ in block.pairs)


def test_a_real_data_base_is_not_called_synthetic(report):
    real = replace(report, database=replace(report.database, synthetic=False))
    for language in LANGUAGES:
        said = "\n".join(texts(build(real, language)))
        assert Words(language)("synthetic_mark") not in said
        assert "SYNTHETIC" not in said


def test_pictures_stay_where_they_are_if_that_is_asked_for(report):
    document = build(replace(report, pictures=False), "en")
    assert not any(isinstance(block, Pairs) for block in document.blocks)
    assert any("lowest genuine" in text for text in texts(document))
    assert "data:image/jpeg" not in to_html(document)


class Reader(HTMLParser):
    """Notes tags, where they lead, and what is open."""

    def __init__(self):
        super().__init__()
        self.tags, self.places, self.open = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.places += [value for name, value in attrs if name in ("src", "href", "action", "background")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("language", LANGUAGES)
def test_html_runs_nothing_and_fetches_nothing(documents, language):
    page = to_html(documents[language])
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    assert not {"script", "link", "iframe", "object", "form"} & set(reader.tags)
    assert reader.places
    assert all(place.startswith("data:image/") for place in reader.places)
    assert "http" not in re.sub(r"http-equiv", "", page)
    assert f'lang="{language}"' in page


def test_a_name_from_the_data_base_is_no_markup(report):
    title = "<script>alert(1)</script> & <b>"
    named = replace(report, database=replace(report.database, title=title))
    document = build(named, "en")
    assert "<script" not in to_html(document)
    assert "&lt;script&gt;" in to_html(document)
    assert to_pdf(document).startswith(b"%PDF-")


@pytest.mark.parametrize("language", LANGUAGES)
def test_pdf_embeds_its_fonts_and_its_text_can_be_searched(documents, language):
    document = documents[language]
    made = to_pdf(document)
    assert made.startswith(b"%PDF-")
    # Font programs, and the tables from their glyphs back to Unicode.
    assert made.count(b"/FontFile2") >= 2
    assert made.count(b"/ToUnicode") >= 2
    assert made == to_pdf(document)
    embedded = set(re.findall(rb"/BaseFont\s*/([\w+-]+)", made))
    # ReportLab names Helvetica in every file; nothing is set in it.
    assert {name.split(b"+")[-1] for name in embedded} - {b"Helvetica"} == {b"NanumGothic", b"NanumGothicBold"}


def test_the_font_has_every_character_of_every_text(documents):
    tools = pytest.importorskip("fontTools.ttLib", reason="reads fonts; matplotlib brings it")
    said = "".join(texts(documents["ko"]) + texts(documents["en"]))
    said += "".join(part for pair in TEXTS.values() for part in pair)
    for bold in (False, True):
        known = tools.TTFont(font_file(bold)).getBestCmap()
        assert {character for character in said if ord(character) not in known and character != "\n"} == set()


def test_both_languages_fill_in_the_same_values():
    for key, (english, korean) in TEXTS.items():
        names = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in (english, korean)]
        assert names[0] == names[1], key
        assert english.strip(), key
        assert korean.strip(), key


def test_every_form_and_verdict_has_its_words():
    for form in Form:
        assert f"form_{form.value}" in TEXTS
    for verdict in ("pass", "fail", "not measured"):
        assert f"verdict_{verdict}" in TEXTS
        assert f"overall_{verdict}" in TEXTS


def test_the_boxes_of_the_title_page_warn(documents):
    kinds = [block.kind for block in documents["en"].blocks if isinstance(block, Text)]
    assert kinds.count("warning") == 1
    assert kinds.count("fail") == 1


def test_the_sample_s_note_and_title_are_in_the_language_of_the_report():
    words = Words("ko")
    assert words.note(NOTE) == "합성 표본: 프로그램이 그린 얼굴이며, 수치는 실제 사람에 대한 성능을 나타내지 않습니다"
    assert words.database(SampleDatabase.title) == "합성 표본"
    assert (Words("en").note(NOTE), words.note("찍은 날: 어제"), words.database("faces")) == (
        NOTE,
        "찍은 날: 어제",
        "faces",
    )


def test_a_missing_first_category_leaves_the_plots_their_legends(tmp_path):
    lights = tuple(found.key for found in conditions_of(Category.LIGHT))
    database = small_database(left_out=lights)
    made = stage.perform(job(tmp_path), PixelEngine(), database)
    page = to_html(build(made, "en"))
    assert page.count("data:image/png") == 3
