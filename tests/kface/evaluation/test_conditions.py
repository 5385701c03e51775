"""Where a network fails, against a loop over all pairs; the table, the picture, and what the report keeps of them."""

import csv
import io

import numpy as np
import pytest
from kface_fakes import SUBJECTS, captures_of, vectors_of

from kface import verification as v
from kface.data.testsets.references import references
from kface.evaluation import conditions


def fails_with_sunglasses(capture):
    return 4.0 if capture.accessory == 4 else 0.8 if capture.camera == 13 else 0.3


@pytest.fixture(scope="module")
def found():
    held = captures_of(SUBJECTS)
    vectors = vectors_of(held, fails_with_sunglasses)
    return held, vectors, conditions.by_condition(vectors, held, replicates=30)


def by_hand(held, vectors, wanted):
    """Scores of a condition's genuine and impostor pairs with the references."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    own = {each.subject: number for number, each in enumerate(held) if each[1:5] == (1, 1, 1, 7)}
    genuine, impostor = [], []
    for number, capture in enumerate(held):
        if number in own.values() or not wanted(capture):
            continue
        for subject, reference in own.items():
            (genuine if subject == capture.subject else impostor).append(float(unit[number] @ unit[reference]))
    return np.array(genuine), np.array(impostor)


@pytest.mark.parametrize(
    ("levels", "only", "wanted"),
    [
        ({"accessory": 4}, False, lambda c: c.accessory == 4),
        ({"accessory": 4}, True, lambda c: c[1:5] == (4, 1, 1, 7)),
        ({"camera": 13}, False, lambda c: c.camera == 13),
        ({"camera": 7}, False, lambda c: c.camera == 7),
        ({"light": 16}, True, lambda c: c[1:5] == (1, 16, 1, 7)),
        ({"accessory": 1, "camera": 13}, False, lambda c: (c.accessory, c.camera) == (1, 13)),
    ],
)
def test_a_cell_by_hand(found, levels, only, wanted):
    held, vectors, all_cells = found
    (cell,) = [cell for cell in all_cells.cells if cell.levels == levels and cell.only == only]
    genuine, impostor = by_hand(held, vectors, wanted)
    assert (cell.genuine, cell.impostor) == (len(genuine), len(impostor))
    assert cell.images == sum(map(wanted, held))
    scores, labels = np.concatenate([genuine, impostor]), np.arange(len(genuine) + len(impostor)) < len(genuine)
    assert cell.eer.value == pytest.approx(v.eer(scores, labels)[0], abs=1e-6)
    assert cell.fnmr == pytest.approx(np.mean(genuine < all_cells.threshold), abs=1e-6)
    if len(impostor) >= 100:
        assert cell.tar[1e-2].value == pytest.approx(v.tar_at_far(scores, labels, 1e-2), abs=1e-6)
    assert cell.tar.get(1e-3) is None


def test_it_finds_where_the_network_fails(found):
    _, _, all_cells = found
    assert all_cells.find(accessory=4).eer.value > 0.3
    assert all_cells.find(accessory=1).eer.value < 0.1
    low, high = all_cells.find(accessory=4).eer.interval
    assert low < all_cells.find(accessory=4).eer.value < high
    # The threshold that is common to all is one of 1 % of the impostor pairs.
    assert all_cells.find(accessory=4).fnmr > 0.5 > all_cells.find(camera=6, accessory=1).fnmr


def test_conditions_that_are_not_there_are_listed_as_such(found):
    _, _, all_cells = found
    absent = all_cells.find(accessory=6)
    assert (absent.images, absent.eer) == (0, None)
    assert len([cell for cell in all_cells.cells if cell.only]) == 6 + 30 + 3 + 20
    assert len(all_cells.cells) == 2 * 59 + 6 * 3 + 6 * 20 + 30 * 20
    # The reference itself is not compared with itself.
    (itself,) = [cell for cell in all_cells.cells if cell.levels == {"camera": 7} and cell.only]
    assert (itself.images, itself.genuine) == (8, 0)


def test_the_most_similar_image_takes_a_missing_reference_s_place():
    held = [each for each in captures_of(SUBJECTS) if not (each.subject == SUBJECTS[0] and each.camera == 7)]
    assert held[references(held)[SUBJECTS[0]]][1:5] == (1, 1, 1, 6)
    made = conditions.by_condition(vectors_of(held, fails_with_sunglasses), held, replicates=0)
    assert (made.people, made.substitutes) == (8, 1)


def test_one_person_or_only_references_have_no_figures():
    held = captures_of(SUBJECTS[:1])
    assert conditions.by_condition(np.ones((len(held), 3), np.float32), held) is None
    held = captures_of(SUBJECTS, (1,), (1,), (1,), (7,))
    assert conditions.by_condition(np.ones((len(held), 3), np.float32), held) is None


def test_the_table_and_the_report_have_the_same_figures(found):
    _, _, all_cells = found
    rows = list(csv.DictReader(io.StringIO(all_cells.to_csv())))
    assert len(rows) == len(all_cells.cells)
    report = conditions.described(all_cells, "the sample", True)
    kept = [cell for cell in all_cells.cells if cell.panel != "light x camera"]
    assert len(report["cells"]) == len(kept)
    for cell, row in zip(report["cells"], rows, strict=False):
        assert row["panel"] == cell["panel"]
        assert row["genuine"] == str(cell["genuine"])
        assert row["camera"] == ("" if cell["camera"] is None else str(cell["camera"]))
        assert (row["eer"] == "") == (cell["eer"] is None)
        if cell["eer"] is not None:
            assert float(row["eer"]) == pytest.approx(cell["eer"]["value"], abs=1e-5)
            assert (row["eer_low"] == "") == (cell["eer"]["interval"] is None)


def test_impostor_pairs_are_drawn_where_there_are_too_many(monkeypatch):
    monkeypatch.setattr(conditions, "MOST_IMPOSTORS", 50)
    held = captures_of(SUBJECTS)
    made = conditions.by_condition(vectors_of(held, fails_with_sunglasses), held, replicates=0)
    assert {cell.impostor for cell in made.cells if cell.genuine > 8} == {50}


def test_the_picture_shows_what_is_there_and_what_is_not(found, tmp_path):
    from kface.evaluation.condition_plots import plot_conditions
    from kface.images import read_image

    _, _, all_cells = found
    plot_conditions(all_cells, tmp_path / "conditions.png", "tiny")
    picture = read_image(tmp_path / "conditions.png")
    assert picture.shape[0] > 1000
    # The grey of what is not in the data set is most of it here.
    grey = (np.abs(picture.astype(int) - round(0.88 * 255)) < 2).all(axis=2).mean()
    assert 0.2 < grey < 0.9


def test_names_of_conditions():
    assert conditions.name_of({"accessory": 4}) == "S004 sunglasses"
    assert conditions.name_of({"light": 16, "camera": 14}) == "L16 horizontal +90, 400 lux, C14 yaw +45 pitch +30"
    assert conditions.name_of({"light": 7}) == "L7 all directions, 0 lux"
    assert conditions.name_of({"expression": 2}) == "E02 broad smile"
