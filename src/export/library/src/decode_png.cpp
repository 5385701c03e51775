// PNG by libpng itself: OpenCV's reader writes a line to the error stream for a damaged file.
#include "image.hpp"

#if defined(KFACE_WITH_PNG)

#include <csetjmp>
#include <cstring>
#include <vector>

#include <png.h>

namespace kface {
namespace {

struct Source {
    const std::uint8_t *data;
    std::size_t size, place;
};

void take(png_structp png, png_bytep out, std::size_t count) {
    auto *source = static_cast<Source *>(png_get_io_ptr(png));
    if (count > source->size - source->place) png_error(png, "end");
    std::memcpy(out, source->data + source->place, count);
    source->place += count;
}

[[noreturn]] void leave(png_structp png, png_const_charp) { png_longjmp(png, 1); }

void say_nothing(png_structp, png_const_charp) {}

/// Nothing with a destructor lives here: an error jumps out.
bool run(png_structp png, png_infop info, Source &source, cv::Mat &out, std::vector<png_bytep> &rows) {
    if (setjmp(png_jmpbuf(png))) return false;
    png_set_read_fn(png, &source, take);
    png_set_user_limits(png, KFACE_MAX_SIDE, KFACE_MAX_SIDE);
    png_read_info(png, info);
    png_set_expand(png);
    if (png_get_bit_depth(png, info) == 16) {
        const int one = 1;
        if (*reinterpret_cast<const char *>(&one)) png_set_swap(png);
    }
    png_set_bgr(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    const int channels = png_get_channels(png, info), depth = png_get_bit_depth(png, info);
    out.create(int(png_get_image_height(png, info)), int(png_get_image_width(png, info)),
               CV_MAKETYPE(depth == 16 ? CV_16U : CV_8U, channels));
    rows.resize(std::size_t(out.rows));
    for (int y = 0; y < out.rows; ++y) rows[std::size_t(y)] = out.ptr<std::uint8_t>(y);
    png_read_image(png, rows.data());
    png_read_end(png, nullptr);
    return true;
}

}  // namespace

cv::Mat decode_png(const std::uint8_t *data, std::size_t size, bool &supported) {
    supported = true;
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, nullptr, leave, say_nothing);
    if (!png) throw std::bad_alloc();
    png_infop info = png_create_info_struct(png);
    Source source{data, size, 0};
    cv::Mat out;
    std::vector<png_bytep> rows;
    bool done = false;
    try {
        done = info && run(png, info, source, out, rows);
    } catch (...) {
        png_destroy_read_struct(&png, &info, nullptr);
        throw;
    }
    png_destroy_read_struct(&png, &info, nullptr);
    return done ? out : cv::Mat();
}

}  // namespace kface

#else

namespace kface {

cv::Mat decode_png(const std::uint8_t *, std::size_t, bool &supported) {
    supported = false;
    return cv::Mat();
}

}  // namespace kface

#endif
