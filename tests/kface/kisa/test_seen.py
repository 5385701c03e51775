"""The same file under two names, and other sizes, which only the images' bytes show."""

from dataclasses import replace

import pytest
from kisa_fakes import jpeg
from small_kisa import MemoryImage, PixelEngine, job, small_database

from kface.errors import DatasetError
from kface.kisa import stage
from kface.kisa.conditions import ENROLMENT, PROBES
from kface.kisa.database import Severity
from kface.kisa.seen import SeenImages
from kface.kisa.templates import make_templates


def with_copy(source, target):
    """Return a data base in which the image number `target` is a copy of the number `source`."""
    database = small_database()
    images = list(database.images)
    images[target] = replace(images[target], content=images[source].content)
    return replace(database, images=tuple(images))


@pytest.mark.parametrize(("source", "target"), [(0, 4), (3, 21), (0, 18)], ids=["probe", "people", "enrolments"])
def test_a_copy_is_an_error_and_gives_no_figure(tmp_path, source, target):
    database = with_copy(source, target)
    (fault,) = make_templates(database, PixelEngine(), tmp_path, progress=False).database.errors
    first, second = (database.images[number].place for number in (source, target))
    assert (fault.kind, str(fault)) == ("same image twice", f"{first}: the same file as {second}")
    # From the cache likewise.
    with pytest.raises(DatasetError, match=r"1 x same image twice .*the same file as"):
        stage.perform(job(tmp_path, data_dir=tmp_path), PixelEngine(), database)


def test_images_without_a_template_may_be_alike(tmp_path):
    database = small_database(black=[(0, "light_180"), (1, "light_180")])
    assert make_templates(database, PixelEngine(), tmp_path, progress=False).database.errors == ()


def test_another_size_is_a_warning():
    seen = SeenImages()
    images = [
        MemoryImage("ann", condition, jpeg(1, size))
        for condition, size in ((ENROLMENT, (640, 480)), (PROBES[0], (320, 240)))
    ]
    images.append(MemoryImage("ann", PROBES[1], b"nothing that has a size"))
    for image in images:
        seen.add(image, image.sha256(), image.encoded())
    (fault,) = seen.faults()
    assert fault.severity is Severity.WARNING
    assert str(fault) == "ann/light_0.png: 320x240 pixels instead of 640x480"
