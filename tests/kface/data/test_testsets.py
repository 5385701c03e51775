"""The test sets' loaders, on files made in their formats."""

import io
import pickle
import pickletools

import numpy as np
import pytest

from kface.data.testsets import acquire, bin_set, cfp_set, kface_set, lfw_set
from kface.data.testsets.insightface import read_bin
from kface.data.testsets.lfw import read_pairs_txt
from kface.errors import ConfigError, ImageError, LayoutError, ProtocolError
from kface.images import encode_jpeg


def crop(seed, size=112):
    return encode_jpeg(np.random.default_rng(seed).integers(0, 256, (size, size, 3)).astype(np.uint8))


class FakeDetector:
    def __init__(self, **settings):
        self.settings = settings

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def with_min_face(self, size):
        return self


@pytest.fixture
def no_faces(monkeypatch):
    """A detector that finds nothing: the photographs here are noise."""
    from kface.data.testsets import faces
    from kface.faces import Faces

    class Nothing(FakeDetector):
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
    from kface.data.testsets import faces

    first = lfw_set(lfw, tmp_path / "cache", progress=False)
    monkeypatch.setattr(faces, "Detector", lambda **settings: pytest.fail("detected again"))
    np.testing.assert_array_equal(lfw_set(lfw, tmp_path / "cache", progress=False).images, first.images)
    for kept in (tmp_path / "cache").iterdir():
        kept.write_bytes(b"half")
    with pytest.raises(pytest.fail.Exception, match="detected again"):
        lfw_set(lfw, tmp_path / "cache", progress=False)


class Dim(FakeDetector):
    """Finds a face in the middle of whatever is bright; what is dark is none."""

    def detect_many(self, images):
        from kface.faces import Faces

        return [self._face(image) if image.mean() > 20 else Faces.empty() for image in images]

    @staticmethod
    def _face(image):
        from kface.alignment import TEMPLATE
        from kface.faces import Faces

        corner = np.array([image.shape[1], image.shape[0]], np.float32) / 2 - 56
        box = np.concatenate([corner, corner + 112])[None]
        return Faces(box.astype(np.float32), np.ones(1, np.float32), (TEMPLATE + corner)[None].astype(np.float32))


def test_dark_photographs_are_looked_at_on_copies(tmp_path, monkeypatch):
    from kface.data.testsets import faces

    monkeypatch.setattr(faces, "Detector", Dim)
    files = []
    for name, level in (("bright", 160), ("dark", 8), ("black", 0)):
        picture = np.random.default_rng(level).normal(level, level / 10, (150, 150, 3)).clip(0, 255).astype(np.uint8)
        (tmp_path / f"{name}.jpg").write_bytes(encode_jpeg(picture))
        files.append(tmp_path / f"{name}.jpg")
    before, lost = acquire(files, tmp_path / "cache", "T", progress=False, brighten=())
    after, failed = acquire(files, tmp_path / "cache", "T", progress=False)
    assert lost.tolist() == [False, True, True]
    assert failed.tolist() == [False, False, True]
    np.testing.assert_array_equal(before[0], after[0])
    # Out of the photograph, and not out of its copy.
    assert 5 < after[1].mean() < 11
    # Each way of finding faces has a cache of its own, whose result is kept.
    assert len(list((tmp_path / "cache").iterdir())) == 2
    monkeypatch.setattr(faces, "Detector", lambda **settings: pytest.fail("detected again"))
    np.testing.assert_array_equal(acquire(files, tmp_path / "cache", "T", progress=False)[1], failed)
    np.testing.assert_array_equal(acquire(files, tmp_path / "cache", "T", progress=False, brighten=[])[1], lost)


