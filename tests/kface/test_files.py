"""Reading regular files within a limit."""

import errno
import os
import socket

import pytest

from kface.files import open_regular, read_regular


def refused(path, limit=100):
    with pytest.raises(OSError, match=".") as caught:
        read_regular(path, limit)
    return caught.value


def test_a_file_is_read_up_to_the_limit(tmp_path):
    path = tmp_path / "얼굴"
    path.write_bytes(b"x" * 100)
    assert read_regular(path, 100) == b"x" * 100
    assert read_regular(str(path), 1 << 40) == b"x" * 100
    assert refused(path, 99).errno == errno.EFBIG
    assert "99" in refused(path, 99).strerror
    (tmp_path / "link").symlink_to(path)
    assert read_regular(tmp_path / "link", 100) == b"x" * 100
    (tmp_path / "empty").write_bytes(b"")
    assert read_regular(tmp_path / "empty", 0) == b""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs /proc")
def test_a_file_without_a_size_is_read_to_its_end():
    assert b"Name:" in read_regular("/proc/self/status", 1 << 20)
    assert refused("/proc/self/status", 10).errno == errno.EFBIG


def test_a_sparse_giant_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "giant"
    with path.open("wb") as stream:
        stream.truncate(1 << 40)
    assert refused(path, 1 << 30).errno == errno.EFBIG


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes in the file system")
def test_special_files_are_refused_at_once(tmp_path):
    os.mkfifo(str(tmp_path / "pipe"))
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.path.relpath(str(tmp_path / "socket")))
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path in (tmp_path / "pipe", tmp_path / "socket", "/dev/zero", "/dev/tty"):
        assert refused(path).strerror
    listener.close()
    assert refused(tmp_path).strerror == "is a directory"
    assert refused(tmp_path / "loop").errno == errno.ELOOP
    assert refused(tmp_path / "absent").errno == errno.ENOENT


def test_a_name_that_no_file_can_have_is_an_oserror(tmp_path):
    assert "null" in refused("a\0b").strerror
    with pytest.raises(OSError, match="null"):
        open_regular("a\0b")
