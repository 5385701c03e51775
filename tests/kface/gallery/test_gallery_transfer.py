"""An export holds everything, is opened by its passphrase alone, and comes back whole or not at all."""

import json
import os
import stat
import struct

import numpy as np
import pytest

pytest.importorskip("cryptography")

from gallery_fakes import KEY, MODEL, OTHER_MODEL, SIZE, crop, edit, one, open_at, vectors

from kface.gallery import GalleryError, Imported
from kface.gallery import archive as container
from kface.gallery.archive import DIGEST_BYTES, MAGIC, read, write
from kface.gallery.transfer import ExportedPerson, ExportedTemplate, pack, unpack

PASSPHRASE = "장미와 철의 바람"
OTHER_KEY = bytes(32)


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    monkeypatch.setattr(container, "SCRYPT", (1 << 10, 8, 1))


@pytest.fixture
def exported(tmp_path):
    path = tmp_path / "people.kfg"
    with open_at(tmp_path / "gallery.db") as gallery:
        gallery.add("Kim", one(1), crop(1))
        gallery.add("Kim", one(2))
        gallery.add("Lee", one(3))
        edit(gallery.path, "UPDATE person SET created = '2020-02-02T02:02:02+00:00'")
        edit(gallery.path, "UPDATE template SET created = '2021-01-01T01:01:01+00:00'")
        assert gallery.export_to(path, PASSPHRASE) == 2
    return path


def sign(data):
    return data + __import__("hashlib").sha256(data).digest()


def test_it_comes_back_with_another_key(exported, tmp_path):
    with open_at(tmp_path / "other.db", key=OTHER_KEY) as gallery:
        assert gallery.import_from(exported, PASSPHRASE) == Imported(2, 3, 0)
        assert [(person.name, person.templates, person.crops) for person in gallery.list()] == [
            ("Kim", 2, 1),
            ("Lee", 1, 0),
        ]
        for seed, name in ((1, "Kim"), (2, "Kim"), (3, "Lee")):
            assert gallery.match(one(seed))[0][0][:2] == (name, pytest.approx(1.0))
        np.testing.assert_array_equal(gallery.crop(gallery.templates("Kim")[0].id), crop(1))
        assert {person.created for person in gallery.list()} == {"2020-02-02T02:02:02+00:00"}
        assert {template.created for template in gallery.templates("Kim")} == {"2021-01-01T01:01:01+00:00"}


def test_a_second_import_adds_nothing_and_names_that_are_there_get_the_templates(exported, tmp_path):
    with open_at(tmp_path / "other.db", key=OTHER_KEY) as gallery:
        gallery.add("Lee", one(9))
        assert gallery.import_from(exported, PASSPHRASE) == Imported(1, 3, 0)
        assert gallery.import_from(exported, PASSPHRASE) == Imported(0, 0, 3)
        assert [(person.name, person.templates) for person in gallery.list()] == [("Kim", 2), ("Lee", 2)]


def test_an_export_is_its_owners_and_holds_nothing_readable(exported):
    assert stat.S_IMODE(exported.stat().st_mode) == 0o600
    data = exported.read_bytes()
    vector = (one(1) / np.linalg.norm(one(1))).astype("<f4").tobytes()
    assert b"Kim" not in data
    assert vector[:8] not in data
    assert b"IHDR" not in data
    assert PASSPHRASE.encode("utf-8") not in data


def test_the_passphrase_is_one_however_it_was_typed_and_no_other(exported, tmp_path):
    import unicodedata

    with open_at(tmp_path / "other.db") as gallery:
        with pytest.raises(GalleryError, match="the passphrase is wrong, or the file was changed"):
            gallery.import_from(exported, PASSPHRASE + ".")
        with pytest.raises(GalleryError, match="at least 8 characters"):
            gallery.import_from(exported, "short")
        assert gallery.list() == []
        gallery.import_from(exported, unicodedata.normalize("NFD", PASSPHRASE))
        assert len(gallery.list()) == 2


def test_a_short_passphrase_writes_nothing(tmp_path):
    with open_at(tmp_path / "gallery.db") as gallery, pytest.raises(GalleryError, match="at least 8 characters"):
        gallery.export_to(tmp_path / "out", "1234567")
    assert not (tmp_path / "out").exists()


