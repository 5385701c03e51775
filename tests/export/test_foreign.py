"""Foreign embedders: their input format is declared or determined, and other networks are refused."""

import numpy as np
import pytest

from export import probing
from kface.errors import ConfigError, ModelError
from kface.evaluation import foreign


def network(path, layout="NCHW", batch="n", side=112, output="vector", channel=0):
    """Write an embedder that sees nothing but one colour channel in 4x4 cells, and only between 0 and 1."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = np.zeros((1, 3, 1, 1), np.float32)
    weights[0, channel] = 1
    nodes = []
    source = "image"
    if layout == "NHWC":
        nodes.append(helper.make_node("Transpose", [source], ["nchw"], perm=[0, 3, 1, 2]))
        source = "nchw"
    nodes += [
        # Half a unit is taken off, so that only values around it say something.
        helper.make_node("Conv", [source, "weights", "bias"], ["grey"]),
        helper.make_node("AveragePool", ["grey"], ["cells"], kernel_shape=[28, 28], strides=[28, 28]),
        helper.make_node("Clip", ["cells", "low", "high"], ["clipped"]),
        helper.make_node("Flatten" if output == "vector" else "Identity", ["clipped"], ["embedding"]),
    ]
    shape = [batch, 3, side, side] if layout == "NCHW" else [batch, side, side, 3]
    graph = helper.make_graph(
        nodes,
        "foreign",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.full((1,), -0.5, np.float32), "bias"),
            numpy_helper.from_array(np.float32(-0.5), "low"),
            numpy_helper.from_array(np.float32(0.5), "high"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save_model(model, str(path))
    return path


def opened(path, **settings):
    return foreign.ForeignNetwork(path, path.parent, **settings)


@pytest.fixture(scope="module")
def people():
    """Twelve people, six images each; who it is shows in red alone, blue says something wrong."""
    random = np.random.default_rng(3)
    who = np.repeat(np.arange(12), 6)
    cells = random.uniform(40, 215, (12, 4, 4))
    images = random.uniform(0, 255, (72, 112, 112, 3))
    noise = random.normal(0, 12, (72, 4, 4))
    images[..., 0] = np.kron(cells[who] + noise, np.ones((28, 28)))
    images[..., 2] = np.kron(random.uniform(40, 215, (72, 4, 4)), np.ones((28, 28)))
    first, second = np.triu_indices(72, 1)
    pairs = np.stack([first, second], axis=1)
    return np.clip(images, 0, 255).astype(np.uint8), pairs, who[first] == who[second]


def test_the_preprocessing_is_found_out(people, tmp_path):
    tried = probing.probe(opened(network(tmp_path / "rgb.onnx")), *people).tried
    assert tried[0].preprocessing == foreign.Preprocessing("rgb", 0.0, 255.0)
    assert tried[0].eer < 0.05
    # Two normalisations differ by less than any picture shows: each face goes through one of them.
    assert len(tried) == 6
    bgr = probing.probe(opened(network(tmp_path / "bgr.onnx", channel=2)), *people)
    assert bgr.tried[0].preprocessing.colour == "bgr"


def test_channels_last(people, tmp_path):
    images, pairs, genuine = people
    first, last = (opened(network(tmp_path / f"{name}.onnx", name)) for name in ("NCHW", "NHWC"))
    assert (first.layout, last.layout, last.size) == ("NCHW", "NHWC", 16)
    preprocessing = foreign.Preprocessing("rgb", 0.0, 255.0)
    np.testing.assert_allclose(first.run(images, preprocessing), last.run(images, preprocessing), atol=1e-5)
    assert probing.probe(last, images, pairs, genuine).tried[0].preprocessing == preprocessing


def test_declared_is_taken_at_its_word(people, tmp_path):
    embedder = opened(network(tmp_path / "net.onnx"))
    probed = probing.probe(embedder, *people, colour="bgr", normalisation=[127.5, 128])
    assert [one.preprocessing for one in probed.tried] == [foreign.Preprocessing("bgr", 127.5, 128.0)]


def test_what_cannot_be_told_apart_has_to_be_declared(people, tmp_path):
    images, pairs, genuine = people
    grey = np.repeat(images[..., :1], 3, axis=3)
    with pytest.raises(ConfigError, match=r"cannot distinguish rgb, .* from bgr, .*; declare preprocessing\.colour"):
        probing.probe(opened(network(tmp_path / "net.onnx")), grey, pairs, genuine)


def test_a_fixed_batch_is_filled_up(people, tmp_path):
    images = people[0][:5]
    four, many = (opened(network(tmp_path / f"{batch}.onnx", batch=batch)) for batch in (4, "n"))
    np.testing.assert_allclose(
        four.run(images, foreign.Preprocessing()), many.run(images, foreign.Preprocessing()), atol=1e-6
    )


@pytest.mark.parametrize(
    ("colour", "normalisation", "key"), [("yuv", None, "colour"), ("rgb", [1, 0], "normalisation")]
)
def test_wrong_declarations(people, tmp_path, colour, normalisation, key):
    with pytest.raises(ConfigError, match=key):
        probing.probe(opened(network(tmp_path / "net.onnx")), *people, colour, normalisation)


def test_what_is_no_embedder(tmp_path):
    with pytest.raises(ModelError, match="112x112"):
        opened(network(tmp_path / "large.onnx", side=224))
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(ModelError, match=r"text\.onnx: is not an ONNX network"):
        opened(tmp_path / "text.onnx")
