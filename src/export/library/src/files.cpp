#include "files.hpp"

#include <fstream>
#include <system_error>

namespace kface {

namespace fs = std::filesystem;

fs::path native_path(const std::string &utf8) {
    if (utf8.empty()) throw Error(KFACE_ERROR_FILE, "path", "is empty", "give a path");
    try {
        return fs::u8path(utf8);
    } catch (const std::exception &) {
        throw Error(KFACE_ERROR_FILE, "path", "is not UTF-8", "encode paths as UTF-8");
    }
}

std::string utf8_path(const fs::path &path) { return path.u8string(); }

Bytes read_file(const std::string &utf8, std::uintmax_t most, kface_status status) {
    const fs::path path = native_path(utf8);
    std::error_code code;
    const fs::file_status found = fs::status(path, code);
    if (found.type() == fs::file_type::not_found || found.type() == fs::file_type::none)
        throw Error(status, utf8, "cannot be read (no such file, or no permission to look)");
    // Pipes and devices have no end.
    if (found.type() != fs::file_type::regular) throw Error(status, utf8, "is not a regular file");
    const std::uintmax_t size = fs::file_size(path, code);
    if (code) throw Error(status, utf8, "cannot be read");
    if (size > most) throw Error(status, utf8, "has " + std::to_string(size) + " bytes, more than " + std::to_string(most));
    std::ifstream stream(path, std::ios::binary);
    if (!stream) throw Error(status, utf8, "cannot be opened");
    Bytes data(static_cast<std::size_t>(size));
    if (size) stream.read(reinterpret_cast<char *>(data.data()), static_cast<std::streamsize>(size));
    if (!stream || static_cast<std::uintmax_t>(stream.gcount()) != size) {
        if (size) throw Error(status, utf8, "cannot be read to its end");
    }
    return data;
}

}  // namespace kface
