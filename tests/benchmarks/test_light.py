"""The benchmark of dark faces: its names, angles, judgement and table, without the data base."""

import numpy as np
import pytest

from benchmarks import light
from kface.faces import Faces
from kface.images import encode_png

EYES = np.array([[40, 40], [80, 40], [60, 60], [45, 80], [75, 80]], np.float32)


def face(shift=0.0):
    box = np.array([[20, 10, 100, 110]], np.float32) + shift
    return Faces(box, np.ones(1, np.float32), EYES[None] + np.float32(shift))


def lit(person, angle):
    return light.Lit(None, person, angle)


@pytest.mark.parametrize(
    ("name", "angle"),
    [
        ("yaleB01_P00A+000E+00.pgm", 0),
        ("yaleB01_P00A-035E+00.pgm", 35),
        ("yaleB01_P00A+000E-35.png", 35),
        ("yaleB39_P00A+120E+00.pgm", 120),
        ("yaleB39_P00A+060E+60.pgm", 75.52),
        ("yaleB01_P00_Ambient.pgm", None),
        ("notes.txt", None),
    ],
)
def test_the_angle_is_in_the_name(name, angle):
    assert light.angle_of(name) == (None if angle is None else pytest.approx(angle, abs=0.01))


def test_images_are_listed(tmp_path):
    (tmp_path / "yaleB02").mkdir()
    for name in ("yaleB02_P00A+010E+00.pgm", "yaleB02_P00_Ambient.pgm", "yaleB02_P00A+010E+00.pgm.bad", "a.info"):
        (tmp_path / "yaleB02" / name).write_bytes(b"x")
    (found,) = light.images_of(tmp_path)
    assert (found.file.name, found.person, round(found.angle)) == ("yaleB02_P00A+010E+00.pgm", "yaleB02", 10)


def test_a_face_elsewhere_is_astray():
    found = [face(), face(1), Faces.empty(), face(30), face(), face(200), face(200)]
    people = ["a", "a", "a", "a", "a", "b", "b"]
    assert light.astray(found, people).tolist() == [False, False, False, True, False, False, False]
    assert light.astray([Faces.empty()], ["a"]).tolist() == [False]


def test_the_largest_face_counts():
    two = Faces.join([face(), face()])
    two.boxes[1] *= 2
    assert (light.largest(two).boxes == two.boxes[1]).all()
    assert light.largest(Faces.empty()).count == 0


def test_a_face_that_is_not_found_matches_nobody():
    listed = [lit("a", 0), lit("b", 0), lit("a", 30), lit("b", 30), lit("a", 90)]
    vectors = np.array([[1, 0], [0, 1], [1, 0.1], [0.1, 1], [1, 0]], np.float32)
    none = np.zeros(5, bool)
    assert light.rate(listed, vectors, none, 25, 50) == 0
    assert light.rate(listed, vectors, none, 50, 77) is None
    # One of the two genuine pairs at 30 degrees is lost: at no threshold is less than half of them rejected.
    lost = np.array([False, False, True, False, False])
    assert light.rate(listed, vectors, lost, 25, 50) >= 0.25
    assert light.rate(listed, vectors, lost, 77, 180) == 0


def test_the_table():
    listed = [lit("a", 0), lit("a", 30), lit("a", 80), lit("b", 0)]
    before = light.Detections([face(), Faces.empty(), Faces.empty(), face()], 1.0)
    after = light.Detections([face(), face(1), face(200), face()], 1.0)
    made = light.rows(listed, (before, after))
    assert made == [
        ["0-12", "2", "2 (100.0 %)", "0", "2 (100.0 %)", "0"],
        ["25-50", "1", "0 (0.0 %)", "0", "1 (100.0 %)", "0"],
        ["over 77", "1", "0 (0.0 %)", "0", "1 (100.0 %)", "1"],
        ["all", "4", "2 (50.0 %)", "0", "4 (100.0 %)", "1"],
    ]
    vectors = np.array([[1, 0], [1, 0.1], [1, 0.2], [0, 1]], np.float32)
    embedded = [(vectors, ~before.there), (vectors, ~after.there)]
    assert [row[-2:] for row in light.rows(listed, (before, after), embedded)] == [
        ["-", "-"],
        ["50.0 %", "0.0 %"],
        ["50.0 %", "0.0 %"],
        ["50.0 %", "0.0 %"],
    ]
    text = light.table(["light", "n"], [["0-12", "100"], ["all", "5"]])
    assert text == "light    n\n 0-12  100\n  all    5"


class Bright:
    """Finds a face in every image that is bright."""

    def detect_many(self, images):
        return [face() if image.mean() > 50 else Faces.empty() for image in images]


def test_images_are_looked_at_as_they_are_and_then_on_copies():
    images = [np.full((30, 30, 3), level, np.uint8) for level in (200, 0, 6)]
    before, after = light.detect(Bright(), images, ["log"])
    assert before.there.tolist() == [True, False, False]
    assert after.there.tolist() == [True, False, True]
    assert before.seconds > 0
    assert after.seconds > 0


def test_photographs_without_faces_are_counted(tmp_path):
    for name, level in (("a", 200), ("b", 0), ("c", 6)):
        (tmp_path / f"{name}.png").write_bytes(encode_png(np.full((30, 30, 3), level, np.uint8)))
    said = light.without_faces(Bright(), tmp_path, ["log"])
    assert said == "of 3 photographs without faces 1 show one without copies, 2 with copies"


def test_it_refuses_in_one_line(tmp_path, capsys):
    for arguments, line in (
        ([str(tmp_path / "absent")], "is not a directory"),
        ([str(tmp_path)], "contains no image with its light in the name"),
        ([str(tmp_path), "--brighten", "bright"], "detector.brighten: must be a list of ways"),
    ):
        assert light.main(arguments) == 2
        said = capsys.readouterr().err
        assert said.startswith("light: ")
        assert line in said
        assert said.count("\n") == 1


def test_the_real_data_base(shared_data, capsys):
    folder = shared_data / "extended_yale_b" / "yaleB20"
    if not folder.is_dir():
        pytest.skip("Extended Yale B is not here")
    assert light.main([str(folder)]) == 0
    said = capsys.readouterr().out
    row = next(line for line in said.splitlines() if line.strip().startswith("all")).split()
    assert int(row[1]) >= 60
    assert int(row[6]) > 1.3 * int(row[2])
    assert int(row[-1]) <= 2
