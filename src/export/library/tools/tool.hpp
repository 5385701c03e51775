// What the programs share: arguments in UTF-8, template files, and a log that only grows.
#pragma once

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <shellapi.h>
#endif

#include "kface.h"

namespace tool {

/// The program's arguments in UTF-8, without its name.
inline std::vector<std::string> arguments(int argc, char **argv) {
    std::vector<std::string> out;
#if defined(_WIN32)
    (void)argc;
    (void)argv;
    int count = 0;
    wchar_t **wide = CommandLineToArgvW(GetCommandLineW(), &count);
    for (int i = 1; wide && i < count; ++i) out.push_back(std::filesystem::path(wide[i]).u8string());
    LocalFree(wide);
#else
    for (int i = 1; i < argc; ++i) out.emplace_back(argv[i]);
#endif
    return out;
}

/// An argument, or the environment's variable, or a default.
inline std::string setting(const std::vector<std::string> &given, std::size_t place, const char *variable, const std::string &other) {
    if (given.size() > place) return given[place];
    const char *named = variable ? std::getenv(variable) : nullptr;
    return named && *named ? named : other;
}

/// A template file's content; throws where it cannot be read.
inline std::vector<unsigned char> read(const std::string &path) {
    std::error_code error;
    std::ifstream stream;
    // A folder can be opened, and reads as nothing.
    if (std::filesystem::is_regular_file(std::filesystem::u8path(path), error)) stream.open(std::filesystem::u8path(path), std::ios::binary);
    if (!stream.is_open()) throw std::runtime_error(path + ": cannot be read (no such file, or no permission)");
    return std::vector<unsigned char>(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
}

inline bool write(const std::string &path, const std::vector<unsigned char> &data) {
    std::ofstream stream(std::filesystem::u8path(path), std::ios::binary);
    stream.write(reinterpret_cast<const char *>(data.data()), static_cast<std::streamsize>(data.size()));
    return bool(stream.flush());
}

/// Append a line of fields with tabs between them.
inline bool log(const std::string &path, const std::vector<std::string> &fields) {
    std::ofstream stream(std::filesystem::u8path(path), std::ios::app);
    for (std::size_t i = 0; i < fields.size(); ++i) stream << (i ? "\t" : "") << fields[i];
    stream << "\n";
    return bool(stream.flush());
}

/// Whether a path can stand in the log, whose fields end at a tab and whose lines at a line end.
inline bool loggable(const std::string &path) { return path.find_first_of("\t\r\n") == std::string::npos; }

/// A text as a number; throws where it is not a finite one.
inline double number(const std::string &text, const std::string &what) {
    std::size_t end = 0;
    double value = 0;
    try {
        value = std::stod(text, &end);
    } catch (const std::exception &) {
        end = std::string::npos;
    }
    if (text.empty() || end != text.size() || !std::isfinite(value)) throw std::runtime_error(what + ": is not a number: " + text);
    return value;
}

/// An open bundle that closes itself.
class Bundle {
public:
    explicit Bundle(const std::string &directory) : status(kface_open(directory.c_str(), nullptr, &handle)) {}
    ~Bundle() { kface_close(handle); }
    Bundle(const Bundle &) = delete;
    Bundle &operator=(const Bundle &) = delete;

    std::size_t template_size() const { return static_cast<std::size_t>(kface_template_size(handle)); }

    kface_handle *handle = nullptr;
    kface_status status;
};

inline std::string number(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.6f", value);
    return text;
}

/// Say what is wrong and return the exit status for it.
inline int fail(const std::string &program, const std::string &wrong) {
    std::fprintf(stderr, "%s: %s\n", program.c_str(), wrong.c_str());
    return 2;
}

}  // namespace tool
