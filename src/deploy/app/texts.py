"""What the windows say, in the user's language: English in the code, the others in Qt Linguist's files beside it.

The files are read as they are: neither lrelease nor a compiled file is needed.
"""

import os
import struct
import xml.etree.ElementTree as ElementTree
from typing import Any, Dict, List, Tuple

from qtpy.QtCore import QCoreApplication, QLibraryInfo, QLocale, QTranslator

from kface.errors import ConfigError

#: The languages' files: kface_ko.ts.
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "translations")
#: Languages by their names in themselves. "system" follows the system.
SYSTEM = "system"
LANGUAGES = {"en": "English", "ko": "한국어"}
Key = Tuple[str, str, str]
_MAGIC = bytes.fromhex("3cb86418caef9c95cd211cbf60a1bddd")


def tr(context: str, text: str, comment: str = "") -> str:
    """Return a text in the language that is in force.

    Both are written out where this is called, so that Linguist's tools and a test find them.

    Args:
        context: The class that shows it.
        text: English; with ``{}`` or ``{name}`` for what is put in afterwards by :meth:`str.format`.
        comment: Tells two meanings of one text apart.
    """
    return str(QCoreApplication.translate(context, text, comment))


def messages(file: str) -> Dict[Key, str]:
    """Return a Linguist file's finished translations by context, text and comment.

    Raises:
        ConfigError: It is not such a file.
    """
    try:
        root = ElementTree.parse(file).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise ConfigError("cannot be read ({})".format(error), file, "install kface again")
    found: Dict[Key, str] = {}
    for context in root.iter("context"):
        name = context.findtext("name") or ""
        for message in context.iter("message"):
            translation = message.find("translation")
            if translation is None or translation.get("type") or not translation.text:
                continue
            found[name, message.findtext("source") or "", message.findtext("comment") or ""] = translation.text
    return found


class Translator(QTranslator):
    """A language's texts.

    Qt looks them up by itself, in what :func:`compiled` makes: with PySide6 6.12 each call of a method ``translate`` in Python
    takes a reference from None that it does not own, until the interpreter aborts.

    Args:
        file: A Linguist file.
        parent: Qt's.

    Raises:
        ConfigError: It is not such a file.
    """

    def __init__(self, file: str, parent: Any = None) -> None:
        super(Translator, self).__init__(parent)
        # Qt does not copy it.
        self._data = compiled(messages(file))
        # PyQt5 has a name of its own for this.
        load = getattr(self, "loadFromData", None) or self.load
        if not load(self._data):
            raise ConfigError("cannot be used", file, "install kface again")


def compiled(found: Dict[Key, str]) -> bytes:
    """Return texts as lrelease writes them; the format is that of Qt's qtranslator.cpp.

    Args:
        found: See :func:`messages`.
    """
    hashes: List[Tuple[int, int]] = []
    body = b""
    for (context, text, comment), translation in sorted(found.items()):
        source, about = text.encode("utf-8"), comment.encode("utf-8")
        hashes.append((_elf_hash(source + about), len(body)))
        parts = (3, translation.encode("utf-16-be")), (6, source), (7, context.encode("utf-8")), (8, about)
        body += b"".join(struct.pack(">BI", tag, len(part)) + part for tag, part in parts) + b"\x01"
    table = b"".join(struct.pack(">II", *one) for one in sorted(hashes))
    return _MAGIC + b"".join(struct.pack(">BI", tag, len(part)) + part for tag, part in ((0x42, table), (0x69, body)))


def _elf_hash(data: bytes) -> int:
    value = 0
    for byte in data:
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ (high >> 24)) & ~high
    return value or 1


def system_language() -> str:
    """Return the first of the languages that the system asks for and that there is; English where there is none."""
    wanted: List[str] = list(QLocale.system().uiLanguages())
    for tag in wanted:
        language = str(tag).replace("_", "-").partition("-")[0].lower()
        if language in LANGUAGES:
            return language
    return "en"


def use_language(application: Any, language: str = SYSTEM) -> str:
    """Let an application speak a language from now on; every window hears of it (``QEvent.LanguageChange``).

    Args:
        application: The QApplication.
        language: A key of :data:`LANGUAGES`, or "system".

    Returns:
        The language that is spoken.

    Raises:
        ConfigError: There is no such language.
    """
    chosen = system_language() if language == SYSTEM else language
    if chosen not in LANGUAGES:
        raise ConfigError("unknown language", ascii(language), "choose: " + ", ".join([SYSTEM] + sorted(LANGUAGES)))
    for translator in getattr(application, "kface_translators", []):
        application.removeTranslator(translator)
    application.kface_translators = []
    if chosen != "en":
        # Qt's own texts (OK, Cancel) as well, where this Qt has them in that language. The last one is asked first.
        qt = QTranslator(application)
        if qt.load("qtbase_" + chosen, QLibraryInfo.location(QLibraryInfo.TranslationsPath)):
            application.kface_translators.append(qt)
        application.kface_translators.append(
            Translator(os.path.join(FOLDER, "kface_{}.ts".format(chosen)), application)
        )
        for translator in application.kface_translators:
            application.installTranslator(translator)
    _SPOKEN[0] = chosen
    return chosen


_SPOKEN = ["en"]


def spoken() -> str:
    """Return the language that is in force, a key of :data:`LANGUAGES`."""
    return _SPOKEN[0]
