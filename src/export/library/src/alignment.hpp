// From five landmarks to a 112 x 112 crop: the closed-form least-squares similarity of kface.alignment.
#pragma once

#include <opencv2/core.hpp>

namespace kface {

/// Whether landmarks, x y of five points, are finite and do not all coincide.
bool alignable(const float *landmarks);

/// The crop of a face, CV_8UC3 RGB, continuous; black where it reaches outside the image.
cv::Mat align(const cv::Mat &rgb, const float *landmarks);

}  // namespace kface
