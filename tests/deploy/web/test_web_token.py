"""Where the token comes from, and which are refused."""

import os
import stat

import pytest

from deploy.web.token import check_token, default_token_file, find_token
from kface.errors import ConfigError

GOOD = "0123456789abcdef"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch, tmp_path):
    for name in ("KFACE_WEB_TOKEN", "KFACE_WEB_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def test_the_file_is_made_once_for_its_owner_only(tmp_path):
    token = find_token(create=True)
    path = tmp_path / "state" / "kface" / "web-token"
    assert path.read_text() == token + "\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert len(token) >= 40
    assert find_token(create=True) == find_token() == token
    assert os.listdir(str(path.parent)) == ["web-token"], "a temporary file is left"
    path.unlink()
    assert find_token(create=True) != token


def test_the_order_is_file_environment_named_file(tmp_path, monkeypatch):
    files = []
    for number in range(2):
        path = tmp_path / "token-{}".format(number)
        path.write_text("{}-file-{}\n".format(GOOD, number))
        path.chmod(0o600)
        files.append(path)
    monkeypatch.setenv("KFACE_WEB_TOKEN_FILE", str(files[0]))
    assert default_token_file() == files[0]
    assert find_token() == GOOD + "-file-0"
    monkeypatch.setenv("KFACE_WEB_TOKEN", GOOD + "-environment")
    assert find_token() == GOOD + "-environment"
    assert find_token(files[1]) == GOOD + "-file-1"
    assert not (tmp_path / "state").exists(), "made although it was not needed"


def test_a_home_is_the_last_resort(monkeypatch):
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/somewhere/somebody")
    assert str(default_token_file()) == "/somewhere/somebody/.local/state/kface/web-token"


def test_a_client_makes_no_file(tmp_path):
    with pytest.raises(ConfigError, match="no token; start kface deploy first"):
        find_token()
    assert not (tmp_path / "state").exists()


def test_a_file_that_others_can_read_is_refused(tmp_path):
    path = tmp_path / "token"
    path.write_text(GOOD)
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="others than its owner may use this token \\(mode 0640\\)"):
        find_token(path, create=True)
    assert path.read_text() == GOOD


@pytest.mark.parametrize(
    "token", ["", "short", "x" * 15, "x" * 201, "with space in it all", "김" * 20, "tab\there" + "x" * 20]
)
def test_bad_tokens_are_refused_and_not_shown(token, monkeypatch):
    with pytest.raises(ConfigError) as caught:
        check_token(token, "KFACE_WEB_TOKEN")
    assert "a token must" in str(caught.value)
    assert not token or token not in str(caught.value)


def test_an_empty_environment_is_none(monkeypatch):
    monkeypatch.setenv("KFACE_WEB_TOKEN", "")
    assert len(find_token(create=True)) >= 40


def test_a_pipe_or_a_device_is_no_token(tmp_path):
    os.mkfifo(str(tmp_path / "pipe"), 0o600)
    (tmp_path / "link").symlink_to("/dev/zero")
    (tmp_path / "large").write_text(GOOD + " " * 5000)
    (tmp_path / "large").chmod(0o600)
    for name, text in (
        ("pipe", "is not a file"),
        ("link", "is not a file"),
        (".", "is not a file"),
        ("large", "contains more"),
    ):
        with pytest.raises(ConfigError, match=text):
            find_token(tmp_path / name, create=True)


def test_what_cannot_be_read_or_made_says_so(tmp_path):
    with pytest.raises(ConfigError, match="is not a file|cannot be read"):
        find_token(tmp_path)
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(ConfigError, match="cannot write a token .*; set KFACE_WEB_TOKEN or KFACE_WEB_TOKEN_FILE"):
        find_token(blocked / "token", create=True)
    damaged = tmp_path / "damaged"
    damaged.write_bytes(b"\xff\xfe" * 20)
    damaged.chmod(0o600)
    with pytest.raises(ConfigError, match="a token must consist of printable ASCII"):
        find_token(damaged)
