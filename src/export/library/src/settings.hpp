// The detector's settings: those of a bundle's deploy.yaml, and the caller's over them.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "files.hpp"

namespace kface {

/// A way in which an image without a face is brightened before it is looked at again.
enum class Brighten { clahe, log, log_clahe, gamma };

struct DetectorSettings {
    /// Side of the smallest face in pixels, 20 to 10000; rounded down to the grid 20 / factor^k.
    double min_face = 39.8;
    /// Scores above which P-, R- and O-Net pass a candidate on.
    std::array<double, 3> thresholds{{0.6, 0.7, 0.8}};
    /// Scale from one level of the pyramid to the next, 0.5 to 0.95.
    double factor = 0.709;
    std::vector<Brighten> brighten{Brighten::clahe, Brighten::log_clahe};
};

/// The section `detector` of a deploy.yaml; what it does not give has its default. Throws where a setting is out of its
/// range, or does not exist. It reads the form that kface writes: `key: value` or `key: [a, b]`, and comments.
DetectorSettings read_deploy(const Bytes &data, const std::string &where);

/// The ways in a list such as "clahe,log_clahe"; none for "none" or "null". Throws Error with `status` where one is unknown
/// or is there twice.
std::vector<Brighten> read_ways(const std::string &list, const std::string &where, kface_status status);

/// Throws Error with `status` where the smallest face is out of its range.
double check_min_face(double value, const std::string &where, kface_status status);

}  // namespace kface
