"""Overrides as users type them: file names to the letter, expressions where expressions are meant."""

from pathlib import Path

import pytest

pytest.importorskip("hydra", reason="Hydra is not installed: stages are configured on workstations")

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from kface import overrides, stage

CONF = Path(__file__).resolve().parents[2] / "conf"
#: Settings without a value, or with a word, that are not free texts: choices of a list, numbers, lists.
NOT_TEXTS = {
    "backbone.neck", "backend", "callbacks.progress.enabled", "corpus.backend", "corpus.layout",
    "database.resolution", "database.subjects", "detector.landmarks", "dnn_size", "engine", "exclude.threshold",
    "fit.augmentation", "fit.distil", "fit.distil.colour", "fit.distil.normalisation", "fit.images_per_epoch",
    "fit.precision", "fit.validation.keep", "formats.engines", "formats.uff", "loss.base", "loss.scale",
    "loss.scale_start", "match.recognised", "match.unknown", "optimizer.clip_norm", "optimizer.schedule",
    "outputs.json_lines", "pairs.impostors", "precision", "precision.fp16", "precision.int8", "preprocessing.colour",
    "preprocessing.normalisation", "protocol.identities", "protocol.max_per_identity", "protocol.name",
    "protocol.test_conditions", "runtime.name", "sampler.per_identity_cap", "seconds", "seed", "stream.device",
    "stream.fps", "stream.kind", "stream.resolution", "stream.view",
}  # fmt: skip

NAMES = [
    "클립.mp4",
    "얼굴/가 나.mp4",
    "name(1).mp4",
    "a,b",
    "[x].mp4",
    "x[1].mp4",
    "{x}",
    "2024",
    "1e5",
    "007",
    "true.mp4",
    "a#b & c; d!=e",
    "it's",
    'say "hi"',
    "back\\slash",
    "ends\\",
    "q\\'uote",
    "a$b ${HOME",
    "${x}y}",
    "%41",
    "@x",
    "*?",
    "-",
    "key: value",
    "~no-such-user-here/x",
    "é\u0301 \U0001f468\u200d\U0001f469",
    "'quoted' and 'quoted'",
    "tab\there",
    "[]",
    "()",
    "a=b==c",
    "+x",
    "<>|`",
]


def parsed(argument):
    config = OmegaConf.create({"value": OverridesParser.create().parse_override(argument).value()})
    return config.value


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("key", ["source", "corpus.root", "+evaluate.lfw"])
def test_a_file_name_is_taken_to_the_letter(key, name):
    (argument,) = overrides.literal([key + "=" + name], stage.parses)
    if name.startswith("${x}"):
        argument = argument.replace("${x}", "\\${x}")  # a reference to a setting that this configuration lacks
    assert parsed(argument) == name


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("[얼굴/가 나, x]", ["얼굴/가 나", "x"]),
        ("[a (1).bin, 2, null, '2']", ["a (1).bin", 2, None, "2"]),
        (
            "[{corpus: folders, root: /얼굴, cap: 20, test: false}]",
            [{"corpus": "folders", "root": "/얼굴", "cap": 20, "test": False}],
        ),
        ("[a, b]", ["a", "b"]),
        ("[얼굴, a", "[얼굴, a"),
        ("[얼굴]/a", "[얼굴]/a"),
    ],
)
@pytest.mark.parametrize("key", ["exclude.testset", "corpus.parts"])
def test_lists_hold_file_names_too(key, value, meant):
    (argument,) = overrides.literal([key + "=" + value], stage.parses)
    assert parsed(argument) == meant


@pytest.mark.parametrize("name", NAMES)
def test_hydra_s_own_quotes_still_work(name):
    given = "source=" + overrides.quote(name)
    assert overrides.literal([given], stage.parses) == [given]


@pytest.mark.parametrize(
    "argument",
    [
        "backbone=resnet50",
        "fit.epochs=3",
        "formats.opsets=[13,17]",
        "source=null",
        "resume=true",
        "evaluate.pairs=6000",
        "corpus.root=",
        'source="클립.mp4"',
        "match={recognised: 0.5}",
        "--help",
        "-m",
        "~experiment",
        "no_value",
    ],
)
def test_what_is_no_text_is_left_as_it_is(argument):
    assert overrides.literal([argument], stage.parses) == [argument]


def test_a_value_that_hydra_cannot_parse_is_a_text_for_any_key():
    assert parsed(*overrides.literal(["corpus.title=얼굴 (새)"], stage.parses)) == "얼굴 (새)"
    assert parsed(*overrides.literal(["fit.epochs=1("], stage.parses)) == "1("


def test_a_sweep_stays_one():
    assert overrides.literal(["corpus.root=a,b"], stage.parses, sweep=True) == ["corpus.root=a,b"]
    assert parsed(*overrides.literal(["corpus.root=a,가"], stage.parses, sweep=True)) == "a,가"


def test_a_reference_to_another_setting_stays_one():
    (argument,) = overrides.literal(["out=${data_dir}/가"], stage.parses)
    value = OverridesParser.create().parse_override(argument).value()
    assert OmegaConf.create({"data_dir": "data", "out": value}).out == "data/가"


def test_the_home_directory(monkeypatch):
    monkeypatch.setenv("HOME", "/users/김")
    assert parsed(*overrides.literal(["evaluate.lfw=~/lfw"], stage.parses)) == "/users/김/lfw"
    assert parsed(*overrides.literal(["evaluate.lfw=a~b"], stage.parses)) == "a~b"


def leaves(node, prefix=""):
    for key in node:
        value = OmegaConf.to_container(node, resolve=False)[key] if not OmegaConf.is_missing(node, key) else "???"
        name = "{}{}".format(prefix, key)
        if isinstance(value, dict):
            for leaf in leaves(node[key], name + "."):
                yield leaf
        else:
            yield name, value


def test_every_setting_is_a_text_or_is_known_not_to_be(monkeypatch):
    monkeypatch.setenv("KFACE_CONF", str(CONF))
    found = set()
    for root in CONF.glob("*.yaml"):
        groups = {}
        for group in [path.name for path in CONF.iterdir() if path.is_dir()]:
            if "- {}:".format(group) in root.read_text(encoding="utf-8"):
                groups[group] = sorted(path.stem for path in (CONF / group).glob("*.yaml"))
        groups.pop("experiment", None)
        sets = [[]] + [["{}={}".format(group, choice)] for group, names in groups.items() for choice in names]
        for chosen in sets:
            for key, value in leaves(stage.compose(root.stem, chosen)):
                if not key.startswith("hydra") and (value is None or isinstance(value, str)):
                    found.add(key)
    found = {key for key in found if not key.endswith("_target_") and key != "fit.seed" and not key.endswith(".jobs")}
    found = {key for key in found if not key.startswith("database.mapping.")}
    assert found - set(overrides.TEXTS) == NOT_TEXTS
    # These two have a number and false for their defaults.
    assert set(overrides.TEXTS) - found == {"evaluate.pairs", "resume"}
