// What is compiled several times, for processors of different widths, and chosen when it runs.
#ifndef KFACE_NATIVE_VARIANTS_H
#define KFACE_NATIVE_VARIANTS_H

#include "checks.h"

// GCC on Windows does not align the stack for the vectors of AVX.
#if (defined(__x86_64__) || defined(_M_X64)) && !defined(__MINGW32__)
#define KFACE_NATIVE_X86 1
#else
#define KFACE_NATIVE_X86 0
#endif

// What a pointer points to is not known from one turn of a loop to the next: GCC else keeps what the next turn reads again in
// registers, which it has not, and loses a fifth of its speed.
#if defined(__GNUC__)
#define KFACE_NATIVE_OPAQUE(pointer) __asm__("" : "+r"(pointer))
// For functions whose arrays must become registers.
#define KFACE_NATIVE_INLINE inline __attribute__((always_inline))
#else
#define KFACE_NATIVE_INLINE inline
#define KFACE_NATIVE_OPAQUE(pointer) static_cast<void>(pointer)
#endif

namespace kface_native {

struct Image {
    const uint8_t *pixels;
    int32_t height;
    int32_t width;
    int64_t stride;
};

// Functions of one width. Arguments have been checked.
struct Variant {
    int32_t (*area_resize)(const Image &, float *planes, int32_t out_height, int32_t out_width) noexcept;
    int32_t (*crop_and_resize)(const Image &, const double *boxes, int64_t count, int32_t size, float *planes) noexcept;
    int32_t (*suppress)(const double *boxes, int64_t count, double threshold, int32_t smaller, int64_t *stay,
                        int64_t *stayed) noexcept;
    int32_t (*pnet)(const Image &, int32_t level_height, int32_t level_width, int32_t begin, int32_t end, const float *weights,
                    float least, int32_t *places, float *found, int64_t *count) noexcept;
    int32_t (*rnet)(const Image &, const double *boxes, int64_t count, const float *weights, float *outputs) noexcept;
    int32_t (*onet)(const Image &, const double *boxes, int64_t count, const float *weights, float *outputs) noexcept;
};

// Returns the variant of that number (KFACE_NATIVE_AUTO and on), or nullptr where this processor has not what it needs.
const Variant *find_variant(int32_t number) noexcept;

extern const Variant kBase;
#if KFACE_NATIVE_X86
extern const Variant kAvx2;
extern const Variant kAvx512;
#endif

}  // namespace kface_native

#endif
