"""The benchmark of 1:N search, on a small gallery: it runs, compares, and says what is missing."""

import pytest

pytest.importorskip("cryptography")

from benchmarks import gallery
from kface.gallery import coarse as coarse_module
from kface.gallery import search_file


@pytest.mark.parametrize("sealed", [True, False])
def test_it_measures_and_compares(tmp_path, monkeypatch, capfd, sealed):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(gallery, "OPENINGS", 1)
    if sealed:
        monkeypatch.setattr(search_file, "LEAST", 1)
        monkeypatch.setattr(coarse_module, "LEAST", 1)
    small = ["--rows", "700", "--size", "64", "--batch", "3", "--k", "4", "--repeat", "2"]
    monkeypatch.setattr(gallery.importlib, "import_module", no_faiss(gallery.importlib.import_module))
    assert gallery.main([*small, "--gallery", str(tmp_path / "gallery.db")]) == 0
    text = capfd.readouterr().out
    assert "700 templates of 64, 3 probes, best 4" in text
    assert ("opened, 1 fresh processes" in text) == sealed
    assert "faiss is not installed (pip install faiss-cpu): left out" in text
    assert "kface: 3 of 3 probes" in text
    assert text.count("numpy product alone") == text.count("\nkface ")


def no_faiss(imported):
    def find(name):
        if name == "faiss":
            raise ImportError(name)
        return imported(name)

    return find


def test_a_wrong_answer_is_reported(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(gallery, "brute_force", lambda index, probes, k: [[0]] * len(probes))
    assert gallery.main(["--rows", "20", "--size", "8", "--repeat", "1"]) == 1
    assert "kface: 0 of 8 probes" in capfd.readouterr().out


def test_numbers_out_of_range_are_refused(capfd):
    assert gallery.main(["--rows", "0"]) == 2
    assert capfd.readouterr().err == "gallery: --rows: must be at least 1\n"
