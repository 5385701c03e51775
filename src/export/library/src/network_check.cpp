// Goes through protobuf messages field by field, without recursion; what it does not take as the libraries do is refused.
#include "network_check.hpp"

#include <cstring>
#include <map>
#include <set>
#include <sstream>
#include <vector>

namespace kface {
namespace {

/// Operations of the domain ai.onnx; the same as in kface.networks.allowed, which a test compares.
const char *const ONNX =
    "Abs Acos Acosh Add AffineGrid And ArgMax ArgMin Asin Asinh Atan Atanh Attention AveragePool BatchNormalization "
    "BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast CastLike Ceil Celu CenterCropPad Clip Col2Im Compress Concat "
    "Constant ConstantOfShape Conv ConvInteger ConvTranspose Cos Cosh CumSum DeformConv DepthToSpace DequantizeLinear Det "
    "Div Dropout DynamicQuantizeLinear Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor Gather GatherElements GatherND "
    "Gelu Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool Greater GreaterOrEqual GridSample GroupNormalization "
    "HardSigmoid HardSwish Hardmax Identity If InstanceNormalization IsInf IsNaN LRN LayerNormalization LeakyRelu Less "
    "LessOrEqual Log LogSoftmax LpNormalization LpPool MatMul MatMulInteger Max MaxPool Mean MeanVarianceNormalization Min "
    "Mish Mod Mul Neg NonZero Not OneHot Or PRelu Pad Pow QLinearConv QLinearMatMul QuantizeLinear RMSNormalization Range "
    "Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum "
    "ReduceSumSquare Relu Reshape Resize RotaryEmbedding Round ScatterElements ScatterND Scatter Selu Shape Shrink Sigmoid "
    "Sign Sin Sinh Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Swish Tan Tanh "
    "ThresholdedRelu Tile TopK Transpose Trilu Unsqueeze Upsample Where Xor ";

/// Operations of TensorFlow.
const char *const TENSORFLOW =
    "Abs Add AddN AddV2 All Any ArgMax ArgMin AvgPool BatchMatMul BatchMatMulV2 BatchMatMulV3 BatchToSpaceND BiasAdd "
    "BroadcastArgs BroadcastTo Cast Ceil ClipByValue Concat ConcatV2 Const Conv2D Conv2DBackpropInput DepthToSpace "
    "DepthwiseConv2dNative Div DivNoNan Einsum Elu Equal Erf Exp ExpandDims Expm1 FakeQuantWithMinMaxArgs "
    "FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel Fill Floor FloorDiv FloorMod FusedBatchNorm FusedBatchNormV2 "
    "FusedBatchNormV3 Gather GatherNd GatherV2 Greater GreaterEqual Identity IdentityN Inv L2Loss LRN LeakyRelu Less "
    "LessEqual Log Log1p LogSoftmax LogicalAnd LogicalNot LogicalOr MatMul Max MaxPool Maximum Mean Min Minimum MirrorPad "
    "Mul Neg NoOp NotEqual OneHot OnesLike Pack Pad PadV2 Placeholder PlaceholderWithDefault Pow Prod Range Rank RealDiv "
    "Reciprocal Relu Relu6 Reshape ResizeBilinear ResizeNearestNeighbor ReverseV2 Round Rsqrt Select SelectV2 Selu Shape "
    "Sigmoid Sign Size Slice Softmax Softplus Softsign SpaceToBatchND SpaceToDepth Split SplitV Sqrt Square "
    "SquaredDifference Squeeze StopGradient StridedSlice Sub Sum Tan Tanh Tile TopKV2 Transpose Unpack Where ZerosLike ";

constexpr int MOST_FIELDS = 1000000, DEPTH = 8;

std::set<std::string> words(const char *text) {
    std::istringstream stream(text);
    std::set<std::string> out;
    for (std::string word; stream >> word;) out.insert(word);
    return out;
}

struct Message {
    const std::uint8_t *data;
    std::size_t size;
};

struct Field {
    std::uint32_t number = 0;
    bool is_number = false;
    std::uint64_t value = 0;
    Message message{nullptr, 0};

    std::string text() const { return std::string(reinterpret_cast<const char *>(message.data), message.size); }
};

class Walker {
public:
    Walker(const std::string &where, bool frozen) : where_(where), frozen_(frozen) {}

    [[noreturn]] void damaged(const std::string &why = "the message is cut off or damaged") const {
        throw bundle_error(where_, std::string("is not ") + (frozen_ ? "a frozen graph" : "a network") + " that can be read (" + why + ")");
    }

    /// The field at a place, which moves behind it.
    Field next(const Message &message, std::size_t &place) {
        if (--left_ < 0) damaged("it has too many fields");
        const std::uint64_t tag = varint(message, place);
        if (tag >> 32 || tag < 8) damaged();
        Field field;
        field.number = std::uint32_t(tag >> 3);
        const int wire = int(tag & 7);
        if (wire == 0) {
            field.is_number = true;
            field.value = varint(message, place);
            return field;
        }
        if (wire != 1 && wire != 2 && wire != 5) damaged();
        const std::uint64_t length = wire == 2 ? varint(message, place) : wire == 1 ? 8 : 4;
        if (length > message.size - place) damaged();
        field.message = {message.data + place, std::size_t(length)};
        place += std::size_t(length);
        return field;
    }