def test_what_a_copy_shows_of_a_large_photograph_is_no_small_part_of_it(tmp_path, monkeypatch):
    from kface.data.testsets import faces

    monkeypatch.setattr(faces, "Detector", Dim)
    files = []
    for name, level in (("bright", 160), ("dark", 8)):
        (tmp_path / f"{name}.jpg").write_bytes(encode_jpeg(np.full((400, 400, 3), level, np.uint8)))
        files.append(tmp_path / f"{name}.jpg")
    # The face is 112 pixels wide: enough in the photograph itself, and less than a third of it on the copy.
    assert acquire(files, tmp_path / "cache", "T", progress=False)[1].tolist() == [False, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2 2\nA 1\n", "line 2 is not in LFW's format"),
        ("2 2\nA x 2\n", "line 2 is not"),
        ("2 2\nA 1 2\n", "has 1 pairs, but its first line announces 8"),
        ("", "contains no pairs"),
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
    with pytest.raises(LayoutError, match="does not name a pair"):
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
    with pytest.raises(LayoutError, match="impostor pair of one person"):
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


TABLE = "2\t2\n" + "".join(
    f"{a}\t1\t2\n{b}\t1\t2\n{a}\t1\t{b}\t1\n{a}\t2\t{b}\t2\n" for a, b in (("가나", "Béa"), ("나다", "다라"))
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp949"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_pairs_in_any_encoding(tmp_path, encoding, end):
    text = TABLE if encoding != "cp949" else TABLE.replace("Béa", "Bea")
    path = tmp_path / "pairs.txt"
    path.write_bytes(text.replace("\n", end).encode(encoding))
    rows, folds = read_pairs_txt(path)
    assert len(rows) == 8
    assert rows[0] == (("가나", 1), ("가나", 2))
    assert folds.tolist() == [0] * 4 + [1] * 4
    path.write_bytes(text.replace("\n", end).replace("\t", "  ").encode(encoding))
    assert read_pairs_txt(path)[0] == rows


@pytest.mark.parametrize("data", [b"\xff\xfe1", b"\x80\xff\xff\xff\n", b"\xef\xbb\xbf\xff", b"1\0\0"])
def test_pairs_that_are_no_text_are_one_line(tmp_path, data):
    (tmp_path / "pairs.txt").write_bytes(data)
    with pytest.raises(LayoutError, match=r"pairs\.txt: "):
        read_pairs_txt(tmp_path / "pairs.txt")


@pytest.mark.parametrize("word", ["²", "1" * 400, "-1", "1.0", "inf", "1_0", "٣"])
def test_a_number_that_is_none_is_one_line(tmp_path, word):
    for text in (f"2 {word}\nA 1 2\n", f"2 1\nA 1 {word}\n"):
        (tmp_path / "pairs.txt").write_text(text)
        with pytest.raises(LayoutError, match="not in LFW's format"):
            read_pairs_txt(tmp_path / "pairs.txt")


def test_names_with_blanks_stand_between_tabs(tmp_path):
    (tmp_path / "pairs.txt").write_text("1\t1\nAnn Lee\t1\t2\nAnn Lee\t1\tBob Ray\t3\n")
    assert read_pairs_txt(tmp_path / "pairs.txt")[0] == [
        (("Ann Lee", 1), ("Ann Lee", 2)),
        (("Ann Lee", 1), ("Bob Ray", 3)),
    ]


def renamed(folder, change):
    for path in sorted(folder.rglob("*.jpg")):
        path.rename(path.with_name(change(path.name)))


@pytest.mark.parametrize(
    "change",
    [
        str.lower,
        lambda name: name.replace(".jpg", ".JPG"),
        lambda name: name.replace(".jpg", ".bmp"),
        lambda name: name.replace(".jpg", ".Jpeg"),
        lambda name: name.replace("_000", "_"),
        lambda name: name.replace("_000", "_00"),
        lambda name: name.replace("_000", "_00000"),
    ],
)
def test_lfw_as_it_is_on_disk(lfw, tmp_path, no_faces, change):
    whole = lfw_set(lfw, tmp_path / "cache", progress=False)
    renamed(lfw, change)
    if change is str.lower:
        with pytest.raises(LayoutError, match=r"looked for Person_0/Person_0_0001 and Person_0_1 with .*suffix"):
            lfw_set(lfw, tmp_path / "cache", progress=False)
    else:
        np.testing.assert_array_equal(lfw_set(lfw, tmp_path / "cache", progress=False).images, whole.images)


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
def test_hangul_taken_apart_or_not(tmp_path, no_faces, forms):
    import unicodedata

    lines = ["1 1", "김철수 1 2", "김철수 1 이영희 1"]
    (tmp_path / "pairs.txt").write_text(unicodedata.normalize(forms[0], "\n".join(lines)), encoding="utf-8")
    for name, numbers in (("김철수", (1, 2)), ("이영희", (1,))):
        name = unicodedata.normalize(forms[1], name)
        (tmp_path / name).mkdir()
        for number in numbers:
            (tmp_path / name / f"{name}_{number:04d}.jpg").write_bytes(crop(number, 60))
    assert len(lfw_set(tmp_path, tmp_path / "cache", progress=False).images) == 3


def test_cfp_with_image_lists_relative_to_the_root(cfp, tmp_path, no_faces):
    whole = cfp_set(cfp, tmp_path / "cache", progress=False)
    protocol = cfp / "Protocol"
    for kind in "FP":
        own = protocol / f"Pair_list_{kind}.txt"
        text = own.read_text().replace("../Data", "Data")
        own.write_text(text)
        np.testing.assert_array_equal(cfp_set(cfp, tmp_path / "cache", progress=False).pairs, whole.pairs)
        own.unlink()
        (protocol / f"image_list_{kind}.txt").write_bytes(
            text.replace("/", "\\").replace("\n", "\r\n").encode("utf-16")
        )
    np.testing.assert_array_equal(cfp_set(cfp, tmp_path / "cache", progress=False).images, whole.images)
    # Without numbers, the lines count from 1.
    for kind in "FP":
        path = protocol / f"image_list_{kind}.txt"
        lines = path.read_text(encoding="utf-16").splitlines()
        path.write_text("\n".join(line.split(" ")[1] for line in lines))
    np.testing.assert_array_equal(cfp_set(cfp, tmp_path / "cache", progress=False).images, whole.images)
    (protocol / "image_list_F.txt").write_text("1 ../../../etc/passwd\n")
    with pytest.raises(LayoutError, match="outside the folder"):
        cfp_set(cfp, tmp_path / "cache", progress=False)
    (protocol / "image_list_F.txt").unlink()
    with pytest.raises(LayoutError, match=r"neither Pair_list_F\.txt nor image_list_F\.txt"):
        cfp_set(cfp, tmp_path / "cache", progress=False)


def as_numpy_1(data):
    """What NumPy 1 writes: its modules had other names. Only for protocols without lengths before names."""
    return data.replace(b"numpy._core.", b"numpy.core.")


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    ("images_of", "labels_of"),
    [
        (lambda images: [np.frombuffer(image, np.uint8) for image in images], list),
        (lambda images: [np.frombuffer(image, np.uint8).reshape(-1, 1) for image in images], np.array),
        (list, lambda labels: [np.bool_(label) for label in labels]),
        (list, lambda labels: np.array(labels, np.int64)),
        (lambda images: np.array(images, object), lambda labels: np.array(labels, np.uint8)),
        (lambda images: [bytearray(image) for image in images], lambda labels: np.array(labels, ">i4")),
    ],
)
def test_a_bin_of_numpy_arrays(tmp_path, protocol, images_of, labels_of):
    images, labels = [crop(0), crop(1), crop(2), crop(3)], [True, False]
    path = write_bin(tmp_path / "x.bin", (images_of(images), labels_of(labels)), protocol)
    found, genuine = read_bin(path)
    assert found == images
    assert genuine.tolist() == labels
    if protocol < 3:
        path.write_bytes(as_numpy_1(path.read_bytes()))
        assert read_bin(path)[0] == images


class Reduced:
    def __init__(self, *reduced):
        self.reduced = reduced

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize(
    "value",
    [
        Reduced(np.load, ("/dev/null",)),
        Reduced(np.frombuffer, (b"abc",)),
        Reduced(np.dtype, ("V8",)),
        Reduced(bytes, (1 << 50,)),
        Reduced(eval, ("1",)),
        np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]),
        np.array(["2020-01-01"], "datetime64[D]"),
    ],
)
def test_nothing_else_of_numpy_is_allowed(tmp_path, value):
    with pytest.raises(LayoutError, match="do not trust this file"):
        read_bin(write_bin(tmp_path / "x.bin", ([value, value], [True])))


def test_arrays_that_lie_about_their_size_are_refused(tmp_path):
    path = write_bin(tmp_path / "x.bin", ([np.arange(77, dtype=np.uint8)] * 2, [True]), 2)
    data = path.read_bytes()
    assert data.count(b"KM\x85") == 1
    path.write_bytes(data.replace(b"KM\x85", b"J\xff\xff\xff\x7f\x85"))
    with pytest.raises(LayoutError):
        read_bin(path)
