#include "cascade.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <stdexcept>

#include "kface_native.h"
#include "network_check.hpp"

namespace kface {
namespace {

/// Side of P-Net's window in pixels, and pixels between two of them.
constexpr int CELL = 12, STRIDE = 2;
/// The smallest face of the reference's grid in pixels.
constexpr double BASE_FACE = 20;
/// Pixels that go through P-Net at once: what a core's cache holds of its feature maps.
constexpr int STRIP_PIXELS = 3 << 14;
/// Overlaps above these die: within a level, between levels, after R-Net, and (by the smaller box) after O-Net.
constexpr double NMS[4] = {0.5, 0.7, 0.7, 0.7};
/// Crops that go through R- and O-Net at once.
constexpr int RNET_BATCH = 64, ONET_BATCH = 16;
/// Levels are added to the reference's while the smaller side is this many windows.
constexpr double ROOM = 1.01;

void check(std::int32_t status, const char *what) {
    if (status == KFACE_NATIVE_MEMORY) throw std::bad_alloc();
    if (status != KFACE_NATIVE_OK) throw std::logic_error(what);
}

cv::Mat blob(int count, int height, int width) {
    const int sizes[4] = {count, 3, height, width};
    return cv::Mat(4, sizes, CV_32F);
}

NetworkFile detector_file(const Bundle &bundle, const std::string &name, std::vector<std::string> outputs, std::size_t most) {
    NetworkFile file;
    file.data = read_detector(bundle, name);
    file.where = bundle.place("detector/" + name + ".onnx");
    file.outputs = std::move(outputs);
    file.most = most;
    check_network(file.data, false, file.where);
    return file;
}

}  // namespace

CascadeFiles::CascadeFiles(const Bundle &bundle)
    : pnet(detector_file(bundle, "pnet", {"offsets", "logits"}, 24)),
      rnet(detector_file(bundle, "rnet", {"offsets", "logits"}, 7)),
      onet(detector_file(bundle, "onet", {"offsets", "landmarks", "logits"}, 5)) {}

Cascade::Cascade(const CascadeFiles &files, const DetectorSettings &settings)
    : settings_(settings), pnet_(files.pnet), rnet_(files.rnet), onet_(files.onet) {}

std::vector<double> pyramid_scales(int height, int width, double min_face, double factor) {
    const int smallest = std::min(height, width);
    std::vector<double> out;
    if (smallest < CELL) return out;
    const double first = CELL / BASE_FACE;
    // Ties go to the even number, as Python's round does.
    int count = int(std::nearbyint(-(std::log(smallest / double(CELL)) / std::log(factor) + 1)));
    while (smallest * first * std::pow(factor, count) >= ROOM * CELL) ++count;
    // The documented steps are rounded to a tenth of a pixel: 79.1 stands for 79.15.
    const int dropped = int(std::floor(std::log((min_face + 0.1) / BASE_FACE) / -std::log(factor)));
    for (int level = dropped; level < count; ++level) {
        const double scale = first * std::pow(factor, level);
        // A larger factor makes the reference's last levels smaller than P-Net's window.
        if (int(smallest * scale) >= CELL) out.push_back(scale);
    }
    return out;
}

std::vector<Strip> level_strips(int height, int rows) {
    rows = std::max(rows, CELL + STRIDE);
    if (height <= rows) return {{0, height}};
    // A strip starts at an even row, where the pool's windows start too; the last one takes the rest.
    const int step = (rows - CELL) / STRIDE * STRIDE + STRIDE, overlap = CELL - STRIDE;
    std::vector<Strip> out;
    for (int start = 0; start < height - overlap - 1; start += step) out.push_back({start, start + step + overlap});
    out.back().last = height;
    return out;
}

Candidates Cascade::read_level(const cv::Mat &planes, double scale) {
    const int height = planes.size[2], width = planes.size[3];
    const double threshold = settings_.thresholds[0];
    // A little below the threshold's logit, so that the rounded probability decides.
    const double least = std::log(std::max(threshold, 1e-6) / (1 - threshold)) - 1e-3;
    std::vector<Box> boxes;
    std::vector<float> scores;
    int row = 0;
    for (const Strip &strip : level_strips(height, std::max(1, STRIP_PIXELS / width))) {
        cv::Mat piece = planes;
        if (strip.last - strip.first != height) {
            piece = blob(1, strip.last - strip.first, width);
            const std::size_t part = std::size_t(strip.last - strip.first) * std::size_t(width);
            for (int c = 0; c < 3; ++c)
                std::memcpy(piece.ptr<float>(0, c), planes.ptr<float>(0, c) + std::size_t(strip.first) * std::size_t(width),
                            part * sizeof(float));
        }
        const std::vector<cv::Mat> out = pnet_.run(piece);
        const cv::Mat &offsets = out[0], &logits = out[1];
        if (offsets.dims != 4 || logits.dims != 4 || offsets.size[1] != 4 || logits.size[1] != 1 || offsets.size[2] != logits.size[2] ||
            offsets.size[3] != logits.size[3])
            throw Error(KFACE_ERROR_NETWORK, "pnet.onnx", "gives arrays of other shapes than P-Net's", REMEDY);
        const int rows = logits.size[2], columns = logits.size[3];
        for (int y = 0; y < rows; ++y, ++row) {
            const float *logit = logits.ptr<float>(0, 0, y);
            for (int x = 0; x < columns; ++x) {
                if (!(logit[x] > least)) continue;
                const float score = probability(logit[x]);
                if (!(score > threshold)) continue;
                const double left = x * STRIDE + 1.0, top = row * STRIDE + 1.0;
                Box box;
                for (int k = 0; k < 4; ++k) {
                    const double corner = (k % 2 ? top : left) + (k < 2 ? 0 : CELL - 1);
                    box[std::size_t(k)] = (corner + double(offsets.ptr<float>(0, k, y)[x]) * (CELL - 1)) / scale;
                }
                boxes.push_back(box);
                scores.push_back(score);
            }
        }
    }
    Candidates found{std::move(boxes), std::move(scores)};
    found.sort();
    found.suppress(NMS[0]);
    return found;
}

Candidates Cascade::propose(const cv::Mat &rgb) {
    Candidates all;
    for (const double scale : pyramid_scales(rgb.rows, rgb.cols, settings_.min_face, settings_.factor)) {
        const int height = std::max(int(rgb.rows * scale), 1), width = std::max(int(rgb.cols * scale), 1);
        cv::Mat planes = blob(1, height, width);
        check(kface_native_area_resize(rgb.data, rgb.rows, rgb.cols, std::int64_t(rgb.step), planes.ptr<float>(), height, width), "resize");
        const Candidates level = read_level(planes, scale);
        all.boxes.insert(all.boxes.end(), level.boxes.begin(), level.boxes.end());
        all.scores.insert(all.scores.end(), level.scores.begin(), level.scores.end());
    }
    all.sort();
    all.suppress(NMS[1]);
    all.square();
    return all;
}

std::vector<std::vector<float>> Cascade::run_crops(ShapeNets &net, const cv::Mat &rgb, const std::vector<Box> &boxes, int size, int most) {
    std::vector<std::vector<float>> out;
    for (std::size_t start = 0; start < boxes.size();) {
        // A net is made for each size of batch: so there are few, all powers of two.
        int count = most;
        while (std::size_t(count) > boxes.size() - start) count /= 2;
        cv::Mat crops = blob(count, size, size);
        check(kface_native_crop_and_resize(rgb.data, rgb.rows, rgb.cols, std::int64_t(rgb.step), boxes[start].data(), count, size,
                                           crops.ptr<float>()),
              "crop");
        const std::vector<cv::Mat> values = net.run(crops);
        out.resize(values.size());
        for (std::size_t k = 0; k < values.size(); ++k) {
            if (values[k].total() % std::size_t(count) || !values[k].isContinuous())
                throw Error(KFACE_ERROR_NETWORK, "detector", "gives arrays of other shapes than MTCNN's", REMEDY);
            out[k].insert(out[k].end(), values[k].ptr<float>(), values[k].ptr<float>() + values[k].total());
        }
        start += std::size_t(count);
    }
    for (std::size_t k = 0; k < out.size(); ++k) {
        // Offsets, landmarks where they are the second of three, and the logit.
        const std::size_t each = k == 0 ? 4 : k + 1 == out.size() ? 1 : 10;
        if (out[k].size() != each * boxes.size())
            throw Error(KFACE_ERROR_NETWORK, "detector", "gives arrays of other shapes than MTCNN's", REMEDY);
    }
    return out;
}

Candidates Cascade::refine(const cv::Mat &rgb, const Candidates &found) {
    Candidates kept;
    if (found.boxes.empty()) return kept;
    const auto out = run_crops(rnet_, rgb, found.boxes, 24, RNET_BATCH);
    for (std::size_t i = 0; i < found.size(); ++i) {
        const float score = probability(out[1][i]);
        if (!(score > settings_.thresholds[1])) continue;
        kept.boxes.push_back(regress(found.boxes[i], &out[0][4 * i]));
        kept.scores.push_back(score);
    }
    kept.sort();
    kept.suppress(NMS[2]);
    kept.square();
    return kept;
}

std::vector<kface_face> Cascade::finish(const cv::Mat &rgb, const Candidates &found) {
    std::vector<kface_face> faces;
    if (found.boxes.empty()) return faces;
    const auto out = run_crops(onet_, rgb, found.boxes, 48, ONET_BATCH);
    std::vector<std::size_t> keep;
    std::vector<float> scores;
    for (std::size_t i = 0; i < found.size(); ++i) {
        const float score = probability(out[2][i]);
        if (!(score > settings_.thresholds[2])) continue;
        keep.push_back(i);
        scores.push_back(score);
    }
    std::vector<Box> after;
    std::vector<std::size_t> order = descending(scores);
    for (const std::size_t i : order) after.push_back(regress(found.boxes[keep[i]], &out[0][4 * keep[i]]));
    for (const std::size_t place : staying(after, NMS[3], true)) {
        const std::size_t i = keep[order[place]];
        kface_face face{};
        for (std::size_t k = 0; k < 4; ++k) face.box[k] = float(after[place][k]);
        face.score = scores[order[place]];
        // Landmarks are relative to the box before its regression: five x, then five y.
        const Box &before = found.boxes[i];
        const double sides[2] = {before[2] - before[0] + 1, before[3] - before[1] + 1};
        for (std::size_t k = 0; k < 5; ++k)
            for (std::size_t axis = 0; axis < 2; ++axis)
                face.landmarks[2 * k + axis] = float(double(out[1][10 * i + 5 * axis + k]) * sides[axis] + before[axis] - 1);
        faces.push_back(face);
    }
    return faces;
}

std::vector<kface_face> Cascade::find(const cv::Mat &rgb) {
    if (rgb.empty()) return {};
    return finish(rgb, refine(rgb, propose(rgb)));
}

std::vector<kface_face> Cascade::detect(const cv::Mat &rgb) {
    std::vector<kface_face> faces = find(rgb);
    for (const Brighten way : settings_.brighten) {
        // One face is expected; what a copy shows beside it is not looked for.
        if (!faces.empty() || rgb.empty()) break;
        faces = find(brightened(rgb, way));
    }
    return faces;
}

const kface_face *largest(const std::vector<kface_face> &faces) {
    const kface_face *best = nullptr;
    float most = -1;
    for (const kface_face &face : faces) {
        const float area = std::max(face.box[2] - face.box[0], 0.0F) * std::max(face.box[3] - face.box[1], 0.0F);
        if (area > most) {
            best = &face;
            most = area;
        }
    }
    return best;
}

}  // namespace kface
