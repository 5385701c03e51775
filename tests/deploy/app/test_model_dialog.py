"""Bundles are listed with their cards, and a session goes over to one in every way that the dialog offers."""

import os

import numpy as np
import pytest
from app_tools import unnamed, unreachable
from deploy_fakes import (
    AT_KIM,
    FINGERPRINT,
    KEY,
    KIM,
    LEE,
    POINT,
    FakeDetector,
    FakeEmbedder,
    Film,
    picture,
    play,
    unit,
)
from qtpy.QtCore import Qt
from tiny_bundle import tiny_embedder, write_bundle

from deploy import bundle_choice, opening
from deploy.app import texts
from deploy.app.bridge import SessionBridge
from deploy.app.model_dialog import KEEP, OTHER, REENROL, ModelDialog
from deploy.settings import DeploySettings, GallerySettings
from kface import bundle
from kface.errors import GalleryError, KFaceError
from kface.gallery import Gallery
from kface.recognizer import FaceRecognizer
from kface.recognizer.embedder import EmbedderOutput

CROP = np.full((112, 112, 3), KIM, np.uint8)


class OtherEmbedder(FakeEmbedder):
    """Another model: the same people on other axes."""

    def run(self, crops):
        made = super().run(crops)
        return EmbedderOutput(np.roll(made.vectors, 1, axis=1), made.failed)


@pytest.fixture
def qtbot(qtbot):
    """Patient, for a machine that has other things to do."""
    plain = qtbot.waitUntil
    qtbot.waitUntil = lambda condition: plain(condition, timeout=30000)
    return qtbot


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key").write_bytes(KEY)
    (tmp_path / "bundles").mkdir()
    return tmp_path


@pytest.fixture
def bundles(home, monkeypatch):
    """Two bundles of different models, whose networks are fakes; returns their directories."""
    made = [
        str(write_bundle(home / "bundles" / name, tiny_embedder(sign=sign), name=name))
        for name, sign in (("첫째", 1.0), ("second", -1.0))
    ]

    def load(directory, *_, **__):
        fingerprint = bundle.load(directory).manifest.fingerprint
        recognizer = FaceRecognizer(FakeDetector(), OtherEmbedder(), fingerprint, POINT)
        load.opened.append(recognizer)
        return recognizer

    load.opened = []
    monkeypatch.setattr(opening, "FaceRecognizer", type("Loader", (), {"load": staticmethod(load)}))
    monkeypatch.setattr(
        bundle_choice, "open_gallery", lambda path, fingerprint, *_, **__: Gallery(path, fingerprint, KEY)
    )
    return made, load.opened


@pytest.fixture
def session(gallery):
    with play(Film([picture(AT_KIM)] * 2), gallery) as made:
        made.wait()
        yield made


def settings(directory="bundle"):
    return DeploySettings(bundle=directory, gallery=GallerySettings())


# ---- without a window


def test_bundles_are_listed_the_newest_first_and_broken_ones_last(bundles, home):
    broken = home / "bundles" / "broken"
    broken.mkdir()
    (broken / "manifest.json").write_text("{")
    far = str(write_bundle(home / "far" / "b", tiny_embedder(), name="far"))
    listed = bundle_choice.list_bundles((far, bundles[0][0]))
    assert sorted(one.name for one in listed[:3]) == ["far", "second", "첫째"]
    assert (listed[3].name, listed[3].fingerprint) == ("broken", "")
    assert "manifest.json: " in listed[3].error
    assert len(listed) == 4


def test_a_card_is_the_bundles_own_or_made_of_its_manifest(bundles):
    assert bundle_choice.read_card(bundles[0][1]).startswith("# second\n")


def test_whether_a_bundle_fits_and_who_would_be_lost(session, gallery):
    assert bundle_choice.fit(session, "b" * 64) == (True, 0, 0, 0, ())
    gallery.add("Kim", unit(KIM), CROP)
    gallery.add("Kim", unit(LEE))
    gallery.add("Lee", unit(LEE))
    assert bundle_choice.fit(session, FINGERPRINT) == (True, 2, 3, 1, ())
    assert bundle_choice.fit(session, "b" * 64) == (False, 2, 3, 1, ("Lee",))


def test_a_bundle_that_does_not_fit_is_closed_again_and_nothing_changes(session, gallery, bundles):
    gallery.add("Kim", unit(KIM))
    before = session.recognizer
    with pytest.raises(GalleryError, match="its templates are from another model"):
        bundle_choice.use_bundle(session, settings(bundles[0][1]))
    with pytest.raises(KFaceError, match="have no crop and cannot be recomputed"):
        bundle_choice.reenrol_bundle(session, settings(bundles[0][1]))
    assert [one.embedder.closed for one in bundles[1]] == [True, True]
    assert session.recognizer is before
    assert not before.embedder.closed


