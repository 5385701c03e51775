"""InsightFace's RecordIO: copied bytes, both forms of identities, and damage in one line."""

import struct

import cv2
import numpy as np
import pytest
import record_fakes as rec

from kface.data.dataset import DatasetSettings, build, load, read
from kface.data.dataset.recordio import read_identities, read_index
from kface.data.dataset.tfrecord import decode_example, unframe
from kface.errors import ConfigError, DatasetError, KFaceError, LayoutError
from kface.images import encode_png

SETTINGS = DatasetSettings(layout="recordio", landmarks="aligned", published=False, test=1, max_per_shard=3)
PEOPLE = {0: rec.crops(4, 1), 1: rec.crops(2, 2), 2: rec.crops(1, 3), 5: rec.crops(3, 4)}


@pytest.fixture
def root(tmp_path):
    rec.write(tmp_path / "set", rec.insightface(PEOPLE))
    (tmp_path / "set" / "property").write_text("4,112,112\n")
    return tmp_path / "set"


def made(root, out, settings=SETTINGS):
    return build(root, out, settings, jobs=1, progress=False)


def stored(manifest):
    """The encoded images by name."""
    found = {}
    for file in manifest.files():
        with open(file, "rb") as stream:
            for record in unframe(stream.read()):
                features = decode_example(record)
                found[features["path"][0].decode()] = features["image"][0]
    return found


def test_jpegs_are_copied_byte_for_byte(root, tmp_path):
    report = made(root, tmp_path / "out")
    manifest = load(tmp_path / "out", "hashes")
    assert manifest.subjects() == ("0000000", "0000001", "0000002", "0000005")
    expected = {}
    key = 1
    for label, images in PEOPLE.items():
        for image in images:
            expected[f"{label:07d}/{key}"] = image
            key += 1
    assert stored(manifest) == expected
    assert manifest.detector == {"name": "none"}
    assert manifest.counts["landmarks"] == {"aligned already": 10}
    assert not manifest.problems
    assert (report.built, len(manifest.subjects("test"))) == (10, 1)
    # Three images a shard: the first identity has two shards.
    assert [shard.images for shard in manifest.shards if shard.subject == "0000000"] == [3, 1]
    assert made(root, tmp_path / "out").built == 0
    record = next(iter(read(manifest, subjects=["0000002"])))
    assert record.box.tolist() == [0, 0, 112, 112]
    # The detector's settings do not belong to such a set.
    other = SETTINGS._replace(min_face=(80.0, 40.0), runtime="opencv")
    assert made(root, tmp_path / "out", other).built == 0


def test_workers_make_the_same_bytes(root, tmp_path):
    made(root, tmp_path / "one")
    build(root, tmp_path / "two", SETTINGS, jobs=2, backend="threading", progress=False)
    names = {path.name: path.read_bytes() for path in (tmp_path / "one" / "shards").iterdir()}
    assert names == {path.name: path.read_bytes() for path in (tmp_path / "two" / "shards").iterdir()}


def test_without_a_header_the_labels_count(tmp_path):
    # Mixed up, some with several labels of which the first is the identity.
    images = rec.crops(6)
    labels = [3.0, 1.0, [3.0, 9.0], 1.0, 7.0, 3.0]
    payloads = [rec.labelled(label, image, key) for key, (label, image) in enumerate(zip(labels, images, strict=True))]
    rec.write(tmp_path / "set", payloads, stem="faces", keys=[10, 4, 7, 8, 1, 2])
    manifest = made(tmp_path / "set", tmp_path / "out").manifest
    assert set(stored(manifest)) == {"0000003/10", "0000001/4", "0000003/7", "0000001/8", "0000007/1", "0000003/2"}


def test_a_header_without_identities_leaves_the_labels(tmp_path):
    images = [rec.labelled(float(n % 2), image, n + 1) for n, image in enumerate(rec.crops(5))]
    # Its second number repeats the first, as some sets have it.
    rec.write(tmp_path / "set", [rec.labelled([6.0, 6.0]), *images])
    found = read_identities(tmp_path / "set" / "train.rec", tmp_path / "set" / "train.idx")
    assert found.labels.tolist() == [0, 1]
    assert [found.images_of(n)[0].tolist() for n in (0, 1)] == [[1, 3, 5], [2, 4]]


