"""What systemd is told, through a real socket."""

import os
import socket
import threading

import pytest

from deploy import notify
from deploy.notify import Notifier

if not hasattr(socket, "AF_UNIX"):
    pytest.skip("this system has no Unix sockets", allow_module_level=True)


@pytest.fixture(params=["file", "abstract"])
def manager(request, tmp_path, monkeypatch):
    """Listen as systemd does; returns the socket."""
    if request.param == "abstract":
        if not os.path.isdir("/proc/self"):
            pytest.skip("only Linux has abstract sockets")
        name = "kface-test-{}".format(os.getpid())
        address, told = "\0" + name, "@" + name
    else:
        address = told = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(address)
        channel.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", told)
        monkeypatch.delenv("WATCHDOG_USEC", raising=False)
        yield channel


def received(channel):
    return channel.recv(4096).decode("utf-8")


def test_the_manager_is_told_of_the_start_of_life_and_of_the_end(manager):
    notifier = Notifier()
    notifier.ready("rtsp://10.0.0.7/live")
    assert received(manager) == "READY=1\nSTATUS=rtsp://10.0.0.7/live"
    notifier.alive("김: live, 9.8 fps")
    assert received(manager) == "WATCHDOG=1\nSTATUS=김: live, 9.8 fps"
    notifier.stopping()
    assert received(manager) == "STOPPING=1"


def test_a_status_is_one_line_whatever_is_in_it(manager):
    Notifier().ready("clip\nWATCHDOG=1\n  of\t\udcea film")
    assert received(manager) == "READY=1\nSTATUS=clip WATCHDOG=1 of \\udcea film"


@pytest.mark.parametrize(("value", "seconds"), [("3000000", 3.0), ("", None), ("soon", None), ("-5", None)])
def test_the_watchdogs_patience_is_in_the_environment(value, seconds, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", value)
    assert Notifier().watchdog == seconds


@pytest.mark.parametrize("address", [None, "", "relative", "vsock:2:1"])
def test_without_a_manager_nothing_is_said(address, monkeypatch):
    if address is None:
        monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    else:
        monkeypatch.setenv("NOTIFY_SOCKET", address)

    def opened(*_):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", opened)
    Notifier().ready("x")


def test_a_manager_that_does_not_read_holds_nothing_up(tmp_path, monkeypatch):
    monkeypatch.setattr(notify, "PATIENCE_S", 0.02)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        sender = threading.Thread(target=lambda: [Notifier().alive("x" * 1000) for _ in range(60)], daemon=True)
        sender.start()
        sender.join(60)
        assert not sender.is_alive()


def test_a_manager_that_is_gone_is_no_reason_to_end(tmp_path, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    notifier = Notifier()
    notifier.ready("x")
    notifier.alive("x" * 10**7)
    notifier.stopping()
