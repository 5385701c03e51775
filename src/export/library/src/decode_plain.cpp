// BMP and PNM: rows of pixels that need no library. OpenCV's readers write to the error stream where a file is damaged.
#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

#include "image.hpp"

namespace kface {
namespace {

std::uint32_t little(const std::uint8_t *data, int bytes) {
    std::uint32_t value = 0;
    for (int i = 0; i < bytes; ++i) value |= std::uint32_t(data[i]) << 8 * i;
    return value;
}

/// The words of a PNM file, with its comments left out.
class Words {
public:
    Words(const std::uint8_t *data, std::size_t size) : data_(data), size_(size) {}

    /// The next whole number; a single digit where `bit`. Returns false at the end, or where there is none.
    bool next(std::uint32_t &value, bool bit = false) {
        for (; place < size_; ++place) {
            if (data_[place] == '#')
                while (place < size_ && data_[place] != '\n' && data_[place] != '\r') ++place;
            else if (!std::isspace(data_[place]))
                break;
        }
        const std::size_t start = place;
        for (value = 0; place < size_ && std::isdigit(data_[place]) && place - start < 9; ++place) {
            value = 10 * value + std::uint32_t(data_[place] - '0');
            if (bit) {
                ++place;
                break;
            }
        }
        return place > start;
    }

    std::size_t place = 2;

private:
    const std::uint8_t *data_;
    std::size_t size_;
};

/// A sample on the scale of 8 or 16 bits that its largest value asks for.
std::uint32_t scaled(std::uint32_t value, std::uint32_t most) {
    return most < 255 ? std::min(value, most) * 255 / most : value;
}

}  // namespace

cv::Mat decode_pnm(const std::uint8_t *data, std::size_t size) {
    Words words(data, size);
    const char kind = char(data[1]);
    const bool bits = kind == '1' || kind == '4', text = kind <= '3';
    std::uint32_t width = 0, height = 0, most = 1;
    if (!words.next(width) || !words.next(height) || (!bits && !words.next(most)) || !most) return cv::Mat();
    const int channels = kind == '3' || kind == '6' ? 3 : 1;
    cv::Mat out(int(height), int(width), CV_MAKETYPE(most > 255 ? CV_16U : CV_8U, channels));
    // One blank, and then the bytes.
    std::size_t place = words.place + 1;
    for (int y = 0; y < out.rows; ++y) {
        for (int x = 0; x < out.cols * channels; ++x) {
            std::uint32_t value = 0;
            if (text) {
                if (!words.next(value, bits)) return cv::Mat();
            } else if (bits) {
                const std::size_t byte = place + std::size_t(x / 8);
                if (byte >= size) return cv::Mat();
                value = data[byte] >> (7 - x % 8) & 1;
            } else {
                const std::size_t bytes = most > 255 ? 2 : 1;
                if (place + bytes > size) return cv::Mat();
                value = bytes == 2 ? std::uint32_t(data[place]) << 8 | data[place + 1] : data[place];
                place += bytes;
            }
            value = bits ? (value ? 0 : 255) : scaled(value, most);
            // Files have red first, samples here blue.
            const int at = channels == 3 ? x - x % 3 + 2 - x % 3 : x;
            if (most > 255)
                out.ptr<std::uint16_t>(y)[at] = std::uint16_t(std::min(value, 65535U));
            else
                out.ptr<std::uint8_t>(y)[at] = std::uint8_t(std::min(value, 255U));
        }
        if (bits && !text) place += std::size_t((out.cols + 7) / 8);
    }
    return out;
}

cv::Mat decode_bmp(const std::uint8_t *data, std::size_t size) {
    if (size < 54) return cv::Mat();
    const std::uint32_t start = little(data + 10, 4), header = little(data + 14, 4);
    // Files of OS/2 and compressed ones are no camera's.
    if (header < 40 || header > 1024) return cv::Mat();
    const auto width = std::int32_t(little(data + 18, 4)), stored = std::int32_t(little(data + 22, 4));
    const std::int32_t height = stored < 0 ? -stored : stored;
    const std::uint32_t depth = little(data + 28, 2), compression = little(data + 30, 4);
    const bool masks = compression == 3 && depth == 32;
    if (width <= 0 || height <= 0 || !(compression == 0 || masks) ||
        !(depth == 1 || depth == 4 || depth == 8 || depth == 24 || depth == 32))
        return cv::Mat();
    // Masks other than those of BGRA are not read.
    if (masks && (14 + header > size || 66 > size || little(data + 54, 4) != 0xff0000 || little(data + 58, 4) != 0xff00 || little(data + 62, 4) != 0xff))
        return cv::Mat();
    const bool alpha = masks && header >= 56 && size >= 70 && little(data + 66, 4) == 0xff000000U;
    std::array<std::array<std::uint8_t, 3>, 256> palette{};
    if (depth <= 8) {
        const std::uint32_t used = little(data + 46, 4), colours = used && used < 256 ? used : 1U << depth;
        for (std::size_t i = 0; i < std::min(colours, 256U); ++i) {
            const std::size_t at = 14 + std::size_t(header) + 4 * i;
            if (at + 3 > size) return cv::Mat();
            palette[i] = {{data[at], data[at + 1], data[at + 2]}};
        }
    }
    const std::size_t row = (std::size_t(width) * depth + 31) / 32 * 4;
    if (start > size || row * std::size_t(height) > size - start) return cv::Mat();
    const int channels = alpha ? 4 : 3;
    cv::Mat out(height, width, CV_8UC(channels));
    for (int y = 0; y < height; ++y) {
        const std::uint8_t *from = data + start + row * std::size_t(stored < 0 ? y : height - 1 - y);
        auto *to = out.ptr<std::uint8_t>(y);
        for (int x = 0; x < width; ++x, to += channels) {
            if (depth <= 8) {
                const int per_byte = int(8 / depth), shift = (per_byte - 1 - x % per_byte) * int(depth);
                const auto &colour = palette[std::size_t(from[x / per_byte] >> shift & ((1 << depth) - 1))];
                std::copy(colour.begin(), colour.end(), to);
            } else {
                std::copy_n(from + std::size_t(x) * depth / 8, channels, to);
            }
        }
    }
    return out;
}

}  // namespace kface
