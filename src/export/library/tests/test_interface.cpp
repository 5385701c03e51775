// The C interface without a bundle: wrong arguments, and comparisons.
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <limits>
#include <thread>

#include "check.hpp"
#include "kface.h"
#include "template.hpp"

using namespace kface;
namespace fs = std::filesystem;

namespace {

using Data = std::vector<std::uint8_t>;

Data made(const char *model, float x, float y, std::int32_t reason = KFACE_REASON_NONE) {
    Data out(template_size(2));
    const float embedding[2] = {x, y};
    write_template(out.data(), sha256(model, std::strlen(model)), 2, embedding, reason);
    return out;
}

kface_status match(const Data &a, const Data &b, double &similarity) {
    return kface_match(nullptr, a.data(), a.size(), b.data(), b.size(), &similarity);
}

bool is_one_line() {
    const std::string text = kface_last_error();
    return !text.empty() && text.find('\n') == std::string::npos && text.find(": ") != std::string::npos;
}

fs::path fresh_folder(const char *name) {
    const fs::path folder = fs::temp_directory_path() / fs::u8path(std::string("kface-") + name);
    fs::remove_all(folder);
    fs::create_directories(folder);
    return folder;
}

}  // namespace

TEST(versions_and_texts) {
    CHECK(kface_abi_version() == KFACE_ABI_VERSION);
    CHECK(std::strlen(kface_version()) >= 5);
    for (kface_status status = KFACE_ERROR_INTERNAL; status <= KFACE_FAILED_TEMPLATE; ++status)
        CHECK(std::strcmp(kface_status_text(status), "unknown status") != 0);
    CHECK(std::strcmp(kface_status_text(99), "unknown status") == 0);
}

TEST(null_pointers_are_errors) {
    kface_handle *handle = nullptr;
    CHECK(kface_open(nullptr, nullptr, &handle) == KFACE_ERROR_ARGUMENT && is_one_line());
    CHECK(kface_open("x", nullptr, nullptr) == KFACE_ERROR_ARGUMENT);
    std::uint8_t buffer[8] = {};
    float numbers[10] = {};
    double value = 0;
    std::int32_t count = 0;
    const kface_image image{buffer, 1, 1, 3, KFACE_BGR};
    CHECK(kface_detect(nullptr, &image, nullptr, 0, &count) == KFACE_ERROR_ARGUMENT);
    CHECK(kface_align(nullptr, &image, numbers, buffer, 8) == KFACE_ERROR_ARGUMENT);
    CHECK(kface_embed(nullptr, buffer, numbers, 10) == KFACE_ERROR_ARGUMENT);
    CHECK(kface_enroll_image(nullptr, &image, buffer, 8, nullptr) == KFACE_ERROR_ARGUMENT);
    CHECK(kface_enroll_file(nullptr, "x", buffer, 8, nullptr) == KFACE_ERROR_ARGUMENT);
    CHECK(kface_enroll_memory(nullptr, buffer, 8, buffer, 8, nullptr) == KFACE_ERROR_ARGUMENT);
    CHECK(kface_self_check(nullptr, &value) == KFACE_ERROR_ARGUMENT);
    CHECK(kface_match(nullptr, nullptr, 0, nullptr, 0, &value) == KFACE_ERROR_ARGUMENT && value == -1);
    CHECK(kface_match(nullptr, buffer, 8, buffer, 8, nullptr) == KFACE_ERROR_ARGUMENT);
    CHECK(kface_template_read(nullptr, 0, nullptr) == KFACE_ERROR_ARGUMENT);
    CHECK(kface_template_embedding(nullptr, 0, nullptr, 0, nullptr) == KFACE_ERROR_ARGUMENT);
    CHECK(kface_template_size(nullptr) == 0 && kface_embedding_size(nullptr) == 0 && kface_fingerprint(nullptr) == nullptr);
    kface_close(nullptr);
}

