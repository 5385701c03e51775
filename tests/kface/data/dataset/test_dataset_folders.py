"""Folders of photographs as people have them: whatever is left out is counted and named."""

import json
import os
import struct

import cv2
import numpy as np
import pytest
from dataset_fakes import FakeMtcnn, picture

from kface.data.dataset import DatasetSettings, build, load, read
from kface.data.dataset import extract as extract_module
from kface.data.dataset.stage import summary
from kface.errors import ConfigError, DatasetError, LayoutError
from kface.images import encode_jpeg, encode_png

SETTINGS = DatasetSettings(layout="folders", max_per_shard=4)


def make(root, out, **more):
    return build(root, out, SETTINGS, jobs=1, detector=FakeMtcnn(**more), progress=False)


def write_people(root, count=4, images=3):
    for person in range(count):
        for number in range(images):
            path = root / f"p{person}" / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode_jpeg(picture(10 * person + number)))
    return root


def test_every_ending_that_can_be_read_is_read(tmp_path):
    root = write_people(tmp_path / "faces")
    for suffix in (".tif", ".TIFF", ".bmp", ".webp", ".pgm", ".jp2"):
        # OpenCV 4.1 writes grey maps of grey pictures only.
        shown = picture(7)[..., 1] if suffix == ".pgm" else picture(7)
        try:
            done, data = cv2.imencode(suffix.lower(), np.ascontiguousarray(shown))
        except cv2.error:  # OpenCV 4.1 has its JPEG 2000 switched off
            done = False
        if done:
            (root / "p0" / ("more" + suffix)).write_bytes(np.asarray(data).tobytes())
    (root / "p0" / "saved.jfif").write_bytes(encode_jpeg(picture(8)))
    # A photograph that a browser saved: the content counts, not the name.
    (root / "p0" / "really-png.jpg").write_bytes(encode_png(picture(9)))
    report = make(root, tmp_path / "out")
    names = {record.path for record in read(report.manifest, subjects=["p0"])}
    assert {"p0/more.tif", "p0/more.TIFF", "p0/more.bmp", "p0/saved.jfif", "p0/really-png.jpg"} <= names
    assert not report.manifest.problems


def test_what_is_left_out_is_counted_and_named(tmp_path):
    root = write_people(tmp_path / "faces")
    (root / "p0" / "a.heic").write_bytes(b"x")
    (root / "p1" / "more").mkdir()
    (root / "p2" / ".hidden.jpg").write_bytes(b"x")
    (root / "p2" / "loop.jpg").symlink_to(root / "p2" / "loop.jpg")
    (root / "p2" / "gone.jpg").symlink_to(root / "p2" / "absent")
    (root / "Kim").mkdir()
    (root / "Kim" / "b.heic").write_bytes(b"x")
    (root / "loop").symlink_to(root / "loop")
    (root / "alone.jpg").write_bytes(b"x")
    (root / "notes.txt").write_bytes(b"x")
    report = make(root, tmp_path / "out")
    found = {
        kind: (problem["times"], sorted(problem["examples"])) for kind, problem in report.manifest.problems.items()
    }
    assert found == {
        "stray file": (2, ["Kim/b.heic", "p0/a.heic"]),
        "folder inside a person's": (1, ["p1/more"]),
        "hidden file": (1, ["p2/.hidden.jpg"]),
        "broken link or special file": (2, ["p2/gone.jpg", "p2/loop.jpg"]),
        "person without an image": (1, ["Kim"]),
        "image beside the people's folders": (1, ["alone.jpg"]),
        "file beside the people's folders": (2, ["loop", "notes.txt"]),
    }
    # A link to itself does not cost a person the rest of their images.
    assert report.manifest.images() == 12
    lines = summary(report).splitlines()
    assert "  left out: 1 x person without an image: Kim" in lines
    assert "  left out: 2 x stray file: p0/a.heic, Kim/b.heic" in lines or len(lines) == 8


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ((), "contains no person's folder"),
        (("a.jpg", "b.png"), "contains 2 images but no person's folder"),
        (
            ("p/a.heic", "q/b.heic", "q/c.mp4"),
            r"none of its 2 folders contains an image \(image names end in .*\.jpg.*2 \.heic, 1 \.mp4",
        ),
        (("a/p/1.jpg", "a/q/1.jpg"), "none of its 1 folders contains an image .*2 folders"),
    ],
)
def test_nobody_found_says_what_was_looked_for(tmp_path, files, message):
    root = tmp_path / "faces"
    root.mkdir()
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    with pytest.raises(LayoutError, match=message) as caught:
        make(root, tmp_path / "out")
    assert "DIR/<person>/<image>" in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows's names are Unicode")
