"""What a network file may hold: arithmetic on its input and on its own constants, and nothing else.

A graph can name operations that read and write files or load libraries, and keep its weights in other files, which no hash
covers. :func:`check` inspects the bytes before any runtime sees them, including subgraphs, function libraries and attributes,
and refuses every operation that is not on the lists below. The lists cover face networks: convolutional ones and transformers,
in float and quantised. They exclude loops, random numbers, strings and images.

The fields' numbers are those of onnx.proto (ONNX) and of graph.proto, node_def.proto, attr_value.proto, function.proto and
tensor.proto (TensorFlow).
"""

import json
from typing import List, Tuple

from kface.errors import ModelError
from kface.networks.protobuf import Fields, Value, text_of

_ONNX = """
Abs Acos Acosh Add AffineGrid And ArgMax ArgMin Asin Asinh Atan Atanh Attention AveragePool BatchNormalization BitShift
BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast CastLike Ceil Celu CenterCropPad Clip Col2Im Compress Concat Constant
ConstantOfShape Conv ConvInteger ConvTranspose Cos Cosh CumSum DeformConv DepthToSpace DequantizeLinear Det Div Dropout
DynamicQuantizeLinear Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor Gather GatherElements GatherND Gelu Gemm
GlobalAveragePool GlobalLpPool GlobalMaxPool Greater GreaterOrEqual GridSample GroupNormalization HardSigmoid HardSwish
Hardmax Identity If InstanceNormalization IsInf IsNaN LRN LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax
LpNormalization LpPool MatMul MatMulInteger Max MaxPool Mean MeanVarianceNormalization Min Mish Mod Mul Neg NonZero Not
OneHot Or PRelu Pad Pow QLinearConv QLinearMatMul QuantizeLinear RMSNormalization Range Reciprocal ReduceL1 ReduceL2
ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize
RotaryEmbedding Round ScatterElements ScatterND Scatter Selu Shape Shrink Sigmoid Sign Sin Sinh Size Slice Softmax
Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Swish Tan Tanh ThresholdedRelu Tile TopK Transpose Trilu
Unsqueeze Upsample Where Xor
"""
_TENSORFLOW = """
Abs Add AddN AddV2 All Any ArgMax ArgMin AvgPool BatchMatMul BatchMatMulV2 BatchMatMulV3 BatchToSpaceND BiasAdd
BroadcastArgs BroadcastTo Cast Ceil ClipByValue Concat ConcatV2 Const Conv2D Conv2DBackpropInput DepthToSpace
DepthwiseConv2dNative Div DivNoNan Einsum Elu Equal Erf Exp ExpandDims Expm1 FakeQuantWithMinMaxArgs
FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel Fill Floor FloorDiv FloorMod FusedBatchNorm FusedBatchNormV2
FusedBatchNormV3 Gather GatherNd GatherV2 Greater GreaterEqual Identity IdentityN Inv L2Loss LRN LeakyRelu Less
LessEqual Log Log1p LogSoftmax LogicalAnd LogicalNot LogicalOr MatMul Max MaxPool Maximum Mean Min Minimum MirrorPad
Mul Neg NoOp NotEqual OneHot OnesLike Pack Pad PadV2 Placeholder PlaceholderWithDefault Pow Prod Range Rank RealDiv
Reciprocal Relu Relu6 Reshape ResizeBilinear ResizeNearestNeighbor ReverseV2 Round Rsqrt Select SelectV2 Selu Shape
Sigmoid Sign Size Slice Softmax Softplus Softsign SpaceToBatchND SpaceToDepth Split SplitV Sqrt Square
SquaredDifference Squeeze StopGradient StridedSlice Sub Sum Tan Tanh Tile TopKV2 Transpose Unpack Where ZerosLike
"""

#: Operations of the domain ai.onnx; no other domain is allowed.
ONNX = frozenset(_ONNX.split())
#: Operations of TensorFlow.
TENSORFLOW = frozenset(_TENSORFLOW.split())
#: Deepest nesting of graphs: exporters write one or two levels.
DEPTH = 8
#: Protobuf's own limit.
LARGEST = (1 << 31) - 1

_Todo = List[Tuple[str, Value, int]]


