"""Hand-made sequences: what is right, wrong, undecided or missed, by frame and by track, and for how long."""

import pytest

from benchmarks.identity_truth import Found, Judge, Scores, Shown, figures, pairs, quantile, total

HERE, THERE = (100, 100, 200, 200), (400, 100, 500, 200)
#: Overlaps with the first by 60 %.
NEARBY = (125, 100, 225, 200)


def ann(box=HERE, **how):
    return Shown("ann", box, frozenset({"ann"}), **how)


def bob(box=THERE, **how):
    return Shown("bob", box, frozenset({"bob"}), **how)


def eve(box=HERE, **how):
    return Shown("eve", box, frozenset(), **how)


def called(name, track=1, box=HERE):
    return Found(box, track, "recognised", name)


def nameless(state, track=1, box=HERE):
    return Found(box, track, state, "ann" if state == "undecided" else None)


def judged(*frames):
    judge = Judge()
    for shown, found in frames:
        judge.frame(shown, found)
    return judge.scores()


def report(*frames):
    return figures(judged(*frames), 25.0)


def test_every_face_in_a_frame_has_one_verdict():
    scores = report(
        ([ann()], [nameless("undecided")]),
        ([ann()], [called("ann")]),
        ([ann()], [called("bob")]),
        ([ann()], [nameless("unknown")]),
        ([ann()], []),
        ([eve()], [called("ann", 2)]),
        ([eve()], [nameless("undecided", 2)]),
        ([eve()], [nameless("unknown", 2)]),
        ([eve()], [nameless("unknown", 2)]),
        ([eve()], []),
    )
    assert scores["faces"]["enrolled"] == {"right": 1, "wrong": 1, "unknown": 1, "undecided": 1, "missed": 1}
    assert scores["faces"]["strangers"] == {"wrong": 1, "unknown": 2, "undecided": 1, "missed": 1}
    assert scores["frames"] == 10


def test_a_face_is_that_of_the_person_it_overlaps_the_most():
    found = [called("ann", 1, NEARBY), called("ann", 2, HERE), called("ann", 3, THERE)]
    assert {face: person.subject for face, person in pairs([ann(), bob(NEARBY)], found).items()} == {0: "bob", 1: "ann"}
    assert pairs([], found) == {}
    assert pairs([ann()], []) == {}


def test_two_people_who_swap_their_names_are_both_wrong():
    scores = report(([ann(), bob()], [called("bob", 1), called("ann", 2, THERE)]))
    assert scores["faces"]["enrolled"]["wrong"] == 2
    assert scores["tracks"]["enrolled"]["wrong"] == 2


def test_a_name_where_nobody_is_is_counted_and_is_wrong_as_long_as_it_lasts():
    scores = report(
        *[([ann()], [called("ann"), called("bob", 2, THERE)])] * 20, ([ann()], [nameless("unknown", 3, THERE)])
    )
    assert scores["faces"]["elsewhere"] == {"named": 20, "other": 1}
    assert scores["wrong_s"] == {"longest": 0.8, "tracks_over_half": 1, "times": 1}
    # A track of nobody has no verdict of its own.
    assert scores["tracks"]["enrolled"] == {"right": 1, "wrong": 0, "unknown": 0, "undecided": 0}


@pytest.mark.parametrize(("frames", "over"), [(12, 0), (13, 1)])
def test_half_a_second_are_twelve_frames(frames, over):
    scores = report(([eve()], [nameless("unknown")]), *[([eve()], [called("ann")])] * frames)
    assert scores["wrong_s"]["longest"] == frames / 25
    assert scores["wrong_s"]["tracks_over_half"] == over


def test_a_wrong_name_lasts_while_its_track_is_out_of_sight():
    scores = judged(([eve()], [called("ann")]), *[([eve()], [])] * 10, ([eve()], [called("bob")]))
    assert scores.runs == (12,)
    scores = judged(([eve()], [called("ann")]), ([eve()], [nameless("undecided")]), ([eve()], [called("ann")]))
    assert scores.runs == (1, 1)
    # Another track's is another one.
    scores = judged(([eve()], [called("ann", 1)]), ([eve()], [called("ann", 2)]))
    assert scores.runs == (1, 1)


def test_the_name_of_the_one_before_is_wrong_after_a_cut():
    scores = report(
        *[([ann()], [called("ann")])] * 5, *[([bob(HERE)], [called("ann")])] * 3, ([bob(HERE)], [called("bob")])
    )
    assert scores["faces"]["enrolled"] == {"right": 6, "wrong": 3, "unknown": 0, "undecided": 0, "missed": 0}
    assert scores["wrong_s"]["longest"] == 3 / 25
    assert scores["tracks"]["shared"] == 1
    assert scores["tracks"]["enrolled"]["wrong"] == 1
    assert scores["stays"] == {"enrolled": 2, "named": 2, "strangers": 0, "strangers_named": 0}


