"""Golden vectors: written, read in any order of a bundle's life, and refused where they are not what was written."""

import json
import struct
import zlib

import cv2
import numpy as np
import pytest
from bundle_fakes import edit, fill, manifest_of

from kface import bundle
from kface.bundle import golden
from kface.errors import ModelError


def faces_and_vectors(count=5, seed=0):
    random = np.random.RandomState(seed)
    return random.randint(0, 256, (count, 112, 112, 3)).astype(np.uint8), random.normal(size=(count, 512))


@pytest.fixture
def directory(tmp_path):
    folder = tmp_path / "bundle"
    folder.mkdir()
    files = fill(folder)
    files += golden.write(folder, *faces_and_vectors())
    bundle.write(folder, manifest_of(files))
    return folder


def rewrite(directory, name, data):
    """Replace a file of the golden vectors as whoever writes a bundle could."""
    (directory / name).write_bytes(data)
    facts = bundle.describe(directory, name, "golden")
    edit(directory, lambda document: document["files"][name].update(sha256=facts.sha256, bytes=facts.bytes))


def change(directory, **changes):
    document = json.loads((directory / golden.EMBEDDINGS).read_text(encoding="utf-8"))
    document.update(changes)
    rewrite(directory, golden.EMBEDDINGS, json.dumps(document).encode("utf-8"))


def test_what_is_read_is_what_was_written(directory):
    faces, vectors = faces_and_vectors()
    found = golden.read(bundle.load(directory))
    np.testing.assert_array_equal(found.faces, faces)
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    np.testing.assert_array_equal(found.embeddings, unit)
    assert found.tolerance == golden.TOLERANCE
    assert found.tolerance["fp32"] > found.tolerance["fp16"] > found.tolerance["int8"]


def test_another_program_reads_them_without_ours(directory):
    document = json.loads((directory / "golden" / "embeddings.json").read_text(encoding="utf-8"))
    picture = cv2.imread(str(directory / "golden" / "faces.png"), cv2.IMREAD_UNCHANGED)[:, :, ::-1]
    faces = picture.reshape(document["faces"], document["size"], document["size"], 3)
    np.testing.assert_array_equal(faces, faces_and_vectors()[0])
    assert np.array(document["embeddings"]).shape == (5, 512)
    entries = {file.path: file.role for file in bundle.load(directory).manifest.files}
    assert entries["golden/faces.png"] == entries["golden/embeddings.json"] == "golden"


def test_a_bundle_of_an_older_version_has_none(tmp_path):
    (tmp_path / "bundle").mkdir()
    bundle.write(tmp_path / "bundle", manifest_of(fill(tmp_path / "bundle")))
    assert golden.read(bundle.load(tmp_path / "bundle")) is None


def test_a_tolerance_that_was_measured_replaces_the_usual_one(directory):
    golden.write(directory, *faces_and_vectors(), tolerance={"int8": 0.97})
    rewrite(directory, golden.EMBEDDINGS, (directory / golden.EMBEDDINGS).read_bytes())
    assert golden.read(bundle.load(directory)).tolerance == dict(golden.TOLERANCE, int8=0.97)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 2}, "has schema version 2"),
        ({"faces": 6}, "is not a PNG of 112x672 pixels"),
        ({"faces": 10**9}, "faces must be at most 64"),
        ({"faces": True}, "faces must be a whole number"),
        ({"size": 96}, "size must be 112"),
        ({"embedder_sha256": "0" * 64}, "embedder_sha256 must be the SHA-256 of embedder.onnx"),
        ({"pixels_sha256": "0" * 64}, "does not hold the pixels that were written"),
        ({"embeddings": [[1.0] * 512] * 5}, "embeddings must be vectors of length 1"),
        ({"embeddings": [[1.0]] * 5}, "must be 512 numbers"),
        ({"embeddings": [["1"] * 512] * 5}, "must be 512 numbers"),
        ({"tolerance": {}}, "has no field tolerance.fp32"),
        ({"more": 1}, "has an unknown field more"),
    ],
)
def test_what_is_not_what_was_written_is_refused_by_name(directory, changes, message):
    change(directory, **changes)
    with pytest.raises(ModelError, match=message) as caught:
        golden.read(bundle.load(directory))
    assert "golden" in str(caught.value)


def test_a_small_picture_of_gigabytes_is_not_decoded(directory):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 40000, 40000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    for data in (bomb, bomb[:20], b"", b"no picture"):
        rewrite(directory, golden.FACES, data)
        with pytest.raises(ModelError, match="is not a PNG of 112x560 pixels"):
            golden.read(bundle.load(directory))


def test_a_change_is_found_where_the_bundle_was_opened_without_hashes(directory):
    path = directory / golden.EMBEDDINGS
    path.write_bytes(path.read_bytes().replace(b'"size": 112', b'"size": 113'))
    with pytest.raises(ModelError, match="SHA-256"):
        golden.read(bundle.load(directory, check="sizes"))


@pytest.mark.parametrize("faces", [np.zeros((0, 112, 112, 3), np.uint8), np.zeros((1, 96, 96, 3), np.uint8)])
def test_only_faces_are_written(tmp_path, faces):
    with pytest.raises(ModelError, match="golden faces must be uint8"):
        golden.write(tmp_path, faces, np.ones((len(faces), 8)))


def test_an_embedding_without_a_direction_is_not_written(directory):
    with pytest.raises(ModelError, match="without a direction"):
        golden.write(directory, faces_and_vectors()[0], np.zeros((5, 512)))
