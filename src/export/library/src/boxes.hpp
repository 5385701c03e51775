// Boxes on their way through the cascade; see kface.mtcnn.boxes.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

namespace kface {

/// x1 y1 x2 y2 in pixels.
using Box = std::array<double, 4>;

/// Boxes with their scores, best first.
struct Candidates {
    std::vector<Box> boxes;
    std::vector<float> scores;

    std::size_t size() const { return boxes.size(); }
    /// Put the best score first; of equal ones the later comes first, as NumPy's reversed argsort puts them.
    void sort();
    /// Keep the boxes that no better one overlaps by more than the threshold.
    void suppress(double threshold, bool smaller = false);
    /// Make squares around the same centres with the longer sides.
    void square();
};

/// The indices of scores from the best to the worst, see Candidates::sort.
std::vector<std::size_t> descending(const std::vector<float> &scores);

/// The indices of the boxes, best first, that stay; see kface_native_suppress.
std::vector<std::size_t> staying(const std::vector<Box> &boxes, double threshold, bool smaller);

/// The probability of a face, as the reference's softmax rounds it.
float probability(float logit);

/// Move corners by offsets in units of the sides, which the reference takes as one pixel longer.
Box regress(const Box &box, const float *offsets);

/// Whether a box is about the same as one of the known ones, or lies mostly within it.
bool covered(const Box &box, const std::vector<Box> &known);

}  // namespace kface
