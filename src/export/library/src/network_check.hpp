// What a network file may hold: arithmetic on its input and on constants of its own; see kface.networks.allowed.
#pragma once

#include <string>

#include "files.hpp"

namespace kface {

/// Go through an ONNX file's bytes, or a frozen TensorFlow graph's, before OpenCV sees them. Throws Error(KFACE_ERROR_BUNDLE)
/// where it has an operation that is not on the list, a function, weights in another file, or is damaged.
void check_network(const Bytes &data, bool frozen, const std::string &where);

}  // namespace kface
