"""A face in the live picture becomes a candidate to be enrolled."""

import numpy as np
import pytest
from deploy_fakes import identity, picture, result, track

from deploy.registration import KEPT, FaceCandidates
from kface.errors import KFaceError
from kface.gallery import Limits, QualityGate
from kface.recognizer import RECOGNISED, UNDECIDED, UNKNOWN

KIM = identity(RECOGNISED, "Kim")
LIMITS = Limits(60.0, 5.0, 0.3, (0.0, 1.0))
TWO = [track(4, KIM, (100, 50, 180, 130)), track(9, identity(UNKNOWN), (200, 50, 240, 90))]


@pytest.fixture
def candidates():
    return FaceCandidates(QualityGate(LIMITS))


@pytest.fixture
def two():
    return result(0, TWO, image=picture((90, 140, 90, 80), (150, 220, 70, 40)))


def test_a_face_is_picked_by_a_point_in_it(candidates, two):
    found = candidates.at(two, 110, 60)
    assert (found.track, found.box, found.name, found.refusals) == (4, (100.0, 50.0, 180.0, 130.0), "Kim", ())
    assert found.crop.shape == (112, 112, 3)
    assert found.crop.dtype == np.uint8
    assert abs(found.crop[20:92, 20:92].mean() - 90) < 8
    assert candidates.get(found.id) is found


def test_a_face_is_picked_by_its_track(candidates, two):
    assert candidates.of_track(two, 9).box == (200.0, 50.0, 240.0, 90.0)
    assert candidates.of_track(two, 4).track == 4
    with pytest.raises(KFaceError) as caught:
        candidates.of_track(two, 5)
    assert str(caught.value) == "track 5: is not in view; in view: 4, 9"
    with pytest.raises(KFaceError, match="in view: none"):
        candidates.of_track(result(0, alone=[((0, 0, 20, 20), KIM)]), 1)


def test_a_point_near_a_face_will_do(candidates, two):
    # A quarter of the side around: 20 pixels of the larger one.
    assert candidates.at(two, 81, 90).track == 4
    assert candidates.at(two, 140, 149).track == 4
    for x, y in ((79, 90), (140, 151), (300, 170), (-1, -1)):
        with pytest.raises(KFaceError, match="no face at this point; click a face"):
            candidates.at(two, x, y)


def test_of_two_faces_the_nearer_one_is_picked_as_sizes_go(candidates, two):
    # In reach of both: the small one's middle is half its side away, that of the large one most of its own.
    assert candidates.at(two, 196, 70).track == 9
    assert candidates.at(two, 192, 80).track == 4


@pytest.mark.parametrize("point", [(float("nan"), 1), (1, float("inf"))])
def test_a_point_is_two_numbers(candidates, two, point):
    with pytest.raises(KFaceError, match="is outside the picture"):
        candidates.at(two, *point)


def test_what_is_not_good_enough_says_why(candidates, two):
    found = candidates.of_track(two, 9)
    assert [why.split()[0] for why in found.refusals] == ["size"]
    assert "at least 60 pixels" in found.refusals[0]
    assert found.name == ""
    strict = FaceCandidates(QualityGate(Limits(10.0, 1e6, 0.3, (0.0, 0.1))))
    assert [why.split()[0] for why in strict.of_track(two, 4).refusals] == ["sharpness", "pitch"]


def test_somebody_undecided_has_no_name_yet(candidates):
    shown = result(0, [track(1, identity(UNDECIDED, "Kim"), (100, 50, 180, 130))])
    assert candidates.of_track(shown, 1).name == ""


def test_without_tracks_a_candidate_has_none(candidates):
    found = candidates.at(result(0, alone=[((100, 50, 180, 130), KIM)]), 140, 90)
    assert found.track is None
    assert found.name == "Kim"


def test_the_last_candidates_are_kept(candidates, two):
    many = [candidates.of_track(two, 4).id for _ in range(KEPT + 1)]
    assert len(set(many)) == KEPT + 1
    with pytest.raises(KFaceError) as caught:
        candidates.get(many[0])
    assert str(caught.value) == "candidate 'c1': is no longer available; pick the face again"
    assert candidates.get(many[1]).id == many[1]
    candidates.drop(many[1])
    candidates.drop(many[1])
    with pytest.raises(KFaceError):
        candidates.get(many[1])
    with pytest.raises(KFaceError) as caught:
        candidates.get("x\n" * 100)
    assert len(str(caught.value)) < 150
