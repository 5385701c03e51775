// The interface with a bundle, the one that KFACE_BUNDLE names: its golden faces are the pictures.
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "check.hpp"
#include "files.hpp"
#include "image.hpp"
#include "kface.h"

using namespace kface;
namespace fs = std::filesystem;

namespace {

std::string directory() { return std::getenv("KFACE_BUNDLE"); }

/// A handle that closes itself.
class Opened {
public:
    explicit Opened(const std::string &where = directory(), const kface_options *options = nullptr)
        : status(kface_open(where.c_str(), options, &handle)) {}
    ~Opened() { kface_close(handle); }
    Opened(const Opened &) = delete;
    Opened &operator=(const Opened &) = delete;
    std::size_t size() const { return std::size_t(kface_template_size(handle)); }

    kface_handle *handle = nullptr;
    kface_status status;
};

/// The golden faces one below the other, with a border in which the detector sees them better.
cv::Mat faces() {
    const std::string path = directory() + "/golden/faces.png";
    const Bytes data = read_file(path, 1 << 26, KFACE_ERROR_FILE);
    const cv::Mat golden = decode_image(data.data(), data.size(), path);
    cv::Mat out(golden.rows + 60, golden.cols + 60, CV_8UC3, cv::Scalar::all(90));
    golden.copyTo(out(cv::Rect(30, 30, golden.cols, golden.rows)));
    return out;
}

kface_image view(const cv::Mat &rgb) { return {rgb.data, rgb.cols, rgb.rows, std::int64_t(rgb.step), KFACE_RGB}; }

bool is_failed(const Bytes &tmpl, std::int32_t reason) {
    kface_template_info info{};
    info.size = sizeof info;
    return kface_template_read(tmpl.data(), tmpl.size(), &info) == KFACE_OK && info.failed && info.reason == reason;
}

fs::path copy_of_bundle(const char *name) {
    const fs::path target = fs::temp_directory_path() / fs::u8path(std::string("kface-test-") + name);
    fs::remove_all(target);
    fs::copy(fs::u8path(directory()), target, fs::copy_options::recursive);
    return target;
}

kface_status open_status(const fs::path &folder) { return Opened(folder.u8string()).status; }

}  // namespace

TEST(it_opens_and_computes_what_the_export_did) {
    const Opened one;
    CHECK(one.status == KFACE_OK);
    double cosine = 0;
    CHECK(kface_self_check(one.handle, &cosine) == KFACE_OK && cosine > 0.9999);
    CHECK(kface_embedding_size(one.handle) * 4 + 64 == kface_template_size(one.handle));
    CHECK(std::strlen(kface_fingerprint(one.handle)) == 64);
}

TEST(the_template_is_that_of_the_largest_face_step_by_step) {
    const Opened one;
    const cv::Mat rgb = faces();
    const kface_image image = view(rgb);
    std::vector<kface_face> found(100);
    std::int32_t count = 0;
    CHECK(kface_detect(one.handle, &image, found.data(), 100, &count) == KFACE_OK && count > 1);
    std::int32_t again = 0;
    CHECK(kface_detect(one.handle, &image, nullptr, 0, &again) == KFACE_OK && again == count);
    Bytes tmpl(one.size());
    kface_face face{};
    CHECK(kface_enroll_image(one.handle, &image, tmpl.data(), tmpl.size(), &face) == KFACE_OK);
    const auto area = [](const kface_face &f) { return (f.box[2] - f.box[0]) * (f.box[3] - f.box[1]); };
    for (std::int32_t i = 0; i < count; ++i) CHECK(area(found[std::size_t(i)]) <= area(face));
    Bytes crop(KFACE_CROP_BYTES);
    CHECK(kface_align(one.handle, &image, face.landmarks, crop.data(), crop.size()) == KFACE_OK);
    std::vector<float> embedding(std::size_t(kface_embedding_size(one.handle))), kept(embedding.size());
    CHECK(kface_embed(one.handle, crop.data(), embedding.data(), embedding.size()) == KFACE_OK);
    CHECK(kface_template_embedding(tmpl.data(), tmpl.size(), kept.data(), kept.size(), nullptr) == KFACE_OK);
    CHECK(kept == embedding);
    double similarity = 0;
    CHECK(kface_match(one.handle, tmpl.data(), tmpl.size(), tmpl.data(), tmpl.size(), &similarity) == KFACE_OK);
    CHECK(std::abs(similarity - 1) < 1e-6);
}

