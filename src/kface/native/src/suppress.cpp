// The suppression of boxes: what it refuses, and which variant computes it.
#include <cmath>

#include "variants.h"

extern "C" int32_t kface_native_suppress(const double *boxes, int64_t count, double threshold, int32_t smaller,
                                         int64_t *stay, int64_t *stayed) {
    using namespace kface_native;
    if (stayed == nullptr) return KFACE_NATIVE_NULL;
    int32_t wrong = check_rows(boxes, count);
    if (wrong == KFACE_NATIVE_OK) wrong = check_rows(stay, count);
    if (wrong != KFACE_NATIVE_OK) return wrong;
    if (std::isnan(threshold)) return KFACE_NATIVE_RANGE;
    return find_variant(KFACE_NATIVE_AUTO)->suppress(boxes, count, threshold, smaller, stay, stayed);
}
