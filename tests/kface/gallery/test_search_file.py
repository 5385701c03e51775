"""The search file: opened instead of every row, never believed where it is not this state's, and gone after every change."""

import logging
import os
import shutil
import stat

import numpy as np
import pytest

pytest.importorskip("cryptography")

from gallery_fakes import MODEL, OTHER_MODEL, crop, edit, one, open_at, vectors

from kface.errors import GalleryError
from kface.gallery import coarse as coarse_module
from kface.gallery import search_file
from kface.gallery.rows import Rows
from kface.gallery.sealed_file import PatchedMatrix, SealedMatrix
from kface.gallery.values import unit

PEOPLE, EACH = 60, 3


@pytest.fixture(autouse=True)
def for_small_ones(monkeypatch):
    """Small galleries are treated like large ones, and have several blocks."""
    monkeypatch.setattr(search_file, "LEAST", 1)
    monkeypatch.setattr(search_file, "BLOCK_BYTES", 4096)
    monkeypatch.setattr(coarse_module, "LEAST", 1)


@pytest.fixture
def path(tmp_path):
    """A gallery with a search file."""
    path = tmp_path / "gallery.db"
    with open_at(path) as gallery:
        for person in range(PEOPLE):
            gallery.add_many("Person {}".format(person), vectors(person, EACH), [crop(person)] * EACH)
        gallery.match(one(0))
    # Only opening makes one.
    with open_at(path) as gallery:
        assert not file_of(path).exists() or not gallery.refresh()
        gallery.match(one(0))
    assert file_of(path).exists()
    return path


def file_of(path):
    return path.with_name(path.name + "-search")


def brute_force(path, probes, k):
    """Names and templates of all rows compared in double precision, from the rows themselves."""
    with open_at(path) as gallery, gallery._store.snapshot() as db:
        people = gallery._rows.people(db).names
        entries = [entry for entry in gallery._rows.entries(db) if entry[1] in people]
        rows = [gallery._rows.vector(db, entry[0], entry[1], gallery._model.current()) for entry in entries]
    exact = np.stack([np.frombuffer(row, "<f4") for row in rows]).astype(np.float64)
    found = []
    for probe in unit(probes):
        scores = np.einsum("ij,j->i", exact, probe.astype(np.float64))
        best = {}
        for (template, person_id, _), score in zip(entries, scores):
            if person_id not in best or score > best[person_id][2]:
                best[person_id] = (people[person_id], template, score)
        order = sorted(best.values(), key=lambda each: -each[2])[:k]
        found.append([(name, template, min(1.0, max(-1.0, score))) for name, template, score in order])
    return found


def matched(gallery, probes, k):
    return [[(m.name, m.template, m.score) for m in matches] for matches in gallery.match(probes, k)]


def is_right(path, gallery=None, probes=None, ks=(1, 5)):
    probes = np.concatenate([vectors(900, 5), vectors(3, 3), -vectors(4, 1)]) if probes is None else probes
    for k in ks:
        expected = brute_force(path, probes, k)
        if gallery is not None:
            assert matched(gallery, probes, k) == expected
        else:
            with open_at(path) as other:
                assert matched(other, probes, k) == expected


def no_row_is_read(monkeypatch):
    def refuse(*_):
        raise AssertionError("rows were read")

    for name in ("fill", "people", "entries"):
        monkeypatch.setattr(Rows, name, refuse)


