"""A key comes from one place, whole, and is nobody else's to read."""

import base64
import os
import stat
import subprocess
import sys
import types

import pytest

pytest.importorskip("cryptography")

from gallery_fakes import KEY, MODEL, one, open_at

import kface
from kface.errors import ConfigError
from kface.gallery import GalleryError, default_gallery_file, default_key_file, find_key, open_gallery

TEXT = base64.b64encode(KEY).decode("ascii")
SOURCES = os.path.dirname(os.path.dirname(os.path.abspath(kface.__file__)))


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.delenv("KFACE_GALLERY_KEY", raising=False)
    monkeypatch.delenv("KFACE_GALLERY_KEY_FILE", raising=False)
    monkeypatch.delenv("KFACE_GALLERY", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path


def test_a_key_file_is_made_once_for_its_owner_only(home):
    path = home / "keys" / "gallery.key"
    key = find_key(path, create=True)
    assert len(key) == 32
    assert key != bytes(32)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert find_key(path, create=True) == find_key(path) == key
    assert [each.name for each in path.parent.iterdir()] == ["gallery.key"]
    assert find_key(home / "other", create=True) != key


def test_the_default_file_is_apart_from_the_gallery(home):
    key = find_key(create=True)
    assert default_key_file() == home / "config" / "kface" / "gallery.key"
    assert find_key(default_key_file()) == key
    assert default_gallery_file() == home / "data" / "kface" / "gallery.db"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o644])
def test_a_key_that_others_may_use_is_refused(home, mode):
    path = home / "gallery.key"
    find_key(path, create=True)
    path.chmod(mode)
    with pytest.raises(GalleryError, match=r"mode {:04o}\); run chmod 600".format(mode)):
        find_key(path)
    path.chmod(0o400)
    assert len(find_key(path)) == 32


@pytest.mark.parametrize(
    "text", ["", "no base64!", TEXT[:20], TEXT[:10] + "!" + TEXT[10:], base64.b64encode(bytes(31)).decode(), "ä" * 44]
)
def test_what_is_no_key_is_refused_without_being_shown(home, monkeypatch, text):
    path = home / "gallery.key"
    path.write_text(text, encoding="latin-1")
    path.chmod(0o600)
    with pytest.raises(GalleryError, match="gallery.key: is not a key") as caught:
        find_key(path)
    assert not text or text not in str(caught.value)
    if text:
        monkeypatch.setenv("KFACE_GALLERY_KEY", text)
        with pytest.raises(GalleryError, match="environment variable KFACE_GALLERY_KEY: is not a key") as caught:
            find_key()
        assert text not in str(caught.value)


def test_no_key_is_made_unless_that_is_wanted(home):
    with pytest.raises(GalleryError, match="no key; without its key a gallery cannot be read"):
        find_key(home / "gallery.key")
    assert list(home.iterdir()) == []
    with pytest.raises(GalleryError, match="cannot be written|no key|cannot be read"):
        find_key("/proc/nowhere/gallery.key", create=True)


def test_a_directory_is_no_key(home):
    with pytest.raises(GalleryError, match="cannot be read|is not a file"):
        find_key(home)


def test_a_pipe_is_no_key(home):
    path = home / "pipe"
    os.mkfifo(str(path), 0o600)
    # Opening a pipe to read waits for a writer; this one can do both.
    handle = os.open(str(path), os.O_RDWR)
    try:
        with pytest.raises(GalleryError, match="is not a file"):
            find_key(path)
    finally:
        os.close(handle)


def test_the_environment_comes_before_the_default_file_but_after_what_is_named(home, monkeypatch):
    default, named = find_key(create=True), find_key(home / "named", create=True)
    monkeypatch.setenv("KFACE_GALLERY_KEY", " " + TEXT + "\n")
    assert find_key() == KEY
    assert find_key(home / "named") == named
    monkeypatch.setenv("KFACE_GALLERY_KEY", "")
    assert find_key() == default


