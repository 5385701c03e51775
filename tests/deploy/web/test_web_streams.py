"""Pictures and events for many clients, slow ones and dead ones."""

import contextlib
import http.client
import json
import socket
import threading
import time

import numpy as np
import pytest
from web_session import BEARER, TOKEN, FakeSession

from deploy.settings import WebSettings
from deploy.web import WebServer, feed, pictures
from deploy.web.pictures import Pictures
from kface.errors import KFaceError
from kface.images import decode_image

DEADLINE_S = 20


@pytest.fixture
def server(session):
    # More pictures a second than the session has: none waits for its turn.
    with WebServer(session, WebSettings(port=0, fps=60), token=TOKEN) as server:
        yield server


@contextlib.contextmanager
def opened(server, path, headers=BEARER):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=DEADLINE_S)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    try:
        yield answer
    finally:
        answer.close()
        connection.close()


def part_of(answer):
    """Read a part of the MJPEG stream: its headers and its picture."""
    assert answer.readline() == b"--kface\r\n"
    headers = {}
    while True:
        line = answer.readline().decode("ascii").strip()
        if not line:
            break
        name, _, value = line.partition(": ")
        headers[name] = value
    jpeg = answer.read(int(headers["Content-Length"]))
    assert answer.read(2) == b"\r\n"
    return headers, jpeg


def message_of(answer):
    """Read a server-sent event: its name, its ID and its value."""
    fields = {}
    while True:
        line = answer.readline().decode("utf-8")
        assert line, "the stream has ended"
        if line == "\n":
            if "event" in fields:
                return fields["event"], fields.get("id"), json.loads(fields["data"])
            fields = {}
            continue
        name, _, value = line.rstrip("\n").partition(": ")
        fields[name] = value


def messages(answer, name, count):
    found = []
    while len(found) < count:
        message = message_of(answer)
        if message[0] == name:
            found.append(message)
    return found


def wait_for(condition, what):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


# ---- pictures


def test_the_stream_is_jpeg_after_jpeg_with_growing_numbers(server):
    with opened(server, "/stream.mjpg") as answer:
        assert answer.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=kface"
        parts = [part_of(answer) for _ in range(5)]
    numbers = [int(headers["X-Kface-Number"]) for headers, _ in parts]
    assert numbers == sorted(set(numbers))
    for headers, jpeg in parts:
        assert headers["Content-Type"] == "image/jpeg"
        assert headers["X-Kface-Live"] == "1"
        assert decode_image(jpeg).shape == (360, 640, 3)


def test_a_page_that_draws_the_labels_gets_pictures_without_and_the_faces(server, session, monkeypatch):
    session._known[1] = "김\r\nX-Evil: 1"
    wait_view = session.wait_view
    plain = np.full((360, 640, 3), 200, np.uint8)
    monkeypatch.setattr(session, "wait_view", lambda *given: wait_view(*given)._replace(plain=plain))
    with opened(server, "/stream.mjpg?labels=none") as answer:
        headers, jpeg = part_of(answer)
    image = decode_image(jpeg)
    assert np.abs(image.astype(int) - 200).max() < 8
    assert "X-Evil" not in headers
    faces = json.loads(headers["X-Kface-Faces"])
    assert [(face["track"], face["state"], face["name"]) for face in faces] == [
        (1, "recognised", "김\r\nX-Evil: 1"),
        (2, "unknown", None),
    ]
    with opened(server, "/stream.mjpg") as answer:
        headers, jpeg = part_of(answer)
    assert "X-Kface-Faces" not in headers
    image = decode_image(jpeg)
    assert np.abs(image.astype(int) - 200).max() > 50


def test_colours_are_right(session, server):
    session.backdrop = np.full((360, 640, 3), (200, 40, 40), np.uint8)
    with opened(server, "/picture.jpg") as answer:
        image = decode_image(answer.read())
    assert np.abs(image[10, 600].astype(int) - (200, 40, 40)).max() < 12


