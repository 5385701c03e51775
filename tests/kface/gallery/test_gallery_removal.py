"""A deletion is undone: the same person, templates, crops, times and IDs, and nothing of it in the file in between."""

import numpy as np
import pytest

pytest.importorskip("cryptography")

from gallery_fakes import OTHER_MODEL, crop, one, open_at, query, vectors

from kface.gallery import GalleryError


@pytest.fixture
def gallery(tmp_path):
    with open_at(tmp_path / "gallery.db") as opened:
        yield opened


def state(gallery):
    return [(person, gallery.templates(person.id)) for person in gallery.list()]


def test_a_person_comes_back_as_they_were_and_is_valid_after_the_file_was_closed(tmp_path):
    path = tmp_path / "한글 gallery.db"
    with open_at(path) as gallery:
        gallery.add("Kim", one(1))
        second = gallery.add("Kim", one(2), crop(2))
        gallery.add("Lee", one(3))
        before = state(gallery)
        removed = gallery.take_out("Kim")
        assert [person.name for person in gallery.list()] == ["Lee"]
        assert query(path, "SELECT count(*) FROM template") == [(1,)]
        assert gallery.match(one(2))[0][0].name == "Lee"
        # Numbers go on meanwhile.
        gallery.add("Lee", one(4))
        assert gallery.restore(removed) == 2
        assert state(gallery)[0] == before[0]
    with open_at(path) as gallery:
        assert gallery.check().damage == ()
        assert gallery.match(one(2))[0][0][:4:3] == ("Kim", second)
        np.testing.assert_array_equal(gallery.crop(second), crop(2))
        assert gallery.add("Kim", one(9)) > 4


def test_one_template_comes_back(gallery):
    first, second = gallery.add("Kim", one(1), crop(1)), gallery.add("Kim", one(2))
    removed = gallery.take_out("Kim", first)
    assert [each.id for each in gallery.templates("Kim")] == [second]
    assert gallery.restore(removed) == 1
    assert [(each.id, each.crop) for each in gallery.templates("Kim")] == [(first, True), (second, False)]
    assert gallery.check().damage == ()


def test_a_template_that_is_there_keeps_its_number(gallery):
    first = gallery.add("Kim", one(1))
    gallery.add("Kim", one(2))
    removed = gallery.take_out("Kim", first)
    gallery.restore(removed)
    assert gallery.restore(removed) == 1
    assert [each.id for each in gallery.templates("Kim")] == [1, 2, 3]
    assert gallery.check().damage == ()


def test_what_forbids_an_undo_says_so_and_changes_nothing(gallery):
    gallery.add("Kim", one(1))
    gallery.add("Lee", one(3))
    with pytest.raises(GalleryError, match="has no template 2"):
        gallery.take_out("Kim", 2)
    part = gallery.take_out("Kim", 1)
    person = gallery.take_out("Kim")
    with pytest.raises(GalleryError, match="Kim: is not enrolled any more; undo the deletion of the person first"):
        gallery.restore(part)
    gallery.add("Kim", one(5))
    with pytest.raises(GalleryError, match="Kim: someone else was enrolled under this name since; rename that person"):
        gallery.restore(person)
    gallery.rename("Kim", "Kim 2")
    assert gallery.restore(person) == 0
    assert gallery.restore(part) == 1
    with pytest.raises(GalleryError, match="Kim: is enrolled already"):
        gallery.restore(person)
    assert [one.name for one in gallery.list()] == ["Kim", "Kim 2", "Lee"]
    assert gallery.check().damage == ()


def test_templates_of_another_model_do_not_come_back(tmp_path):
    path = tmp_path / "gallery.db"
    with open_at(path) as gallery:
        gallery.add("Kim", one(1), crop(1))
        gallery.add("Lee", one(2), crop(2))
        removed = gallery.take_out("Kim")
    with open_at(path, OTHER_MODEL) as gallery:
        gallery.reenrol(lambda crops: vectors(7, len(crops)))
        with pytest.raises(GalleryError, match="the gallery is of another model by now"):
            gallery.restore(removed)
        assert [person.name for person in gallery.list()] == ["Lee"]
