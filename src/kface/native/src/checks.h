// What every kernel refuses before it touches anything.
#ifndef KFACE_NATIVE_CHECKS_H
#define KFACE_NATIVE_CHECKS_H

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <type_traits>

#include "kface_native.h"

namespace kface_native {

struct Free {
    void operator()(void *memory) const noexcept { std::free(memory); }
};

// An array that is not initialised, or NULL where there is no room for it: operator new would throw, and need a C++ library.
template <typename T>
using Array = std::unique_ptr<T[], Free>;

template <typename T>
Array<T> make_array(int64_t count) noexcept {
    static_assert(std::is_trivial<T>::value, "malloc makes bytes, not objects");
    const uint64_t bytes = static_cast<uint64_t>(count > 0 ? count : 1) * sizeof(T);
    if (bytes > std::numeric_limits<std::size_t>::max() / 2) return nullptr;
    return Array<T>(static_cast<T *>(std::malloc(static_cast<std::size_t>(bytes))));
}

inline int32_t check_image(const uint8_t *pixels, int32_t height, int32_t width, int64_t stride) noexcept {
    if (pixels == nullptr) return KFACE_NATIVE_NULL;
    if (height < 1 || width < 1 || height > KFACE_NATIVE_MAX_SIDE || width > KFACE_NATIVE_MAX_SIDE)
        return KFACE_NATIVE_RANGE;
    // The upper limit keeps height * stride within 64 bits.
    if (stride < int64_t{3} * width || stride > int64_t{1} << 40) return KFACE_NATIVE_RANGE;
    return KFACE_NATIVE_OK;
}

inline int32_t check_rows(const void *rows, int64_t count) noexcept {
    if (count < 0 || count > KFACE_NATIVE_MAX_ROWS) return KFACE_NATIVE_RANGE;
    return rows == nullptr && count > 0 ? KFACE_NATIVE_NULL : KFACE_NATIVE_OK;
}

}  // namespace kface_native

#endif
