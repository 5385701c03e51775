"""A few damaged videos at every run of the tests; `make attack` reads more."""

import pytest
from video_mutations import campaign


def test_damaged_videos_give_frames_or_one_line():
    assert campaign(1, 60) == (60, [])


@pytest.mark.slow
def test_many_damaged_videos_give_frames_or_one_line():
    assert campaign(2, 1200) == (1200, [])