def test_any_damage_is_found(exported, tmp_path):
    data = exported.read_bytes()
    with open_at(tmp_path / "other.db") as gallery:
        for place in range(len(MAGIC), len(data), 997):
            changed = bytearray(data)
            changed[place] ^= 1
            exported.write_bytes(bytes(changed))
            with pytest.raises(GalleryError, match="is damaged: its SHA-256"):
                gallery.import_from(exported, PASSPHRASE)
        for length in (len(data) - 1, len(data) // 2, len(MAGIC), 50):
            exported.write_bytes(data[:length])
            with pytest.raises(GalleryError, match="is damaged: its SHA-256"):
                gallery.import_from(exported, PASSPHRASE)
        for other in (b"", b"no export at all" * 10, data[1:]):
            exported.write_bytes(other)
            with pytest.raises(GalleryError, match="is not a gallery export"):
                gallery.import_from(exported, PASSPHRASE)
        exported.unlink()
        with pytest.raises(GalleryError, match="cannot be read"):
            gallery.import_from(exported, PASSPHRASE)
        assert gallery.list() == []


def split(data):
    """Return the header and the records of an archive."""
    body = data[:-DIGEST_BYTES]
    place = len(MAGIC) + 4
    length = struct.unpack(">I", body[place - 4 : place])[0]
    header, place = body[: place + length], place + length
    records = []
    while place < len(body):
        length = 1 + 4 + 12 + struct.unpack(">I", body[place + 1 : place + 5])[0]
        records.append(body[place : place + length])
        place += length
    return header, records


def test_records_cannot_be_dropped_moved_or_made_the_last(exported, tmp_path):
    header, (first, second, end) = split(exported.read_bytes())
    with open_at(tmp_path / "other.db") as gallery:
        for records, what in (
            ([first, end], "was changed since it was written"),
            ([second, first, end], "the passphrase is wrong, or the file was changed"),
            ([first, first, end], "was changed since it was written"),
            ([first, second], "ends in the middle"),
            ([first, second, end, end], "has data after its last record"),
            ([first, b"e" + second[1:]], "was changed since it was written"),
            ([], "ends in the middle"),
        ):
            exported.write_bytes(sign(header + b"".join(records)))
            with pytest.raises(GalleryError, match=what):
                gallery.import_from(exported, PASSPHRASE)
        assert gallery.list() == []
        exported.write_bytes(sign(header + first + second + end))
        assert gallery.import_from(exported, PASSPHRASE).templates == 3


def with_header(data, change):
    header, records = split(data)
    facts = json.loads(header[len(MAGIC) + 4 :].decode("ascii"))
    text = change(facts)
    text = json.dumps(facts).encode("ascii") if text is None else text
    return sign(MAGIC + struct.pack(">I", len(text)) + text + b"".join(records))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda facts: facts.update(fingerprint="b" * 64), "the passphrase is wrong, or the file was changed"),
        (lambda facts: facts["scrypt"].update(n=1 << 40), "out of range"),
        (lambda facts: facts["scrypt"].update(n=1000), "out of range"),
        (lambda facts: facts["scrypt"].update(n=0), "out of range"),
        (lambda facts: facts["scrypt"].update(r=0), "out of range"),
        (lambda facts: facts["scrypt"].update(p=10**6), "out of range"),
        (lambda facts: facts["scrypt"].update(salt="zz"), "lacks the parameters of its key derivation"),
        (lambda facts: facts.pop("scrypt") and None, "lacks the parameters of its key derivation"),
        (lambda facts: b"[]", "no readable header"),
        (lambda facts: b"{", "no readable header"),
    ],
)
def test_a_changed_header_is_refused(exported, tmp_path, change, what):
    exported.write_bytes(with_header(exported.read_bytes(), change))
    with open_at(tmp_path / "other.db") as gallery, pytest.raises(GalleryError, match=what):
        gallery.import_from(exported, PASSPHRASE)


def test_another_models_export_goes_into_an_empty_gallery_only(exported, tmp_path):
    with open_at(tmp_path / "full.db", OTHER_MODEL) as gallery:
        gallery.add("Park", one(5))
        with pytest.raises(GalleryError, match=r"from another model \(bbbbbbbbbbbb\) .*import into a new gallery file"):
            gallery.import_from(exported, PASSPHRASE)
        assert [person.name for person in gallery.list()] == ["Park"]
    with open_at(tmp_path / "empty.db", OTHER_MODEL) as gallery:
        assert gallery.import_from(exported, PASSPHRASE).people == 2
        with pytest.raises(GalleryError, match="gallery reenrol"):
            gallery.match(one(1))
    with open_at(tmp_path / "empty.db", MODEL) as gallery:
        assert gallery.match(one(1))[0][0].name == "Kim"


def test_people_without_templates_and_empty_galleries_are_exported(tmp_path):
    path = tmp_path / "out"
    with open_at(tmp_path / "gallery.db") as gallery, open_at(tmp_path / "other.db") as other:
        assert gallery.export_to(path, PASSPHRASE) == 0
        assert other.import_from(path, PASSPHRASE) == Imported(0, 0, 0)
        gallery.delete_template(gallery.add("Kim", one(1)))
        assert gallery.export_to(path, PASSPHRASE) == 1
        assert other.import_from(path, PASSPHRASE) == Imported(1, 0, 0)
        assert [person.name for person in other.list()] == ["Kim"]