    [[noreturn]] void refuse(std::string operation) const {
        for (char &sign : operation)
            if (static_cast<unsigned char>(sign) < 0x20 || static_cast<unsigned char>(sign) > 0x7e) sign = '?';
        throw bundle_error(where_, "has the operation \"" + operation.substr(0, 80) + "\", which is not one that a face network is made of",
                           "export it for inference, with standard operations");
    }

    [[noreturn]] void forbid(const std::string &wrong, const std::string &remedy) const { throw bundle_error(where_, wrong, remedy); }

private:
    std::uint64_t varint(const Message &message, std::size_t &place) const {
        std::uint64_t value = 0;
        for (int shift = 0; place < message.size && shift < 70; shift += 7) {
            const std::uint8_t byte = message.data[place++];
            if (shift == 63 && byte > 1) damaged();
            value |= std::uint64_t(byte & 127) << (shift < 64 ? shift : 63);
            if (!(byte & 128)) return value;
        }
        damaged();
    }

    const std::string &where_;
    bool frozen_;
    int left_ = MOST_FIELDS;
};

struct Todo {
    std::string kind;
    Message message;
    int depth;
};

using Parts = std::map<std::pair<std::string, std::uint32_t>, std::string>;

/// Where a message of ONNX holds others that are looked into.
const Parts &onnx_parts() {
    static const Parts parts = {
        {{"model", 7}, "graph"},      {{"graph", 1}, "node"},        {{"graph", 5}, "tensor"},      {{"graph", 15}, "sparse"},
        {{"node", 5}, "attribute"},   {{"attribute", 5}, "tensor"},  {{"attribute", 6}, "graph"},   {{"attribute", 10}, "tensor"},
        {{"attribute", 11}, "graph"}, {{"attribute", 22}, "sparse"}, {{"attribute", 23}, "sparse"}, {{"sparse", 1}, "tensor"},
        {{"sparse", 2}, "tensor"}};
    return parts;
}

/// Where a message of TensorFlow does.
const Parts &frozen_parts() {
    static const Parts parts = {{{"graph", 1}, "node"},     {{"graph", 2}, "library"}, {{"library", 1}, "function"},
                                {{"function", 3}, "node"},  {{"function", 5}, "entry"}, {{"node", 5}, "entry"},
                                {{"entry", 2}, "value"},    {{"value", 1}, "list"},     {{"value", 8}, "tensor"},
                                {{"list", 8}, "tensor"}};
    return parts;
}

void check_onnx_node(Walker &walker, const Message &node) {
    static const std::set<std::string> known = words(ONNX);
    std::vector<std::string> operations, domains;
    for (std::size_t place = 0; place < node.size;) {
        const Field field = walker.next(node, place);
        if (field.number != 4 && field.number != 7) continue;
        if (field.is_number) walker.damaged("a number where a text should be");
        (field.number == 4 ? operations : domains).push_back(field.text());
    }
    for (const auto &domain : domains)
        if (!domain.empty() && domain != "ai.onnx") walker.refuse(domain + "." + (operations.empty() ? "" : operations.back()));
    if (operations.empty()) walker.refuse("");
    for (const auto &operation : operations)
        if (!known.count(operation)) walker.refuse(operation);
}

void check_onnx_field(Walker &walker, const std::string &kind, const Field &field) {
    if (kind == "tensor" && (field.number == 13 || (field.number == 14 && (field.value || field.message.size))))
        walker.forbid("keeps weights in another file, which is neither checked nor copied with it", "save it as one file");
    if (kind == "model" && field.number == 25) walker.forbid("defines functions of its own", "inline them");
    if (kind == "model" && field.number == 20) walker.forbid("holds a training step", "export it for inference");
}

void check_frozen_field(Walker &walker, const std::string &kind, const Field &field) {
    static const std::set<std::string> known = words(TENSORFLOW);
    if (kind == "node" && field.number == 2) {
        if (field.is_number) walker.damaged("a number where a text should be");
        if (!known.count(field.text())) walker.refuse(field.text());
    }
    if ((kind == "value" && field.number == 10) || (kind == "list" && field.number == 9))
        walker.forbid("calls a function", "freeze it with its functions inlined");
    if (kind == "tensor" && (field.number == 14 || field.number == 15))
        walker.forbid("has a constant that is not of numbers", "freeze it for inference");
}

}  // namespace

void check_network(const Bytes &data, bool frozen, const std::string &where) {
    Walker walker(where, frozen);
    const Parts &parts = frozen ? frozen_parts() : onnx_parts();
    std::vector<Todo> todo{{frozen ? "graph" : "model", {data.data(), data.size()}, 0}};
    while (!todo.empty()) {
        const Todo now = todo.back();
        todo.pop_back();
        if (now.depth > DEPTH) walker.damaged("its graphs are nested more than 8 deep");
        if (!frozen && now.kind == "node") check_onnx_node(walker, now.message);
        for (std::size_t place = 0; place < now.message.size;) {
            const Field field = walker.next(now.message, place);
            const auto inner = parts.find({now.kind, field.number});
            if (inner != parts.end()) {
                if (field.is_number) walker.damaged("a number where a message should be");
                todo.push_back({inner->second, field.message, now.depth + (inner->second == "graph")});
            } else if (frozen) {
                check_frozen_field(walker, now.kind, field);
            } else {
                check_onnx_field(walker, now.kind, field);
            }
        }
    }
}

}  // namespace kface