def test_names_that_are_not_utf_8_or_long(tmp_path, capsys):
    root = write_people(tmp_path / "faces")
    for name in ("김철수".encode("cp949"), "이영희".encode("cp949"), "긴".encode() * 80, b"esc\x1b[31m"):
        folder = os.path.join(os.fsencode(str(root)), name)
        os.mkdir(folder)
        for number in range(2):
            with open(os.path.join(folder, name[:4] + b"%d.jpg" % number), "wb") as stream:
                stream.write(encode_jpeg(picture(number)))
        with open(os.path.join(folder, name[:4] + b".txt"), "wb") as stream:
            stream.write(b"x")
    report = make(root, tmp_path / "out")
    manifest = load(tmp_path / "out", "hashes")
    assert manifest == report.manifest
    assert len(manifest.subjects()) == 8
    assert len({shard.file for shard in manifest.shards}) == len(manifest.shards)
    for shard in manifest.shards:
        shard.file.encode("utf-8")
    kim = os.fsdecode("김철수".encode("cp949"))
    assert [record.capture.subject for record in read(manifest, subjects=[kim])] == [kim] * 2
    print(summary(report))
    # A terminal gets no bytes of theirs: escapes stand for them.
    summary(report).encode("utf-8")
    assert "\x1b" not in summary(report)
    assert "\\x1b[31m" in summary(report)
    json.loads((tmp_path / "out" / "manifest.json").read_bytes().decode("utf-8"))
    assert make(root, tmp_path / "out").built == 0


def bomb():
    data = bytearray(encode_jpeg(np.zeros((16, 16, 3), np.uint8)))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", 30000, 30000)
    return bytes(data)


def test_one_giant_is_one_refused_image(tmp_path):
    root = write_people(tmp_path / "faces")
    (root / "p0" / "bomb.jpg").write_bytes(bomb())
    manifest = make(root, tmp_path / "out").manifest
    (refused,) = manifest.refused
    assert refused.path == "p0/bomb.jpg"
    assert "30000x30000 pixels" in refused.reason
    assert manifest.images() == 12


def test_one_image_without_memory_is_one_refused_image(tmp_path, monkeypatch):
    root = write_people(tmp_path / "faces")
    (root / "p1" / "large.png").write_bytes(encode_png(picture(3, size=(200, 300))))
    run = extract_module._run

    def limited(detector, paths, images):
        if any(image.shape[0] == 200 for image in images):
            raise MemoryError
        return run(detector, paths, images)

    monkeypatch.setattr(extract_module, "_run", limited)
    manifest = make(root, tmp_path / "out").manifest
    assert [tuple(refused) for refused in manifest.refused] == [("p1/large.png", "needs more memory than is available")]
    assert manifest.images() == 12


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes in the file system")
def test_a_pipe_among_the_images_is_left_out(tmp_path):
    root = write_people(tmp_path / "faces")
    os.mkfifo(str(root / "p0" / "pipe.jpg"))
    manifest = make(root, tmp_path / "out").manifest
    assert manifest.problems["broken link or special file"]["examples"] == ["p0/pipe.jpg"]
    assert manifest.images() == 12


