"""Boards and archives for the tests of the installation."""

import pytest
from jetson_fakes import FakeBoard, make_archive

from deploy.jetson import install, service
from deploy.jetson.system import System


@pytest.fixture
def make_board(tmp_path, monkeypatch):
    """Make a board; the service of all of them settles at once."""
    monkeypatch.setattr(service, "SETTLED", 0.01)

    def make(kind="nano", booted=True):
        return FakeBoard(tmp_path / kind, monkeypatch, kind, booted)

    return make


@pytest.fixture
def board(make_board):
    return make_board()


@pytest.fixture
def archive(tmp_path):
    return make_archive(tmp_path / "archive")


@pytest.fixture
def run(capsys, archive):
    """Run the installer; returns its status, what it said, and its error."""

    def call(board, *options, **given):
        argv = ["--archive", str(given.get("archive", archive)), "--root", str(board.root)] + list(options)
        status = install.main(argv)
        told = capsys.readouterr()
        return status, told.out, told.err

    return call


@pytest.fixture
def system():
    """Open a board's system, which collects what it says in `lines`."""

    def open_system(board, dry=False):
        lines = []
        made = System(str(board.root), dry, lines.append)
        made.lines = lines
        return made

    return open_system
