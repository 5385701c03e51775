import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from dataset_fakes import SUBJECTS, FakeMtcnn, captures, contents, picture, write_tree

from kface.alignment import TEMPLATE, align
from kface.data.dataset import DatasetSettings, build, choose, load, read, read_arrays, read_captures
from kface.data.dataset import items as items_module
from kface.data.layout import Annotation, Capture, format_annotation, parse
from kface.data.sample.writing import write_people
from kface.errors import ConfigError, DatasetError, LayoutError, ProtocolError
from kface.faces import Faces
from kface.images import encode_jpeg, encode_png, read_image
from kface.mtcnn.brighten import brightened

SETTINGS = DatasetSettings(max_per_shard=5)


@pytest.fixture
def root(tmp_path):
    return write_tree(tmp_path / "source")


def make(root, out, settings=SETTINGS, jobs=1, detector=None, **more):
    return build(root, out, settings, jobs=jobs, detector=detector or FakeMtcnn(), progress=False, **more)


class TestContent:
    def test_manifest_and_records(self, root, tmp_path):
        report = make(root, tmp_path / "out", name="tiny", synthetic=True)
        assert (report.built, report.kept) == (48, 0)
        manifest = load(tmp_path / "out", "hashes")
        assert manifest == report.manifest
        assert manifest.source == {"name": "tiny", "root": str(root), "layout": "kface", "synthetic": True}
        assert manifest.counts["splits"] == {
            "train": {"subjects": 3, "images": 36},
            "test": {"subjects": 1, "images": 12},
        }
        assert set(manifest.counts["subjects"].values()) == {12}
        assert manifest.counts["conditions"]["camera"] == {"6": 16, "7": 16, "8": 16}
        # Light 2 is dim: it needs the detector's last fallback.
        assert manifest.counts["landmarks"] == {"detected, min_face 79.1": 24, "detected, min_face 20": 24}
        assert not set(manifest.subjects("train")) & set(manifest.subjects("test"))
        assert manifest.images() == 48
        assert all(
            shard.images <= 5 and shard.subject in shard.file and shard.split in shard.file for shard in manifest.shards
        )
        assert [
            capture for capture in read_captures(manifest, "train") if capture.subject == manifest.subjects("train")[0]
        ] == [capture for capture in captures() if capture.subject == manifest.subjects("train")[0]]

    def test_a_record_is_the_aligned_face(self, root, tmp_path):
        manifest = make(root, tmp_path / "out").manifest
        record = next(read(manifest, "test"))
        source = read_image(root / record.path)
        faces = FakeMtcnn().open().detect(source)
        np.testing.assert_array_equal(record.landmarks, faces.landmarks[0])
        np.testing.assert_array_equal(record.box, faces.boxes[0])
        assert record.score == pytest.approx(0.99)
        assert record.capture == parse(record.path)
        assert record.image.shape == (112, 112, 3)
        difference = np.abs(record.image.astype(int) - align(source, record.landmarks[None])[0].astype(int))
        assert difference.mean() < 3

    def test_arrays_and_subjects(self, root, tmp_path):
        manifest = make(root, tmp_path / "out").manifest
        images, found = read_arrays(tmp_path / "out", "train")
        assert (images.shape, images.dtype) == ((36, 112, 112, 3), np.uint8)
        assert found == read_captures(manifest, "train")
        first = manifest.subjects("train")[:1]
        images, found = read_arrays(manifest, subjects=first)
        assert {capture.subject for capture in found} == set(first)
        assert len(images) == 12

    def test_middle_resolution_survives_the_round_trip(self, tmp_path):
        wanted = [capture._replace(resolution="Low") for capture in captures()]
        write_tree(tmp_path / "source", wanted)
        with pytest.raises(DatasetError, match="no image for the protocol paper"):
            make(tmp_path / "source", tmp_path / "out")

    def test_protocol_and_cap(self, root, tmp_path):
        manifest = make(root, tmp_path / "t1", SETTINGS._replace(protocol="T1")).manifest
        assert {capture[1:5] for capture in read_captures(manifest)} == {(1, 1, 1, camera) for camera in (6, 7, 8)}
        assert manifest.protocol["conditions"]["lights"] == [1]
        manifest = make(root, tmp_path / "capped", SETTINGS._replace(max_per_identity=6)).manifest
        assert set(manifest.counts["subjects"].values()) == {6}
        assert manifest.counts["conditions"]["camera"] == {"6": 8, "7": 8, "8": 8}

    def test_read_by_tensorflow(self, root, tmp_path):
        tf = pytest.importorskip("tensorflow")
        manifest = make(root, tmp_path / "out").manifest
        spec = {
            "image": tf.io.FixedLenFeature([], tf.string),
            "subject": tf.io.FixedLenFeature([], tf.string),
            "light": tf.io.FixedLenFeature([], tf.int64),
            "landmarks": tf.io.FixedLenFeature([10], tf.float32),
        }
        records = list(read(manifest, "test"))
        dataset = tf.data.TFRecordDataset(manifest.files("test")).map(
            lambda data: tf.io.parse_single_example(data, spec)
        )
        count = 0
        for record, features in zip(records, dataset, strict=False):
            assert features["subject"].numpy().decode("ascii") == record.capture.subject
            assert int(features["light"]) == record.capture.light
            np.testing.assert_array_equal(features["landmarks"].numpy().reshape(5, 2), record.landmarks)
            decoded = tf.io.decode_jpeg(features["image"]).numpy()
            assert np.abs(decoded.astype(int) - record.image.astype(int)).mean() < 2
            count += 1
        assert count == 12


