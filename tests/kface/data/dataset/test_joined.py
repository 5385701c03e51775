"""Several corpora as one data set, and identities left out: names, test people, weights, and what was changed since."""

import functools
import json
import shutil
import sys

import cv2
import numpy as np
import pytest
import record_fakes as rec
import yaml
from dataset_fakes import FakeMtcnn, picture
from omegaconf import OmegaConf

from kface import stage
from kface.data.dataset import load, read, read_arrays
from kface.data.dataset.stage import DatasetJob, prepare, summary
from kface.data.exclusion import Exclusion, find_excluded, plain_name, thumbnails
from kface.data.mixture import MixtureCorpus
from kface.errors import ConfigError, DatasetError, KFaceError, LayoutError
from kface.images import encode_jpeg
from train.pipeline import TrainingSplit


def write_crops(root, people, images=2, seed=0):
    """Aligned crops, a folder a person; equal seeds give equal pictures."""
    for number, person in enumerate(people):
        (root / person).mkdir(parents=True, exist_ok=True)
        for image in range(images):
            data = encode_jpeg(picture(seed + 10 * number + image, size=(112, 112)))
            (root / person / f"{person}_{image:04d}.jpg").write_bytes(data)
    return root


NAMES = ("Ann_Lee", "Bo_Kim", "Cy_Young", "Dora_Maar")


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpora")
    rec.write(root / "records", rec.insightface({label: rec.crops(3, label) for label in range(4)}))
    return {"crops": write_crops(root / "crops", NAMES), "records": root / "records"}


@functools.cache
def composed(corpus):
    return stage.compose("dataset", ["jobs=1", "progress=false", "protocol.test=1", f"corpus={corpus}"])


def config_of(tmp_path, corpus, *overrides):
    """A configuration, which is composed once for each corpus."""
    config = composed(corpus).copy()
    for override in (f"data_dir={tmp_path}", *overrides):
        key, _, value = override.partition("=")
        OmegaConf.update(config, key, OmegaConf.create({"value": yaml.safe_load(value)}).value)
    return config


def mixture(tmp_path, roots, second="test: false", *overrides):
    parts = f"[{{corpus: crops, root: '{roots['crops']}', weight: 1}}, "
    parts += f"{{corpus: recordio, root: '{roots['records']}', name: ms, cap: 2, weight: 3, {second}}}]"
    return DatasetJob.of(config_of(tmp_path, "mixture", f"corpus.parts={parts}", *overrides))


def test_several_corpora_are_one_data_set(tmp_path, roots, capsys):
    job = mixture(tmp_path, roots)
    report = prepare(job)
    manifest = load(job.directory, "hashes")
    assert manifest == report.manifest
    # A single part has test people, which keep their names.
    (tested,) = manifest.subjects("test")
    assert tested in NAMES
    expected = {f"crops:{name}" for name in NAMES if name != tested} | {f"ms:000000{label}" for label in range(4)}
    assert set(manifest.subjects("train")) == expected
    assert manifest.images("train") == 3 * 2 + 4 * 3
    assert manifest.source["layout"] == "crops"
    assert not manifest.source["synthetic"]
    images, captures = read_arrays(manifest, "train")
    assert len(images) == 18
    assert {capture.subject for capture in captures} == expected
    assert {record.capture.subject for record in read(manifest, "test")} == {tested}
    split = TrainingSplit.of(manifest)
    assert (split.weights, split.caps) == ((1.0, 3.0), (None, 2))
    assert set(split.subjects) == expected
    people = split.population
    assert [people.members[split.subjects.index(name)] for name in ("ms:0000000", "ms:0000003")] == [1, 1]
    assert people.counts.tolist() == [2, 2, 2, 3, 3, 3, 3]
    # Built once; the parts are data sets of their own.
    assert prepare(job).built == 0
    assert len(list((tmp_path / "aligned").iterdir())) == 3
    assert "4 people to train, 0 of 0 to test" in capsys.readouterr().out


def test_test_people_of_several_parts_do_not_mix(tmp_path, roots):
    manifest = prepare(mixture(tmp_path, roots, "test: true")).manifest
    assert {name.partition(":")[0] for name in manifest.subjects("test")} == {"crops", "ms"}
    assert manifest.source["layout"] == "joined"


def test_weights_belong_to_the_fingerprint(tmp_path, roots):
    one, other = mixture(tmp_path, roots), mixture(tmp_path, roots, "test: false, weight: 2")
    assert one.directory != other.directory
    assert prepare(one).manifest.fingerprint != prepare(other).manifest.fingerprint


