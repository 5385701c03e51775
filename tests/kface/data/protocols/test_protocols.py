import itertools
import random
from collections import Counter

import pytest

from kface.data.layout import LIGHTS, Capture, walk_listing
from kface.data.protocols import (
    ALL,
    PAPER,
    PROTOCOLS,
    Q1,
    Q2,
    Q3,
    Q4,
    T1,
    T2,
    T3,
    T4,
    TEST_SUBJECTS,
    Pair,
    get,
    make_pairs,
    read_pairs,
    select,
    split,
    write_pairs,
)
from kface.errors import ProtocolError


def captures_of(protocol, subjects):
    fields = [sorted(protocol.conditions[index]) for index in range(2, 6)]
    return [Capture(subject, *values) for subject in subjects for values in itertools.product(*fields)]


def people(count):
    return ["{:08d}".format(19000000 + number) for number in range(count)]


def listing(subjects):
    numbers = itertools.product(subjects, range(1, 7), range(1, 31), range(1, 4), range(1, 21))
    return ("High/{}/S{:03d}/L{}/E{:02d}/C{}.jpg".format(*five) for five in numbers)


class TestTables:
    @pytest.mark.parametrize(
        ("protocol", "images"),
        [(T1, 2590), (T2, 46620), (T3, 654160), (T4, 3862800)],
        ids=lambda value: str(value)[:20],
    )
    def test_counts_of_the_table(self, protocol, images):
        assert protocol.conditions.count(370) == images
        walked = sum(1 for _ in walk_listing(listing(people(2)), protocol.conditions))
        assert walked * 370 == images * 2

    def test_the_paper(self):
        conditions = PAPER.conditions
        assert len(conditions.lights) == 19
        assert conditions.count(400) == 638400
        # One light less could not give the 620,202 images that the paper trained on.
        assert 400 * 4 * 3 * 7 * 18 < 620202 < conditions.count(400)
        assert not conditions.accessories & {4, 6}
        assert min(LIGHTS[light].lux for light in conditions.lights) == 100
        assert sorted(Capture("x", 1, 1, 1, camera).yaw for camera in conditions.cameras) == [
            -45,
            -30,
            -15,
            0,
            15,
            30,
            45,
        ]
        assert PAPER.identities == 400

    def test_the_dark_light_is_always_out(self):
        assert all(7 not in protocol.conditions.lights for protocol in PROTOCOLS.values() if protocol is not ALL)
        # Unless everything is wanted.
        assert ALL.conditions.count(1) == 10800

    def test_pairs(self):
        assert [protocol.pair_count(5) for protocol in (Q1, Q2, Q3, Q4)] == [1000, 100000, 100000, 100000]
        assert PAPER.pair_count(620202) == 2 * 31010

    def test_get(self):
        assert get("t3") is T3
        assert get("PAPER") is PAPER
        assert get("all") is ALL
        with pytest.raises(ProtocolError, match=r"T9.*T1, T2"):
            get("T9")

    def test_published_identities(self):
        assert len(set(TEST_SUBJECTS)) == 30
        assert all(len(subject) == 8 for subject in TEST_SUBJECTS)


class TestSplit:
    def test_published_where_all_are_held(self):
        parts = split(people(370) + list(TEST_SUBJECTS))
        assert parts.test == tuple(sorted(TEST_SUBJECTS))
        assert parts.train == tuple(people(370))
        assert (parts.of(TEST_SUBJECTS[0]), parts.of(people(1)[0]), parts.of("nobody")) == ("test", "train", None)

    def test_seeded_share_otherwise(self):
        subjects = people(71) + [TEST_SUBJECTS[0]]
        parts = split(subjects, 0.25, seed=1)
        assert (len(parts.train), len(parts.test)) == (54, 18)
        assert not set(parts.train) & set(parts.test)
        assert parts == split(reversed(subjects), 0.25, seed=1)
        assert parts != split(subjects, 0.25, seed=2)
        assert len(split(subjects, 10).test) == 10
        assert split(people(400) + list(TEST_SUBJECTS), 10, published=False).test != tuple(sorted(TEST_SUBJECTS))

    def test_named(self):
        assert split(people(5), people(2)).test == tuple(people(2))
        with pytest.raises(ProtocolError, match="nobody"):
            split(people(5), ["nobody"])

    def test_limit(self):
        parts = split(people(600) + list(TEST_SUBJECTS), identities=400)
        assert (len(parts.train), len(parts.test)) == (370, 30)
        parts = split(people(100), 0.1, identities=50)
        assert (len(parts.train), len(parts.test)) == (45, 5)

    def test_a_small_share_still_tests_somebody(self):
        assert len(split(people(3), 0.01).test) == 1

    @pytest.mark.parametrize(("subjects", "test"), [(1, 0.5), (5, 0), (5, 5), (0, 0.25), (5, 1.0)])
    def test_too_few(self, subjects, test):
        with pytest.raises(ProtocolError, match="cannot split"):
            split(people(subjects), test)


