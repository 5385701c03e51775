// match IMAGE TEMPLATE [BUNDLE [LOG]]
//
// Makes a template of the face in IMAGE, compares it with the one in TEMPLATE, and appends a line to LOG (by default match.log):
// IMAGE, TEMPLATE, OK or FAIL, the status, the similarity, with tabs between them. BUNDLE is KFACE_BUNDLE or "bundle" where it
// is not given. Prints the similarity. Exit status: 0 compared, 1 one of the two is a failed template, 2 no comparison.
#include "tool.hpp"

int main(int argc, char **argv) {
    try {
        const auto given = tool::arguments(argc, argv);
        if (given.size() < 2 || given.size() > 4) return tool::fail("match", "usage: match IMAGE TEMPLATE [BUNDLE [LOG]]");
        for (const auto &path : {given[0], given[1]})
            if (!tool::loggable(path)) return tool::fail("match", path + ": has a tab or a line end in its name; rename it");
        const tool::Bundle bundle(tool::setting(given, 2, "KFACE_BUNDLE", "bundle"));
        if (bundle.status != KFACE_OK) return tool::fail("match", kface_last_error());
        const auto kept = tool::read(given[1]);
        if (kept.empty()) return tool::fail("match", given[1] + ": is empty; enrol its image again");
        std::vector<unsigned char> probe(bundle.template_size());
        const kface_status enrolled = kface_enroll_file(bundle.handle, given[0].c_str(), probe.data(), probe.size(), nullptr);
        if (enrolled != KFACE_OK) std::fprintf(stderr, "match: %s\n", kface_last_error());
        double similarity = KFACE_FAILED_SIMILARITY;
        const kface_status status = kface_match(bundle.handle, probe.data(), probe.size(), kept.data(), kept.size(), &similarity);
        if (status < 0) std::fprintf(stderr, "match: %s\n", kface_last_error());
        const std::string log = tool::setting(given, 3, nullptr, "match.log");
        if (!tool::log(log, {given[0], given[1], status == KFACE_OK ? "OK" : "FAIL", std::to_string(status), tool::number(similarity)}))
            return tool::fail("match", log + ": cannot be written");
        std::printf("%s\n", tool::number(similarity).c_str());
        return status == KFACE_OK ? 0 : status < 0 ? 2 : 1;
    } catch (const std::exception &error) {
        return tool::fail("match", error.what());
    }
}
