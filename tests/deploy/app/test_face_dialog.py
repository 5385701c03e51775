"""The face settings with a real session and gallery: every item of Table 7, its faults, and the keyboard."""

import sqlite3

import numpy as np
import pytest
from app_tools import unnamed, unreachable
from deploy_fakes import AT_KIM, AT_PARK, KIM, LEE, PARK, SIMPLE, Film, picture, play, unit
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QApplication

from deploy.app import face_texts, texts
from deploy.app.bridge import SessionBridge
from deploy.app.face_dialog import FaceDialog
from kface.bundle import ThresholdRow, Thresholds
from kface.gallery import Refusal
from kface.images import encode_png
from kface.recognizer.threshold_meaning import AT_LEAST, AT_MOST, Rate
from kface.verification.report import RateEstimate

TABLE = Thresholds(
    "CFP",
    False,
    900,
    99999,
    9,
    0,
    0,
    tuple(
        ThresholdRow(fmr, at, RateEstimate(fmr), RateEstimate(fnmr))
        for at, fmr, fnmr in ((0.3, 1e-2, 0.02), (0.5, 1e-3, 0.06), (0.7, 1e-4, 0.2))
    ),
)
CROP = np.full((112, 112, 3), KIM, np.uint8)


@pytest.fixture
def qtbot(qtbot):
    """Patient, for a machine that has other things to do."""
    plain = qtbot.waitUntil
    qtbot.waitUntil = lambda condition: plain(condition, timeout=30000)
    return qtbot


@pytest.fixture
def session(gallery):
    gallery.add("Kim", unit(KIM), CROP)
    gallery.add("Kim", unit(30))
    gallery.add("박영희", unit(PARK))
    with play(Film([picture(AT_KIM, AT_PARK)] * 3), gallery) as made:
        made._recognition.thresholds = TABLE
        made.wait()
        yield made


@pytest.fixture
def dialog(english, qtbot, session):
    bridge = SessionBridge(session)
    made = FaceDialog(bridge)
    qtbot.addWidget(made)
    made.show()
    qtbot.waitUntil(lambda: made.people.list.count() == 2)
    yield made
    made.close()
    bridge.close()


def write(folder, name, *people):
    path = folder / name
    path.write_bytes(encode_png(picture(*people)))
    return str(path)


def rows(page):
    return [page.list.item(row).text() for row in range(page.list.count())]


def choose(qtbot, page, name):
    row = [person.name for person in page.people].index(name)
    page.list.setCurrentRow(row)
    qtbot.waitUntil(lambda: page.pictures.count() == page.people[row].templates)


def answer(qtbot, page, text):
    """Press the button of the question that stands there."""
    qtbot.waitUntil(lambda: page.question is not None and page.question.isVisible())
    button = next(one for one in page.question.buttons() if one.text() == text)
    qtbot.mouseClick(button, Qt.LeftButton)
    page.question = None


# ---- people


def test_people_are_shown_with_their_pictures(dialog, qtbot):
    page = dialog.people
    assert rows(page) == ["Kim  (2)", "박영희  (1)"]
    choose(qtbot, page, "Kim")
    about = [page.pictures.item(row).toolTip() for row in range(2)]
    assert "not kept" not in about[0]
    assert about[1].endswith("Its picture was not kept.")
    page.search.setText("박")
    assert [page.list.item(row).isHidden() for row in range(2)] == [True, False]


def test_a_person_is_renamed_with_enter_and_a_name_that_is_taken_is_explained(dialog, qtbot, gallery):
    page = dialog.people
    choose(qtbot, page, "Kim")
    page.new_name.setText("김철수")
    qtbot.keyClick(page.new_name, Qt.Key_Return)
    qtbot.waitUntil(lambda: "김철수  (2)" in rows(page))
    assert page.current.name == "김철수"
    page.new_name.setText("박영희")
    qtbot.mouseClick(page.rename_button, Qt.LeftButton)
    qtbot.waitUntil(page.error.isVisible)
    assert page.error.text() == "This name is taken. Choose another name, or merge the two people."


def test_two_people_are_merged_after_a_question(dialog, qtbot, gallery):
    page = dialog.people
    choose(qtbot, page, "Kim")
    page.merge_with.setCurrentText("박영희")
    qtbot.mouseClick(page.merge_button, Qt.LeftButton)
    answer(qtbot, page, "Cancel")
    qtbot.mouseClick(page.merge_button, Qt.LeftButton)
    answer(qtbot, page, "Merge")
    qtbot.waitUntil(lambda: rows(page) == ["박영희  (3)"])


