"""Golden vectors: written, read again, and refused if they were changed."""

import json
import struct
import zlib

import cv2
import numpy as np
import pytest
from bundle_fakes import edit, fill, found_in, manifest_of, picture

from kface import alignment, bundle
from kface.bundle import golden, golden_writer
from kface.errors import ModelError
from kface.faces import Faces
from kface.files import sha256_bytes

SETTINGS = golden.DetectorSettings(39.8, (0.5, 0.6, 0.7), 0.8)


def pictures():
    """Three pictures with two faces, none and one."""
    return [
        (picture(0), found_in(picture(0), 2)),
        (picture(1, 40, 80), Faces.empty()),
        (picture(2, 24, 32), found_in(picture(2, 24, 32))),
    ]


def crops_and_vectors(others=2, seed=0):
    """The crops of the pictures' faces and some others, and a vector for each."""
    random = np.random.RandomState(seed)
    own = [alignment.align(rgb, faces.landmarks) for rgb, faces in pictures()]
    crops = np.concatenate(own + [random.randint(0, 256, (others, 112, 112, 3)).astype(np.uint8)])
    return crops, random.normal(size=(len(crops), 512))


@pytest.fixture
def directory(tmp_path):
    folder = tmp_path / "bundle"
    folder.mkdir()
    files = fill(folder)
    files += golden_writer.write(folder, *crops_and_vectors(), pictures=pictures(), detector=SETTINGS)
    bundle.write(folder, manifest_of(files))
    return folder


@pytest.fixture
def old(tmp_path):
    """A bundle of schema 1: crops and embeddings alone."""
    folder = tmp_path / "old"
    folder.mkdir()
    files = fill(folder)
    crops, vectors = crops_and_vectors()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    document = {
        "schema": 1,
        "embedder_sha256": bundle.describe(folder, "embedder.onnx", "embedder").sha256,
        "faces": len(crops),
        "size": 112,
        "pixels_sha256": sha256_bytes(crops.tobytes()),
        "embeddings": unit.astype(np.float32).tolist(),
        "tolerance": {"fp32": 0.999, "fp16": 0.98, "int8": 0.9},
    }
    (folder / "golden").mkdir()
    cv2.imwrite(str(folder / "golden" / "faces.png"), crops.reshape(-1, 112, 3)[..., ::-1])
    (folder / "golden" / "embeddings.json").write_text(json.dumps(document), encoding="utf-8")
    names = ("golden/faces.png", "golden/embeddings.json")
    bundle.write(folder, manifest_of(files + tuple(bundle.describe(folder, name, "golden") for name in names)))
    return folder


def rewrite(directory, name, data):
    """Replace a file of the golden vectors as whoever writes a bundle could."""
    (directory / name).write_bytes(data)
    facts = bundle.describe(directory, name, "golden")
    edit(directory, lambda document: document["files"][name].update(sha256=facts.sha256, bytes=facts.bytes))


def change(directory, changes, name=golden.VECTORS):
    """Set fields of the document, each named with dots."""
    document = json.loads((directory / name).read_text(encoding="utf-8"))
    for place, value in changes.items():
        *steps, last = [int(step) if step.isdigit() else step for step in place.split(".")]
        part = document
        for step in steps:
            part = part[step]
        part[last] = value
    rewrite(directory, name, json.dumps(document).encode("utf-8"))


def test_what_is_read_is_what_was_written(directory):
    crops, vectors = crops_and_vectors()
    opened = bundle.load(directory)
    found = golden.read(opened)
    np.testing.assert_array_equal(found.crops, crops)
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    np.testing.assert_array_equal(found.embeddings, unit)
    assert found.tolerance == golden_writer.TOLERANCE
    assert found.tolerance["fp32"] > found.tolerance["fp16"] > found.tolerance["int8"]
    assert found.detector == SETTINGS
    assert [one.crops for one in found.pictures] == [(0, 1), (), (2,)]
    for one, (rgb, faces) in zip(found.pictures, pictures()):
        np.testing.assert_array_equal(golden.read_picture(opened, one), rgb)
        for read, written in zip(one.faces, faces):
            np.testing.assert_array_equal(read, written)
            assert read.dtype == np.float32
            assert read.shape == written.shape


