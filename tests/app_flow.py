"""The paper's flow on a real window: choose a stream, see faces, click, name, register, be recognised, rename, delete."""

from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QMessageBox

from kface.recognizer import RECOGNISED

#: Milliseconds for one step, on a machine with much else to do.
PATIENCE = 60000


def choose_video(app, qtbot, path):
    """Choose a video file in the stream settings, as a user does."""
    app.window.stream_action.trigger()
    dialog = app.stream_dialog
    qtbot.waitUntil(dialog.isVisible, timeout=PATIENCE)
    dialog.form.kinds["file"].setFocus()
    qtbot.keyClick(dialog.form.kinds["file"], Qt.Key_Space)
    dialog.form.editors["file"].setText(str(path))
    dialog.ok.click()
    qtbot.waitUntil(lambda: not dialog.isVisible(), timeout=PATIENCE)


def click_a_face(window, qtbot, which=lambda face: True):
    """Click a face in the live view until it is in the Registration View; return its track."""

    def clicked():
        if window.registration.candidate is not None:
            return True
        picture = window.view.picture
        faces = [face for face in (picture.faces if picture is not None else ()) if which(face)]
        if faces:
            face = max(faces, key=lambda face: face.box[2] - face.box[0])
            place = window.view.place()
            scale = place.width() / picture.size[0]
            x, y = (face.box[0] + face.box[2]) / 2 * scale, (face.box[1] + face.box[3]) / 2 * scale
            point = QPoint(int(place.left() + x), int(place.top() + y))
            qtbot.mouseClick(window.view, Qt.LeftButton, Qt.NoModifier, point)
            qtbot.wait(400)
        return window.registration.candidate is not None

    qtbot.waitUntil(clicked, timeout=PATIENCE)
    return window.registration.candidate.track


def paper_flow(app, qtbot, video):
    """Go through the flow; `app` has been started, and is closed by the caller."""
    window, bridge = app.window, app.bridge
    qtbot.waitUntil(lambda: bridge.has_session, timeout=PATIENCE)
    choose_video(app, qtbot, video)
    qtbot.waitUntil(lambda: str(video) in bridge.session.status.source, timeout=PATIENCE)

    def seen():
        return () if window.view.picture is None else window.view.picture.faces

    qtbot.waitUntil(lambda: bool(seen()), timeout=PATIENCE)
    click_a_face(window, qtbot)
    qtbot.keyClicks(window.registration.name, "Kim")
    if window.registration.anyway.isVisible():
        window.registration.anyway.setChecked(True)
    qtbot.keyClick(window.registration.name, Qt.Key_Return)
    qtbot.waitUntil(lambda: [one.name for one in bridge.session.people()] == ["Kim"], timeout=PATIENCE)
    qtbot.waitUntil(lambda: "Kim" in [face.name for face in seen()], timeout=PATIENCE)
    qtbot.waitUntil(
        lambda: any(one.kind == RECOGNISED and one.name == "Kim" for one in bridge.session.sightings()),
        timeout=PATIENCE,
    )
    qtbot.waitUntil(lambda: "Kim" in [window.strip.item(n).text().split("\n")[0] for n in range(window.strip.count())])

    window.faces_action.trigger()
    people = app.face_dialog.people
    qtbot.waitUntil(lambda: people.current is not None and people.current.name == "Kim", timeout=PATIENCE)
    people.new_name.setText("김철수")
    people.rename_button.click()
    qtbot.waitUntil(lambda: [one.name for one in bridge.session.people()] == ["김철수"], timeout=PATIENCE)
    qtbot.waitUntil(lambda: "김철수" in [face.name for face in seen()], timeout=PATIENCE)

    threshold = app.face_dialog.threshold
    app.face_dialog.tabs.setCurrentWidget(threshold)
    before = bridge.session.threshold
    qtbot.waitUntil(threshold.slider.isEnabled, timeout=PATIENCE)
    threshold.slider.setFocus()
    qtbot.keyClick(threshold.slider, Qt.Key_PageUp)
    qtbot.waitUntil(lambda: bridge.session.threshold > before, timeout=PATIENCE)
    threshold.use_recommended()
    qtbot.waitUntil(lambda: abs(bridge.session.threshold - before) < 0.02, timeout=PATIENCE)

    app.face_dialog.tabs.setCurrentWidget(people)
    qtbot.waitUntil(people.delete_person.isEnabled, timeout=PATIENCE)
    people.delete_person.click()
    (yes,) = [b for b in people.question.buttons() if people.question.buttonRole(b) == QMessageBox.AcceptRole]
    yes.click()
    qtbot.waitUntil(lambda: bridge.session.people() == [], timeout=PATIENCE)
    qtbot.waitUntil(lambda: "김철수" not in [face.name for face in seen()], timeout=PATIENCE)
    app.face_dialog.close()
