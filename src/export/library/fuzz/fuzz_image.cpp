// The bytes of an image file: decoded, or refused with the status for it.
#include <cstdlib>

#include "image.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    try {
        // What is honestly large takes its time to decode; the fuzzer is after short files.
        const kface::ImageHeader header = kface::read_header(data, size, "image");
        if (header.width * header.height > (1U << 22)) return 0;
        const cv::Mat rgb = kface::decode_image(data, size, "image");
        if (rgb.type() != CV_8UC3 || !rgb.isContinuous() || rgb.empty()) std::abort();
    } catch (const kface::Error &error) {
        if (error.status() != KFACE_ERROR_IMAGE) std::abort();
    }
    return 0;
}
