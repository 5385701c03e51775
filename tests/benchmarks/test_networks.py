"""Which bundle ``make bench-networks`` measures."""

import os

import pytest

from benchmarks import networks
from kface.errors import KFaceError


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """An empty folder to work in; bundles are opened by name only."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(networks.BUNDLE, raising=False)
    monkeypatch.setattr(networks.bundle, "load", str)


def write(place, seconds):
    place.mkdir(parents=True)
    (place / "manifest.json").write_text("{}", encoding="utf-8")
    os.utime(place / "manifest.json", (seconds, seconds))


def test_the_newest_of_all_exports_or_the_one_that_is_named(opened, tmp_path, monkeypatch):
    with pytest.raises(KFaceError, match="there is no bundle in outputs/ or bundles/; run: make export"):
        networks.newest_bundle()
    write(tmp_path / "outputs" / "2026-01-02" / "resnet50-arcface" / "bundle", 1000)
    assert networks.newest_bundle() == "outputs/2026-01-02/resnet50-arcface/bundle"
    write(tmp_path / "bundles" / "dlib-resnet", 2000)
    assert networks.newest_bundle() == "bundles/dlib-resnet"
    write(tmp_path / "outputs" / "2026-01-03" / "mobilenetv2-softmax" / "bundle", 3000)
    assert networks.newest_bundle() == "outputs/2026-01-03/mobilenetv2-softmax/bundle"
    monkeypatch.setenv(networks.BUNDLE, "elsewhere")
    assert networks.newest_bundle() == "elsewhere"
