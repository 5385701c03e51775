"""The wrapper of the C++ library, against a library that implements kface.h by arithmetic."""

import ctypes
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from kface.bundle import golden, load
from kface.errors import ConfigError, ImageError, KFaceError, ModelError
from kface.faces import Faces
from kface.library import (
    FAILED_SIMILARITY,
    Engine,
    Library,
    OpaqueTemplate,
    TemplateError,
    finding,
    read_template,
    structures,
    values,
)

HEADER = Path(__file__).resolve().parents[3] / "src" / "export" / "library" / "include" / "kface.h"


def an_image(height=6, width=8, faces=1, seed=0):
    """Return an image with a number of faces, as the fake library finds them."""
    image = np.random.RandomState(seed).randint(0, 256, (height, width, 3)).astype(np.uint8)
    image[0, 0, 0] = faces
    return image


def test_numbers_are_the_headers():
    text = HEADER.read_text(encoding="utf-8")
    declared = dict(re.findall(r"KFACE_(\w+) = (-?\d+)", text))
    for name in ("OK", "NO_FACE", "FACE_FAILED", "FAILED_TEMPLATE"):
        assert getattr(values, name) == int(declared[name])
    for name in (
        "ARGUMENT",
        "IMAGE",
        "FILE",
        "BUNDLE",
        "NETWORK",
        "TEMPLATE",
        "MODEL",
        "CAPACITY",
        "MEMORY",
        "INTERNAL",
    ):
        assert getattr(values, name) == int(declared["ERROR_" + name])
    reasons = {int(number) for name, number in declared.items() if name.startswith("REASON_")}
    assert set(values.REASONS) == reasons
    assert re.search(r"#define KFACE_FAILED_SIMILARITY \((-\d\.\d)\)", text).group(1) == str(FAILED_SIMILARITY)


def test_structures_are_the_headers(make_fake, tmp_path):
    assert make_fake
    program = tmp_path / "sizes.c"
    names = {"image": structures.Image, "face": structures.Face, "options": structures.Options,
             "template_info": structures.TemplateInfo}  # fmt: skip
    lines = ["#include <stdio.h>", '#include "kface.h"', "int main(void) {"]
    for name, structure in names.items():
        lines.append('printf("%zu\\n", sizeof(kface_{}));'.format(name))
        for field in structure._fields_:
            lines.append('printf("%zu\\n", offsetof(kface_{}, {}));'.format(name, field[0]))
    program.write_text("\n".join(lines + ["return 0; }"]))
    subprocess.run(["cc", "-I", str(HEADER.parent), str(program), "-o", str(tmp_path / "sizes")], check=True)
    printed = subprocess.run([str(tmp_path / "sizes")], stdout=subprocess.PIPE, check=True).stdout.split()
    expected = []
    for structure in names.values():
        expected.append(ctypes.sizeof(structure))
        expected += [getattr(structure, field[0]).offset for field in structure._fields_]
    assert [int(number) for number in printed] == expected


def test_opening(library, make_bundle):
    assert library.version == "9.8.7"
    with library.open(make_bundle(5)) as engine:
        assert (engine.template_size, engine.embedding_size) == (80, 4)
        assert engine.fingerprint == "{:064x}".format(5)
        assert engine.self_check() == pytest.approx(0.9999)
    with pytest.raises(ModelError, match=r"gone: is not a bundle; give one that kface export wrote"):
        library.open("gone")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "0 - - 0"),
        ({"embedder": "onnx", "min_face": 39.8}, "0 onnx - 39.8"),
        ({"brighten": ["clahe", "log"], "threads": 2}, "2 - clahe,log 0"),
        ({"brighten": []}, "0 - none 0"),
    ],
)
def test_options_arrive(library, make_bundle, options, expected):
    library.functions.fake_options.restype = ctypes.c_char_p
    library.open(make_bundle(), **options).close()
    assert library.functions.fake_options().decode() == expected


