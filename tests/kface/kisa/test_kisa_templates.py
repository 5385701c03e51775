"""Templates are made once, survive an interruption, and are made again when the image or the engine changes."""

import sqlite3

import numpy as np
import pytest
from small_kisa import PixelEngine, small_database

from kface.errors import ConfigError, DatasetError
from kface.kisa.engines import NullEngine
from kface.kisa.templates import BATCH, make_templates


def test_a_second_run_makes_none_and_gives_the_same(tmp_path):
    database = small_database()
    first, second = PixelEngine(), PixelEngine()
    made = make_templates(database, first, tmp_path, progress=False)
    again = make_templates(database, second, tmp_path, progress=False)
    assert (first.given, made.made) == (90, 90)
    assert (second.given, again.made) == (0, 0)
    np.testing.assert_array_equal(made.data, again.data)
    assert made.reasons == again.reasons


def test_an_interrupted_run_loses_no_finished_batch(tmp_path):
    database = small_database()
    with pytest.raises(KeyboardInterrupt):
        make_templates(database, PixelEngine(stop_after=3 * BATCH), tmp_path, progress=False)
    engine = PixelEngine()
    made = make_templates(database, engine, tmp_path, progress=False)
    assert engine.given == 90 - 3 * BATCH
    np.testing.assert_array_equal(
        made.data, make_templates(database, PixelEngine(), tmp_path / "other", progress=False).data
    )


def test_a_changed_image_and_another_engine_are_made_again(tmp_path):
    make_templates(small_database(), PixelEngine(), tmp_path, progress=False)
    engine = PixelEngine()
    make_templates(small_database(black=[(1, "light_45"), (2, "pose_left-45")]), engine, tmp_path, progress=False)
    # Both are black: one image.
    assert engine.given == 1
    newer = PixelEngine(version="2")
    make_templates(small_database(), newer, tmp_path, progress=False)
    assert newer.given == 90
    assert len(list(tmp_path.glob("*.sqlite"))) == 2


def test_what_fails_is_marked_with_its_reason_and_remembered(tmp_path):
    database = small_database(black=[(0, "light_0")], unreadable=[(1, "enrolment_neutral")])
    for _ in range(2):
        made = make_templates(database, PixelEngine(), tmp_path, progress=False)
        failed = {
            (image.person, image.condition.key): reason
            for image, reason in zip(database.images, made.reasons, strict=True)
            if reason
        }
        assert failed == {
            ("사람 0", "light_0"): "no face was found",
            ("사람 1", "enrolment_neutral"): "cannot be read (gone)",
        }
        assert made.failed.sum() == 2
        assert not made.data[made.failed].any()


def test_an_image_that_cannot_be_decoded_is_a_failure(tmp_path):
    database = small_database()
    image = database.images[3]
    object.__setattr__(image, "content", b"\x89PNG\r\n\x1a\n broken")
    made = make_templates(database, NullEngine(), tmp_path, progress=False)
    assert np.flatnonzero(made.failed).tolist() == [3]
    assert made.made == 89


def test_a_damaged_file_is_refused_by_name(tmp_path):
    database = small_database()
    make_templates(database, PixelEngine(), tmp_path, progress=False)
    (path,) = tmp_path.glob("*.sqlite")
    with sqlite3.connect(path) as file:
        file.execute("UPDATE templates SET data = x'00'")
    file.close()
    with pytest.raises(DatasetError, match="holds a template of another size; delete it"):
        make_templates(database, PixelEngine(), tmp_path, progress=False)
    path.write_bytes(b"not a data base" * 100)
    with pytest.raises(DatasetError, match=r"is damaged .*; delete it"):
        make_templates(database, PixelEngine(), tmp_path, progress=False)


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be made"):
        make_templates(small_database(), PixelEngine(), tmp_path / "file", progress=False)
