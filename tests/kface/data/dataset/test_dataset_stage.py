import subprocess
import sys

import pytest

pytest.importorskip("hydra")

from kface.data.corpora import FolderCorpus
from kface.data.dataset.stage import DatasetJob
from kface.errors import ConfigError
from kface.stage import compose


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


def test_a_backend_that_is_gone_is_reported_with_the_other_settings():
    config = compose("dataset", ["backend=spark", "jobs=0"])
    with pytest.raises(ConfigError) as caught:
        DatasetJob.of(config)
    assert [line.partition(";")[0] for line in caught.value.lines] == [
        "jobs: must be a number of processes, or -1 for one per core, not 0",
        "backend=spark: unknown backend",
    ]
