"""CALFW, CPLFW and other folders with a list of pairs, IJB's templates, and the table of all test sets, on files of our own."""

import numpy as np
import pytest

from kface.data.testsets import PHOTOGRAPH_SETS, cfp_set, ijb_set, listed_set
from kface.data.testsets.image_lists import read_image_pairs
from kface.errors import ConfigError, KFaceError, LayoutError
from kface.images import encode_png
from kface.overrides import TEXTS

PEOPLE = ("Ann_Lee", "Béa-Ray", "Cho_Kim")


@pytest.fixture(autouse=True)
def no_faces(monkeypatch):
    """A detector that finds nothing: the photographs here are noise."""
    from kface.data.testsets import faces
    from kface.faces import Faces

    class Nothing:
        def __init__(self, **settings):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def with_min_face(self, size):
            return self

        def detect_many(self, images):
            return [Faces.empty() for _ in images]

    monkeypatch.setattr(faces, "Detector", Nothing)


def write_images(folder, names, size=112):
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        image = np.full((size, size, 3), 10 * number + 5, np.uint8)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encode_png(image))


def two_lines(pairs):
    return "".join(f"{a} {label}\n{b} {label}\n" for a, b, label in pairs)


def calfw(folder, size=112, below="aligned images", folds=10):
    """Write a small CALFW: a genuine pair of each fold, then as many impostor pairs."""
    names = [f"{person}_{number:04d}.jpg" for person in PEOPLE for number in range(1, 5)]
    write_images(folder / below, names, size)
    genuine = [
        (f"{PEOPLE[k % 3]}_{k % 4 + 1:04d}.jpg", f"{PEOPLE[k % 3]}_{(k + 1) % 4 + 1:04d}.jpg", k % folds + 1)
        for k in range(10)
    ]
    impostor = [(f"{PEOPLE[k % 3]}_0001.jpg", f"{PEOPLE[(k + 1) % 3]}_000{k % 4 + 1}.jpg", 0) for k in range(10)]
    (folder / "pairs_CALFW.txt").write_text(two_lines(genuine + impostor), encoding="utf-8")
    return folder


def test_calfw_as_it_is_distributed(tmp_path):
    found = PHOTOGRAPH_SETS["calfw"].load(calfw(tmp_path / "calfw"), tmp_path / "cache", False)
    assert (found.name, found.title) == ("calfw", "CALFW")
    assert found.genuine.tolist() == [True] * 10 + [False] * 10
    # The list gives genuine pairs their folds, and impostor pairs none.
    assert found.folds.tolist() == [*range(10), *range(10)]
    assert found.known_people
    assert len(np.unique(found.people)) == 3
    # Faces of 112x112 are aligned already: none is searched.
    assert not found.failed.any()
    assert not (tmp_path / "cache").exists()
    assert found.names[0] == "aligned images/Ann_Lee_0001.jpg"
    for (a, b), same in zip(found.pairs, found.genuine, strict=True):
        assert (found.names[a].split("_0")[0] == found.names[b].split("_0")[0]) == same


def test_photographs_of_another_size_are_searched_for_faces(tmp_path):
    found = listed_set(calfw(tmp_path, 60, "images"), "calfw", "CALFW", tmp_path / "cache", False)
    assert found.failed.all()
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_photographs_come_before_the_authors_alignment(tmp_path):
    calfw(tmp_path)
    calfw(tmp_path, 60, "images")
    found = listed_set(tmp_path, "calfw", "CALFW", tmp_path / "cache", False)
    assert found.names[0].startswith("images/")


def test_cplfw_says_1_for_genuine(tmp_path):
    found = listed_set(calfw(tmp_path, folds=1), "cplfw", "CPLFW", tmp_path / "cache", False)
    assert found.genuine.tolist() == [True] * 10 + [False] * 10
    # Without folds in the list, tenths of each kind.
    assert found.folds.tolist() == [*range(10), *range(10)]


