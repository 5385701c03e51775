import os
import tracemalloc

import numpy as np
import pytest

from kface.data.layout import (
    ACCESSORIES,
    ANNOTATION_BOXES,
    CAMERAS,
    EXPRESSIONS,
    LIGHTS,
    Annotation,
    Camera,
    Capture,
    Conditions,
    Light,
    Problems,
    Tree,
    annotation_beside,
    format_annotation,
    hidden_parts,
    parse,
    parse_annotation,
    read_annotation,
    walk,
    walk_listing,
)
from kface.data.layout import tree as tree_module
from kface.data.layout.capture import parse_folder
from kface.errors import LayoutError

IDS = ("19062421", "19090641")


def write_tree(root, captures, long=True):
    for capture in captures:
        path = root / capture.path(long)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def grid(subjects=IDS, accessories=(1, 2), lights=(1, 10), expressions=(1, 3), cameras=(2, 7, 20)):
    return [
        Capture(subject, s, light, e, c)
        for subject in subjects
        for s in accessories
        for light in lights
        for e in expressions
        for c in cameras
    ]


def listing(identities):
    for number in range(identities):
        for s in range(1, 7):
            for light in range(1, 31):
                for e in range(1, 4):
                    for c in range(1, 21):
                        yield "High_Resolution/{:08d}/S{:03d}/L{}/E{:02d}/C{}.jpg\n".format(
                            19060000 + number, s, light, e, c
                        )


class TestTables:
    def test_sizes(self):
        assert (len(ACCESSORIES), len(LIGHTS), len(EXPRESSIONS), len(CAMERAS)) == (6, 30, 3, 20)
        assert Conditions.of(resolutions=["High"]).count(400) == 4320000

    def test_lights(self):
        assert [LIGHTS[number].lux for number in range(1, 8)] == [1000, 400, 200, 150, 100, 40, 0]
        assert LIGHTS[8] == Light("vertical", 30, 400)
        assert LIGHTS[15] == Light("vertical", -15, 40)
        assert LIGHTS[16] == Light("horizontal", 90, 400)
        assert LIGHTS[24] == Light("horizontal", 0, 100)
        assert LIGHTS[30] == Light("horizontal", -90, 100)

    def test_cameras(self):
        assert (CAMERAS[1].yaw, CAMERAS[7].yaw, CAMERAS[13].yaw) == (90, 0, -90)
        assert [CAMERAS[number].yaw for number in range(4, 11)] == [45, 30, 15, 0, -15, -30, -45]
        assert CAMERAS[14] == Camera(45, 30)
        assert CAMERAS[18] == Camera(-45, 30)
        assert CAMERAS[20] == Camera(-30, -15)


class TestCapture:
    def test_paths(self):
        capture = Capture("19062421", 1, 12, 3, 6)
        assert capture.path() == "High_Resolution/19062421/S001/L12/E03/C6.jpg"
        assert capture._replace(resolution="Low").path(long=False) == "Low/19062421/S001/L12/E03/C6.jpg"
        assert capture.annotation_path() == "High_Resolution/19062421/S001/L12/E03/C6.txt"
        assert (capture.yaw, capture.pitch, capture.lux) == (15, 0, 400)

    @pytest.mark.parametrize(
        "prefix", ["", "High/", "Middle_Resolution/", "/data/K Face/Low/", "D:\\kface\\High_Resolution\\"]
    )
    def test_parse_accepts(self, prefix):
        capture = parse(prefix + "19062421/S006/L30/E01/C20.JPG")
        resolution = "Middle" if "Middle" in prefix else "Low" if "Low" in prefix else "High"
        assert capture == Capture("19062421", 6, 30, 1, 20, resolution)

    def test_parse_inverts_path(self):
        for capture in grid() + [Capture("19100111", 6, 30, 3, 20, "Middle")]:
            assert parse(capture.path()) == capture
            assert parse(capture.path(long=False)) == capture

    @pytest.mark.parametrize(
        ("path", "part"),
        [
            ("1906242/S001/L1/E01/C6.jpg", "1906242"),
            ("19062421/S1/L1/E01/C6.jpg", "S1"),
            ("19062421/S007/L1/E01/C6.jpg", "S007"),
            ("19062421/S001/L01/E01/C6.jpg", "L01"),
            ("19062421/S001/L31/E01/C6.jpg", "L31"),
            ("19062421/S001/L1/E1/C6.jpg", "E1"),
            ("19062421/S001/L1/E01/C06.jpg", "C06.jpg"),
            ("19062421/S001/L1/E01/C21.jpg", "C21.jpg"),
            ("19062421/S001/L1/E01/C6.bmp", "C6.bmp"),
            ("C6.jpg", "is not a K-Face path"),
        ],
    )
    def test_parse_refuses_and_names_the_part(self, path, part):
        with pytest.raises(LayoutError, match=part.replace(".", r"\.")):
            parse(path)