def test_another_program_reads_them_without_ours(directory):
    document = json.loads((directory / "golden" / "vectors.json").read_text(encoding="utf-8"))
    about = document["crops"]
    pixels = cv2.imread(str(directory / about["file"]), cv2.IMREAD_UNCHANGED)[:, :, ::-1]
    crops = pixels.reshape(about["count"], about["size"], about["size"], 3)
    np.testing.assert_array_equal(crops, crops_and_vectors()[0])
    assert np.array(document["embeddings"]).shape == (5, 512)
    for one in document["pictures"]:
        rgb = cv2.imread(str(directory / one["file"]), cv2.IMREAD_UNCHANGED)[:, :, ::-1]
        assert rgb.shape == (one["height"], one["width"], 3)
        assert sha256_bytes(rgb.tobytes()) == one["pixels_sha256"]
        for face in one["faces"]:
            crop = alignment.align(np.ascontiguousarray(rgb), np.array([face["landmarks"]], np.float32))[0]
            np.testing.assert_array_equal(crop, crops[face["crop"]])
    roles = {file.path: file.role for file in bundle.load(directory).manifest.files}
    names = ["vectors.json", "faces.png", "picture1.png", "picture2.png", "picture3.png"]
    assert [roles["golden/" + name] for name in names] == ["golden"] * 5


def test_the_pngs_are_of_the_form_that_the_page_promises(directory):
    for path in sorted((directory / "golden").glob("*.png")):
        data = path.read_bytes()
        # Eight bits, RGB, deflate, no filter method but 0, no interlace; and no colour profile.
        assert data[24:29] == bytes(bytearray([8, 2, 0, 0, 0]))
        assert not any(kind in data for kind in (b"iCCP", b"gAMA", b"sRGB", b"PLTE"))


def test_a_bundle_of_an_older_version_has_none(tmp_path):
    (tmp_path / "bundle").mkdir()
    bundle.write(tmp_path / "bundle", manifest_of(fill(tmp_path / "bundle")))
    assert golden.read(bundle.load(tmp_path / "bundle")) is None


def test_schema_1_has_crops_and_embeddings_alone(old):
    crops, vectors = crops_and_vectors()
    found = golden.read(bundle.load(old))
    np.testing.assert_array_equal(found.crops, crops)
    assert (found.embeddings * vectors).sum(axis=1) == pytest.approx(np.linalg.norm(vectors, axis=1), rel=1e-5)
    assert found.tolerance == {"fp32": 0.999, "fp16": 0.98, "int8": 0.9}
    assert found.pictures == ()
    assert found.detector is None


def test_schema_1_is_refused_where_it_is_damaged(old):
    change(old, {"faces": 6}, golden.EMBEDDINGS_ONLY)
    with pytest.raises(ModelError, match="is not a PNG of 112x672 pixels"):
        golden.read(bundle.load(old))


