"""Nobody reads the file without its key, and nobody changes it unnoticed."""

import hashlib
import sqlite3

import numpy as np
import pytest

pytest.importorskip("cryptography")

from gallery_fakes import KEY, crop, edit, one, open_at, query

from kface.gallery import GalleryError
from kface.gallery.cipher import Cipher, ForgedError


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "gallery.db"
    with open_at(path) as gallery:
        gallery.add("Kim Cheolsu", one(1), crop(1))
        gallery.add("Lee Younghee", one(2), crop(2))
    return path


def refusals(path):
    """Return what is said when everything is read: what is left out, and what is refused."""
    with open_at(path) as gallery:
        said = [each.what for each in gallery.check().damage]
        templates = [row[0] for row in query(path, "SELECT id FROM template")]
        for call in [gallery.list, lambda: gallery.match(one(1))] + [
            lambda template=template: gallery.crop(template) for template in templates
        ]:
            try:
                call()
            except GalleryError as error:
                said.append(str(error))
    return said


def test_nothing_readable_is_in_the_file(path):
    data = path.read_bytes()
    vector = (one(1) / np.linalg.norm(one(1))).astype("<f4").tobytes()
    assert b"Cheolsu" not in data
    assert b"Younghee" not in data
    assert vector[:8] not in data
    assert b"PNG" not in data
    assert b"IHDR" not in data
    assert KEY not in data
    assert KEY[:16] not in data


def test_equal_templates_look_different_and_nonces_are_fresh(path):
    with open_at(path) as gallery:
        gallery.add_many("Kim", np.stack([one(1)] * 50))
    rows = query(path, "SELECT nonce, sealed FROM template")
    assert len({nonce for nonce, _ in rows}) == len({sealed for _, sealed in rows}) == 52
    assert {len(nonce) for nonce, _ in rows} == {12}


def test_a_name_is_looked_up_by_a_keyed_hash(path):
    handles = {row[0] for row in query(path, "SELECT handle FROM person")}
    assert len(handles) == 2
    assert hashlib.sha256(b"Kim Cheolsu").digest() not in handles
    assert Cipher(KEY).handle("Kim Cheolsu") in handles
    assert Cipher(bytes(32)).handle("Kim Cheolsu") not in handles


def test_another_key_is_refused_before_anything_is_written(path):
    before = query(path, "SELECT count(*) FROM template")
    with pytest.raises(GalleryError, match="the key does not fit .*; use the key it was created with"):
        open_at(path, key=bytes(32))
    assert query(path, "SELECT count(*) FROM template") == before
    assert refusals(path) == []


def test_a_key_has_32_bytes(tmp_path):
    with pytest.raises(GalleryError, match="a key has 32 bytes, not 16"):
        open_at(tmp_path / "gallery.db", key=bytes(16))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE template SET sealed = zeroblob(length(sealed)) WHERE id = 1", "template 1 of the person"),
        ("UPDATE template SET sealed = substr(sealed, 2) WHERE id = 1", "template 1 of the person"),
        ("UPDATE template SET sealed = 'text' WHERE id = 1", "template 1 of the person"),
        ("UPDATE template SET nonce = x'00' WHERE id = 1", "template 1 of the person"),
        ("UPDATE template SET nonce = zeroblob(12) WHERE id = 1", "template 1 of the person"),
        (
            "UPDATE template SET person = (SELECT id FROM person WHERE id != person) WHERE id = 1",
            "template 1 of the person",
        ),
        (
            "UPDATE template SET nonce = (SELECT nonce FROM template WHERE id = 2),"
            " sealed = (SELECT sealed FROM template WHERE id = 2) WHERE id = 1",
            "template 1 of the person",
        ),
        (
            "UPDATE crop SET nonce = (SELECT nonce FROM crop WHERE template = 2),"
            " sealed = (SELECT sealed FROM crop WHERE template = 2) WHERE template = 1",
            "the crop of template 1 of the person",
        ),
        (
            "UPDATE crop SET nonce = (SELECT nonce FROM template WHERE id = 1),"
            " sealed = (SELECT sealed FROM template WHERE id = 1) WHERE template = 1",
            "the crop of template 1 of the person",
        ),
        (
            "UPDATE person SET nonce = (SELECT nonce FROM person ORDER BY id LIMIT 1),"
            " sealed = (SELECT sealed FROM person ORDER BY id LIMIT 1)",
            "the name of the person",
        ),
    ],
)
def test_a_changed_or_moved_row_is_refused_by_name(path, statement, what):
    assert edit(path, statement) > 0
    said = refusals(path)
    assert said
    for line in said:
        assert what in line
        assert "was changed since it was written, or moved" in line
        assert "\n" not in line


def test_a_damaged_template_is_left_out_and_the_others_are_recognised(path, caplog):
    edit(path, "UPDATE template SET sealed = zeroblob(length(sealed)) WHERE id = 1")
    with open_at(path) as gallery:
        assert gallery.match(one(2))[0][0].name == "Lee Younghee"
        assert [match.name for match in gallery.match(one(1), 5)[0]] == ["Lee Younghee"]
        (damage,) = gallery.damage
        assert (damage.name, damage.template) == ("Kim Cheolsu", 1)
        assert "Kim Cheolsu: template 1 of the person" in str(damage)
        assert len(gallery.check().damage) == 1
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "Kim Cheolsu: template 1 of the person" in caplog.text


