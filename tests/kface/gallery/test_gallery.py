"""People come, are found, renamed, merged and go; all of it is there after the file was closed."""

import os
import stat
import threading
import unicodedata

import numpy as np
import pytest

pytest.importorskip("cryptography")

from gallery_fakes import KEY, MODEL, OTHER_MODEL, SIZE, TABLE, crop, edit, one, open_at, query, vectors

from kface.gallery import Gallery, GalleryError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "gallery.db"


@pytest.fixture
def gallery(path):
    with open_at(path) as opened:
        yield opened


def names(gallery):
    return [person.name for person in gallery.list()]


def test_what_was_added_is_there_after_the_file_was_closed(path):
    with open_at(path) as gallery:
        first = gallery.add("Kim", one(1))
        second = gallery.add("Kim", one(2), crop(2))
        gallery.add("Lee", one(3))
    with open_at(path) as gallery:
        kim, lee = gallery.list()
        assert (kim.name, kim.templates, kim.crops) == ("Kim", 2, 1)
        assert (lee.name, lee.templates, lee.crops) == ("Lee", 1, 0)
        assert [(each.id, each.crop) for each in gallery.templates("Kim")] == [(first, False), (second, True)]
        assert gallery.templates(kim.id) == gallery.templates("Kim")
        assert kim.created.endswith("+00:00")
        np.testing.assert_array_equal(gallery.crop(second), crop(2))
        assert gallery.crop(first) is None


def test_match_finds_the_best_template_of_the_best_people_as_a_plain_loop_does(gallery):
    enrolled = {}
    for number in range(12):
        # Interleaved, so that a person's templates are not written one after the other.
        for name in ("a", "b", "c", "d", "e"):
            seed = number * 5 + ord(name)
            template = gallery.add(name, 3 * one(seed))
            enrolled[template] = (name, one(seed) / np.linalg.norm(one(seed)))
    probes = vectors(1000, 7)
    for k in (1, 2, 4, 5, 9):
        found = gallery.match(probes, k)
        assert len(found) == len(probes)
        for probe, matches in zip(probes, found):
            probe = probe / np.linalg.norm(probe)
            best = {}
            for template, (name, vector) in enrolled.items():
                score = float(np.dot(probe, vector))
                if score > best.get(name, (-2, None))[0]:
                    best[name] = (score, template)
            wanted = sorted(best.items(), key=lambda item: -item[1][0])[:k]
            assert [(match.name, match.template) for match in matches] == [(n, t) for n, (_, t) in wanted]
            np.testing.assert_allclose([match.score for match in matches], [s for _, (s, _) in wanted], atol=1e-5)


def test_a_match_begins_with_what_the_recogniser_reads(gallery):
    gallery.add("Kim", one(1))
    match = gallery.match(one(1))[0][0]
    assert tuple(match[:2]) == ("Kim", pytest.approx(1.0))
    assert match.person_id == gallery.list()[0].id


def test_a_score_is_a_cosine_whatever_rounding_does(gallery):
    gallery.add_many("Kim", vectors(1, 300))
    scores = [matches[0].score for matches in gallery.match(vectors(1, 300))]
    assert max(scores) == 1.0
    assert min(scores) > 0.99999


def test_many_probes_go_in_several_products(gallery, monkeypatch):
    gallery.add_many("Kim", vectors(1, 3))
    gallery.add_many("Lee", vectors(2, 3))
    probes = vectors(3, 10)
    whole = gallery.match(probes, 2)
    monkeypatch.setattr("kface.gallery.index.SCORES_AT_ONCE", 12)
    parts = gallery.match(probes, 2)
    assert [[match.name for match in each] for each in parts] == [[match.name for match in each] for each in whole]
    assert len(parts) == 10


def test_a_score_stands_for_the_least_false_match_rate_whose_threshold_it_reaches(gallery):
    base = np.eye(SIZE, dtype=np.float32)
    gallery.add("Kim", base[0])
    for cosine, fmr in ((0.9, 1e-3), (0.8001, 1e-3), (0.79, 1e-2), (0.49, None)):
        probe = cosine * base[0] + np.sqrt(1 - cosine**2) * base[1]
        assert gallery.match(probe, 1, TABLE)[0][0].fmr == fmr
        assert gallery.match(probe)[0][0].fmr is None


def test_an_empty_gallery_and_no_probes_match_nothing(gallery):
    assert gallery.match(vectors(1, 3)) == [[], [], []]
    gallery.add("Kim", one(1))
    assert gallery.match(np.zeros((0, SIZE), np.float32)) == []


