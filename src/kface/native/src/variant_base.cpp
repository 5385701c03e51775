// The kernels for what every processor of its kind has.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "variants.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#elif defined(__x86_64__) || defined(_M_X64)
#include <emmintrin.h>
#endif

#define KFACE_SIMD 128

namespace kface_native {
namespace base {
#include "simd.inl"

#include "layers.inl"

#include "winograd.inl"

#include "area.inl"

#include "crop.inl"

#include "suppress.inl"

#include "cascade.inl"
}  // namespace base

extern const Variant kBase = {base::area_resize, base::crop_and_resize, base::suppress_boxes, base::pnet, base::rnet, base::onet};
}  // namespace kface_native