TEST(pointers_that_are_no_handles_are_errors) {
    int other = 0;
    auto *handle = reinterpret_cast<kface_handle *>(&other);
    std::uint8_t buffer[8] = {};
    CHECK(kface_template_size(handle) == 0);
    CHECK(kface_enroll_memory(handle, buffer, 8, buffer, 8, nullptr) == KFACE_ERROR_ARGUMENT && is_one_line());
    kface_close(handle);
}

TEST(what_is_no_bundle_is_named) {
    kface_handle *handle = nullptr;
    CHECK(kface_open("", nullptr, &handle) < 0 && !handle);
    CHECK(kface_open("no/such/folder", nullptr, &handle) == KFACE_ERROR_BUNDLE && is_one_line());
    const fs::path folder = fresh_folder("interface-\xec\x96\xbc\xea\xb5\xb4");
    CHECK(kface_open(folder.u8string().c_str(), nullptr, &handle) == KFACE_ERROR_BUNDLE);
    for (const char *text : {"", "{}", "[]", "null", "{\"kind\": \"kface bundle\"}", "{\"kind\": \"kface bundle\", \"schema\": 1}",
                             "{\"kind\": \"kface bundle\", \"schema\": 2}", "\xff\xfe{}"}) {
        std::ofstream(folder / "manifest.json") << text;
        CHECK(kface_open(folder.u8string().c_str(), nullptr, &handle) == KFACE_ERROR_BUNDLE && is_one_line());
    }
    fs::remove(folder / "manifest.json");
    fs::create_directories(folder / "manifest.json");
    CHECK(kface_open(folder.u8string().c_str(), nullptr, &handle) == KFACE_ERROR_BUNDLE);
    fs::remove_all(folder);
}

TEST(options_are_checked) {
    kface_handle *handle = nullptr;
    kface_options options{};
    CHECK(kface_open("x", &options, &handle) == KFACE_ERROR_ARGUMENT);
    options.size = sizeof options;
    options.threads = -1;
    CHECK(kface_open("x", &options, &handle) == KFACE_ERROR_ARGUMENT);
    options.threads = 0;
    CHECK(kface_open("x", &options, &handle) == KFACE_ERROR_BUNDLE);
    // A newer program's options, with a setting that this library does not know.
    struct {
        kface_options known;
        std::int64_t unknown;
    } newer{};
    newer.known.size = sizeof newer;
    CHECK(kface_open("x", &newer.known, &handle) == KFACE_ERROR_BUNDLE);
    newer.unknown = 1;
    CHECK(kface_open("x", &newer.known, &handle) == KFACE_ERROR_ARGUMENT);
    // An older one's, which ends after the threads.
    options.size = offsetof(kface_options, embedder);
    CHECK(kface_open("x", &options, &handle) == KFACE_ERROR_BUNDLE);
}

TEST(similarities_are_cosines) {
    double similarity = 0;
    CHECK(match(made("m", 1, 0), made("m", 0.6F, 0.8F), similarity) == KFACE_OK);
    CHECK(std::abs(similarity - 0.6) < 1e-6 && std::strlen(kface_last_error()) == 0);
    CHECK(match(made("m", 1, 0), made("m", -1, 0), similarity) == KFACE_OK && similarity >= -1 && similarity < -0.999999);
}

TEST(failed_templates_are_like_nobody) {
    double similarity = 0;
    const Data failed = made("m", 0, 0, KFACE_REASON_NO_FACE);
    CHECK(match(failed, made("m", 1, 0), similarity) == KFACE_FAILED_TEMPLATE && similarity == KFACE_FAILED_SIMILARITY && is_one_line());
    CHECK(match(made("m", 1, 0), failed, similarity) == KFACE_FAILED_TEMPLATE && similarity == KFACE_FAILED_SIMILARITY);
    CHECK(match(failed, failed, similarity) == KFACE_FAILED_TEMPLATE);
    kface_template_info info{};
    info.size = sizeof info;
    CHECK(kface_template_read(failed.data(), failed.size(), &info) == KFACE_OK);
    CHECK(info.failed == 1 && info.reason == KFACE_REASON_NO_FACE && info.dimension == 2 && std::strlen(info.fingerprint) == 64);
    float embedding[2] = {7, 7};
    std::size_t count = 0;
    CHECK(kface_template_embedding(failed.data(), failed.size(), embedding, 2, &count) == KFACE_FAILED_TEMPLATE);
    CHECK(count == 2 && embedding[0] == 0 && embedding[1] == 0);
    CHECK(kface_template_embedding(failed.data(), failed.size(), embedding, 1, &count) == KFACE_ERROR_CAPACITY);
}

