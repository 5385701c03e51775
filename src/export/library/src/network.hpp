// Networks by OpenCV's DNN module, guarded against what its versions do wrong.
#pragma once

#include <list>
#include <string>
#include <utility>
#include <vector>

#include <opencv2/core.hpp>
#include <opencv2/dnn.hpp>

#include "files.hpp"

namespace kface {

/// Keeps OpenCV from printing while one is alive; nested and concurrent ones are counted.
class Quiet {
public:
    Quiet();
    ~Quiet();
    Quiet(const Quiet &) = delete;
    Quiet &operator=(const Quiet &) = delete;
};

/// The bytes of a network that was checked, shared by all nets that are made of them.
struct NetworkFile {
    Bytes data;
    /// A frozen TensorFlow graph; otherwise ONNX.
    bool frozen = false;
    /// For errors.
    std::string where;
    /// Names of the outputs that are wanted, in this order.
    std::vector<std::string> outputs;
    /// Shapes whose nets are kept.
    std::size_t most = 24;
};

/// Nets of one file for one thread at a time.
///
/// OpenCV 4.8 to 4.14 compute some ONNX networks wrongly, without a word, once the shape of their input changes. So every
/// shape has a net of its own, and those that were used last are kept.
class ShapeNets {
public:
    explicit ShapeNets(const NetworkFile &file) : file_(file) {}

    /// Run a batch, CV_32F (n, c, h, w); returns an output for each name, as OpenCV shapes it. Throws Error.
    std::vector<cv::Mat> run(const cv::Mat &batch);

private:
    struct Entry {
        std::vector<int> shape;
        cv::dnn::Net net;
        std::vector<std::string> layers;
    };

    Entry &entry(const std::vector<int> &shape);

    const NetworkFile &file_;
    std::list<Entry> entries_;
};

/// Make a net of a file; throws Error where this OpenCV cannot read it.
cv::dnn::Net read_net(const NetworkFile &file);

}  // namespace kface
