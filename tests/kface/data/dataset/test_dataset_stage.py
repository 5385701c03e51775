import subprocess
import sys

import pytest

pytest.importorskip("hydra")

from kface.data.corpora import FolderCorpus


def test_two_folders_are_two_data_sets(tmp_path):
    one, other = (FolderCorpus(str(tmp_path / name)).key for name in ("a", "b"))
    assert one != other
    assert one == FolderCorpus(str(tmp_path / "b" / ".." / "a")).key
    assert one.startswith("folders-")


@pytest.mark.parametrize(
    ("override", "key"), [("jobs=0", "jobs"), ("jobs=nan", "jobs"), ("detector.thresholds=5", "detector.thresholds")]
)
def test_a_setting_of_the_wrong_kind_is_one_line(override, key, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "kface.data.dataset", override, f"data_dir={tmp_path}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 2
    assert done.stdout.count("\n") == 1
    assert key + ": must be" in done.stdout