TEST(colour_orders_and_padded_rows_are_the_same_picture) {
    const Opened one;
    const cv::Mat rgb = faces();
    cv::Mat wide(rgb.rows, rgb.cols + 13, CV_8UC3, cv::Scalar::all(200));
    cv::Mat bgr = wide(cv::Rect(0, 0, rgb.cols, rgb.rows));
    for (int y = 0; y < rgb.rows; ++y)
        for (int x = 0; x < rgb.cols; ++x) {
            const cv::Vec3b pixel = rgb.at<cv::Vec3b>(y, x);
            bgr.at<cv::Vec3b>(y, x) = cv::Vec3b(pixel[2], pixel[1], pixel[0]);
        }
    kface_image first = view(rgb), second = view(bgr);
    second.format = KFACE_BGR;
    Bytes a(one.size()), b(one.size());
    CHECK(kface_enroll_image(one.handle, &first, a.data(), a.size(), nullptr) == KFACE_OK);
    CHECK(kface_enroll_image(one.handle, &second, b.data(), b.size(), nullptr) == KFACE_OK);
    CHECK(a == b);
}

TEST(images_without_a_face_give_failed_templates) {
    const Opened one;
    for (const auto &size : {std::make_pair(0, 0), std::make_pair(0, 7), std::make_pair(1, 1), std::make_pair(11, 500), std::make_pair(12, 12),
                             std::make_pair(20000, 1), std::make_pair(1, 20000), std::make_pair(20000, 40)}) {
        const cv::Mat rgb(size.second, size.first, CV_8UC3, cv::Scalar::all(128));
        const kface_image image = view(rgb);
        Bytes tmpl(one.size(), 0xee);
        kface_face face{};
        CHECK(kface_enroll_image(one.handle, &image, tmpl.data(), tmpl.size(), &face) == KFACE_NO_FACE);
        CHECK(is_failed(tmpl, KFACE_REASON_NO_FACE) && face.score == 0);
        double similarity = 0;
        CHECK(kface_match(one.handle, tmpl.data(), tmpl.size(), tmpl.data(), tmpl.size(), &similarity) == KFACE_FAILED_TEMPLATE && similarity == -1);
        std::int32_t count = 9;
        CHECK(kface_detect(one.handle, &image, nullptr, 0, &count) == KFACE_NO_FACE && count == 0);
    }
}

TEST(images_that_cannot_be_used_leave_failed_templates_too) {
    const Opened one;
    Bytes tmpl(one.size(), 0xee);
    const std::uint8_t junk[100] = {0xff, 0xd8, 0xff};
    CHECK(kface_enroll_memory(one.handle, junk, sizeof junk, tmpl.data(), tmpl.size(), nullptr) == KFACE_ERROR_IMAGE);
    CHECK(is_failed(tmpl, KFACE_REASON_NO_IMAGE));
    CHECK(kface_enroll_memory(one.handle, nullptr, 0, tmpl.data(), tmpl.size(), nullptr) == KFACE_ERROR_IMAGE);
    CHECK(kface_enroll_file(one.handle, "no/such/file.jpg", tmpl.data(), tmpl.size(), nullptr) == KFACE_ERROR_FILE);
    CHECK(is_failed(tmpl, KFACE_REASON_NO_IMAGE));
    CHECK(kface_enroll_file(one.handle, directory().c_str(), tmpl.data(), tmpl.size(), nullptr) == KFACE_ERROR_FILE);
    CHECK(kface_enroll_file(one.handle, nullptr, tmpl.data(), tmpl.size(), nullptr) == KFACE_ERROR_ARGUMENT);
    const kface_image large{junk, 20001, 2, 60003, KFACE_RGB};
    CHECK(kface_enroll_image(one.handle, &large, tmpl.data(), tmpl.size(), nullptr) == KFACE_ERROR_IMAGE);
    CHECK(kface_enroll_image(one.handle, nullptr, tmpl.data(), tmpl.size(), nullptr) == KFACE_ERROR_ARGUMENT);
    CHECK(kface_enroll_memory(one.handle, junk, sizeof junk, tmpl.data(), tmpl.size() - 1, nullptr) == KFACE_ERROR_CAPACITY);
    CHECK(kface_enroll_memory(one.handle, junk, sizeof junk, nullptr, tmpl.size(), nullptr) == KFACE_ERROR_ARGUMENT);
}

