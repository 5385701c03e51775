"""Reading regular files within a limit."""

import errno
import os
import socket

import numpy as np
import pytest

from kface.files import open_regular, read_json, read_lines, read_regular, write_json


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


@pytest.mark.parametrize("text", ["[" * 100000, '{"a":' * 50000, "NaN", "[Infinity]", "", "{", "\ufeff{}"])
def test_what_is_no_json_is_a_value_error(tmp_path, text):
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="."):
        read_json(tmp_path / "a.json")


def test_json_keeps_names_that_are_not_utf_8(tmp_path):
    name = b"\xb1\xe8 \xec\xb2\xa0".decode("utf-8", "surrogateescape")
    write_json(tmp_path / "a.json", {name: [name]})
    (tmp_path / "a.json").read_bytes().decode("utf-8")
    assert read_json(tmp_path / "a.json") == {name: [name]}
    with pytest.raises(OSError, match="larger than 3 bytes"):
        read_json(tmp_path / "a.json", 3)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-16-le", "utf-32", "cp949"])
def test_lines_in_any_encoding(tmp_path, encoding):
    for end in ("\n", "\r\n", "\r"):
        (tmp_path / "a.txt").write_bytes(end.join(["names 1", "김철수", ""]).encode(encoding))
        assert read_lines(tmp_path / "a.txt") == ["names 1", "김철수", ""]


def test_bytes_that_are_no_text(tmp_path):
    for data in (b"\x80\xff", b"\xff\xfea", b"a\0b"):
        (tmp_path / "a.txt").write_bytes(data)
        with pytest.raises(ValueError, match="."):
            read_lines(tmp_path / "a.txt")


def test_what_is_written_can_be_read_where_numbers_are_not_finite(tmp_path):
    write_json(
        tmp_path / "a.json", {"a": [1.5, float("nan")], "b": {"c": (float("inf"), "Infinity")}, "d": np.float64("-inf")}
    )
    assert read_json(tmp_path / "a.json") == {"a": [1.5, None], "b": {"c": [None, "Infinity"]}, "d": None}
