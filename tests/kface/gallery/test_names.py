"""What is a name, and which names are one."""

import unicodedata

import pytest

pytest.importorskip("cryptography")

from gallery_fakes import one, open_at

from kface.gallery import GalleryError
from kface.gallery.names import clean_name, count_characters, likeness

NEEDED = [
    "علی\u200cرضا",
    "മനിവര\u0d4d\u200d",
    "ශ\u0dca\u200dරී",
    "ක\u0dca\u200dෂ",
    "शक\u094d\u200cति",
    "র\u200d\u09cdয",
    "가족 \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\U0001f3f3\ufe0f\u200d\U0001f308",
    "\U0001f469\U0001f3fd\u200d\U0001f692",
]
REFUSED = [
    "\u3164",
    "\u115f",
    "\uffa0",
    "\u2800",
    "\u00ad",
    "\u200b",
    "\u200c",
    "\u200d\u200d",
    "\u2060",
    "\ufeffKim",
    "Kim\u3164",
    "K\u200dim",
    "Ki\u200cm",
    "김\u200d철수",
    "Kim\u200e",
    "\u202eKim",
    "Kim\u2066",
    "Kim\x1b[2J",
    "Kim\x7f",
    "\U0001f3f4\U000e0067\U000e007f",
    "Kim\ud800",
    "Kim\ue000",
    "Kim\uffff",
    "\u0301",
    "Kim \u0301a",
    "K" + "\u0301" * 60,
    "\ufe0f",
    "\u034f",
    "Kim\u2028Lee",
    "علی\u200c\u200cرضا",
]


@pytest.mark.parametrize("name", NEEDED)
def test_joiners_stay_where_they_are_needed(name, tmp_path):
    assert clean_name(name) == unicodedata.normalize("NFC", name)
    with open_at(tmp_path / "gallery.db") as gallery:
        gallery.add(name, one(1))
        assert [person.name for person in gallery.list()] == [unicodedata.normalize("NFC", name)]
        assert gallery.match(one(1))[0][0].name == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize("name", [name for name in REFUSED if name != "Kim\u2028Lee"])
def test_what_cannot_be_seen_or_deceives_is_refused(name):
    with pytest.raises(GalleryError, match="a name must") as caught:
        clean_name(name)
    assert str(caught.value).isprintable()


def test_white_space_of_any_kind_is_one_space():
    assert clean_name("\u3000Kim\u2028\u00a0Lee\t") == "Kim Lee"
    assert clean_name("\u200cKim\u200c") == "Kim"


def test_names_that_look_the_same_are_one_person(tmp_path):
    with open_at(tmp_path / "gallery.db") as gallery:
        gallery.add("علی\u200cرضا", one(1))
        gallery.add("علیرضا", one(2))
        gallery.add(unicodedata.normalize("NFD", "김"), one(3))
        gallery.add("김", one(4))
        assert [(person.name, person.templates) for person in gallery.list()] == [("علی\u200cرضا", 2), ("김", 2)]
        assert gallery.enrolled_name("علیرضا") == "علی\u200cرضا"
        with pytest.raises(GalleryError, match="the name is already enrolled"):
            gallery.rename("김", "علیرضا")
    assert likeness("Kim") != likeness("KIM")


def test_the_length_is_what_is_seen_and_what_is_stored():
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    assert count_characters(family + "가e\u0301\U0001f1f0\U0001f1f7") == 4
    assert clean_name("가" * 200)
    for name, what in (("가" * 201, "200 characters, not 201"), (family * 60, "1000 bytes in UTF-8, not 1080")):
        with pytest.raises(GalleryError, match=what):
            clean_name(name)