def test_a_person_is_deleted_after_a_question_and_comes_back(dialog, qtbot, gallery):
    page = dialog.people
    before = gallery.templates("Kim")
    choose(qtbot, page, "Kim")
    assert not page.undo_button.isVisible()
    qtbot.mouseClick(page.delete_person, Qt.LeftButton)
    answer(qtbot, page, "Cancel")
    assert gallery.templates("Kim") == before
    qtbot.mouseClick(page.delete_person, Qt.LeftButton)
    answer(qtbot, page, "Delete")
    qtbot.waitUntil(lambda: rows(page) == ["박영희  (1)"])
    assert page.undo_label.text() == "Kim was deleted."
    qtbot.mouseClick(page.undo_button, Qt.LeftButton)
    qtbot.waitUntil(lambda: rows(page) == ["Kim  (2)", "박영희  (1)"])
    assert gallery.templates("Kim") == before
    assert not page.undo_button.isVisible()
    assert page.current.name == "Kim"


def test_a_picture_is_deleted_and_a_taken_name_can_be_mended_before_the_undo(dialog, qtbot, gallery, session):
    page = dialog.people
    choose(qtbot, page, "Kim")
    page.pictures.setCurrentRow(0)
    qtbot.mouseClick(page.delete_picture, Qt.LeftButton)
    qtbot.waitUntil(lambda: rows(page)[0] == "Kim  (1)")
    page.delete(page.current.id)
    qtbot.waitUntil(lambda: rows(page) == ["박영희  (1)"])
    session.rename("박영희", "Kim")
    page.undo()
    qtbot.waitUntil(page.error.isVisible)
    assert page.error.text() == "Someone else has this name by now. Rename that person, then undo again."
    session.rename("Kim", "박영희")
    page.undo()
    qtbot.waitUntil(lambda: len(gallery.list()) == 2)
    page.undo()
    qtbot.waitUntil(lambda: len(gallery.templates("Kim")) == 2)


def test_a_person_who_is_gone_and_a_locked_data_base_are_explained(dialog, qtbot, gallery, session):
    page = dialog.people
    choose(qtbot, page, "Kim")
    gallery.delete("Kim")
    page.new_name.setText("Lee")
    page.rename()
    qtbot.waitUntil(lambda: rows(page) == ["박영희  (1)"])
    assert page.error.text() == "This person is not enrolled any more. Someone may have deleted or renamed them."
    gallery._store._db.execute("PRAGMA busy_timeout=20")
    other = sqlite3.connect(gallery.path)
    other.execute("BEGIN IMMEDIATE")
    page.new_name.setText("Lee")
    page.rename()
    qtbot.waitUntil(lambda: "in use by another program" in page.error.text())
    other.rollback()
    other.close()
    page.rename()
    qtbot.waitUntil(lambda: rows(page) == ["Lee  (1)"])
    assert not page.error.isVisible()


def test_a_search_that_hides_the_chosen_person_leaves_the_controls_at_work(dialog, qtbot):
    page = dialog.people
    choose(qtbot, page, "Kim")
    page.search.setText("박")
    assert page.details.title() == "Kim"
    page.new_name.setText("Lee")
    qtbot.mouseClick(page.rename_button, Qt.LeftButton)
    qtbot.waitUntil(lambda: "Lee  (2)" in rows(page))
    # People are enrolled, although none of them is chosen now.
    assert not page.details.none.isVisible()


# ---- files


@pytest.fixture
def adding(dialog, qtbot):
    dialog.people.open_adding()
    made = dialog.people.adding
    qtbot.waitUntil(made.isVisible)
    return made


def results(adding):
    return [adding.table.item(row, 1).text() for row in range(adding.table.rowCount())]


def test_pictures_are_added_and_the_right_face_is_picked(dialog, qtbot, adding, gallery, tmp_path):
    torn = tmp_path / "깨짐.png"
    torn.write_bytes(b"nothing")
    files = [
        write(tmp_path, "이.png", (LEE, 100, 90, 90)),
        write(tmp_path, "two.png", AT_KIM, AT_PARK),
        str(torn),
        write(tmp_path, "small.png", (LEE, 100, 90, 18)),
        str(tmp_path / "gone.png"),
    ]
    adding.name.setText("이영호")
    adding.add_files(files)
    qtbot.waitUntil(lambda: len(results(adding)) == 5 and adding.choose.isEnabled())
    assert results(adding) == [
        "added to 이영호",
        "2 faces: choose one below",
        "refused: This is not a picture that can be read, or it is damaged. Use a JPEG or PNG file.",
        "refused: the face is too small (18; at least 20 pixels)",
        "refused: The file is not there any more. It may have been moved or deleted.",
    ]
    assert (adding.bar.value(), adding.bar.maximum()) == (5, 5)
    assert adding.table.item(0, 0).text() == "이.png"
    # The picture with two faces is chosen by itself; the second one is it.
    assert adding.faces.isVisible()
    assert not adding.anyway.isVisible()
    adding.faces.setCurrentRow(1)
    qtbot.keyClick(adding.faces, Qt.Key_Return)
    qtbot.waitUntil(lambda: results(adding)[1].startswith("added to 이영호 (warning: the same picture"))
    assert gallery.match(unit(PARK), 2)[0][0].score == pytest.approx(1)
    # The small one is added although it was refused.
    adding.table.selectRow(3)
    qtbot.mouseClick(adding.anyway, Qt.LeftButton)
    qtbot.waitUntil(
        lambda: (
            results(adding)[3] == "added to 이영호 (warning: the same picture is enrolled as Kim)"
            or results(adding)[3].startswith("added to 이영호")
        )
    )
    qtbot.waitUntil(lambda: "이영호  (3)" in rows(dialog.people))


