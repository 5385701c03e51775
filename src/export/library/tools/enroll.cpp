// enroll IMAGE TEMPLATE [BUNDLE [LOG]]
//
// Makes a template of the face in IMAGE, writes it to TEMPLATE, and appends a line to LOG (by default enroll.log):
// IMAGE, TEMPLATE, OK or FAIL, the status, with tabs between them. BUNDLE is KFACE_BUNDLE or "bundle" where it is not given.
// An image without a face yields a template too. Exit status: 0 enrolled, 1 a failed template, 2 no template.
#include "tool.hpp"

int main(int argc, char **argv) {
    try {
        const auto given = tool::arguments(argc, argv);
        if (given.size() < 2 || given.size() > 4) return tool::fail("enroll", "usage: enroll IMAGE TEMPLATE [BUNDLE [LOG]]");
        for (const auto &path : {given[0], given[1]})
            if (!tool::loggable(path)) return tool::fail("enroll", path + ": has a tab or a line end in its name; rename it");
        const tool::Bundle bundle(tool::setting(given, 2, "KFACE_BUNDLE", "bundle"));
        if (bundle.status != KFACE_OK) return tool::fail("enroll", kface_last_error());
        std::vector<unsigned char> made(bundle.template_size());
        const kface_status status = kface_enroll_file(bundle.handle, given[0].c_str(), made.data(), made.size(), nullptr);
        if (status != KFACE_OK) std::fprintf(stderr, "enroll: %s\n", kface_last_error());
        if (!tool::write(given[1], made)) return tool::fail("enroll", given[1] + ": cannot be written");
        const std::string log = tool::setting(given, 3, nullptr, "enroll.log");
        if (!tool::log(log, {given[0], given[1], status == KFACE_OK ? "OK" : "FAIL", std::to_string(status)}))
            return tool::fail("enroll", log + ": cannot be written");
        return status == KFACE_OK ? 0 : 1;
    } catch (const std::exception &error) {
        return tool::fail("enroll", error.what());
    }
}
