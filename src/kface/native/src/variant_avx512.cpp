// The kernels for processors with AVX-512.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "variants.h"

#if KFACE_NATIVE_X86
#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
#elif defined(__GNUC__)
// GCC 12 warns of its own _mm512_max_ps (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")
#endif

#define KFACE_SIMD 512

namespace kface_native {
namespace avx512 {
#include "simd.inl"

#include "layers.inl"

#include "winograd.inl"

#include "area.inl"

#include "crop.inl"

#include "suppress.inl"

#include "cascade.inl"
}  // namespace avx512

extern const Variant kAvx512 = {avx512::area_resize, avx512::crop_and_resize, avx512::suppress_boxes, avx512::pnet, avx512::rnet, avx512::onet};
}  // namespace kface_native

#if defined(__clang__)
#pragma clang attribute pop
#elif defined(__GNUC__)
#pragma GCC pop_options
#endif
#endif
