// The headers of image files, read as kface.images.header reads them: a file of 700 bytes can stand for gigabytes of pixels.
#include <cctype>
#include <cstring>

#include "image.hpp"

namespace kface {
namespace {

constexpr int MOST_PARTS = 1 << 20;
/// Each scan of a progressive JPEG costs a pass over all of it, and an empty one ten bytes.
constexpr int MOST_SCANS = 100;

/// Bytes that know where they end; reading on throws.
class Reader {
public:
    Reader(const std::uint8_t *data, std::size_t size, const std::string &where) : data_(data), size_(size), where_(where) {}

    std::size_t size() const { return size_; }
    std::uint8_t operator[](std::size_t place) const { return data_[place]; }

    std::uint64_t number(std::size_t place, std::size_t bytes, bool little = false) const {
        if (place > size_ || bytes > size_ - place) truncated();
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < bytes; ++i) value = value << 8 | data_[place + (little ? bytes - 1 - i : i)];
        return value;
    }

    bool is(std::size_t place, const char *text, std::size_t length) const {
        return place <= size_ && length <= size_ - place && std::memcmp(data_ + place, text, length) == 0;
    }

    Reader part(std::size_t place, std::size_t length) const {
        if (place > size_) return Reader(data_, 0, where_);
        return Reader(data_ + place, std::min(length, size_ - place), where_);
    }

