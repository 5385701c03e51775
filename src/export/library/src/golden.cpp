#include "golden.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "checksum.hpp"
#include "image.hpp"
#include "json.hpp"

namespace kface {
namespace {

constexpr int SCHEMA = 2;
constexpr std::uintmax_t LARGEST = 16U << 20;
constexpr int MOST_CROPS = 64, LONGEST_SIDE = 640;
constexpr std::size_t MOST_PICTURES = 16;
const std::string VECTORS = "golden/vectors.json", EMBEDDINGS_ONLY = "golden/embeddings.json", CROPS = "golden/faces.png";
const std::string DETECTOR = "detector/manifest.json";
/// How every PNG begins, up to its width and height.
const std::uint8_t PNG[16] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 13, 'I', 'H', 'D', 'R'};

/// The values of Python's float32 arrays: a larger number has none.
float single(const Fields &fields, const std::string &key, double value) {
    if (std::abs(value) > double(std::numeric_limits<float>::max())) throw fields.wrong(key, "numbers of single precision");
    return float(value);
}

double by_precision(const Fields &part, const std::vector<std::string> &precisions, double least, double most) {
    part.only(precisions);
    for (const auto &precision : precisions) part.number(precision, least, most);
    // OpenCV computes in full precision on the CPU.
    return part.number("fp32", least, most);
}

void read_crops(const Fields &part, const std::string &count_key, Golden &golden) {
    golden.count = std::size_t(part.whole(count_key, 1, MOST_CROPS));
    part.whole("size", KFACE_CROP_SIDE, KFACE_CROP_SIDE);
    golden.pixels_sha256 = part.hash("pixels_sha256");
}

std::vector<std::vector<float>> read_embeddings(const Fields &fields, std::size_t count, int embedding) {
    const Json &rows = fields.value("embeddings");
    if (!rows.is_array() || rows.size() != count) throw fields.wrong("embeddings", std::to_string(count) + " embeddings");
    std::vector<std::vector<float>> out;
    for (const Json &row : rows) {
        if (!row.is_array() || row.size() != std::size_t(embedding))
            throw fields.wrong("embeddings", "embeddings of the manifest's length");
        out.emplace_back();
        double squares = 0;
        for (const Json &part : row) {
            if (!part.is_number() || !std::isfinite(part.get<double>())) throw fields.wrong("embeddings", "numbers");
            out.back().push_back(single(fields, "embeddings", part.get<double>()));
            squares += part.get<double>() * part.get<double>();
        }
        if (!(std::abs(squares - 1) < 1.1e-4)) throw fields.wrong("embeddings", "vectors of length 1");
    }
    return out;
}

DetectorSettings read_settings(const Fields &part, const GoldenOwner &owner) {
    part.only({"manifest_sha256", "min_face", "thresholds", "factor"});
    if (owner.detector_sha256.empty() || part.hash("manifest_sha256") != owner.detector_sha256)
        throw part.wrong("manifest_sha256", "the SHA-256 of " + DETECTOR);
    DetectorSettings settings;
    settings.min_face = part.number("min_face", 20, 10000);
    settings.factor = part.number("factor", 0.5, 0.95);
    const std::vector<double> thresholds = part.numbers("thresholds", settings.thresholds.size());
    std::copy(thresholds.begin(), thresholds.end(), settings.thresholds.begin());
    settings.brighten.clear();
    return settings;
}

kface_face read_face(const Fields &part) {
    part.only({"crop", "score", "box", "landmarks"});
    kface_face face{};
    face.score = float(part.number("score", 0, 1));
    const std::vector<double> box = part.numbers("box", 4);
    for (std::size_t i = 0; i < box.size(); ++i) face.box[i] = single(part, "box", box[i]);
    const Json &points = part.value("landmarks");
    if (!points.is_array() || points.size() != ALIGNMENT_TEMPLATE.size()) throw part.wrong("landmarks", "5 points");
    for (std::size_t i = 0; i < points.size(); ++i) {
        if (!points[i].is_array() || points[i].size() != 2) throw part.wrong("landmarks", "points of 2 numbers");
        for (std::size_t k = 0; k < 2; ++k) {
            if (!points[i][k].is_number() || !std::isfinite(points[i][k].get<double>()))
                throw part.wrong("landmarks", "points of 2 numbers");
            face.landmarks[2 * i + k] = single(part, "landmarks", points[i][k].get<double>());
        }
    }
    return face;
}

GoldenPicture read_entry(const Json &value, const std::string &where, std::size_t index, std::size_t crops) {
    const std::string name = "pictures[" + std::to_string(index) + "]";
    const Fields part(value, where, name);
    part.only({"file", "width", "height", "pixels_sha256", "faces"});
    GoldenPicture picture;
    picture.path = part.choice("file", {"golden/picture" + std::to_string(index + 1) + ".png"});
    picture.width = int(part.whole("width", 1, LONGEST_SIDE));
    picture.height = int(part.whole("height", 1, LONGEST_SIDE));
    picture.pixels_sha256 = part.hash("pixels_sha256");
    const Json &faces = part.value("faces");
    if (!faces.is_array()) throw part.wrong("faces", "a list");
    for (std::size_t i = 0; i < faces.size(); ++i) {
        const Fields face(faces[i], where, name + ".faces[" + std::to_string(i) + "]");
        picture.faces.push_back(read_face(face));
        picture.crops.push_back(std::size_t(face.whole("crop", 0, static_cast<long long>(crops) - 1)));
    }
    return picture;
}

void read_vectors(const Fields &fields, const std::string &where, const GoldenOwner &owner, Golden &golden) {
    const Fields crops = fields.object("crops");
    crops.only({"file", "count", "size", "pixels_sha256"});
    crops.choice("file", {CROPS});
    read_crops(crops, "count", golden);
    golden.embeddings = read_embeddings(fields, golden.count, owner.embedding);
    const bool detector = !fields.is_null("detector");
    if (detector) golden.detector = read_settings(fields.object("detector"), owner);
    const Json &pictures = fields.value("pictures");
    if (!pictures.is_array() || pictures.size() > MOST_PICTURES || pictures.empty() == detector)
        throw fields.wrong("pictures", "at most " + std::to_string(MOST_PICTURES) + " pictures, with a detector");
    for (std::size_t i = 0; i < pictures.size(); ++i) golden.pictures.push_back(read_entry(pictures[i], where, i, golden.count));
    const Fields limits = fields.object("tolerance");
    limits.only({"cosine", "landmarks", "boxes", "scores", "crops"});
    golden.tolerance.cosine = by_precision(limits.object("cosine"), {"fp32", "fp16", "int8"}, -1, 1);
    golden.tolerance.landmarks = by_precision(limits.object("landmarks"), {"fp32", "fp16"}, 0, 100);
    golden.tolerance.boxes = by_precision(limits.object("boxes"), {"fp32", "fp16"}, 0, 100);
    golden.tolerance.scores = by_precision(limits.object("scores"), {"fp32", "fp16"}, 0, 100);
    golden.tolerance.crops = limits.number("crops", 0, 255);
}

/// The pixels of a PNG of known width and height; throws where they are not those that were written.
cv::Mat read_png(const Bundle &bundle, const std::string &name, int width, int height, const std::string &digest) {
    const std::string where = bundle.place(name);
    const Bytes data = bundle.read(name, LARGEST);
    const auto number = [&](std::size_t at) {
        return std::uint32_t(data[at]) << 24 | std::uint32_t(data[at + 1]) << 16 | std::uint32_t(data[at + 2]) << 8 | data[at + 3];
    };
    const Error other = bundle_error(where, "is not a PNG of " + std::to_string(width) + "x" + std::to_string(height) + " pixels");
    // The header first: a few bytes of PNG can hold gigabytes of pixels.
    if (data.size() < 24 || std::memcmp(data.data(), PNG, sizeof PNG) != 0 || number(16) != std::uint32_t(width) ||
        number(20) != std::uint32_t(height))
        throw other;
    cv::Mat rgb;
    try {
        rgb = decode_image(data.data(), data.size(), where);
    } catch (const Error &) {
        throw bundle_error(where, "is not an image that can be decoded");
    }
    if (rgb.cols != width || rgb.rows != height || rgb.type() != CV_8UC3 || !rgb.isContinuous()) throw other;
    if (sha256_hex(rgb.data, rgb.total() * rgb.elemSize()) != digest)
        throw bundle_error(where, "does not hold the pixels that were written");
    return rgb;
}

}  // namespace