class TestConditions:
    def test_count_and_admits(self):
        conditions = Conditions.of(resolutions=["High"], lights=[1, 2], cameras=range(4, 11), subjects=IDS)
        assert conditions.count() == 2 * 6 * 2 * 3 * 7
        assert conditions.admits(Capture(IDS[0], 6, 2, 3, 4))
        assert not conditions.admits(Capture(IDS[0], 6, 3, 3, 4))
        assert not conditions.admits(Capture("19000000", 6, 2, 3, 4))

    def test_refuses_what_kface_does_not_have(self):
        with pytest.raises(LayoutError, match="31"):
            Conditions.of(lights=[1, 31])
        with pytest.raises(LayoutError, match="lamps"):
            Conditions.of(lamps=[1])


class TestWalk:
    @pytest.mark.parametrize("long", [True, False])
    def test_yields_everything_sorted(self, tmp_path, long):
        write_tree(tmp_path, reversed(grid()), long)
        assert list(walk(tmp_path)) == sorted(grid())

    def test_root_may_be_a_resolution_or_hold_identities(self, tmp_path):
        write_tree(tmp_path, [capture._replace(resolution="Low") for capture in grid()])
        captures = list(walk(tmp_path / "Low_Resolution"))
        assert captures == [capture._replace(resolution="Low") for capture in sorted(grid())]
        (tmp_path / "Low_Resolution").rename(tmp_path / "faces")
        assert list(walk(tmp_path / "faces")) == sorted(grid())
        assert {capture.resolution for capture in walk(tmp_path / "faces", Conditions.of(resolutions=["Middle"]))} == {
            "Middle"
        }

    def test_several_resolutions(self, tmp_path):
        for resolution in ("High", "Low"):
            write_tree(tmp_path, [capture._replace(resolution=resolution) for capture in grid(IDS[:1])])
        assert [capture.resolution for capture in walk(tmp_path)] == ["High"] * 24 + ["Low"] * 24
        assert {capture.resolution for capture in walk(tmp_path, Conditions.of(resolutions=["Low"]))} == {"Low"}

    def test_narrows_before_touching_the_disk(self, tmp_path, monkeypatch):
        write_tree(tmp_path, grid())
        opened = []
        scandir = os.scandir
        monkeypatch.setattr(os, "scandir", lambda path: opened.append(str(path)) or scandir(path))
        conditions = Conditions.of(subjects=IDS[1:], lights=[10], expressions=[3], cameras=[7])
        assert list(walk(tmp_path, conditions)) == [Capture(IDS[1], s, 10, 3, 7) for s in (1, 2)]
        assert not [path for path in opened if IDS[0] in path or "L1" + os.sep in path + os.sep or "E01" in path]

    def test_streams(self, tmp_path, monkeypatch):
        write_tree(tmp_path, grid())
        opened = []
        scandir = os.scandir
        monkeypatch.setattr(os, "scandir", lambda path: opened.append(str(path)) or scandir(path))
        next(walk(tmp_path))
        assert not [path for path in opened if IDS[1] in path]

    def test_survives_and_counts_garbage(self, tmp_path):
        write_tree(tmp_path, grid())
        high = tmp_path / "High_Resolution"
        leaf = high / IDS[0] / "S001" / "L1" / "E01"
        for path in (
            high / "Thumbs.db",
            high / IDS[0] / ".DS_Store",
            leaf / "Thumbs.db",
            leaf / "C21.jpg",
            leaf / "C07.jpg",
        ):
            path.write_bytes(b"")
        for path in (
            high / "1906",
            high / IDS[0] / "S7",
            high / IDS[0] / "S001" / "L01",
            leaf / "C9.jpg",
            leaf / "new",
        ):
            path.mkdir()
        (high / IDS[0] / "S003").write_bytes(b"")
        (leaf / "C3.jpg").symlink_to(leaf / "nowhere.jpg")
        (high / "19999999").symlink_to(high / "nowhere")
        (leaf / "C7.txt").write_text("an annotation is no problem")
        (leaf / "C11.JPG").write_bytes(b"")
        (leaf / "C7.JPG").write_bytes(b"")
        problems = Problems()
        found = list(walk(tmp_path, problems=problems))
        assert found == sorted(grid() + [Capture(IDS[0], 1, 1, 1, 11)])
        counts = {kind: problem.times for kind, problem in problems.kinds().items()}
        assert counts == {
            "broken link": 2,
            "file in a folder's place": 1,
            "folder in an image's place": 1,
            "misnamed accessory folder": 1,
            "misnamed identity folder": 1,
            "misnamed image": 2,
            "misnamed light folder": 1,
            "second file of an image": 1,
            "stray file": 3,
            "stray folder": 1,
        }
        assert problems.total == 14
        assert any("2 x misnamed image: " in line and "C21.jpg" in line for line in problems.lines())

    def test_examples_are_few_and_printable(self):
        problems = Problems()
        for number in range(20):
            problems.add("stray file", "\udcff{}".format(number))
        assert problems.kinds()["stray file"].times == 20
        assert len(problems.kinds()["stray file"].examples) == 5
        "".join(problems.lines()).encode("utf-8")

    def test_unreadable_folder_is_a_problem(self, tmp_path, monkeypatch):
        write_tree(tmp_path, grid())
        scandir = os.scandir

        def refuse(path):
            if str(path).endswith("L10"):
                raise PermissionError(13, "Permission denied")
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refuse)
        problems = Problems()
        assert {capture.light for capture in walk(tmp_path, problems=problems)} == {1}
        assert problems.kinds()["unreadable folder"].times == 4

    @pytest.mark.parametrize("make", [lambda p: None, lambda p: p.mkdir(), lambda p: p.write_bytes(b"")])
    def test_no_tree_is_an_error_at_once(self, tmp_path, make):
        make(tmp_path / "root")
        with pytest.raises(LayoutError, match="root"):
            walk(tmp_path / "root")

    def test_both_spellings_at_once(self, tmp_path):
        write_tree(tmp_path, grid(IDS[:1]))
        write_tree(tmp_path, grid(IDS[1:]), long=False)
        problems = Problems()
        assert {capture.subject for capture in walk(tmp_path, problems=problems)} == {IDS[0]}
        assert problems.kinds()["second folder of a resolution"].times == 1