def test_a_row_without_its_index_entry_or_the_other_way_round_is_left_out(path):
    row = query(path, "SELECT sql, rootpage FROM sqlite_master WHERE name = 'template_of_person'")[0]
    hidden = "DELETE FROM sqlite_master WHERE name = 'template_of_person'"
    db = sqlite3.connect(str(path))
    db.execute("PRAGMA writable_schema=ON")
    db.execute(hidden)
    db.commit()
    db.close()
    edit(path, "DELETE FROM template WHERE id = 1")
    db = sqlite3.connect(str(path))
    db.execute("PRAGMA writable_schema=ON")
    db.execute("INSERT INTO sqlite_master VALUES ('index', 'template_of_person', 'template', ?, ?)", (row[1], row[0]))
    db.commit()
    db.close()
    with open_at(path) as gallery:
        assert gallery.match(one(2))[0][0].name == "Lee Younghee"
        assert ["is missing" in each.what for each in gallery.damage] == [True]


def test_handles_belong_to_people(path):
    (one_id, one_handle), (other_id, other_handle) = query(path, "SELECT id, handle FROM person")
    edit(path, "UPDATE person SET handle = x'00' WHERE id = ?", one_id)
    edit(path, "UPDATE person SET handle = ? WHERE id = ?", one_handle, other_id)
    edit(path, "UPDATE person SET handle = ? WHERE id = ?", other_handle, one_id)
    with open_at(path) as gallery:
        for name in ("Kim Cheolsu", "Lee Younghee"):
            with pytest.raises(GalleryError, match="the name of the person .* was changed"):
                gallery.add(name, one(7))
            with pytest.raises(GalleryError, match="the name of the person .* was changed"):
                gallery.delete(name)
        assert gallery.match(one(1)) == [[]]
        assert len(gallery.damage) == 2
        # Their faces are still there, and the ID is the way to them.
        for person, seed in ((one_id, 1), (other_id, 2)):
            gallery.rename(person, "again {}".format(seed))
        assert {gallery.match(one(seed))[0][0].name for seed in (1, 2)} == {"again 1", "again 2"}
        assert gallery.refresh() == ()


def test_a_deleted_row_is_said(path):
    edit(path, "DELETE FROM template WHERE id = 1")
    with open_at(path) as gallery:
        assert [each.what for each in gallery.refresh()] == ["template 1 is missing"]
    edit(path, "DELETE FROM person")
    with open_at(path) as gallery:
        assert sum("the person" in each.what and "is missing" in each.what for each in gallery.refresh()) == 2
        with pytest.raises(GalleryError, match="is missing"):
            gallery.export_to(str(path) + ".export", "a passphrase")


def test_who_was_deleted_cannot_be_put_back(path):
    rows = [query(path, "SELECT * FROM person")[0], query(path, "SELECT * FROM template WHERE id = 1")[0]]
    with open_at(path) as gallery:
        gallery.delete("Kim Cheolsu")
    for table, row in zip(("person", "template"), rows):
        edit(path, "INSERT OR REPLACE INTO {} VALUES (?, ?, ?, ?, ?)".format(table), *row)
    with open_at(path) as gallery:
        assert [match.name for match in gallery.match(one(1), 9)[0]] == ["Lee Younghee"]
        assert "is not on the gallery's row list" in gallery.damage[0].what


def test_a_deleted_check_lets_no_key_in(path):
    edit(path, "DELETE FROM facts WHERE name = 'check'")
    for key in (bytes(32), KEY):
        with pytest.raises(GalleryError, match="the key does not fit .*gallery accept"):
            open_at(path, key=key)
    with pytest.raises(GalleryError, match="this key decrypts nothing in it"):
        open_at(path, key=bytes(32), accept=True)
    open_at(path, accept=True).close()
    with open_at(path) as gallery:
        assert gallery.match(one(1))[0][0].name == "Kim Cheolsu"
        assert gallery.damage == ()


@pytest.mark.parametrize("how", ["older", "other", "empty", "wal"])
def test_another_file_in_its_place_is_refused_until_it_is_accepted(path, tmp_path, how):
    kept = path.read_bytes()
    if how == "other":
        with open_at(tmp_path / "other.db") as gallery:
            gallery.add("Mallory", one(1))
        kept = (tmp_path / "other.db").read_bytes()
    if how == "empty":
        kept = b""
    gallery = open_at(path)
    gallery.add("Park", one(3))
    if how == "wal":
        # What is in the log only is lost with it.
        kept = path.read_bytes()
    gallery.close()
    path.write_bytes(kept)
    said = {"other": "it was replaced by another gallery", "empty": "is empty"}.get(
        how, "it was replaced by an older file"
    )
    for _ in range(2):
        with pytest.raises(GalleryError, match=said + ".*kface gallery accept"):
            open_at(path)
    with open_at(path, accept=True) as gallery:
        assert gallery.accepted
        assert "Park" not in [person.name for person in gallery.list()]
        gallery.add("Choi", one(4))
    with open_at(path) as gallery:
        assert gallery.match(one(4))[0][0].name == "Choi"
        assert gallery.check().damage == ()


