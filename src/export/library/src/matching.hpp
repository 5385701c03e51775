// What the comparison of templates needs to know of a handle; the library and the null implementation each say it.
#pragma once

#include "checksum.hpp"
#include "kface.h"

namespace kface {

/// The fingerprint of an open handle's model; throws Error(KFACE_ERROR_ARGUMENT) where it is none.
Sha256 model_of(const kface_handle *handle);

}  // namespace kface
