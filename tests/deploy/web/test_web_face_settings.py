"""What the page may ask and command about Table 7, answered by a real session."""

import pytest
from deploy_fakes import AT_KIM, KIM, PARK, Film, picture, play, unit

from deploy.web.api import Api, RequestError
from kface.errors import KFaceError


@pytest.fixture
def api(gallery):
    gallery.add("Kim", unit(KIM))
    gallery.add("Kim C.", unit(KIM))
    gallery.add("Park", unit(PARK))
    with play(Film([picture(AT_KIM)] * 3), gallery) as session:
        session.wait()
        yield Api(session)


def people(api):
    return [person["name"] for person in api.people()["people"]]


def test_people_are_merged(api):
    assert api.commands["merge"]({"name": "Kim", "other": "Kim C."}) == {"moved": 1}
    assert people(api) == ["Kim", "Park"]
    with pytest.raises(KFaceError, match="no such person"):
        api.commands["merge"]({"name": "Kim", "other": "Kim C."})


def test_a_deletion_is_undone_where_that_was_asked_for(api):
    assert api.commands["delete"]({"name": "Kim"}) == {}
    answer = api.commands["delete"]({"name": "Park", "keep": True})
    assert (people(api), answer["templates"]) == (["Kim C."], 1)
    assert api.commands["undo"]({"id": answer["id"]}) == {"templates": 1}
    assert people(api) == ["Kim C.", "Park"]
    with pytest.raises(KFaceError, match="can no longer be undone"):
        api.commands["undo"]({"id": answer["id"]})
    with pytest.raises(RequestError, match="keep"):
        api.commands["delete"]({"name": "Park", "keep": "yes"})


def test_the_gallery_and_the_threshold_are_explained(api):
    findings = api.questions["review"]()["findings"]
    assert findings[0]["text"] == "Kim: template 1 is the same picture as template 2 of Kim C."
    meaning = api.questions["meaning"]()
    assert (meaning["people"], meaning["fmr"], meaning["stranger"]["kind"]) == (
        3,
        {"kind": "unknown", "value": None},
        "unknown",
    )
    assert [score["name"] in ("Kim", "Kim C.") for score in meaning["scores"]] == [True]
