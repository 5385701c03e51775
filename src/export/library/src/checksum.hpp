// SHA-256 (FIPS 180-4) and CRC-32 (as in zlib and PNG), so that no library of cryptography is needed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace kface {

using Sha256 = std::array<std::uint8_t, 32>;

/// The SHA-256 of some bytes.
Sha256 sha256(const void *data, std::size_t size);

/// The same as 64 hexadecimal digits.
std::string sha256_hex(const void *data, std::size_t size);

/// Bytes as hexadecimal digits.
std::string to_hex(const std::uint8_t *data, std::size_t size);

/// 64 hexadecimal digits as bytes; zeros where they are none.
Sha256 from_hex(const std::string &text);

/// The CRC-32 of some bytes.
std::uint32_t crc32(const void *data, std::size_t size);

}  // namespace kface