@pytest.mark.parametrize("before", [True, False])
def test_a_pair_a_line_with_its_label(tmp_path, before):
    names = [f"set_112x112/{number}.jpg" for number in range(8)]
    write_images(tmp_path, names)
    rows = [(0, 1, 1), (2, 3, 1), (1, 4, 1), (0, 2, 0), (4, 6, 0), (5, 7, 0)]
    lines = [f"{c} {names[a]} {names[b]}" if before else f"{names[a]} {names[b]} {c}" for a, b, c in rows]
    (tmp_path / "agedb_30_ann.txt").write_text("\n".join(lines))
    found = PHOTOGRAPH_SETS["agedb30"].load(tmp_path, tmp_path / "cache", False)
    assert found.genuine.tolist() == [True] * 3 + [False] * 3
    # The names say nothing: who is connected by genuine pairs is one person.
    assert not found.known_people
    assert found.people[0] == found.people[1] == found.people[4] != found.people[2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "contains no pairs"),
        ("a.jpg 1\n", "has 1 lines, but a pair needs two"),
        ("a.jpg 1\nb.jpg 0\n", "lines 1 and 2 are not an image and the same number"),
        ("a.jpg 1\nb.jpg\n", "lines 1 and 2"),
        ("a.jpg x\nb.jpg x\n", "lines 1 and 2"),
        ("1 a.jpg b.jpg\n2 a.jpg b.jpg\n", "line 2 is not two images and a 0 or 1"),
        ("1 a.jpg b.jpg\n1 a.jpg\n", "line 2 is not"),
    ],
)
def test_damaged_lists(tmp_path, text, message):
    (tmp_path / "pairs_X.txt").write_text(text)
    with pytest.raises(LayoutError, match=message) as caught:
        read_image_pairs(tmp_path / "pairs_X.txt")
    assert "\n" not in str(caught.value)


def test_what_is_missing_is_named(tmp_path):
    load = PHOTOGRAPH_SETS["cplfw"].load
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "absent", tmp_path, False)
    with pytest.raises(ConfigError, match=r"give the folder of IJB-B with evaluate\.ijbb=DIR"):
        PHOTOGRAPH_SETS["ijbb"].load(tmp_path / "absent", tmp_path, False)
    (tmp_path / "empty").mkdir()
    with pytest.raises(LayoutError, match=r"contains no list of pairs: pairs\*\.txt or \*_ann\.txt"):
        load(tmp_path / "empty", tmp_path, False)
    folder = calfw(tmp_path / "calfw")
    (folder / "aligned images" / "Ann_Lee_0001.jpg").unlink()
    with pytest.raises(LayoutError, match=r"Ann_Lee_0001\.jpg is in the list but not in the folder"):
        load(folder, tmp_path, False)
    (folder / "pairs_2.txt").write_text("")
    with pytest.raises(LayoutError, match=r"several lists of pairs: pairs_2\.txt, pairs_CALFW\.txt"):
        load(folder, tmp_path, False)


@pytest.mark.parametrize("name", ["../outside.jpg", "/etc/passwd"])
def test_a_list_does_not_lead_outside(tmp_path, name):
    write_images(tmp_path, ["outside.jpg"])
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "pairs.txt").write_text(f"{name} 1\n{name} 1\n")
    with pytest.raises(LayoutError, match="outside the folder|but not in the folder"):
        listed_set(tmp_path / "set", "calfw", "CALFW", tmp_path / "cache", False)


def test_pairs_that_contradict_each_other(tmp_path):
    write_images(tmp_path, ["a.jpg", "b.jpg", "c.jpg"])
    (tmp_path / "pairs.txt").write_text("a.jpg b.jpg 1\nb.jpg c.jpg 1\na.jpg c.jpg 0\n")
    with pytest.raises(LayoutError, match="an impostor pair of one person"):
        listed_set(tmp_path, "calfw", "CALFW", tmp_path / "cache", False)


def test_cfp_ff_pairs_frontal_faces(tmp_path):
    protocol = tmp_path / "Protocol"
    names = [f"Data/Images/{person:03d}/frontal/{number:02d}.jpg" for person in (1, 2) for number in (1, 2)]
    write_images(tmp_path, names, 60)
    for fold in ("01", "02"):
        split = protocol / "Split" / "FF" / fold
        split.mkdir(parents=True)
        (split / "same.txt").write_text("1,2\n3,4\n")
        (split / "diff.txt").write_text("1,3\n2,4\n")
    (protocol / "Pair_list_F.txt").write_text("\n".join(f"{k} ../{name}" for k, name in enumerate(names, 1)))
    found = PHOTOGRAPH_SETS["cfp_ff"].load(tmp_path, tmp_path / "cache", False)
    # There is no list of profiles here, and none is needed.
    assert (found.name, found.title) == ("cfp_ff", "CFP-FF")
    assert found.genuine.tolist() == [True, True, False, False] * 2
    with pytest.raises(LayoutError, match=r"neither Pair_list_P\.txt"):
        cfp_set(tmp_path, tmp_path / "cache", False)


