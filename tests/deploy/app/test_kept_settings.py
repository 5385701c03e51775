"""Every settings item is changed through its real control, the application closed, and opened again with it in force."""

import os
import subprocess
import sys

import pytest
from app_flow import PATIENCE, choose_video
from deploy_fakes import FINGERPRINT, install
from qtpy.QtCore import Qt
from tiny_bundle import tiny_embedder, write_bundle

from deploy import bundle_choice, opening
from deploy.app import preferences
from deploy.app.main_window import VIEW_SIZES
from deploy.app.preferences import KeptThreshold, Preferences
from deploy.app.settings_memory import BUNDLE, MIN_FACE, STREAM, THRESHOLD, TRACKS, VIEW, given_by, remembered_bundle
from kface import bundle
from kface.gallery import Gallery
from kface.recognizer import FaceRecognizer


def ready(app, qtbot):
    qtbot.waitUntil(lambda: app.bridge.has_session and app.window.faces_action.isEnabled(), timeout=PATIENCE)
    return app.bridge.session


def page(app, qtbot, which):
    app.window.faces_action.trigger()
    shown = getattr(app.face_dialog, which)
    app.face_dialog.tabs.setCurrentWidget(shown)
    qtbot.waitUntil(shown.isEnabled, timeout=PATIENCE)
    return shown


def apply_detection(app, qtbot, change):
    shown = page(app, qtbot, "detection")
    change(shown)
    with qtbot.waitSignal(shown.applied, timeout=PATIENCE):
        qtbot.mouseClick(shown.apply_button, Qt.LeftButton)


def set_threshold(app, qtbot):
    shown = page(app, qtbot, "threshold")
    shown.slider.setFocus()
    with qtbot.waitSignal(shown.applied, timeout=PATIENCE) as caught:
        qtbot.keyClick(shown.slider, Qt.Key_PageUp)
    return caught.args[0]


def change_min_face(shown):
    shown.min_face.setValue(61.5)


def change_tracks(shown):
    for number, (key, field) in enumerate(shown.fields.items()):
        # The fake detector finds faces with the whole picture alone.
        if key != "detect_every":
            field.setValue(field.value() + 1 + number)


def change_detect_every(shown):
    shown.fields["detect_every"].setValue(7)


def stop_tracks(shown):
    shown.follow.setChecked(False)


@pytest.mark.parametrize("change", [change_min_face, change_tracks, change_detect_every, stop_tracks])
def test_detection_and_tracks(make, qtbot, change):
    first = make()
    faces = ready(first, qtbot).face_settings
    before = (faces.min_face, faces.tracks)
    apply_detection(first, qtbot, change)
    now = (faces.min_face, faces.tracks)
    assert now != before
    first.window.close()
    faces = ready(make(), qtbot).face_settings
    assert (faces.min_face, faces.tracks) == now


def test_tracks_outlast_another_stream_and_what_was_not_changed_is_not_remembered(make, qtbot, other, tmp_path):
    first = make()
    session = ready(first, qtbot)
    apply_detection(first, qtbot, change_tracks)
    tracks = session.face_settings.tracks
    first.face_dialog.close()
    choose_video(first, qtbot, other)
    # Another size for the detector makes another pipeline.
    first.window.stream_action.trigger()
    dialog = first.stream_dialog
    qtbot.mouseClick(dialog.form.dnn_resize, Qt.LeftButton)
    assert dialog.form.dnn_resize.isChecked()
    dialog.ok.click()
    qtbot.waitUntil(lambda: not dialog.isVisible(), timeout=PATIENCE)
    assert session.settings.pipeline.dnn_size is not None
    assert session.face_settings.tracks == tracks
    first.window.close()
    kept = preferences.load(str(tmp_path / "app.json"))[0]
    assert kept.tracks.tracks == tracks
    assert (kept.min_face, kept.threshold, kept.bundle) == (None, None, "")