def test_the_border_comes_with_the_picture_not_with_the_next_one(session, server):
    session.lose()
    with opened(server, "/stream.mjpg") as answer:
        headers, _ = part_of(answer)
        assert headers["X-Kface-Live"] == "0"
        begun = time.monotonic()
        # Nothing new happens: without its border a browser would not show the picture up to the heartbeat.
        assert answer.readline() == b"--kface\r\n"
        assert time.monotonic() - begun < pictures.HEARTBEAT_S / 2


def test_a_stream_without_news_beats(session, server, monkeypatch):
    monkeypatch.setattr(pictures, "HEARTBEAT_S", 0.2)
    session.lose()
    with opened(server, "/stream.mjpg") as answer:
        first, second = part_of(answer), part_of(answer)
    assert first == second
    assert first[0]["X-Kface-Live"] == "0"


def test_a_picture_is_not_sent_again_before_its_time(session):
    session.lose()
    sent, closing = [], threading.Event()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        watching = Pictures(session, 60, 80, closing)
        thread = threading.Thread(target=pictures.stream, args=(watching, ours, sent.append, closing))
        thread.start()
        wait_for(lambda: len(sent) == 2, "the border and the picture")
        time.sleep(1.2)
        closing.set()
        thread.join(DEADLINE_S)
    assert len(sent) == 2


def test_systems_that_do_not_tell_what_waits_get_pictures_too(server, monkeypatch):
    monkeypatch.setattr(pictures, "REPORTS_QUEUE", False)
    with opened(server, "/stream.mjpg") as answer:
        numbers = [int(part_of(answer)[0]["X-Kface-Number"]) for _ in range(3)]
    assert numbers == sorted(set(numbers))


def test_each_view_is_encoded_once_for_all_who_watch(session, server, monkeypatch):
    encoded = []
    original = pictures.encode_jpeg

    def counting(image, quality):
        encoded.append(quality)
        return original(image, quality)

    monkeypatch.setattr(pictures, "encode_jpeg", counting)
    with contextlib.ExitStack() as stack:
        answers = [stack.enter_context(opened(server, "/stream.mjpg")) for _ in range(6)]
        seen = {}
        for _ in range(8):
            for answer in answers:
                headers, jpeg = part_of(answer)
                assert seen.setdefault(headers["X-Kface-Number"], jpeg) == jpeg
        # Some wait in the queues of the sockets; but six clients times eight parts are many more than there are views.
        assert len(encoded) <= session._number
        assert len(encoded) < 40
    assert set(encoded) == {80}


def test_no_more_pictures_a_second_than_asked_for(session):
    closing = threading.Event()
    made = Pictures(session, 10, 80, closing)
    numbers, begun = [0], time.monotonic()
    for _ in range(5):
        numbers.append(made.wait(numbers[-1], 5).number)
    assert time.monotonic() - begun >= 0.38
    assert numbers == sorted(set(numbers))


def test_who_asks_after_a_pause_gets_no_old_picture(session):
    made = Pictures(session, 60, 80, threading.Event())
    old = made.wait(0, 5).number
    wait_for(lambda: session._number > old + 5, "the session goes on")
    # The cached picture is newer than what the client knows, but not the newest.
    assert made.wait(old - 1, 5).number > old + 4
    assert made.newest().number >= old + 5


def test_a_session_that_has_ended_is_not_asked_without_pause(session):
    made = Pictures(session, 60, 80, threading.Event())
    session.stop()
    last = made.wait(0, 1).number
    begun = time.monotonic()
    assert made.wait(last, 0.3) is None
    assert time.monotonic() - begun >= 0.29