TEST(templates_of_other_models_and_no_templates_are_refused) {
    double similarity = 0;
    const Data good = made("m", 1, 0);
    CHECK(match(good, made("other", 1, 0), similarity) == KFACE_ERROR_MODEL && similarity == -1);
    Data bad(good.begin(), good.end() - 1);
    CHECK(match(good, bad, similarity) == KFACE_ERROR_TEMPLATE);
    CHECK(match(bad, good, similarity) == KFACE_ERROR_TEMPLATE && similarity == -1);
    CHECK(match(Data(72), good, similarity) == KFACE_ERROR_TEMPLATE);
    CHECK(match(Data(72, 0xa7), good, similarity) == KFACE_ERROR_TEMPLATE);
}

TEST(many_matches_are_the_single_ones) {
    std::vector<Data> all = {made("m", 1, 0), made("m", 0.6F, 0.8F), made("m", 0, 0, KFACE_REASON_NO_IMAGE), made("m", 0, 1)};
    Data together;
    for (const Data &one : all) together.insert(together.end(), one.begin(), one.end());
    // One byte further: the pointers need no alignment.
    Data shifted(1);
    shifted.insert(shifted.end(), together.begin(), together.end());
    std::vector<float> found(16, 5);
    CHECK(kface_match_many(nullptr, together.data(), 4, shifted.data() + 1, 4, 72, found.data()) == KFACE_FAILED_TEMPLATE);
    for (std::size_t i = 0; i < 4; ++i) {
        for (std::size_t k = 0; k < 4; ++k) {
            double one = 0;
            match(all[i], all[k], one);
            CHECK(std::abs(found[4 * i + k] - one) < 1e-6);
        }
    }
    CHECK(kface_match_many(nullptr, together.data(), 2, together.data(), 2, 72, found.data()) == KFACE_OK);
    const Data other = made("other", 1, 0);
    CHECK(kface_match_many(nullptr, together.data(), 2, other.data(), 1, 72, found.data()) == KFACE_ERROR_MODEL && found[0] == -1);
    CHECK(kface_match_many(nullptr, together.data(), 2, together.data(), 2, 71, found.data()) == KFACE_ERROR_ARGUMENT);
    CHECK(kface_match_many(nullptr, together.data(), 1, together.data() + 1, 1, 72, found.data()) == KFACE_ERROR_TEMPLATE);
    CHECK(kface_match_many(nullptr, nullptr, 0, nullptr, 0, 72, nullptr) == KFACE_OK);
    const std::size_t huge = std::numeric_limits<std::size_t>::max();
    CHECK(kface_match_many(nullptr, together.data(), huge, together.data(), huge, 72, found.data()) == KFACE_ERROR_ARGUMENT);
}

TEST(each_thread_has_a_line_of_its_own) {
    kface_handle *handle = nullptr;
    kface_open("no/such/folder", nullptr, &handle);
    const std::string mine = kface_last_error();
    std::string others = "untouched";
    std::thread([&] { others = kface_last_error(); }).join();
    CHECK(others.empty() && mine == kface_last_error());
    // Control characters and broken UTF-8 of a path do not reach the terminal.
    kface_open("\x1b[31m\n\xff", nullptr, &handle);
    const std::string text = kface_last_error();
    CHECK(text.find('\x1b') == std::string::npos && text.find('\n') == std::string::npos && text.find('\xff') == std::string::npos);
    kface_open(std::string(100000, 'x').c_str(), nullptr, &handle);
    CHECK(std::strlen(kface_last_error()) < 2000);
}

int main(int argc, char **argv) { return check::main(argc, argv); }
