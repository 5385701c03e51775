"""Small campaigns against the page; ``python tests/attack/http_requests.py`` and ``json_commands.py`` run large ones."""

import http_requests
import json_commands
import pytest


@pytest.mark.parametrize(("module", "count"), [(http_requests, 400), (json_commands, 400)])
def test_nothing_but_answers_comes_back(module, count):
    tried, failed = module.campaign(seed=8, count=count)
    assert tried == count
    assert not failed, "\n".join(failed)
