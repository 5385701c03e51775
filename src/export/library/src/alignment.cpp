#include "alignment.hpp"

#include <cmath>

#include "kface.h"
#include "manifest.hpp"

namespace kface {
namespace {

/// The similarity that brings landmarks closest to the template (Umeyama, 1991).
cv::Matx23d similarity(const float *landmarks) {
    double source[2] = {0, 0}, target[2] = {0, 0};
    double points[5][2], wanted[5][2];
    for (int i = 0; i < 5; ++i) {
        for (int k = 0; k < 2; ++k) {
            points[i][k] = landmarks[2 * i + k];
            // kface.alignment keeps its template in single precision.
            wanted[i][k] = float(ALIGNMENT_TEMPLATE[std::size_t(i)][std::size_t(k)]);
            source[k] += points[i][k] / 5;
            target[k] += wanted[i][k] / 5;
        }
    }
    // With points as complex numbers the similarity is one complex factor: its least-squares value is <p, q> / <p, p>.
    double spread = 0, cosine = 0, sine = 0;
    for (int i = 0; i < 5; ++i) {
        const double px = points[i][0] - source[0], py = points[i][1] - source[1];
        const double qx = wanted[i][0] - target[0], qy = wanted[i][1] - target[1];
        spread += px * px + py * py;
        cosine += px * qx + py * qy;
        sine += px * qy - py * qx;
    }
    cosine /= spread;
    sine /= spread;
    return cv::Matx23d(cosine, -sine, target[0] - (cosine * source[0] - sine * source[1]), sine, cosine,
                       target[1] - (sine * source[0] + cosine * source[1]));
}

/// One pixel between the four around a place, rounded; black outside the image.
///
/// OpenCV's warpAffine is not used: up to 4.x it takes places to 1/32 of a pixel, so that the same face has other crops (by up
/// to 4 grey levels) and other similarities (by up to .002) from one version to another.
void sample(const cv::Mat &rgb, double x, double y, std::uint8_t *out) {
    if (!(x > -1 && y > -1 && x < rgb.cols && y < rgb.rows)) return;
    const int x0 = int(std::floor(x)), y0 = int(std::floor(y));
    const double fx = x - x0, fy = y - y0;
    double sums[3] = {0, 0, 0};
    for (int k = 0; k < 4; ++k) {
        const int column = x0 + k % 2, row = y0 + k / 2;
        if (column < 0 || row < 0 || column >= rgb.cols || row >= rgb.rows) continue;
        const double weight = (k % 2 ? fx : 1 - fx) * (k / 2 ? fy : 1 - fy);
        const std::uint8_t *pixel = rgb.ptr<std::uint8_t>(row) + 3 * column;
        for (int c = 0; c < 3; ++c) sums[c] += weight * pixel[c];
    }
    for (int c = 0; c < 3; ++c) out[c] = std::uint8_t(std::nearbyint(sums[c]));
}

}  // namespace

bool alignable(const float *landmarks) {
    double mean[2] = {0, 0}, spread = 0, squares = 0;
    for (int i = 0; i < 10; ++i) mean[i % 2] += double(landmarks[i]) / 5;
    for (int i = 0; i < 10; ++i) {
        spread += std::abs(landmarks[i] - mean[i % 2]);
        squares += (landmarks[i] - mean[i % 2]) * (landmarks[i] - mean[i % 2]);
    }
    return std::isfinite(spread) && spread > 1e-3 && std::isfinite(squares) && squares > 1e-12;
}

cv::Mat align(const cv::Mat &rgb, const float *landmarks) {
    cv::Mat crop(KFACE_CROP_SIDE, KFACE_CROP_SIDE, CV_8UC3, cv::Scalar::all(0));
    if (rgb.empty()) return crop;
    const cv::Matx23d m = similarity(landmarks);
    // The inverse: where in the image a pixel of the crop comes from.
    const double squares = m(0, 0) * m(0, 0) + m(1, 0) * m(1, 0);
    const double a = m(0, 0) / squares, b = m(1, 0) / squares;
    const double left = -(a * m(0, 2) + b * m(1, 2)), top = b * m(0, 2) - a * m(1, 2);
    for (int y = 0; y < crop.rows; ++y)
        for (int x = 0; x < crop.cols; ++x) sample(rgb, a * x + b * y + left, a * y - b * x + top, crop.ptr<std::uint8_t>(y) + 3 * x);
    return crop;
}

}  // namespace kface
