"""Damages bundles at random and loads them: whatever a file says, there is one line of refusal or none, never a traceback.

Run from the checkout's root: ``python tests/attack/bundle_mutations.py [SEED [COUNT]]``. Keeps to Python 3.6 and to what the
core needs, and opens no network in a runtime: what those do with damaged files is theirs.
"""

import contextlib
import copy
import json
import random
import shutil
import sys
import tempfile
import traceback
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
for folder in (ROOT / "src", ROOT / "tests" / "kface" / "bundle", ROOT / "tests" / "kface" / "networks"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from bundle_fakes import fill, found_in, manifest_of, picture  # noqa: E402
from protobuf_fakes import field  # noqa: E402

from kface import bundle  # noqa: E402
from kface.alignment import align  # noqa: E402
from kface.bundle import golden, golden_writer  # noqa: E402
from kface.bundle.manifest import PRECISIONS, digest  # noqa: E402
from kface.errors import KFaceError  # noqa: E402
from kface.faces import Faces  # noqa: E402
from kface.files import sha256_bytes  # noqa: E402
from kface.mtcnn import weights  # noqa: E402
from kface.networks import RUNTIMES, allowed  # noqa: E402
from kface.networks.frozen_graph import frozen_inputs  # noqa: E402
from kface.networks.onnx_inputs import inputs_of  # noqa: E402
from kface.tensorrt import sidecar  # noqa: E402

#: Stands in a text for what JSON's writer would not write.
RAW = "@raw@"
VALUES = [
    None, True, False, 0, -1, 1, 0.5, -0.0, 1e308, 2**31, 2**53 + 1, 2**63, 2**64, 10**400, -(10**400), "", " ", "0", "²",
    "٣", "\x00", "\x1b[2J", "\u2028", "\u3164", "../x", "x" * 5000, "dynamic", "fp32", "onnx", [], {}, [[]], [None], {"": 0},
    RAW + "NaN", RAW + "Infinity", RAW + "-Infinity", RAW + "1e999", RAW + "-1e999", RAW + "\"\\ud800\"", RAW + "1" * 5000,
    RAW + "[" * 60 + "]" * 60, RAW + "[" * 500 + "]" * 500, RAW + "[" * 100000, RAW + "{\"a\":" * 3000,
    RAW + "{\"a\":1,\"a\":2}",
]  # fmt: skip


def campaign(seed, count):
    """Load `count` damaged bundles, engines and networks.

    Returns:
        How many were tried, and a text for each that ended in anything but a refusal of one line.
    """
    rng = random.Random(seed)
    failed = []
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place) / "bundle"
        attacks = [_manifest, _manifest, _golden, _detector, _raw, _engine, _onnx, _frozen]
        _make(directory)
        before = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
        for number in range(count):
            attack = attacks[number % len(attacks)]
            try:
                attack(rng, directory)
            except KFaceError as error:
                line = str(error)
                if "\n" in line or "\x1b" in line or not line.isprintable() or len(line) > 1500:
                    failed.append(f"{attack.__name__} {number} of seed {seed}: {line[:300]!r}")
            except Exception:
                failed.append(f"{attack.__name__} {number} of seed {seed}:\n{traceback.format_exc()}")
            for path, data in before.items():
                path.write_bytes(data)
    return count, failed


def _make(directory):
    directory.mkdir()
    files = [file for file in fill(directory) if file.path != "detector/manifest.json"]
    names = [name + form for name in weights.NAMES for form in (".onnx", ".split.onnx")] + [weights.CANVAS]
    known = {"schema": weights.SCHEMA, "source": "mtcnn", "files": dict.fromkeys(names, "0" * 64)}
    (directory / "detector" / "manifest.json").write_text(json.dumps(known))
    files.append(bundle.describe(directory, "detector/manifest.json", "detector"))
    rows = np.random.RandomState(0)
    faces = rows.randint(0, 256, (2, 112, 112, 3)).astype(np.uint8)
    pictures = [(picture(), found_in(picture())), (picture(1)[:40], Faces.empty())]
    crops = np.concatenate([align(picture(), found_in(picture()).landmarks), faces])
    settings = golden.DetectorSettings()
    files += golden_writer.write(directory, crops, rows.normal(size=(3, 8)), None, pictures, settings)
    bundle.write(directory, manifest_of(tuple(files), embedding=8))


def _load(directory):
    """Ask a bundle for all that can be asked for without opening a network."""
    found = bundle.load(directory)
    bundle.model_card(found.manifest)
    for runtime in RUNTIMES:
        for precision in PRECISIONS:
            with contextlib.suppress(KFaceError):
                found.embedders(runtime, precision)
    vectors = golden.read(found)
    for one in vectors.pictures if vectors is not None else ():
        golden.read_picture(found, one)
    weights.hashes(found.detector_directory)


def _manifest(rng, directory):
    path = directory / "manifest.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    for _ in range(rng.randint(1, 2)):
        document = _changed(rng, document)
    _write(rng, path, document)
    _load(directory)


def _golden(rng, directory):
    path = directory / golden.VECTORS
    document = json.loads(path.read_text(encoding="utf-8"))
    if rng.random() < 0.7:
        # The long lists would get nearly all the changes.
        vectors = document.pop("embeddings")
        document = _changed(rng, document)
        if isinstance(document, dict):
            document["embeddings"] = vectors
    else:
        document = _changed(rng, document)
    _write(rng, path, document)
    _sign(directory, golden.VECTORS)
    _load(directory)


