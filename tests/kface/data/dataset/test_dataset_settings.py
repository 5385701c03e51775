import pytest
from dataset_fakes import FakeMtcnn, write_tree

from kface.data.dataset import DatasetSettings, build
from kface.data.dataset.settings import differences
from kface.errors import ConfigError, ProtocolError, WrongSettingsError


def test_defaults_are_valid():
    settings = DatasetSettings().validated()
    assert settings.min_face == (79.1, 39.8, 20.0)
    assert settings.validated() == settings


def test_lists_and_numbers_become_plain():
    settings = DatasetSettings(
        protocol="t4", min_face=[40, 20], thresholds=[0.5, 0.5, 0.5], test=["b", "a"]
    ).validated()
    assert (settings.protocol, settings.min_face, settings.test) == ("T4", (40.0, 20.0), ("a", "b"))
    assert DatasetSettings(min_face=20).validated().min_face == (20.0,)
    assert DatasetSettings(test=18).validated().test == 18


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("layout", "tar"),
        ("landmarks", "guess"),
        ("test", 0),
        ("test", 1.0),
        ("test", -3),
        ("test", "19062421"),
        ("test", True),
        ("published", "yes"),
        ("seed", -1),
        ("seed", 0.5),
        ("identities", 1),
        ("max_per_identity", 0),
        ("max_per_shard", 0),
        ("min_face", ()),
        ("min_face", (20, 40)),
        ("min_face", (20, 20)),
        ("min_face", (19,)),
        ("min_face", "large"),
        ("thresholds", (0.6, 0.7)),
        ("thresholds", (0.6, 0.7, 1.2)),
        ("factor", 1.0),
        ("runtime", None),
        ("quality", 0),
        ("quality", 101),
        ("quality", True),
    ],
)
def test_bad_values_name_the_setting(key, value):
    with pytest.raises(ConfigError, match="^" + key + ": "):
        DatasetSettings(**{key: value}).validated()


def test_contradictions_and_unknown_protocols():
    with pytest.raises(ConfigError, match="landmarks"):
        DatasetSettings(layout="folders", landmarks="camera").validated()
    with pytest.raises(ProtocolError, match="T5"):
        DatasetSettings(protocol="T5").validated()


def test_fingerprints_and_differences():
    one, other = DatasetSettings(), DatasetSettings(quality=90, min_face=(20,))
    assert one.fingerprint == DatasetSettings().validated().fingerprint
    assert one.fingerprint != other.fingerprint
    assert len(one.fingerprint) == 16
    assert differences(one.as_dict(), other.as_dict()) == ["min_face [79.1, 39.8, 20.0] -> [20]", "quality 95 -> 90"]


def test_all_wrong_settings_are_reported_at_once():
    with pytest.raises(WrongSettingsError) as caught:
        DatasetSettings(
            layout="kfac", landmarks="eyes", seed=-1, quality=0, factor=2, thresholds=5, brighten="x"
        ).validated()
    assert [line.split(":")[0] for line in caught.value.lines] == [
        "layout",
        "landmarks",
        "seed",
        "quality",
        "thresholds",
        "factor",
        "brighten",
    ]


def test_data_sets_of_earlier_versions_stay_valid():
    # Fingerprints of a version without samplers; a setting that was added later is recorded only where it is not the default.
    assert DatasetSettings().validated().fingerprint == "9946f746cb2a7635"
    assert DatasetSettings(layout="folders", test=3).validated().fingerprint == "5defb270485bf94c"
    assert DatasetSettings(test_conditions="T4").as_dict()["test_conditions"] == "T4"


def test_test_people_with_conditions_of_their_own(tmp_path):
    settings = DatasetSettings(protocol="T1", test=1, published=False, test_conditions="T4")
    manifest = build(
        write_tree(tmp_path / "tree"), tmp_path / "out", settings, detector=FakeMtcnn(), jobs=1, progress=False
    )
    manifest = manifest.manifest
    sizes = {split: {shard.images for shard in manifest.of(split)} for split in ("train", "test")}
    # T1 has one light and no accessory, in three of the cameras here; T4 has both lights and accessories.
    assert sizes == {"train": {3}, "test": {12}}
    with pytest.raises(ProtocolError, match="T9"):
        DatasetSettings(test_conditions="T9").validated()
    with pytest.raises(ConfigError, match="test_conditions"):
        DatasetSettings(test_conditions=4).validated()


def test_no_test_people(tmp_path):
    settings = DatasetSettings(test=None, identities=3)
    tree = write_tree(tmp_path / "tree")
    manifest = build(tree, tmp_path / "out", settings, detector=FakeMtcnn(), jobs=1, progress=False).manifest
    assert (len(manifest.subjects("train")), manifest.subjects("test")) == (3, ())
