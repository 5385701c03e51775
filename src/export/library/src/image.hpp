// Images: from the caller's pixels or a file's bytes to 8-bit RGB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <opencv2/core.hpp>

#include "error.hpp"

namespace kface {

/// A caller's image as CV_8UC3, RGB, a copy; empty where a side is 0. Throws where it is no image.
cv::Mat to_rgb(const kface_image *image);

/// Decode the bytes of a JPEG, PNG, BMP or PNM file. Nothing is decoded before the header was judged.
///
/// Returns CV_8UC3, RGB, continuous, upright. Samples of 16 bits come out as bright as an 8-bit picture of the same scene, and
/// transparent parts white. Throws Error(KFACE_ERROR_IMAGE), with `where` as what is wrong.
cv::Mat decode_image(const std::uint8_t *data, std::size_t size, const std::string &where);

/// What a file says of its picture.
struct ImageHeader {
    enum class Format { jpeg, png, bmp, pnm } format = Format::jpeg;
    std::uint64_t width = 0, height = 0;
    /// EXIF orientation, 1 to 8.
    int orientation = 1;
    /// Where the picture's data end in the file.
    std::size_t end = 0;
};

/// Read the header of a file; throws Error(KFACE_ERROR_IMAGE) where it is of another format, ends early or is damaged.
ImageHeader read_header(const std::uint8_t *data, std::size_t size, const std::string &where);

/// Decode a JPEG or a PNG without a word on the error stream. Returns the samples as OpenCV's imdecode gives them unchanged
/// (grey, BGR or BGRA, 8 or 16 bits), or an empty matrix where they are damaged or of a kind that OpenCV is left to decode,
/// which `supported` says.
cv::Mat decode_jpeg(const std::uint8_t *data, std::size_t size, bool &supported);
cv::Mat decode_png(const std::uint8_t *data, std::size_t size, bool &supported);

/// Likewise a BMP or a PNM whose header was read; empty where it is damaged or of a kind that is not read.
cv::Mat decode_bmp(const std::uint8_t *data, std::size_t size);
cv::Mat decode_pnm(const std::uint8_t *data, std::size_t size);

}  // namespace kface