# ---- the dialog


@pytest.fixture
def dialog(english, qtbot, session, bundles):
    bridge = SessionBridge(session)
    made = ModelDialog(bridge, settings())
    qtbot.addWidget(made)
    made.show()
    qtbot.waitUntil(lambda: made.list.count() == 3)
    yield made
    made.close()
    bridge.close()
    session.gallery.close()


def choose(qtbot, dialog, name):
    for row in range(dialog.list.count()):
        if dialog.list.item(row).text().startswith(name):
            dialog.list.setCurrentRow(row)
    qtbot.waitUntil(lambda: dialog._described is not None and dialog._described.entry.name == name)


def use(qtbot, dialog):
    with qtbot.waitSignal(dialog.used) as got:
        qtbot.mouseClick(dialog.use, Qt.LeftButton)
    return got.args[0]


def test_a_model_is_chosen_by_its_card_and_used(dialog, qtbot, session, bundles):
    old = session.recognizer
    choose(qtbot, dialog, "첫째")
    assert "첫째" in dialog.card.toPlainText()
    assert not dialog.choices.isVisible()
    assert dialog.use.isEnabled()
    now = use(qtbot, dialog)
    assert os.path.basename(now.bundle) == "첫째"
    assert session.recognizer is bundles[1][0]
    assert old.embedder.closed
    qtbot.waitUntil(lambda: "in use" in dialog.list.currentItem().text())
    assert not dialog.use.isEnabled()


def test_where_it_does_not_match_the_choices_are_explained_and_the_old_one_can_be_kept(dialog, qtbot, session, gallery):
    gallery.add("Kim", unit(KIM))
    before = session.recognizer
    choose(qtbot, dialog, "second")
    assert dialog.choices.isVisible()
    assert dialog.explained.text().startswith("People enrolled with another model: 1.")
    assert dialog._abouts[REENROL].text().startswith("Not possible: no picture was kept")
    assert (dialog.ways[KEEP].isChecked(), dialog.ways[REENROL].isEnabled()) == (True, False)
    assert not dialog.use.isEnabled()
    assert session.recognizer is before


def test_people_are_computed_again_from_kept_pictures(dialog, qtbot, session, gallery):
    gallery.add("Kim", unit(KIM), CROP)
    gallery.add("Lee", unit(LEE))
    choose(qtbot, dialog, "second")
    assert dialog._abouts[REENROL].text().startswith("Pictures kept: 1 of 2. The others (1) are deleted for good.")
    dialog.ways[REENROL].setChecked(True)
    use(qtbot, dialog)
    assert gallery.match(np.roll(unit(KIM), 1))[0][0][:2] == ("Kim", pytest.approx(1))
    assert [person.templates for person in gallery.list()] == [1, 0]
    assert dialog.said.text() == "The new model is in use."


def test_another_gallery_is_used_and_the_first_stays_as_it_is(dialog, qtbot, session, gallery, home):
    gallery.add("Kim", unit(KIM))
    choose(qtbot, dialog, "second")
    dialog.ways[OTHER].setChecked(True)
    path = str(home / "새 갤러리.db")
    with qtbot.waitSignal(dialog.used) as got:
        dialog.use_gallery(dialog.settings._replace(bundle=dialog.chosen.directory), path)
    assert got.args[0].gallery.file == path
    assert session.people() == []
    assert session.gallery.path == path
    with Gallery(home / "gallery.db", FINGERPRINT, KEY) as first:
        assert [person.name for person in first.list()] == ["Kim"]


def test_a_folder_that_is_no_model_is_explained(dialog, qtbot, home):
    dialog.add_directory(str(home))
    qtbot.waitUntil(dialog.error.isVisible)
    assert dialog.error.text() == "This folder is not a model. Choose a folder that has a manifest.json."
    assert not dialog.use.isEnabled()


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_control_has_a_name_and_is_reached_by_the_keyboard(dialog, qtbot, english, gallery, language):
    texts.use_language(english, language)
    gallery.add("Kim", unit(KIM), CROP)
    choose(qtbot, dialog, "second")
    qtbot.waitUntil(dialog.choices.isVisible)
    assert unnamed(dialog) == []
    # Of radio buttons the arrow keys reach the others.
    assert [one for one in unreachable(dialog) if not one.startswith("QRadioButton")] == []