@pytest.mark.parametrize("batch", [1, 8, 33])
def test_opening_reads_no_row_and_finds_the_same(path, monkeypatch, batch):
    probes = np.concatenate([vectors(3, 3), vectors(901, 30)])[:batch]
    expected = {k: brute_force(path, probes, k) for k in (1, 5, PEOPLE - 1, PEOPLE, PEOPLE + 3)}
    no_row_is_read(monkeypatch)
    with open_at(path) as gallery:
        for k, found in expected.items():
            assert matched(gallery, probes, k) == found
        assert gallery.refresh() == ()
        index = gallery._cache.current()
        assert isinstance(index.matrix, SealedMatrix)
        assert len(index.people) == len(index.names) == PEOPLE
        assert len(index.entries) == PEOPLE * EACH
        assert index.entries[1:3] == list(index.entries)[1:3]
        assert set(index.names) == set(index.people)
        with pytest.raises(KeyError):
            index.names["no one"]
        complete = gallery.index()
        assert isinstance(complete.matrix, np.ndarray)
        np.testing.assert_array_equal(complete.matrix[10:20], index.matrix[np.arange(10, 20)])
        assert index.matrix[np.zeros((0,), np.intp)].shape == (0, 16)
        assert [complete.names[each] for each in complete.people] == [index.names[each] for each in index.people]
    with pytest.raises(GalleryError, match="16 dimensions"), open_at(path) as gallery:
        gallery.match(vectors(1, 1, 8))
    with pytest.raises(GalleryError, match="another model"), open_at(path, OTHER_MODEL) as gallery:
        gallery.match(one(0))


def test_one_row_and_people_without_templates(tmp_path):
    path = tmp_path / "gallery.db"
    with open_at(path) as gallery:
        gallery.add("Kim", one(1))
        gallery.delete_template(gallery.add("Lee", one(2)))
    for _ in range(2):
        is_right(path, ks=(1, 2))
        assert file_of(path).exists()
    with open_at(path) as gallery:
        gallery.delete("Kim")
        assert gallery.match(one(1)) == [[]]
    with open_at(path) as gallery:
        assert gallery.match(one(1)) == [[]]
    assert not file_of(path).exists()


def test_nothing_is_in_it_in_the_clear_and_only_the_owner_reads_it(path):
    data = file_of(path).read_bytes()
    assert stat.S_IMODE(os.stat(str(file_of(path))).st_mode) == 0o600
    with open_at(path) as gallery:
        index = gallery.index()
        for row in range(len(index.entries)):
            assert index.matrix[row].tobytes()[:12] not in data
            assert index.coarse.codes[row, :16].tobytes() not in data
            assert bytes.fromhex(index.entries[row][1]) not in data
        assert b"Person" not in data
        assert MODEL[:16].encode() not in data


CHANGES = {
    "add": lambda gallery: gallery.add("New", one(70)),
    "add to one": lambda gallery: gallery.add("Person 1", one(70)),
    "rename": lambda gallery: gallery.rename("Person 3", "Renamed"),
    "delete": lambda gallery: gallery.delete("Person 3"),
    "delete template": lambda gallery: gallery.delete_template(4),
    "take out": lambda gallery: gallery.take_out("Person 3"),
    "take out and restore": lambda gallery: gallery.restore(gallery.take_out("Person 3")),
    "merge": lambda gallery: gallery.merge("Person 3", "Person 4"),
    "reenrol": lambda gallery: gallery.reenrol(
        lambda crops: crops.reshape(len(crops), -1)[:, :16].astype(np.float32) + 1
    ),
}


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_every_change_erases_it_and_is_seen_by_all(path, change):
    link = path.with_name("link")
    with open_at(path) as gallery, open_at(path) as other:
        gallery.match(one(0))
        other.match(one(0))
        os.link(str(file_of(path)), str(link))
        CHANGES[change](gallery)
        assert not file_of(path).exists()
        # Whoever still has the file has it without its key.
        assert link.read_bytes()[: search_file.HEAD_BYTES] == bytes(search_file.HEAD_BYTES)
        is_right(path, gallery)
        is_right(path, other)
    is_right(path)
    assert file_of(path).exists()
    is_right(path)