def test_a_joined_data_set_moves_with_its_members_and_notices_changes(tmp_path, roots):
    job = mixture(tmp_path / "old", roots)
    before = prepare(job).manifest
    shutil.move(tmp_path / "old", tmp_path / "new")
    place = tmp_path / "new" / "aligned" / job.directory.name
    assert load(place).fingerprint == before.fingerprint
    path = place / "manifest.json"
    whole = json.loads(path.read_text())
    for damage, message in (
        ({"members": []}, "is damaged"),
        ({"members": [{"name": 1}]}, r"is damaged \(members\)"),
        ({"excluded": [{}]}, r"is damaged \(excluded\)"),
        ({"schema": 9}, "has schema version 9"),
        ({"fingerprint": "0"}, r"is damaged \(fingerprint\)"),
    ):
        path.write_text(json.dumps({**whole, **damage}))
        with pytest.raises(DatasetError, match=message):
            load(place)
    whole["members"][0]["fingerprint"] = "0" * 64
    path.write_text(json.dumps(whole))
    with pytest.raises(DatasetError, match="was built again since it became a member"):
        load(place)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ("[]", "corpus.parts: names no corpus"),
        ("kface", "corpus.parts: must be a list of corpora"),
        ("[kface]", r"corpus\.parts\[0\]: must be a corpus with its settings"),
        ("[{corpus: lfw}]", r"corpus\.parts\[0\]\.corpus: must be one of kface, "),
        ("[{corpus: crops, weight: 0}]", r"corpus\.parts\[0\]\.weight"),
        ("[{corpus: crops, cap: 0}]", r"corpus\.parts\[0\]\.cap"),
        ("[{corpus: crops, test: 1}]", r"corpus\.parts\[0\]\.test"),
        ("[{corpus: crops, rot: x}]", r"corpus\.parts\[0\]: cannot be a corpus of kind crops .*'rot'"),
        ("[{corpus: crops}, {corpus: crops}]", "two parts are called crops; give each another name"),
        ("[{corpus: crops, name: 'a:b'}]", "contains a colon"),
    ],
)
def test_wrong_parts_are_one_line(tmp_path, parts, message):
    with pytest.raises(KFaceError, match=message) as caught:
        MixtureCorpus(yaml.safe_load(parts), data_dir=tmp_path).prepare()
    assert "\n" not in str(caught.value)


def test_photographs_without_labels(tmp_path, roots, monkeypatch):
    monkeypatch.setattr(sys.modules["kface.data.dataset.build"], "Mtcnn", lambda *_: FakeMtcnn())
    root = tmp_path / "photographs"
    for number, name in enumerate(("a.jpg", "deep/er/b.jpg", "deep/c.jpg", ".hidden.jpg", "notes.txt")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(encode_jpeg(picture(number)))
    report = prepare(DatasetJob.of(config_of(tmp_path, "photographs", f"corpus.root='{root}'")))
    manifest = load(report.manifest.directory)
    assert manifest.source["labelled"] is False
    assert {record.path for record in read(manifest)} == {"a.jpg", "deep/er/b.jpg", "deep/c.jpg"}
    assert manifest.problems["stray file"]["times"] == 2
    assert manifest.subjects("test") == ()
    with pytest.raises(KFaceError, match="holds photographs without identities, which only a teacher can label"):
        TrainingSplit.of(manifest)
    split = TrainingSplit.of(manifest, labelled=False)
    assert (split.subjects, split.image_labels.tolist()) == ((), [-1, -1, -1])
    assert split.population.pools.tolist() == [True]
    # Beside people: the photographs are a pool of their own.
    parts = f"[{{corpus: photographs, root: '{root}'}}, {{corpus: recordio, root: '{roots['records']}', cap: 2}}]"
    joined = prepare(DatasetJob.of(config_of(tmp_path, "mixture", f"corpus.parts={parts}"))).manifest
    with pytest.raises(KFaceError, match="photographs without identities"):
        TrainingSplit.of(joined)
    split = TrainingSplit.of(joined, labelled=False)
    assert sorted(np.unique(split.image_labels).tolist()) == [-1, 0, 1, 2]
    assert split.population.caps_with(None).tolist() == [2, 2, 2, np.inf]
    (tmp_path / "empty").mkdir()
    with pytest.raises(LayoutError, match="contains no image"):
        prepare(DatasetJob.of(config_of(tmp_path, "photographs", f"corpus.root='{tmp_path / 'empty'}'")))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Jos\u00e9_Mar\u00eda Aznar", "jose-maria.aznar"),
        ("Jose\u0301", "JOS\u00c9"),
        ("\uae40\ucca0\uc218", "\u1100\u1175\u11b7\u110e\u1165\u11af\u1109\u116e"),
    ],
)
def test_names_that_are_written_otherwise(one, other):
    assert plain_name(one) == plain_name(other) != ""
    assert plain_name("0000123") == plain_name("_") == ""
    assert plain_name("김철수") != plain_name("김철")