class TestDamage:
    @pytest.fixture
    def out(self, tmp_path):
        make(write_people(tmp_path / "faces"), tmp_path / "out")
        return tmp_path / "out"

    def test_a_flipped_bit_is_found_on_resume_and_mended(self, out, tmp_path):
        whole = {path.name: path.read_bytes() for path in (out / "shards").iterdir()}
        for name, data in whole.items():
            damaged = bytearray(data)
            damaged[len(data) // 2] ^= 4
            (out / "shards" / name).write_bytes(bytes(damaged))
            assert make(tmp_path / "faces", out).built == 3
            assert (out / "shards" / name).read_bytes() == data

    def test_a_flipped_bit_is_one_line_that_names_the_shard(self, out):
        path = sorted((out / "shards").iterdir())[0]
        whole = path.read_bytes()
        for place in range(0, len(whole), 97):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << place % 8
            path.write_bytes(bytes(damaged))
            with pytest.raises(DatasetError, match=f"{path.name}: .*; remove it and run the data set stage again"):
                list(read(out))

    @pytest.mark.parametrize(
        "text",
        [
            b"[" * 100000,
            b'{"a":' * 50000,
            b"\xff\xfe",
            b"",
            b"null",
            b"[]",
            b"NaN",
            b'{"kind": "kface data set", "schema": 1}',
        ],
    )
    def test_a_manifest_that_is_none(self, out, text):
        (out / "manifest.json").write_bytes(text)
        with pytest.raises(DatasetError, match=r"manifest\.json: "):
            load(out)

    def test_a_number_without_end(self, out):
        found = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
        found["shards"][0]["images"] = 10**400
        (out / "manifest.json").write_text(json.dumps(found), encoding="utf-8")
        with pytest.raises(DatasetError, match=r"manifest\.json: is damaged: not JSON"):
            load(out)

    @pytest.mark.parametrize("value", [10**19, "²", -1, None, True, 1.5, [], {}, "../../etc/passwd", "x" * 10])
    @pytest.mark.parametrize("field", ["file", "split", "subject", "images", "bytes", "sha256"])
    def test_a_shard_of_another_form(self, out, field, value):
        found = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
        found["shards"][0][field] = value
        (out / "manifest.json").write_text(json.dumps(found), encoding="utf-8")
        if field == "subject" and isinstance(value, str):
            return
        with pytest.raises(DatasetError, match=r"manifest\.json: is damaged \(shards: "):
            load(out)

    @pytest.mark.parametrize("field", ["settings", "counts", "shards", "refused", "problems", "source", "fingerprint"])
    @pytest.mark.parametrize("value", [5, "x", None, [[1]], {"a": 1}])
    def test_a_field_of_another_form(self, out, field, value):
        found = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
        if isinstance(value, type(found[field])) and field not in ("shards", "refused", "problems"):
            return
        found[field] = value
        (out / "manifest.json").write_text(json.dumps(found), encoding="utf-8")
        with pytest.raises(DatasetError, match=r"manifest\.json: is damaged"):
            load(out)

    @pytest.mark.parametrize("text", [b"[" * 100000, b"[]", b"{}", b'{"fingerprint": []}', b"\xff", b"5"])
    def test_a_journal_of_another_form_is_done_again(self, out, tmp_path, text):
        before = (out / "manifest.json").read_bytes()
        entries = [path for path in (out / "journal").iterdir() if path.name != "settings.json"]
        entries[0].write_bytes(text)
        found = json.loads(entries[1].read_bytes().decode("utf-8"))
        for key, value in (("refused", [[1]]), ("landmarks", []), ("conditions", 3), ("shard", {"file": "x"})):
            entries[1].write_bytes(json.dumps(dict(found, **{key: value})).encode("utf-8"))
            make(tmp_path / "faces", out)
            assert (out / "manifest.json").read_bytes() == before

    def test_settings_of_another_form_are_one_line(self, out, tmp_path):
        for text in (b"[" * 100000, b"5", b"\xff"):
            (out / "journal" / "settings.json").write_bytes(text)
            with pytest.raises(DatasetError, match="does not record its settings"):
                make(tmp_path / "faces", out)


@pytest.mark.parametrize("jobs", [0, True, 1.5, "2", 10**400, -(10**6), None])
def test_processes_that_cannot_be(tmp_path, jobs):
    with pytest.raises(ConfigError, match="^jobs: must be a number of processes"):
        build(write_people(tmp_path / "faces"), tmp_path / "out", SETTINGS, jobs=jobs, detector=FakeMtcnn())
