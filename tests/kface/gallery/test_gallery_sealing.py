"""Nobody reads the file without its key, and nobody changes it unnoticed."""

import hashlib

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
    """Return what is said when everything is read."""
    said = []
    with open_at(path) as gallery:
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
    with pytest.raises(GalleryError, match="its key is another one .*; give the key it was made with"):
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
        assert "was changed since it was written, or moved; restore it from an export, or delete" in line
        assert "\n" not in line


def test_another_model_cannot_be_claimed_for_old_templates(path):
    edit(path, "UPDATE facts SET value = ? WHERE name = 'fingerprint'", "b" * 64)
    with open_at(path, "b" * 64) as gallery, pytest.raises(GalleryError, match="was changed"):
        gallery.match(one(1))


@pytest.mark.parametrize("value", ["", "-1", "0", "99999999999", "x"])
def test_a_changed_length_is_refused(path, value):
    edit(path, "UPDATE facts SET value = ? WHERE name = 'embedding'", value)
    with open_at(path) as gallery, pytest.raises(GalleryError, match="does not say how long"):
        gallery.match(one(1))


def test_a_changed_length_that_could_be_one_is_refused_too(path):
    edit(path, "UPDATE facts SET value = '17' WHERE name = 'embedding'")
    with open_at(path) as gallery, pytest.raises(GalleryError, match="has 64 bytes instead of 68"):
        gallery.match(one(1, 17))


@pytest.mark.parametrize("value", ["", "x", "00:zz", "00:00"])
def test_a_changed_check_is_refused(path, value):
    edit(path, "UPDATE facts SET value = ? WHERE name = 'check'", value)
    with pytest.raises(GalleryError, match="its key is another one"):
        open_at(path)


def test_the_way_out_of_a_changed_row_works(path):
    edit(path, "UPDATE template SET sealed = zeroblob(32) WHERE id = 1")
    with open_at(path) as gallery:
        with pytest.raises(GalleryError) as caught:
            gallery.match(one(1))
        person = query(path, "SELECT person FROM template WHERE id = 1")[0][0]
        assert person in str(caught.value)
        gallery.delete(person)
        assert gallery.match(one(2))[0][0].name == "Lee Younghee"


def test_a_change_while_it_is_open_is_noticed(path):
    with open_at(path) as gallery:
        assert gallery.match(one(1))[0][0].name == "Kim Cheolsu"
        # The nonce alone would not show that the template is another person's now.
        edit(path, "UPDATE template SET person = (SELECT person FROM template WHERE id = 2) WHERE id = 1")
        with pytest.raises(GalleryError, match="was changed"):
            gallery.match(one(1))


def test_a_damaged_file_is_said_to_be_damaged(path):
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * len(data[4096:])
    path.write_bytes(bytes(data))
    what = r"gallery\.db: is damaged, or is not a gallery .*restore it from an export"
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
