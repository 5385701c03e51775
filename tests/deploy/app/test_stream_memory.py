"""The stream that was chosen is there again after a restart, its password from another place than the rest."""

import pytest

from deploy.app import preferences
from deploy.app.secrets import PasswordStore
from deploy.app.stream_choice import StreamChoice
from deploy.app.stream_memory import StreamMemory, camera_of
from deploy.settings import DeploySettings, GallerySettings
from kface.errors import ConfigError, GalleryError
from kface.recognizer import PipelineSettings
from kface.streams import Secret, StreamSettings

pytest.importorskip("cryptography")

KEY = bytes(range(32))
GIVEN = DeploySettings("toy", stream=StreamSettings("v4l2", device=3))
CHOICE = StreamChoice(
    "rtsp",
    address="Cam.Local",
    port=8554,
    path="/live?psw=hush",
    id="관리자",
    password=Secret("gärten"),
    fps=7,
    view=(1280, 720),
    dnn_resize=True,
    dnn_size="480x270",
)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "config"


@pytest.fixture
def memory(folder):
    return memory_in(folder)


def memory_in(folder, key=KEY):
    return StreamMemory(PasswordStore(lambda: key, folder / "cameras.json", lambda: None), folder / "app.json")


def test_without_a_memory_the_commands_settings_count(memory):
    assert memory.recall(GIVEN) == (GIVEN, "")
    assert memory.choice(GIVEN) == StreamChoice.of(GIVEN)


def test_every_item_is_there_again(memory, folder):
    assert memory.place() == "file"
    assert memory.remember(CHOICE) == "file"
    written = (folder / "app.json").read_text(encoding="utf-8")
    assert "hush" not in written
    assert "gärten" not in written
    settings, trouble = memory_in(folder).recall(GIVEN)
    assert trouble == ""
    assert settings == CHOICE.settings(GIVEN)
    assert settings.stream.password.reveal() == "gärten"
    assert settings.stream.path == "/live?psw=hush"
    assert settings.pipeline == PipelineSettings(GIVEN.pipeline.tracks, (480, 270))


def test_fields_of_other_kinds_are_offered_again(memory):
    memory.remember(CHOICE)
    assert memory.remember(CHOICE._replace(kind="sample")) == "nowhere"
    choice = memory.choice(GIVEN)
    assert (choice.kind, choice.usb_device) == ("v4l2", "/dev/video3")
    assert (choice.address, choice.port, choice.id) == ("Cam.Local", 8554, "관리자")
    assert not choice.password
    assert memory.complete(choice).password == Secret("gärten")
    assert memory.recall(GIVEN)[0].stream is None


def test_a_password_is_forgotten_where_it_is_cleared(memory, folder):
    memory.remember(CHOICE)
    assert memory.remember(CHOICE._replace(password=Secret(), path="/live")) == "nowhere"
    settings, trouble = memory.recall(GIVEN)
    assert trouble == ""
    assert not settings.stream.password
    assert '"passwords": {}' in (folder / "cameras.json").read_text()


def test_a_password_that_cannot_be_read_is_said_and_no_obstacle(memory, folder):
    memory.remember(CHOICE._replace(path="/live"))
    settings, trouble = memory_in(folder, bytes(32)).recall(GIVEN)
    assert "the password of cam.local:8554 cannot be read".lower() in trouble.lower()
    assert settings.stream.address == "Cam.Local"
    assert not settings.stream.password


def test_a_stream_that_is_gone_is_said_and_the_commands_settings_count(memory, tmp_path):
    memory.remember(StreamChoice("file", file=str(tmp_path / "지운 파일.mp4")))
    settings, trouble = memory.recall(GIVEN)
    assert settings == GIVEN
    assert "지운 파일.mp4" in trouble
    assert "choose it again in the stream settings" in trouble
    assert "\n" not in trouble


def test_a_damaged_file_is_said(memory, folder):
    folder.mkdir()
    (folder / "app.json").write_text("{")
    settings, trouble = memory.recall(GIVEN)
    assert settings == GIVEN
    assert "is not JSON" in trouble


def test_other_preferences_stay(memory, folder):
    preferences.save(preferences.Preferences(language="ko"), folder / "app.json")
    memory.remember(CHOICE)
    assert preferences.load(folder / "app.json")[0].language == "ko"


def test_the_users_own_memory_takes_the_gallerys_key(tmp_path, monkeypatch):
    from deploy.app import secrets
    from kface.gallery.keys import find_key

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(secrets, "system_keyring", lambda: None)
    key_file = str(tmp_path / "own.key")
    settings = GIVEN._replace(gallery=GallerySettings(key_file=key_file))
    with pytest.raises(GalleryError, match="no key"):
        StreamMemory.of(settings).remember(CHOICE)
    find_key(key_file, create=True)
    assert StreamMemory.of(settings).remember(CHOICE) == "file"
    assert StreamMemory.of(settings).recall(settings)[0].stream.password == CHOICE.password
    assert (tmp_path / "config" / "kface" / "cameras.json").is_file()


def test_a_camera_without_an_address_has_no_password(memory):
    assert camera_of(CHOICE) == "Cam.Local:8554"
    assert camera_of(CHOICE._replace(address=" fe80::1 ")) == "[fe80::1]:8554"
    with pytest.raises(ConfigError, match=r"stream\.address"):
        memory.complete(CHOICE._replace(address=""))