TEST(landmarks_that_cannot_be_aligned_give_no_crop) {
    const Opened one;
    const cv::Mat rgb(50, 50, CV_8UC3, cv::Scalar::all(128));
    const kface_image image = view(rgb);
    Bytes crop(KFACE_CROP_BYTES, 1);
    const float same[10] = {3, 3, 3, 3, 3, 3, 3, 3, 3, 3};
    CHECK(kface_align(one.handle, &image, same, crop.data(), crop.size()) == KFACE_FACE_FAILED);
    CHECK(kface_align(one.handle, &image, same, crop.data(), crop.size() - 1) == KFACE_ERROR_CAPACITY);
    // Far outside: black.
    const float far[10] = {1e7F, 0, 2e7F, 0, 1.5e7F, 1e7F, 1e7F, 2e7F, 2e7F, 2e7F};
    CHECK(kface_align(one.handle, &image, far, crop.data(), crop.size()) == KFACE_OK);
    const float huge[10] = {3e38F, 0, -3e38F, 0, 0, 3e38F, 3e38F, 3e38F, -3e38F, -3e38F};
    const kface_status status = kface_align(one.handle, &image, huge, crop.data(), crop.size());
    CHECK(status == KFACE_OK || status == KFACE_FACE_FAILED);
}

TEST(korean_paths_are_paths) {
    const fs::path folder = copy_of_bundle("\xec\x96\xbc\xea\xb5\xb4 \xec\x9d\xb8\xec\x8b\x9d");
    const Opened one(folder.u8string());
    CHECK(one.status == KFACE_OK);
    const fs::path picture = folder / fs::u8path("golden/\xec\x82\xac\xec\xa7\x84.png");
    fs::copy_file(folder / "golden" / "faces.png", picture);
    Bytes a(one.size()), b(one.size());
    const std::string path = (folder / "golden" / "faces.png").u8string();
    CHECK(kface_enroll_file(one.handle, picture.u8string().c_str(), a.data(), a.size(), nullptr) >= 0);
    CHECK(kface_enroll_file(one.handle, path.c_str(), b.data(), b.size(), nullptr) >= 0);
    CHECK(a == b);
    fs::remove_all(folder);
}

TEST(bundles_that_were_changed_are_refused) {
    const fs::path folder = copy_of_bundle("changed");
    CHECK(open_status(folder) == KFACE_OK);
    for (const char *name : {"manifest.json", "detector/pnet.onnx", "detector/onet.onnx", "detector/manifest.json", "golden/vectors.json",
                             "golden/embeddings.json", "golden/faces.png"}) {
        const fs::path file = folder / fs::u8path(name);
        if (!fs::exists(file)) continue;
        const Bytes good = read_file(file.u8string(), 1 << 28, KFACE_ERROR_FILE);
        const auto put = [&](const Bytes &data) {
            std::ofstream(file, std::ios::binary).write(reinterpret_cast<const char *>(data.data()), std::streamsize(data.size()));
        };
        Bytes bad = good;
        bad[bad.size() / 2] = std::uint8_t(bad[bad.size() / 2] ^ 1);
        put(bad);
        CHECK(open_status(folder) == KFACE_ERROR_BUNDLE);
        put(Bytes(good.begin(), good.begin() + std::ptrdiff_t(good.size() / 3)));
        CHECK(open_status(folder) == KFACE_ERROR_BUNDLE);
        put({});
        CHECK(open_status(folder) == KFACE_ERROR_BUNDLE);
        fs::remove(file);
        CHECK(open_status(folder) == KFACE_ERROR_BUNDLE);
        put(good);
    }
    CHECK(open_status(folder) == KFACE_OK);
    std::ofstream(folder / "other.PB") << "x";
    CHECK(open_status(folder) == KFACE_ERROR_BUNDLE);
    fs::remove(folder / "other.PB");
#if !defined(_WIN32)
    fs::create_symlink("/etc/hostname", folder / "link");
    CHECK(open_status(folder) == KFACE_ERROR_BUNDLE);
    fs::remove(folder / "link");
#endif
    CHECK(open_status(folder) == KFACE_OK);
    fs::remove_all(folder);
}

