// Brightened copies of images, as kface.mtcnn.brighten makes them: only the luma changes.
#include <algorithm>
#include <cmath>
#include <vector>

#include <opencv2/imgproc.hpp>

#include "cascade.hpp"

namespace kface {
namespace {

/// Tiles in each direction, and how much steeper than evenly spread a tile's histogram may be made.
constexpr int GRID = 4;
constexpr double CLIP = 10;
/// Images with a shorter side are left as they are.
constexpr int LEAST = 12;

cv::Mat table(double (*level)(double)) {
    cv::Mat values(1, 256, CV_8U);
    for (int i = 0; i < 256; ++i) values.at<std::uint8_t>(i) = std::uint8_t(std::nearbyint(level(i)));
    return values;
}

double logarithm(double level) { return 255 * std::log1p(level) / std::log(256.0); }

double square_root(double level) { return std::sqrt(255 * level); }

}  // namespace

cv::Mat brightened(const cv::Mat &rgb, Brighten way) {
    if (std::min(rgb.rows, rgb.cols) < LEAST) return rgb.clone();
    cv::Mat ycc, luma;
    cv::cvtColor(rgb, ycc, cv::COLOR_RGB2YCrCb);
    cv::extractChannel(ycc, luma, 0);
    if (way == Brighten::gamma) cv::LUT(luma, table(square_root), luma);
    if (way == Brighten::log || way == Brighten::log_clahe) cv::LUT(luma, table(logarithm), luma);
    if (way == Brighten::clahe || way == Brighten::log_clahe) cv::createCLAHE(CLIP, cv::Size(GRID, GRID))->apply(luma, luma);
    cv::insertChannel(luma, ycc, 0);
    cv::Mat out;
    cv::cvtColor(ycc, out, cv::COLOR_YCrCb2RGB);
    return out;
}

}  // namespace kface