class TestExclusion:
    def manifest(self, tmp_path, roots, *overrides):
        crops = ("crops", f"corpus.root='{roots['crops']}'", "protocol.test=null")
        job = DatasetJob.of(config_of(tmp_path, *crops, *overrides))
        return job, prepare(job)

    def test_by_name(self, tmp_path, roots):
        names = tmp_path / "names.txt"
        names.write_text("ann lee\nSomebody Else\n\nDÓRA-MAAR\n", encoding="utf-8")
        job, report = self.manifest(tmp_path, roots, f"exclude.testset='{names}'", "exclude.by=[name]")
        manifest = load(job.directory)
        assert manifest == report.manifest
        assert manifest.subjects("train") == ("Bo_Kim", "Cy_Young")
        assert [tuple(one) for one in manifest.excluded] == [
            ("Ann_Lee", "names", "ann lee", "name", None, 2),
            ("Dora_Maar", "names", "DÓRA-MAAR", "name", None, 2),
        ]
        lines = summary(report).splitlines()
        assert "  not trained on: Ann_Lee (ann lee in names, by name)" in lines
        # The complete data set stays, and is used by all exclusions.
        _, complete = self.manifest(tmp_path, roots)
        assert complete.built == 0
        assert len(complete.manifest.subjects("train")) == 4

    def test_copies_of_photographs(self, tmp_path, roots, monkeypatch):
        from kface.data import testsets

        # Another name, and a copy that was enlarged and compressed; the test set's faces are found in it.
        copy = cv2.resize(picture(11, size=(112, 112)), (160, 160))
        small = cv2.resize(
            cv2.imdecode(cv2.imencode(".jpg", copy, [1, 60])[1], 1), (112, 112), interpolation=cv2.INTER_AREA
        )
        (tmp_path / "set" / "images" / "X_Y").mkdir(parents=True)
        for number in range(2):
            (tmp_path / "set" / "images" / "X_Y" / f"{number}.jpg").write_bytes(b"x")
        faces = np.stack([picture(999, size=(112, 112)), small])
        monkeypatch.setattr(testsets, "acquire", lambda files, *_: (faces, np.zeros(2, bool)))
        _, report = self.manifest(tmp_path, roots, f"exclude.testset=['{tmp_path / 'set'}']")
        assert [tuple(one) for one in report.manifest.excluded] == [("Bo_Kim", "set", "X_Y", "image", None, 2)]

    def test_by_similarity(self, tmp_path, roots, monkeypatch):
        from kface import bundle
        from kface.data import testsets
        from kface.recognizer import embedder

        class Means:
            """Embeds a crop by its mean colour in a few places."""

            def __init__(self, _):
                pass

            def run(self, crops):
                small = np.stack([cv2.resize(crop, (3, 3), interpolation=cv2.INTER_AREA) for crop in crops])
                vectors = small.reshape(len(crops), -1).astype(np.float32) - 128
                return type("Output", (), {"vectors": vectors / np.linalg.norm(vectors, axis=1, keepdims=True)})

            def close(self):
                pass

        (tmp_path / "set" / "p").mkdir(parents=True)
        (tmp_path / "set" / "p" / "0.jpg").write_bytes(b"x")
        face = (picture(20, size=(112, 112)) // 2 + picture(21, size=(112, 112)) // 2)[None]
        monkeypatch.setattr(testsets, "acquire", lambda files, *_: (face, np.zeros(1, bool)))
        monkeypatch.setattr(bundle, "load", lambda _: None)
        monkeypatch.setattr(embedder, "Embedder", Means)
        options = ("exclude.by=similarity", "exclude.bundle=somewhere", "exclude.threshold=0.9")
        _, report = self.manifest(tmp_path, roots, f"exclude.testset='{tmp_path / 'set'}'", *options)
        (one,) = report.manifest.excluded
        assert one[:4] == ("Cy_Young", "set", "p", "similarity")
        assert 0.9 < one.score < 1.01

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"testset": "/nowhere"}, "exclude.testset=/nowhere: does not exist"),
            ({"testset": None, "by": ["face"]}, "exclude.by: must be one or more of name, image, similarity"),
            ({"testset": None, "by": "similarity"}, "similarity needs a network; add exclude.bundle=DIR"),
            ({"testset": None, "bundle": "x"}, "is used by similarity only"),
            ({"testset": None, "threshold": 2}, "exclude.threshold"),
        ],
    )
    def test_wrong_settings(self, given, message):
        with pytest.raises(ConfigError, match=message):
            Exclusion.of(given)

    def test_everything_left_out_is_one_line(self, tmp_path, roots):
        with pytest.raises(DatasetError, match="no identity is left to train on"):
            self.manifest(tmp_path, roots, f"exclude.testset='{roots['crops']}'", "exclude.by=name")

    def test_what_holds_nobody(self, tmp_path, roots):
        (tmp_path / "empty").mkdir()
        (tmp_path / "none.txt").write_text("\n")
        manifest = self.manifest(tmp_path, roots)[1].manifest
        for name in ("empty", "none.txt"):
            with pytest.raises(LayoutError, match="contains no"):
                find_excluded(manifest, Exclusion((tmp_path / name,), ("name",)), tmp_path)


def test_thumbnails_of_different_pictures_differ():
    small = thumbnails(np.stack([picture(seed, size=(112, 112)) for seed in range(30)]))
    alike = small @ small.T - 2 * np.eye(30)
    assert alike.max() < 0.97
    np.testing.assert_allclose(np.linalg.norm(small, axis=1), 1, rtol=1e-5)