def test_a_payload_that_contains_the_magic_number(tmp_path):
    # In a comment of the JPEG, at multiples of four of the payload: three parts.
    jpeg = rec.crops(1)[0]
    comment = b"\xff\xfe" + struct.pack(">H", 2 + 2 + 12) + b"xx" + rec.MAGIC + b"abcd" + rec.MAGIC
    odd = jpeg[:2] + comment + jpeg[2:]
    payload = rec.labelled(0.0, odd)
    assert payload.index(rec.MAGIC) % 4 == 0
    assert rec.record(payload).count(rec.MAGIC) == 3
    rec.write(tmp_path / "set", [rec.labelled(1.0, jpeg), payload, rec.labelled(1.0, jpeg)])
    assert stored(made(tmp_path / "set", tmp_path / "out").manifest)["0000000/1"] == odd


def test_what_is_no_plain_jpeg_is_encoded_and_other_sizes_are_refused(tmp_path):
    picture = cv2.resize(np.random.default_rng(0).integers(0, 256, (7, 7, 3), np.uint8), (112, 112))
    jpeg = rec.crops(1)[0]
    exif = (
        b"\xff\xe1" + struct.pack(">H", 34) + b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0\0\0\0\0"
    )
    _, grey = cv2.imencode(".jpg", picture[..., 0])
    people = {0: [jpeg, encode_png(picture)], 1: [grey.tobytes(), jpeg[:2] + exif + jpeg[2:]], 2: rec.crops(1, 5, 98)}
    people[2] += [b"no image", jpeg[:600], jpeg]
    rec.write(tmp_path / "set", rec.insightface(people))
    manifest = made(tmp_path / "set", tmp_path / "out").manifest
    kept = stored(manifest)
    assert kept["0000000/1"] == jpeg == kept["0000002/8"]
    records = {record.path: record.image.astype(int) for record in read(manifest)}
    assert np.abs(records["0000000/2"] - picture).mean() < 4
    assert np.abs(records["0000001/3"] - picture[..., :1]).mean() < 4
    # Upright, as its EXIF asks: turned by 180 degrees.
    assert np.abs(records["0000001/4"] - cv2.imdecode(np.frombuffer(jpeg, np.uint8), 1)[::-1, ::-1, ::-1]).mean() < 4
    reasons = {refused.path: refused.reason for refused in manifest.refused}
    assert reasons["0000002/5"] == "has 98x98 pixels instead of 112x112: not an aligned crop"
    assert set(reasons) == {"0000002/5", "0000002/6", "0000002/7"}


