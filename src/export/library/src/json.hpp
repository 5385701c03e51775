// JSON as kface's Python side reads it: strict, and with the very text that its digests are taken of.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "error.hpp"
#include "files.hpp"

namespace kface {

using Json = nlohmann::json;

/// Parse a document; refuses a key given twice, more than 64 levels, and what is not JSON. `where` names it in errors.
Json parse_json(const Bytes &data, const std::string &where);

/// A value as Python's json.dumps writes it with sorted keys, ASCII only, and no blanks.
std::string canonical(const Json &value);

/// A number as Python's repr writes it.
std::string python_number(double value);

/// An object of a document whose fields are read by name; every reader throws a bundle_error that names the field.
class Fields {
public:
    Fields(const Json &value, std::string where, std::string name = "");

    const Json &value(const std::string &key) const;
    /// A text that is not empty.
    std::string text(const std::string &key) const;
    /// A text that is one of some.
    std::string choice(const std::string &key, const std::vector<std::string> &choices) const;
    /// 64 hexadecimal digits.
    std::string hash(const std::string &key) const;
    /// A whole number from `least` to `most`.
    long long whole(const std::string &key, long long least, long long most) const;
    /// A finite number from `least` to `most`.
    double number(const std::string &key, double least, double most) const;
    /// So many finite numbers.
    std::vector<double> numbers(const std::string &key, std::size_t count) const;
    bool flag(const std::string &key) const;
    bool is_null(const std::string &key) const { return value(key).is_null(); }
    Fields object(const std::string &key) const;
    /// Throws where there is a field that is not among these.
    void only(const std::vector<std::string> &known) const;
    Error wrong(const std::string &key, const std::string &wanted) const;

private:
    const Json &value_;
    std::string where_, name_;
};

/// Whether a text has no control characters.
bool is_line(const std::string &text);

}  // namespace kface
