#include "image.hpp"

#include <algorithm>
#include <vector>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

namespace kface {
namespace {

void check_size(std::uint64_t width, std::uint64_t height, const std::string &where) {
    if (width > KFACE_MAX_SIDE || height > KFACE_MAX_SIDE || width * height > KFACE_MAX_PIXELS)
        throw Error(KFACE_ERROR_IMAGE, where,
                    "has " + std::to_string(width) + "x" + std::to_string(height) + " pixels, more than a side of " +
                        std::to_string(KFACE_MAX_SIDE) + " or " + std::to_string(KFACE_MAX_PIXELS) + " in all",
                    "make it smaller");
}

/// The value of 16-bit samples that becomes 255: cameras write 10, 12 or 14 bits into them, and the file does not say.
double white(const cv::Mat &colours) {
    std::vector<std::uint64_t> counts(65536);
    const int values = colours.cols * colours.channels();
    for (int y = 0; y < colours.rows; ++y) {
        const auto *row = colours.ptr<std::uint16_t>(y);
        for (int x = 0; x < values; ++x) ++counts[row[x]];
    }
    const double share = 0.999 * double(values) * double(colours.rows);
    double below = 0;
    std::size_t bright = 0;
    for (; bright < 65535; ++bright)
        if ((below += double(counts[bright])) >= share) break;
    for (const int peak : {255, 1023, 4095, 16383})
        if (int(bright) <= peak) return peak;
    return 65535;
}

/// Transparent parts become white; an alpha that is the same everywhere says nothing.
void on_white(cv::Mat &rgb, const cv::Mat &alpha) {
    double least = 0, most = 0;
    cv::minMaxLoc(alpha, &least, &most);
    if (least == most || most <= 0) return;
    for (int y = 0; y < rgb.rows; ++y) {
        auto *row = rgb.ptr<std::uint8_t>(y);
        for (int x = 0; x < rgb.cols; ++x) {
            const double a = alpha.depth() == CV_16U ? alpha.at<std::uint16_t>(y, x) : alpha.at<std::uint8_t>(y, x);
            const double share = std::min(1.0, a / most);
            for (int c = 0; c < 3; ++c) row[3 * x + c] = std::uint8_t(row[3 * x + c] * share + 255 * (1 - share) + 0.5);
        }
    }
}

/// Decoded samples, grey, BGR or BGRA (or grey and alpha), as 8-bit RGB.
cv::Mat samples_to_rgb(const cv::Mat &stored, const std::string &where) {
    const int channels = stored.channels();
    if (channels > 4 || (stored.depth() != CV_8U && stored.depth() != CV_16U))
        throw Error(KFACE_ERROR_IMAGE, where, "has samples that are neither of 8 nor of 16 bits", "convert it to an RGB image");
    cv::Mat colours = stored, alpha;
    if (channels == 2 || channels == 4) {
        cv::extractChannel(stored, alpha, channels - 1);
        if (channels == 4) {
            cv::cvtColor(stored, colours, cv::COLOR_BGRA2BGR);
        } else {
            cv::extractChannel(stored, colours, 0);
        }
    }
    if (colours.depth() == CV_16U) {
        const double scale = 255 / white(colours);
        cv::Mat bytes(colours.size(), CV_8UC(colours.channels()));
        const int values = colours.cols * colours.channels();
        for (int y = 0; y < colours.rows; ++y)
            for (int x = 0; x < values; ++x)
                bytes.ptr<std::uint8_t>(y)[x] =
                    std::uint8_t(std::min(colours.ptr<std::uint16_t>(y)[x] * scale + 0.5, 255.5));
        colours = bytes;
    }
    cv::Mat rgb;
    cv::cvtColor(colours, rgb, colours.channels() == 1 ? cv::COLOR_GRAY2RGB : cv::COLOR_BGR2RGB);
    if (!alpha.empty()) on_white(rgb, alpha);
    return rgb;
}

cv::Mat upright(const cv::Mat &rgb, int orientation) {
    cv::Mat out = rgb;
    if (orientation >= 5) cv::transpose(rgb, out);
    // Around the x axis (0), the y axis (1), or both (-1), after the transposition of 5 to 8.
    const int flips[9] = {9, 9, 1, -1, 0, 9, 1, -1, 0};
    if (flips[orientation] == 9) return out;
    cv::Mat turned;
    cv::flip(out, turned, flips[orientation]);
    return turned;
}

}  // namespace

cv::Mat to_rgb(const kface_image *image) {
    const std::string where = "image";
    if (!image) throw Error(KFACE_ERROR_ARGUMENT, where, "is NULL", "give an image");
    if (image->format != KFACE_BGR && image->format != KFACE_RGB && image->format != KFACE_GRAY)
        throw Error(KFACE_ERROR_ARGUMENT, where, "has an unknown format", "choose KFACE_BGR, KFACE_RGB or KFACE_GRAY");
    if (image->width < 0 || image->height < 0) throw Error(KFACE_ERROR_ARGUMENT, where, "has a negative side");
    check_size(std::uint64_t(image->width), std::uint64_t(image->height), where);
    if (!image->width || !image->height) return cv::Mat();
    if (!image->data) throw Error(KFACE_ERROR_ARGUMENT, where, "has no data (NULL)");
    const int channels = image->format == KFACE_GRAY ? 1 : 3;
    if (image->stride < std::int64_t(image->width) * channels || image->stride > (std::int64_t(1) << 31))
        throw Error(KFACE_ERROR_ARGUMENT, where, "has a stride that is less than a row, or more than 2 GiB");
    const cv::Mat view(image->height, image->width, CV_8UC(channels), const_cast<std::uint8_t *>(image->data),
                       std::size_t(image->stride));
    cv::Mat rgb;
    if (image->format == KFACE_RGB)
        view.copyTo(rgb);
    else
        cv::cvtColor(view, rgb, image->format == KFACE_GRAY ? cv::COLOR_GRAY2RGB : cv::COLOR_BGR2RGB);
    return rgb;
}

cv::Mat decode_image(const std::uint8_t *data, std::size_t size, const std::string &where) {
    const ImageHeader header = read_header(data, size, where);
    if (!header.width || !header.height) throw Error(KFACE_ERROR_IMAGE, where, "is not an image that can be decoded");
    check_size(header.width, header.height, where);
    cv::Mat stored;
    bool supported = false;
    if (header.format == ImageHeader::Format::jpeg) stored = decode_jpeg(data, header.end, supported);
    if (header.format == ImageHeader::Format::png) stored = decode_png(data, header.end, supported);
    if (header.format == ImageHeader::Format::bmp) stored = decode_bmp(data, header.end);
    if (header.format == ImageHeader::Format::pnm) stored = decode_pnm(data, header.end);
    const bool compressed = header.format == ImageHeader::Format::jpeg || header.format == ImageHeader::Format::png;
    if (compressed && !supported) {
        const cv::Mat encoded(1, int(header.end), CV_8UC1, const_cast<std::uint8_t *>(data));
        try {
            stored = cv::imdecode(encoded, cv::IMREAD_UNCHANGED);
        } catch (const cv::Exception &error) {
            if (error.code == cv::Error::StsNoMem) throw std::bad_alloc();
            stored.release();
        }
    }
    if (stored.empty() || std::uint64_t(stored.cols) != header.width || std::uint64_t(stored.rows) != header.height)
        throw Error(KFACE_ERROR_IMAGE, where, "is not an image that can be decoded (damaged, or of a kind that is not read)");
    return upright(samples_to_rgb(stored, where), header.orientation);
}

}  // namespace kface
