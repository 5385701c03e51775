"""``kface gallery``: people enrolled from images, and recognised later, with a reader that needs no network."""

import io
import os
import sqlite3
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("cryptography")

import kface
from deploy import __main__ as deploy
from deploy import gallery_command
from deploy.face_reader import FaceReader, open_reader
from kface import alignment
from kface.bundle import ThresholdRow, Thresholds
from kface.errors import ImageError
from kface.gallery import enrolment, find_key
from kface.images import read_image
from kface.recognizer import OperatingPoint
from kface.recognizer.embedder import EmbedderOutput
from kface.recognizer.embeddings import FaceEmbedding
from kface.verification.report import RateEstimate

SOURCES = os.path.dirname(os.path.dirname(os.path.abspath(kface.__file__)))
TABLE = Thresholds(
    "pairs",
    True,
    9,
    9,
    9,
    0,
    0,
    (
        ThresholdRow(1e-2, 0.3, RateEstimate(0.01), RateEstimate(0.1)),
        ThresholdRow(1e-3, 0.7, RateEstimate(0.001), RateEstimate(0.2)),
    ),
)


def face(seed, **changes):
    random = np.random.RandomState(seed)
    vector = random.normal(size=256).astype(np.float32)
    made = FaceEmbedding(
        vector / np.linalg.norm(vector),
        False,
        None,
        np.array([10, 20, 130, 160], np.float32),
        0.99,
        alignment.TEMPLATE,
        random.randint(0, 256, (112, 112, 3)).astype(np.uint8),
        500.0,
    )
    return made._replace(**changes)


def read_named(image):
    """Return a picture in whose first bytes its name is; ``torn`` cannot be read."""
    if image == "torn":
        raise ImageError("is a truncated JPEG", image, "copy the file again")
    picture = np.zeros((200, 200, 3), np.uint8)
    name = np.frombuffer(image.encode("ascii"), np.uint8)
    picture.reshape(-1)[: len(name)] = name
    return picture


class Recognizer:
    """Images are names: ``kim.1`` has the face of the person with the number 1, ``two`` has two."""

    detector = None
    operating_point = OperatingPoint(0.7, 0.3, 1e-3)

    def operating_point_for(self, people):
        return self.operating_point

    def __init__(self, fingerprint):
        self.fingerprint = fingerprint

    @property
    def embedder(self):
        return self

    def run(self, crops):
        vectors = crops[:, ::28, ::28].reshape(len(crops), -1).astype(np.float32)
        return EmbedderOutput(vectors, np.zeros((len(crops),), bool))

    def close(self):
        self.fingerprint = None

    def faces(self, image):
        if isinstance(image, np.ndarray):
            image = image.reshape(-1)[:20].tobytes().rstrip(b"\0").decode("ascii")
        if image == "two":
            return [face(1), face(2)]
        if image == "none":
            return []
        if image == "blurred":
            return [face(1, crop=np.full((112, 112, 3), 100, np.uint8), box=np.array([0, 0, 20, 20], np.float32))]
        if image == "failed":
            return [face(1, failed=True, reason="the landmarks cannot be aligned")]
        if image == "cut":
            return [face(1, box=np.array([-40, 20, 80, 160], np.float32))]
        if image == "rolled":
            return [face(1, landmarks=alignment.TEMPLATE[:, ::-1] * np.array([-1, 1]) + np.array([130, 0]))]
        if image == "torn":
            return read_named(image)
        return [face(int(image.split(".")[-1]))]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    for name in (
        "KFACE_GALLERY_KEY",
        "KFACE_GALLERY_KEY_FILE",
        "KFACE_GALLERY",
        "KFACE_BUNDLE",
        "KFACE_GALLERY_PASSPHRASE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(
        gallery_command, "open_reader", lambda directory, *rest: FaceReader(Recognizer(str(directory) * 4), TABLE)
    )
    monkeypatch.setattr(enrolment, "read_image", read_named)
    return tmp_path


