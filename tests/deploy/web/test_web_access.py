"""Who is let in, without a server."""

import pytest

from deploy.web import access
from deploy.web.access import Access, host_name, same_origin

TOKEN = "a-token-for-tests-only"


@pytest.fixture
def judge():
    return Access(TOKEN, 8088, ("localhost", "127.0.0.1", "[::1]"))


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1000.0

    monkeypatch.setattr(access.time, "monotonic", lambda: Clock.now)
    return Clock


def test_the_session_is_not_the_token_and_is_enough(judge):
    name, value = judge.cookie.split(";")[0].split("=")
    assert name == "kface-8088"
    assert TOKEN not in judge.cookie
    assert "HttpOnly" in judge.cookie
    assert "SameSite=Strict" in judge.cookie
    assert judge.judge({"Cookie": "other=1; {}={}".format(name, value)}, "a") == access.RIGHT
    assert judge.judge({"Cookie": "{}={}".format(name, value[:-1])}, "a") == access.NO_TOKEN
    assert judge.judge({"Cookie": "kface-8089={}".format(value)}, "a") == access.NO_TOKEN
    assert judge.judge({"Cookie": "{}={}".format(name, TOKEN)}, "a") == access.NO_TOKEN
    assert judge.judge({"Cookie": "{}=\xff\udcff;;=".format(name)}, "a") == access.NO_TOKEN
    assert Access(TOKEN + "2", 8088, None).cookie != judge.cookie


def test_a_bearer_is_enough(judge):
    assert judge.judge({"Authorization": "Bearer " + TOKEN}, "a") == access.RIGHT
    assert judge.judge({"Authorization": "bearer  " + TOKEN}, "a") == access.RIGHT
    assert judge.judge({"Authorization": "Basic " + TOKEN}, "a") == access.NO_TOKEN
    assert judge.judge({"Authorization": "Bearer " + TOKEN[:-1]}, "a") == access.NOT_RIGHT
    assert judge.judge({"Authorization": "Bearer"}, "a") == access.NOT_RIGHT
    assert judge.judge({}, "a") == access.NO_TOKEN


def test_guessing_ends_after_ten_and_goes_on_a_minute_later(judge, clock):
    cookie = judge.cookie.split(";")[0]
    for _ in range(10):
        assert judge.judge_token("wrong", "10.0.0.9") == access.NOT_RIGHT
    # The answer must not tell whether the guess was right.
    assert judge.judge_token(TOKEN, "10.0.0.9") == access.TOO_OFTEN
    assert judge.judge({"Authorization": "Bearer " + TOKEN}, "10.0.0.9") == access.TOO_OFTEN
    assert judge.judge({"Cookie": cookie}, "10.0.0.9") == access.RIGHT, "who is in already stays in"
    assert judge.judge_token(TOKEN, "10.0.0.8") == access.RIGHT, "others are not locked out"
    clock.now += 59
    assert judge.judge_token(TOKEN, "10.0.0.9") == access.TOO_OFTEN
    clock.now += 2
    assert judge.judge_token(TOKEN, "10.0.0.9") == access.RIGHT


def test_addresses_are_forgotten_before_they_fill_the_memory(judge):
    for number in range(3000):
        judge.judge_token("wrong", str(number))
    assert len(judge._wrong) == 1000
    assert "2999" in judge._wrong


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("127.0.0.1:8088", True), ("localhost", True), ("LOCALHOST:9000", True), ("[::1]:8088", True), (None, False),
        ("", False), ("evil.example:8088", False), ("127.0.0.1.evil.example", False), ("[::2]", False), ("localhost.", False),
    ],
)  # fmt: skip
def test_hosts_of_others_are_not_ours(judge, host, known):
    assert judge.knows_host(host) is known


def test_any_host_will_do_where_the_page_is_open():
    judge = Access(TOKEN, 8088, None)
    assert judge.knows_host("board.local:8088")
    assert not judge.knows_host(None)


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        (None, "127.0.0.1:8088", True), ("http://127.0.0.1:8088", "127.0.0.1:8088", True),
        ("https://Cam.example", "cam.example", True), ("http://127.0.0.1:9000", "127.0.0.1:8088", False),
        ("null", "127.0.0.1:8088", False), ("", "127.0.0.1:8088", False), ("http://evil.example", "127.0.0.1:8088", False),
        ("file://127.0.0.1:8088", "127.0.0.1:8088", False), ("127.0.0.1:8088", "127.0.0.1:8088", False),
        ("http://evil.example/127.0.0.1:8088", "127.0.0.1:8088", False),
    ],
)  # fmt: skip
def test_commands_of_others_pages_are_not_ours(origin, host, same):
    assert same_origin(origin, host) is same


def test_ports_are_not_part_of_a_host_name():
    assert host_name("[FE80::1]:80") == "[fe80::1]"
    assert host_name("Board:80") == "board"
