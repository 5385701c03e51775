"""Passwords of cameras: in a keyring, in an encrypted file, changed by others, and in no message."""

import json
import logging
import os
import stat
import sys
import types

import pytest

from deploy.app import secrets
from deploy.app.secrets import CameraSecrets, PasswordStore, system_keyring
from kface.errors import ConfigError, GalleryError
from kface.streams import Secret

pytest.importorskip("cryptography")

CAMERA, OTHER = "10.0.0.7:554", "문.local:8554"
GARDEN = CameraSecrets(Secret('gärten "9"\\'), Secret("/live?password=hush"))
HUSH = CameraSecrets(Secret("hush"))
KEY, WRONG_KEY = bytes(range(32)), bytes(32)


class FakeKeyring:
    """Keeps entries like a desktop's; breaks on request."""

    priority = 5

    def __init__(self):
        self.entries = {}
        self.broken = False
        self.forgetful = False

    def _use(self, *what):
        if self.broken:
            raise RuntimeError("locked: {}".format(what))

    def get_password(self, service, user):
        self._use(service, user)
        return self.entries.get((service, user))

    def set_password(self, service, user, text):
        self._use(service, user, text)
        if not self.forgetful:
            self.entries[service, user] = text

    def delete_password(self, service, user):
        self._use(service, user)
        del self.entries[service, user]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "config" / "cameras.json"


@pytest.fixture
def keyring():
    return FakeKeyring()


def no_key():
    raise GalleryError("no key", "gallery.key")


def in_keyring(file, keyring):
    return PasswordStore(no_key, file, lambda: keyring)


def in_file(file, key=KEY):
    return PasswordStore(lambda: key, file, lambda: None)


# ---- the keyring


def test_a_keyring_keeps_them_and_no_file_is_written(file, keyring):
    store = in_keyring(file, keyring)
    assert store.get(CAMERA) == CameraSecrets()
    assert store.put(CAMERA, GARDEN) == "keyring"
    assert store.put(OTHER, HUSH) == "keyring"
    assert (store.get(CAMERA), store.get(OTHER)) == (GARDEN, HUSH)
    assert store.put(CAMERA, HUSH) == "keyring"
    assert store.get(CAMERA) == HUSH
    store.remove(CAMERA)
    store.remove(CAMERA)
    assert not store.get(CAMERA)
    assert list(keyring.entries) == [("kface camera", OTHER)]
    assert store.put(OTHER, CameraSecrets()) == "nowhere"
    assert keyring.entries == {}
    assert not file.exists()


def test_a_keyring_that_is_locked_is_named_and_the_file_takes_its_place(file, keyring):
    store = PasswordStore(lambda: KEY, file, lambda: keyring)
    store.put(CAMERA, HUSH)
    keyring.broken = True
    with pytest.raises(ConfigError) as caught:
        store.get(CAMERA)
    assert str(caught.value) == "keyring: cannot be used (RuntimeError); unlock it, or enter the password again"
    assert store.put(CAMERA, GARDEN) == "file"
    assert store.get(CAMERA) == GARDEN
    with pytest.raises(ConfigError, match="remove the password there"):
        store.remove(CAMERA)
    assert json.loads(file.read_text())["passwords"] == {}
    # Once it is open again it is used again, and nothing old is left in the file.
    keyring.broken = False
    store.put(CAMERA, GARDEN)
    assert store.get(CAMERA) == GARDEN
    assert json.loads(file.read_text())["passwords"] == {}


def test_a_keyring_that_forgets_is_not_believed(file, keyring):
    keyring.forgetful = True
    store = PasswordStore(lambda: KEY, file, lambda: keyring)
    assert store.put(CAMERA, HUSH) == "file"
    assert store.get(CAMERA) == HUSH


@pytest.mark.parametrize("text", ["", "hush", "[]", '{"password": 7}', "{" * 100000])
def test_another_programs_entry_is_an_error(file, keyring, text):
    keyring.entries["kface camera", CAMERA] = text
    with pytest.raises(ConfigError) as caught:
        in_keyring(file, keyring).get(CAMERA)
    assert "not the application's" in str(caught.value)
    assert "hush" not in str(caught.value)


def backend(priority, **others):
    return types.SimpleNamespace(priority=priority, **others)


@pytest.mark.parametrize(
    ("found", "used"),
    [
        (backend(5), True),
        (backend(1), True),
        # In clear, discarding, failing.
        (backend(0.5), False),
        (backend(-1), False),
        (backend(0), False),
        (backend(10, backends=[backend(0.5), backend(0.1)]), False),
    ],
)
def test_a_keyring_that_keeps_no_secrets_is_none(monkeypatch, found, used):
    monkeypatch.setitem(sys.modules, "keyring", types.SimpleNamespace(get_keyring=lambda: found))
    assert (system_keyring() is not None) is used


def test_of_several_keyrings_the_first_that_keeps_secrets_is_taken(monkeypatch):
    good = backend(5)
    found = backend(10, backends=[good, backend(4.9), backend(0.5)])
    monkeypatch.setitem(sys.modules, "keyring", types.SimpleNamespace(get_keyring=lambda: found))
    assert system_keyring() is good


def test_without_the_package_or_a_desktop_there_is_none(monkeypatch):
    def fail():
        raise OSError("no D-Bus")

    monkeypatch.setitem(sys.modules, "keyring", types.SimpleNamespace(get_keyring=fail))
    assert system_keyring() is None
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert system_keyring() is None


