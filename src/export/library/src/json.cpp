#include "json.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>
#include <set>

namespace kface {
namespace {

constexpr int DEPTH = 64;

[[noreturn]] void not_json(const std::string &where, const std::string &why) {
    throw bundle_error(where, "is damaged: not JSON (" + why + ")");
}

void write_text(const std::string &text, std::string &out) {
    out += '"';
    for (std::size_t i = 0; i < text.size();) {
        const auto first = static_cast<unsigned char>(text[i]);
        // The parser has seen to it that texts are UTF-8.
        const int length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
        std::uint32_t sign = length == 1 ? first : first & (0xffU >> (length + 1));
        for (int k = 1; k < length; ++k) sign = sign << 6 | (static_cast<unsigned char>(text[i + std::size_t(k)]) & 0x3fU);
        i += std::size_t(length);
        char code[16];
        if (sign == '"' || sign == '\\') {
            out += '\\';
            out += char(sign);
        } else if (sign >= 0x20 && sign < 0x7f) {
            out += char(sign);
        } else if (sign == '\n' || sign == '\r' || sign == '\t' || sign == '\b' || sign == '\f') {
            out += '\\';
            out += sign == '\n' ? 'n' : sign == '\r' ? 'r' : sign == '\t' ? 't' : sign == '\b' ? 'b' : 'f';
        } else if (sign < 0x10000) {
            std::snprintf(code, sizeof code, "\\u%04x", unsigned(sign));
            out += code;
        } else {
            sign -= 0x10000;
            std::snprintf(code, sizeof code, "\\u%04x\\u%04x", unsigned(0xd800 | sign >> 10), unsigned(0xdc00 | (sign & 0x3ff)));
            out += code;
        }
    }
    out += '"';
}

void write(const Json &value, std::string &out) {
    switch (value.type()) {
        case Json::value_t::object: {
            // The parser's map is sorted by bytes of UTF-8, which is the order of the characters' numbers.
            out += '{';
            bool first = true;
            for (const auto &item : value.items()) {
                if (!first) out += ',';
                first = false;
                write_text(item.key(), out);
                out += ':';
                write(item.value(), out);
            }
            out += '}';
            break;
        }
        case Json::value_t::array: {
            out += '[';
            bool first = true;
            for (const auto &part : value) {
                if (!first) out += ',';
                first = false;
                write(part, out);
            }
            out += ']';
            break;
        }
        case Json::value_t::string: write_text(value.get_ref<const std::string &>(), out); break;
        case Json::value_t::boolean: out += value.get<bool>() ? "true" : "false"; break;
        case Json::value_t::number_integer: out += std::to_string(value.get<long long>()); break;
        case Json::value_t::number_unsigned: out += std::to_string(value.get<unsigned long long>()); break;
        case Json::value_t::number_float: out += python_number(value.get<double>()); break;
        default: out += "null";
    }
}

}  // namespace

Json parse_json(const Bytes &data, const std::string &where) {
    std::vector<std::set<std::string>> keys;
    bool twice = false, deep = false;
    const Json::parser_callback_t look = [&](int, Json::parse_event_t event, Json &parsed) {
        if (event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start) {
            keys.emplace_back();
            deep = deep || keys.size() > DEPTH;
        } else if (event == Json::parse_event_t::object_end || event == Json::parse_event_t::array_end) {
            keys.pop_back();
        } else if (event == Json::parse_event_t::key) {
            twice = !keys.back().insert(parsed.get<std::string>()).second || twice;
        }
        return !deep;
    };
    Json value;
    try {
        value = Json::parse(data.begin(), data.end(), look);
    } catch (const nlohmann::json::exception &error) {
        // Its text quotes the file, whatever that holds.
        not_json(where, "error " + std::to_string(error.id));
    }
    if (deep) not_json(where, "nested too deeply");
    if (twice) not_json(where, "a key twice");
    return value;
}

std::string python_number(double value) {
    char text[40];
    const auto done = std::to_chars(text, text + sizeof text, value, std::chars_format::scientific);
    std::string all(text, done.ptr);
    const std::string sign = all[0] == '-' ? "-" : "";
    const std::size_t e = all.find('e');
    const int exponent = std::stoi(all.substr(e + 1));
    std::string digits;
    for (const char c : all.substr(0, e))
        if (c >= '0' && c <= '9') digits += c;
    while (digits.size() > 1 && digits.back() == '0') digits.pop_back();
    const int count = int(digits.size());
    if (exponent >= -4 && exponent < 16) {
        if (exponent < 0) return sign + "0." + std::string(std::size_t(-exponent - 1), '0') + digits;
        if (count <= exponent + 1) return sign + digits + std::string(std::size_t(exponent + 1 - count), '0') + ".0";
        return sign + digits.substr(0, std::size_t(exponent + 1)) + "." + digits.substr(std::size_t(exponent + 1));
    }
    char power[16];
    std::snprintf(power, sizeof power, "e%c%02d", exponent < 0 ? '-' : '+', exponent < 0 ? -exponent : exponent);
    return sign + digits.substr(0, 1) + (count > 1 ? "." + digits.substr(1) : "") + power;
}

std::string canonical(const Json &value) {
    std::string out;
    write(value, out);
    return out;
}

bool is_line(const std::string &text) {
    return std::none_of(text.begin(), text.end(), [](char sign) {
        return static_cast<unsigned char>(sign) < 0x20 || sign == 0x7f;
    });
}

Fields::Fields(const Json &value, std::string where, std::string name)
    : value_(value), where_(std::move(where)), name_(std::move(name)) {
    if (!value.is_object()) throw bundle_error(where_, (name_.empty() ? "the document" : name_) + " must be an object");
}

Error Fields::wrong(const std::string &key, const std::string &wanted) const {
    return bundle_error(where_, (name_.empty() ? "" : name_ + ".") + key + " must be " + wanted);
}

const Json &Fields::value(const std::string &key) const {
    const auto found = value_.find(key);
    if (found == value_.end()) throw bundle_error(where_, "has no field " + (name_.empty() ? "" : name_ + ".") + key);
    return *found;
}

std::string Fields::text(const std::string &key) const {
    const Json &found = value(key);
    if (!found.is_string()) throw wrong(key, "a text");
    const auto &text = found.get_ref<const std::string &>();
    if (text.find_first_not_of(' ') == std::string::npos || !is_line(text)) throw wrong(key, "a text");
    return text;
}

std::string Fields::choice(const std::string &key, const std::vector<std::string> &choices) const {
    const std::string found = text(key);
    if (std::find(choices.begin(), choices.end(), found) != choices.end()) return found;
    std::string all;
    for (const auto &one : choices) all += (all.empty() ? "" : ", ") + one;
    throw wrong(key, "one of " + all);
}

std::string Fields::hash(const std::string &key) const {
    const std::string found = text(key);
    if (found.size() != 64 || found.find_first_not_of("0123456789abcdef") != std::string::npos)
        throw wrong(key, "64 hexadecimal digits");
    return found;
}

long long Fields::whole(const std::string &key, long long least, long long most) const {
    const Json &found = value(key);
    const bool huge = found.is_number_unsigned() &&
                      found.get<unsigned long long>() > static_cast<unsigned long long>(std::numeric_limits<long long>::max());
    if (!found.is_number_integer() || huge || found.get<long long>() < least || found.get<long long>() > most)
        throw wrong(key, "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    return found.get<long long>();
}

double Fields::number(const std::string &key, double least, double most) const {
    const Json &found = value(key);
    if (!found.is_number() || !std::isfinite(found.get<double>()) || found.get<double>() < least || found.get<double>() > most)
        throw wrong(key, "a number in its range");
    return found.get<double>();
}

std::vector<double> Fields::numbers(const std::string &key, std::size_t count) const {
    const Json &found = value(key);
    const std::string wanted = std::to_string(count) + " numbers";
    if (!found.is_array() || found.size() != count) throw wrong(key, wanted);
    std::vector<double> out;
    for (const auto &part : found) {
        if (!part.is_number() || !std::isfinite(part.get<double>())) throw wrong(key, wanted);
        out.push_back(part.get<double>());
    }
    return out;
}

bool Fields::flag(const std::string &key) const {
    const Json &found = value(key);
    if (!found.is_boolean()) throw wrong(key, "true or false");
    return found.get<bool>();
}

Fields Fields::object(const std::string &key) const {
    return Fields(value(key), where_, (name_.empty() ? "" : name_ + ".") + key);
}

void Fields::only(const std::vector<std::string> &known) const {
    for (const auto &item : value_.items())
        if (std::find(known.begin(), known.end(), item.key()) == known.end())
            throw bundle_error(where_, "has an unknown field" + (is_line(item.key()) ? " " + item.key() : ""));
}

}  // namespace kface