@pytest.mark.parametrize(
    "options",
    [{"threads": 0}, {"threads": True}, {"threads": 1 << 31}, {"threads": 1.5}, {"threads": 1000}, {"min_face": float("nan")},
     {"min_face": 0}, {"embedder": "p\0b"}, {"embedder": 3}],
)  # fmt: skip
def test_wrong_options(library, make_bundle, options):
    with pytest.raises(ConfigError):
        library.open(make_bundle(), **options)
    with pytest.raises(ConfigError):
        library.open("a\0b")


def test_korean_paths(library, make_bundle, tmp_path):
    with library.open(make_bundle(name="얼굴 인식")) as engine:
        (tmp_path / "홍길동.ppm").write_bytes(b"abc")
        assert not engine.enrol(tmp_path / "홍길동.ppm").failed
        with pytest.raises(ImageError, match=r"없음\.jpg: does not exist"):
            engine.enrol("없음.jpg")


def test_faces(engine):
    image = an_image(faces=3)
    found = engine.detect(image)
    assert isinstance(found, Faces)
    assert (found.boxes.dtype, found.scores.dtype, found.landmarks.dtype) == (np.float32,) * 3
    np.testing.assert_array_equal(found.boxes[0], [*image.reshape(-1, 3).sum(axis=0), 8])
    np.testing.assert_array_equal(found.boxes[2], [2, 3, 4, 5])
    np.testing.assert_array_equal(found.landmarks[1], np.arange(10, 20).reshape(5, 2))
    np.testing.assert_allclose(found.scores, 1 - np.arange(3) / 256)
    assert engine.detect(an_image(faces=0)).boxes.shape == (0, 4)


def test_more_faces_than_there_was_room_for(engine):
    found = engine.detect(an_image(faces=201))
    assert found.count == 201
    np.testing.assert_array_equal(found.boxes[200], [200, 201, 202, 203])


def test_views_of_images(engine):
    whole = an_image(20, 30, seed=3)
    views = [
        whole[3:9, 4:11],
        whole[::2],
        whole[:, ::-1],
        whole[..., ::-1],
        whole.transpose(1, 0, 2),
        whole[5:6],
        whole[:, 7:8],
    ]
    views.append(np.broadcast_to(whole[:1], whole.shape))
    for view in views:
        view = view if view[0, 0, 0] else view[1:]
        expected = np.array(view).reshape(-1, 3).sum(axis=0)
        np.testing.assert_array_equal(engine.detect(view).boxes[0][:3], expected)


def test_images_of_files(engine, tmp_path):
    image = an_image()
    cv2.imwrite(str(tmp_path / "a.png"), image[..., ::-1])
    np.testing.assert_array_equal(engine.detect(str(tmp_path / "a.png")).boxes, engine.detect(image).boxes)
    with pytest.raises(ImageError):
        engine.detect(tmp_path / "absent.png")


@pytest.mark.parametrize("shape", [(0, 5, 3), (5, 0, 3), (0, 0, 3)])
def test_images_without_pixels_have_no_faces(engine, shape):
    image = np.zeros(shape, np.uint8)
    assert engine.detect(image).count == 0
    assert engine.enrol(image).failed


@pytest.mark.parametrize("image", [np.zeros((5, 5), np.uint8), np.zeros((5, 5, 3)), np.zeros((5, 5, 4), np.uint8),
                                   np.zeros((20001, 1, 3), np.uint8)])  # fmt: skip
def test_what_is_no_image_is_refused(engine, image):
    with pytest.raises(ImageError):
        engine.detect(image)
    with pytest.raises(ImageError):
        engine.enrol(image)
    with pytest.raises(ImageError):
        engine.align(image, np.zeros((5, 2)))


def test_sides_that_32_bits_cannot_hold_are_refused(engine):
    # As the library would see it, this image has no columns.
    wide = np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (1, 1 << 32, 3))
    with pytest.raises(ImageError, match="4294967296"):
        engine.detect(wide)