class TestSelect:
    def test_even_over_every_condition(self):
        captures = captures_of(PAPER, people(2))
        kept = list(select(captures, 120))
        assert len(kept) == 240
        assert kept == sorted(set(kept))
        for subject in people(2):
            for field in range(1, 5):
                counts = Counter(capture[field] for capture in kept if capture.subject == subject).values()
                assert len(counts) == len({capture[field] for capture in captures})
                assert max(counts) - min(counts) <= 2

    def test_cap_and_seed(self):
        captures = captures_of(T1, people(3))
        assert list(select(captures)) == list(select(captures, 7)) == captures
        assert list(select(captures, 3, seed=1)) == list(select(captures, 3, seed=1))
        assert list(select(captures, 3, seed=1)) != list(select(captures, 3, seed=2))
        with pytest.raises(ProtocolError, match="max_per_identity"):
            list(select(captures, 0))

    def test_streams_by_identity(self):
        seen = []

        def watched():
            for capture in captures_of(T1, people(3)):
                seen.append(capture.subject)
                yield capture

        next(select(watched(), 2))
        assert people(3)[2] not in seen


class TestPairs:
    def test_half_genuine_and_unique(self):
        captures = captures_of(T2, people(6))
        pairs = make_pairs(captures, 1001, seed=3)
        assert len(pairs) == 1001
        assert sum(pair.genuine for pair in pairs) == 501
        assert len({frozenset((pair.a, pair.b)) for pair in pairs}) == 1001
        assert all(pair.a != pair.b for pair in pairs)
        assert all((pair.a.subject == pair.b.subject) == pair.genuine for pair in pairs)
        assert pairs == make_pairs(reversed(captures), 1001, seed=3)
        assert pairs != make_pairs(captures, 1001, seed=4)

    def test_people_are_balanced(self):
        pairs = make_pairs(captures_of(T2, people(6)), 600)
        genuine = Counter(pair.a.subject for pair in pairs if pair.genuine)
        impostor = Counter(capture.subject for pair in pairs if not pair.genuine for capture in pair[:2])
        assert set(genuine.values()) == {50}
        assert set(impostor.values()) == {100}

    def test_every_pair_there_is(self):
        captures = captures_of(T1, people(2))[:10]  # 7 and 3 images: 24 genuine, 21 impostor pairs
        pairs = make_pairs(captures, 42)
        assert len({frozenset((pair.a, pair.b)) for pair in pairs}) == 42
        assert sum(not pair.genuine for pair in pairs) == 21

    @pytest.mark.parametrize("count", [0, 44, 1000])
    def test_too_few(self, count):
        with pytest.raises(ProtocolError, match="2 people with 10 images give 24 genuine and 21 impostor pairs"):
            make_pairs(captures_of(T1, people(2))[:10], count)

    def test_one_person_makes_no_impostor(self):
        with pytest.raises(ProtocolError, match="0 impostor"):
            make_pairs(captures_of(T1, people(1)), 4)

    def test_disjoint_from_training(self):
        with pytest.raises(ProtocolError, match="1 people of the pairs also train"):
            make_pairs(captures_of(T1, people(3)), 4, train=people(1))

    def test_differ(self):
        pairs = make_pairs(captures_of(T2, people(4)), 400, differ=True)
        assert all(pair.a[field] != pair.b[field] for pair in pairs for field in (1, 2, 4))
        # Nothing but the camera varies, and each has two images of it: the only pair must be found.
        captures = [Capture(subject, 1, light, 1, 7) for subject in people(2) for light in (1, 2)]
        captures.append(Capture(people(1)[0], 1, 1, 1, 8))
        assert sum(pair.genuine for pair in make_pairs(captures, 8, differ=True)) == 4

    def test_q4_takes_a_few_draws_per_pair(self, monkeypatch):
        class Counting(random.Random):
            draws = 0

            def randrange(self, *limits):
                Counting.draws += 1
                return super().randrange(*limits)

        monkeypatch.setattr("kface.data.protocols.pairs.random.Random", Counting)
        captures = captures_of(Q4, TEST_SUBJECTS)
        assert len(captures) == 30 * 10440
        pairs = make_pairs(captures, Q4.pairs, differ=Q4.differ)
        assert len(pairs) == 100000
        # Two for each attempt; most pairs differ in all conditions at one of the first.
        assert len(pairs) * 2 <= Counting.draws < len(pairs) * 10

    def test_files(self, tmp_path):
        pairs = make_pairs(captures_of(T1, people(3)), 20)
        pairs.append(Pair(Capture(people(1)[0], 1, 1, 1, 4, "Low"), Capture(people(1)[0], 1, 1, 1, 5), True))
        path = tmp_path / "pairs.txt"
        write_pairs(path, pairs)
        assert read_pairs(path) == pairs
        first = path.read_text().splitlines()[0].split(" ")
        assert (len(first), first[2]) == (3, "1")
        assert first[0].startswith("190000")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("19062421/S001/L1/E01/C4.jpg 1\n", "line 1"),
            ("\n19062421/S001/L1/E01/C4.jpg 19062421/S001/L1/E01/C5.jpg 2\n", "line 2"),
            ("19062421/S001/L1/E01/C4.jpg 19062421/S001/L1/E01/C50.jpg 1\n", "line 1.*C50"),
            ("19062421/S001/L1/E01/C4.jpg 19062422/S001/L1/E01/C5.jpg 1\n", "line 1.*19062422"),
            ("", "no pairs"),
        ],
    )
    def test_bad_files(self, tmp_path, text, message):
        path = tmp_path / "pairs.txt"
        path.write_text(text)
        with pytest.raises(ProtocolError, match="pairs.txt.*" + message):
            read_pairs(path)
        with pytest.raises(ProtocolError, match="cannot be read"):
            read_pairs(tmp_path / "absent.txt")
