#include "manifest.hpp"

#include <algorithm>
#include <cmath>

#include "checksum.hpp"
#include "json.hpp"

namespace kface {
namespace {

constexpr int SCHEMA = 1;
constexpr long long MOST = 1LL << 53;
const std::string CANONICAL = "embedder.onnx";
const std::string COSINE = "smallest cosine by ";
/// By how much cosines may differ from one set of faces to another.
constexpr double SPREAD = 0.05;

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
    return text;
}

bool ends_with(const std::string &text, const std::string &end) {
    return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

bool is_inside(const std::string &name) {
    // Backslashes and colons lead out of the directory on Windows.
    if (!is_line(name) || name.find_first_of("\\:") != std::string::npos || lower(name) == "manifest.json") return false;
    for (std::size_t start = 0; start <= name.size();) {
        const std::size_t stop = std::min(name.find('/', start), name.size());
        const std::string step = name.substr(start, stop - start);
        if (step.empty() || step == "." || step == "..") return false;
        start = stop + 1;
    }
    return true;
}

BundleFile read_file_entry(const std::string &name, const Fields &part, const std::string &where) {
    if (!is_inside(name)) throw bundle_error(where, "names a file that is not inside the bundle");
    part.only({"sha256", "bytes", "role", "format", "precision", "opset", "batch", "normalised", "input", "outputs", "layout", "parity"});
    BundleFile file;
    file.path = name;
    file.sha256 = part.hash("sha256");
    file.bytes = static_cast<std::uintmax_t>(part.whole("bytes", 0, MOST));
    file.role = part.choice("role", {"detector", "embedder", "settings", "card", "golden"});
    file.format = part.text("format");
    if (!part.is_null("precision")) file.precision = part.choice("precision", {"fp32", "fp16", "int8"});
    if (!part.is_null("opset")) file.opset = int(part.whole("opset", 1, 1000));
    const bool dynamic = part.value("batch").is_string();
    if (dynamic) part.choice("batch", {"dynamic"});
    const bool batch = dynamic || !part.is_null("batch");
    if (batch && !dynamic) file.batch = int(part.whole("batch", 1, 4096));
    if (!part.is_null("normalised")) part.flag("normalised");
    if (!part.is_null("input")) file.input = part.text("input");
    const Json &outputs = part.value("outputs");
    if (!outputs.is_array()) throw part.wrong("outputs", "a list of texts");
    for (const auto &output : outputs) {
        if (!output.is_string() || !is_line(output.get<std::string>())) throw part.wrong("outputs", "a list of texts");
        file.outputs.push_back(output.get<std::string>());
    }
    if (!part.is_null("layout")) file.layout = part.choice("layout", {"NCHW", "NHWC"});
    if (!part.is_null("parity")) {
        part.object("parity");
        for (const auto &figure : part.value("parity").items())
            if (figure.value().is_number()) file.parity[figure.key()] = figure.value().get<double>();
    }
    file.network = is_network(name);
    if (file.network) {
        if (!ends_with(lower(name), "." + file.format)) throw part.wrong("format", "the file's ending");
        if (file.precision.empty()) throw part.wrong("precision", "given for a network");
        if (!batch) throw part.wrong("batch", "given for a network");
        if (file.input.empty()) throw part.wrong("input", "given for a network");
        if (file.layout.empty()) throw part.wrong("layout", "given for a network");
        if (file.outputs.empty()) throw part.wrong("outputs", "given for a network");
    }
    return file;
}

/// Reads preprocessing and alignment template, and returns what the fingerprint is taken of.
Json read_feeding(const Fields &fields, Manifest &manifest, const std::string &where) {
    const Fields how = fields.object("preprocessing");
    how.only({"size", "colour", "mean", "divisor"});
    const std::vector<double> size = how.numbers("size", 2);
    const std::string colour = how.choice("colour", {"RGB", "BGR"});
    const double mean = how.number("mean", -1e6, 1e6), divisor = how.number("divisor", 1e-6, 1e6);
    manifest.bgr = colour == "BGR";
    manifest.mean = float(mean);
    manifest.divisor = float(divisor);

    const Fields target = fields.object("template");
    target.only({"name", "points"});
    const std::string name = target.text("name");
    const Json &points = target.value("points");
    if (!points.is_array() || points.size() != ALIGNMENT_TEMPLATE.size()) throw target.wrong("points", "5 points");
    bool same = size[0] == KFACE_CROP_SIDE && size[1] == KFACE_CROP_SIDE;
    Json listed = Json::array();
    for (std::size_t i = 0; i < points.size(); ++i) {
        if (!points[i].is_array() || points[i].size() != 2 || !points[i][0].is_number() || !points[i][1].is_number())
            throw target.wrong("points", "5 points");
        const double x = points[i][0].get<double>(), y = points[i][1].get<double>();
        listed.push_back(Json::array({x, y}));
        same = same && float(x) == float(ALIGNMENT_TEMPLATE[i][0]) && float(y) == float(ALIGNMENT_TEMPLATE[i][1]);
    }
    // Faces aligned to other points give other embeddings, without any error: better none at all.
    if (!same)
        throw bundle_error(where, "its faces are aligned to " + name + ", which this library cannot do",
                           "export the bundle again with this version: kface export");
    return Json::array({manifest.file(CANONICAL).sha256,
                        Json::array({Json::array({int(size[0]), int(size[1])}), colour, mean, divisor}), listed, name});
}

}  // namespace

const std::array<std::array<double, 2>, 5> ALIGNMENT_TEMPLATE = {
    {{38.2946, 51.6963}, {73.5318, 51.5014}, {56.0252, 71.7366}, {41.5493, 92.3655}, {70.7299, 92.2041}}};

bool is_network(const std::string &name) {
    const std::string small = lower(name);
    return ends_with(small, ".onnx") || ends_with(small, ".pb") || ends_with(small, ".uff") || ends_with(small, ".engine");
}

const BundleFile &Manifest::file(const std::string &path) const {
    const auto found = files.find(path);
    if (found == files.end()) throw bundle_error(path, "is not in the bundle", "export the bundle with it: kface export");
    return found->second;
}

std::vector<BundleFile> Manifest::embedders() const {
    std::vector<BundleFile> found;
    for (const auto &item : files) {
        const BundleFile &file = item.second;
        if (file.role != "embedder" || file.precision != "fp32" || (file.format != "pb" && file.format != "onnx")) continue;
        double best = -2;
        for (const auto &figure : file.parity)
            if (figure.first.compare(0, COSINE.size(), COSINE) == 0) best = std::max(best, figure.second);
        const auto mine = file.parity.find(COSINE + "opencv");
        // The export found that OpenCV computes something else with this file than other runtimes do.
        if (mine != file.parity.end() && mine->second < std::min(0.999, best - SPREAD)) continue;
        found.push_back(file);
    }
    const auto order = [](const BundleFile &a, const BundleFile &b) {
        const auto key = [](const BundleFile &f) { return std::make_tuple(f.format != "pb", f.batch != 0, f.opset, f.path); };
        return key(a) < key(b);
    };
    std::sort(found.begin(), found.end(), order);
    return found;
}

Manifest read_manifest(const Bytes &data, const std::string &where) {
    const Json document = parse_json(data, where);
    const Fields fields(document, where);
    if (!document.contains("kind") || document["kind"] != "kface bundle")
        throw bundle_error(where, "is not a bundle's manifest", "give a bundle's directory");
    if (!document.contains("schema") || document["schema"] != SCHEMA)
        throw bundle_error(where, "has another schema version than this library reads (" + std::to_string(SCHEMA) + ")",
                           "export the bundle again with this version: kface export");
    fields.only({"kind", "schema", "name", "created", "files", "embedding", "fingerprint", "training", "thresholds", "synthetic",
                 "licence", "provenance", "preprocessing", "template", "digest"});
    Manifest manifest;
    manifest.name = fields.text("name");
    manifest.embedding = int(fields.whole("embedding", 1, 65536));
    manifest.fingerprint = fields.hash("fingerprint");
    const Fields named = fields.object("files");
    for (const auto &item : fields.value("files").items())
        manifest.files[item.key()] = read_file_entry(item.key(), named.object(item.key()), where);
    const Json feeding = read_feeding(fields, manifest, where);

    const std::string written = fields.hash("digest");
    Json others = document;
    others.erase("digest");
    const std::string text = canonical(others);
    if (written != sha256_hex(text.data(), text.size())) throw bundle_error(where, "was edited: its digest is not that of its fields");
    const std::string fed = canonical(feeding);
    if (manifest.fingerprint != sha256_hex(fed.data(), fed.size()))
        throw bundle_error(where, "its fingerprint is not that of " + CANONICAL + " and how it is fed");
    return manifest;
}

}  // namespace kface
