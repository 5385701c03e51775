#include "template.hpp"

#include <cmath>
#include <cstring>

namespace kface {
namespace {

const char MAGIC[9] = "KFACETPL";
constexpr std::uint16_t VERSION = 1, FAILED = 1;
constexpr std::uint32_t LONGEST = 65536;

void put(std::uint8_t *out, std::uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out[i] = std::uint8_t(value >> 8 * i);
}

std::uint32_t get(const std::uint8_t *data, int bytes) {
    std::uint32_t value = 0;
    for (int i = 0; i < bytes; ++i) value |= std::uint32_t(data[i]) << 8 * i;
    return value;
}

[[noreturn]] void refuse(const char *what, const std::string &wrong) {
    throw Error(KFACE_ERROR_TEMPLATE, what, wrong, "enrol the image again");
}

struct Header {
    bool failed;
    std::uint32_t reason, dimension;
};

Header check(const std::uint8_t *data, std::size_t size, const char *what) {
    if (size < HEADER) refuse(what, "has " + std::to_string(size) + " bytes: truncated, or not a template");
    if (std::memcmp(data, MAGIC, 8) != 0) refuse(what, "is not a template");
    if (get(data + 8, 2) != VERSION) refuse(what, "has layout version " + std::to_string(get(data + 8, 2)) + ", this library reads 1");
    if (get(data + 60, 4) != crc32(data, 60)) refuse(what, "is damaged: its header's CRC is another one");
    const Header header{(get(data + 10, 2) & FAILED) != 0, get(data + 12, 4), get(data + 16, 4)};
    const bool odd = (get(data + 10, 2) & ~std::uint32_t(FAILED)) != 0 || get(data + 52, 4) != 0 || header.reason > KFACE_REASON_ERROR ||
                     header.failed != (header.reason != KFACE_REASON_NONE);
    if (odd || header.dimension < 1 || header.dimension > LONGEST) refuse(what, "has a header that no library writes");
    if (size != HEADER + 4 * std::size_t(header.dimension))
        refuse(what, "has " + std::to_string(size) + " bytes, not the " + std::to_string(HEADER + 4 * std::size_t(header.dimension)) +
                         " that its header says");
    if (get(data + 56, 4) != crc32(data + HEADER, size - HEADER)) refuse(what, "is damaged: its embedding's CRC is another one");
    return header;
}

void copy(const std::uint8_t *data, const Header &header, float *out, const char *what) {
    double length = 0;
    for (std::uint32_t i = 0; i < header.dimension; ++i) {
        const std::uint32_t bits = get(data + HEADER + 4 * std::size_t(i), 4);
        std::memcpy(out + i, &bits, 4);
        length += double(out[i]) * out[i];
    }
    // A CRC is no proof: anybody can write one.
    if (header.failed ? length != 0 : !(std::abs(length - 1) < 1e-3)) refuse(what, "has an embedding that is not of length 1");
}

}  // namespace

void write_template(std::uint8_t *out, const Sha256 &fingerprint, std::size_t dimension, const float *embedding, std::int32_t reason) {
    std::memset(out, 0, template_size(int(dimension)));
    std::memcpy(out, MAGIC, 8);
    put(out + 8, VERSION, 2);
    put(out + 10, reason == KFACE_REASON_NONE ? 0 : FAILED, 2);
    put(out + 12, std::uint32_t(reason), 4);
    put(out + 16, std::uint32_t(dimension), 4);
    std::memcpy(out + 20, fingerprint.data(), fingerprint.size());
    for (std::size_t i = 0; reason == KFACE_REASON_NONE && i < dimension; ++i) {
        std::uint32_t bits = 0;
        std::memcpy(&bits, embedding + i, 4);
        put(out + HEADER + 4 * i, bits, 4);
    }
    put(out + 56, crc32(out + HEADER, 4 * dimension), 4);
    put(out + 60, crc32(out, 60), 4);
}

TemplateView read_template(const std::uint8_t *data, std::size_t size, const std::string &what) {
    const Header header = check(data, size, what.c_str());
    TemplateView view;
    view.failed = header.failed;
    view.reason = std::int32_t(header.reason);
    view.dimension = header.dimension;
    std::memcpy(view.fingerprint.data(), data + 20, 32);
    view.embedding.resize(header.dimension);
    copy(data, header, view.embedding.data(), what.c_str());
    return view;
}

bool read_embedding(const std::uint8_t *data, std::size_t size, const Sha256 &fingerprint, std::size_t dimension, float *embedding,
                    const char *what) {
    const Header header = check(data, size, what);
    if (std::memcmp(fingerprint.data(), data + 20, 32) != 0 || header.dimension != dimension)
        throw Error(KFACE_ERROR_MODEL, what, "is of another model", "enrol the image with the same bundle");
    copy(data, header, embedding, what);
    return header.failed;
}

}  // namespace kface
