// The kernels for processors with AVX2 and FMA.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "variants.h"

#if KFACE_NATIVE_X86
#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#elif defined(__GNUC__)
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif

#define KFACE_SIMD 256

namespace kface_native {
namespace avx2 {
#include "simd.inl"

#include "layers.inl"

#include "winograd.inl"

#include "area.inl"

#include "crop.inl"

#include "suppress.inl"

#include "cascade.inl"
}  // namespace avx2

extern const Variant kAvx2 = {avx2::area_resize, avx2::crop_and_resize, avx2::suppress_boxes, avx2::pnet, avx2::rnet, avx2::onet};
}  // namespace kface_native

#if defined(__clang__)
#pragma clang attribute pop
#elif defined(__GNUC__)
#pragma GCC pop_options
#endif
#endif