def test_a_gallery_that_was_removed_is_made_anew_and_a_moved_one_opens(path, tmp_path):
    moved = tmp_path / "moved.db"
    path.rename(moved)
    with open_at(moved) as gallery:
        assert len(gallery.list()) == 2
    with open_at(path) as gallery:
        assert gallery.list() == []
    with open_at(path) as gallery:
        assert gallery.check().witness_fault == ""


def test_a_witness_that_cannot_be_kept_is_said_and_ends_nothing(path, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with open_at(path) as gallery:
        gallery.add("Park", one(3))
        assert "restoring an older gallery file will not be noticed" in gallery.check().witness_fault


def test_accepting_keeps_everybody_who_can_be_read(path):
    edit(path, "UPDATE template SET sealed = zeroblob(60) WHERE id = 2")
    edit(path, "UPDATE person SET sealed = zeroblob(40) WHERE id = (SELECT person FROM template WHERE id = 1)")
    edit(path, "DELETE FROM crop WHERE template = 1")
    edit(path, "DELETE FROM ledger")
    with pytest.raises(GalleryError, match="its row list is missing"):
        open_at(path)
    with open_at(path, accept=True) as gallery:
        assert "removed template 2: it cannot be read" in gallery.accepted
        names = [person.name for person in gallery.list()]
        assert names[0] == "Lee Younghee"
        assert names[1].startswith("unreadable ")
        assert gallery.match(one(1))[0][0].name == names[1]
        assert gallery.check().damage == ()


def test_another_model_cannot_be_claimed_for_old_templates(path):
    edit(path, "UPDATE facts SET value = ? WHERE name = 'fingerprint'", "b" * 64)
    with open_at(path, "b" * 64) as gallery, pytest.raises(GalleryError, match="was changed"):
        gallery.match(one(1))


@pytest.mark.parametrize("value", ["", "-1", "0", "99999999999", "x"])
def test_a_changed_length_is_refused(path, value):
    edit(path, "UPDATE facts SET value = ? WHERE name = 'embedding'", value)
    with open_at(path) as gallery, pytest.raises(GalleryError, match="lacks the size of its embeddings"):
        gallery.match(one(1))


def test_a_changed_length_that_could_be_one_is_refused_too(path):
    edit(path, "UPDATE facts SET value = '17' WHERE name = 'embedding'")
    with open_at(path) as gallery, pytest.raises(GalleryError, match="its model was changed"):
        gallery.match(one(1, 17))


@pytest.mark.parametrize("value", ["", "x", "00:zz", "00:00"])
def test_a_changed_check_is_refused(path, value):
    edit(path, "UPDATE facts SET value = ? WHERE name = 'check'", value)
    with pytest.raises(GalleryError, match="the key does not fit"):
        open_at(path)


def test_the_way_out_of_a_changed_row_works(path):
    edit(path, "UPDATE template SET sealed = zeroblob(32) WHERE id = 1")
    with open_at(path) as gallery:
        gallery.match(one(1))
        person = query(path, "SELECT person FROM template WHERE id = 1")[0][0]
        assert gallery.damage[0].person_id == person
        assert person in gallery.damage[0].what
        gallery.delete(person)
        assert gallery.refresh() == ()
        assert gallery.match(one(2))[0][0].name == "Lee Younghee"


def test_a_change_while_it_is_open_is_noticed(path):
    with open_at(path) as gallery:
        assert gallery.match(one(1))[0][0].name == "Kim Cheolsu"
        # The nonce alone would not show that the template is another person's now.
        edit(path, "UPDATE template SET person = (SELECT person FROM template WHERE id = 2) WHERE id = 1")
        assert gallery.match(one(1))[0][0].score < 0.99
        assert "template 1 of the person" in gallery.damage[0].what


def test_a_damaged_file_is_said_to_be_damaged(path):
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * len(data[4096:])
    path.write_bytes(bytes(data))
    what = r"gallery\.db: is damaged, or is not a gallery .*import an export over it"
    with pytest.raises(GalleryError, match=what), open_at(path) as gallery:
        gallery.list()


def test_a_cipher_opens_only_what_belongs_together():
    cipher = Cipher(KEY)
    nonce, sealed = cipher.seal(b"data", b"here")
    assert cipher.open(nonce, sealed, b"here") == b"data"
    for wrong in (
        (nonce, sealed, b"there"),
        (bytes(12), sealed, b"here"),
        (b"", sealed, b"here"),
        (nonce, b"", b"here"),
    ):
        with pytest.raises(ForgedError):
            cipher.open(*wrong)
    with pytest.raises(ForgedError):
        Cipher(bytes(32)).open(nonce, sealed, b"here")


def test_the_key_is_in_no_representation(path):
    with open_at(path) as gallery:
        shown = repr(gallery) + repr(gallery._cipher) + repr(vars(gallery._cipher).keys())
    assert KEY.hex() not in shown
    assert repr(KEY) not in shown