def test_a_failed_export_leaves_the_old_one(exported, tmp_path):
    before = exported.read_bytes()

    def records():
        yield b"first"
        raise GalleryError("no more")

    with pytest.raises(GalleryError, match="no more"):
        write(exported, PASSPHRASE, {}, records())
    assert exported.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".tmp")] == []
    with pytest.raises(GalleryError, match="cannot be written"):
        write(tmp_path / "absent" / "out", PASSPHRASE, {}, [])


def test_an_archive_gives_back_what_was_written(tmp_path):
    wanted = [b"", b"x" * 100000, bytes(range(256))]
    assert write(tmp_path / "out", PASSPHRASE, {"a": 1}, wanted) == 3
    with read(tmp_path / "out") as archive:
        assert list(archive.records(PASSPHRASE)) == wanted
        assert archive.facts["a"] == 1


def test_a_person_that_is_none_is_refused():
    vector = (vectors(1)[0] / np.linalg.norm(vectors(1)[0])).astype("<f4").tobytes()
    good = ExportedPerson(
        "Kim",
        "2024-01-01T00:00:00+00:00",
        [ExportedTemplate("now", vector, b"png"), ExportedTemplate("now", vector, None)],
    )
    assert unpack(pack(good), SIZE, "file") == good
    data = pack(good)
    for bad in (
        data[:-1],
        data + b"x",
        b"",
        data[:3],
        struct.pack(">I", 10**9) + data[4:],
        data.replace(b"Kim", b"\xff\xff\xff"),
    ):
        with pytest.raises(GalleryError, match="has a person"):
            unpack(bad, SIZE, "file")
    for values in (np.zeros(SIZE), np.full(SIZE, np.nan), np.full(SIZE, 5.0)):
        record = ExportedPerson("Kim", "now", [ExportedTemplate("now", values.astype("<f4").tobytes(), None)])
        with pytest.raises(GalleryError, match="not a unit vector"):
            unpack(pack(record), SIZE, "file")
    for about in (b'{"name": 1}', b"[]", b'{"name": "a", "created": "b", "templates": [["c", -1]]}'):
        with pytest.raises((GalleryError), match="has a person|a name"):
            unpack(struct.pack(">I", len(about)) + about, SIZE, "file")


@pytest.mark.parametrize(
    ("how", "suffix"),
    [(how, suffix) for how in ("itself", "relative", "symbolic") for suffix in ("", "-wal", "-shm", "-journal")]
    # A gallery has no such journal while it is open: there is nothing to link to.
    + [("hard", suffix) for suffix in ("", "-wal", "-shm")],
)
def test_an_export_never_replaces_the_gallery(tmp_path, monkeypatch, suffix, how):
    path = tmp_path / "gallery.db"
    with open_at(path) as gallery:
        gallery.add("Kim", one(1))
        target = tmp_path / ("gallery.db" + suffix)
        if how == "relative":
            monkeypatch.chdir(tmp_path)
            target = os.path.join(".", "..", tmp_path.name, target.name)
        elif how == "symbolic":
            (tmp_path / "link").symlink_to(target)
            target = tmp_path / "link"
        elif how == "hard":
            os.link(str(target), str(tmp_path / "link"))
            target = tmp_path / "link"
        with pytest.raises(GalleryError, match="is the gallery itself|belongs to the gallery"):
            gallery.export_to(target, PASSPHRASE)
    with open_at(path) as gallery:
        assert gallery.match(one(1))[0][0].name == "Kim"


def test_an_export_replaces_nothing_but_an_export(exported, tmp_path):
    picture, pipe = tmp_path / "picture.jpg", tmp_path / "pipe"
    picture.write_bytes(b"my only picture")
    os.mkfifo(str(pipe))
    with open_at(tmp_path / "gallery.db") as gallery:
        with pytest.raises(GalleryError, match="exists and is not a gallery export"):
            gallery.export_to(picture, PASSPHRASE)
        for special in (pipe, "/dev/null", tmp_path):
            with pytest.raises(GalleryError, match="cannot be written"):
                gallery.export_to(special, PASSPHRASE)
        empty = tmp_path / "empty"
        empty.write_bytes(b"")
        assert gallery.export_to(exported, PASSPHRASE) == gallery.export_to(empty, PASSPHRASE) == 2
    assert picture.read_bytes() == b"my only picture"
    assert os.path.exists("/dev/null")


