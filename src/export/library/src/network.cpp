#include "network.hpp"

#include <mutex>

#include <opencv2/core/utils/logger.hpp>

namespace kface {
namespace {

std::mutex quiet_mutex;
int quiet_count = 0;
cv::utils::logging::LogLevel level_before = cv::utils::logging::LOG_LEVEL_INFO;

/// What OpenCV says, as one short line without the path of the source file that it names.
std::string reason(const cv::Exception &error) {
    std::string text;
    for (const char sign : error.err) text += static_cast<unsigned char>(sign) < 0x20 ? ' ' : sign;
    return text.substr(0, 120);
}

/// The importer prefixes an output's name with its place in the graph, as in "onnx_node_output_0!scores".
std::string plain_name(const std::string &layer) { return layer.substr(layer.rfind('!') + 1); }

}  // namespace

Quiet::Quiet() {
    const std::lock_guard<std::mutex> lock(quiet_mutex);
    if (quiet_count++ == 0) level_before = cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
}

Quiet::~Quiet() {
    const std::lock_guard<std::mutex> lock(quiet_mutex);
    if (--quiet_count == 0) cv::utils::logging::setLogLevel(level_before);
}

cv::dnn::Net read_net(const NetworkFile &file) {
    const auto *data = reinterpret_cast<const char *>(file.data.data());
    try {
        cv::dnn::Net net;
        // OpenCV 5 has a new engine, which finds other boxes: the classic one is what the bundles were proven with.
#if CV_VERSION_MAJOR >= 5
        if (file.frozen)
            net = cv::dnn::readNetFromTensorflow(data, file.data.size(), nullptr, 0, cv::dnn::ENGINE_CLASSIC);
        else
            net = cv::dnn::readNetFromONNX(data, file.data.size(), cv::dnn::ENGINE_CLASSIC);
#else
        net = file.frozen ? cv::dnn::readNetFromTensorflow(data, file.data.size()) : cv::dnn::readNetFromONNX(data, file.data.size());
#endif
        if (net.empty()) throw Error(KFACE_ERROR_NETWORK, file.where, "is not a network that OpenCV can read");
        net.setPreferableBackend(cv::dnn::DNN_BACKEND_OPENCV);
        net.setPreferableTarget(cv::dnn::DNN_TARGET_CPU);
        return net;
    } catch (const cv::Exception &error) {
        if (error.code == cv::Error::StsNoMem) throw std::bad_alloc();
        throw Error(KFACE_ERROR_NETWORK, file.where, "is not a network that OpenCV " CV_VERSION " can read (" + reason(error) + ")",
                    file.frozen ? REMEDY : "use the bundle's frozen graph: set options.embedder to pb");
    }
}

ShapeNets::Entry &ShapeNets::entry(const std::vector<int> &shape) {
    for (auto found = entries_.begin(); found != entries_.end(); ++found) {
        if (found->shape != shape) continue;
        entries_.splice(entries_.begin(), entries_, found);
        return entries_.front();
    }
    while (entries_.size() >= file_.most) entries_.pop_back();
    Entry made{shape, read_net(file_), {}};
    const std::vector<std::string> layers = made.net.getUnconnectedOutLayersNames();
    for (const auto &wanted : file_.outputs) {
        std::string found;
        for (const auto &layer : layers)
            if (layer == wanted || plain_name(layer) == wanted) found = layer;
        // A graph whose only output has another name has the right one all the same.
        if (found.empty() && file_.outputs.size() == 1 && layers.size() == 1) found = layers[0];
        if (found.empty()) throw Error(KFACE_ERROR_NETWORK, file_.where, "has no output " + wanted, REMEDY);
        made.layers.push_back(found);
    }
    entries_.push_front(std::move(made));
    return entries_.front();
}

std::vector<cv::Mat> ShapeNets::run(const cv::Mat &batch) {
    std::vector<int> shape(batch.size.p, batch.size.p + batch.dims);
    Entry &one = entry(shape);
    try {
        one.net.setInput(batch);
        std::vector<cv::Mat> out;
        one.net.forward(out, one.layers);
        for (auto &value : out) value = value.clone();
        return out;
    } catch (const cv::Exception &error) {
        // What it holds now is anybody's guess.
        entries_.pop_front();
        if (error.code == cv::Error::StsNoMem) throw std::bad_alloc();
        throw Error(KFACE_ERROR_NETWORK, file_.where, "cannot run in OpenCV " CV_VERSION " (" + reason(error) + ")",
                    file_.frozen ? REMEDY : "use the bundle's frozen graph: set options.embedder to pb");
    }
}

}  // namespace kface