def test_the_real_packages_own_backends_for_nothing_are_not_used(monkeypatch):
    keyring = pytest.importorskip("keyring")
    from keyring.backends import fail, null

    for useless in (fail.Keyring(), null.Keyring()):
        monkeypatch.setattr(keyring, "get_keyring", lambda useless=useless: useless)
        assert system_keyring() is None


# ---- the encrypted file


def test_a_file_keeps_them_encrypted(file):
    store = in_file(file)
    assert store.get(CAMERA) == CameraSecrets()
    store.remove(CAMERA)
    assert not file.exists()
    assert store.put(CAMERA, GARDEN) == "file"
    assert store.put(OTHER, HUSH) == "file"
    data = file.read_bytes()
    for secret in (b"hush", "gärten".encode("utf-8"), b"g\\u00e4rten"):
        assert secret not in data
    if os.name != "nt":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (in_file(file).get(CAMERA), in_file(file).get(OTHER)) == (GARDEN, HUSH)
    store.put(CAMERA, HUSH)
    assert store.get(CAMERA) == HUSH
    store.remove(CAMERA)
    assert not store.get(CAMERA)
    assert store.get(OTHER) == HUSH
    assert os.listdir(str(file.parent)) == ["cameras.json"]


def test_the_same_password_is_sealed_differently_each_time(file):
    store = in_file(file)
    store.put(CAMERA, HUSH)
    before = json.loads(file.read_text())["passwords"][CAMERA]
    store.put(CAMERA, HUSH)
    after = json.loads(file.read_text())["passwords"][CAMERA]
    assert before["nonce"] != after["nonce"]
    assert before["sealed"] != after["sealed"]


def test_the_gallerys_key_itself_opens_nothing(file):
    """It is derived: what is sealed here cannot be passed off as the gallery's, nor the other way round."""
    import base64

    from kface.gallery.cipher import Cipher, ForgedError

    in_file(file).put(CAMERA, HUSH)
    entry = json.loads(file.read_text())["passwords"][CAMERA]
    with pytest.raises(ForgedError):
        Cipher(KEY).open(
            base64.b64decode(entry["nonce"]), base64.b64decode(entry["sealed"]), secrets._associated(CAMERA)
        )


def unreadable(store, camera=CAMERA):
    with pytest.raises(GalleryError) as caught:
        store.get(camera)
    text = str(caught.value)
    assert "the password of {} cannot be read: it was kept with another key, or changed".format(camera) in text
    assert "enter the password again" in text
    assert "hush" not in text


def test_a_wrong_key_is_an_error_and_not_an_absent_password(file):
    in_file(file).put(CAMERA, HUSH)
    unreadable(in_file(file, WRONG_KEY))
    # The way on.
    in_file(file, WRONG_KEY).put(CAMERA, GARDEN)
    assert in_file(file, WRONG_KEY).get(CAMERA) == GARDEN


def flipped(text, place):
    return text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]


@pytest.mark.parametrize(
    "change",
    [
        lambda entry: dict(entry, sealed=flipped(entry["sealed"], 0)),
        lambda entry: dict(entry, sealed=flipped(entry["sealed"], 30)),
        lambda entry: dict(entry, nonce=flipped(entry["nonce"], 3)),
        lambda entry: dict(entry, nonce=""),
        lambda entry: dict(entry, sealed=""),
        lambda entry: dict(entry, sealed="ä"),
        lambda entry: dict(entry, sealed=7),
        lambda entry: {"nonce": entry["nonce"]},
        lambda entry: [],
        lambda entry: None,
        lambda entry: "hush",
    ],
)
def test_a_changed_entry_is_an_error(file, change):
    in_file(file).put(CAMERA, HUSH)
    document = json.loads(file.read_text())
    document["passwords"][CAMERA] = change(document["passwords"][CAMERA])
    file.write_text(json.dumps(document))
    unreadable(in_file(file))
    in_file(file).remove(CAMERA)
    assert not in_file(file).get(CAMERA)


def test_another_cameras_password_is_not_handed_out(file):
    store = in_file(file)
    store.put(CAMERA, HUSH)
    store.put(OTHER, GARDEN)
    document = json.loads(file.read_text())
    document["passwords"][CAMERA] = document["passwords"][OTHER]
    file.write_text(json.dumps(document))
    unreadable(store)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"version": 2, "passwords": {}}', b'{"version": 1, "hush": {}}'])
def test_a_file_that_is_not_ours_is_an_error_and_no_obstacle(file, data):
    file.parent.mkdir()
    file.write_bytes(data)
    with pytest.raises(ConfigError, match="is not a file of passwords; delete or move it"):
        in_file(file).get(CAMERA)
    in_file(file).put(CAMERA, HUSH)
    assert in_file(file).get(CAMERA) == HUSH
    assert (file.parent / "cameras.json.unreadable").read_bytes() == data


def test_without_a_key_nothing_is_kept(file):
    store = PasswordStore(no_key, file, lambda: None)
    with pytest.raises(GalleryError, match="no key"):
        store.put(CAMERA, HUSH)
    assert not file.exists()
    assert store.get(CAMERA) == CameraSecrets()


def test_nothing_is_logged_or_shown(file, keyring, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    for store in (in_file(file), in_keyring(file, keyring)):
        store.put(CAMERA, GARDEN)
        found = store.get(CAMERA)
        print(found, repr(found), vars(store))
    shown = caplog.text + "".join(capfd.readouterr())
    assert "gärten" not in shown
    assert "hush" not in shown
    assert "***" in shown
