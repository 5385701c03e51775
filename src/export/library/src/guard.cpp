#include "guard.hpp"

#include <cstddef>
#include <exception>

#if !defined(KFACE_WITHOUT_OPENCV)
#include <opencv2/core.hpp>
#endif

namespace kface {
namespace {

constexpr std::size_t ROOM = 1024;
/// A plain array: it needs neither memory nor a destructor.
thread_local char line[ROOM];

/// Bytes of the UTF-8 character that begins here; 0 where it is broken.
std::size_t length_of(const unsigned char *text) noexcept {
    const unsigned char first = text[0];
    const std::size_t length = first < 0x80 ? 1 : first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xf0 && first < 0xf5 ? 4 : 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((text[i] & 0xc0) != 0x80) return 0;
    return length;
}

}  // namespace

const char *last_error() noexcept { return line; }

void set_last_error(const char *text) noexcept {
    const auto *from = reinterpret_cast<const unsigned char *>(text);
    std::size_t place = 0;
    while (*from) {
        const std::size_t length = length_of(from);
        if (place + (length ? length : 1) >= ROOM) break;
        if (!length || *from < 0x20 || *from == 0x7f) {
            line[place++] = '?';
            ++from;
            continue;
        }
        for (std::size_t i = 0; i < length; ++i) line[place++] = char(*from++);
    }
    line[place] = 0;
}

kface_status foreign_error() noexcept {
    try {
        throw;
    } catch (const std::bad_alloc &) {
        set_last_error("memory: there is not enough; use smaller images or fewer threads");
        return KFACE_ERROR_MEMORY;
#if !defined(KFACE_WITHOUT_OPENCV)
    } catch (const cv::Exception &error) {
        if (error.code == cv::Error::StsNoMem) {
            set_last_error("memory: there is not enough; use smaller images or fewer threads");
            return KFACE_ERROR_MEMORY;
        }
        char text[256] = "OpenCV: ";
        std::size_t place = 8;
        for (const char sign : error.err) {
            if (place + 1 >= sizeof text) break;
            text[place++] = sign;
        }
        text[place] = 0;
        set_last_error(text);
        return KFACE_ERROR_INTERNAL;
#endif
    } catch (...) {
        set_last_error("kface: an internal error; report it with what was called");
        return KFACE_ERROR_INTERNAL;
    }
}

}  // namespace kface