class TestRefusals:
    def test_each_is_listed_with_its_reason(self, root, tmp_path):
        high = root / "High_Resolution"
        folder = high / SUBJECTS[0] / "S001" / "L1" / "E01"
        whole = (folder / "C6.jpg").read_bytes()
        spoilt = {
            "C4.jpg": (whole[: len(whole) // 2], "is a truncated JPEG"),
            "C5.jpg": (b"", "is empty (0 bytes)"),
            "C6.jpg": (encode_png(picture(1)), "is not a JPEG image"),
            "C7.jpg": (encode_jpeg(picture(1, size=(1, 1))), "is too small (1x1 pixels)"),
            "C8.jpg": (encode_jpeg(picture(1, brightness=0)), "no face found"),
            "C9.jpg": (b"\xff\xd8 this is no image \xff\xd9", "is not an image that can be decoded"),
            "C10.jpg": (b"hello", "is not a JPEG image"),
        }
        for name, (data, _) in spoilt.items():
            (folder / name).write_bytes(data)
        (high / "Thumbs.db").write_bytes(b"")
        (folder / "Thumbs.db").write_bytes(b"")
        manifest = make(root, tmp_path / "out").manifest
        prefix = f"High_Resolution/{SUBJECTS[0]}/S001/L1/E01/"
        assert {refused.path: refused.reason for refused in manifest.refused} == {
            prefix + name: reason for name, (_, reason) in spoilt.items()
        }
        assert manifest.counts["refused"] == 7
        assert manifest.images() == 48 - 3
        # The folder above the identities is listed once an identity, and must be reported once all the same.
        assert manifest.problems["stray file"]["times"] == 2
        assert load(tmp_path / "out") == manifest

    def test_nothing_usable_is_an_error_with_a_reason(self, tmp_path):
        for capture in captures(SUBJECTS[:2]):
            path = tmp_path / "source" / capture.path()
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
        for _ in range(2):
            with pytest.raises(DatasetError, match=r"none of its 24 images could be used \(is empty"):
                make(tmp_path / "source", tmp_path / "out")

    def test_vanished_between_planning_and_reading(self, root, tmp_path, monkeypatch):
        read_bytes = items_module.read_bytes
        gone = root / captures()[0].path()

        def vanish(path):
            if str(path) == str(gone):
                gone.unlink()
            return read_bytes(path)

        monkeypatch.setattr(items_module, "read_bytes", vanish)
        manifest = make(root, tmp_path / "out").manifest
        assert [refused.reason for refused in manifest.refused] == ["cannot be read (No such file or directory)"]

    def test_not_a_corpus(self, tmp_path):
        with pytest.raises(LayoutError, match="absent"):
            make(tmp_path / "absent", tmp_path / "out")
        write_tree(tmp_path / "one", captures(SUBJECTS[:1]))
        with pytest.raises(ProtocolError, match="cannot split 1 person"):
            make(tmp_path / "one", tmp_path / "out")
        assert not (tmp_path / "out").exists()


class TestAgain:
    def test_nothing_changed_does_nothing(self, root, tmp_path, capsys):
        make(root, tmp_path / "out")
        before = contents(tmp_path / "out")
        times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*") if path.is_file()}
        # A detector that fails would be noticed if it were opened.
        report = build(root, tmp_path / "out", SETTINGS, jobs=1, detector=FakeMtcnn(broken="raise"))
        assert (report.built, report.kept) == (0, 48)
        assert "nothing to do" in capsys.readouterr().out
        assert contents(tmp_path / "out") == before
        assert {path: path.stat().st_mtime_ns for path in times} == times

    def test_only_what_changed_is_made_again(self, root, tmp_path):
        make(root, tmp_path / "out")
        path = root / captures()[0].path()
        path.write_bytes(encode_jpeg(picture(99)))
        assert make(root, tmp_path / "out").built == 5
        make(root, tmp_path / "fresh")
        assert contents(tmp_path / "out") == contents(tmp_path / "fresh")

    def test_people_come_and_go(self, root, tmp_path):
        make(root, tmp_path / "out")
        shutil.rmtree(str(root / "High_Resolution" / SUBJECTS[0]))
        write_tree(root, captures(("19070101", "19070102")))
        make(root, tmp_path / "out")
        make(root, tmp_path / "fresh")
        assert contents(tmp_path / "out") == contents(tmp_path / "fresh")

    @pytest.mark.parametrize("damage", ["remove", "truncate"])
    def test_a_lost_shard_is_made_again(self, root, tmp_path, damage):
        manifest = make(root, tmp_path / "out").manifest
        before = contents(tmp_path / "out")
        shard = tmp_path / "out" / manifest.shards[3].file
        if damage == "remove":
            shard.unlink()
        else:
            shard.write_bytes(shard.read_bytes()[:-1])
        assert make(root, tmp_path / "out").built == manifest.shards[3].images
        assert contents(tmp_path / "out") == before

    def test_other_settings_are_refused(self, root, tmp_path):
        make(root, tmp_path / "out")
        before = contents(tmp_path / "out")
        with pytest.raises(DatasetError, match=r"other settings \(min_face .*39.8.* -> \[20.0\], quality 95 -> 90\)"):
            make(root, tmp_path / "out", SETTINGS._replace(min_face=(20,), quality=90))
        assert contents(tmp_path / "out") == before

    def test_strangers_are_refused(self, root, tmp_path):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "thesis.tex").write_text("years of work")
        with pytest.raises(DatasetError, match="not empty"):
            make(root, tmp_path / "out")
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.tex"]

    def test_a_second_builder_is_refused(self, root, tmp_path):
        fcntl = pytest.importorskip("fcntl")
        make(root, tmp_path / "out")
        with (tmp_path / "out" / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with pytest.raises(DatasetError, match="another process is building"):
                make(root, tmp_path / "out")
        make(root, tmp_path / "out")

    def test_leftovers_of_a_crash_are_removed(self, root, tmp_path):
        make(root, tmp_path / "out")
        before = contents(tmp_path / "out")
        for name in (
            ".tmp-a",
            "shards/.tmp-b",
            "journal/.tmp-c",
            "shards/train-x-00.tfrecord",
            "journal/train-x-00.json",
        ):
            (tmp_path / "out" / name).write_bytes(b"half")
        make(root, tmp_path / "out")
        assert contents(tmp_path / "out") == before


class TestParallel:
    @pytest.mark.parametrize("backend", ["loky", "threading"])
    def test_same_bytes_on_two_workers(self, root, tmp_path, backend):
        pytest.importorskip("joblib", minversion="1.4")
        make(root, tmp_path / "one")
        make(root, tmp_path / "two", jobs=2, backend=backend)
        assert contents(tmp_path / "one") == contents(tmp_path / "two")

    def test_a_backend_that_cannot_stream(self, root, tmp_path):
        joblib = pytest.importorskip("joblib", minversion="1.4")
        from joblib.parallel import ThreadingBackend

        class Whole(ThreadingBackend):
            supports_return_generator = False

        joblib.register_parallel_backend("whole", Whole)
        with pytest.raises(ConfigError, match="^whole: cannot be used here .*; backend=loky works everywhere"):
            make(root, tmp_path / "out", jobs=2, backend="whole")

    def test_a_dead_worker_ends_in_one_line(self, root, tmp_path):
        pytest.importorskip("joblib", minversion="1.4")
        with pytest.raises(DatasetError, match="a worker process failed .*finished work is kept"):
            make(root, tmp_path / "out", jobs=2, detector=FakeMtcnn(broken="die"))
        with pytest.raises(DatasetError, match="not a finished data set"):
            load(tmp_path / "out")

    @pytest.mark.parametrize("jobs", [1, 2])
    def test_a_failing_detector_names_the_image(self, root, tmp_path, jobs):
        if jobs > 1:
            pytest.importorskip("joblib", minversion="1.4")
        with pytest.raises(DatasetError, match=r"C\d\.jpg.*detector failed \(RuntimeError: the graph fell apart\)"):
            make(root, tmp_path / "out", jobs=jobs, detector=FakeMtcnn(broken="raise"))

    def test_bad_jobs_and_backend(self, root, tmp_path):
        with pytest.raises(ConfigError, match="jobs"):
            make(root, tmp_path / "out", jobs=0)
        pytest.importorskip("joblib", minversion="1.4")
        with pytest.raises(ConfigError, match="abacus"):
            make(root, tmp_path / "out", backend="abacus")

    def test_a_cluster_that_is_not_installed(self, root, tmp_path, monkeypatch):
        pytest.importorskip("joblib", minversion="1.4")
        monkeypatch.setitem(sys.modules, "distributed", None)
        with pytest.raises(
            ConfigError, match=r"^backend=dask: is not installed here .*; pip install 'kface\[cluster\]'"
        ):
            make(root, tmp_path / "out", backend="dask")

    @pytest.mark.parametrize("backend", ["ray", "spark", 3])
    def test_a_backend_that_is_gone(self, root, tmp_path, backend):
        line = f"^backend={backend}: unknown backend; choose one of: loky, threading, multiprocessing, dask$"
        for jobs in (1, 2):
            with pytest.raises(ConfigError, match=line):
                make(root, tmp_path / "out", jobs=jobs, backend=backend)
        with pytest.raises(ConfigError, match=line):
            write_people(print, [("folder",)], 1, "people", False, backend)


class TestLandmarks:
    def test_once_per_camera(self, root, tmp_path):
        settings = SETTINGS._replace(landmarks="camera")
        # Dark images have no face of their own; their camera has.
        for capture in captures(SUBJECTS[:1], accessories=(2,)):
            (root / capture.path()).write_bytes(encode_jpeg(picture(1, brightness=0)))
        # One camera lacks the reference S001/L1/E01: another capture of it stands in.
        (root / Capture(SUBJECTS[0], 1, 1, 1, 6).path()).unlink()
        manifest = make(root, tmp_path / "out", settings).manifest
        assert not manifest.refused
        assert manifest.counts["landmarks"] == {"reused for the camera": 47}
        by_camera = {}
        for record in read(manifest, subjects=SUBJECTS[:1]):
            by_camera.setdefault(record.capture.camera, []).append(record.landmarks)
        detector = FakeMtcnn().open()
        for camera, found in by_camera.items():
            light = 2 if camera == 6 else 1
            source = read_image(root / Capture(SUBJECTS[0], 1, light, 1, camera).path())
            for landmarks in found:
                np.testing.assert_array_equal(landmarks, detector.detect(source).landmarks[0])

    def test_the_reference_may_lie_outside_the_protocol(self, tmp_path):
        # T2 has no camera 1; here the reference of camera 7 exists under light 1 only, the protocol keeps light 2.
        root = write_tree(tmp_path / "source", captures(SUBJECTS[:2]))
        settings = SETTINGS._replace(landmarks="camera", max_per_identity=1)
        manifest = make(root, tmp_path / "out", settings).manifest
        record = next(read(manifest))
        reference = read_image(root / record.capture._replace(accessory=1, light=1).path())
        np.testing.assert_array_equal(record.landmarks, FakeMtcnn().open().detect(reference).landmarks[0])
        # When the reference changes, so does what was cut by it.
        (root / record.capture._replace(accessory=1, light=1).path()).write_bytes(encode_jpeg(picture(5, 200)))
        assert make(root, tmp_path / "out", settings).built >= 1

    def test_annotation_files(self, root, tmp_path):
        landmarks = np.array([[80, 60], [60, 50], [100, 50], [65, 80], [95, 80], [50, 55], [110, 55]], np.float32)
        names = ("face", "right_eye", "left_eye", "nose", "mouth", "right_ear", "left_ear")
        annotation = Annotation(landmarks, dict.fromkeys(names, (40.0, 30.0, 80.0, 80.0)))
        one = Capture(SUBJECTS[0], 1, 1, 1, 7)
        (root / one.annotation_path()).write_text(format_annotation(annotation, 7))
        (root / one._replace(camera=8).annotation_path()).write_text("what?")
        manifest = make(root, tmp_path / "out", SETTINGS._replace(landmarks="annotation")).manifest
        assert manifest.counts["landmarks"]["annotation file"] == 1
        assert manifest.counts["landmarks"]["malformed annotation"] == 1
        (record,) = [record for record in read(manifest) if record.capture == one]
        np.testing.assert_array_equal(record.landmarks, [[60, 50], [100, 50], [80, 60], [65, 80], [95, 80]])
        np.testing.assert_array_equal(record.box, [40, 30, 120, 110])
        (root / one.annotation_path()).unlink()
        assert make(root, tmp_path / "out", SETTINGS._replace(landmarks="annotation")).built == 5


class TestBrighten:
    """Light 2 is dim, but shows a face as it is; what is dark shows one on a copy alone."""

    DARK = Capture(SUBJECTS[0], 1, 1, 1, 7)

    @pytest.fixture
    def dark(self, root):
        path = root / self.DARK.path()
        path.write_bytes(encode_jpeg(picture(3, brightness=14)))
        return path

    def record(self, manifest):
        (found,) = [record for record in read(manifest) if record.capture == self.DARK]
        return found

    def test_a_face_that_only_a_copy_shows_is_cut_out_of_the_image_itself(self, root, dark, tmp_path):
        manifest = make(root, tmp_path / "out", SETTINGS._replace(brighten=("log",))).manifest
        assert manifest.counts["landmarks"] == {
            "detected, min_face 79.1": 23,
            "detected, min_face 20": 24,
            "detected on a brightened copy, min_face 79.1": 1,
        }
        assert manifest.settings["brighten"] == ["log"]
        source, record = read_image(dark), self.record(manifest)
        found = FakeMtcnn().open().detect(brightened(source, "log"))
        np.testing.assert_array_equal(record.landmarks, found.landmarks[0])
        crop = align(source, found.landmarks)[0]
        assert np.abs(record.image.astype(int) - crop.astype(int)).mean() < 3
        assert record.image.mean() < 30

    def test_without_it_a_dark_image_is_refused_and_the_others_are_the_same(self, root, dark, tmp_path):
        with_copies = make(root, tmp_path / "with").manifest
        without = make(root, tmp_path / "without", SETTINGS._replace(brighten=())).manifest
        assert without.refused == ((dark.relative_to(root).as_posix(), "no face found"),)
        assert not with_copies.refused
        others = {record.path: record.image.tobytes() for record in read(with_copies) if record.capture != self.DARK}
        assert others == {record.path: record.image.tobytes() for record in read(without)}

    def test_the_ways_are_tried_in_turn_at_every_smallest_face(self, root, tmp_path, monkeypatch):
        tried = []

        def none(image, way):
            tried.append(way)
            return np.zeros_like(image)

        monkeypatch.setattr("kface.data.subject.brightened", none)
        path = root / self.DARK.path()
        path.write_bytes(encode_jpeg(picture(1, brightness=0)))
        make(root, tmp_path / "out", SETTINGS._replace(brighten=("log", "clahe")))
        assert tried == ["log"] * 3 + ["clahe"] * 3

    def test_a_small_part_of_an_image_is_not_its_face(self, root, tmp_path):
        path = root / self.DARK.path()
        path.write_bytes(encode_jpeg(picture(3, brightness=14, size=(480, 640))))
        manifest = make(root, tmp_path / "out", SETTINGS._replace(brighten=("log",))).manifest
        assert [refused.reason for refused in manifest.refused] == ["no face found"]

    def test_another_way_makes_another_data_set(self, root, tmp_path):
        make(root, tmp_path / "out")
        with pytest.raises(DatasetError, match=r'other settings \(brighten \["clahe", "log_clahe"\] -> \[\]\)'):
            make(root, tmp_path / "out", SETTINGS._replace(brighten="none"))
        assert SETTINGS.fingerprint != SETTINGS._replace(brighten=()).fingerprint

    def test_a_dark_reference_of_a_camera(self, root, tmp_path):
        for capture in captures(SUBJECTS[:1], cameras=(7,)):
            (root / capture.path()).write_bytes(encode_jpeg(picture(3, brightness=14)))
        manifest = make(root, tmp_path / "out", SETTINGS._replace(landmarks="camera")).manifest
        assert manifest.counts["landmarks"] == {
            "reused for the camera": 44,
            "reused for the camera, detected on a brightened copy": 4,
        }

    def test_where_there_is_no_annotation_file(self, root, dark, tmp_path):
        settings = SETTINGS._replace(landmarks="annotation", brighten=("log",))
        manifest = make(root, tmp_path / "out", settings).manifest
        assert manifest.counts["landmarks"]["detected on a brightened copy, min_face 79.1"] == 1
        assert not manifest.refused


class TestChoose:
    def faces(self, *boxes):
        return Faces(
            np.array(boxes, np.float32), np.ones(len(boxes), np.float32), np.tile(TEMPLATE, (len(boxes), 1, 1))
        )

    def test_largest(self):
        assert choose(self.faces([0, 0, 10, 10], [90, 90, 110, 110], [0, 0, 40, 40]), (200, 200)) == 2

    def test_of_about_as_large_ones_the_most_central(self):
        assert choose(self.faces([0, 0, 41, 40], [80, 80, 120, 120], [100, 100, 110, 110]), (200, 200)) == 1

    def test_none(self):
        assert choose(Faces.empty(), (200, 200)) is None


class TestFolders:
    def test_a_folder_of_people(self, tmp_path):
        for person in range(4):
            for number in range(5):
                path = tmp_path / "lfw" / f"사람 {person}" / f"{number:04d}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(encode_jpeg(picture(person * 10 + number)))
        (tmp_path / "lfw" / "사람 0" / "x.PNG").write_bytes(encode_png(picture(99)))
        (tmp_path / "lfw" / "사람 0" / "notes.txt").write_text("x")
        (tmp_path / "lfw" / "pairs.txt").write_text("x")
        (tmp_path / "lfw" / "empty").mkdir()
        settings = DatasetSettings(layout="folders", max_per_shard=4)
        manifest = make(tmp_path / "lfw", tmp_path / "out", settings).manifest
        assert manifest.images() == 21
        assert manifest.protocol is None
        assert manifest.counts["conditions"] == {}
        assert manifest.problems["stray file"]["times"] == 1
        record = next(read(manifest, subjects=["사람 0"]))
        assert (record.path, record.capture) == ("사람 0/0000.jpg", Capture("사람 0", 0, 0, 0, 0))
        capped = make(tmp_path / "lfw", tmp_path / "capped", settings._replace(max_per_identity=2)).manifest
        assert set(capped.counts["subjects"].values()) == {2}
        with pytest.raises(LayoutError):
            make(tmp_path / "absent", tmp_path / "none", settings)


class TestLoad:
    @pytest.fixture
    def out(self, root, tmp_path):
        make(root, tmp_path / "out")
        return tmp_path / "out"

    def test_missing(self, tmp_path):
        with pytest.raises(DatasetError, match="not a finished data set.*kface dataset"):
            load(tmp_path)

    def test_missing_and_truncated_shards_are_named(self, out):
        shard = out / load(out).shards[1].file
        data = shard.read_bytes()
        shard.write_bytes(data[:-1])
        with pytest.raises(DatasetError, match=f"{shard.name}.*bytes.*remove it"):
            load(out)
        shard.unlink()
        with pytest.raises(DatasetError, match=f"{shard.name}.*is missing"):
            load(out)
        manifest = load(out, None)
        with pytest.raises(DatasetError, match=f"{shard.name}.*cannot be read"):
            list(read(manifest))

    def test_edited_shards_are_found_by_their_hash(self, out):
        shard = out / load(out).shards[1].file
        data = bytearray(shard.read_bytes())
        data[len(data) // 2] ^= 1
        shard.write_bytes(bytes(data))
        load(out, "sizes")
        with pytest.raises(DatasetError, match=f"{shard.name}.*was changed.*remove it"):
            load(out, "hashes")
        with pytest.raises(DatasetError, match=f"{shard.name}.*wrong checksum"):
            list(read(out))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda found: found.update(schema=99), "schema version 99, this program reads 1"),
            (lambda found: found.update(kind="cake"), "not a data set's manifest"),
            (lambda found: found.pop("shards"), "damaged"),
            (lambda found: found["shards"][0].pop("sha256"), "damaged"),
        ],
    )
    def test_other_manifests(self, out, change, message):
        found = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
        change(found)
        (out / "manifest.json").write_text(json.dumps(found), encoding="utf-8")
        with pytest.raises(DatasetError, match="manifest.json.*" + message):
            load(out)

    def test_broken_json_and_bad_verify(self, out):
        (out / "manifest.json").write_bytes(b'{"schema": 1')
        with pytest.raises(DatasetError, match="not JSON"):
            load(out)
        with pytest.raises(ConfigError, match="verify"):
            load(out, "everything")