def test_alignment(engine):
    image = an_image(seed=2)
    landmarks = np.zeros((3, 5, 2))
    landmarks[0, 0], landmarks[1, 0], landmarks[2, 0] = (3, 2), (np.nan, 0), (7, 5)
    crops = engine.align(image, landmarks)
    assert (crops.shape, crops.dtype) == ((3, 112, 112, 3), np.uint8)
    assert (crops[0] == image[2, 3]).all()
    assert not crops[1].any()
    assert (crops[2] == image[5, 7]).all()
    np.testing.assert_array_equal(engine.align(image, landmarks[0]), crops[0])
    assert engine.align(image, np.zeros((0, 5, 2))).shape == (0, 112, 112, 3)
    for wrong in (np.zeros((10,)), np.zeros((5, 3)), np.zeros((1, 1, 5, 2))):
        with pytest.raises(ConfigError):
            engine.align(image, wrong)


def test_embedding(engine):
    crops = np.zeros((3, 112, 112, 3), np.uint8)
    crops[0], crops[2] = (3, 4, 12), (0, 0, 1)
    found = engine.embed(crops)
    assert (found.shape, found.dtype) == ((3, 4), np.float32)
    np.testing.assert_allclose(found[0], np.array([3, 4, 12, 1]) / 170**0.5, rtol=1e-6)
    assert not found[1].any()
    np.testing.assert_array_equal(engine.embed(crops[2]), found[2])
    np.testing.assert_array_equal(engine.embed(np.ascontiguousarray(crops[..., ::-1])[..., ::-1]), found)
    for wrong in (crops[:, 1:], crops.astype(float), crops[None], "a.jpg"):
        with pytest.raises(ImageError):
            engine.embed(wrong)


def test_enrolment(engine, tmp_path):
    image = an_image()
    made = engine.enrol(image)
    assert isinstance(made, OpaqueTemplate)
    assert (len(made.data), made.failed, made.reason, made.face.count) == (80, False, None, 1)
    np.testing.assert_array_equal(made.face.boxes, engine.detect(image).boxes[:1])
    content = read_template(made)
    colour = np.append(image.reshape(-1, 3).mean(axis=0), 1)
    np.testing.assert_allclose(content.embedding, colour / np.linalg.norm(colour), rtol=1e-6)
    assert (content.fingerprint, content.failed) == (engine.fingerprint, False)
    none = engine.enrol(an_image(faces=0))
    assert (none.failed, none.reason, none.face.count) == (True, "no face was found", 0)
    assert not read_template(none).embedding.any()


def test_what_cannot_be_read_raises_unless_failures_are_wanted(engine, tmp_path):
    with pytest.raises(ImageError, match="does not exist"):
        engine.enrol(str(tmp_path / "absent.jpg"))
    failed = engine.enrol(str(tmp_path / "absent.jpg"), failures=True)
    assert (failed.failed, failed.face.count) == (True, 0)
    assert failed.reason == "there is no image: it is missing, damaged or too large"
    assert engine.match(failed, engine.enrol(an_image())) == FAILED_SIMILARITY
    assert engine.enrol(np.zeros((20001, 1, 3), np.uint8), failures=True).failed


@pytest.mark.parametrize(
    ("status", "kind"),
    [(-1, ConfigError), (-2, ImageError), (-3, ImageError), (-4, ModelError), (-5, ModelError), (-6, TemplateError),
     (-7, TemplateError), (-8, KFaceError), (-9, KFaceError), (-10, KFaceError), (-77, KFaceError)],
)  # fmt: skip
def test_every_error_is_one_of_the_house(engine, tmp_path, status, kind):
    (tmp_path / "answer").write_bytes("status{:<4}a.jpg: is broken; mend it".format(status).encode())
    with pytest.raises(kind) as raised:
        engine.enrol(tmp_path / "answer")
    assert str(raised.value) == "a.jpg: is broken; mend it"
    assert type(raised.value) is kind
    (tmp_path / "answer").write_bytes("status{:<4}".format(status).encode())
    with pytest.raises(kind, match="an internal text" if status == -10 else "a status text"):
        engine.enrol(tmp_path / "answer")


