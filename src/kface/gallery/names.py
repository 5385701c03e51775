"""What may be a person's name, and which names are one: the one rule for every door."""

import re
import unicodedata

from kface.errors import GalleryError
from kface.text import BLANKS, JOINERS

#: Characters of the longest name, as a reader counts them: a letter with its marks, a family of emoji are one.
LONGEST_NAME = 200
#: Bytes of the longest name in UTF-8, which is what is stored.
MOST_BYTES = 1000
#: Marks on one letter: the scripts of the world need fewer, more than that covers the lines above and below.
MOST_MARKS = 8

ZWNJ, ZWJ = "\u200c", "\u200d"
#: Scripts whose letters join or form clusters, so that writers have to say where they do not: what Unicode's names begin with.
_JOINING = re.compile(
    "(ARABIC|SYRIAC|MANDAIC|MANICHAEAN|MONGOLIAN|NKO|ADLAM|SOGDIAN|HANIFI|PHAGS-PA|CHORASMIAN|PSALTER|DEVANAGARI|BENGALI"
    "|GURMUKHI|GUJARATI|ORIYA|TAMIL|TELUGU|KANNADA|MALAYALAM|SINHALA|TIBETAN|MYANMAR|KHMER|BALINESE|JAVANESE|SUNDANESE"
    "|TAI|LEPCHA|LIMBU|MEETEI|BRAHMI|CHAKMA|GRANTHA|KAITHI|SHARADA|TIRHUTA|NEWA) "
)
_VIRAMA = 9
_EMOJI_ZONE = 0x1F000
_SKIN = range(0x1F3FB, 0x1F400)


def clean_name(name: str) -> str:
    """Return a name as it is kept: in Unicode's composed form (NFC), without white space around it or runs of it inside.

    Hangul typed on macOS comes decomposed: without this one person would be two. The joiners U+200C and U+200D stay where a
    script (Persian, Malayalam, Sinhala and others) or a sequence of emoji needs them.

    Raises:
        GalleryError: Nothing that can be seen is left, it is too long, or it holds characters that cannot be seen, that change
            the direction of writing, or that stand where they mean nothing.
    """
    # A joiner at a word's edge joins nothing; keyboards leave them there.
    words = [_trimmed(word) for word in unicodedata.normalize("NFC", name).split()]
    cleaned = " ".join(word for word in words if word)
    if not cleaned:
        raise GalleryError("a name must not be empty")
    _check_characters(cleaned)
    _check_length(cleaned)
    return cleaned


def likeness(name: str) -> str:
    """Return what a name has in common with those that look the same: two people cannot have one.

    Joiners and variation selectors do not count; capitals, accents and width do. Letters of different scripts that look the
    same (Latin and Cyrillic a) are different.

    Args:
        name: As :func:`clean_name` returns it.
    """
    return unicodedata.normalize(
        "NFC", "".join(each for each in name if each not in JOINERS and not _is_variation(each))
    )


def count_characters(name: str) -> int:
    """Return how many characters a reader sees: marks, joiners and what they join belong to the character before."""
    count, joined, flag = 0, False, False
    for each in name:
        extends = each in JOINERS or _is_mark(each) or ord(each) in _SKIN
        indicator = 0x1F1E6 <= ord(each) <= 0x1F1FF
        if not extends and not joined and not (indicator and flag):
            count += 1
        flag = indicator and not flag
        joined = each == ZWJ
    return count


def _trimmed(word: str) -> str:
    word = word.lstrip(JOINERS).rstrip(ZWNJ)
    if word.endswith(ZWJ) and not _joins_at_the_end(word):
        return word.rstrip(JOINERS)
    return word


def _joins_at_the_end(word: str) -> bool:
    """Return whether a word ends in the old spelling of Malayalam's chillu letters, or in an open Arabic letter."""
    before = word[:-1]
    return bool(before) and (
        unicodedata.combining(before[-1]) == _VIRAMA or unicodedata.name(before[-1], "").startswith("ARABIC ")
    )


def _check_characters(name: str) -> None:
    seen, marks = False, 0
    for place, each in enumerate(name):
        if each in JOINERS:
            if not _is_needed(name, place):
                raise _refused(each, "a name must not contain {} where no script needs it")
        elif _is_mark(each):
            if not place or name[place - 1] == " ":
                raise _refused(each, "a word of a name must not begin with the combining mark {}")
            marks += not _is_variation(each)
            if marks > MOST_MARKS:
                raise GalleryError(
                    "a name must have at most {} combining marks on a letter".format(MOST_MARKS), ascii(name[:40])
                )
        elif each != " ":
            if not _can_be_seen(each):
                raise _refused(each, "a name must not contain {}, which is invisible")
            seen, marks = True, 0
        if each in BLANKS:
            raise _refused(each, "a name must not contain {}, which is invisible")
    if not seen:
        raise GalleryError("a name must contain a visible character", ascii(name[:40]))


def _check_length(name: str) -> None:
    count = count_characters(name)
    if count > LONGEST_NAME:
        raise GalleryError("a name must have at most {} characters, not {}".format(LONGEST_NAME, count))
    size = len(name.encode("utf-8"))
    if size > MOST_BYTES:
        raise GalleryError("a name must have at most {} bytes in UTF-8, not {}".format(MOST_BYTES, size))


def _refused(character: str, what: str) -> GalleryError:
    return GalleryError(what.format("U+{:04X}".format(ord(character))), None, "type the name without it")


def _can_be_seen(character: str) -> bool:
    code, category = ord(character), unicodedata.category(character)
    if category == "Cn":
        # A later version of Unicode may have it, and another machine a later version; not so the last two of a plane,
        # and what is set apart for characters without a shape.
        return not (
            code & 0xFFFE == 0xFFFE
            or 0xFDD0 <= code <= 0xFDEF
            or code >= 0xE0000
            or 0x2060 <= code <= 0x206F
            or 0xFFF0 <= code <= 0xFFF8
        )
    return category not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp", "Zs")


def _is_mark(character: str) -> bool:
    return unicodedata.category(character) in ("Mn", "Me", "Mc")


def _is_variation(character: str) -> bool:
    code = ord(character)
    return 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF or code in (0x180B, 0x180C, 0x180D, 0x180F)


def _is_needed(name: str, place: int) -> bool:
    """Return whether a joiner does something where it stands: in a script that joins, after a virama, or between emoji."""
    before, after = name[place - 1 : place], name[place + 1 : place + 2]
    if not before or before in JOINERS or before == " ":
        return False
    if unicodedata.combining(before) == _VIRAMA or _joins(before):
        # Two words of which only one is in that script are not joined.
        return not after or after == " " or _joins(after)
    base = place - 1
    while base > 0 and (_is_variation(name[base]) or ord(name[base]) in _SKIN):
        base -= 1
    return name[place] == ZWJ and _is_emoji(name[base]) and bool(after) and _is_emoji(after)


def _joins(character: str) -> bool:
    return bool(_JOINING.match(unicodedata.name(character, "")))


def _is_emoji(character: str) -> bool:
    return unicodedata.category(character) == "So" or ord(character) >= _EMOJI_ZONE
