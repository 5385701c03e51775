#include "recognizer.hpp"

#include <algorithm>
#include <cmath>
#include <exception>
#include <thread>

#include "alignment.hpp"
#include "network_check.hpp"
#include "self_check.hpp"

namespace kface {
namespace {

constexpr std::uintmax_t LARGEST_NETWORK = 0x7fffffffU;
/// An embedding shorter than this points nowhere.
constexpr double SHORTEST = 1e-6;
/// Golden faces that are embedded when a bundle is opened.
constexpr std::size_t FACES = 8;

DetectorSettings merged(DetectorSettings settings, const kface_options *options) {
    if (!options) return settings;
    if (options->min_face != 0) settings.min_face = check_min_face(options->min_face, "options.min_face", KFACE_ERROR_ARGUMENT);
    if (options->brighten) settings.brighten = read_ways(options->brighten, "options.brighten", KFACE_ERROR_ARGUMENT);
    return settings;
}

void judge(double cosine, const Golden &golden, const std::string &where) {
    if (cosine >= golden.tolerance.cosine) return;
    throw Error(KFACE_ERROR_NETWORK, where,
                "gives wrong embeddings in OpenCV " CV_VERSION ": a cosine of " + std::to_string(cosine) +
                    " with the bundle's golden vectors, where " + std::to_string(golden.tolerance.cosine) + " is the least",
                "set options.embedder to the other of pb and onnx, or export the bundle again: kface export");
}

}  // namespace

Recognizer::Lease::Lease(Recognizer &owner) : owner_(owner), unwinding_(std::uncaught_exceptions()) {
    {
        const std::lock_guard<std::mutex> lock(owner_.mutex_);
        if (!owner_.idle_.empty()) {
            worker_ = std::move(owner_.idle_.back());
            owner_.idle_.pop_back();
        }
    }
    if (!worker_) worker_ = std::make_unique<Worker>(owner_.cascade_, owner_.settings_, owner_.embedder_);
}

Recognizer::Lease::~Lease() {
    // After an error the nets may hold anything.
    if (std::uncaught_exceptions() > unwinding_) return;
    const std::size_t most = 2 * std::max(1U, std::thread::hardware_concurrency());
    const std::lock_guard<std::mutex> lock(owner_.mutex_);
    try {
        if (owner_.idle_.size() < most) owner_.idle_.push_back(std::move(worker_));
    } catch (const std::bad_alloc &) {
    }
}

Recognizer::Recognizer(const std::string &directory, const kface_options *options)
    : bundle_(directory), settings_(merged(bundle_.settings(), options)), fingerprint_(from_hex(bundle_.manifest().fingerprint)),
      cascade_(bundle_) {
    choose_embedder(options && options->embedder ? options->embedder : "");
    // All of it is read here: no call fails later for a file that cannot be read.
    for (const NetworkFile *file : {&cascade_.pnet, &cascade_.rnet, &cascade_.onet}) read_net(*file);
}

void Recognizer::choose_embedder(const std::string &format) {
    if (!format.empty() && format != "pb" && format != "onnx")
        throw Error(KFACE_ERROR_ARGUMENT, "options.embedder", "is an unknown choice", "choose pb or onnx, or NULL");
    std::vector<BundleFile> choices;
    for (const BundleFile &file : bundle_.manifest().embedders())
        if (format.empty() || file.format == format) choices.push_back(file);
    if (choices.empty())
        throw bundle_error(bundle_.place("manifest.json"),
                           "has no embedder." + (format.empty() ? std::string("pb or .onnx") : format) + " of precision fp32 for OpenCV",
                           "export one: kface export");
    for (std::size_t i = 0; i < choices.size(); ++i) {
        try {
            open_embedder(choices[i]);
            return;
        } catch (const Error &error) {
            // The bundle's other form is the same network; whoever asked for one is told about that one.
            if (error.status() != KFACE_ERROR_NETWORK || i + 1 == choices.size() || !format.empty()) throw;
        }
    }
}

void Recognizer::open_embedder(const BundleFile &file) {
    embedder_ = NetworkFile();
    embedder_.data = bundle_.read(file.path, LARGEST_NETWORK);
    embedder_.frozen = file.format == "pb";
    embedder_.where = bundle_.place(file.path);
    check_network(embedder_.data, embedder_.frozen, embedder_.where);
    embedder_.outputs = {file.outputs.at(0)};
    embedder_.most = 1;
    batch_ = file.batch;
    idle_.clear();
    if (!has_golden(bundle_)) {
        const Bytes grey(KFACE_CROP_BYTES, 127);
        embed(grey.data());
        return;
    }
    const Golden golden = read_golden(bundle_);
    double least = 1;
    for (std::size_t i = 0; i < std::min(FACES, golden.crops.size()); ++i)
        least = std::min(least, cosine_of(embed(golden.crops[i].data()), golden.embeddings[i]));
    judge(least, golden, embedder_.where);
}

double Recognizer::self_check() {
    const Golden golden = read_golden(bundle_);
    // Not the handle's settings: the golden faces were found with their own.
    Cascade cascade(cascade_, golden.detector);
    const Stages stages{[&](const cv::Mat &rgb) { return cascade.detect(rgb); }, align,
                        [this](const std::uint8_t *crop) { return embed(crop); }};
    return check_stages(bundle_, golden, stages, embedder_.where);
}

std::vector<kface_face> Recognizer::detect(const cv::Mat &rgb) {
    const Lease worker(*this);
    return (*worker).cascade.detect(rgb);
}

std::vector<float> Recognizer::embed(const std::uint8_t *crop) {
    const Lease worker(*this);
    return embed(*worker, crop);
}

std::vector<float> Recognizer::embed(Worker &worker, const std::uint8_t *crop) {
    const Manifest &manifest = bundle_.manifest();
    const int side = KFACE_CROP_SIDE, count = std::max(1, batch_);
    const int sizes[4] = {count, 3, side, side};
    cv::Mat batch(4, sizes, CV_32F);
    for (int n = 0; n < count; ++n) {
        for (int c = 0; c < 3; ++c) {
            float *plane = batch.ptr<float>(n, c);
            const std::uint8_t *colour = crop + (manifest.bgr ? 2 - c : c);
            for (int i = 0; i < side * side; ++i) plane[i] = (float(colour[3 * i]) - manifest.mean) / manifest.divisor;
        }
    }
    const std::vector<cv::Mat> out = worker.embedder.run(batch);
    const std::size_t dimension = std::size_t(manifest.embedding);
    if (out[0].total() != dimension * std::size_t(count) || out[0].depth() != CV_32F)
        throw Error(KFACE_ERROR_NETWORK, embedder_.where,
                    "gave " + std::to_string(out[0].total()) + " numbers for " + std::to_string(count) + " faces; the manifest says " +
                        std::to_string(dimension) + " each",
                    "export the bundle again: kface export");
    const float *values = out[0].ptr<float>();
    double length = 0;
    for (std::size_t i = 0; i < dimension; ++i) length += double(values[i]) * values[i];
    length = std::sqrt(length);
    if (!std::isfinite(length) || length < SHORTEST) return {};
    std::vector<float> embedding(dimension);
    for (std::size_t i = 0; i < dimension; ++i) embedding[i] = float(values[i] / length);
    return embedding;
}

Enrolled Recognizer::enroll(const cv::Mat &rgb) {
    const Lease lease(*this);
    Worker &worker = *lease;
    Enrolled made;
    const std::vector<kface_face> faces = worker.cascade.detect(rgb);
    const kface_face *face = largest(faces);
    if (!face) return made;
    made.face = *face;
    if (!alignable(face->landmarks)) {
        made.reason = KFACE_REASON_NOT_ALIGNED;
        return made;
    }
    const cv::Mat crop = align(rgb, face->landmarks);
    made.embedding = embed(worker, crop.data);
    made.reason = made.embedding.empty() ? KFACE_REASON_NOT_FINITE : KFACE_REASON_NONE;
    return made;
}

}  // namespace kface
