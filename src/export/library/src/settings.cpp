#include "settings.hpp"

#include <algorithm>
#include <locale>
#include <map>
#include <sstream>

namespace kface {
namespace {

std::string trim(const std::string &text) {
    const std::size_t first = text.find_first_not_of(" \t\r");
    if (first == std::string::npos) return "";
    return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

/// Cuts a comment off: what begins with # at the start or after a blank. Quoted texts are not read here at all.
std::string without_comment(const std::string &line) {
    for (std::size_t i = 0; i < line.size(); ++i)
        if (line[i] == '#' && (i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t')) return line.substr(0, i);
    return line;
}

std::vector<std::string> items(std::string text) {
    if (text.size() >= 2 && text.front() == '[' && text.back() == ']') text = text.substr(1, text.size() - 2);
    std::vector<std::string> out;
    std::istringstream stream(text);
    for (std::string part; std::getline(stream, part, ',');) out.push_back(trim(part));
    if (out.size() == 1 && out[0].empty()) out.clear();
    return out;
}

double number(const std::string &text, const std::string &where, const std::string &key, double least, double most) {
    std::istringstream stream(text);
    // Not the program's locale, in which a comma may stand for the point.
    stream.imbue(std::locale::classic());
    double value = 0;
    stream >> value;
    if (stream.fail() || !stream.eof() || !(value >= least && value <= most))
        throw bundle_error(where, "detector." + key + " is not a number in its range");
    return value;
}

}  // namespace

std::vector<Brighten> read_ways(const std::string &list, const std::string &where, kface_status status) {
    static const std::map<std::string, Brighten> ways = {
        {"clahe", Brighten::clahe}, {"log", Brighten::log}, {"log_clahe", Brighten::log_clahe}, {"gamma", Brighten::gamma}};
    std::vector<Brighten> out;
    if (list == "none" || list == "null" || list == "~" || list == "[]") return out;
    for (const auto &name : items(list)) {
        const auto found = ways.find(name);
        if (found == ways.end())
            throw Error(status, where, "names a way to brighten an image that does not exist",
                        "choose from clahe, log, log_clahe, gamma; none for no way");
        if (std::find(out.begin(), out.end(), found->second) != out.end())
            throw Error(status, where, "has a way to brighten an image twice", "leave one out");
        out.push_back(found->second);
    }
    return out;
}

double check_min_face(double value, const std::string &where, kface_status status) {
    if (!(value >= 20 && value <= 10000)) throw Error(status, where, "must be a number from 20 to 10000 pixels");
    return value;
}

DetectorSettings read_deploy(const Bytes &data, const std::string &where) {
    DetectorSettings settings;
    std::istringstream stream(std::string(data.begin(), data.end()));
    std::string section;
    std::map<std::string, bool> seen;
    for (std::string line; std::getline(stream, line);) {
        line = without_comment(line);
        if (trim(line).empty()) continue;
        const std::size_t colon = line.find(':');
        if (line[0] != ' ' && line[0] != '\t') {
            if (colon == std::string::npos) throw bundle_error(where, "has a line that is not KEY: VALUE");
            section = trim(line.substr(0, colon));
            const std::string rest = trim(line.substr(colon + 1));
            if (section == "detector" && !(rest.empty() || rest == "null" || rest == "{}"))
                throw bundle_error(where, "detector must have settings of its own, one a line");
            continue;
        }
        if (section != "detector") continue;
        if (colon == std::string::npos) throw bundle_error(where, "has a line under detector that is not KEY: VALUE");
        const std::string key = trim(line.substr(0, colon)), value = trim(line.substr(colon + 1));
        if (seen[key]) throw bundle_error(where, "gives detector." + (key.size() < 40 ? key : "...") + " twice");
        seen[key] = true;
        if (key == "min_face") {
            settings.min_face = number(value, where, key, 20, 10000);
        } else if (key == "factor") {
            settings.factor = number(value, where, key, 0.5, 0.95);
        } else if (key == "thresholds") {
            const auto parts = items(value);
            if (parts.size() != 3) throw bundle_error(where, "detector.thresholds must be three numbers");
            for (std::size_t i = 0; i < 3; ++i) {
                settings.thresholds[i] = number(parts[i], where, key, 0, 1);
                if (settings.thresholds[i] >= 1) throw bundle_error(where, "detector.thresholds must be less than 1");
            }
        } else if (key == "brighten") {
            // A list with one entry a line would leave nothing here.
            if (value.empty()) throw bundle_error(where, "detector.brighten must be a list on its line, such as [clahe], or none");
            settings.brighten = read_ways(value, where, KFACE_ERROR_BUNDLE);
        } else {
            throw bundle_error(where, "has a setting under detector that does not exist",
                               "choose from min_face, thresholds, factor, brighten");
        }
    }
    return settings;
}

}  // namespace kface