def test_rename_keeps_templates_and_refuses_a_name_that_is_taken(gallery):
    gallery.add("Kim", one(1))
    gallery.add("Lee", one(2))
    gallery.rename("Kim", "Park")
    assert names(gallery) == ["Lee", "Park"]
    assert gallery.match(one(1))[0][0].name == "Park"
    with pytest.raises(GalleryError, match="Lee: the name is already enrolled; merge"):
        gallery.rename("Park", "Lee")
    gallery.rename("Park", " Park ")
    assert names(gallery) == ["Lee", "Park"]


def test_delete_forgets_the_person_with_templates_and_crops(gallery, path):
    gallery.add("Kim", one(1), crop(1))
    gallery.add("Kim", one(2))
    gallery.add("Lee", one(3))
    assert gallery.match(one(1))[0][0].name == "Kim"
    assert gallery.delete("Kim") == 2
    assert names(gallery) == ["Lee"]
    assert [match.name for match in gallery.match(one(1), 5)[0]] == ["Lee"]
    assert query(path, "SELECT (SELECT count(*) FROM crop), (SELECT count(*) FROM template)") == [(0, 1)]


def test_what_was_deleted_is_gone_from_the_files(gallery, path):
    gallery.add("Kim", one(1), crop(1))
    sealed = [row[0] for row in query(path, "SELECT sealed FROM template UNION ALL SELECT sealed FROM crop")]
    gallery.delete("Kim")
    data = b"".join(each.read_bytes() for each in path.parent.iterdir() if each.name.startswith("gallery.db"))
    assert len(sealed) == 2
    for blob in sealed:
        assert blob[40:72] not in data
        assert blob[:32] not in data


def test_delete_template_leaves_the_person(gallery):
    first, second = gallery.add_many("Kim", vectors(1, 2))
    gallery.delete_template(first)
    assert [each.id for each in gallery.templates("Kim")] == [second]
    gallery.delete_template(second)
    assert names(gallery) == ["Kim"]
    assert gallery.match(one(1)) == [[]]
    with pytest.raises(GalleryError, match="no such template: {}".format(second)):
        gallery.delete_template(second)


def test_template_numbers_are_not_used_again(gallery):
    gallery.add("Kim", one(1))
    last = gallery.add("Kim", one(2))
    gallery.delete("Kim")
    assert gallery.add("Kim", one(3)) > last


def test_merge_moves_templates_and_crops(gallery, path):
    kept = gallery.add("Kim", one(1))
    moved = gallery.add("Kim2", one(2), crop(2))
    gallery.match(one(1))
    assert gallery.merge("Kim", "Kim2") == 1
    assert names(gallery) == ["Kim"]
    assert gallery.match(one(2))[0][0][:2] == ("Kim", pytest.approx(1.0))
    assert {each.id for each in gallery.templates("Kim")} == {kept, moved}
    np.testing.assert_array_equal(gallery.crop(moved), crop(2))
    with open_at(path) as again:
        assert again.match(one(2))[0][0].name == "Kim"
    with pytest.raises(GalleryError, match="the same person twice"):
        gallery.merge("Kim", "Kim")


def test_nobody_is_said_to_be_nobody(gallery):
    for call in (
        gallery.delete,
        gallery.templates,
        lambda who: gallery.rename(who, "x"),
        lambda who: gallery.merge(who, who),
    ):
        with pytest.raises(GalleryError, match="Choi: no such person"):
            call("Choi")


def test_a_name_is_one_name_however_it_was_typed(gallery):
    gallery.add("김 철수", one(1))
    gallery.add(unicodedata.normalize("NFD", "  김   철수 "), one(2))
    assert [(person.name, person.templates) for person in gallery.list()] == [("김 철수", 2)]


@pytest.mark.parametrize("name", ["", "  ", "a\x00b", "x" * 201, "a\udce1"])
def test_names_that_are_none_are_refused(gallery, name):
    with pytest.raises(GalleryError, match="a name must"):
        gallery.add(name, one(1))
    assert gallery.list() == []


@pytest.mark.parametrize(
    "embedding", [np.zeros(SIZE), np.full(SIZE, np.nan), np.full(SIZE, np.inf), np.zeros((1, 2, 3)), np.array(["a"])]
)
def test_embeddings_that_are_none_are_refused(gallery, embedding):
    gallery.add("Kim", one(1))
    with pytest.raises(GalleryError, match="embedding"):
        gallery.add("Lee", embedding)
    with pytest.raises(GalleryError, match="embedding"):
        gallery.match(embedding)
    assert names(gallery) == ["Kim"]


def test_very_long_and_very_short_embeddings_are_as_good_as_others(gallery):
    gallery.add("Kim", np.float64(1e200) * one(1))
    assert gallery.match(np.float64(1e-200) * one(1).astype(np.float64))[0][0].score == pytest.approx(1.0)


