"""A new model: templates are made anew from kept crops, all of them or none."""

import numpy as np
import pytest

pytest.importorskip("cryptography")

from gallery_fakes import MODEL, OTHER_MODEL, crop, one, open_at

from kface.gallery import GalleryError, Reenrolled


def embed(crops):
    """A model: coarse pixels."""
    assert crops.dtype == np.uint8
    assert crops.shape[1:] == (112, 112, 3)
    return crops[:, ::28, ::28].reshape(len(crops), -1).astype(np.float32) - 127.5


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "gallery.db"
    with open_at(path) as gallery:
        for seed in range(5):
            gallery.add("person {}".format(seed % 2), one(seed), crop(seed))
    return path


def test_templates_are_made_anew_and_keep_their_numbers_and_crops(path):
    batches = []
    with open_at(path, OTHER_MODEL) as gallery:
        before = gallery.templates("person 0")
        done = gallery.reenrol(lambda crops: batches.append(len(crops)) or embed(crops), batch=2)
        assert done == Reenrolled(5, 0)
        assert batches == [2, 2, 1]
        assert gallery.templates("person 0") == before
        for seed in range(5):
            match = gallery.match(embed(crop(seed)[None]))[0][0]
            assert match[:2] == ("person {}".format(seed % 2), pytest.approx(1.0))
        np.testing.assert_array_equal(gallery.crop(before[0].id), crop(0))
        assert gallery.reenrol(embed) == Reenrolled(0, 0)
    with open_at(path, MODEL) as gallery, pytest.raises(GalleryError, match="another model"):
        gallery.match(one(1))


def test_templates_without_a_crop_are_said_and_removed_only_when_that_is_wanted(path):
    with open_at(path) as gallery:
        gallery.add("person 0", one(10))
        gallery.add("Kim", one(11))
    with open_at(path, OTHER_MODEL) as gallery:
        with pytest.raises(GalleryError, match=r"2 of 7 templates, of 2 people, have no crop .*--discard"):
            gallery.reenrol(embed)
        with open_at(path) as old:
            assert old.match(one(11))[0][0].name == "Kim"
        assert gallery.reenrol(embed, discard=True) == Reenrolled(5, 2)
        assert [(person.name, person.templates) for person in gallery.list()] == [
            ("Kim", 0),
            ("person 0", 3),
            ("person 1", 2),
        ]
        assert len(gallery.match(embed(crop(0)[None]), 9)[0]) == 2


def test_where_no_crop_is_kept_nothing_is_left_and_any_model_may_come(tmp_path):
    path = tmp_path / "gallery.db"
    with open_at(path) as gallery:
        gallery.add("Kim", one(1))
    with open_at(path, OTHER_MODEL) as gallery:
        assert gallery.reenrol(embed, discard=True) == Reenrolled(0, 1)
        gallery.add("Kim", one(2, 8))
        assert gallery.match(one(2, 8))[0][0].name == "Kim"


def test_a_fault_of_the_model_changes_nothing(path):
    def failing(crops):
        raise KeyboardInterrupt

    with open_at(path, OTHER_MODEL) as gallery:
        with pytest.raises(KeyboardInterrupt):
            gallery.reenrol(failing)
        with pytest.raises(GalleryError, match="gave 1 embeddings for 5 crops"):
            gallery.reenrol(lambda crops: embed(crops)[:1])
        with pytest.raises(GalleryError, match="zero or not finite"):
            gallery.reenrol(lambda crops: np.full((len(crops), 8), np.nan))
    with open_at(path) as gallery:
        assert gallery.match(one(1))[0][0][:2] == ("person 1", pytest.approx(1.0))


def test_what_others_do_meanwhile_is_kept(path):
    calls = []

    def busy(crops):
        calls.append(len(crops))
        if len(calls) == 1:
            with open_at(path) as other:
                other.add("late", one(20), crop(20))
                other.merge("person 0", "person 1")
        return embed(crops)

    with open_at(path, OTHER_MODEL) as gallery:
        assert gallery.reenrol(busy, batch=3) == Reenrolled(6, 0)
        assert [(person.name, person.templates) for person in gallery.list()] == [("late", 1), ("person 0", 5)]
        for seed, name in ((1, "person 0"), (20, "late")):
            assert gallery.match(embed(crop(seed)[None]))[0][0][:2] == (name, pytest.approx(1.0))


def test_another_process_may_be_faster(path):
    def slow(crops):
        with open_at(path, OTHER_MODEL) as other:
            other.reenrol(embed)
        return embed(crops)

    with open_at(path, OTHER_MODEL) as gallery:
        assert gallery.reenrol(slow, batch=2) == Reenrolled(0, 0)
        assert gallery.match(embed(crop(3)[None]))[0][0].name == "person 1"


def test_without_a_model_there_is_nothing_to_make_anew_for(path):
    with open_at(path, None) as gallery, pytest.raises(GalleryError, match="opened without a model"):
        gallery.reenrol(embed)
