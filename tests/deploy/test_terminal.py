import io
import os

import pytest

from deploy.terminal import print_line, typed_name
from kface.errors import ConfigError


def test_signs_that_the_terminal_lacks_are_escaped():
    ascii_terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    print_line("김 Kim", ascii_terminal)
    assert ascii_terminal.buffer.getvalue() == b"\\uae40 Kim\n"
    utf8 = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    print_line("김 Kim", utf8)
    assert utf8.buffer.getvalue().decode("utf-8") == "김 Kim\n"


def test_names_come_as_they_were_typed_under_any_locale():
    assert typed_name("Kim") == "Kim"
    assert typed_name(os.fsdecode("김".encode("utf-8"))) == "김"


def test_a_name_that_is_not_utf8_is_refused():
    with pytest.raises(ConfigError, match="is not UTF-8"):
        typed_name(b"\xff\xfe".decode("ascii", "surrogateescape"))
