"""A bundle whose embedder is a few nodes; the detector in it is the real cascade, where one is given."""

import numpy as np
import pytest

from kface import bundle
from kface.errors import ModelError
from kface.mtcnn import weights

NETWORK = {"batch": "dynamic", "input": "image", "outputs": ("embedding",), "layout": "NCHW", "precision": "fp32"}


def tiny_embedder(batch=None, sign=None):
    """Return the bytes of an ONNX network that averages an image over squares of 16 pixels: 147 numbers, of any length.

    Args:
        batch: Images that it takes at once; any number where None.
        sign: What the numbers are multiplied by, in a node of its own.
    """
    onnx = pytest.importorskip("onnx", reason="makes the embedder")
    from onnx import TensorProto, helper, numpy_helper

    axis = "n" if batch is None else batch
    nodes = [
        helper.make_node("AveragePool", ["image"], ["pooled"], kernel_shape=[16, 16], strides=[16, 16]),
        helper.make_node("GlobalAveragePool", ["pooled"], ["mean"]),
        helper.make_node("Sub", ["pooled", "mean"], ["centred"]),
    ]
    constants = []
    if sign is not None:
        nodes.append(helper.make_node("Mul", ["centred", "sign"], ["signed"]))
        constants.append(numpy_helper.from_array(np.array([sign], np.float32), "sign"))
    nodes.append(helper.make_node("Flatten", [nodes[-1].output[0]], ["embedding"]))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [axis, 3, 112, 112])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [axis, 147])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def write_bundle(
    directory, embedder, size=147, batch="dynamic", thresholds=None, models=None, newer=(), half=None, name="tiny"
):
    """Write a bundle and return its directory.

    Args:
        directory: Is made.
        embedder: The bytes of the embedder.
        size: Numbers of an embedding.
        batch: Of the embedder.
        thresholds: The bundle's table.
        models: The detector's directory; none is put in where None.
        newer: Opsets of further files of the embedder, which are no networks.
        half: The bytes of what claims to be the embedder in half precision.
        name: The bundle's.
    """
    (directory / "detector").mkdir(parents=True)
    files = []

    def add(path, data, **facts):
        (directory / path).write_bytes(data)
        files.append(bundle.describe(directory, path, "embedder", normalised=False, **dict(NETWORK, **facts)))

    add("embedder.onnx", embedder, opset=13, batch=batch)
    if half is not None:
        add("embedder.fp16.onnx", half, opset=13, precision="fp16")
    for opset in newer:
        add(f"embedder.opset{opset}.onnx", f"opset {opset}".encode("ascii"), opset=opset)
    for source in sorted(models.iterdir()) if models is not None else ():
        (directory / "detector" / source.name).write_bytes(source.read_bytes())
        facts = dict(NETWORK, opset=13, outputs=("logits",)) if source.suffix == ".onnx" else {}
        files.append(bundle.describe(directory, "detector/" + source.name, "detector", **facts))
    preprocessing, template = bundle.BundlePreprocessing(), bundle.AlignmentTemplate()
    bundle.write(
        directory,
        bundle.BundleManifest(
            name=name,
            created="2024-05-06T07:08:09+00:00",
            files=tuple(files),
            embedding=size,
            fingerprint=bundle.fingerprint(files[0].sha256, preprocessing, template),
            training={},
            thresholds=thresholds,
            synthetic=True,
            licence="Apache-2.0",
            provenance=(),
        ),
    )
    return directory


def models_or_skip():
    """Return the directory of the cascade's networks; skips where they cannot be had."""
    try:
        return weights.prepare()
    except ModelError as error:
        return pytest.skip(f"the detector's networks are not here: {error}")
