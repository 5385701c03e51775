"""Every reason of the streams is explained, in the user's language, and a path in it is not taken for one."""

import ast
from pathlib import Path

import pytest

from deploy.app import stream_texts
from deploy.app.stream_choice import StreamChoice
from deploy.app.texts import use_language
from kface import streams

URI = "rtsp://127.0.0.1:554/live"


def errors():
    """Return the texts of all errors in the code of the streams that say why one does not play."""
    found = set()
    for name in ("probe", "backends", "pictures", "stream", "worker", "relay"):
        file = Path(streams.__file__).parent / (name + ".py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            called = isinstance(node, ast.Call) and getattr(node.func, "id", "")
            if called in ("StreamError", "StreamRefusedError", "UnusableStreamError") and node.args:
                for part in ast.walk(node.args[0]):
                    # The words of an error, not a name in it.
                    text = getattr(part, "value", getattr(part, "s", None))
                    if isinstance(text, str) and " " in text.strip():
                        found.add(text)
    return found


#: What an error is filled in with, and what is no reason of a stream that could be explained.
VALUES = {"{:g}": "3", "{:.1f}": "3.5", "{1}": "5.0", "{0}": "7"}
NOT_FOR_USERS = {
    "cannot be released ({})",
    "has ",
    "no such name",
    "none is named",
    "the decoder failed ({})",
    "cannot be decoded at frame {}",
}


def test_every_reason_is_explained(english):
    left = []
    found = errors()
    assert len(found) > 12
    for text in found - NOT_FOR_USERS:
        line = text
        for field, value in VALUES.items():
            line = line.replace(field, value)
        remedy = "check the camera's codec" if text == "cannot be decoded" else "check it"
        line = "{}: {}; {}".format(URI, line.replace("{} {}", "503 Busy").replace("{}", "x"), remedy)
        if stream_texts.reason(line) == line:
            left.append(line)
    assert left == []


@pytest.mark.parametrize(
    ("line", "explained"),
    [
        ("redirects.mp4: cannot be opened (No such file or directory)", "There is no such file"),
        ("/rejected the id or the password: cannot be opened (Permission denied)", "This file may not be read"),
        (URI + ": answered 503 Busy; check the camera's settings", "The camera refused with code 503"),
        (URI + ": no frame for 3 s", "No picture came for 3 seconds"),
        (
            URI + ": cannot be decoded; check the camera's codec: H.264 suits every decoder",
            "The camera's pictures cannot",
        ),
        ("file:a.mp4: cannot be decoded; convert it: ffmpeg -i FILE new.mp4", "This file is not a video"),
        (
            "v4l2:///dev/video0: cannot be opened; check that no other program uses the camera",
            "The camera cannot be opened",
        ),
        (URI + ": cannot be reached (Connection refused); check address", "Nothing listens"),
        (URI + ": cannot be reached (Name or service not known); check address", "No camera is known by this name"),
        (URI + ": cannot be reached (Network is unreachable); check address", "The camera cannot be reached"),
        ("something that nobody has thought of {0}", "something that nobody has thought of {0}"),
        ("", ""),
    ],
)
def test_a_reason_in_words(english, line, explained):
    assert stream_texts.reason(line).startswith(explained)


def test_in_korean(english):
    use_language(english, "ko")
    assert stream_texts.reason(URI + ": no frame for 3 s").startswith("3초 동안 영상이 오지 않았습니다.")
    assert stream_texts.plain("주소(&A)") == "주소"
    assert stream_texts.plain("&Address") == "Address"


def test_every_field_has_a_label_and_a_sentence(english):
    for field in set(StreamChoice._fields) - {"kind", "dnn_resize"}:
        label, about = stream_texts.labels()[field]
        assert label
        assert about
        assert stream_texts.sentence(stream_texts.Problem(field)).endswith(".")
