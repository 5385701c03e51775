"""Checks of settings, one by one and all at once."""

import pytest

from kface import checks
from kface.errors import ConfigError, ImageError, WrongSettingsError
from kface.mtcnn import settings as cascade


def read(values):
    """Return four checked settings."""
    with checks.all_errors():
        return (
            checks.whole("count", values["count"], 1),
            checks.number("part", values["part"], 0, 1),
            checks.flag("shown", values["shown"]),
            cascade.factor(values["factor"], "detector."),
        )


GOOD = {"count": 3, "part": 0.5, "shown": True, "factor": 0.709}


def test_good_settings_are_returned():
    assert read(GOOD) == (3, 0.5, True, 0.709)


def test_one_wrong_setting_is_its_own_error():
    with pytest.raises(ConfigError, match="^part: must be a number, at least 0, at most 1, not 7$") as caught:
        read(dict(GOOD, part=7))
    assert not isinstance(caught.value, WrongSettingsError)


def test_all_wrong_settings_are_reported_in_order():
    with pytest.raises(WrongSettingsError) as caught:
        read({"count": 0, "part": 0.5, "shown": "yes", "factor": "wide"})
    assert caught.value.lines == [
        "count: must be a whole number of at least 1, not 0",
        "shown: must be true or false, not 'yes'",
        "detector.factor: must be a number from 0.5 to 0.95, not 'wide'",
    ]
    assert str(caught.value) == "count: must be a whole number of at least 1, not 0 (and 2 more)"


def test_what_follows_from_a_wrong_setting_is_not_reported():
    @checks.all_errors()
    def contradict():
        checks.whole("count", "x", 1)
        checks.refuse(ConfigError("must be less than other", "count"))
        raise ZeroDivisionError

    with pytest.raises(ConfigError, match="^count: must be") as caught:
        contradict()
    assert len(caught.value.lines) == 1


def test_other_errors_pass_through():
    with pytest.raises(ZeroDivisionError), checks.all_errors():
        raise ZeroDivisionError
    with pytest.raises(ImageError), checks.all_errors():
        raise ImageError("is truncated", "a.jpg")
    # Nothing is noted any more afterwards.
    with pytest.raises(ConfigError):
        checks.flag("shown", 1)


def test_of_two_collections_the_outer_one_raises():
    @checks.all_errors()
    def outer():
        with checks.all_errors():
            checks.flag("a", 1)
        checks.flag("b", 2)

    with pytest.raises(WrongSettingsError) as caught:
        outer()
    assert [line[:1] for line in caught.value.lines] == ["a", "b"]


def test_an_unknown_setting_does_not_hide_the_next():
    from kface.fields import Settings

    with pytest.raises(WrongSettingsError) as caught:
        Settings({"widht": 1, "height": 2, "colour": 3}, "view", {"width": 0, "height": 0})
    assert caught.value.lines == [
        "view.widht: unknown setting; choose: width",
        "view.colour: unknown setting; choose: width, height",
    ]
