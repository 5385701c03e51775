"""UFF files of both backbones, read and executed by a reader that shares no code with the writer."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from export.frozen import freeze
from export.uff import execute_uff, write_uff
from export.uff.reader import UffFile
from kface.errors import ModelError
from train.backbones import build


def randomise(network):
    """Give every weight, the moving statistics too, a value that matters, and that keeps the signal's size."""
    random = np.random.default_rng(7)
    for layer in network.layers:
        for weight in layer.weights:
            shape = tuple(weight.shape)
            if weight.name in ("gamma", "moving_variance"):
                value = random.uniform(0.5, 1.5, shape)
            elif weight.name in ("beta", "moving_mean", "bias", "alpha"):
                value = random.normal(0, 0.3, shape)
            else:
                inputs = np.prod(shape[:2] if isinstance(layer, layers.DepthwiseConv2D) else shape[:-1])
                value = random.normal(0, (2 / inputs) ** 0.5, shape)
            weight.assign(value)
    return network


def faces(network, count=3):
    """Images that differ in colour too, for a mean over noise is the same for all of them."""
    random = np.random.default_rng(1)
    colours = random.uniform(-1, 1, (count, 1, 1, network.input_shape[-1]))
    return (colours + random.uniform(-1, 1, (count, *network.input_shape[1:]))).astype(np.float32)


def difference(network, graph=None):
    """How far the file's embeddings are from the network's, relative to how far those of the images are apart."""
    graph = freeze(network, normalise=False) if graph is None else graph
    images = faces(network)
    found = execute_uff(write_uff(graph, "embedding"), images.transpose(0, 3, 1, 2))
    wanted = np.asarray(network(images, training=False))
    assert found.shape == wanted.shape
    apart = np.ptp(wanted, axis=0).max()
    # An embedding that hardly depends on the image would agree with anything.
    assert apart > 0.1 * np.abs(wanted).max()
    return np.abs(found - wanted).max() / apart


@pytest.fixture(scope="module")
def resnet():
    return randomise(build("resnet50", width=0.25, embedding=32, size=112))


@pytest.fixture(scope="module")
def frozen(resnet):
    return freeze(resnet, normalise=False)


@pytest.fixture(scope="module")
def data(frozen):
    return write_uff(frozen, "embedding")


def test_resnet50_as_in_the_paper(resnet, frozen):
    assert difference(resnet, frozen) < 1e-4


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("mobilenetv2", {"neck": "gdc"}),
        ("mobilenetv2", {"neck": "gap"}),
        ("mobilenetv2", {"neck": "flatten", "stem_stride": 1}),
        ("resnet50", {"neck": "gap", "stem_stride": 1}),
        ("resnet50", {"neck": "gdc"}),
        ("resnet12", {"neck": "gdc"}),
    ],
)
def test_every_neck_and_stem(name, arguments):
    assert difference(randomise(build(name, width=0.25, embedding=16, size=64, **arguments))) < 1e-4


def test_what_nvidias_files_show(data, frozen):
    file = UffFile(data)
    assert (file.version, file.core, file.graph) == (1, 1, "main")
    assert file.descriptors == [("tensorflow_extension", 1)]
    assert file.nodes["MarkOutput_0"].inputs == ["embedding"]
    assert file.nodes["image"].fields["shape"] == [-1, 3, 112, 112]
    assert file.referenced["orders_NC+_+CK"] == ("dim_orders_list", [[0, 1, 2, 2**31 - 1], [2, 2**31 - 1, 1, 0]])
    assert file.referenced["orders_NC_CK"] == ("dim_orders_list", [[0, 1], [1, 0]])
    convolution = next(node for node in file.nodes.values() if node.operation == "Conv")
    assert convolution.raw["inputs_orders"] == ("ref", "orders_NC+_+CK")
    assert (convolution.fields["strides"], convolution.fields["padding"]) == ([2, 2], [3, 3])
    kernel = file.nodes[convolution.inputs[1]]
    assert kernel.raw["values"] == ("ref", f"weights_{kernel.id}")
    assert kernel.fields["shape"] == [7, 7, 3, 16]
    assert set(file.operations()) == {
        "Input", "Conv", "BatchNorm", "Activation", "Pool", "Binary", "Flatten", "FullyConnected", "MarkOutput",
    }  # fmt: skip
    assert file.operations().count("Conv") == 53
    # Batch-shape plumbing, Identity nodes and what BatchNormalization was made of stay behind.
    assert len(file.operations()) < len(frozen.node) / 4