def test_success_with_a_failed_template_is_an_error(engine, tmp_path):
    (tmp_path / "answer").write_bytes(b"status0")
    with pytest.raises(ModelError, match="returned a failed template with success"):
        engine.enrol(tmp_path / "answer")


def test_matches(engine):
    made = [engine.enrol(an_image(seed=seed)) for seed in range(4)] + [engine.enrol(an_image(faces=0))]
    rows = np.array([read_template(each).embedding for each in made], np.float64)
    expected = rows @ rows.T
    expected[4], expected[:, 4] = FAILED_SIMILARITY, FAILED_SIMILARITY
    found = engine.match_many(made[1:], made)
    assert (found.shape, found.dtype) == ((4, 5), np.float32)
    np.testing.assert_allclose(found, expected[1:], atol=1e-6)
    for i in range(5):
        for j in range(5):
            assert engine.match(made[i], made[j]) == pytest.approx(expected[i, j], abs=1e-12)
    assert engine.match_many([], made).shape == (0, 5)
    assert engine.match_many(made, []).shape == (5, 0)


def test_templates_may_be_bytes_or_arrays(engine):
    made = [engine.enrol(an_image(seed=seed)) for seed in range(3)]
    expected = engine.match_many(made, made)
    as_bytes = [each.data for each in made]
    np.testing.assert_array_equal(engine.match_many(as_bytes, [bytearray(each) for each in as_bytes]), expected)
    array = np.array([list(each) for each in as_bytes], np.uint8)
    np.testing.assert_array_equal(engine.match_many(array, array), expected)
    assert engine.match(as_bytes[0], array[1]) == pytest.approx(float(expected[0, 1]), abs=1e-6)
    for wrong in ("text", None, array[0].astype(int), array):
        with pytest.raises(TemplateError):
            engine.match(wrong, as_bytes[0])


def test_templates_that_do_not_fit(engine, library, make_bundle):
    made = engine.enrol(an_image())
    damaged = bytearray(made.data)
    damaged[20] ^= 1
    for wrong in (made.data[:-1], b"", made.data + b"\0", bytes(80), bytes(damaged)):
        with pytest.raises(TemplateError):
            engine.match(made, wrong)
        with pytest.raises(TemplateError):
            engine.match_many([made], [made, wrong])
        with pytest.raises(TemplateError):
            read_template(wrong)
    with library.open(make_bundle(6, "other")) as other, pytest.raises(TemplateError, match="of another model"):
        other.match(made, made)


def test_a_byte_of_a_template_that_changed_is_seen(engine):
    made = engine.enrol(an_image()).data
    for position in range(len(made)):
        changed = bytearray(made)
        changed[position] ^= 0x40
        with pytest.raises(TemplateError):
            read_template(changed)


def test_self_check(library, make_bundle):
    with library.open(make_bundle(7)) as engine, pytest.raises(
        ModelError, match="computes something else; take another"
    ):
        engine.self_check()


def test_a_closed_engine_says_so(library, make_bundle):
    engine = library.open(make_bundle())
    made = engine.enrol(an_image())
    engine.close()
    engine.close()
    for call in (
        lambda: engine.detect(an_image()),
        lambda: engine.enrol(an_image()),
        lambda: engine.embed(np.zeros((112, 112, 3), np.uint8)),
        lambda: engine.match(made, made),
        lambda: engine.match_many([made], [made]),
        engine.self_check,
    ):
        with pytest.raises(ModelError, match="has been closed"):
            call()


