"""The test sets' loaders, on files made in their formats."""

import io
import pickle
import pickletools

import numpy as np
import pytest

from kface.errors import ConfigError, ImageError, LayoutError, ProtocolError
from kface.images import encode_jpeg
from train.testsets import acquire, bin_set, cfp_set, kface_set, lfw_set
from train.testsets.insightface import read_bin
from train.testsets.lfw import read_pairs_txt


def crop(seed, size=112):
    return encode_jpeg(np.random.default_rng(seed).integers(0, 256, (size, size, 3)).astype(np.uint8))


@pytest.fixture
def no_faces(monkeypatch):
    """A detector that finds nothing: the photographs here are noise."""
    from kface.faces import Faces
    from train.testsets import faces

    class Nothing:
        def __init__(self, **settings):
            pass

        def with_min_face(self, size):
            return self

        def detect_many(self, images):
            return [Faces.empty() for _ in images]

    monkeypatch.setattr(faces, "Detector", Nothing)


@pytest.fixture
def lfw(tmp_path):
    folder = tmp_path / "lfw"
    lines = ["2\t2"]
    for fold in range(2):
        for person in (2 * fold, 2 * fold + 1):
            name = f"Person_{person}"
            (folder / "images" / name).mkdir(parents=True)
            for number in (1, 2):
                (folder / "images" / name / f"{name}_{number:04d}.jpg").write_bytes(crop(10 * person + number, 60))
            lines.append(f"{name}\t1\t2")
        a, b = f"Person_{2 * fold}", f"Person_{2 * fold + 1}"
        lines += [f"{a}\t1\t{b}\t1", f"{a}\t2\t{b}\t2"]
    (folder / "pairs.txt").write_text("\n".join(lines) + "\n")
    return folder


def test_lfw(lfw, tmp_path, no_faces):
    testset = lfw_set(lfw, tmp_path / "cache", progress=False)
    assert testset.images.shape == (8, 112, 112, 3)
    assert testset.genuine.tolist() == [True, True, False, False] * 2
    assert testset.folds.tolist() == [0] * 4 + [1] * 4
    assert testset.failed.all()
    assert not testset.synthetic


def test_faces_are_detected_once(lfw, tmp_path, no_faces, monkeypatch):
    from train.testsets import faces

    first = lfw_set(lfw, tmp_path / "cache", progress=False)
    monkeypatch.setattr(faces, "Detector", lambda **settings: pytest.fail("detected again"))
    np.testing.assert_array_equal(lfw_set(lfw, tmp_path / "cache", progress=False).images, first.images)
    for kept in (tmp_path / "cache").iterdir():
        kept.write_bytes(b"half")
    with pytest.raises(pytest.fail.Exception, match="detected again"):
        lfw_set(lfw, tmp_path / "cache", progress=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2 2\nA 1\n", "line 2 is not in LFW's format"),
        ("2 2\nA x 2\n", "line 2 is not"),
        ("2 2\nA 1 2\n", "promises 8 pairs, it holds 1"),
        ("", "holds no pairs"),
    ],
)
def test_damaged_pairs(tmp_path, text, message):
    path = tmp_path / "pairs.txt"
    path.write_text(text)
    with pytest.raises(LayoutError, match=message):
        read_pairs_txt(path)


def test_what_is_absent_is_named(lfw, tmp_path, no_faces):
    with pytest.raises(ConfigError, match="is not a directory"):
        lfw_set(tmp_path / "absent", tmp_path)
    (lfw / "images" / "Person_3" / "Person_3_0002.jpg").unlink()
    with pytest.raises(LayoutError, match="Person_3_0002 is in pairs.txt but not in the folder"):
        lfw_set(lfw, tmp_path)
    (lfw / "pairs.txt").unlink()
    with pytest.raises(LayoutError, match=r"pairs\.txt: cannot be read"):
        lfw_set(lfw, tmp_path)


def test_a_damaged_photograph_is_named(lfw, tmp_path, no_faces):
    path = lfw / "images" / "Person_0" / "Person_0_0001.jpg"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(ImageError, match=r"Person_0_0001\.jpg: is a truncated JPEG"):
        lfw_set(lfw, tmp_path / "cache", progress=False)