@pytest.fixture
def ijb(tmp_path):
    """Four templates; image 1.jpg is in two of them, and the second is two frames of one video and a still."""
    folder = tmp_path / "IJBC"
    names = [f"{number}.jpg" for number in range(1, 7)]
    write_images(folder / "loose_crop", names, 150)
    meta = folder / "meta"
    meta.mkdir()
    rows = [
        "1.jpg 10 100",
        "2.jpg 20 200",
        "3.jpg 20 200",
        "4.jpg 20 201",
        "5.jpg 30 300",
        "6.jpg 30 301",
        "1.jpg 40 100",
    ]
    (meta / "ijbc_face_tid_mid.txt").write_text("\n".join(rows))
    (meta / "ijbc_template_pair_label.txt").write_text("10 20 1\n20 40 1\n10 30 0\n20 30 0\n")
    points = "30 40 70 40 50 60 35 85 65 85"
    (meta / "ijbc_name_5pts_score.txt").write_text("\n".join(f"{name} {points} 0.9" for name in names))
    return folder


def test_ijb_s_templates(ijb, tmp_path):
    from kface.alignment import align
    from kface.images import read_image

    found = PHOTOGRAPH_SETS["ijbc"].load(ijb, tmp_path / "cache", False)
    assert found.images.shape == (6, 112, 112, 3)
    assert found.templates.count == 4
    assert found.genuine.tolist() == [True, True, False, False]
    assert found.pairs.tolist() == [[0, 1], [1, 3], [0, 2], [1, 2]]
    assert len(found.people) == 4
    # Aligned by the given landmarks, as they are for photographs.
    points = np.array([[30, 40], [70, 40], [50, 60], [35, 85], [65, 85]], np.float32)
    np.testing.assert_array_equal(found.images[2], align(read_image(ijb / "loose_crop" / "3.jpg"), points[None])[0])
    # Without landmarks the faces are searched.
    (ijb / "meta" / "ijbc_name_5pts_score.txt").unlink()
    assert ijb_set(ijb, "ijbc", "IJB-C", tmp_path / "cache", False).failed.all()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("face_tid_mid", "1.jpg 10\n2.jpg 20\n", "line 1 has 2 words instead of 3"),
        ("face_tid_mid", "", "fewer than two lines"),
        (
            "face_tid_mid",
            "9.jpg 10 1\n2.jpg 20 1\n3.jpg 30 1\n4.jpg 40 1\n",
            "9.jpg is in the list but not in the folder",
        ),
        ("template_pair_label", "10 99 1\n10 20 1\n", "line 1 is not two known templates"),
        ("template_pair_label", "10 20 1\n20 40 1\n10 40 0\n", "impostor pair of one person"),
        ("name_5pts_score", "1.jpg 1 2 3 4 5 6 7 8 9 x 1\n2.jpg 1 2 3 4 5 6 7 8 9 9 1\n", "line 1 has a landmark"),
        ("name_5pts_score", "1.jpg 30 40 70 40 50 60 35 85 65 85 1\n" * 2, "has no landmarks of 2.jpg"),
    ],
)
def test_damaged_templates(ijb, tmp_path, name, text, message):
    (ijb / "meta" / f"ijbc_{name}.txt").write_text(text)
    with pytest.raises(LayoutError, match=message) as caught:
        ijb_set(ijb, "ijbc", "IJB-C", tmp_path / "cache", False)
    assert "\n" not in str(caught.value)


def test_every_known_set_is_a_setting_with_a_comment_and_a_title():
    from kface import stage
    from kface.evaluation.reports import SETS, TITLES

    settings = stage.compose("evaluate", []).evaluate
    assert set(PHOTOGRAPH_SETS) <= set(settings)
    assert {f"evaluate.{key}" for key in PHOTOGRAPH_SETS} <= set(TEXTS)
    assert {key: known.title for key, known in PHOTOGRAPH_SETS.items()}.items() <= TITLES.items()
    assert list(SETS) == list(TITLES)[: len(SETS)]
    for key, known in PHOTOGRAPH_SETS.items():
        assert known.key == key


@pytest.mark.parametrize("key", sorted(PHOTOGRAPH_SETS))
def test_what_is_not_a_set_is_one_line_for_every_set(tmp_path, key):
    (tmp_path / "file").write_bytes(b"nonsense")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file", tmp_path / "folder", tmp_path / "absent"):
        with pytest.raises(KFaceError) as caught:
            PHOTOGRAPH_SETS[key].load(path, tmp_path / "cache", False)
        assert "\n" not in str(caught.value)
        assert path.name in str(caught.value)
