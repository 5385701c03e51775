"""A real Chromium, driven through chromedriver's WebDriver protocol with the standard library only."""

import base64
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request

import pytest

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--force-device-scale-factor=1",
)  # fmt: skip
DEADLINE_S = 30.0


def require_chromium():
    """Skip the test where there is no browser."""
    for program in ("chromium", "chromedriver"):
        if shutil.which(program) is None:
            pytest.skip("%s is absent (apt-get install chromium chromium-driver)" % program)


class Driver:
    """Runs chromedriver on a free port; a context manager."""

    def __init__(self, folder):
        self._log = folder / "chromedriver.log"
        self._folder = folder
        self._count = 0

    def __enter__(self):
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(["chromedriver", "--port=0"], stdout=log, stderr=subprocess.STDOUT)
        try:
            self.address = "http://127.0.0.1:%d" % self._port()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(20)

    def _port(self):
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            for line in self._log.read_text(errors="replace").splitlines():
                if "started successfully on port" in line:
                    return int(line.rstrip(".").split()[-1])
            time.sleep(0.1)
        raise RuntimeError("chromedriver does not start: " + self._log.read_text(errors="replace")[-500:])

    def open(self, language="en", width=1280, height=900):
        """Open a browser with a profile of its own."""
        self._count += 1
        profile = self._folder / ("profile-%d" % self._count)
        profile.mkdir()
        options = {
            "args": [
                *FLAGS,
                "--user-data-dir=%s" % profile,
                "--window-size=%d,%d" % (width, height),
                "--lang=" + language,
            ],
            "prefs": {"intl": {"accept_languages": language}},
        }
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        return Browser(self, "/session/" + session["sessionId"])

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode("utf-8")
        request = urllib.request.Request(self.address + path, data, {"Content-Type": "application/json"}, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as answer:
                return json.loads(answer.read().decode("utf-8"))["value"]
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(
                    "%s %s: %s" % (method, path, json.loads(error.read().decode("utf-8"))["value"]["message"])
                )


class Browser:
    """One window."""

    def __init__(self, driver, path):
        self._driver = driver
        self._path = path

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.call("DELETE", "")

    def call(self, method, path, body=None):
        return self._driver.call(method, self._path + path, body)

    def go(self, url):
        self.call("POST", "/url", {"url": url})

    @property
    def url(self):
        return self.call("GET", "/url")

    def run(self, script, *arguments):
        """Run JavaScript, the body of a function, and return what it returns."""
        return self.call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def until(self, script, what, *arguments):
        """Wait until JavaScript returns something true, and return that."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            found = self.run(script, *arguments)
            if found:
                return found
            assert time.monotonic() < deadline, "%s does not happen; the page says:\n%s" % (what, self.text())
            time.sleep(0.1)

    def text(self, selector="body"):
        return self.run("return document.querySelector(arguments[0]).innerText", selector)

    def find(self, selector):
        return self.call("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        self.call("POST", "/element/%s/click" % self.find(selector), {})

    def type(self, selector, text):
        """Replace what is in a field, key by key."""
        element = self.find(selector)
        self.call("POST", "/element/%s/clear" % element, {})
        self.call("POST", "/element/%s/value" % element, {"text": text})

    def keys(self, *keys):
        """Press and release keys wherever the focus is."""
        steps = []
        for key in keys:
            steps += [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": steps}]})

    def click_at(self, x, y):
        """Click at a point of the visible page, in CSS pixels."""
        steps = [
            {"type": "pointerMove", "duration": 0, "x": int(x), "y": int(y)},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        self.call("POST", "/actions", {"actions": [{"type": "pointer", "id": "mouse", "actions": steps}]})

    def screenshot(self):
        """Return the visible page as PNG."""
        return base64.b64decode(self.call("GET", "/screenshot"))

    def devtools(self, command, **parameters):
        """Send a command of the Chrome DevTools protocol."""
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def complaints(self):
        """Return the errors in the browser's log since the last call (CSP violations, exceptions)."""
        return [
            line["message"] for line in self.call("POST", "/se/log", {"type": "browser"}) if line["level"] == "SEVERE"
        ]
