import numpy as np
import pytest

from kface.data.dataset import tfrecord

FEATURES = {
    "image": ("bytes", bytes(bytearray(range(256))) * 2),
    "subject": ("bytes", "19062421".encode("ascii")),
    "empty": ("bytes", b""),
    "light": ("int64", [30]),
    "signs": ("int64", [0, -1, 127, 128, 2**62, -(2**63)]),
    "landmarks": ("float", [0.5, -1.25, 1e-3, 3e8]),
}


def test_crc32c_of_the_standard(monkeypatch):
    # RFC 3720, B.4, and the usual check value.
    for crc in (tfrecord._slow_crc32c(), tfrecord.crc32c):
        assert crc(b"123456789") == 0xE3069283
        assert crc(bytes(32)) == 0x8A9136AA
        assert crc(b"") == 0


def test_frames_round_trip():
    records = [b"", b"a", bytes(1000)]
    assert list(tfrecord.unframe(b"".join(map(tfrecord.frame, records)))) == records


@pytest.mark.parametrize("cut", [1, 4, 11, 15, 16, 20])
def test_truncation_is_noticed(cut):
    data = tfrecord.frame(b"12345") + tfrecord.frame(b"67890")
    with pytest.raises(ValueError, match="truncated"):
        list(tfrecord.unframe(data[:-cut]))


@pytest.mark.parametrize("place", range(0, 21))
def test_every_flipped_byte_is_noticed(place):
    data = bytearray(tfrecord.frame(b"12345"))
    data[place] ^= 1
    with pytest.raises(ValueError, match="checksum"):
        list(tfrecord.unframe(bytes(data)))


def test_examples_round_trip():
    found = tfrecord.decode_example(tfrecord.encode_example(FEATURES))
    assert set(found) == set(FEATURES)
    assert found["image"] == [FEATURES["image"][1]]
    assert found["empty"] == [b""]
    assert found["signs"] == FEATURES["signs"][1]
    np.testing.assert_array_equal(
        np.array(found["landmarks"], np.float32), np.array(FEATURES["landmarks"][1], np.float32)
    )


def test_features_are_sorted():
    backwards = dict(reversed(list(FEATURES.items())))
    assert tfrecord.encode_example(backwards) == tfrecord.encode_example(FEATURES)


@pytest.mark.parametrize("data", [b"\x08\x01", b"\x0a\x7f", b"\xff" * 12])
def test_what_is_no_example(data):
    with pytest.raises(ValueError, match="Example"):
        tfrecord.decode_example(data)


def test_same_bytes_as_tensorflow(tmp_path):
    tf = pytest.importorskip("tensorflow")
    features = {}
    for name, (kind, value) in FEATURES.items():
        if kind == "bytes":
            features[name] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        elif kind == "int64":
            features[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=value))
        else:
            features[name] = tf.train.Feature(float_list=tf.train.FloatList(value=value))
    example = tf.train.Example(features=tf.train.Features(feature=features))
    ours = tfrecord.encode_example(FEATURES)
    assert ours == example.SerializeToString(deterministic=True)

    path = tmp_path / "theirs.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(ours)
        writer.write(b"")
    assert path.read_bytes() == tfrecord.frame(ours) + tfrecord.frame(b"")
    assert list(tfrecord.unframe(path.read_bytes())) == [ours, b""]
