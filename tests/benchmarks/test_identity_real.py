"""The quick identity bench on real people with the pretrained network: nobody is called by a wrong name for long."""

import json
import os
from pathlib import Path

import pytest

from benchmarks import identity

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bundle():
    found = Path(os.environ.get("KFACE_PRETRAINED_BUNDLE") or ROOT / identity.BUNDLE)
    if not (found / "manifest.json").is_file():
        pytest.skip(
            "the pretrained network is not here: make export embedder=pretrained (or set KFACE_PRETRAINED_BUNDLE)"
        )
    return found


@pytest.mark.slow
def test_no_wrong_name_for_half_a_second_and_no_name_for_strangers(bundle, shared_data, tmp_path):
    out = tmp_path / "report.json"
    words = [f"bundle={bundle}", f"cfp={shared_data / 'cfp'}", f"lfw={shared_data / 'lfw'}", "quick=true", f"out={out}"]
    for half in identity.HALVES:
        assert identity.main([*words, f"half={half}"]) == 0
        report = json.loads(out.read_text(encoding="utf-8"))["total"]
        assert report["wrong_s"]["tracks_over_half"] == 0
        assert report["stays"]["strangers_named"] == 0
        # And not because nobody is called anything.
        assert report["stays"]["named"] >= 0.6 * report["stays"]["enrolled"]
        assert report["stays"]["strangers"] > 50