def test_changes_are_followed_without_reading_what_has_not_changed(path, monkeypatch):
    """Some two hundred changes by two objects, searched by both, and by one that opens the file after them."""
    random = np.random.RandomState(5)
    names = ["Person {}".format(person) for person in range(PEOPLE)]
    with open_at(path) as gallery, open_at(path) as other:
        gallery.match(one(0))
        other.match(one(0))
        for step in range(120):
            some = (gallery, other)[step % 2]
            name = names[random.randint(len(names))]
            what = random.randint(6)
            if what == 0:
                some.add(name, one(2000 + step))
            elif what == 1:
                names.append("New {}".format(step))
                some.add_many(names[-1], vectors(3000 + step, random.randint(1, 4)))
            elif what == 2:
                some.delete(name)
                names.remove(name)
            elif what == 3:
                some.rename(name, "Renamed {}".format(step))
                names[names.index(name)] = "Renamed {}".format(step)
            elif what == 4:
                into = names[random.randint(len(names))]
                if into != name:
                    some.merge(into, name)
                    names.remove(name)
            elif len(some.templates(name)) > 1:
                some.delete_template(some.templates(name)[0].id)
            if step % 5 == 0:
                probes = np.concatenate([vectors(2000 + step, 1), vectors(3000 + step - 1, 1), vectors(step, 4)])
                is_right(path, gallery, probes, (1, 7))
                is_right(path, other, probes, (1, 7))
                assert isinstance(gallery._cache.current().matrix, PatchedMatrix)
                assert isinstance(other._cache.current().matrix, PatchedMatrix)
        index, plain = gallery.index(), other._cache._load(None)[1]
        np.testing.assert_array_equal(index.matrix, plain.matrix)
        assert list(index.entries) == list(plain.entries)
        assert list(index.people) == list(plain.people)
        assert {each: index.names[each] for each in index.people} == {each: plain.names[each] for each in index.people}
        # What is gone is held no longer.
        assert len(gallery._cache.current().matrix._vectors) < len(index.entries)


def test_rows_before_the_first_and_behind_the_last_are_followed(path, monkeypatch):
    from kface.gallery import rows as rows_module

    with open_at(path) as gallery:
        gallery.match(one(0))
        for number in (0, (1 << 128) - 1, 1, (1 << 128) - 2):
            monkeypatch.setattr(
                rows_module.uuid, "uuid4", lambda number=number: type("Id", (), {"hex": "{:032x}".format(number)})
            )
            gallery.add("Edge {}".format(number), one(4000 + number % 7))
            is_right(path, gallery, np.concatenate([vectors(4000 + number % 7, 1), vectors(3, 2)]))
        assert isinstance(gallery._cache.current().matrix, PatchedMatrix)


@pytest.mark.parametrize("what", ["template", "person", "bucket"])
def test_damage_in_what_has_changed_is_reported(path, what):
    with open_at(path) as gallery:
        gallery.match(one(0))
        with open_at(path) as other:
            template = other.add("New", one(70))
        if what == "template":
            edit(path, "UPDATE template SET sealed = x'00' WHERE id = ?", template)
        elif what == "person":
            edit(
                path, "UPDATE person SET sealed = x'00' WHERE id = (SELECT person FROM template WHERE id = ?)", template
            )
        else:
            edit(path, "UPDATE ledger SET sealed = x'00' WHERE bucket = ?", template % 1024)
        assert len(gallery.refresh()) >= 1
        assert gallery.match(vectors(3, 1))[0][0].name == "Person 3"
        assert gallery.match(one(70))[0][0].name != "New"


def test_many_changes_are_read_anew(path, monkeypatch):
    from kface.gallery import following

    monkeypatch.setattr(following, "MOST_BUCKETS", 1)
    with open_at(path) as gallery:
        gallery.match(one(0))
        gallery.add("New", one(70))
        is_right(path, gallery)
        assert isinstance(gallery._cache.current().matrix, np.ndarray)


def test_an_import_erases_it(path, tmp_path):
    with open_at(tmp_path / "other.db") as other:
        other.add("Imported", one(80))
        other.export_to(tmp_path / "export", "a passphrase that is long")
    with open_at(path) as gallery:
        gallery.import_from(tmp_path / "export", "a passphrase that is long")
        assert not file_of(path).exists()
        is_right(path, gallery)


