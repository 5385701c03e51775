"""Mix-ups, poor single templates and pictures that were enrolled twice are found, and nobody else."""

import numpy as np
import pytest

pytest.importorskip("cryptography")

from gallery_fakes import SIZE, crop, open_at

from kface.errors import KFaceError
from kface.gallery import check_gallery, review


@pytest.fixture
def gallery(tmp_path):
    with open_at(tmp_path / "gallery.db") as opened:
        yield opened


def face(person, other=0, part=0.0, noise=0):
    """Return a vector of a person (an axis), with a part of another person's and some of its own."""
    vector = np.zeros((SIZE,), np.float32)
    vector[person] = 1
    vector[other] += part
    vector[15 - noise] += 0.3
    return vector


def found(gallery, *arguments):
    return [(one.kind, one.name, one.template, one.other_name) for one in check_gallery(gallery, *arguments).findings]


def test_a_good_gallery_has_no_findings(gallery):
    for person, name in enumerate(("Kim", "Lee", "Park")):
        for noise in range(3):
            gallery.add(name, face(person, noise=noise))
    done = []
    looked = check_gallery(gallery, 0.5, progress=done.append)
    assert (looked.people, looked.templates, looked.findings) == (3, 9, ())
    assert done[-1] == 1.0


def test_an_empty_gallery_has_no_findings(gallery):
    assert check_gallery(gallery) == (0, 0, ())


def test_a_template_of_another_person_is_found_with_both_scores(gallery):
    for noise in range(2):
        gallery.add("Kim", face(0, noise=noise))
        gallery.add("Lee", face(1, noise=noise))
    wrong = gallery.add("Kim", face(1, noise=3))
    # With a threshold too: that Lee resembles it follows from that.
    (finding,) = check_gallery(gallery, 0.5).findings
    assert finding.template == wrong
    assert (finding.kind, finding.name, finding.other_name) == (review.MISPLACED, "Kim", "Lee")
    assert finding.score > 0.9 > 0.1 > finding.own_score
    assert str(finding).startswith("Kim: template 5 resembles Lee (score 0.9")


@pytest.mark.parametrize("at_once", [1, 1 << 23])
def test_the_worst_kinds_come_first_whatever_is_held_at_once(gallery, monkeypatch, at_once):
    monkeypatch.setattr(review, "SCORES_AT_ONCE", at_once)
    gallery.add("Kim", face(0))
    gallery.add("Kim", face(0))
    gallery.add("Lee", face(1))
    gallery.add("Lee", face(1, noise=1))
    gallery.add("Twin", face(1, 2, 0.5, noise=2), crop(1))
    gallery.add("Copy", face(3), crop(2))
    gallery.add("Other", face(3), crop(3))
    gallery.add("Blurred", face(5), np.full((112, 112, 3), 90, np.uint8))
    gallery.add("Single", face(6))
    assert found(gallery, 0.7) == [
        (review.SAME_OTHER, "Copy", 6, "Other"),
        (review.LOOKALIKE, "Lee", 3, "Twin"),
        (review.POOR, "Blurred", 8, ""),
        (review.UNSEEN, "Single", 9, ""),
        (review.SAME_OWN, "Kim", 2, "Kim"),
    ]
    assert review.LOOKALIKE not in [kind for kind, *_ in found(gallery)]


def test_it_can_be_cancelled(gallery):
    gallery.add("Kim", face(0))
    with pytest.raises(KFaceError, match="cancelled"):
        check_gallery(gallery, cancelled=lambda: True)
