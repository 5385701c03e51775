"""A gallery of the first version opens, with everybody in it, whatever happens on the way."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

pytest.importorskip("cryptography")

import schema1
from gallery_fakes import KEY, MODEL, crop, edit, one, open_at, query

import kface
from kface.gallery import GalleryError
from kface.gallery.crops import encode_crop

SOURCES = os.path.dirname(os.path.dirname(os.path.abspath(kface.__file__)))
HERE = os.path.dirname(os.path.abspath(__file__))


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "gallery.db"
    people = {"Kim": [(one(1), encode_crop(crop(1))), (one(2), None)], "이영희": [(one(3), None)], "nobody": []}
    schema1.write(path, KEY, MODEL, people)
    return path


def test_everybody_is_there_afterwards(path):
    with open_at(path) as gallery:
        assert [(person.name, person.templates, person.crops) for person in gallery.list()] == [
            ("Kim", 2, 1),
            ("nobody", 0, 0),
            ("이영희", 1, 0),
        ]
        assert {person.created for person in gallery.list()} == {schema1.CREATED}
        for seed, name in ((1, "Kim"), (2, "Kim"), (3, "이영희")):
            assert gallery.match(one(seed))[0][0][:2] == (name, pytest.approx(1.0))
        np.testing.assert_array_equal(gallery.crop(1), crop(1))
        assert gallery.check().damage == ()
        assert gallery.add("Kim", one(4)) == 4
    assert query(path, "PRAGMA user_version") == [(2,)]


def test_exchanged_handles_go_back_to_whom_they_belong(path):
    (one_id, one_handle), (other_id, other_handle), _ = query(path, "SELECT id, handle FROM person")
    edit(path, "UPDATE person SET handle = x'00' WHERE id = ?", one_id)
    edit(path, "UPDATE person SET handle = ? WHERE id = ?", one_handle, other_id)
    edit(path, "UPDATE person SET handle = ? WHERE id = ?", other_handle, one_id)
    with open_at(path) as gallery:
        gallery.add("Kim", one(5))
        assert gallery.match(one(5))[0][0].name == gallery.match(one(1))[0][0].name == "Kim"


def test_names_that_look_the_same_stay_two_people(tmp_path):
    path = tmp_path / "gallery.db"
    schema1.write(path, KEY, MODEL, {"Kim\u2764": [(one(1), None)], "Kim\u2764\ufe0f": [(one(2), None)]})
    with open_at(path) as gallery:
        assert len(gallery.list()) == 2
        gallery.add("Kim\u2764", one(3))
        gallery.add("Kim\u2764\ufe0f", one(4))
        assert [gallery.match(one(seed))[0][0].name for seed in (1, 2, 3, 4)] == [
            "Kim\u2764",
            "Kim\u2764\ufe0f",
            "Kim\u2764",
            "Kim\u2764\ufe0f",
        ]


def test_what_was_damaged_before_is_damaged_afterwards_and_kept(path):
    edit(path, "UPDATE template SET sealed = zeroblob(60) WHERE id = 1")
    with open_at(path) as gallery:
        assert gallery.match(one(2))[0][0].name == "Kim"
        assert [each.template for each in gallery.damage] == [1]
    assert query(path, "SELECT count(*) FROM template") == [(3,)]


def test_another_key_changes_nothing(path):
    before = query(path, "SELECT * FROM template"), query(path, "SELECT * FROM person")
    for prepare in ("SELECT 1", "DELETE FROM facts WHERE name = 'check'"):
        edit(path, prepare)
        with pytest.raises(GalleryError, match="the key does not fit"):
            open_at(path, key=bytes(32))
        assert (query(path, "SELECT * FROM template"), query(path, "SELECT * FROM person")) == before
        assert query(path, "PRAGMA user_version") == [(1,)]


def test_a_deleted_check_is_refused_until_it_is_accepted(path):
    edit(path, "DELETE FROM facts WHERE name = 'check'")
    with pytest.raises(GalleryError, match="the key does not fit"):
        open_at(path)
    with pytest.raises(GalleryError, match="the key does not fit"):
        open_at(path, key=bytes(32), accept=True)
    with open_at(path, accept=True) as gallery:
        assert len(gallery.list()) == 3
    with open_at(path) as gallery:
        assert gallery.match(one(1))[0][0].name == "Kim"


def test_an_old_file_that_is_put_back_after_the_upgrade_is_refused(path):
    kept = path.read_bytes()
    with open_at(path) as gallery:
        gallery.delete("Kim")
    path.write_bytes(kept)
    with pytest.raises(GalleryError, match="it was replaced by an older file \\(schema 1\\)"):
        open_at(path)


def test_kill_9_during_the_upgrade_loses_nobody(tmp_path):
    people = {"person {}".format(number): [(one(number), None)] for number in range(1500)}
    path = tmp_path / "gallery.db"
    schema1.write(path, KEY, MODEL, people)
    chance = random.Random(0)
    code = "import sys; from gallery_fakes import open_at; print('go', flush=True); open_at(sys.argv[1]).close(); print('done')"
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([SOURCES, HERE] + [each for each in sys.path if each]))
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", code, str(path)], env=environment, stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.12))
        process.send_signal(signal.SIGKILL)
        process.stdout.close()
        process.wait()
    with open_at(path) as gallery:
        assert [person.name for person in gallery.list()] == sorted(people)
        assert gallery.check().damage == ()
        assert gallery.match(one(1499))[0][0].name == "person 1499"


def test_processes_that_open_it_at_once_upgrade_it_once(path):
    code = (
        "import sys; from gallery_fakes import *; g = open_at(sys.argv[1]); print(len(g.list())); g.add('Kim', one(9))"
    )
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([SOURCES, HERE] + [each for each in sys.path if each]))
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(path)], env=environment, stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    assert [process.communicate()[0].strip() for process in started] == [b"3"] * 3
    with open_at(path) as gallery:
        assert len(gallery.templates("Kim")) == 5
        assert gallery.check().damage == ()
