"""The campaigns against a gallery, a small number of each; run as programs they take a seed and a count."""

import pytest

pytest.importorskip("cryptography")

import gallery_kills
import gallery_tampering


def test_no_tampering_is_accepted():
    tried, failed = gallery_tampering.campaign(1, 60)
    assert (tried, failed) == (60, [])


def test_no_acknowledged_enrolment_is_lost():
    tried, failed = gallery_kills.campaign(1, 60)
    assert tried >= 60
    assert failed == []