@pytest.fixture
def mount(tmp_path):
    """Mount a small file system; skips where that is not allowed."""
    mounted = []

    def mount_with(options):
        place = tmp_path / "disk"
        place.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        try:
            done = subprocess.call(command, stderr=subprocess.DEVNULL)
        except OSError:
            done = 1
        if done:
            pytest.skip("mounting a file system is not allowed here")
        mounted.append(place)
        return place

    yield mount_with
    for place in mounted:
        subprocess.check_call(["umount", str(place)])


class TestDisk:
    def test_full(self, root, tmp_path, monkeypatch):
        """The disk is full at each write in turn; afterwards there is room and the build goes on."""
        writes = [0]
        failing = 0
        fsync = os.fsync

        def full(handle):
            writes[0] += 1
            if writes[0] == failing:
                raise OSError(errno.ENOSPC, "No space left on device")
            fsync(handle)

        monkeypatch.setattr(os, "fsync", full)
        make(root, tmp_path / "whole")
        total = writes[0]
        assert total == len(contents(tmp_path / "whole"))
        for failing in [*range(1, total, 2), total]:
            writes[0] = 0
            with pytest.raises(DatasetError, match=r"cannot be written \(No space left on device\); free some space"):
                make(root, tmp_path / f"out{failing}")
            assert not list((tmp_path / f"out{failing}").rglob(".tmp-*"))
            with pytest.raises(DatasetError, match="not a finished data set"):
                load(tmp_path / f"out{failing}")
            report = make(root, tmp_path / f"out{failing}")
            assert report.kept >= (failing - 3) // 2 * 2 - 4
            assert contents(tmp_path / f"out{failing}") == contents(tmp_path / "whole")

    def test_really_full(self, root, tmp_path, mount):
        place = mount("size=96k")
        with pytest.raises(DatasetError, match="cannot be written .*No space left.* finished work is kept"):
            make(root, place / "out")
        assert not list(place.rglob(".tmp-*"))
        assert list((place / "out" / "shards").iterdir())
        with pytest.raises(DatasetError, match="not a finished data set"):
            load(place / "out")

    def test_really_read_only(self, root, mount):
        with pytest.raises(DatasetError, match="cannot be written .*Read-only"):
            make(root, mount("ro") / "out")

    def test_read_only_directory(self, root, tmp_path, monkeypatch):
        def refuse(*args, **kwargs):
            raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "out"))

        monkeypatch.setattr(Path, "mkdir", refuse)
        with pytest.raises(DatasetError, match=r"out: cannot be written \(Permission denied\)"):
            make(root, tmp_path / "out")

    def test_a_file_in_the_directory_s_place(self, root, tmp_path):
        (tmp_path / "out").write_bytes(b"")
        with pytest.raises(DatasetError, match="out: cannot be written"):
            make(root, tmp_path / "out")
