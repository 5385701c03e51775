// The bytes of two templates, through the C interface: a similarity from -1 to 1, or a status that says why there is none.
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "checksum.hpp"
#include "kface.h"
#include "template.hpp"

namespace {

/// The right checksums: a fuzzer does not find them, and an attacker writes them.
void sign(std::vector<std::uint8_t> &data) {
    const auto put = [&](std::size_t place, std::uint32_t value) {
        for (int i = 0; i < 4; ++i) data[place + std::size_t(i)] = std::uint8_t(value >> 8 * i);
    };
    put(56, kface::crc32(data.data() + 64, data.size() - 64));
    put(60, kface::crc32(data.data(), 60));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    if (!size) return 0;
    const bool signing = data[0] & 1;
    std::vector<std::uint8_t> first(data + 1, data + 1 + (size - 1) / 2), second(data + 1 + (size - 1) / 2, data + size);
    if (signing && first.size() >= 64) {
        std::memcpy(first.data(), "KFACETPL", 8);
        sign(first);
    }
    if (signing && second.size() >= 64) {
        std::memcpy(second.data(), "KFACETPL", 8);
        sign(second);
    }
    double similarity = 5;
    const kface_status status = kface_match(nullptr, first.data(), first.size(), second.data(), second.size(), &similarity);
    if (status == KFACE_OK ? !(similarity >= -1 && similarity <= 1) : similarity != KFACE_FAILED_SIMILARITY) std::abort();
    if (status == KFACE_ERROR_INTERNAL) std::abort();
    kface_template_info info{};
    info.size = sizeof info;
    std::vector<float> embedding(2048);
    std::size_t count = 0;
    kface_template_read(first.data(), first.size(), &info);
    kface_template_embedding(first.data(), first.size(), embedding.data(), embedding.size(), &count);
    std::vector<float> many(4);
    if (!first.empty()) {
        std::vector<std::uint8_t> both(first);
        both.insert(both.end(), first.begin(), first.end());
        kface_match_many(nullptr, both.data(), 2, both.data(), 2, first.size(), many.data());
    }
    return 0;
}
