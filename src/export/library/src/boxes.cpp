#include "boxes.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <new>
#include <numeric>
#include <stdexcept>

#include "kface_native.h"

namespace kface {

std::vector<std::size_t> descending(const std::vector<float> &scores) {
    std::vector<std::size_t> order(scores.size());
    std::iota(order.begin(), order.end(), std::size_t(0));
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] < scores[b]; });
    std::reverse(order.begin(), order.end());
    return order;
}

std::vector<std::size_t> staying(const std::vector<Box> &boxes, double threshold, bool smaller) {
    std::vector<std::int64_t> stay(boxes.size());
    std::int64_t count = 0;
    if (boxes.empty()) return {};
    const std::int32_t status = kface_native_suppress(boxes[0].data(), std::int64_t(boxes.size()), threshold, smaller, stay.data(), &count);
    if (status == KFACE_NATIVE_MEMORY) throw std::bad_alloc();
    if (status != KFACE_NATIVE_OK) throw std::logic_error("suppress");
    return std::vector<std::size_t>(stay.begin(), stay.begin() + count);
}

void Candidates::sort() {
    Candidates sorted;
    for (const std::size_t i : descending(scores)) {
        sorted.boxes.push_back(boxes[i]);
        sorted.scores.push_back(scores[i]);
    }
    *this = std::move(sorted);
}

void Candidates::suppress(double threshold, bool smaller) {
    Candidates kept;
    for (const std::size_t i : staying(boxes, threshold, smaller)) {
        kept.boxes.push_back(boxes[i]);
        kept.scores.push_back(scores[i]);
    }
    *this = std::move(kept);
}

void Candidates::square() {
    for (Box &box : boxes) {
        const double width = box[2] - box[0], height = box[3] - box[1];
        const double side = std::max(width, height);
        const double x = box[0] + width * 0.5 - side * 0.5, y = box[1] + height * 0.5 - side * 0.5;
        box = {{x, y, x + side, y + side}};
    }
}

float probability(float logit) { return 1.0F / (1.0F + std::exp(-logit)); }

Box regress(const Box &box, const float *offsets) {
    const double width = box[2] - box[0] + 1, height = box[3] - box[1] + 1;
    return {{box[0] + double(offsets[0]) * width, box[1] + double(offsets[1]) * height, box[2] + double(offsets[2]) * width,
             box[3] + double(offsets[3]) * height}};
}

bool covered(const Box &box, const std::vector<Box> &known) {
    const double tiny = std::numeric_limits<double>::min();
    const double area = (box[2] - box[0]) * (box[3] - box[1]);
    return std::any_of(known.begin(), known.end(), [&](const Box &other) {
        const double width = std::min(box[2], other[2]) - std::max(box[0], other[0]);
        const double height = std::min(box[3], other[3]) - std::max(box[1], other[1]);
        const double shared = std::max(width, 0.0) * std::max(height, 0.0);
        const double both = area + (other[2] - other[0]) * (other[3] - other[1]) - shared;
        return shared / std::max(both, tiny) > 0.3 || shared / std::max(area, tiny) > 0.6;
    });
}

}  // namespace kface