def test_on_the_way_from_one_to_another_both_names_are_right_and_none_is():
    both = Shown("ann", HERE, frozenset({"ann", "bob"}), mixed=True)
    frames = [([both], [called("ann")]), ([both], [called("bob")]), ([both], [nameless("undecided")]), ([both], [])]
    scores = report(*frames, ([both], [called("eve")]))
    assert scores["faces"]["mixed"] == {"wrong": 1, "other": 3}
    assert sum(scores["faces"]["enrolled"].values()) == 0
    assert scores["wrong_s"]["times"] == 1
    # Nobody has stayed who could have been waited for.
    assert scores["stays"]["enrolled"] == 0


def test_a_face_that_is_covered_is_not_counted_but_keeps_its_box():
    frames = [([ann(NEARBY, counted=False), bob(HERE)], [called("bob", 1), called("eve", 2, NEARBY)])] * 3
    scores = report(*frames, ([ann(NEARBY, counted=False), bob(HERE)], [called("bob", 1)]))
    assert scores["faces"]["enrolled"] == {"right": 4, "wrong": 0, "unknown": 0, "undecided": 0, "missed": 0}
    assert scores["faces"]["elsewhere"] == {"named": 0, "other": 0}


def test_the_first_right_name_is_waited_for_from_when_the_face_can_be_seen():
    frames = [([ann(counted=False)], [])] * 5 + [([ann()], [nameless("undecided")])] * 4 + [([ann()], [called("bob")])]
    assert judged(*frames, ([ann()], [called("ann")])).waits == (5,)
    assert judged(*frames).waits == (None,)
    # Who comes back is waited for again.
    assert judged(*frames, ([ann()], [called("ann")]), ([], []), ([ann()], [called("ann")])).waits == (5, 0)
    assert judged(*[([ann(counted=False)], [])] * 5).waits == ()


def test_quantiles_count_those_who_never_had_their_name():
    assert quantile([2, 4, 6, 8], 0.5, 2.0) == 2.0
    assert quantile([2, 4, 6, None], 0.75, 2.0) == 3.0
    assert quantile([2, 4, 6, None], 0.9, 2.0) is None
    assert quantile([], 0.5, 2.0) is None


def test_a_person_s_track_changes_within_a_stay_only():
    scores = judged(
        ([ann()], [called("ann", 1)]),
        ([ann()], []),
        ([ann()], [called("ann", 2)]),
        ([ann()], [called("ann", 1)]),
        ([], []),
        ([ann()], [called("ann", 3)]),
    )
    assert scores.switches == 2


def test_a_track_s_verdict_is_the_worst_of_its_life_then_the_best():
    def one(*words):
        found = {"right": called("ann"), "wrong": called("bob")}
        return judged(*[([ann()], [found.get(word) or nameless(word)]) for word in words]).tracks

    assert one("undecided", "right", "unknown") == {(True, "right"): 1}
    assert one("right", "wrong", "right") == {(True, "wrong"): 1}
    assert one("undecided", "unknown", "unknown") == {(True, "unknown"): 1}
    assert one("undecided", "undecided", "unknown") == {(True, "undecided"): 1}
    assert judged(([eve()], [nameless("unknown")])).tracks == {(False, "unknown"): 1}


def test_a_stranger_is_named_once_however_often():
    scores = report(*[([eve()], [called("ann")])] * 3, ([], []), ([eve()], [nameless("unknown", 2)]))
    assert scores["stays"] == {"enrolled": 0, "named": 0, "strangers": 2, "strangers_named": 1}


def test_scores_of_clips_are_added_up():
    judge = Judge()
    judge.frame([ann()], [called("ann")], 2)
    first, second = judge.scores(), judged(([eve()], [called("ann")]), ([eve()], [nameless("unknown")]))
    both = total([first, second])
    assert (both.clips, both.frames, both.embedded) == (2, 3, 2)
    assert both.faces == {(True, "right"): 1, (False, "wrong"): 1, (False, "unknown"): 1}
    assert (both.runs, both.waits, both.strangers_named) == ((1,), (0,), 1)
    assert total([]) == Scores()
    assert figures(both, 25.0)["embeddings_per_frame"] == 0.667
    assert figures(total([]), 25.0)["first_name_s"] == {"median": None, "p90": None}