bool has_golden(const Bundle &bundle) {
    const auto &files = bundle.manifest().files;
    return std::any_of(files.begin(), files.end(), [](const auto &item) { return item.second.role == "golden"; });
}

Golden parse_golden(const Bytes &data, const std::string &where, int schema, const GoldenOwner &owner) {
    const Json document = parse_json(data, where);
    const Fields fields(document, where);
    const Json &version = fields.value("schema");
    if (!version.is_number_integer() || version != schema)
        throw bundle_error(where, "has another schema version than this library reads (" + std::to_string(schema) + ")",
                           "export the bundle again with this version: kface export");
    if (fields.hash("embedder_sha256") != owner.embedder_sha256) throw fields.wrong("embedder_sha256", "the SHA-256 of embedder.onnx");
    Golden golden;
    if (schema == SCHEMA) {
        fields.only({"schema", "embedder_sha256", "crops", "embeddings", "detector", "pictures", "tolerance"});
        read_vectors(fields, where, owner, golden);
    } else {
        fields.only({"schema", "embedder_sha256", "faces", "size", "pixels_sha256", "embeddings", "tolerance"});
        read_crops(fields, "faces", golden);
        golden.embeddings = read_embeddings(fields, golden.count, owner.embedding);
        golden.tolerance.cosine = by_precision(fields.object("tolerance"), {"fp32", "fp16", "int8"}, -1, 1);
    }
    return golden;
}

