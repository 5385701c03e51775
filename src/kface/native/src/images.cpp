// The functions on images: what they refuse, and which variant computes them.
#include "variants.h"

namespace kface_native {

const Variant *find_variant(int32_t number) noexcept {
#if KFACE_NATIVE_X86 && defined(__GNUC__)
    const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if ((number == KFACE_NATIVE_AUTO || number == KFACE_NATIVE_AVX512) && has_avx512) return &kAvx512;
    if ((number == KFACE_NATIVE_AUTO || number == KFACE_NATIVE_AVX2) && has_avx2) return &kAvx2;
#endif
    return number == KFACE_NATIVE_AUTO || number == KFACE_NATIVE_BASE ? &kBase : nullptr;
}

namespace {

int32_t check_boxes(const Image &image, const double *boxes, int64_t count, const float *outputs) noexcept {
    int32_t wrong = check_image(image.pixels, image.height, image.width, image.stride);
    if (wrong == KFACE_NATIVE_OK) wrong = check_rows(boxes, count);
    return wrong == KFACE_NATIVE_OK ? check_rows(outputs, count) : wrong;
}

// R- or O-Net of the chosen variant.
int32_t refine(decltype(Variant::rnet) Variant::*network, int64_t wanted_weights, const Image &image, const double *boxes,
               int64_t count, const float *weights, int64_t weight_count, float *outputs, int32_t variant) noexcept {
    const int32_t wrong = check_boxes(image, boxes, count, outputs);
    if (wrong != KFACE_NATIVE_OK) return wrong;
    if (weights == nullptr) return KFACE_NATIVE_NULL;
    const Variant *const chosen = find_variant(variant);
    if (weight_count != wanted_weights || chosen == nullptr) return KFACE_NATIVE_RANGE;
    return (chosen->*network)(image, boxes, count, weights, outputs);
}

}  // namespace
}  // namespace kface_native

using namespace kface_native;

extern "C" int32_t kface_native_abi(void) { return KFACE_NATIVE_ABI; }

extern "C" int32_t kface_native_variant(void) {
    for (int32_t number = KFACE_NATIVE_AVX512; number > KFACE_NATIVE_BASE; --number)
        if (find_variant(number) != nullptr) return number;
    return KFACE_NATIVE_BASE;
}

extern "C" int32_t kface_native_area_resize(const uint8_t *pixels, int32_t height, int32_t width, int64_t stride,
                                            float *planes, int32_t out_height, int32_t out_width) {
    const int32_t wrong = check_image(pixels, height, width, stride);
    if (wrong != KFACE_NATIVE_OK) return wrong;
    if (planes == nullptr) return KFACE_NATIVE_NULL;
    if (out_height < 1 || out_width < 1 || out_height > height || out_width > width) return KFACE_NATIVE_RANGE;
    return find_variant(KFACE_NATIVE_AUTO)->area_resize({pixels, height, width, stride}, planes, out_height, out_width);
}

extern "C" int32_t kface_native_crop_and_resize(const uint8_t *pixels, int32_t height, int32_t width, int64_t stride,
                                                const double *boxes, int64_t count, int32_t size, float *planes) {
    const Image image = {pixels, height, width, stride};
    const int32_t wrong = check_boxes(image, boxes, count, planes);
    if (wrong != KFACE_NATIVE_OK) return wrong;
    if (size < 2 || size > KFACE_NATIVE_MAX_CROP) return KFACE_NATIVE_RANGE;
    return find_variant(KFACE_NATIVE_AUTO)->crop_and_resize(image, boxes, count, size, planes);
}

extern "C" int32_t kface_native_pnet(const uint8_t *pixels, int32_t height, int32_t width, int64_t stride,
                                     int32_t level_height, int32_t level_width, int32_t begin, int32_t end,
                                     const float *weights, int64_t weight_count, float least, int32_t *places, float *found,
                                     int64_t room, int64_t *count, int32_t variant) {
    const int32_t wrong = check_image(pixels, height, width, stride);
    if (wrong != KFACE_NATIVE_OK) return wrong;
    if (weights == nullptr || places == nullptr || found == nullptr || count == nullptr) return KFACE_NATIVE_NULL;
    if (level_height < 12 || level_width < 12 || level_height > height || level_width > width) return KFACE_NATIVE_RANGE;
    const int64_t out_height = (level_height - 1) / 2 - 4;
    const int64_t out_width = (level_width - 1) / 2 - 4;
    const Variant *const chosen = find_variant(variant);
    if (begin < 0 || end < begin || end > out_height || room < (end - begin) * out_width ||
        out_height * out_width > std::numeric_limits<int32_t>::max() || weight_count != KFACE_NATIVE_PNET_WEIGHTS ||
        chosen == nullptr)
        return KFACE_NATIVE_RANGE;
    return chosen->pnet({pixels, height, width, stride}, level_height, level_width, begin, end, weights, least, places, found,
                        count);
}

extern "C" int32_t kface_native_rnet(const uint8_t *pixels, int32_t height, int32_t width, int64_t stride,
                                     const double *boxes, int64_t count, const float *weights, int64_t weight_count,
                                     float *outputs, int32_t variant) {
    return refine(&Variant::rnet, KFACE_NATIVE_RNET_WEIGHTS, {pixels, height, width, stride}, boxes, count, weights,
                  weight_count, outputs, variant);
}

extern "C" int32_t kface_native_onet(const uint8_t *pixels, int32_t height, int32_t width, int64_t stride,
                                     const double *boxes, int64_t count, const float *weights, int64_t weight_count,
                                     float *outputs, int32_t variant) {
    return refine(&Variant::onet, KFACE_NATIVE_ONET_WEIGHTS, {pixels, height, width, stride}, boxes, count, weights,
                  weight_count, outputs, variant);
}
