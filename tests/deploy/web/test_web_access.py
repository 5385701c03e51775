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
    assert judge.judge({"cookie": "other=1; {}={}".format(name, value)}) == access.RIGHT
    assert judge.judge({"cookie": "{}={}".format(name, value[:-1])}) == access.NO_TOKEN
    assert judge.judge({"cookie": "kface-8089={}".format(value)}) == access.NO_TOKEN
    assert judge.judge({"cookie": "{}={}".format(name, TOKEN)}) == access.NO_TOKEN
    assert judge.judge({"cookie": "{}=\xff\udcff;;=".format(name)}) == access.NO_TOKEN
    assert Access(TOKEN + "2", 8088, None).cookie != judge.cookie


def test_a_bearer_is_enough(judge):
    assert judge.judge({"authorization": "Bearer " + TOKEN}) == access.RIGHT
    assert judge.judge({"authorization": "bearer  " + TOKEN}) == access.RIGHT
    assert judge.judge({"authorization": "Basic " + TOKEN}) == access.NO_TOKEN
    assert judge.judge({"authorization": "Bearer " + TOKEN[:-1]}) == access.NOT_RIGHT
    assert judge.judge({"authorization": "Bearer"}) == access.NOT_RIGHT
    assert judge.judge({}) == access.NO_TOKEN


def test_wrong_tokens_are_held_back_after_some_and_right_ones_never(judge, clock):
    ours = {"host": "localhost"}
    for _ in range(access.WRONG):
        assert judge.delay("10.0.0.9", ours) == 0
    for _ in range(100):
        assert judge.delay("10.0.0.9", ours) == access.DELAY_S
        assert judge.judge_token(TOKEN) == access.RIGHT
    assert judge.judge_token("wrong") == access.NOT_RIGHT
    assert judge.delay("10.0.0.8", ours) == 0, "others do not wait"
    clock.now += 59
    assert judge.delay("10.0.0.9", ours) == access.DELAY_S
    clock.now += 61
    assert judge.delay("10.0.0.9", ours) == 0


@pytest.mark.parametrize(
    ("headers", "elsewhere"),
    [
        ({}, False), ({"sec-fetch-site": "same-origin"}, False), ({"sec-fetch-site": "none"}, False),
        ({"sec-fetch-site": "cross-site"}, True), ({"sec-fetch-site": "same-site"}, True), ({"sec-fetch-site": ""}, True),
        ({"origin": "http://localhost:8088", "host": "localhost:8088"}, False),
        ({"origin": "http://localhost:3000", "host": "localhost:8088"}, True), ({"origin": "null", "host": "x"}, True),
        ({"origin": "http://evil", "host": "x", "sec-fetch-site": "same-origin"}, False),
    ],
)  # fmt: skip
def test_what_another_sites_page_sends_does_not_count(judge, headers, elsewhere):
    assert access.from_elsewhere(headers) is elsewhere
    delays = [judge.delay("a", headers) for _ in range(access.WRONG + 1)]
    assert delays[-1] == (0 if elsewhere else access.DELAY_S)


def test_addresses_are_forgotten_before_they_fill_the_memory(judge):
    for number in range(3000):
        judge.delay(str(number), {})
        judge.delay("a", {})
    assert len(judge._wrong) == 1000
    assert "2999" in judge._wrong
    assert len(judge._wrong["a"]) == access.WRONG + 1


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