Golden read_golden(const Bundle &bundle) {
    if (!has_golden(bundle)) throw bundle_error(bundle.place("golden"), "there are no golden vectors", "export the bundle again: kface export");
    const Manifest &manifest = bundle.manifest();
    const auto lists = [&](const std::string &name) {
        const auto found = manifest.files.find(name);
        return found != manifest.files.end() && found->second.role == "golden";
    };
    const bool older = lists(EMBEDDINGS_ONLY) && !lists(VECTORS);
    const std::string name = older ? EMBEDDINGS_ONLY : VECTORS;
    GoldenOwner owner;
    owner.embedder_sha256 = manifest.file("embedder.onnx").sha256;
    owner.embedding = manifest.embedding;
    const auto detector = manifest.files.find(DETECTOR);
    if (detector != manifest.files.end()) owner.detector_sha256 = detector->second.sha256;
    Golden golden = parse_golden(bundle.read(name, LARGEST), bundle.place(name), older ? 1 : SCHEMA, owner);
    golden.document = name;
    for (const GoldenPicture &picture : golden.pictures) manifest.file(picture.path);
    const cv::Mat rgb = read_png(bundle, CROPS, KFACE_CROP_SIDE, KFACE_CROP_SIDE * int(golden.count), golden.pixels_sha256);
    for (std::size_t i = 0; i < golden.count; ++i)
        golden.crops.emplace_back(rgb.data + i * KFACE_CROP_BYTES, rgb.data + (i + 1) * KFACE_CROP_BYTES);
    return golden;
}

cv::Mat read_picture(const Bundle &bundle, const GoldenPicture &picture) {
    return read_png(bundle, picture.path, picture.width, picture.height, picture.pixels_sha256);
}

}  // namespace kface
