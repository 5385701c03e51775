#include "alignment.hpp"

#include <cmath>

#include <opencv2/imgproc.hpp>

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
    cv::warpAffine(rgb, crop, similarity(landmarks), crop.size(), cv::INTER_LINEAR, cv::BORDER_CONSTANT);
    return crop;
}

}  // namespace kface