def test_a_tolerance_that_was_measured_replaces_the_usual_one(directory):
    golden_writer.write(directory, *crops_and_vectors(), tolerance={"int8": 0.97})
    rewrite(directory, golden.VECTORS, (directory / golden.VECTORS).read_bytes())
    found = golden.read(bundle.load(directory))
    assert found.tolerance == dict(golden_writer.TOLERANCE, int8=0.97)
    assert found.pictures == ()
    assert found.detector is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 3}, "has schema version 3, this program reads 2"),
        ({"schema": 1}, "has schema version 1, this program reads 2"),
        ({"crops.count": 6}, "is not a PNG of 112x672 pixels"),
        ({"crops.count": 10**9}, "crops.count must be a whole number of at most 64"),
        ({"crops.count": True}, "crops.count must be a whole number"),
        ({"crops.size": 96}, "crops.size must be 112"),
        ({"crops.file": "../faces.png"}, "crops.file must be one of golden/faces.png"),
        ({"crops.pixels_sha256": "0" * 64}, "does not hold the pixels that were written"),
        ({"embedder_sha256": "0" * 64}, "embedder_sha256 must be the SHA-256 of embedder.onnx"),
        ({"embeddings": [[1.0] * 512] * 5}, "embeddings must be vectors of length 1"),
        ({"embeddings": [[1.0]] * 5}, "must be 512 numbers"),
        ({"embeddings": [["1"] * 512] * 5}, "must be 512 numbers"),
        ({"detector": None}, "pictures must be at most 16 pictures, with a detector"),
        ({"detector.manifest_sha256": "0" * 64}, "manifest_sha256 must be the SHA-256 of detector/manifest.json"),
        ({"detector.min_face": 5}, "detector.min_face must be a number from 20"),
        ({"pictures": []}, "pictures must be at most 16 pictures, with a detector"),
        ({"pictures.0.file": "golden/picture2.png"}, r"pictures\[0\].file must be one of golden/picture1.png"),
        ({"pictures.0.width": 70}, "is not a PNG of 70x48 pixels"),
        ({"pictures.0.width": 10**6}, "width must be a whole number of at most 640"),
        ({"pictures.0.pixels_sha256": "0" * 64}, "does not hold the pixels that were written"),
        ({"pictures.0.faces.0.crop": 5}, "crop must be a whole number of at most 4"),
        ({"pictures.0.faces.0.landmarks": [[0, 0]] * 4}, "landmarks must be 5 points"),
        ({"pictures.0.faces.0.landmarks": [[0]] * 5}, "landmarks.0 must be 2 numbers"),
        ({"pictures.0.faces.0.box": [0, 1, 2]}, "box must be 4 numbers"),
        ({"pictures.0.faces.0.score": 1.5}, "score must be a number from 0 to 1"),
        ({"pictures.0.faces.0.more": 1}, "has an unknown field"),
        ({"tolerance.cosine": {}}, "has no field tolerance.cosine.fp32"),
        ({"tolerance.landmarks.fp16": -1}, "tolerance.landmarks.fp16 must be a number from 0"),
        ({"tolerance.crops": None}, "tolerance.crops must be a number"),
        ({"more": 1}, "has an unknown field more"),
    ],
)
def test_what_is_not_what_was_written_is_refused_by_name(directory, changes, message):
    change(directory, changes)

    def read_all():
        opened = bundle.load(directory)
        for one in golden.read(opened).pictures:
            golden.read_picture(opened, one)

    with pytest.raises(ModelError, match=message) as caught:
        read_all()
    assert "golden" in str(caught.value)


def test_a_small_picture_of_gigabytes_is_not_decoded(directory):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 40000, 40000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    for data in (bomb, bomb[:20], b"", b"no picture"):
        rewrite(directory, golden.CROPS, data)
        with pytest.raises(ModelError, match="is not a PNG of 112x560 pixels"):
            golden.read(bundle.load(directory))


def test_a_change_is_found_where_the_bundle_was_opened_without_hashes(directory):
    path = directory / golden.VECTORS
    path.write_bytes(path.read_bytes().replace(b'"size": 112', b'"size": 113'))
    with pytest.raises(ModelError, match="SHA-256"):
        golden.read(bundle.load(directory, check="sizes"))


@pytest.mark.parametrize("crops", [np.zeros((0, 112, 112, 3), np.uint8), np.zeros((1, 96, 96, 3), np.uint8)])
def test_only_crops_are_written(tmp_path, crops):
    with pytest.raises(ModelError, match="golden crops must be uint8"):
        golden_writer.write(tmp_path, crops, np.ones((len(crops), 8)))


def test_an_embedding_without_a_direction_is_not_written(directory):
    with pytest.raises(ModelError, match="without a direction"):
        golden_writer.write(directory, crops_and_vectors()[0], np.zeros((5, 512)))


def test_crops_that_are_not_those_of_the_faces_are_not_written(directory):
    crops, vectors = crops_and_vectors()
    swapped = crops[[1, 0, 2, 3, 4]]
    with pytest.raises(ModelError, match="are not those of the pictures' faces"):
        golden_writer.write(directory, swapped, vectors, pictures=pictures(), detector=SETTINGS)
    with pytest.raises(ModelError, match="are not those of the pictures' faces"):
        golden_writer.write(directory, crops[:2], vectors[:2], pictures=pictures(), detector=SETTINGS)


def test_pictures_come_with_the_settings_that_their_faces_were_found_with(directory):
    with pytest.raises(ModelError, match="must be given together"):
        golden_writer.write(directory, *crops_and_vectors(), pictures=pictures())
    large = [(np.zeros((641, 8, 3), np.uint8), Faces.empty())]
    with pytest.raises(ModelError, match="of at most 640 pixels a side"):
        golden_writer.write(directory, *crops_and_vectors(), pictures=large, detector=SETTINGS)