def test_a_damaged_image_is_one_refused_image(root, tmp_path):
    data = bytearray((root / "train.rec").read_bytes())
    offsets = read_index(root / "train.idx")[1]
    data[offsets[2]] ^= 1
    struct.pack_into("<f", data, offsets[3] + 12, 1.0)
    struct.pack_into("<I", data, offsets[4] + 4, (1 << 29) - 1)
    (root / "train.rec").write_bytes(bytes(data))
    manifest = made(root, tmp_path / "out").manifest
    reasons = [refused.reason for refused in manifest.refused]
    assert "does not begin with a record's magic number" in reasons[0]
    assert reasons[1] == "its record has the label 1 instead of 0"
    assert "has a length of more than" in reasons[2]
    assert manifest.images() == 7


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda rec, idx: (rec[:-5], idx), "train.rec: record 14 is truncated"),
        (
            lambda rec, idx: (rec[: len(rec) // 2], idx),
            r"train.rec: is truncated or belongs to another index: \d+ of 15",
        ),
        (lambda rec, idx: (b"\0" + rec[1:], idx), "record 0 does not begin with a record's magic number"),
        (lambda rec, idx: (b"", idx), "is truncated or belongs to another index: 15 of 15"),
        (lambda rec, idx: (rec, b""), "train.idx: lists no record"),
        (lambda rec, idx: (rec, idx.replace(b"\t", b"\t1.")), "train.idx: is not an index of lines"),
        (lambda rec, idx: (rec, idx + b"7"), "train.idx: is not an index of lines"),
        (lambda rec, idx: (rec, b"\x80\x04]q\x00." * 9), "train.idx: is not an index of lines"),
        (lambda rec, idx: (rec, idx + b"3\t0\n"), "train.idx: lists record 3 twice"),
        (lambda rec, idx: (rec, idx.replace(b"2\t", b"2\t1")), "train"),
        (lambda rec, idx: (rec, b"1\t" + idx.split(b"\t", 3)[3]), "train.idx: "),
        (lambda rec, idx: (rec[:4] + struct.pack("<I", 3 << 29 | 8) + rec[8:], idx), "has a part of the wrong kind"),
        (lambda rec, idx: (rec[:8] + struct.pack("<I", 1 << 31) + rec[12:], idx), "announces 2147483648 labels"),
        (lambda rec, idx: (rec[:-8] + struct.pack("<2f", 4, 99), idx), "record 14 is not an identity's range"),
    ],
)
def test_damage_is_one_line(root, tmp_path, damage, message):
    record, index = damage((root / "train.rec").read_bytes(), (root / "train.idx").read_bytes())
    (root / "train.rec").write_bytes(record)
    (root / "train.idx").write_bytes(index)
    with pytest.raises(LayoutError, match=message) as caught:
        made(root, tmp_path / "out")
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("seed", range(6))
def test_any_flipped_byte_is_a_line_or_a_refused_image(root, tmp_path, seed):
    random = np.random.default_rng(seed)
    for name in ("train.rec", "train.idx"):
        whole = (root / name).read_bytes()
        for place in random.integers(0, len(whole), 6):
            damaged = bytearray(whole)
            damaged[place] ^= int(random.integers(1, 256))
            (root / name).write_bytes(bytes(damaged))
            try:
                read_identities(root / "train.rec", root / "train.idx")
            except KFaceError as error:
                assert str(error)
        (root / name).write_bytes(whole)


def test_other_wrong_input(root, tmp_path):
    (root / "property").write_text("4,128,96")
    with pytest.raises(LayoutError, match="the images are 96x128 pixels large, not 112x112"):
        made(root, tmp_path / "out")
    (root / "property").write_text("no numbers")
    with pytest.raises(LayoutError, match="is not a line of identities, height and width"):
        made(root, tmp_path / "out")
    (root / "property").write_text("9,112,112")
    assert made(root, tmp_path / "out").manifest.problems["number of identities differs from property"]["times"] == 1
    with pytest.raises(LayoutError, match=r"contains no file \*\.rec"):
        made(tmp_path, tmp_path / "out2")
    (root / "train.idx").unlink()
    with pytest.raises(LayoutError, match=r"train\.idx: cannot be read"):
        made(root, tmp_path / "out")
    with pytest.raises(ConfigError, match="the crops are aligned already; use landmarks=aligned"):
        SETTINGS._replace(landmarks="camera").validated()
    with pytest.raises(ConfigError, match="'aligned' needs aligned crops; use landmarks=image"):
        SETTINGS._replace(layout="folders").validated()
    rec.write(tmp_path / "half", [rec.labelled(0.5, image) for image in rec.crops(2)])
    with pytest.raises(LayoutError, match=r"has the label 0\.5, which is not a whole number"):
        made(tmp_path / "half", tmp_path / "out3")
    rec.write(tmp_path / "small", [rec.labelled(float(n), image) for n, image in enumerate(rec.crops(2, size=56))])
    with pytest.raises(DatasetError, match=r"none of its 2 images could be used \(has 56x56 pixels"):
        made(tmp_path / "small", tmp_path / "out4")


def test_a_cap_on_images_is_spread_over_the_keys(root, tmp_path):
    manifest = made(root, tmp_path / "out", SETTINGS._replace(max_per_identity=2)).manifest
    assert [path for path in stored(manifest) if path.startswith("0000000")] == ["0000000/1", "0000000/3"]
