"""A small bundle whose networks are bytes: nothing here opens them."""

import json

import numpy as np

from kface import alignment, bundle
from kface.bundle.manifest import digest
from kface.faces import Faces

NETWORK = {"batch": "dynamic", "input": "image", "outputs": ("embedding",), "layout": "NCHW", "precision": "fp32"}
FILES = {
    "detector/pnet.onnx": ("detector", dict(NETWORK, opset=13, outputs=("offsets", "logits"))),
    "detector/manifest.json": ("detector", {}),
    "embedder.onnx": (
        "embedder",
        dict(NETWORK, opset=13, normalised=True, parity={"max_difference": 8e-7, "min_cosine": 0.999999, "images": 64}),
    ),
    "embedder.pb": ("embedder", dict(NETWORK, layout="NHWC", normalised=True)),
    "embedder.uff": ("embedder", dict(NETWORK, normalised=False, batch=1)),
    "embedder.int8.onnx": ("embedder", dict(NETWORK, opset=17, normalised=True, precision="int8")),
    "deploy.yaml": ("settings", {}),
}
REPORT = {
    "schema": 1,
    "run": {"backbone": "resnet50", "loss": "arcface", "trained_on": "the synthetic sample", "people": 120, "seed": 7},
    "sets": {
        "kface": {
            "title": "K-Face Q4",
            "synthetic_sample": True,
            "accuracy": {"value": 0.8712, "interval": [0.8511, 0.8902]},
            "eer": {"value": 0.1234, "interval": [0.1111, 0.1357]},
            "tar_at_far": {"1e-02": {"value": 0.5432, "interval": None}, "1e-04": None},
        },
        "lfw": {
            "title": "LFW",
            "synthetic_sample": False,
            "accuracy": {"value": 0.6543, "interval": [0.6421, 0.6654]},
            "eer": {"value": 0.3456, "interval": [0.3345, 0.3567]},
        },
        "cfp_fp": None,
    },
}


def pairs(seed=0, people=40, genuine=400, impostors=2000, shift=0.5):
    """Return cosines, labels and people of pairs."""
    random = np.random.RandomState(seed)
    first = random.randint(0, people, genuine + impostors)
    second = (first + random.randint(1, people, genuine + impostors)) % people
    labels = np.arange(genuine + impostors) < genuine
    second[labels] = first[labels]
    scores = np.clip(random.normal(shift * labels, 0.2), -1, 1).astype(np.float32)
    return scores, labels, np.stack([first, second], 1)


def fill(directory):
    """Write the files of a bundle and return their entries."""
    for name in FILES:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # All of one size: only their hashes tell some of them apart.
        path.write_bytes(name.encode("ascii").ljust(40, b"."))
    return tuple(bundle.describe(directory, name, role, **facts) for name, (role, facts) in sorted(FILES.items()))


def manifest_of(files, **changes):
    """Return a manifest for such files."""
    canonical = next(file for file in files if file.path == "embedder.onnx")
    made = bundle.BundleManifest(
        name="resnet50-arcface",
        created="2024-05-06T07:08:09+00:00",
        files=files,
        embedding=512,
        fingerprint=bundle.fingerprint(canonical.sha256, bundle.BundlePreprocessing(), bundle.AlignmentTemplate()),
        training=REPORT,
        thresholds=bundle.measure(*pairs(), source="K-Face Q4", synthetic=True, replicates=20),
        synthetic=True,
        licence="Apache-2.0",
        provenance=(
            bundle.Provenance("detector weights", "mtcnn 1.0.0", "MIT"),
            bundle.Provenance("training data", "drawn by kface.data.sample", "Apache-2.0"),
        ),
    )
    return made._replace(**changes)


def write_bundle(directory):
    """Write a whole bundle, card included, and return its manifest."""
    directory.mkdir(parents=True, exist_ok=True)
    manifest = manifest_of(fill(directory))
    (directory / "MODEL_CARD.md").write_text(bundle.model_card(manifest), encoding="utf-8")
    manifest = manifest._replace(files=manifest.files + (bundle.describe(directory, "MODEL_CARD.md", "card"),))
    bundle.write(directory, manifest)
    return manifest


def picture(seed=0, width=64, height=48):
    """Return uint8 (h, w, 3): smooth noise in colour."""
    random = np.random.RandomState(seed)
    coarse = random.randint(0, 256, (height // 8, width // 8, 3))
    return np.repeat(np.repeat(coarse, 8, 0), 8, 1).astype(np.uint8)


def found_in(rgb, count=1):
    """Return faces that could have been found in a picture."""
    height, width = rgb.shape[:2]
    places = 8 * np.arange(count, dtype=np.float32)[:, None]
    boxes = np.array([[4.5, 3.25, width / 2.0, height / 2.0]], np.float32) + places
    landmarks = alignment.TEMPLATE[None] * np.float32(0.3) + places[:, :, None]
    return Faces(boxes, np.linspace(0.999, 0.9, count).astype(np.float32), landmarks)


def edit(directory, change, sign=True):
    """Edit the manifest's JSON in place, with or without a digest that fits."""
    path = directory / "manifest.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    if sign:
        document["digest"] = digest(document)
    path.write_text(json.dumps(document), encoding="utf-8")