def test_the_threshold_is_kept_with_its_lower_one(make, qtbot):
    first = make()
    session = ready(first, qtbot)
    before = session.operating_point
    value = set_threshold(first, qtbot)
    point = session.operating_point
    assert point.recognised == value > before.recognised
    first.window.close()
    again = ready(make(), qtbot).operating_point
    assert (again.recognised, again.unknown) == (point.recognised, point.unknown)


def test_a_threshold_of_another_model_is_not_used(make, qtbot, tmp_path):
    file = str(tmp_path / "app.json")
    preferences.save(Preferences(threshold=KeptThreshold(0.9, 0.3, "b" * 64)), file)
    assert ready(make(), qtbot).threshold == 0.6


@pytest.mark.parametrize("size", [VIEW_SIZES[0], VIEW_SIZES[3]])
def test_the_view_of_the_menu_wins_over_the_stream_s(make, qtbot, other, size):
    first = make()
    ready(first, qtbot)
    choose_video(first, qtbot, other)
    first.window.size_actions[VIEW_SIZES.index(size)].trigger()
    qtbot.waitUntil(lambda: first.settings.view == size, timeout=PATIENCE)
    first.window.close()
    second = make()
    session = ready(second, qtbot)
    assert session.view == size
    assert second.window.size_actions[VIEW_SIZES.index(size)].isChecked()
    assert str(other) in session.status.source


def test_what_the_command_line_gives_wins(make, qtbot, other, settings):
    first = make()
    ready(first, qtbot)
    set_threshold(first, qtbot)
    apply_detection(first, qtbot, lambda shown: (change_min_face(shown), change_tracks(shown)))
    first.face_dialog.close()
    choose_video(first, qtbot, other)
    with qtbot.waitSignal(first.window.view_chosen, timeout=PATIENCE):
        first.window.size_actions[0].trigger()
    first.window.close()
    words = ["source=" + settings.stream.file, "match.recognised=0.6", "detector.min_face=39.8", "tracks.max_age=15"]
    given = given_by([*words, "stream.view=640x360"], {})
    assert given == {STREAM, THRESHOLD, MIN_FACE, TRACKS, VIEW}
    session = ready(make(given=given), qtbot)
    assert settings.stream.file in session.status.source
    assert session.threshold == 0.6
    assert session.settings.detector == settings.detector
    assert session.face_settings.tracks == settings.pipeline.tracks
    assert session.view == settings.view


# ---- the model


@pytest.fixture
def bundles(tmp_path, monkeypatch, make):
    """Two bundles; their networks are fakes, which find and judge alike."""
    install(monkeypatch.setattr)
    fakes = opening.FaceRecognizer
    monkeypatch.setattr(opening, "bundle", bundle)

    def load(directory, *_, **__):
        made = fakes.load(directory)
        fingerprint = bundle.load(directory).manifest.fingerprint
        return FaceRecognizer(made.detector, made.embedder, fingerprint, made.operating_point_for(0))

    monkeypatch.setattr(opening, "FaceRecognizer", type("Loader", (), {"load": staticmethod(load)}))

    def open_gallery(path, fingerprint, *_, **__):
        return Gallery(path or str(tmp_path / (fingerprint[:8] + ".db")), fingerprint, bytes(32))

    monkeypatch.setattr(opening, "open_gallery", open_gallery)
    monkeypatch.setattr(bundle_choice, "open_gallery", open_gallery)
    monkeypatch.chdir(tmp_path)
    return [
        str(write_bundle(tmp_path / "bundles" / name, tiny_embedder(sign=sign), name=name))
        for name, sign in (("첫째", 1.0), ("second", -1.0))
    ]


def choose_model(app, qtbot, name):
    app.window.model_action.trigger()
    dialog = app.model_dialog
    rows = lambda: [dialog.list.item(row).text() for row in range(dialog.list.count())]  # noqa: E731
    qtbot.waitUntil(lambda: any(text.startswith(name) for text in rows()), timeout=PATIENCE)
    dialog.list.setCurrentRow(next(n for n, text in enumerate(rows()) if text.startswith(name)))
    qtbot.waitUntil(dialog.use.isEnabled, timeout=PATIENCE)
    with qtbot.waitSignal(dialog.used, timeout=PATIENCE):
        qtbot.mouseClick(dialog.use, Qt.LeftButton)
    dialog.close()