def check(data: bytes, path: str) -> None:
    """Refuse a network file that holds anything but a network.

    Args:
        data: The bytes of an ONNX file, or of a frozen TensorFlow graph if the path ends in ``.pb``.
        path: The file's path, for its ending and for errors.

    Raises:
        ModelError: It has an operation that is not listed, a function, a loop, weights in another file, or is damaged.
    """
    frozen = path.lower().endswith(".pb")
    try:
        if len(data) > LARGEST:
            raise ValueError("it is larger than 2 GiB")
        # ONNX Runtime reads such bytes as its own format.
        if not frozen and data[4:8] == b"ORTM":
            raise ValueError("it has ONNX Runtime's own format")
        (_check_frozen if frozen else _check_onnx)(memoryview(data), path)
    except ValueError as error:
        raise ModelError("is not a readable {} ({})".format("frozen graph" if frozen else "network", error), path)


def _check_onnx(data: memoryview, path: str) -> None:
    fields = Fields()
    todo: _Todo = [("model", data, 0)]
    while todo:
        kind, message, depth = todo.pop()
        if depth > DEPTH:
            raise ValueError("its graphs are nested more than {} deep".format(DEPTH))
        if kind == "node":
            _check_onnx_node(fields, message, path)
        for number, value in fields.of(message):
            inner = _ONNX_PARTS.get((kind, number))
            if inner is not None:
                todo.append((inner, value, depth + (inner == "graph")))
            elif (kind, number) == ("tensor", 13) or ((kind, number) == ("tensor", 14) and value):
                raise ModelError(
                    "keeps weights in another file, which is neither checked nor copied",
                    path,
                    "save it as one file: onnx.save(onnx.load(FILE), FILE)",
                )
            elif (kind, number) == ("model", 25):
                raise ModelError("defines its own functions", path, "inline them: onnx.inliner.inline_local_functions")
            elif (kind, number) == ("model", 20):
                raise ModelError("holds a training step", path, "export it for inference")


#: The fields of ONNX messages that hold further messages to inspect.
_ONNX_PARTS = {
    ("model", 7): "graph",
    ("graph", 1): "node",
    ("graph", 5): "tensor",
    ("graph", 15): "sparse",
    ("node", 5): "attribute",
    ("attribute", 5): "tensor",
    ("attribute", 6): "graph",
    ("attribute", 10): "tensor",
    ("attribute", 11): "graph",
    ("attribute", 22): "sparse",
    ("attribute", 23): "sparse",
    ("sparse", 1): "tensor",
    ("sparse", 2): "tensor",
}


def _check_onnx_node(fields: Fields, node: Value, path: str) -> None:
    operations, domains = [], []
    for number, value in fields.of(node):
        if number == 4:
            operations.append(text_of(value))
        elif number == 7:
            domains.append(text_of(value))
    for domain in domains:
        if domain not in ("", "ai.onnx"):
            raise _refused("{}.{}".format(domain, operations[-1] if operations else ""), path)
    for operation in operations or [""]:
        if operation not in ONNX:
            raise _refused(operation, path)


def _check_frozen(data: memoryview, path: str) -> None:
    fields = Fields()
    todo: _Todo = [("graph", data, 0)]
    while todo:
        kind, message, depth = todo.pop()
        for number, value in fields.of(message):
            inner = _FROZEN_PARTS.get((kind, number))
            if inner is not None:
                todo.append((inner, value, depth))
            elif (kind, number) == ("node", 2) and text_of(value) not in TENSORFLOW:
                raise _refused(text_of(value), path)
            elif (kind, number) in (("value", 10), ("list", 9)):
                raise ModelError("calls a function", path, "freeze it with its functions inlined")
            elif (kind, number) in (("tensor", 14), ("tensor", 15)):
                raise ModelError("has a constant that is not numeric", path, "freeze it for inference")


#: The fields of TensorFlow messages that hold further messages to inspect.
_FROZEN_PARTS = {
    ("graph", 1): "node",
    ("graph", 2): "library",
    ("library", 1): "function",
    ("function", 3): "node",
    ("function", 5): "entry",
    ("node", 5): "entry",
    ("entry", 2): "value",
    ("value", 1): "list",
    ("value", 8): "tensor",
    ("list", 8): "tensor",
}


def _refused(operation: str, path: str) -> ModelError:
    # The name comes from the file: unescaped, control characters would reach the terminal.
    return ModelError(
        "has the operation {}, which no face network needs".format(json.dumps(operation)[:80]),
        path,
        "export it for inference, with standard operations",
    )