def test_threads(engine):
    images = [an_image(50, 60, seed=seed) for seed in range(8)]
    expected = [engine.enrol(image).data for image in images]
    wrong = []

    def work(number):
        for turn in range(50):
            if engine.enrol(images[number]).data != expected[number]:
                wrong.append(number)
            try:
                engine.enrol("absent-{}-{}.jpg".format(number, turn))
            except ImageError as error:
                if str(error) != "absent-{}-{}.jpg: does not exist; check the path".format(number, turn):
                    wrong.append(str(error))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize(
    ("definition", "message"),
    [("FAKE_ABI=2", "has interface version 2, and 1 is needed"), ("FAKE_INFO_SIZE=80", "structures of other sizes")],
)
def test_a_library_that_does_not_fit_is_refused(make_fake, definition, message):
    with pytest.raises(ModelError, match=message):
        Library(make_fake(definition))


def test_sizes_that_cannot_be(library, make_bundle):
    with pytest.raises(ModelError, match="templates have 80 bytes and embeddings 0 numbers"):
        library.open(make_bundle(13))


def test_another_library_is_refused(tmp_path, fake_path):
    assert fake_path
    (tmp_path / "libkface.so").write_bytes(b"\x7fELF")
    with pytest.raises(ModelError, match="is not kface's library"):
        Library(tmp_path)
    (tmp_path / "other.c").write_text("int kface_version(void) { return 1; }")
    subprocess.run(["cc", "-shared", "-fPIC", str(tmp_path / "other.c"), "-o", str(tmp_path / "other.so")], check=True)
    with pytest.raises(ModelError, match="lacks what it needs"):
        Library(tmp_path / "other.so")


def test_where_it_is_found(fake_path, monkeypatch, tmp_path):
    monkeypatch.delenv(finding.VARIABLE, raising=False)
    monkeypatch.setattr(finding, "PACKAGE", tmp_path / "src" / "kface")
    monkeypatch.setattr(finding, "REPOSITORY", tmp_path)
    with pytest.raises(ModelError, match="was not found; make library, or set KFACE_LIBRARY"):
        finding.find()
    beside = tmp_path / "src" / "kface" / "libkface.so"
    beside.parent.mkdir(parents=True)
    beside.write_bytes(b"")
    assert finding.find() == str(beside)
    built = tmp_path / "build" / "library-linux" / "libkface.so"
    built.parent.mkdir(parents=True)
    built.write_bytes(b"")
    # A folder build/ is ours only where the sources are.
    assert finding.find() == str(beside)
    header = tmp_path / "src" / "export" / "library" / "include" / "kface.h"
    header.parent.mkdir(parents=True)
    header.write_bytes(b"")
    assert finding.find() == str(built)
    monkeypatch.setenv(finding.VARIABLE, os.path.dirname(fake_path))
    assert finding.find() == fake_path
    assert finding.find(beside) == str(beside)
    monkeypatch.setenv(finding.VARIABLE, str(tmp_path / "absent"))
    with pytest.raises(ConfigError, match="KFACE_LIBRARY"):
        Library()
    with pytest.raises(ConfigError, match="does not exist"):
        Library(tmp_path / "absent.so")


def test_importing_it_takes_numpy_alone():
    code = "import sys, kface.library; print(sorted({'cv2', 'onnxruntime', 'kface.mtcnn', 'kface.images'} & set(sys.modules)))"
    environment = dict(os.environ, PYTHONPATH=str(HEADER.parents[3]))
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment, check=True)
    assert done.stdout.decode().strip() == "[]"


def test_the_real_library(real):
    library, bundle = real
    with library.open(bundle) as engine:
        assert isinstance(engine, Engine)
        assert engine.self_check() > 0.999
        known = golden.read(load(bundle))
        assert (engine.embed(known.crops) * known.embeddings).sum(axis=1).min() > 0.9999
        empty = engine.enrol(np.zeros((64, 64, 3), np.uint8))
        assert (empty.failed, empty.reason) == (True, "no face was found")
        assert len(empty.data) == engine.template_size == 64 + 4 * engine.embedding_size
        assert read_template(empty).fingerprint == engine.fingerprint
        assert engine.match(empty, empty) == FAILED_SIMILARITY
