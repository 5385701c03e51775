// replay BUNDLE ENROLL_LOG MATCH_LOG [TOLERANCE]
//
// Runs what the logs of enroll and match say again, in memory, and compares the outcome: statuses, and similarities to within
// TOLERANCE (by default 0.0001). So a log that was written on one system can be checked on another one; and with the null
// implementation, whose outcome is known beforehand, the programs and the harness around them.
// Prints one line for each difference and one with the counts. Exit status: 0 all the same, 1 differences, 2 an error.
#include <cmath>
#include <map>
#include <sstream>

#include "tool.hpp"

namespace {

using Fields = std::vector<std::string>;

std::vector<Fields> lines(const std::string &path, std::size_t count) {
    std::ifstream stream(std::filesystem::u8path(path));
    if (!stream) throw std::runtime_error(path + ": cannot be read");
    std::vector<Fields> out;
    for (std::string line; std::getline(stream, line);) {
        if (!line.empty() && line.back() == '\r') line.pop_back();
        if (line.empty()) continue;
        Fields fields;
        std::istringstream parts(line);
        for (std::string part; std::getline(parts, part, '\t');) fields.push_back(part);
        if (fields.size() != count) throw std::runtime_error(path + ": has a line that is not of " + std::to_string(count) + " fields");
        out.push_back(fields);
    }
    return out;
}

}  // namespace

int main(int argc, char **argv) {
    try {
        const auto given = tool::arguments(argc, argv);
        if (given.size() < 3 || given.size() > 4) return tool::fail("replay", "usage: replay BUNDLE ENROLL_LOG MATCH_LOG [TOLERANCE]");
        const double tolerance = given.size() > 3 ? tool::number(given[3], "TOLERANCE") : 1e-4;
        if (tolerance < 0) return tool::fail("replay", "TOLERANCE: is less than 0: " + given[3]);
        const tool::Bundle bundle(given[0]);
        if (bundle.status != KFACE_OK) return tool::fail("replay", kface_last_error());
        std::map<std::string, std::vector<unsigned char>> templates;
        std::size_t differences = 0, count = 0;
        const auto enroll = [&](const std::string &image, kface_status &status) {
            std::vector<unsigned char> made(bundle.template_size());
            status = kface_enroll_file(bundle.handle, image.c_str(), made.data(), made.size(), nullptr);
            return made;
        };
        for (const Fields &line : lines(given[1], 4)) {
            kface_status status = KFACE_OK;
            templates[line[1]] = enroll(line[0], status);
            ++count;
            if (std::to_string(status) == line[3]) continue;
            ++differences;
            std::printf("enroll %s: status %d, not %s\n", line[0].c_str(), int(status), line[3].c_str());
        }
        for (const Fields &line : lines(given[2], 5)) {
            kface_status status = KFACE_OK;
            const auto probe = enroll(line[0], status);
            const auto kept = templates.find(line[1]);
            if (kept == templates.end()) throw std::runtime_error(line[1] + ": was matched, but not enrolled in " + given[1]);
            double similarity = KFACE_FAILED_SIMILARITY;
            status = kface_match(bundle.handle, probe.data(), probe.size(), kept->second.data(), kept->second.size(), &similarity);
            ++count;
            if (std::to_string(status) == line[3] && std::abs(similarity - tool::number(line[4], given[2])) <= tolerance) continue;
            ++differences;
            std::printf("match %s %s: status %d and %.6f, not %s and %s\n", line[0].c_str(), line[1].c_str(), int(status), similarity,
                        line[3].c_str(), line[4].c_str());
        }
        // Nothing that was compared is nothing that was found equal.
        if (!count) return tool::fail("replay", given[1] + " and " + given[2] + ": are empty; run enroll and match first");
        std::printf("%zu replayed by %s, %zu differ\n", count, kface_version(), differences);
        return differences ? 1 : 0;
    } catch (const std::exception &error) {
        return tool::fail("replay", error.what());
    }
}