def test_dropped_pictures_wait_for_the_name(dialog, qtbot, tmp_path):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(write(tmp_path, "이 영호.png", (LEE, 100, 90, 90)))])
    page = dialog.people
    page.dropEvent(QDropEvent(QPointF(5, 5), Qt.CopyAction, data, Qt.LeftButton, Qt.NoModifier))
    adding = page.adding
    qtbot.waitUntil(adding.isVisible)
    assert adding.error.text() == "Pictures that wait: 1. Enter the name, and press Enter."
    assert results(adding) == []
    adding.name.setText("이영호")
    qtbot.keyClick(adding.name, Qt.Key_Return)
    qtbot.waitUntil(lambda: results(adding) == ["added to 이영호"])


def test_adding_is_cancelled_between_two_pictures(dialog, qtbot, adding, gallery, tmp_path, monkeypatch):
    files = [write(tmp_path, "{}.png".format(number), (LEE, 100, 90, 90)) for number in range(3)]
    adding.name.setText("Lee")
    inside = adding._bridge.session.face_settings
    real = inside.add_files

    def add_files(name, some, progress, cancelled):
        return real(name, some, lambda *what: (progress(*what), adding._progress and adding.cancel_adding()), cancelled)

    monkeypatch.setattr(inside, "add_files", add_files)
    adding.add_files(files)
    qtbot.waitUntil(lambda: len(results(adding)) == 3)
    assert results(adding) == ["added to Lee"] + ["not looked at: cancelled"] * 2
    assert len(gallery.templates("Lee")) == 1


def test_a_name_that_cannot_be_is_explained(qtbot, adding, tmp_path):
    adding.name.setText("\u202e")
    adding.add_files([write(tmp_path, "a.png", AT_KIM)])
    qtbot.waitUntil(adding.error.isVisible)
    assert adding.error.text() == "This cannot be a name: it has characters that are not seen."


# ---- threshold, detection, check


def test_the_threshold_is_explained_and_set(dialog, qtbot, session):
    page = dialog.threshold
    dialog.tabs.setCurrentWidget(page)
    qtbot.waitUntil(page.isEnabled)
    applied = []
    page.applied.connect(applied.append)
    page.slider.setValue(int(0.5 / 0.005))
    assert page.words.text().splitlines()[:3] == [
        "Two different people are taken for one (FMR): 0.1 %",
        "A picture of an enrolled person is missed (FNMR): 6 %",
        "A stranger is taken for somebody (people enrolled: 2): 0.2 %",
    ]
    qtbot.waitUntil(lambda: applied == [0.5])
    assert session.threshold == 0.5
    assert page.live.text() == "Of the last 2 faces seen live, 2 reach this threshold."
    qtbot.keyClick(page.slider, Qt.Key_Right)
    qtbot.waitUntil(lambda: session.threshold == pytest.approx(0.505))
    assert page.words.text().startswith("Two different people are taken for one (FMR): about 0.0944 %")
    qtbot.mouseClick(page.recommended, Qt.LeftButton)
    qtbot.waitUntil(lambda: session.threshold == pytest.approx(session.face_settings.recommended()))
    assert not page.error.isVisible()


def test_beyond_what_was_measured_only_bounds_are_shown(english):
    assert face_texts.rate(Rate(AT_MOST, 1e-5)) == "at most 1 in 100,000"
    texts.use_language(english, "ko")
    assert face_texts.rate(Rate(AT_LEAST, 0.02)) == "2 % 이상"