TEST(a_closed_handle_stays_closed) {
    kface_handle *first = nullptr, *second = nullptr;
    CHECK(kface_open(directory().c_str(), nullptr, &first) == KFACE_OK);
    kface_close(first);
    kface_close(first);
    CHECK(kface_open(directory().c_str(), nullptr, &second) == KFACE_OK);
    CHECK(first != second && kface_template_size(first) == 0 && kface_template_size(second) > 0);
    Bytes tmpl(std::size_t(kface_template_size(second)));
    CHECK(kface_enroll_memory(first, tmpl.data(), tmpl.size(), tmpl.data(), tmpl.size(), nullptr) == KFACE_ERROR_ARGUMENT);
    kface_close(second);
}

TEST(settings_of_the_caller_count) {
    const cv::Mat rgb = faces();
    const kface_image image = view(rgb);
    kface_options options{};
    options.size = sizeof options;
    options.min_face = 10000;
    options.brighten = "none";
    const Opened blind(directory(), &options);
    std::int32_t count = 0;
    CHECK(blind.status == KFACE_OK && kface_detect(blind.handle, &image, nullptr, 0, &count) == KFACE_NO_FACE);
    const auto refused = [](kface_options wrong) { return Opened(directory(), &wrong).status == KFACE_ERROR_ARGUMENT; };
    options.min_face = 19;
    CHECK(refused(options));
    options.min_face = 0;
    options.brighten = "sunlight";
    CHECK(refused(options));
    options.brighten = nullptr;
    options.embedder = "exe";
    CHECK(refused(options));
}

TEST(eight_threads_get_what_one_gets) {
    const Opened one;
    const cv::Mat rgb = faces();
    const kface_image image = view(rgb);
    Bytes wanted(one.size());
    CHECK(kface_enroll_image(one.handle, &image, wanted.data(), wanted.size(), nullptr) == KFACE_OK);
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
        threads.emplace_back([&, t] {
            for (int turn = 0; turn < 3; ++turn) {
                Bytes tmpl(one.size());
                if (kface_enroll_image(one.handle, &image, tmpl.data(), tmpl.size(), nullptr) != KFACE_OK || tmpl != wanted) ++wrong;
                // Errors of one thread are none of another's.
                if (t % 2 && kface_enroll_memory(one.handle, "x", 1, tmpl.data(), tmpl.size(), nullptr) != KFACE_ERROR_IMAGE) ++wrong;
                if (t == 3) {
                    const Opened other;
                    if (other.status != KFACE_OK) ++wrong;
                }
            }
        });
    }
    for (auto &thread : threads) thread.join();
    CHECK(wrong == 0);
}

TEST(a_handle_may_be_closed_while_others_use_it) {
    kface_handle *handle = nullptr;
    CHECK(kface_open(directory().c_str(), nullptr, &handle) == KFACE_OK);
    const cv::Mat rgb = faces();
    const kface_image image = view(rgb);
    const auto size = std::size_t(kface_template_size(handle));
    std::atomic<int> started{0}, wrong{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            for (int turn = 0; turn < 5; ++turn) {
                Bytes tmpl(size);
                ++started;
                const kface_status status = kface_enroll_image(handle, &image, tmpl.data(), tmpl.size(), nullptr);
                if (status != KFACE_OK && status != KFACE_ERROR_ARGUMENT) ++wrong;
            }
        });
    }
    while (started < 6) std::this_thread::yield();
    kface_close(handle);
    for (auto &thread : threads) thread.join();
    CHECK(wrong == 0);
}

int main(int argc, char **argv) {
    const char *bundle = std::getenv("KFACE_BUNDLE");
    if (!bundle || !*bundle) {
        std::printf("skipped: KFACE_BUNDLE names no bundle\n");
        return 77;
    }
    return check::main(argc, argv);
}
