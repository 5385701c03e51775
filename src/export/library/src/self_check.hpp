// The golden vectors' stages, each from the golden values of the one before, as kface.check.stages compares them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "golden.hpp"

namespace kface {

/// What is checked.
struct Stages {
    /// The faces of a picture, with the golden settings.
    std::function<std::vector<kface_face>(const cv::Mat &rgb)> detect;
    /// The crop of a face, KFACE_CROP_BYTES.
    std::function<cv::Mat(const cv::Mat &rgb, const float *landmarks)> align;
    /// The embedding of a crop, of length 1; empty where it has none.
    std::function<std::vector<float>(const std::uint8_t *crop)> embed;
};

/// The cosine of two embeddings of length 1; -1 where the first is empty or not finite.
double cosine_of(const std::vector<float> &found, const std::vector<float> &expected);

/// For each expected face the index of the found one that overlaps it most, each at most once; of as many faces.
std::vector<std::size_t> partners(const std::vector<kface_face> &expected, const std::vector<kface_face> &found);

/// Compare all stages, and return the smallest cosine with the golden embeddings. `embedder` names its file in errors.
///
/// Of a bundle without golden pictures the embeddings alone are compared. Throws Error(KFACE_ERROR_NETWORK) that says which
/// stages are wrong, on which picture and by how much; a bundle_error where a picture is damaged.
double check_stages(const Bundle &bundle, const Golden &golden, const Stages &stages, const std::string &embedder);

}  // namespace kface
