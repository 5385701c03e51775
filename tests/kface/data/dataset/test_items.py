"""A corpus that is no tree of files: what its items must tell is all that the builder asks."""

from dataclasses import dataclass

import numpy as np
import pytest
from dataset_fakes import FakeMtcnn, picture

from kface.alignment import TEMPLATE
from kface.data.dataset import DatasetSettings, build, read
from kface.data.dataset.items import CorpusSource, Item, Marked
from kface.data.dataset.sources import SOURCES
from kface.data.layout import Capture
from kface.errors import ConfigError, ImageError
from kface.files import sha256_bytes
from kface.images import decode_image, encode_png

PEOPLE = ("ann", "bo", "cy")


@dataclass(frozen=True)
class Kept(Item):
    """An aligned face as bytes."""

    data: bytes

    def read(self):
        return decode_image(self.data, self.place)

    def stamp(self):
        return sha256_bytes(self.data)

    def marked(self):
        return Marked(TEMPLATE.astype(np.float32), np.array([0, 0, 112, 112], np.float32))


class Memory(CorpusSource):
    landmarks = ("image", "annotation")

    def __init__(self, root, settings):
        self.held = {}
        for number, person in enumerate(PEOPLE):
            faces = [encode_png(picture(10 * number + view, size=(112, 112))) for view in range(3)]
            self.held[person] = faces if number else [*faces, b"no image", encode_png(picture(1, size=(19, 30)))]

    def subjects(self):
        return list(PEOPLE)

    def survey(self, problems):
        problems.add("nothing beside", "x")

    def items(self, subject, problems=None):
        capture = Capture(subject, 0, 0, 0, 0)
        return [Kept(f"{subject}/{n}", capture, data) for n, data in enumerate(self.held[subject])]


@pytest.fixture
def settings(monkeypatch):
    monkeypatch.setitem(SOURCES, "memory", Memory)
    return DatasetSettings(layout="memory", landmarks="annotation", published=False)


def test_aligned_faces_from_memory(settings, tmp_path):
    made = build("nowhere", tmp_path / "out", settings, jobs=1, detector=FakeMtcnn(), progress=False)
    manifest = made.manifest
    assert (manifest.images(), manifest.protocol) == (9, None)
    assert manifest.counts["landmarks"] == {"annotation file": 9}
    reasons = {refused.path: refused.reason for refused in manifest.refused}
    assert reasons["ann/4"] == "is too small (30x19 pixels)"
    assert set(reasons) == {"ann/3", "ann/4"}
    for record in read(manifest):
        person, view = record.path.split("/")
        given = picture(10 * PEOPLE.index(person) + int(view), size=(112, 112)).astype(int)
        # What is aligned already goes in as it is, but for the JPEG.
        assert np.abs(record.image.astype(int) - given).mean() < 2
    again = build("nowhere", tmp_path / "out", settings, jobs=1, detector=FakeMtcnn(), progress=False)
    assert (again.built, again.kept) == (0, 11)


def test_landmarks_that_a_corpus_does_not_have(settings):
    with pytest.raises(ConfigError, match="layout=memory"):
        settings._replace(landmarks="camera").validated()


def test_an_item_without_a_reader():
    with pytest.raises(TypeError, match="abstract"):
        Item("a", Capture("a", 0, 0, 0, 0))
    with pytest.raises(ImageError, match="item"):
        Kept("item", Capture("a", 0, 0, 0, 0), b"no image").read()