def test_a_pipe_or_a_device_is_no_archive_and_no_gallery(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(str(pipe))
    with open_at(tmp_path / "gallery.db") as gallery:
        for path in (pipe, "/dev/zero", tmp_path):
            with pytest.raises(GalleryError, match="cannot be read"):
                gallery.import_from(path, PASSPHRASE)
    for path in (pipe, "/dev/zero", tmp_path):
        for create in (True, False):
            with pytest.raises(GalleryError, match="cannot be opened"):
                open_at(path, create=create)


def archive_of(path, about, rest=b""):
    """Write an archive whose passphrase is right and whose only person is not."""
    data = about if isinstance(about, bytes) else json.dumps(about).encode("ascii")
    facts = {"fingerprint": MODEL, "embedding": SIZE, "created": "now"}
    write(path, PASSPHRASE, facts, [struct.pack(">I", len(data)) + data + rest])


UNIT = (vectors(1)[0] / np.linalg.norm(vectors(1)[0])).astype("<f4").tobytes()
WHEN = "2024-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("about", "rest", "what"),
    [
        ({"name": "Kim", "created": "\x1b[2J", "templates": []}, b"", "an invalid time: "),
        ({"name": "Kim", "created": WHEN, "templates": [["\x1b[2J", None]]}, UNIT, "an invalid time: "),
        ({"name": "Kim", "created": "\ud800", "templates": []}, b"", "an invalid time: "),
        ({"name": "\ud800", "created": WHEN, "templates": []}, b"", "whose name is refused"),
        ({"name": "\u3164", "created": WHEN, "templates": []}, b"", "whose name is refused .*U.3164"),
        (b"[" * 60000 + b"]" * 60000, b"", "cannot be read"),
        ({"name": "Kim", "created": WHEN, "templates": [[WHEN, 0]]}, UNIT, "has a crop of Kim that is not an RGB"),
        (
            {"name": "Kim", "created": WHEN, "templates": [[WHEN, 5]]},
            UNIT + b"12345",
            "has a crop of Kim that is not",
        ),
        (
            {"name": "Kim", "created": WHEN, "templates": [[WHEN, 33]]},
            UNIT + b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBBI", 13, b"IHDR", 50000, 50000, 8, 2, 0, 0, 0, 0),
            "has a crop of Kim that is not an RGB image of 112x112",
        ),
    ],
)
def test_odd_people_in_an_archive_are_one_line(tmp_path, about, rest, what):
    archive_of(tmp_path / "archive", about, rest)
    with open_at(tmp_path / "gallery.db") as gallery:
        with pytest.raises(GalleryError, match=what) as caught:
            gallery.import_from(tmp_path / "archive", PASSPHRASE)
        assert str(caught.value).isprintable()
        assert gallery.list() == []


def test_an_odd_fingerprint_in_an_archive_is_one_line(tmp_path):
    for fingerprint in ("\ud800", "a\x1b[2J", "a b"):
        record = pack(ExportedPerson("Kim", WHEN, [ExportedTemplate(WHEN, UNIT, None)]))
        write(tmp_path / "archive", PASSPHRASE, {"fingerprint": fingerprint, "embedding": SIZE}, [record])
        with open_at(tmp_path / "gallery.db") as gallery, pytest.raises(GalleryError, match="does not name its model"):
            gallery.import_from(tmp_path / "archive", PASSPHRASE)


def test_costs_of_scrypt_are_from_a_list_and_nobody_waits_for_them(exported, tmp_path, monkeypatch):
    derived = []
    with open_at(tmp_path / "other.db") as gallery, open_at(tmp_path / "other.db", timeout=0.1) as other:

        def derive(passphrase, salt, *costs):
            derived.append(costs)
            other.add("meanwhile", one(len(derived)))
            return KEY

        monkeypatch.setattr(container, "derive", derive)
        for costs in ({"n": 1 << 20}, {"r": 1}, {"n": 1 << 11}):
            path = tmp_path / "changed"
            path.write_bytes(
                with_header(exported.read_bytes(), lambda facts, costs=costs: facts["scrypt"].update(costs))
            )
            with pytest.raises(GalleryError, match="out of range"):
                gallery.import_from(path, PASSPHRASE)
        assert derived == []
        with pytest.raises(GalleryError, match="passphrase is wrong"):
            gallery.import_from(exported, PASSPHRASE)
        gallery.export_to(tmp_path / "again", PASSPHRASE)
        assert len(derived) == 2
        assert [person.name for person in gallery.list()] == ["meanwhile"]


def test_an_import_mends_what_is_damaged(exported, tmp_path):
    with open_at(tmp_path / "other.db", key=OTHER_KEY) as gallery:
        gallery.import_from(exported, PASSPHRASE)
        edit(gallery.path, "UPDATE template SET sealed = zeroblob(80) WHERE id = 1")
        assert gallery.import_from(exported, PASSPHRASE) == Imported(0, 1, 2)
        assert gallery.match(one(1))[0][0].score > 0.999