@pytest.mark.parametrize("change", ["add", "rename", "delete"])
def test_one_of_an_earlier_state_is_erased_and_not_believed(path, tmp_path, change):
    shutil.copy(str(file_of(path)), str(tmp_path / "old"))
    with open_at(path) as gallery:
        CHANGES[change](gallery)
    shutil.copy(str(tmp_path / "old"), str(file_of(path)))
    with open_at(path) as gallery:
        is_right(path, gallery)
        assert "Person 3" not in [m.name for m in gallery.match(vectors(3, 1))[0]] or change == "add"
    is_right(path)
    assert file_of(path).read_bytes() != (tmp_path / "old").read_bytes()


def test_another_gallerys_is_not_believed(path, tmp_path):
    with open_at(tmp_path / "other.db") as other:
        for person in range(PEOPLE):
            other.add_many("Other {}".format(person), vectors(person, EACH))
    is_right(tmp_path / "other.db")
    shutil.copy(str(file_of(tmp_path / "other.db")), str(file_of(path)))
    is_right(path)
    with open_at(tmp_path / "third.db", key=bytes(32)) as third:
        third.add("Third", one(0))
    with open_at(tmp_path / "third.db", key=bytes(32)) as third:
        third.match(one(0))
    shutil.copy(str(file_of(tmp_path / "third.db")), str(file_of(path)))
    is_right(path)


@pytest.mark.parametrize("length", [0, 1, 100, 4095, 4096, 5000, -1])
def test_a_truncated_one_is_made_anew(path, length, caplog):
    data = file_of(path).read_bytes()
    file_of(path).write_bytes(data[:length])
    with caplog.at_level(logging.WARNING):
        is_right(path)
    assert "made anew" in caplog.text
    assert len(file_of(path).read_bytes()) == len(data)
    caplog.clear()
    is_right(path)
    assert not caplog.text


def test_a_longer_one_is_made_anew(path):
    data = file_of(path).read_bytes()
    file_of(path).write_bytes(data + b"x")
    is_right(path)
    assert len(file_of(path).read_bytes()) == len(data)


@pytest.mark.parametrize("place", ["magic", "head", "table", "table's end", "codes", "codes' end", "rows", "rows' end"])
def test_a_changed_one_is_noticed(path, place, caplog):
    with open_at(path) as gallery:
        index = gallery.index()
    head = search_file._open_head(gallery._cipher, file_of(path).read_bytes()[: search_file.HEAD_BYTES])
    table, codes, rows = head.sections()
    data = bytearray(file_of(path).read_bytes())
    places = {
        "magic": 3,
        "head": 100,
        "table": table.offset,
        "table's end": table.end() - 1,
        "codes": codes.offset + 5000,
        "codes' end": codes.end() - 1,
        "rows": rows.offset + 10,
        "rows' end": rows.end() - 1,
    }
    data[places[place]] ^= 1
    file_of(path).write_bytes(bytes(data))
    # The templates that are in the changed blocks, too.
    probes = np.concatenate([index.matrix[:2], index.matrix[-2:], vectors(900, 2)])
    with caplog.at_level(logging.WARNING), open_at(path) as gallery:
        expected = brute_force(path, probes, 3)
        assert matched(gallery, probes, 3) == expected
        assert matched(gallery, probes, 3) == expected
    assert "damaged or changed" in caplog.text
    is_right(path)


def test_a_change_after_a_changed_one_reads_the_rows(path):
    data = bytearray(file_of(path).read_bytes())
    data[-1] ^= 1
    file_of(path).write_bytes(bytes(data))
    with open_at(path) as gallery:
        gallery._cache.current()
        assert gallery.index().matrix.shape == (PEOPLE * EACH, 16)
    file_of(path).write_bytes(bytes(data))
    with open_at(path) as gallery:
        gallery.match(vectors(3, 1))
        gallery.add("New", one(70))
        is_right(path, gallery)


def test_blocks_that_are_exchanged_do_not_open(path):
    head_bytes = search_file.HEAD_BYTES
    data = bytearray(file_of(path).read_bytes())
    with open_at(path) as gallery:
        rows = search_file._open_head(gallery._cipher, bytes(data[:head_bytes])).sections()[2]
    size = rows.block + 16
    first, second = slice(rows.offset, rows.offset + size), slice(rows.offset + size, rows.offset + 2 * size)
    data[first], data[second] = data[second], data[first]
    file_of(path).write_bytes(bytes(data))
    with open_at(path) as gallery:
        is_right(path, gallery, np.concatenate([vectors(person, 1) for person in range(PEOPLE)]))


