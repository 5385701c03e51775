"""Hosts that train together: settings, and the connection between them, here between threads."""

import contextlib
import json
import queue
import socket
import threading
import time

import pytest

from kface.errors import ConfigError, KFaceError, TrainingError
from train.hosts import Cluster, HostsSettings
from train.hosts.link import Link
from train.hosts.settings import first_node


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def together(works, timeout=20):
    """Run functions in threads and return what each returned or raised."""
    results = [None] * len(works)

    def run(number, work):
        try:
            results[number] = work()
        except KFaceError as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=pair, daemon=True) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout)
    assert not any(thread.is_alive() for thread in threads)
    return results


class Hosts:
    """Links between threads, with what each was told of the end of another."""

    def __init__(self, count, timeout=10.0, counts=None, indices=None):
        port = free_port()
        self.lost = [queue.Queue() for _ in range(count)]
        counts, indices = counts or [count] * count, indices or range(count)

        def connect(number):
            settings = HostsSettings(f"127.0.0.1:{port}", counts[number], indices[number], timeout)
            return Link(settings, self.lost[number].put)

        self.links = together([lambda number=number: connect(number) for number in range(count)])

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for link in self.links:
            if isinstance(link, Link):
                link.end("over")

    def each(self, work):
        return together([lambda link=link: work(link) for link in self.links])


def test_they_exchange_values_and_wait_for_each_other():
    with Hosts(3) as hosts:
        assert len({link.service for link in hosts.links}) == 1
        reached = []

        def late(link):
            if link.index == 1:
                time.sleep(0.3)
                reached.append(1)
            values = link.exchange("place", {"host": link.index})
            assert reached
            return values

        assert hosts.each(late) == [[{"host": 0}, {"host": 1}, {"host": 2}]] * 3
        assert hosts.each(lambda link: link.exchange("next", link.index)) == [[0, 1, 2]] * 3
        hosts.each(lambda link: link.close())
        assert all(lost.empty() for lost in hosts.lost)


def test_the_end_of_one_is_known_to_all_at_once():
    with Hosts(3) as hosts:
        # As the operating system does for a process that is killed.
        for peer in hosts.links[2]._peers.values():
            peer.close()
        assert [hosts.lost[number].get(timeout=5) for number in (0, 1)] == ["host 2 has ended"] * 2


def test_an_error_of_one_is_a_line_on_all():
    with Hosts(3) as hosts:
        clusters = [Cluster(link) for link in hosts.links]
        clusters[1]._link.end("host 1 has ended: disk: is full")
        assert [hosts.lost[number].get(timeout=5) for number in (0, 2)] == ["host 1 has ended: disk: is full"] * 2
        with pytest.raises(TrainingError, match="host 1 has ended: disk: is full; see its own lines"):
            hosts.links[0].exchange("place")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"counts": [2, 3]}, "hosts.count: is 2 on host 0 and 3 on host 1; start all with the same"),
        (
            {"counts": [3, 3, 3], "indices": [0, 1, 1]},
            "hosts.index: two hosts have index 1; number them from 0 to hosts.count - 1",
        ),
    ],
)
def test_hosts_that_do_not_belong_together(arguments, line):
    with Hosts(len(arguments["counts"]), **arguments) as hosts:
        assert [str(link) for link in hosts.links] == [line] * len(hosts.links)


def test_a_host_that_does_not_come():
    port = free_port()
    settings = HostsSettings(f"127.0.0.1:{port}", 3, 0, timeout=0.4)
    with pytest.raises(TrainingError, match=r"hosts: hosts 1, 2 of 3 did not connect within 0.4 s; start the same"):
        Link(settings, lambda line: None)
    settings = HostsSettings(f"127.0.0.1:{port}", 3, 2, timeout=0.4)
    with pytest.raises(TrainingError, match=rf"127.0.0.1:{port}: cannot be reached within 0.4 s .*; start host 0"):
        Link(settings, lambda line: None)
    with socket.create_server(("", port)), pytest.raises(ConfigError, match=f"cannot listen on port {port}: Address"):
        Link(HostsSettings(f"127.0.0.1:{port}", 3, 0), lambda line: None)


def test_a_stranger_at_the_port_is_ignored():
    port = free_port()

    def stranger():
        until = time.monotonic() + 5
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\n\r\n" + json.dumps({"kface": 99}).encode() + b"\n")
                return None
            time.sleep(0.02)

    def first():
        return Link(HostsSettings(f"127.0.0.1:{port}", 2, 0, 10), lambda line: None)

    def second():
        time.sleep(0.3)
        return Link(HostsSettings(f"127.0.0.1:{port}", 2, 1, 10), lambda line: None)

    _, one, two = together([stranger, first, second])
    assert one.service == two.service
    together([one.close, two.close])


def test_different_settings_and_data_are_refused_on_all():
    with Hosts(2) as hosts:
        clusters = [Cluster(link) for link in hosts.links]
        same = {"fit.batch_size": 8, "seed": 0}
        assert together([lambda one=one: one.agree("settings", same) for one in clusters]) == [None, None]
        other = [same, {"fit.batch_size": 16, "seed": 0, "extra": [1]}]
        errors = together([lambda n=n: clusters[n].agree("settings", other[n]) for n in range(2)])
        assert {str(error) for error in errors} == {
            "settings: the hosts differ: extra is null on host 0 and [1] on host 1, "
            "fit.batch_size is 8 on host 0 and 16 on host 1; start all with the same settings and data"
        }
        order = []

        def work(cluster):
            with cluster.first_before_the_others("data"):
                order.append(cluster.index)

        together([lambda one=one: work(one) for one in clusters])
        assert order == [0, 1]


def test_one_host_waits_for_nothing():
    with Cluster.connect(HostsSettings()) as cluster:
        assert (cluster.first, cluster.index, cluster.count) == (True, 0, 1)
        assert cluster.exchange("place", 5) == [5]
        cluster.agree("settings", {"a": 1})
        cluster.explain()
    assert not HostsSettings("localhost:1", 1).several


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {"count": 2},
            r"hosts\.coordinator: needs the address of the first of 2 hosts; add hosts\.coordinator=HOST:PORT",
        ),
        ({"count": 0}, r"hosts\.count: must be a whole number"),
        ({"coordinator": "here", "count": 2}, r"hosts\.coordinator: must be HOST:PORT or slurm, not 'here'"),
        ({"coordinator": "here:99999", "count": 2}, r"hosts\.coordinator: must be HOST:PORT"),
        ({"coordinator": "a:1", "count": 2, "index": 2}, r"hosts\.index: must be below hosts\.count \(2\), not 2"),
        ({"timeout": 0}, r"hosts\.timeout: must be a number, above 0"),
    ],
)
def test_wrong_settings(arguments, words):
    with pytest.raises(ConfigError, match=words):
        HostsSettings(**arguments)


def test_slurm():
    settings = HostsSettings("slurm")
    variables = {
        "SLURM_NTASKS": "4",
        "SLURM_PROCID": "2",
        "SLURM_JOB_ID": "123456",
        "SLURM_STEP_NODELIST": "gpu[007-009,12]",
    }
    assert settings.resolved(variables) == HostsSettings("gpu007:23456", 4, 2)
    with pytest.raises(ConfigError, match=r"hosts\.coordinator: is slurm, but srun has not set"):
        settings.resolved({"SLURM_NTASKS": "4"})
    assert [first_node(text) for text in ("one", "a,b", "rack[1-2]node[3,4]", "n[5]-ib")] == [
        "one",
        "a",
        "rack1node",
        "n5-ib",
    ]
    assert HostsSettings("[::1]:80", 2).address() == ("::1", 80)
