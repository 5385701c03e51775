"""How a command ends."""

import pytest

from kface.commands.ending import exit_status
from kface.errors import ConfigError


def raises(error):
    def work():
        raise error

    return work


def test_a_command_ends_with_its_own_status(capsys):
    assert exit_status("pack", lambda: 7) == 7
    assert capsys.readouterr() == ("", "")


def test_an_error_is_one_line_and_status_2(capsys):
    assert exit_status("pack", raises(ConfigError("does not\nexist\x1b[2J", "--out", "give another"))) == 2
    assert capsys.readouterr() == ("", "pack: --out: does not exist\\x1b[2J; give another\n")


def test_ctrl_c_is_status_130(capsys):
    assert exit_status("pack", raises(KeyboardInterrupt()), "stopped; nothing was written") == 130
    assert capsys.readouterr() == ("", "pack: stopped; nothing was written\n")


def test_a_defect_passes_through():
    with pytest.raises(ZeroDivisionError):
        exit_status("pack", raises(ZeroDivisionError()))