@pytest.mark.parametrize("what", ["folder", "pipe", "link"])
def test_what_is_not_a_file_is_left_alone(path, tmp_path, what):
    if what == "pipe" and not hasattr(os, "mkfifo"):
        pytest.skip("there are no pipes")
    shutil.copy(str(file_of(path)), str(tmp_path / "elsewhere"))
    before = (tmp_path / "elsewhere").read_bytes()
    file_of(path).unlink()
    {
        "folder": os.mkdir,
        "pipe": getattr(os, "mkfifo", None),
        "link": lambda p: os.symlink(str(tmp_path / "elsewhere"), p),
    }[what](str(file_of(path)))
    is_right(path)
    assert (tmp_path / "elsewhere").read_bytes() == before


def test_damage_is_reported_as_before_and_none_is_written(path):
    file_of(path).unlink()
    edit(path, "UPDATE template SET sealed = x'00' WHERE id = 5")
    for _ in range(2):
        with open_at(path) as gallery:
            assert len(gallery.refresh()) == 1
        assert not file_of(path).exists()


def test_damage_behind_a_search_file_is_found_by_the_check(path):
    """What the file holds was proven when it was written: everyone is recognised, and the check finds the row."""
    expected = brute_force(path, vectors(900, 3), 5)
    edit(path, "UPDATE template SET sealed = x'00' WHERE id = 5")
    with open_at(path) as gallery:
        assert matched(gallery, vectors(900, 3), 5) == expected
        assert len(gallery.check().damage) == 1


def test_without_room_or_rights_it_is_done_without(path, monkeypatch):
    file_of(path).unlink()
    monkeypatch.setattr(search_file.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1 << 20, 1 << 20, 0))
    is_right(path)
    assert not file_of(path).exists()
    monkeypatch.undo()
    monkeypatch.setattr(search_file, "LEAST", 1)
    monkeypatch.setattr(coarse_module, "LEAST", 1)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(search_file, "seal", fail)
    is_right(path)
    assert not file_of(path).exists()
    assert not file_of(path).with_name(file_of(path).name + ".new").exists()


def test_a_change_while_it_is_written_erases_it(path, monkeypatch):
    file_of(path).unlink()
    write = search_file.write

    def meanwhile(*arguments):
        with open_at(path) as other:
            other.delete("Person 3")
        return write(*arguments)

    monkeypatch.setattr(search_file, "write", meanwhile)
    with open_at(path) as gallery:
        gallery.refresh()
        assert not file_of(path).exists()
        monkeypatch.setattr(search_file, "write", write)
        is_right(path, gallery)


def test_what_a_killed_process_left_is_written_over(path):
    new = file_of(path).with_name(file_of(path).name + ".new")
    new.write_bytes(b"x" * 10_000_000)
    size = file_of(path).stat().st_size
    file_of(path).unlink()
    is_right(path)
    assert file_of(path).stat().st_size == size
    assert not new.exists()


def test_an_export_is_not_written_over_it(path):
    with open_at(path) as gallery, pytest.raises(GalleryError):
        gallery.export_to(file_of(path), "a passphrase that is long")


def test_a_new_gallery_does_not_find_the_old_ones(path):
    path.unlink()
    with open_at(path) as gallery:
        assert not file_of(path).exists()
        assert gallery.match(one(0)) == [[]]


def test_old_versions_of_cryptography_decrypt_too(path, monkeypatch):
    from kface.gallery import cipher as cipher_module

    class Old(object):
        def __init__(self, aead):
            self.encrypt, self.decrypt = aead.encrypt, aead.decrypt

    new = cipher_module._aead
    monkeypatch.setattr(cipher_module, "_aead", lambda key: Old(new(key)))
    no_row_is_read(monkeypatch)
    with open_at(path) as gallery:
        assert gallery.match(vectors(3, 1))[0][0].name == "Person 3"