@pytest.fixture
def cfp(tmp_path):
    folder = tmp_path / "cfp"
    protocol = folder / "Protocol"
    lists = {"F": [], "P": []}
    for person in range(1, 5):
        for kind, name in (("F", "frontal"), ("P", "profile")):
            directory = folder / "Data" / "Images" / f"{person:03d}" / name
            directory.mkdir(parents=True)
            (directory / "01.jpg").write_bytes(crop(person * 10 + ord(kind), 60))
            lists[kind].append(f"{person} ../Data/Images/{person:03d}/{name}/01.jpg")
    for kind, lines in lists.items():
        protocol.mkdir(exist_ok=True)
        (protocol / f"Pair_list_{kind}.txt").write_text("\n".join(lines))
    for fold, (a, b) in (("01", (1, 2)), ("02", (3, 4))):
        split = protocol / "Split" / "FP" / fold
        split.mkdir(parents=True)
        (split / "same.txt").write_text(f"{a},{a}\n{b},{b}\n")
        (split / "diff.txt").write_text(f"{a},{b}\n{b},{a}\n")
    return folder


def test_cfp(cfp, tmp_path, no_faces):
    testset = cfp_set(cfp, tmp_path / "cache", progress=False)
    assert testset.genuine.tolist() == [True, True, False, False] * 2
    assert testset.folds.tolist() == [0] * 4 + [1] * 4
    (cfp / "Protocol" / "Split" / "FP" / "01" / "same.txt").write_text("1,99\n")
    with pytest.raises(LayoutError, match="names no pair"):
        cfp_set(cfp, tmp_path / "cache", progress=False)


def write_bin(path, value, protocol=2):
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_bin(tmp_path, protocol):
    images = [crop(0), crop(1), crop(2), crop(3), crop(0), crop(2)]
    path = write_bin(tmp_path / "agedb_30.bin", (images, [True, True, False]), protocol)
    testset = bin_set(path, "agedb30", "AgeDB-30")
    assert testset.images.shape == (4, 112, 112, 3)
    assert testset.genuine.tolist() == [True, True, False]
    assert testset.people[testset.pairs].tolist() == [[0, 0], [1, 1], [0, 1]]


def test_a_bin_that_python_2_wrote(tmp_path):
    # Protocol 2 of Python 2: bytes are SHORT_BINSTRING / BINSTRING, which Python 3 no longer writes.
    image = crop(5)
    body = b"\x80\x02" + (b"](" + 2 * (b"T" + len(image).to_bytes(4, "little") + image) + b"e") + b"](\x88e" + b"\x86."
    pickletools.dis(body, out=io.StringIO())
    path = tmp_path / "old.bin"
    path.write_bytes(body)
    images, genuine = read_bin(path)
    assert images == [image, image]
    assert genuine.tolist() == [True]


class Malicious:
    def __reduce__(self):
        import os

        return os.system, ("touch pwned",)


@pytest.mark.parametrize(
    "value", [Malicious(), ([Malicious()] * 2, [True]), (np.array([Malicious()] * 2, object), [True])]
)
def test_a_bin_never_runs_code(tmp_path, monkeypatch, value):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LayoutError, match="do not trust this file"):
        read_bin(write_bin(tmp_path / "evil.bin", value))
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    "value",
    [
        ([b"a"], [True]),
        ([], []),
        ([1, 2], [True]),
        (["a", "b"], [True]),
        ([b"a", b"b"], [7]),
        {"a": 1},
        5,
        (np.zeros(3), [True]),
    ],
)
def test_a_bin_of_another_form(tmp_path, value):
    with pytest.raises(LayoutError):
        read_bin(write_bin(tmp_path / "x.bin", value))


def test_damaged_bins(tmp_path):
    path = write_bin(tmp_path / "x.bin", ([crop(0), crop(1)], [True]))
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(LayoutError, match="damaged"):
        read_bin(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_bin(tmp_path / "absent.bin")
    contradicting = write_bin(tmp_path / "y.bin", ([crop(0), crop(1)] * 2, [True, False]))
    with pytest.raises(LayoutError, match="one person two"):
        bin_set(contradicting, "x", "X")


def test_kface_pairs(tiny_manifest, tmp_path):
    testset = kface_set(tiny_manifest, 40, seed=3)
    assert testset.pairs.shape == (40, 2)
    assert testset.genuine.sum() == 20
    assert len(np.unique(testset.people)) == 2
    assert not testset.synthetic
    with pytest.raises(ProtocolError):
        kface_set(tiny_manifest, 10**7)


def test_real_lfw_faces_are_found(shared_data, tmp_path):
    files = sorted((shared_data / "lfw").rglob("*.jpg"))[::400]
    faces, failed = acquire(files, tmp_path, "LFW", progress=False)
    assert faces.shape == (len(files), 112, 112, 3)
    assert failed.mean() < 0.1
