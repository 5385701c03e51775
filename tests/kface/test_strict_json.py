"""JSON that other readers refuse, or that takes them down, is refused with one line."""

import pytest

from kface.strict_json import decode


def test_what_json_is_for_passes():
    text = (
        '{"a": [1, -2.5, 1e300, 18446744073709551615, null, true], "\\uac00": {"b": "\\ud83d\\ude00 \\u00b2"}, "": []}'
    )
    assert decode(text.encode("utf-8")) == {
        "a": [1, -2.5, 1e300, 2**64 - 1, None, True],
        "\uac00": {"b": "\U0001f600 \u00b2"},
        "": [],
    }
    assert decode(b"[" * 64 + b"]" * 64)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("NaN", "NaN is not JSON"),
        ('{"a": -Infinity}', "-Infinity is not JSON"),
        ("1e999", "beyond double precision"),
        ("[-1e999]", "beyond double precision"),
        ("1" + "0" * 400, "a whole number of 401 digits"),
        ("-" + "9" * 21, "a whole number of 21 digits"),
        ("9" * 10**6, "a whole number of 1000000 digits"),
        ('{"a": 1, "a": 2}', 'the key "a" occurs twice'),
        ('[{"\\u001b": 1, "\\u001b": 1}]', r'the key "\\u001b" occurs twice'),
        ('["\\ud800"]', "surrogates"),
        ('{"\\udfff": 1}', "surrogates"),
        ("[" * 65 + "]" * 65, "nested too deeply"),
        ("[" * 900 + "]" * 900, "nested too deeply"),
        ("[" * 200000, "nested too deeply"),
        ('{"a":' * 5000 + "1" + "}" * 5000, "nested too deeply"),
        ("²", "."),
        ("", "."),
        ("{", "."),
        ("\ufeff{}", "."),
    ],
)
def test_what_is_refused(text, message):
    with pytest.raises(ValueError, match=message) as caught:
        decode(text.encode("utf-8", "surrogatepass"))
    assert "\n" not in str(caught.value)


def test_what_is_no_text():
    for data in (b"\xff\xfe{\x00}\x00", b"\x80", '"\ud800"'.encode("utf-8", "surrogatepass")):
        with pytest.raises(ValueError):
            decode(data)