@pytest.fixture
def run(capsys):
    def inner(*arguments):
        status = deploy.main(["gallery"] + [str(argument) for argument in arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return inner


def test_people_are_enrolled_listed_and_recognised(run, home):
    assert run("add", "Kim", "a.1", "b.2", "--bundle", "B") == (
        0,
        "a.1: template 1 of Kim\nb.2: template 2 of Kim\n",
        "",
    )
    assert run("add", "이영희", "c.3", "--bundle", "B", "--keep-crops")[0] == 0
    status, out, _ = run("list")
    assert status == 0
    assert [line.split("\t")[:3] for line in out.splitlines()] == [
        ["Kim", "2 templates", "0 crops"],
        ["이영희", "1 templates", "1 crops"],
    ]
    assert [line.split("\t")[1::2] for line in run("list", "이영희")[1].splitlines()] == [["3", "with crop"]]
    status, out, err = run("match", "x.2", "y.3", "z.9", "none", "--bundle", "B")
    lines = out.splitlines()
    assert (status, err) == (0, "")
    assert lines[0] == "x.2: face 1 at 10,20-130,160: Kim, score 1.000, FMR 0.001"
    assert lines[1] == "y.3: face 1 at 10,20-130,160: 이영희, score 1.000, FMR 0.001"
    assert lines[2].startswith("z.9: face 1 at 10,20-130,160: unknown (nearest ")
    assert lines[3] == "none: no face"
    assert (home / "data" / "kface" / "gallery.db").is_file()
    assert (home / "config" / "kface" / "gallery.key").is_file()


@pytest.mark.parametrize("arguments", [("add", "Kim", "a.1"), ("add", "Kim", "none"), ("match", "a.1"), ("reenrol",)])
def test_what_was_opened_is_closed(run, monkeypatch, arguments):
    assert run("add", "Kim", "b.2", "--bundle", "B", "--keep-crops")[0] == 0
    made = []

    def open_reader(directory, *rest):
        made.append(Recognizer(str(directory) * 4))
        return FaceReader(made[-1], TABLE)

    monkeypatch.setattr(gallery_command, "open_reader", open_reader)
    run(*(arguments + ("--bundle", "B")))
    assert [one.fingerprint for one in made] == [None]


def test_refused_images_are_listed_with_their_reasons_and_the_others_enrolled(run):
    status, out, err = run("add", "Kim", "two", "none", "a.1", "blurred", "failed", "torn", "--bundle", "B")
    assert status == 1
    assert out == "a.1: template 1 of Kim\n"
    lines = err.splitlines()
    assert "two: is not good enough to enrol: faces 2 (exactly 1)" in lines[0]
    assert "none: is not good enough to enrol: faces 0 (exactly 1)" in lines[1]
    assert "blurred: is not good enough to enrol: size 20 (at least 60 pixels), sharpness 0 (at least 60)" in lines[2]
    assert "failed: cannot be enrolled: the landmarks cannot be aligned" in lines[3]
    assert "torn: is a truncated JPEG" in lines[4]
    assert lines[5] == "gallery: 5 of 6 images refused"
    assert run("add", "Kim", "blurred", "--bundle", "B", "--size", "10", "--sharpness", "0")[0] == 0


def test_a_cut_face_and_one_that_is_not_upright_are_refused(run):
    status, out, err = run("add", "Kim", "cut", "rolled", "--bundle", "B")
    assert (status, out) == (1, "")
    lines = err.splitlines()
    assert "cut: is not good enough to enrol: " in lines[0]
    assert "outside 0.333 (the face extends beyond the picture: at most 0.1 of it)" in lines[0]
    assert "rolled: is not good enough to enrol: " in lines[1]
    assert "roll 89.7 (" in lines[1]
    assert "the face is not upright: at most 45 degrees" in lines[1]
    every = ["--outside", "0.5", "--roll", "180", "--pitch", "0", "1", "--yaw", "1"]
    assert run("add", "Kim", "cut", "rolled", "--bundle", "B", *every)[0] == 0


def test_the_pitch_can_be_overridden_like_the_others(run):
    status, _, err = run("add", "Kim", "a.1", "--bundle", "B", "--pitch", "0.6", "0.7")
    assert status == 1
    assert "(from 0.6 to 0.7)" in err
    assert run("add", "Kim", "a.1", "--bundle", "B", "--pitch", "0", "1")[0] == 0
    status, _, err = run("add", "Kim", "a.1", "--bundle", "B", "--pitch", "0.7", "0.6")
    assert (status, err) == (2, "gallery: --pitch: must be minimum and maximum, not 0.7 and 0.6\n")
    assert run("add", "Kim", "a.1", "--bundle", "B", "--size", "nan")[0] == 2


def test_the_same_face_under_another_name_is_a_warning(run):
    run("add", "Kim", "a.1", "--bundle", "B")
    status, out, err = run("add", "Lee", "a.1", "b.2", "--bundle", "B")
    assert (status, out) == (0, "a.1: template 2 of Lee\nb.2: template 3 of Lee\n")
    assert err == "gallery: a.1: warning: the same picture is already enrolled as Kim\n"


def test_rename_merge_delete(run):
    run("add", "Kim", "a.1", "a.2", "--bundle", "B")
    run("add", "Lee", "a.3", "--bundle", "B")
    assert run("rename", "Lee", "Park")[0] == 0
    assert run("merge", "Kim", "Park") == (0, "1 templates of Park moved to Kim\n", "")
    assert run("delete", "Kim", "--template", "2")[0] == 0
    status, _, err = run("delete", "Kim", "--template", "2")
    assert (status, err) == (2, "gallery: Kim: has no template 2; `list NAME` shows its templates\n")
    assert run("delete", "Kim") == (0, "2 templates of Kim deleted\n", "")
    assert run("list") == (0, "", "")
    assert run("delete", "Kim") == (2, "", "gallery: Kim: no such person; `kface gallery list` shows the names\n")


def test_export_and_import(run, home, monkeypatch):
    run("add", "Kim", "a.1", "--bundle", "B", "--keep-crops")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    status, _, err = run("export", home / "out")
    assert (status, err) == (
        2,
        "gallery: KFACE_GALLERY_PASSPHRASE: is not set, and there is no terminal to ask for it; set it\n",
    )
    monkeypatch.setenv("KFACE_GALLERY_PASSPHRASE", "four words of passphrase")
    assert run("export", home / "out")[:2] == (0, "1 people written to {}\n".format(home / "out"))
    other = ["--gallery", home / "other.db", "--key-file", home / "other.key"]
    assert run("import", home / "out", *other) == (0, "1 people added, 1 templates added, 0 already present\n", "")
    assert find_key(home / "other.key") != find_key()
    assert "Kim, score 1.000" in run("match", "x.1", "--bundle", "B", *other)[1]
    monkeypatch.setenv("KFACE_GALLERY_PASSPHRASE", "another passphrase")
    status, _, err = run("import", home / "out", *other)
    assert status == 2
    assert "the passphrase is wrong" in err
    assert err.count("\n") == 1


def test_the_passphrase_is_asked_for_twice_when_it_is_new(run, home, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    run("add", "Kim", "a.1", "--bundle", "B")
    monkeypatch.setattr("sys.stdin", Terminal())
    answers = ["a long passphrase", "a long passphrasf", "a long passphrase", "a long passphrase", "a long passphrase"]
    monkeypatch.setattr("getpass.getpass", lambda prompt: answers.pop(0))
    assert run("export", home / "out") == (2, "", "gallery: the passphrases do not match; try again\n")
    assert run("export", home / "out")[0] == 0
    assert run("import", home / "out")[:2] == (0, "0 people added, 0 templates added, 1 already present\n")
    assert answers == []


def test_another_model_is_refused_until_the_crops_are_embedded_anew(run):
    run("add", "Kim", "a.1", "--bundle", "B", "--keep-crops")
    run("add", "Lee", "a.2", "--bundle", "B")
    status, _, err = run("match", "a.1", "--bundle", "C")
    assert status == 2
    assert "from another model (BBBB) than this one (CCCC)" in err
    assert "gallery reenrol" in err
    status, _, err = run("reenrol", "--bundle", "C")
    assert status == 2
    assert "1 of 2 templates, of 1 people, have no crop" in err
    assert run("reenrol", "--bundle", "C", "--discard") == (0, "1 templates recomputed, 1 removed\n", "")
    assert [line.split("\t")[:2] for line in run("list")[1].splitlines()] == [
        ["Kim", "1 templates"],
        ["Lee", "0 templates"],
    ]


def test_what_decides_can_be_chosen(run):
    run("add", "Kim", "a.1", "--bundle", "B")
    far = face(1).embedding * 0.5 + face(2).embedding * 0.85
    cosine = float(np.dot(far / np.linalg.norm(far), face(1).embedding))
    assert 0.3 < cosine < 0.7
    Recognizer.faces, before = (lambda self, image: [face(1, embedding=far)]), Recognizer.faces
    try:
        assert "undecided (nearest Kim), score 0." in run("match", "x", "--bundle", "B")[1]
        assert ": Kim, score 0." in run("match", "x", "--bundle", "B", "--fmr", "1e-2")[1]
        assert "unknown (nearest Kim)" in run("match", "x", "--bundle", "B", "--fmr", "1e-3")[1]
        assert ": Kim, score 0." in run("match", "x", "--bundle", "B", "--threshold", "0.1")[1]
        assert "unknown (nearest Kim)" in run("match", "x", "--bundle", "B", "--threshold", "0.9")[1]
    finally:
        Recognizer.faces = before
    assert "choose one of: 0.01, 0.001" in run("match", "a.1", "--bundle", "B", "--fmr", "1e-7")[2]
    assert run("match", "a.1", "--bundle", "B", "--threshold", "7")[0] == 2
    assert run("match", "a.1", "--bundle", "B", "-k", "0") == (2, "", "gallery: -k: must be at least 1, not 0\n")


def test_what_is_missing_is_said_in_one_line(run, home):
    for arguments, what in (
        (["list"], "no gallery; enrol someone first"),
        (["match", "a.1", "--bundle", "B"], "no gallery"),
        (["add", "Kim", "a.1"], "--bundle: is not set, and no bundle was found in outputs or bundles"),
        (["add", " ", "a.1", "--bundle", "B"], "a name must not be empty"),
    ):
        status, out, err = run(*arguments)
        assert (status, out) == (2, "")
        assert what in err
        assert err.startswith("gallery: ")
        assert err.count("\n") == 1


def test_a_key_is_never_an_argument():
    parser = gallery_command.parser()
    for command in gallery_command.COMMANDS:
        with pytest.raises(SystemExit):
            parser.parse_args([command, "--key", "AAAA"])
        with pytest.raises(SystemExit):
            parser.parse_args([command, "--passphrase", "secret words"])


def test_the_dispatcher_imports_a_command_only_when_it_is_asked_for(capsys):
    code = (
        "import sys; from deploy.__main__ import main; main(['--help']); print('deploy.gallery_command' in sys.modules)"
    )
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([SOURCES] + [path for path in sys.path if path]))
    done = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
    out = done.communicate(timeout=120)[0].decode()
    assert "gallery" in out
    assert out.endswith("False\n")
    assert deploy.main(["galery"]) == 2
    assert "deploy: galery: unknown command; write gallery, or see kface --help" in capsys.readouterr().err
    assert deploy.main([]) == 2
    assert "Usage:" in capsys.readouterr().err


def test_hangul_under_a_terminal_without_it(home):
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([SOURCES] + [path for path in sys.path if path]))
    environment.update(LC_ALL="C", LANG="C", PYTHONIOENCODING="ascii", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0")
    environment["KFACE_GALLERY"] = str(home / "gallery.db")
    with gallery_command.open_gallery(home / "gallery.db", "f" * 64) as gallery:
        gallery.add("Kim", np.ones(8, np.float32))

    def command(*arguments):
        process = subprocess.Popen(
            [sys.executable.encode(), b"-m", b"deploy", b"gallery"]
            + [argument.encode("utf-8") for argument in arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    assert command("rename", "Kim", "김철수") == (0, b"", b"")
    status, out, _ = command("list")
    assert status == 0
    assert out.startswith(b"\\uae40\\ucca0\\uc218\t1 templates")
    with gallery_command.open_gallery(home / "gallery.db") as gallery:
        assert gallery.list()[0].name == "김철수"


def test_a_real_bundle_enrols_and_recognises_real_faces(shared_data, run, home, monkeypatch):
    directory = os.environ.get("KFACE_TEST_BUNDLE")
    if not directory:
        pytest.skip("no exported model is named (set KFACE_TEST_BUNDLE)")
    images = [str(path) for path in sorted((shared_data / "lfw").glob("**/Elizabeth_Dole_000*.jpg"))[:4]]
    if len(images) < 4:
        pytest.skip("the images of LFW are not here")
    monkeypatch.setattr(gallery_command, "open_reader", open_reader)
    monkeypatch.setattr(enrolment, "read_image", read_image)
    status, out, _ = run("add", "Dole", *images, "--bundle", directory, "--keep-crops", "--yaw", "1")
    added = out.splitlines()
    assert status in (0, 1)
    assert added
    found = run("match", added[0].split(":")[0], "--bundle", directory)[1]
    assert ": Dole, score 1.000" in found


def edit(home, statement):
    db = sqlite3.connect(str(home / "data" / "kface" / "gallery.db"))
    db.execute(statement)
    db.commit()
    db.close()


def test_damage_is_listed_and_the_others_are_recognised(run, home):
    run("add", "Kim", "a.1", "b.2", "--bundle", "B")
    run("add", "Lee", "c.3", "--bundle", "B")
    single = "Lee: one template only, 3, and no crop to judge it by\n"
    assert run("check") == (0, "2 people, 3 templates, 0 crops valid; 3 changes recorded\n" + single, "")
    edit(home, "UPDATE template SET sealed = zeroblob(9) WHERE id = 1")
    for command in ("check", "list"):
        status, _, err = run(command)
        assert status == 1
        assert "Kim: template 1 of the person" in err
        assert "rows that cannot be used: 1" in err
        assert "gallery accept" in err
    assert ": Lee, score 1.000" in run("match", "x.3", "--bundle", "B")[1]
    assert run("delete", "Kim", "--template", "1")[0] == 0
    assert run("check")[0] == 0


def test_check_lists_what_was_enrolled_wrongly(run, monkeypatch):
    run("add", "Kim", "a.1", "b.1", "--bundle", "B")
    run("add", "Lee", "c.1", "--bundle", "B")
    status, out, err = run("check")
    assert (status, err) == (0, "")
    assert out.splitlines()[1:] == [
        "Kim: template 1 is the same picture as template 3 of Lee",
        "Kim: template 2 is the same picture as template 3 of Lee",
        "Lee: one template only, 3, and no crop to judge it by",
    ]
    status, out, err = run("check", "--bundle", "nowhere")
    assert (status, out) == (2, "")
    assert "nowhere: is not a bundle" in err


def test_an_older_gallery_is_refused_until_it_is_accepted(run, home):
    run("add", "Kim", "a.1", "--bundle", "B")
    file = home / "data" / "kface" / "gallery.db"
    kept = file.read_bytes()
    run("add", "Lee", "c.3", "--bundle", "B")
    file.write_bytes(kept)
    for command in (["list"], ["check"], ["add", "Park", "d.4", "--bundle", "B"]):
        status, out, err = run(*command)
        assert (status, out) == (2, "")
        assert "it was replaced by an older file" in err
        assert err.endswith("kface gallery accept\n")
    status, out, _ = run("accept")
    assert (status, out) == (0, "its newest change is 1 (it was 2)\n")
    assert run("list")[0] == 0
    assert run("accept")[1] == "nothing to accept\n"


def test_nothing_from_the_file_reaches_the_terminal(run, home):
    run("add", "Kim", "a.1", "--bundle", "B")
    edit(home, "UPDATE person SET created = char(27) || '[2J' || char(8238)")
    edit(home, "UPDATE template SET created = char(27) || ']0;x' || char(7)")
    assert run("list")[1] == "Kim\t1 templates\t0 crops\t\\x1b[2J\\u202e\n"
    assert "\x1b" not in run("list", "Kim")[1]
    edit(home, "UPDATE person SET id = char(27) || '[2J'")
    status, out, err = run("list")
    assert status == 1
    assert "\x1b" not in out + err


def test_a_name_with_joiners_is_listed_as_typed_and_one_that_looks_the_same_is_said(run):
    name = "علی\u200cرضا"
    assert run("add", name, "a.1", "--bundle", "B")[0] == 0
    assert run("list")[1].startswith(name + "\t")
    status, out, err = run("add", "علیرضا", "b.2", "--bundle", "B")
    assert (status, out) == (0, "b.2: template 2 of {}\n".format(name))
    assert "already enrolled as {}, which looks the same".format(name) in err
    status, _, err = run("add", "\u3164", "a.1", "--bundle", "B")
    assert status == 2
    assert "a name must not contain U+3164, which is invisible" in err


def test_an_export_onto_the_gallery_or_its_key_is_refused(run, home, monkeypatch):
    monkeypatch.setenv("KFACE_GALLERY_PASSPHRASE", "a passphrase")
    run("add", "Kim", "a.1", "--bundle", "B")
    for path in ("data/kface/gallery.db", "data/kface/gallery.db-wal", "config/kface/gallery.key"):
        status, _, err = run("export", home / path)
        assert status == 2
        assert "choose another file for the export" in err
    assert run("list")[0] == 0