@pytest.mark.skipif(not pictures.REPORTS_QUEUE, reason="only Linux tells how much waits in a socket")
def test_slow_clients_get_the_newest_picture_only(session, server):
    # Noise does not compress: a picture is larger than what the sockets hold.
    session.backdrop = np.random.RandomState(0).randint(0, 255, (360, 640, 3)).astype(np.uint8)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(DEADLINE_S)
    connection.connect(("127.0.0.1", server.port))
    with connection, connection.makefile("rb") as answer:
        connection.sendall(
            "GET /stream.mjpg HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\r\n".format(TOKEN).encode()
        )
        while answer.readline() != b"\r\n":
            pass
        first = int(part_of(answer)[0]["X-Kface-Number"])
        paused_at = session._number
        wait_for(lambda: session._number > paused_at + 40, "the session goes on")
        second, third = (int(part_of(answer)[0]["X-Kface-Number"]) for _ in range(2))
    assert second <= paused_at + 3, "it was on its way already"
    assert third > paused_at + 40, "an old picture was kept for the slow client"
    assert first < second


def test_a_client_that_takes_nothing_is_given_up(session, server, monkeypatch):
    monkeypatch.setattr(pictures, "STALL_S", 0.5)
    monkeypatch.setattr("deploy.web.handler.SEND_S", 0.5)
    session.backdrop = np.random.RandomState(0).randint(0, 255, (360, 640, 3)).astype(np.uint8)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", server.port))
    with connection:
        connection.sendall(
            "GET /stream.mjpg HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\r\n".format(TOKEN).encode()
        )
        wait_for(lambda: server.clients == 1, "the client is served")
        wait_for(lambda: server.clients == 0, "the client is given up")


@pytest.mark.skipif(not pictures.REPORTS_QUEUE, reason="only Linux tells how much waits in a socket")
def test_a_listener_that_takes_nothing_is_given_up(session, server, monkeypatch):
    monkeypatch.setattr(pictures, "STALL_S", 0.5)
    monkeypatch.setattr(feed, "LOOK_S", 0.05)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    connection.connect(("127.0.0.1", server.port))
    head = "GET /events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\r\n".format(TOKEN)
    with connection:
        connection.sendall(head.encode("ascii"))
        places = server._server.listening
        wait_for(lambda: places.taken == 1, "it listens")
        stop = threading.Event()

        def happen():
            while not stop.wait(0.01):
                session.happen("unknown", track=1, reason="x" * 400)

        busy = threading.Thread(target=happen)
        busy.start()
        try:
            wait_for(lambda: places.taken == 0, "it is given up")
        finally:
            stop.set()
            busy.join()


def test_a_listener_that_reads_slowly_stays(session, server, monkeypatch):
    monkeypatch.setattr(pictures, "STALL_S", 0.5)
    monkeypatch.setattr(feed, "LOOK_S", 0.05)
    with opened(server, "/events") as answer:
        for number in range(10):
            session.happen("unknown", track=number)
            time.sleep(0.1)
        tracks = []
        while len(tracks) < 10:
            name, _, value = message_of(answer)
            if name == "event":
                tracks.append(value["track"])
    assert tracks == list(range(10))


@pytest.mark.parametrize("path", ["/stream.mjpg", "/events"])
def test_the_thread_of_a_dead_client_ends_before_anything_is_sent_to_it(session, server, path, monkeypatch):
    monkeypatch.setattr(pictures, "HEARTBEAT_S", 3600)
    monkeypatch.setattr(feed, "HEARTBEAT_S", 3600)
    session.lose()
    places = server._server.watching if path == "/stream.mjpg" else server._server.listening
    before = threading.active_count()
    with opened(server, path) as answer:
        # Nothing is left unread: such a connection ends with FIN, not with RST, and writing to it would work once more.
        assert part_of(answer) if path == "/stream.mjpg" else messages(answer, "faces", 1)
        assert answer.readline() if path == "/stream.mjpg" else True
        assert places.taken == 1
    wait_for(lambda: places.taken == 0, "the place is free")
    wait_for(lambda: threading.active_count() <= before, "the thread has ended")