    [[noreturn]] void truncated() const { throw Error(KFACE_ERROR_IMAGE, where_, "is a truncated image", "copy the file again"); }
    [[noreturn]] void damaged() const { throw Error(KFACE_ERROR_IMAGE, where_, "is not an image that can be decoded"); }

private:
    const std::uint8_t *data_;
    std::size_t size_;
    const std::string &where_;
};

/// The orientation of an EXIF block; 1 where it is damaged or says nothing.
int orientation(const Reader &block) {
    try {
        const bool little = block.is(0, "II", 2);
        if (!little && !block.is(0, "MM", 2)) return 1;
        const std::size_t start = block.number(4, 4, little);
        const std::uint64_t count = block.number(start, 2, little);
        for (std::uint64_t i = 0; i < count; ++i) {
            const std::size_t entry = start + 2 + 12 * i;
            if (block.number(entry, 2, little) != 274) continue;
            const std::uint64_t value = block.number(entry + 2, 2, little) == 4 ? block.number(entry + 8, 4, little)
                                                                               : block.number(entry + 8, 2, little);
            return value >= 1 && value <= 8 ? int(value) : 1;
        }
    } catch (const Error &) {
    }
    return 1;
}

ImageHeader jpeg(const Reader &data) {
    ImageHeader header;
    header.format = ImageHeader::Format::jpeg;
    bool sized = false, turned = false;
    int scans = 0;
    std::size_t place = 2;
    for (int part = 0; part < MOST_PARTS; ++part) {
        // Decoders skip what is no marker between two segments. In a scan 0xff is data where 0x00 or a restart follows.
        std::uint8_t marker = 0;
        for (;; ++place) {
            if (place + 1 >= data.size()) data.truncated();
            if (data[place] != 0xff) continue;
            marker = data[place + 1];
            if (marker != 0x00 && marker != 0xff && (marker < 0xd0 || marker > 0xd7)) break;
        }
        place += 2;
        if (marker == 0xd9) {
            if (!sized || !scans) data.damaged();
            header.end = place;
            return header;
        }
        if (marker == 0xd8) data.truncated();
        if (marker == 0x01) continue;
        const std::size_t length = data.number(place, 2);
        if (length < 2) data.damaged();
        const bool frame = marker >= 0xc0 && marker < 0xd0 && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
        if (frame && !sized) {
            header.height = data.number(place + 3, 2);
            header.width = data.number(place + 5, 2);
            sized = true;
        } else if (marker == 0xe1 && !turned && data.is(place + 2, "Exif\0\0", 6)) {
            header.orientation = length > 8 ? orientation(data.part(place + 8, length - 8)) : 1;
            turned = true;
        }
        scans += marker == 0xda;
        if (scans > MOST_SCANS) data.damaged();
        place += length;
    }
    data.damaged();
}

ImageHeader png(const Reader &data) {
    ImageHeader header;
    header.format = ImageHeader::Format::png;
    if (!data.is(12, "IHDR", 4)) data.damaged();
    header.width = data.number(16, 4);
    header.height = data.number(20, 4);
    std::size_t place = 8;
    for (int part = 0; part < MOST_PARTS; ++part) {
        const std::size_t length = data.number(place, 4);
        if (length > data.size() || place + 12 + length > data.size()) data.truncated();
        if (data.is(place + 4, "IEND", 4)) {
            header.end = place + 12 + length;
            return header;
        }
        if (data.is(place + 4, "eXIf", 4)) header.orientation = orientation(data.part(place + 8, length));
        place += 12 + length;
    }
    data.damaged();
}

ImageHeader bmp(const Reader &data) {
    ImageHeader header;
    header.format = ImageHeader::Format::bmp;
    const std::uint64_t start = data.number(10, 4, true);
    std::uint64_t depth = 0, compression = 0;
    if (data.number(14, 4, true) == 12) {
        header.width = data.number(18, 2, true);
        header.height = data.number(20, 2, true);
        depth = data.number(24, 2, true);
    } else {
        const auto width = std::int64_t(std::int32_t(data.number(18, 4, true)));
        const auto height = std::int64_t(std::int32_t(data.number(22, 4, true)));
        header.width = std::uint64_t(width < 0 ? -width : width);
        header.height = std::uint64_t(height < 0 ? -height : height);
        depth = data.number(28, 2, true);
        compression = data.number(30, 4, true);
    }
    if ((compression == 0 || compression == 3) && depth && start + (header.width * depth + 31) / 32 * 4 * header.height > data.size())
        data.truncated();
    header.end = data.size();
    return header;
}

ImageHeader pnm(const Reader &data) {
    ImageHeader header;
    header.format = ImageHeader::Format::pnm;
    const char kind = char(data[1]);
    const int wanted = kind == '1' || kind == '4' ? 2 : 3;
    std::uint64_t words[3] = {0, 0, 1};
    std::size_t place = 2;
    for (int word = 0; word < wanted; ++word) {
        for (;; ++place) {
            if (place >= data.size()) data.truncated();
            if (data[place] == '#')
                while (place < data.size() && data[place] != '\n' && data[place] != '\r') ++place;
            else if (!std::isspace(data[place]))
                break;
        }
        std::uint64_t value = 0;
        int digits = 0;
        for (; place < data.size() && std::isdigit(data[place]); ++place, ++digits) {
            if (digits == 9) data.damaged();
            value = 10 * value + (data[place] - '0');
        }
        if (!digits) data.damaged();
        words[word] = value;
    }
    header.width = words[0];
    header.height = words[1];
    const std::uint64_t most = words[2];
    if (!most || most > 65535) data.damaged();
    const std::uint64_t row = kind == '4' ? (header.width + 7) / 8 : header.width * (kind == '6' ? 3 : 1) * (most > 255 ? 2 : 1);
    // 9 digits times 9 digits stays below 2^63; a sample as text has two bytes at least.
    const std::uint64_t needed = kind >= '4' ? row * header.height : kind == '1' ? header.width * header.height
                                                                                : 2 * header.width * header.height * (kind == '3' ? 3 : 1);
    if (needed > data.size() + 1) data.truncated();
    header.end = data.size();
    return header;
}

}  // namespace

ImageHeader read_header(const std::uint8_t *bytes, std::size_t size, const std::string &where) {
    const Reader data(bytes, size, where);
    if (!size) throw Error(KFACE_ERROR_IMAGE, where, "is empty (0 bytes)");
    if (data.is(0, "\xff\xd8", 2)) return jpeg(data);
    if (data.is(0, "\x89PNG\r\n\x1a\n", 8)) return png(data);
    if (data.is(0, "BM", 2)) return bmp(data);
    if (size > 2 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '6' && (std::isspace(bytes[2]) || bytes[2] == '#')) return pnm(data);
    throw Error(KFACE_ERROR_IMAGE, where, "is not a JPEG, PNG, BMP or PNM image", "convert it to JPEG or PNG");
}

}  // namespace kface