class TestTree:
    def test_finds_files_and_subjects(self, tmp_path):
        write_tree(tmp_path, grid(), long=False)
        (tmp_path / "High" / "notes").mkdir()
        leaf = tmp_path / "High" / IDS[0] / "S001" / "L1" / "E01"
        (leaf / "C5.JPG").write_bytes(b"x")
        (leaf / "C5.txt").write_text("1 2\n")
        tree = Tree(tmp_path)
        assert tree.subjects() == sorted(IDS)
        assert tree.find(Capture(IDS[0], 1, 1, 1, 7)) == str(leaf / "C7.jpg")
        assert tree.find(Capture(IDS[0], 1, 1, 1, 5)) == str(leaf / "C5.JPG")
        assert tree.find(Capture(IDS[0], 1, 1, 1, 6)) is None
        assert tree.find(Capture(IDS[0], 1, 1, 1, 7, "Low")) is None
        assert annotation_beside(str(leaf / "C5.JPG")) == str(leaf / "C5.txt")
        assert annotation_beside(str(leaf / "C7.jpg")) is None
        assert all(os.path.isfile(path) and parse(path) == capture for capture, path in tree.files())


class TestListing:
    def test_each_folder_of_two_identities_is_parsed_once(self, monkeypatch):
        parsed = []
        monkeypatch.setattr(tree_module, "parse_folder", lambda folder: parsed.append(folder) or parse_folder(folder))
        problems = Problems()
        captures = list(walk_listing(listing(2), problems=problems))
        assert len(parsed) == len(set(parsed)) == 2 * 540
        assert len(captures) == len(set(captures)) == 2 * 10800
        assert problems.total == 0

    def test_conditions_narrow(self):
        conditions = Conditions.of(lights=[1, 2], cameras=range(4, 11), subjects=["19060001"])
        captures = list(walk_listing(listing(2), conditions))
        assert len(captures) == conditions.count() // 3  # one of three resolutions is listed
        assert all(conditions.admits(capture) for capture in captures)

    def test_garbage_is_counted(self):
        lines = [
            "High/19062421/S001/L1/E01/C6.jpg\r\n",
            "High\\19062421\\S001\\L1\\E01\\C7.JPG",
            "High/19062421/S001/L1/E01/C7.txt",
            "",
            "High/19062421/S001/L1/E01/Thumbs.db",
            "High/19062421/S001/L1/E01/C21.jpg",
            "High/19062421/S001/L99/E01/C1.jpg",
            "what is this",
        ]
        problems = Problems()
        assert [capture.camera for capture in walk_listing(lines, problems=problems)] == [6, 7]
        assert {kind: problem.times for kind, problem in problems.kinds().items()} == {
            "misnamed image": 1,
            "not a K-Face path": 2,
            "stray file": 1,
        }

    def test_memory_stays_flat(self):
        tracemalloc.start()
        try:
            count = sum(1 for _ in walk_listing(listing(19)))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert count == 19 * 10800
        assert peak < 200000

    @pytest.mark.slow
    def test_four_million_paths(self):
        assert sum(1 for _ in walk_listing(listing(400))) == 4320000