def test_the_model_is_kept_and_the_threshold_of_the_one_before_is_dropped(make, qtbot, settings, bundles, tmp_path):
    file = str(tmp_path / "app.json")
    first = make(settings=settings._replace(bundle=bundles[0]))
    ready(first, qtbot)
    set_threshold(first, qtbot)
    first.face_dialog.close()
    qtbot.waitUntil(lambda: preferences.load(file)[0].threshold is not None, timeout=PATIENCE)
    choose_model(first, qtbot, "second")
    first.window.close()
    kept = preferences.load(file)[0]
    assert (kept.bundle, kept.threshold) == (os.path.abspath(bundles[1]), None)
    second = make(settings=settings._replace(bundle=bundles[0]))
    session = ready(second, qtbot)
    assert session.recognizer.fingerprint == bundle.load(bundles[1]).manifest.fingerprint
    assert session.threshold == 0.6
    second.window.close()
    third = make(settings=settings._replace(bundle=bundles[0]), given={BUNDLE})
    assert ready(third, qtbot).recognizer.fingerprint == bundle.load(bundles[0]).manifest.fingerprint


def test_a_model_that_is_gone_is_said_and_the_newest_is_used(make, qtbot, settings, bundles, tmp_path):
    gone = str(tmp_path / "gone")
    preferences.save(Preferences(bundle=gone, gallery=str(tmp_path / "other.db")), str(tmp_path / "app.json"))
    app = make(settings=settings._replace(bundle=bundles[0]))
    session = ready(app, qtbot)
    qtbot.waitUntil(lambda: app.window.view.picture is not None and app.window.view.picture.live, timeout=PATIENCE)
    # It is still there when everything else goes well.
    assert app.window.error.text().startswith(gone + ": the model that was chosen last is not there any more, so ")
    assert session.recognizer.fingerprint == bundle.load(bundles[0]).manifest.fingerprint
    assert os.path.basename(session.gallery.path) != "other.db"


def test_a_remembered_model_counts_where_the_command_has_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KFACE_BUNDLE", raising=False)
    far = write_bundle(tmp_path / "far", tiny_embedder(), name="far")
    file = tmp_path / "app.json"
    assert remembered_bundle({}, file) == {}
    preferences.save(Preferences(bundle=str(far)), file)
    assert remembered_bundle({}, file) == {"bundle": str(far)}
    assert remembered_bundle({"bundle": "mine"}, file) == {"bundle": "mine"}
    write_bundle(tmp_path / "bundles" / "near", tiny_embedder(), name="near")
    assert remembered_bundle({}, file) == {}


# ---- the command


@pytest.mark.parametrize(
    ("words", "items"),
    [
        (["bundle=x"], {"bundle", "gallery"}),
        (["stream=door"], {"stream", "view"}),
        (["+stream.fps=5"], {"stream"}),
        (["gallery.key_file=k", "web.port=1", "detector.factor=0.7"], set()),
        (["gallery.file=k"], {"gallery"}),
    ],
)
def test_what_arguments_give(words, items):
    assert given_by(words, {}) == items
    assert given_by(words, {"KFACE_BUNDLE": "b"}) == items | {"bundle", "gallery"}


def test_everything_is_forgotten_on_command(tmp_path):
    folder = tmp_path / "kface"
    preferences.save(Preferences(language="ko", threshold=KeptThreshold(0.5, 0.3, FINGERPRINT)), folder / "app.json")
    (folder / "cameras.json").write_text("{}")
    environment = dict(os.environ, XDG_CONFIG_HOME=str(tmp_path))
    said = [
        subprocess.run(
            [sys.executable, "-m", "deploy", "app", "--forget"], env=environment, stdout=subprocess.PIPE, check=True
        ).stdout.decode()
        for _ in range(2)
    ]
    assert said == ["app: forgot what the window had remembered\n", "app: nothing was remembered\n"]
    assert os.listdir(str(folder)) == []