def test_the_key_and_its_path_have_a_variable_each(home, monkeypatch):
    path = home / "keys" / "own"
    key = find_key(path, create=True)
    monkeypatch.setenv("KFACE_GALLERY_KEY_FILE", str(path))
    assert find_key() == key
    with open_gallery(home / "gallery.db", MODEL) as gallery, pytest.raises(
        GalleryError, match="belongs to the gallery"
    ):
        gallery.export_to(path, "a passphrase")
    monkeypatch.setenv("KFACE_GALLERY_KEY", TEXT)
    with pytest.raises(ConfigError, match="KFACE_GALLERY_KEY and KFACE_GALLERY_KEY_FILE: both are set"):
        find_key()
    assert find_key(home / "other", create=True) not in (key, KEY)
    monkeypatch.delenv("KFACE_GALLERY_KEY_FILE")
    for text in (
        str(path),
        "~/.config/kface/gallery.key",
        "./gallery.key",
        "gallery.key",
        "C:\\keys\\gallery",
        "keys/own",
    ):
        monkeypatch.chdir(home)
        monkeypatch.setenv("KFACE_GALLERY_KEY", text)
        with pytest.raises(GalleryError, match="is the path of a file.*; set KFACE_GALLERY_KEY_FILE") as caught:
            find_key()
        assert text not in str(caught.value)
    # A key may have slashes, and a slip in it is no path.
    monkeypatch.setenv("KFACE_GALLERY_KEY", base64.b64encode(b"\xff" * 32).decode("ascii"))
    assert find_key() == b"\xff" * 32
    monkeypatch.setenv("KFACE_GALLERY_KEY", "abc/def")
    with pytest.raises(GalleryError, match="is not a key"):
        find_key()


def test_a_gallery_is_not_its_own_key(home):
    with pytest.raises(ConfigError, match="is both the gallery and its key"):
        open_gallery(home / "gallery.db", MODEL, key_file=home / "gallery.db")
    assert not (home / "gallery.db").exists()


def test_a_pipe_that_nobody_writes_to_is_no_key(home):
    os.mkfifo(str(home / "pipe"), 0o600)
    with pytest.raises(GalleryError, match="is not a file"):
        find_key(home / "pipe")
    with pytest.raises(GalleryError, match="is not a file"):
        find_key("/dev/zero")


def test_processes_that_make_the_key_at_once_have_the_same(home):
    code = "import sys; from kface.gallery import find_key; print(find_key(sys.argv[1], create=True).hex())"
    command = [sys.executable, "-c", code, str(home / "gallery.key")]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([SOURCES] + [p for p in sys.path if p]))
    started = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) for _ in range(4)]
    keys = {process.communicate(timeout=120)[0] for process in started}
    assert len(keys) == 1
    assert len(keys.pop().strip()) == 64


def test_a_key_that_another_process_has_just_made_is_kept(home, monkeypatch):
    key = find_key(home / "gallery.key", create=True)
    monkeypatch.setattr(os.path, "lexists", lambda path: False)
    assert find_key(home / "gallery.key", create=True) == key
    assert [each.name for each in home.iterdir()] == ["gallery.key"]


def fake_keyring(monkeypatch, entries, fault=None):
    class KeyringError(Exception):
        pass

    def guarded(call):
        def inner(*arguments):
            if fault:
                raise KeyringError("secret " + TEXT)
            return call(*arguments)

        return inner

    module, errors = types.ModuleType("keyring"), types.ModuleType("keyring.errors")
    module.get_password = guarded(lambda *name: entries.get(name))
    module.set_password = guarded(lambda service, user, text: entries.update({(service, user): text}))
    module.errors = errors
    errors.KeyringError = KeyringError
    monkeypatch.setitem(sys.modules, "keyring", module)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)


def test_the_keyring_keeps_a_key(home, monkeypatch):
    entries = {}
    fake_keyring(monkeypatch, entries)
    monkeypatch.setenv("KFACE_GALLERY_KEY", TEXT)
    with pytest.raises(GalleryError, match="keyring: no key"):
        find_key(keyring=True)
    key = find_key(keyring=True, create=True)
    assert key != KEY
    assert find_key(keyring=True, create=True) == find_key(keyring=True) == key
    assert list(entries.values()) == [base64.b64encode(key).decode("ascii")]


def test_a_keyring_that_is_not_there_or_fails_is_said(home, monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ConfigError, match="keyring: is not installed"):
        find_key(keyring=True)
    fake_keyring(monkeypatch, {}, fault=True)
    with pytest.raises(ConfigError, match=r"keyring: cannot be used \(KeyringError\); use a key file") as caught:
        find_key(keyring=True)
    assert TEXT not in str(caught.value)
    with pytest.raises(ConfigError, match="exclude each other"):
        find_key(home / "key", keyring=True)


def test_a_new_gallery_gets_a_key_and_an_old_one_no_other(home):
    with pytest.raises(GalleryError, match="no gallery"):
        open_gallery(create=False)
    assert list(home.iterdir()) == []
    with open_gallery(fingerprint=MODEL) as gallery:
        gallery.add("Kim", one(1))
    with open_gallery(create=False) as gallery:
        assert gallery.list()[0].name == "Kim"
    default_key_file().unlink()
    with pytest.raises(GalleryError, match="no key"):
        open_gallery(fingerprint=MODEL)
    assert not default_key_file().exists()


def test_without_the_package_one_line_says_so(home, monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    with pytest.raises(ConfigError, match="cryptography: is not installed.*; install cryptography"):
        open_at(home / "gallery.db")
