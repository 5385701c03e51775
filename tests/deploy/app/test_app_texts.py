"""Every text of the window is translated, and the language can be changed while it is open."""

import ast
import string
from pathlib import Path

import pytest
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QLabel

from deploy import app
from deploy.app import texts
from deploy.app.texts import tr
from deploy.app.widgets import Translated
from kface.errors import ConfigError

FOLDER = Path(app.__file__).parent
LANGUAGES = sorted(language for language in texts.LANGUAGES if language != "en")


def written():
    """Return (context, text, comment) of each call of ``tr`` in the window's code."""
    found = set()
    for file in sorted(FOLDER.glob("**/*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "tr":
                values = [getattr(argument, "value", getattr(argument, "s", None)) for argument in node.args]
                assert all(isinstance(value, str) for value in values), "{}:{}".format(file.name, node.lineno)
                found.add(tuple((values + [""])[:3]))
    return found


def fields(text):
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated_and_no_translation_is_left_over(language):
    there = texts.messages(str(FOLDER / "translations" / "kface_{}.ts".format(language)))
    assert written() - set(there) == set()
    # "(Qt)": texts that Qt's own widgets ask for.
    assert {key for key in set(there) - written() if not key[0].startswith("Q")} == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_take_the_same_values(language):
    there = texts.messages(str(FOLDER / "translations" / "kface_{}.ts".format(language)))
    assert [key for key, translation in there.items() if fields(key[1]) != fields(translation)] == []


def test_an_unfinished_translation_does_not_count(tmp_path):
    file = tmp_path / "x.ts"
    file.write_text(
        '<TS><context><name>A</name><message><source>b</source><translation type="unfinished">c</translation></message>'
        "<message><source>d</source><comment>e</comment><translation>f</translation></message></context></TS>"
    )
    assert texts.messages(str(file)) == {("A", "d", "e"): "f"}


def test_a_file_that_is_no_linguist_file_is_refused(tmp_path):
    (tmp_path / "x.ts").write_text("<TS>")
    with pytest.raises(ConfigError, match=r"x\.ts: cannot be read"):
        texts.messages(str(tmp_path / "x.ts"))


class Sign(Translated, QLabel):
    def __init__(self):
        super().__init__()
        self.retranslate()

    def retranslate(self):
        self.setText(tr("ErrorLine", "Error: {}"))


def test_a_language_is_changed_while_a_window_is_open(english, qtbot):
    sign = Sign()
    qtbot.addWidget(sign)
    sign.show()
    assert texts.use_language(english, "ko") == "ko"
    qtbot.waitUntil(lambda: sign.text() == "오류: {}")
    # Texts of others stay as they are.
    assert tr("Other", "Not ours") == "Not ours"
    assert texts.use_language(english, "en") == "en"
    qtbot.waitUntil(lambda: sign.text() == "Error: {}")
    assert QEvent.LanguageChange


def test_the_system_s_language_counts(english, monkeypatch):
    class Korean:
        @staticmethod
        def system():
            return Korean()

        def uiLanguages(self):
            return ["fr-FR", "ko_KR", "en"]

    monkeypatch.setattr(texts, "QLocale", Korean)
    assert texts.use_language(english) == "ko"


def test_a_language_that_is_not_there_is_refused(english):
    with pytest.raises(ConfigError, match="choose: system, en, ko"):
        texts.use_language(english, "xx")