def test_detection_and_tracks_are_changed(dialog, qtbot, session):
    page = dialog.detection
    dialog.tabs.setCurrentWidget(page)
    qtbot.waitUntil(page.isEnabled)
    assert page.fields["max_age"].value() == SIMPLE.tracks.max_age
    page.min_face.setValue(80)
    page.fields["max_age"].setValue(9)
    qtbot.mouseClick(page.apply_button, Qt.LeftButton)
    qtbot.waitUntil(lambda: page.done.text() != "")
    assert session.face_settings.min_face == 80
    assert session.face_settings.tracks == SIMPLE.tracks._replace(max_age=9)
    page.fields["min_views"].setValue(30)
    page.fields["max_views"].setValue(5)
    page.apply()
    qtbot.waitUntil(page.error.isVisible)
    assert "tracks.max_views" in page.error.text()
    page.follow.setChecked(False)
    page.apply()
    qtbot.waitUntil(lambda: session.face_settings.tracks is None)
    assert not page.fields["max_age"].isEnabled()


def test_the_check_leads_to_the_person(dialog, qtbot, gallery):
    gallery.add("박영희", unit(KIM))
    page = dialog.review
    dialog.tabs.setCurrentWidget(page)
    qtbot.mouseClick(page.start_button, Qt.LeftButton)
    qtbot.waitUntil(lambda: page.review is not None)
    assert page.summary.text() == "People: 2, pictures: 4. To look at: 1."
    assert rows(page)[0] == "One picture is enrolled as Kim and as 박영희. Delete it where it is wrong."
    dialog.people.list.setCurrentRow(1)
    page.list.setCurrentRow(0)
    qtbot.mouseClick(page.show_person, Qt.LeftButton)
    assert dialog.tabs.currentWidget() is dialog.people
    qtbot.waitUntil(lambda: dialog.people.current is not None and dialog.people.current.name == "Kim")


# ---- every control


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_control_has_a_name_and_is_reached_by_the_keyboard(dialog, qtbot, english, language):
    texts.use_language(english, language)
    QApplication.processEvents()
    dialog.people.open_adding()
    qtbot.waitUntil(dialog.people.adding.isVisible)
    assert unnamed(dialog) == []
    assert unreachable(dialog.people.adding) == []
    dialog.people.adding.reject()
    for number in range(dialog.tabs.count()):
        dialog.tabs.setCurrentIndex(number)
        qtbot.waitUntil(dialog.tabs.currentWidget().isEnabled)
        assert unreachable(dialog.tabs.currentWidget()) == []
    expected = {"en": "Face settings", "ko": "얼굴 설정"}
    assert dialog.windowTitle() == expected[language]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("g.db: the key does not fit (or the gallery's key check was changed); use it", "The key does not open"),
        ("g.db: it was replaced by an older file (change 1 instead of 2); x", "The database of people was replaced"),
        ("g.db: is damaged (row 3 missing); x", "The database of people is damaged"),
        ("a.jpg: is a truncated JPEG; copy the file again", "This is not a picture that can be read"),
        ("a.jpg: cannot be read (Permission denied)", "The file may not be read"),
        ("g.db: its templates are from another model (aa) than this one (bb); x", "The people were enrolled with"),
        ("b/embedder.onnx: was changed: its SHA-256 is not the manifest's; x", "A file of this model is damaged"),
        ("something new: is odd; mend it", "something new: is odd; mend it"),
    ],
)
def test_faults_are_sentences(english, line, sentence):
    assert face_texts.fault(line).startswith(sentence)


def test_refusals_are_words(english):
    found = [
        Refusal("yaw", 0.5, "from -0.3 to 0.3"),
        Refusal("roll", 50, "the face is not upright: at most 45 degrees"),
    ]
    assert face_texts.refusals(found) == (
        "the face looks to the side (0.5; from -0.3 to 0.3), the face is not upright (50; at most 45)"
    )


def test_the_strip_of_last_people_follows_renaming_merging_and_deleting(dialog, qtbot, session):
    page = dialog.people

    def seen():
        return sorted(str(one.name) for one in session.sightings())

    assert seen() == ["Kim", "박영희"]
    choose(qtbot, page, "Kim")
    page.new_name.setText("김철수")
    qtbot.keyClick(page.new_name, Qt.Key_Return)
    qtbot.waitUntil(lambda: seen() == ["김철수", "박영희"])
    qtbot.waitUntil(lambda: page.current is not None and page.current.name == "김철수")
    page.merge_with.setCurrentText("박영희")
    qtbot.mouseClick(page.merge_button, Qt.LeftButton)
    answer(qtbot, page, "Merge")
    qtbot.waitUntil(lambda: seen() == ["박영희"])
    qtbot.waitUntil(lambda: rows(page) == ["박영희  (3)"])
    choose(qtbot, page, "박영희")
    qtbot.mouseClick(page.delete_person, Qt.LeftButton)
    answer(qtbot, page, "Delete")
    qtbot.waitUntil(lambda: seen() == [])