@pytest.mark.parametrize("path", ["/stream.mjpg", "/events"])
def test_more_than_allowed_are_refused_until_one_leaves(session, path):
    with WebServer(session, WebSettings(port=0), token=TOKEN, max_clients=2) as server:
        with opened(server, path) as first, opened(server, path) as second:
            assert first.read(5)
            assert second.read(5)
            with opened(server, path) as third:
                assert third.status == 503
                assert third.headers["Retry-After"] == "10"
                assert b"2 viewers are connected" in third.read()
        wait_for(lambda: server._server.watching.taken + server._server.listening.taken == 0, "the places are free")
        with opened(server, path) as fourth:
            assert fourth.status == 200


# ---- events


def test_events_come_as_they_happen_with_status_and_faces(session, server):
    with opened(server, "/events") as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        status = messages(answer, "status", 1)[0][2]
        assert (status["stream"], status["threshold"]) == ("live", 0.4)
        assert [face["track"] for face in messages(answer, "faces", 1)[0][2]["faces"]] == [1, 2]
        session.happen("recognised", name="김민수\nevent: forged", track=1, score=np.float32(0.5))
        _, number, value = messages(answer, "event", 1)[0]
        assert value["person"] == "김민수\nevent: forged"
        assert value["score"] == 0.5
        assert number.endswith("-1")
        session.lose("pulled out")
        wait_for(lambda: messages(answer, "status", 1)[0][2]["reason"] == "pulled out", "the loss")


def test_who_comes_back_gets_what_was_missed_and_nothing_twice(session, server):
    for track in range(5):
        session.happen("unknown", track=track)
    with opened(server, "/events") as answer:
        found = messages(answer, "event", 5)
        assert [value["track"] for _, _, value in found] == [0, 1, 2, 3, 4]
    last = found[2][1]
    session.happen("unknown", track=5)
    for path, headers in (("/events", dict(BEARER, **{"Last-Event-ID": last})), ("/events?after=" + last, BEARER)):
        with opened(server, path, headers) as answer:
            assert [value["track"] for _, _, value in messages(answer, "event", 3)] == [3, 4, 5]


@pytest.mark.parametrize(
    "after", ["deadbeef-3", "3", "", "-", "deadbeef-x", "deadbeef-99999999999999999999", "x" * 500]
)
def test_the_id_of_another_run_or_none_counts_as_none(session, server, after):
    for track in range(60):
        session.happen("unknown", track=track)
    with opened(server, "/events", dict(BEARER, **{"Last-Event-ID": after})) as answer:
        found = [value["track"] for _, _, value in messages(answer, "event", feed.PAST)]
        assert found == list(range(60 - feed.PAST, 60))


def test_a_quiet_feed_beats_in_a_way_that_reaches_the_page(session, server, monkeypatch):
    monkeypatch.setattr(feed, "HEARTBEAT_S", 0.2)
    monkeypatch.setattr(feed, "LOOK_S", 0.1)
    session.lose()
    with opened(server, "/events") as answer:
        assert messages(answer, "alive", 2)


def test_an_ended_session_is_not_asked_without_pause(session, server):
    asked = []
    original = session.wait_events

    def counting(after=0, timeout=1.0):
        asked.append(after)
        return original(after, timeout)

    session.wait_events = counting
    session.stop()
    with opened(server, "/events") as answer:
        assert messages(answer, "status", 1)[0][2]["stream"] == "closed"
        time.sleep(1.2)
    assert len(asked) <= 6


def test_a_session_that_fails_ends_the_feed_with_a_line_in_the_log(session, server, caplog):
    with opened(server, "/events") as answer:
        messages(answer, "status", 1)

        def fail():
            raise KFaceError("the gallery is gone", "gallery.db")

        session.__class__ = type("Failing", (FakeSession,), {"status": property(lambda self: fail())})
        answer.read()
    wait_for(lambda: "gallery.db: the gallery is gone" in caplog.text, "the line")
    session.__class__ = FakeSession
