// Files by UTF-8 paths, on Windows too: std::filesystem takes them to UTF-16 there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "error.hpp"

namespace kface {

using Bytes = std::vector<std::uint8_t>;

/// A UTF-8 path as the system wants it; throws Error where it is none.
std::filesystem::path native_path(const std::string &utf8);

/// A path as UTF-8.
std::string utf8_path(const std::filesystem::path &path);

/// The bytes of a regular file of at most `most` bytes; throws Error with `status` where it cannot be read.
Bytes read_file(const std::string &utf8, std::uintmax_t most, kface_status status);

}  // namespace kface