def _detector(rng, directory):
    path = directory / "detector" / "manifest.json"
    _write(rng, path, _changed(rng, json.loads(path.read_text(encoding="utf-8"))))
    _sign(directory, "detector/manifest.json")
    _load(directory)


def _raw(rng, directory):
    name = rng.choice(["manifest.json", "detector/manifest.json", golden.VECTORS, golden.CROPS, "golden/picture1.png"])
    path = directory / name
    path.write_bytes(_bytes(rng, path.read_bytes()))
    if name != "manifest.json":
        _sign(directory, name)
    _load(directory)


def _engine(rng, directory):
    folder = Path(tempfile.mkdtemp(dir=str(directory.parent)))
    try:
        plan = b"plan"
        path = folder / "x.engine"
        document = {"schema": sidecar.SCHEMA, "sha256": sha256_bytes(plan), "bytes": 4, "profiles": {"image": [[1, 3]]}}
        _write(rng, Path(sidecar.path_of(path)), _changed(rng, document))
        path.write_bytes(plan)
        sidecar.check(path, plan)
    finally:
        shutil.rmtree(str(folder))


def _onnx(rng, directory):
    shape = field(1, field(1, 3) + field(2, b"n"))
    value = field(1, b"image") + field(2, field(1, field(2, shape)))
    tensor = field(1, 4) + field(2, 1) + field(8, b"w") + field(9, b"\0" * 16)
    then = field(1, field(4, b"Relu"))
    node = field(4, b"If") + field(5, field(6, then) + field(5, tensor))
    graph = field(1, node) + field(5, tensor) + field(11, value)
    data = field(1, 7) + field(7, graph)
    for _ in range(20):
        _network(_bytes(rng, data), "x.onnx", inputs_of)


def _frozen(rng, directory):
    entry = field(1, b"shape") + field(2, field(7, field(2, field(1, 3))))
    constant = field(1, b"value") + field(2, field(8, field(1, 1) + field(4, b"\0" * 8)))
    nodes = [field(2, b"Placeholder") + field(5, entry), field(2, b"Const") + field(5, constant)]
    data = b"".join(field(1, node) for node in nodes) + field(2, field(1, field(3, nodes[1])))
    for _ in range(20):
        _network(_bytes(rng, data), "x.pb", frozen_inputs)


def _network(data, name, read):
    try:
        allowed.check(data, name)
    except KFaceError as error:
        if not str(error).isprintable():
            raise ValueError(f"a refusal that cannot be printed: {str(error)!r}")
    with contextlib.suppress(ValueError):
        read(data)


def _changed(rng, document):
    """Return a document with one of its values replaced, removed, added, or under another key."""
    if not isinstance(document, (dict, list)):
        return document
    document = copy.deepcopy(document)
    places = []
    todo = [document]
    while todo:
        part = todo.pop()
        inner = list(part.items()) if isinstance(part, dict) else list(enumerate(part))
        places += [(part, key) for key, _ in inner]
        todo += [value for _, value in inner if isinstance(value, (dict, list))]
    if not places or rng.random() < 0.02:
        return rng.choice(VALUES)
    part, key = rng.choice(places)
    what = rng.random()
    if what < 0.7:
        part[key] = copy.deepcopy(rng.choice(VALUES))
    elif what < 0.8:
        del part[key]
    elif isinstance(part, dict):
        part[rng.choice(["", "x", "\x1b[2J", "²", "../a.onnx", "a" * 300 + ".pb", key + "x"])] = part.pop(key)
    else:
        part.append(copy.deepcopy(rng.choice(VALUES)))
    return document


def _write(rng, path, document):
    text = json.dumps(document)
    # What is not JSON is refused before its digest is looked at.
    if isinstance(document, dict) and "digest" in document and RAW not in text and rng.random() < 0.9:
        document["digest"] = digest(document)
        text = json.dumps(document)
    while '"' + RAW in text:
        before, rest = text.split('"' + RAW, 1)
        token, after = _token(rest)
        text = before + token + after
    path.write_bytes(text.encode("ascii"))


def _token(rest):
    """Return a raw text as it is meant, and what follows it."""
    value, end = json.decoder.scanstring(rest, 0, True)
    return value, rest[end:]


def _sign(directory, name):
    path = directory / "manifest.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    data = (directory / name).read_bytes()
    document["files"][name].update(sha256=sha256_bytes(data), bytes=len(data))
    document["digest"] = digest(document)
    path.write_text(json.dumps(document), encoding="utf-8")


def _bytes(rng, data):
    data = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(data) + 1)
        what = rng.randrange(5)
        if what == 0 and place < len(data):
            data[place] ^= 1 << rng.randrange(8)
        elif what == 1 and place < len(data):
            data[place] = rng.choice([0, 0x7F, 0x80, 0xFF, 0x5B, 0x7B])
        elif what == 2:
            del data[place : place + rng.randint(1, 40)]
        elif what == 3:
            data[place:place] = bytes(bytearray(rng.randrange(256) for _ in range(rng.randint(1, 12))))
        else:
            start = rng.randrange(len(data) + 1)
            data[place:place] = data[start : start + rng.randint(1, 60)]
    return bytes(data)


def main():
    """Run a campaign and print what came of it."""
    given = [int(argument) for argument in sys.argv[1:3]]
    seed, count = (given + [7, 1200][len(given) :])[:2]
    tried, failed = campaign(seed, count)
    for text in failed:
        print(text)
    print(f"bundle mutations (seed {seed}): {tried} tried, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