def annotation(camera):
    hidden = hidden_parts(camera)
    landmarks = np.arange(14, dtype=np.float32).reshape(7, 2) * 10
    boxes = {name: (float(index), 2.0, 30.0, 40.0) for index, name in enumerate(ANNOTATION_BOXES) if name not in hidden}
    return Annotation(landmarks, boxes)


class TestAnnotation:
    @pytest.mark.parametrize("camera", sorted(CAMERAS))
    def test_round_trip_with_omissions(self, camera):
        text = format_annotation(annotation(camera), camera)
        expected = 5 if camera in (1, 2, 12, 13) else 7 if camera in (7, 16) else 6
        assert len(text.splitlines()) == 7 + expected
        back = parse_annotation(text, camera)
        np.testing.assert_array_equal(back.landmarks, annotation(camera).landmarks)
        assert back.boxes == annotation(camera).boxes

    @pytest.mark.parametrize("separator", [" ", "\t", ",", ";", ", ", " ;\t"])
    def test_separators(self, separator):
        text = format_annotation(annotation(7), 7).replace("\t", separator)
        assert parse_annotation(text, 7).boxes == annotation(7).boxes
        assert parse_annotation("\ufeff\r\n" + text.replace("\n", " \r\n"), 7).boxes == annotation(7).boxes

    def test_left_is_left_in_the_image(self):
        # nose, the person's right eye, left eye, right mouth corner, left mouth corner, ears
        text = "50 50\n30 30\n70 30\n35 70\n65 70\n5 40\n95 40\n"
        five = parse_annotation(text, 7).five()
        assert five.dtype == np.float32
        np.testing.assert_array_equal(five, [[30, 30], [70, 30], [50, 50], [35, 70], [65, 70]])

    def test_points_may_be_left_out_with_the_boxes(self):
        text = "50 50\n70 30\n35 70\n65 70\n95 40\n"
        parsed = parse_annotation(text, 1)
        assert np.isnan(parsed.landmarks[[1, 5]]).all()
        np.testing.assert_array_equal(parsed.landmarks[2], [70, 30])
        assert parsed.five() is None
        assert parse_annotation(format_annotation(parsed, 1), 1).five() is None
        without_ear = parse_annotation("50 50\n30 30\n70 30\n35 70\n65 70\n95 40\n", 4)
        assert np.isnan(without_ear.landmarks[5]).all()
        assert without_ear.five() is not None

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("1 2\n3 x\n", "line 2"),
            ("1 2\n1 2 3\n", "line 2 has 3 numbers"),
            ("1 2\n1 2 3 4\n1 2\n", "line 3 is a point after"),
            ("1 nan\n", "line 1 .* not finite"),
            ("1 2\n3 4\n", "has 2 points"),
            ("1 2\n" * 7 + "1 2 3 4\n", "has 1 boxes"),
            ("", "has 0 points"),
        ],
    )
    def test_errors_name_the_file_and_the_line(self, tmp_path, text, message):
        path = tmp_path / "C7.txt"
        path.write_text(text)
        with pytest.raises(LayoutError, match="C7.txt.*" + message):
            read_annotation(path)

    def test_read_takes_the_camera_from_the_name(self, tmp_path):
        path = tmp_path / "C12.txt"
        path.write_text(format_annotation(annotation(12), 12))
        assert set(read_annotation(path).boxes) == set(ANNOTATION_BOXES) - {"left_eye", "left_ear"}
        with pytest.raises(LayoutError, match="camera"):
            read_annotation(tmp_path / "face.txt")
        with pytest.raises(LayoutError, match=r"C1\.txt.*cannot be read"):
            read_annotation(tmp_path / "C1.txt")
