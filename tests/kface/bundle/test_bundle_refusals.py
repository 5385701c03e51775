"""Changed bundles: each is refused with one line that names the file and the remedy."""

import json
import os
import re

import pytest
from bundle_fakes import edit, write_bundle

from kface import bundle
from kface.errors import ConfigError, ModelError


@pytest.fixture
def directory(tmp_path):
    write_bundle(tmp_path / "bundle")
    return tmp_path / "bundle"


def refusal(directory, name, message, check="hashes"):
    """Load a bundle and return the refusal, which has to name a file, in one line, with a remedy."""
    with pytest.raises(ModelError, match=message) as caught:
        bundle.load(directory, check=check)
    line = str(caught.value)
    assert line.startswith(str(directory / name))
    assert "\n" not in line
    assert caught.value.remedy
    return line


NAMES = ["embedder.onnx", "embedder.pb", "detector/pnet.onnx", "deploy.yaml", "MODEL_CARD.md"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("check", ["hashes", "sizes"])
def test_truncated_longer_and_missing_files(directory, name, check):
    data = (directory / name).read_bytes()
    for wrong in (data[:-1], b"", data + b"\0"):
        (directory / name).write_bytes(wrong)
        refusal(directory, name, "has {} bytes, not the {}".format(len(wrong), len(data)), check)
    (directory / name).unlink()
    assert "export it again" in refusal(directory, name, "is missing", check)


@pytest.mark.parametrize("name", NAMES)
def test_one_byte_flipped(directory, name):
    data = bytearray((directory / name).read_bytes())
    data[len(data) // 2] ^= 1
    (directory / name).write_bytes(bytes(data))
    assert "copy the bundle again" in refusal(directory, name, "was changed: its SHA-256")
    bundle.load(directory, check="sizes")


def test_two_files_swapped(directory):
    first, second = directory / "embedder.onnx", directory / "embedder.int8.onnx"
    assert first.stat().st_size == second.stat().st_size
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)
    refusal(directory, "embedder.int8.onnx", "was changed")


@pytest.mark.parametrize("check", ["hashes", "sizes"])
def test_a_file_renamed_or_moved_within_the_bundle(directory, check):
    (directory / "embedder.onnx").rename(directory / "embedder.fp32.onnx")
    refusal(directory, "embedder.onnx", "is missing", check)
    (directory / "embedder.fp32.onnx").rename(directory / "detector" / "embedder.onnx")
    refusal(directory, "embedder.onnx", "is missing", check)


@pytest.mark.parametrize("check", ["hashes", "sizes"])
@pytest.mark.parametrize("name", ["other.onnx", "detector/qnet.onnx", "a/b.PB", "x.uff", "embedder.engine"])
def test_networks_that_nobody_listed(directory, name, check):
    (directory / name).parent.mkdir(exist_ok=True)
    (directory / name).write_bytes(b"x")
    assert "remove it" in refusal(directory, name, "is a network that the manifest does not list", check)


@pytest.mark.parametrize("check", ["hashes", "sizes"])
def test_links_out_of_the_bundle(directory, tmp_path, check):
    outside = tmp_path / "elsewhere.onnx"
    (directory / "embedder.onnx").rename(outside)
    (directory / "embedder.onnx").symlink_to(outside)
    refusal(directory, "embedder.onnx", "is a link that leads out of the bundle", check)
    (directory / "embedder.onnx").unlink()
    (directory / "embedder.onnx").symlink_to("../elsewhere.onnx")
    refusal(directory, "embedder.onnx", "is a link that leads out of the bundle", check)
    (directory / "embedder.onnx").unlink()
    outside.rename(directory / "embedder.onnx")
    # A sibling's name that begins as the bundle's does is outside all the same.
    (tmp_path / "bundle2").mkdir()
    (directory / "more").symlink_to(tmp_path / "bundle2")
    refusal(directory, "more", "is a link that leads out of the bundle", check)


def test_a_directory_that_is_a_link_out_of_the_bundle(directory, tmp_path):
    (directory / "detector").rename(tmp_path / "detector")
    (directory / "detector").symlink_to(tmp_path / "detector")
    refusal(directory, "detector", "is a link that leads out of the bundle")


def test_what_is_no_file(directory):
    (directory / "deploy.yaml").unlink()
    (directory / "deploy.yaml").mkdir()
    refusal(directory, "deploy.yaml", "is not a file")
    (directory / "deploy.yaml").rmdir()
    os.mkfifo(str(directory / "deploy.yaml"))
    refusal(directory, "deploy.yaml", "is not a file")


@pytest.mark.parametrize(
    "name",
    [
        "../embedder.onnx",
        "/etc/passwd",
        "a/../../b.onnx",
        "./a.onnx",
        "a//b.onnx",
        "",
        "c:\\b.onnx",
        "c:b.onnx",
        "a\nb.onnx",
    ]
    + ["detector/..", "manifest.json"],
)
def test_paths_that_lead_out_of_the_bundle(directory, name):
    def change(document):
        document["files"][name] = document["files"].pop("embedder.pb")

    edit(directory, change)
    line = refusal(directory, "manifest.json", "names a file that is not inside the bundle")
    assert json.dumps(name) in re.sub(r"; .*", "", line)


def place(*steps):
    return lambda document: _walk(document, steps[:-2]).__setitem__(steps[-2], steps[-1])


def _walk(value, steps):
    for step in steps:
        value = value[step]
    return value


PB = ("files", "embedder.pb")
FIELDS = [
    (place("schema", True), "schema must be a whole number of at least 0, not true"),
    (place("name", 3), "name must be a text, not 3"),
    (place("name", " "), "name must be a text"),
    (place("created", "today"), "created must be of the form"),
    (place("embedding", "512"), 'embedding must be a whole number of at least 1, not "512"'),
    (place("embedding", True), "embedding must be a whole number of at least 1, not true"),
    (place("embedding", 0), "embedding must be a whole number of at least 1"),
    (place("fingerprint", "abc"), "fingerprint must be of the form"),
    (place("training", []), r"training must be an object, not \[\]"),
    (place("synthetic", 1), "synthetic must be true or false, not 1"),
    (place("licence", None), "licence must be a text, not null"),
    (place("provenance", {}), "provenance must be a list"),
    (place("provenance", ["x"]), r"provenance\[0\] must be an object"),
    (place("provenance", 0, "licence", 1), r"provenance\[0\].licence must be a text"),
    (place("files", []), "files must be an object"),
    (place("files", "embedder.pb", 1), "files.embedder.pb must be an object"),
    (place(*PB, "sha256", "A" * 64), "files.embedder.pb.sha256 must be of the form"),
    (place(*PB, "bytes", 40.0), "files.embedder.pb.bytes must be a whole number of at least 0, not 40.0"),
    (place(*PB, "bytes", -1), "files.embedder.pb.bytes must be a whole number"),
    (place(*PB, "role", "brain"), "files.embedder.pb.role must be one of detector, embedder, settings, card"),
    (place(*PB, "role", []), "files.embedder.pb.role must be one of"),
    (place(*PB, "format", "onnx"), "files.embedder.pb.format must be the file's ending"),
    (place(*PB, "precision", "fp8"), "files.embedder.pb.precision must be one of fp32, fp16, int8"),
    (place(*PB, "precision", None), "files.embedder.pb.precision must be given for a network"),
    (place(*PB, "opset", "13"), "files.embedder.pb.opset must be a whole number"),
    (place(*PB, "batch", "some"), "files.embedder.pb.batch must be a whole number of at least 1"),
    (place(*PB, "batch", 0), "files.embedder.pb.batch must be a whole number of at least 1"),
    (place(*PB, "batch", None), "files.embedder.pb.batch must be given"),
    (place(*PB, "normalised", "yes"), "files.embedder.pb.normalised must be true or false"),
    (place(*PB, "normalised", None), "files.embedder.pb.normalised must be given for an embedder"),
    (place(*PB, "input", None), "files.embedder.pb.input must be given"),
    (place(*PB, "outputs", "embedding"), "files.embedder.pb.outputs must be a list of texts"),
    (place(*PB, "outputs", []), "files.embedder.pb.outputs must be given"),
    (place(*PB, "layout", "CHW"), "files.embedder.pb.layout must be one of NCHW, NHWC"),
    (place(*PB, "parity", 3), "files.embedder.pb.parity must be an object"),
    (place(*PB, "more", 3), "has an unknown field files.embedder.pb.more"),
    (place("preprocessing", None), "preprocessing must be an object"),
    (place("preprocessing", "size", [112]), "preprocessing.size must be 2 numbers"),
    (place("preprocessing", "size", [112, 0.5]), "preprocessing.size must be a width and a height"),
    (place("preprocessing", "colour", "rgb"), "preprocessing.colour must be one of RGB, BGR"),
    (place("preprocessing", "mean", "127.5"), "preprocessing.mean must be a number"),
    (place("preprocessing", "divisor", 0), "preprocessing.divisor must be more than 0"),
    (place("template", "name", 1), "template.name must be a text"),
    (place("template", "points", [[1, 2]]), "template.points must be 5 points"),
    (place("template", "points", 4, [1, "2"]), "template.points.4 must be 2 numbers"),
    (place("thresholds", []), "thresholds must be an object"),
    (place("thresholds", "rows", None), "thresholds.rows must be a list"),
    (place("thresholds", "genuine", 0), "thresholds.genuine must be a whole number of at least 1"),
    (
        place("thresholds", "rows", 0, "threshold", "0.5"),
        r"thresholds.rows\[0\].threshold must be a number from -1 to 1",
    ),
    (place("thresholds", "rows", 0, "threshold", None), r"rows\[0\].threshold must be given with its rates, or null"),
    (place("thresholds", "rows", 0, "fmr", "value", 1.5), r"rows\[0\].fmr.value must be a number from 0 to 1"),
    (place("thresholds", "rows", 0, "fmr", "interval", [0]), r"rows\[0\].fmr.interval must be 2 numbers"),
    (place("thresholds", "rows", 3, "threshold", 0.9), r"rows\[3\].threshold must be given with its rates, or null"),
    (place("surprise", 1), "has an unknown field surprise"),
]


@pytest.mark.parametrize(("change", "message"), FIELDS, ids=[message for _, message in FIELDS])
def test_fields_of_a_wrong_type_or_value(directory, change, message):
    edit(directory, change)
    refusal(directory, "manifest.json", message)


@pytest.mark.parametrize("steps", [("name",), ("digest",), ("thresholds",), ("files", "embedder.pb", "bytes")])
def test_fields_that_are_missing(directory, steps):
    edit(directory, lambda document: _walk(document, steps[:-1]).pop(steps[-1]), sign=False)
    refusal(directory, "manifest.json", "has no field {}".format(".".join(steps)))


def test_right_types_with_other_values(directory):
    original = (directory / "manifest.json").read_bytes()
    for change in (place("thresholds", "rows", 0, "threshold", 0.1), place(*PB, "normalised", False)):
        edit(directory, change, sign=False)
        refusal(directory, "manifest.json", "was edited: its digest is not that of its fields")
        (directory / "manifest.json").write_bytes(original)
    for change in (
        place("preprocessing", "mean", 0.0),
        place("preprocessing", "colour", "BGR"),
        place("files", "embedder.onnx", "sha256", "0" * 64),
    ):
        edit(directory, change)
        refusal(directory, "manifest.json", "fingerprint is not that of embedder.onnx and how it is fed")
        (directory / "manifest.json").write_bytes(original)


def test_faces_that_this_program_would_align_otherwise(directory):
    from kface.bundle import AlignmentTemplate, BundlePreprocessing, fingerprint

    def other(document, preprocessing, template):
        document["preprocessing"] = dict(preprocessing._asdict())
        document["template"] = dict(template._asdict())
        sha256 = document["files"]["embedder.onnx"]["sha256"]
        document["fingerprint"] = fingerprint(sha256, preprocessing, template)

    points = tuple((x + 1.0, y) for x, y in AlignmentTemplate().points)
    edit(directory, lambda document: other(document, BundlePreprocessing(), AlignmentTemplate("mine", points)))
    refusal(directory, "manifest.json", "aligned to mine at 112x112, which this program cannot do")
    edit(directory, lambda document: other(document, BundlePreprocessing(size=(96, 112)), AlignmentTemplate()))
    refusal(directory, "manifest.json", "at 96x112, which this program cannot do")


@pytest.mark.parametrize("schema", [0, 2, "1", None])
def test_other_schema_versions(directory, schema):
    edit(directory, place("schema", schema))
    message = "has schema version {}, this program reads 1".format(json.dumps(schema))
    assert "export the bundle again with this version" in refusal(directory, "manifest.json", message)


def test_what_is_no_manifest(directory):
    path = directory / "manifest.json"
    whole = path.read_bytes()
    for data in (whole[: len(whole) // 2], b"", b"\xff\xfe", b'{"a": NaN}', b"[" * 100000):
        path.write_bytes(data)
        refusal(directory, "manifest.json", "is damaged: not JSON")
    path.write_bytes(b"[]")
    refusal(directory, "manifest.json", r"the document must be an object, not \[\]")
    path.write_bytes(b'{"kind": "kface data set", "schema": 1}')
    refusal(directory, "manifest.json", "is not a bundle's manifest")


def test_there_is_no_bundle(tmp_path):
    with pytest.raises(ModelError, match=r"is not a bundle \(manifest.json is missing\); export one: kface export"):
        bundle.load(tmp_path)
    with pytest.raises(ModelError, match="is not a bundle"):
        bundle.load(tmp_path / "absent")
    (tmp_path / "manifest.json").mkdir()
    with pytest.raises(ModelError, match="manifest.json: cannot be read"):
        bundle.load(tmp_path)


def test_an_unknown_check(directory):
    with pytest.raises(ConfigError, match="check: must be hashes or sizes, not 'none'"):
        bundle.load(directory, check="none")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100000, "nested too deeply"),
        ('{"embedding": 1' + "0" * 400 + "}", "a whole number of 401 digits"),
        ('{"embedding": 1e999}', "beyond double precision"),
        ('{"embedding": NaN}', "NaN is not JSON"),
        ('{"name": "a", "name": "b"}', "occurs twice"),
        ('{"name": "\\ud800"}', "surrogates"),
        ("²", "not JSON"),
    ],
)
def test_json_that_other_readers_choke_on(directory, text, message):
    (directory / "manifest.json").write_text(text, encoding="utf-8")
    refusal(directory, "manifest.json", "is damaged: not JSON .*" + message if "not JSON" not in message else message)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("name", "\x1b[2J", "name must be a text"),
        ("licence", "two\nlines", "licence must be a text"),
        ("name", "\u2028", "name must be a text"),
        ("embedding", 10**9, "embedding must be a whole number of at most 65536"),
        ("embedding", 2**60, "embedding must be a whole number of at most"),
        ("embedding", "²", "embedding must be a whole number"),
    ],
)
def test_values_that_would_reach_the_terminal_or_the_memory(directory, key, value, message):
    edit(directory, lambda document: document.__setitem__(key, value))
    line = refusal(directory, "manifest.json", message)
    assert line.isprintable()


def test_a_huge_batch_is_no_batch(directory):
    edit(directory, lambda document: document["files"]["embedder.pb"].__setitem__("batch", 10**9))
    refusal(directory, "manifest.json", "batch must be a whole number of at most 4096")


def test_a_manifest_without_an_end(directory):
    (directory / "manifest.json").unlink()
    os.mkfifo(str(directory / "manifest.json"))
    refusal(directory, "manifest.json", "cannot be read")
