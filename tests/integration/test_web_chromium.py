"""The page in a real Chromium: what it shows, what it commands, and what it must not let through."""

import ast
import os
import re
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from chromium import Driver, require_chromium
from web_session import TOKEN

from deploy.settings import WebSettings
from deploy.web import WebServer
from kface import streams

EVIL = "<img src=x onerror=document.title='hacked'>"
TAB, ENTER, ESCAPE = "\ue004", "\ue007", "\ue00c"
#: Errors of streams, which are shown as reasons.
ERRORS = ("StreamError", "StreamRefusedError", "UnusableStreamError")
#: Where to keep screenshots, for somebody to look at.
SHOTS = os.environ.get("KFACE_SCREENSHOTS")


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    require_chromium()
    with Driver(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


@pytest.fixture(scope="module")
def shared(driver):
    with driver.open() as browser:
        yield browser


@pytest.fixture
def browser(shared, server):
    # Another port, another cookie: each test begins without a session.
    shared.complaints()
    shared.go(server.url)
    live(shared)
    yield shared
    shared.go("about:blank")


def live(browser):
    browser.until("return document.querySelector('#state').dataset.state === 'live'", "live")
    browser.until("return !document.querySelector('#frame').classList.contains('old')", "a live picture")


def shot(browser, name):
    if SHOTS:
        Path(SHOTS, name + ".png").write_bytes(browser.screenshot())


def picture_of(browser):
    """The canvas as it is on the screen."""
    place = browser.run(
        "const r = document.querySelector('#picture').getBoundingClientRect(); return [r.x, r.y, r.width, r.height]"
    )
    image = cv2.imdecode(np.frombuffer(browser.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    x, y, width, height = (int(value) for value in place)
    return image[max(y, 0) : y + height, x : x + width].astype(int)


def click_face(browser, x, y):
    """Click a point that is given in the picture's pixels."""
    at = browser.run(
        "const c = document.querySelector('#picture'), r = c.getBoundingClientRect();"
        "return [r.x + arguments[0] * r.width / c.width, r.y + arguments[1] * r.height / c.height]",
        x,
        y,
    )
    browser.click_at(*at)


def open_dialog(browser, name):
    browser.until("return document.querySelector(arguments[0]).open", "the dialog " + name, "#" + name)


def people(browser):
    return browser.run(
        "return [...document.querySelectorAll('#people .who')].map(e => e.firstChild.textContent.trim())"
    )


def register(browser, name):
    click_face(browser, 135, 150)
    open_dialog(browser, "register")
    browser.type("#name", name)
    browser.click("#register-button")
    browser.until("return !document.querySelector('#register').open", "the registration")
    browser.until(
        "return [...document.querySelectorAll('#people .who')].some(e => e.firstChild.textContent.trim() === arguments[0])",
        "the name in the list",
        name,
    )


def test_the_token_leaves_the_address_and_the_picture_moves(browser, server, session):
    assert browser.url == server.address + "/"
    assert browser.run("return document.cookie") == "", "scripts must not see the session"
    first = picture_of(browser)
    assert (np.abs(first - (115, 158, 0)).max(axis=2) < 30).sum() > 300, "no green boxes"
    browser.until(
        "return Number(document.querySelector('#picture').dataset.number) > arguments[0]",
        "another picture",
        browser.run("return Number(document.querySelector('#picture').dataset.number)") + 5,
    )
    assert (np.abs(picture_of(browser) - first).max(axis=2) > 60).sum() > 100
    assert "12.5 fps" in browser.text("#figures")
    assert "81 ms" in browser.text("#figures")
    assert browser.text("#source") == "rtsp://10.0.0.7/live"
    shot(browser, "desktop")
    assert browser.complaints() == []


def test_the_stream_is_an_mjpeg_that_an_img_element_shows(browser):
    browser.run("const i = new Image(); i.id = 'plain'; i.src = '/stream.mjpg'; document.body.append(i)")
    browser.until("return document.querySelector('#plain').naturalWidth === 640", "the picture")
    browser.run("document.querySelector('#plain').src = ''")


def test_a_click_on_a_face_registers_it(browser, session):
    click_face(browser, 135, 150)
    open_dialog(browser, "register")
    assert "Good enough" in browser.text("#quality")
    assert not browser.run("return document.querySelector('#force').checkVisibility()")
    browser.until("return document.querySelector('#crop').naturalWidth === 112", "the crop")
    shot(browser, "register")
    browser.type("#name", "김민수")
    browser.click("#register-button")
    browser.until("return !document.querySelector('#register').open", "the registration")
    assert ("enrol", "c1", "김민수", False) in session.calls
    assert session.names["김민수"] == 1
    browser.until("return document.querySelectorAll('#people li').length === 2", "the name in the list")
    assert people(browser) == ["Park", "김민수"]
    browser.until("return document.querySelector('#events').innerText.includes('김민수 recognised')", "the event")
    browser.until(
        "return document.querySelector('#faces').innerText.includes('김민수')", "the name of the face in view"
    )
    shot(browser, "registered")
    assert browser.complaints() == []


def test_the_keyboard_alone_registers_a_face_that_is_not_good_enough(browser, session):
    browser.run("document.querySelector('#faces li:nth-child(2) button').focus()")
    browser.keys(ENTER)
    open_dialog(browser, "register")
    assert "size 40 (at least 60 pixels)" in browser.text("#remarks")
    assert browser.run("return document.activeElement.id") == "name"
    assert browser.run("return document.querySelector('#register-button').disabled")
    shot(browser, "poor")
    browser.keys("L", "e", "e", TAB, " ")
    assert not browser.run("return document.querySelector('#register-button').disabled")
    browser.keys(TAB, TAB, ENTER)
    browser.until("return !document.querySelector('#register').open", "the registration")
    assert ("pick_track", 2) in session.calls
    assert session.calls[-1] == ("enrol", "c1", "Lee", True)


def test_a_click_beside_faces_says_so_and_escape_closes_the_dialog(browser, session):
    click_face(browser, 320, 20)
    browser.until("return document.querySelector('#notice').innerText.includes('no face at this point')", "the line")
    click_face(browser, 135, 150)
    open_dialog(browser, "register")
    browser.keys(ESCAPE)
    browser.until("return !document.querySelector('#register').open", "the end")
    assert not [call for call in session.calls if call[0] == "enrol"]


def test_an_error_stays_in_the_dialog(browser, session):
    click_face(browser, 135, 150)
    open_dialog(browser, "register")
    browser.type("#name", "   ")
    browser.click("#register-button")
    browser.until(
        "return document.querySelector('#register-error').innerText.includes('must not be empty')", "the error"
    )
    assert browser.run("return document.querySelector('#register').open")


def test_a_name_is_never_markup(browser, session):
    register(browser, EVIL)
    session.happen("unknown", name=EVIL, reason=EVIL)
    session.happen("strange<b>", name=EVIL, reason=EVIL)
    session.lose(EVIL)
    browser.until("return document.querySelector('#alarm').innerText.includes('onerror')", "the reason")
    browser.until("return document.querySelectorAll('#events li').length >= 5", "the events")
    session.return_live()
    click_face(browser, 135, 150)
    open_dialog(browser, "register")
    browser.keys(ESCAPE)
    for what in ("rename", "delete"):
        browser.click("#people li:first-child button:nth-of-type(%d)" % (1 if what == "rename" else 2))
        open_dialog(browser, what)
        assert EVIL in browser.text("#%s-title" % what)
        browser.keys(ESCAPE)
    assert browser.run("return document.querySelectorAll('img:not(#crop), b').length") == 0
    assert browser.run("return document.title") == "kface"
    assert people(browser)[0] == EVIL
    assert browser.complaints() == []


def test_inline_scripts_and_other_places_are_forbidden(browser):
    browser.run(
        "const s = document.createElement('script'); s.textContent = 'document.title = 1'; document.body.append(s)"
    )
    browser.run("const i = new Image(); i.id = 'foreign'; i.src = 'http://127.0.0.1:9/x.png'; document.body.append(i)")
    assert browser.run("return document.title") == "kface"
    deadline = time.monotonic() + 20
    complaints = []
    while time.monotonic() < deadline and len(complaints) < 2:
        complaints += browser.complaints()
    assert [line for line in complaints if "Content Security Policy" in line and "script" in line]
    assert [line for line in complaints if "Content Security Policy" in line and "127.0.0.1:9/" in line]


def test_people_are_renamed_and_deleted_after_a_question(browser, session):
    browser.until("return document.querySelectorAll('#people li').length === 1", "the list")
    browser.click("#people li button:nth-of-type(1)")
    open_dialog(browser, "rename")
    browser.type("#new-name", "Park Ji-won")
    browser.click("#rename .main")
    browser.until("return document.querySelector('#people').innerText.includes('Park Ji-won')", "the new name")
    assert session.calls == [("rename", "Park", "Park Ji-won")]
    browser.click("#people li button:nth-of-type(2)")
    open_dialog(browser, "delete")
    shot(browser, "delete")
    browser.click("#delete [data-close]")
    browser.until("return !document.querySelector('#delete').open", "the end")
    assert len(session.calls) == 1, "deleted without being asked to"
    browser.click("#people li button:nth-of-type(2)")
    open_dialog(browser, "delete")
    browser.click("#delete .danger")
    browser.until("return document.querySelectorAll('#people li').length === 0", "the deletion")
    assert session.names == {}
    assert "No one is registered" in browser.text("#no-people")


def test_the_threshold_is_shown_and_set(browser, session):
    browser.until("return document.querySelector('#threshold').value === '0.4'", "the threshold")
    browser.type("#threshold", "0.55")
    browser.click("#threshold-form button")
    browser.until("return document.querySelector('#notice').innerText.includes('0.55')", "the answer")
    assert session.threshold == 0.55


def test_a_lost_stream_is_seen_at_once_and_comes_back(browser, session):
    session.lose("no frame for 3 s")
    browser.until("return document.querySelector('#state').dataset.state === 'lost'", "the loss")
    browser.until("return document.querySelector('#frame').classList.contains('old')", "the dimmed picture")
    assert "no frame for 3 s" in browser.text("#alarm")
    assert "not live" in browser.text("#stale")
    assert browser.text("#figures") == "0.0 fps · 1 loss"
    assert browser.run("return document.querySelectorAll('#faces li').length") == 0
    shot(browser, "lost")
    session.return_live()
    live(browser)
    assert not browser.run("return document.querySelector('#alarm').checkVisibility()")


def test_a_program_that_is_gone_is_seen_and_found_again(browser, session, server):
    session.happen("unknown", track=9)
    browser.until("return document.querySelector('#events').innerText.includes('track 9')", "the event")
    port = server.port
    server.close()
    browser.until("return document.querySelector('#state').dataset.state === 'away'", "the end")
    browser.until("return document.querySelector('#frame').classList.contains('frozen')", "the dimmed picture")
    with WebServer(session, WebSettings(port=port), token=TOKEN):
        live(browser)
        session.happen("unknown", track=10)
        browser.until("return document.querySelector('#events').innerText.includes('track 10')", "the event")
    with WebServer(session, WebSettings(port=port), token=TOKEN + "-another"):
        browser.until("return document.querySelector('#alarm').innerText.includes('has expired')", "the reason")


def test_a_feed_that_breaks_off_goes_on_where_it_was(browser, session, server):
    session.happen("unknown", track=1)
    browser.until("return document.querySelectorAll('#events li').length === 1", "the event")
    browser.devtools("Network.enable")
    offline = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    browser.devtools("Network.emulateNetworkConditions", offline=True, **offline)
    with server._server._lock:
        for connection in server._server._open:
            connection.shutdown(2)
    browser.until("return document.querySelector('#state').dataset.state === 'away'", "the loss")
    session.happen("unknown", track=2)
    browser.devtools("Network.emulateNetworkConditions", offline=False, **offline)
    browser.until("return document.querySelectorAll('#events li').length === 2", "the event in between, once")
    live(browser)
    assert browser.run("return document.querySelectorAll('#events li').length") == 2


def test_a_hidden_page_takes_nothing(browser, session, server):
    hide = "Object.defineProperty(document, 'hidden', {value: %s, configurable: true});"
    hide += "document.dispatchEvent(new Event('visibilitychange'))"
    session.happen("unknown", track=1)
    browser.until("return document.querySelectorAll('#events li').length === 1", "the event")
    browser.run(hide % "true")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and server.clients:
        time.sleep(0.05)
    assert server.clients == 0
    session.happen("unknown", track=2)
    browser.run(hide % "false")
    live(browser)
    browser.until("return document.querySelectorAll('#events li').length > 1", "the event in between")
    assert browser.run("return document.querySelectorAll('#events li').length") == 2, "events come twice"
    assert server.clients == 1


def test_without_a_token_there_is_one_line(shared, server):
    for address, reason in (("/", "token required"), ("/?token=" + "x" * 20, "wrong token")):
        shared.go(server.address + address)
        lines = shared.text().strip().splitlines()
        assert len(lines) == 1
        assert reason in lines[0]
    shared.go("about:blank")


@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_has_no_horizontal_scroll(browser, session, width):
    session.happen("recognised", name="W" * 60, track=12345, score=0.5)
    session.names["x" * 120] = 1
    session.happen("gallery", name="x" * 120, reason="renamed from " + "y" * 120)
    try:
        browser.devtools(
            "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=True
        )
        browser.until("return document.querySelectorAll('#people li').length === 2", "the long name")
        browser.until("return window.innerWidth === arguments[0]", "the width", width)
        wide = "return document.documentElement.scrollWidth"
        assert browser.run(wide) <= width
        inner = "const wide = e => e.scrollWidth > e.clientWidth;"
        inner += "return ['people', 'events', 'faces'].filter(i => wide(document.getElementById(i)))"
        assert browser.run(inner) == []
        shot(browser, "phone-%d" % width)
        click_face(browser, 135, 150)
        open_dialog(browser, "register")
        assert browser.run(wide) <= width
        assert browser.run("return document.querySelector('#register').getBoundingClientRect().right") <= width
        shot(browser, "phone-register-%d" % width)
        session.lose("z" * 200)
        browser.keys(ESCAPE)
        browser.until("return document.querySelector('#alarm').innerText.includes('zzz')", "the loss")
        assert browser.run(wide) <= width
        shot(browser, "phone-lost-%d" % width)
        session.return_live()
    finally:
        browser.devtools("Emulation.clearDeviceMetricsOverride")


def test_darkness_is_followed_and_everything_can_be_read(browser, session):
    session.happen("recognised", name="Park", track=1, score=0.9)
    session.lose()
    browser.until("return !document.querySelector('#alarm').hidden", "the alarm")
    grounds = []
    try:
        for scheme in ("light", "dark"):
            feature = [{"name": "prefers-color-scheme", "value": scheme}]
            browser.devtools("Emulation.setEmulatedMedia", features=feature)
            grounds.append(browser.run("return getComputedStyle(document.body).backgroundColor"))
            shot(browser, scheme)
            for selector in ("h1", "#alarm", "#state", "#source", ".note", "#people button", "#threshold-form button"):
                assert contrast(browser, selector) >= 4.5, "{} in {}".format(selector, scheme)
    finally:
        browser.devtools("Emulation.setEmulatedMedia", features=[])
    assert grounds[0] != grounds[1]


def contrast(browser, selector):
    """WCAG's contrast of an element's text and the ground behind it."""
    ink, ground = browser.run(
        "const e = document.querySelector(arguments[0]); let g = e;"
        "while (getComputedStyle(g).backgroundColor === 'rgba(0, 0, 0, 0)') g = g.parentElement;"
        "return [getComputedStyle(e).color, getComputedStyle(g).backgroundColor]",
        selector,
    )
    light = []
    for colour in (ink, ground):
        parts = [float(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        light.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(light) + 0.05) / (min(light) + 0.05)


def test_korean_browsers_read_korean_and_all_texts_are_there(driver, server, session):
    with driver.open(language="ko") as korean:
        korean.go(server.url)
        live(korean)
        assert korean.run("return document.documentElement.lang") == "ko"
        assert korean.text("#state") == "실시간"
        assert "등록된 사람" in korean.text()
        korean.run("document.querySelector('#faces li:nth-child(2) button').click()")
        open_dialog(korean, "register")
        assert "크기 40" in korean.text("#remarks")
        shot(korean, "korean")
        assert korean.run(
            "return [...document.querySelectorAll('[data-text]')].every(e => e.textContent !== e.dataset.text)"
        )
        assert korean.complaints() == []


def test_lines_of_the_program_are_korean_too(driver, server, session):
    with driver.open(language="ko") as korean:
        korean.go(server.url)
        live(korean)
        click_face(korean, 320, 20)
        korean.until("return document.querySelector('#notice').innerText.includes('얼굴을 클릭하세요')", "the line")
        session.happen("gallery", name="김", reason="renamed from Kim")
        session.happen("output", reason="a.mp4: too slow; dropping frames")
        session.lose("rtsp://10.0.0.7:554/live: no frame for 3 s")
        korean.until("return document.querySelector('#alarm').innerText.includes('3초 동안 프레임 없음')", "the reason")
        korean.until("return document.querySelectorAll('#events li').length === 3", "the events")
        events = korean.text("#events")
        assert "스트림 끊김: rtsp://10.0.0.7:554/live: 3초 동안 프레임 없음" in events
        assert "갤러리: 김 이름 변경(이전: Kim)" in events
        assert "출력 a.mp4: 출력이 느려 프레임을 건너뜁니다" in events


def test_every_reason_of_a_stream_is_korean(driver, server):
    """What the streams' code can say is read from the code; a new reason without a translation fails."""
    lines = reasons_of_streams()
    assert len(lines) > 20
    with driver.open(language="ko") as korean:
        korean.go(server.url)
        live(korean)
        korean.run("import('/reasons.js').then(m => { window.reason = m.reason })")
        korean.until("return Boolean(window.reason)", "the module")
        shown = korean.run("return arguments[0].map(line => window.reason(line))", lines)
    assert [line for line, there in zip(lines, shown, strict=True) if not re.search("[가-힣]", there)] == []


def reasons_of_streams():
    """Return what streams raise, with something in the place of each field."""
    made = []
    for path in sorted(Path(streams.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ERRORS and node.args:
                words = [each for each in ast.walk(node.args[0]) if isinstance(each, ast.Constant)]
                made += [each.value for each in words if isinstance(each.value, str) and " " in each.value.strip()]
    fields = re.compile(r"{[^}]*}")
    return [fields.sub("7", line) for line in made if line != "no such name"]


def test_labels_are_drawn_in_the_screens_pixels(browser, session):
    sizes = (
        "const l = document.querySelector('#labels'), r = document.querySelector('#picture').getBoundingClientRect();"
    )
    wide, place, stream = browser.run(sizes + "return [l.width, r.width, document.querySelector('#picture').width]")
    assert stream == 640
    assert abs(wide - place) <= 1
    assert place > 700, "the picture is not enlarged"
    inked = "const l = document.querySelector('#labels');"
    inked += (
        "return l.getContext('2d').getImageData(0, 0, l.width, l.height).data.filter((v, i) => i % 4 == 3 && v).length"
    )
    assert browser.run(inked) > 1000
    session.lose("no frame for 3 s")
    browser.until("return document.querySelector('#frame').classList.contains('old')", "the loss")
    assert browser.run(inked) == 0


def test_slow_outputs_and_dark_pictures_are_said(browser, session, monkeypatch):
    assert not browser.run("return document.querySelector('#dark').checkVisibility()")
    status = type(session).status.fget
    monkeypatch.setattr(
        type(session), "status", property(lambda self: status(self)._replace(dropped=12, brightened=True))
    )
    browser.until("return document.querySelector('#dark').checkVisibility()", "the remark")
    assert "12 frames missing from slow outputs" in browser.text("#figures")


def test_a_screen_reader_finds_a_name_for_everything(browser):
    tree = browser.devtools("Accessibility.getFullAXTree")["nodes"]
    roles = ("button", "textbox", "spinbutton", "checkbox", "image", "list", "dialog", "log")
    nameless = [
        node["role"]["value"]
        for node in tree
        if not node.get("ignored")
        and node.get("role", {}).get("value") in roles
        and not node.get("name", {}).get("value")
    ]
    assert nameless == []
    assert {"main", "banner"} <= {node.get("role", {}).get("value") for node in tree}