def test_add_many_is_all_or_nothing(gallery):
    with pytest.raises(GalleryError, match="crop must be"):
        gallery.add_many("Kim", vectors(1, 2), [crop(1), crop(2)[:50]])
    with pytest.raises(GalleryError, match="1 crops for 2 embeddings"):
        gallery.add_many("Kim", vectors(1, 2), [crop(1)])
    with pytest.raises(GalleryError, match="no embedding"):
        gallery.add_many("Kim", np.zeros((0, SIZE), np.float32))
    assert gallery.list() == []


def test_a_failure_in_the_middle_leaves_nothing(gallery, monkeypatch):
    gallery.add("Kim", one(1))
    seal, calls = gallery._cipher.seal, []

    def failing(data, associated):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return seal(data, associated)

    monkeypatch.setattr(gallery._cipher, "seal", failing)
    with pytest.raises(KeyboardInterrupt):
        gallery.add_many("Lee", vectors(2, 5))
    monkeypatch.undo()
    assert names(gallery) == ["Kim"]
    gallery.add("Lee", one(3))
    assert names(gallery) == ["Kim", "Lee"]


def test_another_length_is_refused(gallery):
    gallery.add("Kim", one(1))
    with pytest.raises(GalleryError, match="16 dimensions, not 8"):
        gallery.add("Kim", one(1, 8))
    with pytest.raises(GalleryError, match="16 dimensions, not 8"):
        gallery.match(one(1, 8))


def test_k_is_at_least_one(gallery):
    with pytest.raises(GalleryError, match="k must be at least 1, not 0"):
        gallery.match(one(1), 0)


def test_another_model_is_refused_with_the_way_out_until_nothing_is_left(path):
    with open_at(path) as gallery:
        gallery.add("Kim", one(1))
    with open_at(path, OTHER_MODEL) as gallery:
        for call in (lambda: gallery.add("Lee", one(2)), lambda: gallery.match(one(1))):
            with pytest.raises(GalleryError, match=r"from another model \(aaaaaaaaaaaa\) than .*gallery reenrol"):
                call()
        assert names(gallery) == ["Kim"]
        gallery.rename("Kim", "Park")
        gallery.delete("Park")
        gallery.add("Lee", one(2, 8))
        assert gallery.match(one(2, 8))[0][0].name == "Lee"


def test_without_a_fingerprint_it_is_of_the_model_that_it_is_of(path):
    with open_at(path, None) as gallery:
        with pytest.raises(GalleryError, match="no model yet"):
            gallery.add("Kim", one(1))
        assert gallery.match(one(1)) == [[]]
    with open_at(path) as gallery:
        gallery.add("Kim", one(1))
    with open_at(path, None) as gallery:
        gallery.add("Lee", one(2))
        assert gallery.match(one(2))[0][0].name == "Lee"
    with open_at(path) as gallery:
        assert gallery.match(one(2))[0][0].name == "Lee"


def test_two_objects_see_each_others_changes(path):
    with open_at(path) as first, open_at(path) as second:
        assert second.match(one(1)) == [[]]
        first.add("Kim", one(1))
        assert second.match(one(1))[0][0].name == "Kim"
        second.add("Lee", one(2))
        assert first.match(one(2))[0][0].name == "Lee"
        first.rename("Lee", "Park")
        assert second.match(one(2))[0][0].name == "Park"
        first.merge("Kim", "Park")
        assert second.match(one(2))[0][0].name == "Kim"
        second.delete("Kim")
        assert first.match(one(1)) == [[]]


def test_the_version_tells_of_every_change_here_and_elsewhere(path, tmp_path):
    with open_at(path) as first, open_at(path) as second:
        seen = [(first.version(), second.version())]

        def changed(both=True):
            """Return whether each has noticed, once."""
            seen.append((first.version(), second.version()))
            assert seen[-1] == (first.version(), second.version())
            return tuple(now > before for before, now in zip(*seen[-2:]))

        assert changed() == (False, False)
        template = first.add("Kim", one(1), crop(1))
        assert changed() == (True, True)
        second.add("Lee", one(2))
        assert changed() == (True, True)
        for change in (
            lambda: first.rename("Lee", "Park"),
            lambda: second.merge("Kim", "Park"),
            lambda: first.delete_template(template),
            lambda: second.export_to(tmp_path / "export", "a passphrase") and second.delete("Kim"),
            lambda: first.import_from(tmp_path / "export", "a passphrase"),
        ):
            change()
            assert changed() == (True, True)
        first.match(one(1)), second.list(), first.templates("Kim")
        assert changed() == (False, False)
        with pytest.raises(GalleryError):
            first.rename("Choi", "x")
        assert changed() == (False, False)
    with pytest.raises(GalleryError, match="closed"):
        first.version()


