// JPEG by libjpeg itself: OpenCV's reader writes a line to the error stream for a damaged file.
#include "image.hpp"

#if defined(KFACE_WITH_JPEG)

#include <csetjmp>
#include <cstdio>
#include <utility>

#include <jpeglib.h>

namespace kface {
namespace {

struct Manager {
    jpeg_error_mgr base;
    std::jmp_buf back;
};

[[noreturn]] void leave(j_common_ptr info) { std::longjmp(reinterpret_cast<Manager *>(info->err)->back, 1); }

void say_nothing(j_common_ptr) {}

/// Nothing with a destructor lives here: an error jumps out.
bool run(jpeg_decompress_struct &info, Manager &manager, const std::uint8_t *data, std::size_t size, cv::Mat &out, bool &supported) {
    if (setjmp(manager.back)) return false;
    jpeg_create_decompress(&info);
    jpeg_mem_src(&info, data, static_cast<unsigned long>(size));
    jpeg_read_header(&info, TRUE);
    if (info.num_components != 1 && info.num_components != 3) {
        supported = false;
        return false;
    }
    info.out_color_space = info.num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_start_decompress(&info);
    if (out.rows != int(info.output_height) || out.cols != int(info.output_width)) {
        out.create(int(info.output_height), int(info.output_width), info.num_components == 1 ? CV_8UC1 : CV_8UC3);
    }
    while (info.output_scanline < info.output_height) {
        JSAMPROW row = out.ptr<std::uint8_t>(int(info.output_scanline));
        jpeg_read_scanlines(&info, &row, 1);
    }
    jpeg_finish_decompress(&info);
    return true;
}

}  // namespace

cv::Mat decode_jpeg(const std::uint8_t *data, std::size_t size, bool &supported) {
    jpeg_decompress_struct info{};
    Manager manager{};
    info.err = jpeg_std_error(&manager.base);
    manager.base.error_exit = leave;
    manager.base.output_message = say_nothing;
    supported = true;
    cv::Mat out;
    bool done = false;
    try {
        done = run(info, manager, data, size, out, supported);
    } catch (...) {
        jpeg_destroy_decompress(&info);
        throw;
    }
    jpeg_destroy_decompress(&info);
    if (!done) return cv::Mat();
    if (out.channels() == 3) {
        // As OpenCV stores them: blue first.
        for (int y = 0; y < out.rows; ++y) {
            auto *row = out.ptr<std::uint8_t>(y);
            for (int x = 0; x < out.cols; ++x) std::swap(row[3 * x], row[3 * x + 2]);
        }
    }
    return out;
}

}  // namespace kface

#else

namespace kface {

cv::Mat decode_jpeg(const std::uint8_t *, std::size_t, bool &supported) {
    supported = false;
    return cv::Mat();
}

}  // namespace kface

#endif