def test_bytes_are_the_same_each_time(data, frozen):
    again = tf.compat.v1.GraphDef.FromString(frozen.SerializeToString())
    assert write_uff(again, "embedding") == data


def test_a_truncated_file_is_refused_by_the_reader(data):
    for length in (len(data) - 1, len(data) // 2, 1000):
        with pytest.raises(ModelError, match="truncated"):
            UffFile(data[:length])


def test_official_protobuf_reads_the_same(data):
    """The wire format once more, by Google's parser and the schema as NVIDIA's file describes it."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    kinds = {"int64": 3, "int32": 5, "bool": 8, "string": 9, "bytes": 12, "double": 1}
    schema = {
        "MetaGraph": "1 version int64, 2 descriptor_core_version int64, 3 descriptors *Descriptor, 4 graphs *Graph, "
        "5 referenced_data *DataEntry",
        "Descriptor": "1 id string, 2 version int64, 3 optional bool",
        "Graph": "1 id string, 2 nodes *Node",
        "Node": "1 id string, 2 inputs *string, 3 operation string, 4 fields *DataEntry",
        "DataEntry": "1 key string, 2 value Data",
        "Data": "1 s string, 3 d double, 5 b bool, 7 i int64, 8 i_list Integers, 9 blob bytes, 100 ref string, "
        "101 dtype int32, 104 dim_orders_list Orders",
        "Integers": "1 val *int64",
        "Orders": "1 val *Order",
        "Order": "1 orders *OrderEntry",
        "OrderEntry": "1 key int32, 2 value Integers",
    }
    file = descriptor_pb2.FileDescriptorProto(name="uff.proto", package="uff", syntax="proto3")
    for name, fields in schema.items():
        message = file.message_type.add(name=name)
        for number, field, kind in (line.split() for line in fields.split(", ")):
            added = message.field.add(name=field, number=int(number), label=3 if kind.startswith("*") else 1)
            kind = kind.lstrip("*")
            added.type = kinds.get(kind, 11)
            if kind not in kinds:
                added.type_name = f".uff.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    parsed = message_factory.GetMessageClass(pool.FindMessageTypeByName("uff.MetaGraph")).FromString(data)
    ours = UffFile(data)
    assert {entry.key: entry.value.blob for entry in parsed.referenced_data if entry.value.blob} == {
        key: bytes(value) for key, (kind, value) in ours.referenced.items() if kind == "blob"
    }
    (graph,) = parsed.graphs
    assert [(node.id, node.operation, list(node.inputs)) for node in graph.nodes] == [
        (node.id, node.operation, node.inputs) for node in ours.nodes.values()
    ]
    orders = {entry.key: entry.value.dim_orders_list.val for entry in parsed.referenced_data if "orders_" in entry.key}
    assert [list(value.orders[0].value.val) for value in orders["orders_NC+_+CK"]] == [
        [0, 1, 2, 2**31 - 1],
        [2, 2**31 - 1, 1, 0],
    ]
    norm = next(node for node in graph.nodes if node.operation == "BatchNorm")
    assert (
        next(entry.value.d for entry in norm.fields if entry.key == "epsilon") == ours.nodes[norm.id].fields["epsilon"]
    )
    assert parsed.descriptors[0].id == "tensorflow_extension"


def small(*between):
    """A network of a few layers on 12x10 pixels, with its weights at random."""
    image = x = keras.Input((12, 10, 3), name="image")
    for layer in between:
        x = layer(x)
    return randomise(keras.Model(image, x))


@pytest.mark.parametrize(
    "between",
    [
        # A flatten of a map that is not square, and PReLUs, which are Relu, Neg, Mul and Add: by channel and by pixel.
        [layers.Conv2D(5, 3), layers.PReLU(shared_axes=[1, 2]), layers.Flatten(), layers.Dense(4)],
        [layers.Conv2D(5, 3), layers.PReLU(), layers.Flatten(), layers.Dense(4), layers.BatchNormalization()],
        # What stands between a flatten and its Dense is unrolled as the flatten is.
        [
            layers.Conv2D(5, 3, strides=2),
            layers.Flatten(),
            layers.BatchNormalization(),
            layers.PReLU(),
            layers.Dense(4),
        ],
        # Padding that TensorFlow works out, and an oblong kernel with oblong strides.
        [layers.Conv2D(5, (3, 2), strides=(2, 1), padding="same"), layers.Flatten(), layers.Dense(4)],
        [layers.ZeroPadding2D((2, 1)), layers.Conv2D(5, (2, 3)), layers.Flatten(), layers.Dense(4)],
        [
            layers.DepthwiseConv2D((3, 2), padding="same"),
            layers.GlobalAveragePooling2D(keepdims=True),
            layers.Flatten(),
        ],
        [
            layers.Conv2D(4, 1),
            layers.ReLU(),
            layers.MaxPooling2D(3, 2, padding="same"),
            layers.Flatten(),
            layers.Dense(4),
        ],
        [layers.Conv2D(4, 2), layers.Rescaling(0.5, offset=1.0), layers.Flatten(), layers.Dense(4)],
    ],
    ids=["prelu", "prelu-pixels", "vectors", "same", "padded", "depthwise", "pool", "scalar"],
)
def test_other_forms(between):
    assert difference(small(*between)) < 1e-5


def test_a_fused_batch_normalisation_and_dilation():
    """Which Keras 2 and ``tf.nn`` write in one operation each."""
    random = np.random.default_rng(3)
    kernel = random.normal(0, 1, (2, 3, 3, 4)).astype(np.float32)
    statistics = [random.uniform(0.5, 2, 4).astype(np.float32) for _ in range(4)]

    def embed(image):
        x = tf.pad(image, [[0, 0], [2, 2], [1, 1], [0, 0]])
        x = tf.raw_ops.Conv2D(input=x, filter=kernel, strides=[1] * 4, padding="VALID", dilations=[1, 3, 2, 1])
        x, _, _ = tf.compat.v1.nn.fused_batch_norm(x, *statistics, epsilon=0.01, is_training=False)
        return tf.reduce_mean(tf.nn.relu6(x), (1, 2))

    graph = frozen_function(embed)
    data = write_uff(graph, "embedding")
    assert "BatchNorm" in UffFile(data).operations()
    images = random.uniform(-1, 1, (2, 6, 5, 3)).astype(np.float32)
    np.testing.assert_allclose(
        execute_uff(data, images.transpose(0, 3, 1, 2)), embed(tf.constant(images)), rtol=1e-5, atol=1e-6
    )


def frozen_function(function, shape=(None, 6, 5, 3)):
    traced = tf.function(lambda image: tf.identity(function(image), name="embedding"), autograph=False)
    return traced.get_concrete_function(tf.TensorSpec(shape, tf.float32, name="image")).graph.as_graph_def()


def pooled(x):
    return tf.reduce_mean(x, (1, 2))


KERNEL = np.ones((3, 3, 3, 2), np.float32)
PADS = [[0, 0], [1, 1], [1, 1], [0, 0]]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: tf.nn.l2_normalize(pooled(x), axis=-1), r"l2_normalize/Rsqrt: .* Rsqrt .*L2 norm.*normalise=False"),
        (
            lambda x: pooled(x) / tf.norm(pooled(x), axis=-1, keepdims=True),
            r"^norm/Sum: the operation Sum .*normalise=False",
        ),
        (lambda x: pooled(tf.nn.sigmoid(x, name="gate")), r"^gate: the operation Sigmoid cannot .*export .* to ONNX"),
        (lambda x: pooled(tf.nn.avg_pool2d(x, 2, 2, "VALID")), r"^AvgPool2D: the operation AvgPool "),
        (lambda x: tf.transpose(pooled(x)), r"^transpose: the operation Transpose "),
        (lambda x: pooled(tf.nn.depthwise_conv2d(x, KERNEL, [1, 1, 1, 1], "VALID")), "depth multiplier of 2"),
        (lambda x: pooled(tf.nn.conv2d(x, KERNEL[:, :, :1].repeat(3, 3), 1, "VALID")), "Conv2D .*in groups"),
        (
            lambda x: pooled(tf.nn.conv2d(tf.pad(x, [[0, 0], [0, 1], [0, 1], [0, 0]]), KERNEL, 1, "VALID")),
            "^Pad: .*same",
        ),
        (lambda x: pooled(tf.nn.conv2d(tf.pad(x, PADS), KERNEL, 1, "SAME")), "^Pad: .*VALID"),
        (lambda x: pooled(tf.nn.relu(tf.pad(x, PADS))), "^Pad: .*in front of a Relu"),
        (
            lambda x: pooled(tf.nn.max_pool2d(tf.pad(x, PADS), 3, 2, "VALID")),
            "^Pad: .*MaxPool but for one behind a Relu",
        ),
        (lambda x: tf.reduce_mean(x, (2, 3)), r"^Mean: .*over the axes \[2, 3\]"),
        (lambda x: tf.reshape(x, (-1, 5 * 3)), "^Reshape: .*one row an image"),
        (lambda x: tf.reshape(x, (tf.shape(x)[1], -1)), "^Reshape: .*one row an image"),
        (lambda x: tf.reshape(x, (-1, 6 * 5 * 3)), "^embedding: is not an embedding but a feature map"),
        (lambda x: x + tf.reduce_mean(x, (1, 2), keepdims=True), r"AddV2 .*\(3, 6, 5\) and \(3, 1, 1\)"),
        (lambda x: pooled(x) + np.ones((4, 3), np.float32), r"AddV2 .*constant of the shape \(4, 3\)"),
        (lambda x: pooled(tf.cast(tf.cast(x, tf.float16), tf.float32)), "the operation Cast "),
        (lambda x: tf.constant([[1.0, 2.0]]), "the operation Const "),
    ],
)
def test_refusals_name_the_node(function, message):
    with pytest.raises(ModelError, match=message) as caught:
        write_uff(frozen_function(function), "embedding")
    assert "\n" not in str(caught.value)


def test_inputs_and_outputs_must_be_there(frozen):
    with pytest.raises(ModelError, match="^logits: is not a node"):
        write_uff(frozen, "logits")
    with pytest.raises(ModelError, match="^image: is not the named input"):
        write_uff(frozen, "embedding", input="pixels")
    unsized = frozen_function(lambda x: pooled(tf.nn.relu(x)), (None, None, None, 3))
    with pytest.raises(ModelError, match=r"^image: must be \(n, h, w, c\)"):
        write_uff(unsized, "embedding")


def test_a_norm_is_refused_as_freeze_writes_it(resnet):
    with pytest.raises(ModelError, match="Rsqrt .*L2 norm.*without its L2 norm"):
        write_uff(freeze(resnet, normalise=True), "embedding")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        # The length of the name of the descriptor; wire type 3; a reference and an input that are not there; a field's name.
        (lambda data: data.replace(b"\x0a\x14tensorflow", b"\x0a\x7ftensorflow", 1), "truncated"),
        (lambda data: b"\x0b" + data, "wire type 3"),
        (lambda data: data.replace(b"orders_NC_CK", b"orders_NC_KC", 1), "refers to orders_NC_.* does not exist"),
        (lambda data: data.replace(b"\x12\x05image", b"\x12\x05imago", 1), "reads .'imago'."),
        (lambda data: data.replace(b"strides", b"striden"), "field striden"),
        (lambda data: data.replace(b"relu", b"rel\xff", 1), "not UTF-8"),
        (lambda data: data.replace(b"Conv", b"Cone", 1), "operation Cone"),
    ],
)
def test_the_reader_refuses_damage(change, message, data):
    assert change(data) != data
    with pytest.raises(ModelError, match=message):
        UffFile(change(data))
    with pytest.raises(ModelError, match=r"its input is .* the batch"):
        execute_uff(data, np.zeros((1, 3, 96, 96), np.float32))