def test_only_what_is_new_is_read_again(path, monkeypatch):
    with open_at(path) as gallery, open_at(path) as other:
        gallery.add_many("Kim", vectors(1, 20))
        gallery.match(one(1))
        read = []
        vector = gallery._rows.vector
        monkeypatch.setattr(gallery._rows, "vector", lambda *rest: read.append(rest[1]) or vector(*rest))
        gallery.match(one(1))
        assert read == []
        new = other.add("Lee", one(2))
        assert gallery.match(one(2))[0][0].name == "Lee"
        assert read == [new]


def test_threads_share_a_gallery(gallery):
    gallery.add("Kim", one(1))
    faults = []

    def work(number):
        try:
            for step in range(10):
                gallery.add("person {}".format(number), one(100 * number + step))
                assert gallery.match(one(100 * number + step))[0][0].name == "person {}".format(number)
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert sum(person.templates for person in gallery.list()) == 41


def test_the_files_are_their_owners_only(gallery, path):
    gallery.add("Kim", one(1))
    files = sorted(each.name for each in path.parent.iterdir())
    assert files == ["gallery.db", "gallery.db-shm", "gallery.db-wal"]
    assert {stat.S_IMODE(os.stat(str(each)).st_mode) for each in path.parent.iterdir()} == {0o600}


def test_what_is_committed_is_synced(gallery):
    db = gallery._store._db
    assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert db.execute("PRAGMA synchronous").fetchone()[0] == 2


def test_an_absent_gallery_is_made_only_where_that_is_wanted(tmp_path):
    with pytest.raises(GalleryError, match="no gallery; enrol someone first"):
        open_at(tmp_path / "gallery.db", create=False)
    assert list(tmp_path.iterdir()) == []


def test_other_files_are_refused_and_left_as_they_are(tmp_path):
    text = tmp_path / "text"
    text.write_text("not a database, and longer than SQLite's header is: " + "x" * 100)
    other = tmp_path / "other.db"
    edit(other, "CREATE TABLE somebody (name TEXT)")
    for path, what in ((text, "is damaged, or is not a gallery"), (other, "other.db: is not a gallery")):
        before = path.read_bytes()
        with pytest.raises(GalleryError, match=what):
            open_at(path)
        assert path.read_bytes() == before
    with pytest.raises(GalleryError, match="cannot be opened"):
        open_at(tmp_path)


def test_a_later_schema_is_refused(path):
    open_at(path).close()
    edit(path, "PRAGMA user_version=3")
    with pytest.raises(GalleryError, match="schema version 3, this program reads 2"):
        open_at(path)


def test_a_gallery_that_another_holds_is_said_to_be_in_use(path):
    with open_at(path) as first, open_at(path, timeout=0.1) as second:
        first.add("Kim", one(1))
        with first._store.transaction():
            assert names(second) == ["Kim"]
            with pytest.raises(GalleryError, match=r"locked by another process for 0\.1 s; try again"):
                second.add("Lee", one(2))
        second.add("Lee", one(2))


def test_a_closed_gallery_says_so(path):
    gallery = Gallery(str(path), MODEL, KEY)
    gallery.add("Kim", one(1))
    gallery.close()
    gallery.close()
    for call in (gallery.list, lambda: gallery.add("Kim", one(1)), lambda: gallery.match(one(1))):
        with pytest.raises(GalleryError, match="closed"):
            call()


def test_an_empty_gallery_becomes_another_models_and_one_with_templates_does_not(tmp_path):
    with open_at(tmp_path / "g.db") as gallery:
        gallery.use_model(OTHER_MODEL)
        gallery.use_model(MODEL)
        gallery.add("Kim", one(1))
        gallery.use_model(MODEL)
        with pytest.raises(GalleryError) as caught:
            gallery.use_model(OTHER_MODEL)
        assert "from another model (aaaaaaaaaaaa) than this one (bbbbbbbbbbbb); recompute them" in str(caught.value)
        # It is as it was.
        assert gallery.match(one(1))[0][0].name == "Kim"
        gallery.delete("Kim")
        gallery.use_model(OTHER_MODEL)
        gallery.add("Lee", one(2))
    with pytest.raises(GalleryError, match="from another model"), open_at(tmp_path / "g.db") as gallery:
        gallery.match(one(1))
    with open_at(tmp_path / "g.db", OTHER_MODEL) as gallery:
        assert gallery.match(one(2))[0][0].name == "Lee"
