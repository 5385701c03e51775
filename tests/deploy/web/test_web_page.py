"""The page's files: what they load, and that each text is there in both languages."""

import re
from pathlib import Path

import pytest

from deploy import web
from deploy.web.server import read_page

PAGE = Path(web.__file__).resolve().parent / "page"
HTML = (PAGE / "index.html").read_text(encoding="utf-8")
SCRIPTS = {path.name: path.read_text(encoding="utf-8") for path in sorted(PAGE.glob("*.js"))}


def texts(language):
    block = SCRIPTS["text.js"].split("\n  {}: {{".format(language))[1].split("\n  },")[0]
    return dict(re.findall(r'(\w+): "((?:[^"\\]|\\.)*)"', block))


def test_all_files_are_served():
    assert set(read_page()) == {"/", "/app.js", "/labels.js", "/link.js", "/reasons.js", "/text.js", "/style.css"}
    assert read_page()["/app.js"][0].startswith("text/javascript")


def test_both_languages_have_the_same_texts_with_the_same_fields():
    english, korean = texts("en"), texts("ko")
    assert len(english) > 60
    # One and many differ in English only.
    assert {key for key in english if not key.endswith("One")} == set(korean)
    for key in korean:
        assert set(re.findall(r"{\w+}", english[key])) == set(re.findall(r"{\w+}", korean[key])), key


def test_each_text_that_is_used_exists():
    used = set(re.findall(r'data-text="(\w+)"', HTML)) | set(
        re.findall(r'\b(?:text|count)\("(\w+)"', SCRIPTS["app.js"])
    )
    assert len(used) > 30
    assert used <= set(texts("en"))
    states = {"connecting", "live", "lost", "ended", "closed", "away"}
    kinds = {"stream", "recognised", "unknown", "left", "enrolled", "gallery"}
    assert states | kinds | {"size", "sharpness", "yaw", "pitch", "faces", "unknownFace", "undecidedFace"} <= set(
        texts("en")
    )


def test_each_element_that_is_used_exists():
    ids = re.findall(r'\bid="([\w-]+)"', HTML)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'\$\("([\w-]+)"\)', SCRIPTS["app.js"])) <= set(ids)


@pytest.mark.parametrize("name", ["index.html", "app.js", "link.js", "text.js", "style.css"])
def test_nothing_is_inline_and_nothing_comes_from_elsewhere(name):
    source = (PAGE / name).read_text(encoding="utf-8")
    assert not re.search(r"https?:|//\w+\.\w+|@import|url\(", source)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", source)
    if name == "index.html":
        assert not re.search(r"<style|\son\w+=|\sstyle=|<script(?![^>]*src=)", source)
