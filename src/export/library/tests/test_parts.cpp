// The parts that need neither a bundle nor a network.
#include <cmath>
#include <limits>

#include "alignment.hpp"
#include "boxes.hpp"
#include "cascade.hpp"
#include "check.hpp"
#include "checksum.hpp"
#include "json.hpp"
#include "network_check.hpp"
#include "settings.hpp"
#include "template.hpp"

using namespace kface;

namespace {

Bytes bytes(const std::string &text) { return Bytes(text.begin(), text.end()); }

std::vector<float> unit(std::size_t dimension, std::size_t which) {
    std::vector<float> out(dimension);
    out[which] = 1;
    return out;
}

Bytes good_template(std::size_t dimension = 8) {
    Bytes out(template_size(int(dimension)));
    write_template(out.data(), sha256("model", 5), dimension, unit(dimension, 3).data(), KFACE_REASON_NONE);
    return out;
}

kface_status read(const Bytes &data) {
    return check::status_of([&] { read_template(data.data(), data.size(), "template"); });
}

}  // namespace

TEST(sha256_gives_the_vectors_of_fips_180) {
    CHECK(sha256_hex("", 0) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(sha256_hex("abc", 3) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    const std::string two = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    CHECK(sha256_hex(two.data(), two.size()) == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    const std::string million(1000000, 'a');
    CHECK(sha256_hex(million.data(), million.size()) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    CHECK(from_hex(sha256_hex("abc", 3)) == sha256("abc", 3));
}

TEST(crc32_is_that_of_zlib) {
    CHECK(crc32("123456789", 9) == 0xcbf43926U);
    CHECK(crc32("", 0) == 0);
}

TEST(numbers_are_written_as_python_writes_them) {
    CHECK(python_number(128) == "128.0");
    CHECK(python_number(0.9999999) == "0.9999999");
    CHECK(python_number(1.1920928955078125e-07) == "1.1920928955078125e-07");
    CHECK(python_number(0.0001) == "0.0001");
    CHECK(python_number(0.00001) == "1e-05");
    CHECK(python_number(1e15) == "1000000000000000.0");
    CHECK(python_number(1e16) == "1e+16");
    CHECK(python_number(-123.456) == "-123.456");
    CHECK(python_number(0) == "0.0");
    CHECK(python_number(1.5e300) == "1.5e+300");
}

TEST(canonical_json_is_that_of_python) {
    const Json value = parse_json(bytes("{\"b\": [1, 2.50, null, true], \"a\": \"\\uc5bc\\ud83d\\ude00\\u007f\\n\\\"/\"}"), "x");
    CHECK(canonical(value) == "{\"a\":\"\\uc5bc\\ud83d\\ude00\\u007f\\n\\\"/\",\"b\":[1,2.5,null,true]}");
}

TEST(json_that_others_read_otherwise_is_refused) {
    for (const char *text : {"", "{", "{\"a\": 1, \"a\": 2}", "[NaN]", "[1e999]", "{\"a\": 01}", "[1] 2", "\"\xff\"", "{'a': 1}"})
        CHECK_STATUS(KFACE_ERROR_BUNDLE, parse_json(bytes(text), "x"));
    CHECK_STATUS(KFACE_ERROR_BUNDLE, parse_json(bytes(std::string(100000, '[')), "x"));
    CHECK_STATUS(KFACE_ERROR_BUNDLE, parse_json(bytes(std::string(70, '[') + std::string(70, ']')), "x"));
}

TEST(deploy_yaml_gives_the_detector_its_settings) {
    const DetectorSettings read = read_deploy(bytes("# text\ndetector:\n  min_face: 56.1   # pixels\n  thresholds: [0.5, 0.6, 0.75]\n"
                                                    "  factor: 0.8\n  brighten: [gamma]\nruntime:\n  name: auto\n"), "x");
    CHECK(read.min_face == 56.1 && read.factor == 0.8 && read.thresholds[2] == 0.75);
    CHECK(read.brighten == std::vector<Brighten>{Brighten::gamma});
    const DetectorSettings none = read_deploy(bytes("runtime:\n  precision: fp32\n"), "x");
    CHECK(none.min_face == 39.8 && none.brighten.size() == 2);
    CHECK(read_deploy(bytes("detector:\n  brighten: none\n"), "x").brighten.empty());
    for (const char *text : {"detector:\n  min_face: 10\n", "detector:\n  min_face: much\n", "detector:\n  thresholds: [0.5]\n",
                             "detector:\n  thresholds: [0.5, 0.6, 1]\n", "detector:\n  smallest: 3\n", "detector:\n  brighten: [sun]\n",
                             "detector: {min_face: 30}\n", "detector:\n  brighten:\n    - clahe\n", "detector:\n  factor: 0.7\n  factor: 0.8\n"})
        CHECK_STATUS(KFACE_ERROR_BUNDLE, read_deploy(bytes(text), "x"));
}

TEST(the_pyramid_is_that_of_the_reference) {
    // kface.mtcnn.pyramid.scales(480, 640, 39.8, .709)
    const std::vector<double> scales = pyramid_scales(480, 640, 39.8, 0.709);
    CHECK(scales.size() == 8);
    CHECK(std::abs(scales[0] - 0.6 * 0.709 * 0.709) < 1e-12);
    CHECK(int(480 * scales.back()) >= 12);
    CHECK(pyramid_scales(11, 640, 20, 0.709).empty());
    CHECK(pyramid_scales(480, 640, 10000, 0.709).empty());
}

TEST(strips_cover_a_level_once) {
    for (const int height : {12, 13, 50, 101, 640, 641}) {
        int rows = 0;
        for (const Strip &strip : level_strips(height, 60)) {
            CHECK(strip.first % 2 == 0 && strip.last <= height);
            // The rows of P-Net's map: half of them, less the window.
            rows += (strip.last - strip.first - 12 + 1) / 2 + 1;
        }
        CHECK(rows == (height - 12 + 1) / 2 + 1);
    }
}

TEST(the_best_box_suppresses_even_when_it_is_dead_itself) {
    // b overlaps a, c overlaps b only: by the one-pass rule both go.
    Candidates found{{{{0, 0, 10, 10}}, {{0, 3, 10, 13}}, {{0, 6, 10, 16}}}, {0.9F, 0.8F, 0.7F}};
    found.suppress(0.5);
    CHECK(found.size() == 1);
    Candidates equal{{{{0, 0, 1, 1}}, {{5, 5, 6, 6}}}, {0.5F, 0.5F}};
    equal.sort();
    CHECK(equal.boxes[0][0] == 5);
}

TEST(landmarks_that_coincide_or_are_not_finite_are_not_aligned) {
    float points[10] = {30, 40, 70, 40, 50, 60, 35, 80, 65, 80};
    CHECK(alignable(points));
    const cv::Mat grey(100, 100, CV_8UC3, cv::Scalar::all(77));
    const cv::Mat crop = align(grey, points);
    CHECK(crop.at<cv::Vec3b>(60, 56) == cv::Vec3b(77, 77, 77));
    points[4] = std::numeric_limits<float>::quiet_NaN();
    CHECK(!alignable(points));
    const float same[10] = {5, 5, 5, 5, 5, 5, 5, 5, 5, 5};
    CHECK(!alignable(same));
}

TEST(a_template_comes_back_as_it_was_written) {
    const Bytes data = good_template();
    const TemplateView view = read_template(data.data(), data.size(), "template");
    CHECK(!view.failed && view.dimension == 8 && view.embedding == unit(8, 3) && view.fingerprint == sha256("model", 5));
    Bytes failed(template_size(8));
    write_template(failed.data(), sha256("model", 5), 8, nullptr, KFACE_REASON_NO_FACE);
    const TemplateView none = read_template(failed.data(), failed.size(), "template");
    CHECK(none.failed && none.reason == KFACE_REASON_NO_FACE && none.embedding == std::vector<float>(8));
}

TEST(every_damaged_byte_of_a_template_is_noticed) {
    const Bytes good = good_template();
    for (std::size_t i = 0; i < good.size(); ++i) {
        for (const int bit : {0, 3, 7}) {
            Bytes bad = good;
            bad[i] = std::uint8_t(bad[i] ^ 1 << bit);
            CHECK(read(bad) == KFACE_ERROR_TEMPLATE);
        }
    }
    for (std::size_t size = 0; size < good.size(); ++size) CHECK(read(Bytes(good.begin(), good.begin() + std::ptrdiff_t(size))) == KFACE_ERROR_TEMPLATE);
    Bytes longer = good;
    longer.push_back(0);
    CHECK(read(longer) == KFACE_ERROR_TEMPLATE);
    CHECK(read(Bytes(good.size())) == KFACE_ERROR_TEMPLATE);
}

TEST(a_template_with_a_right_crc_and_a_wrong_embedding_is_refused) {
    for (const float value : {0.0F, 2.0F, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
        std::vector<float> embedding(8, value);
        Bytes data(template_size(8));
        write_template(data.data(), sha256("model", 5), 8, embedding.data(), KFACE_REASON_NONE);
        CHECK(read(data) == KFACE_ERROR_TEMPLATE);
    }
}

TEST(networks_hold_arithmetic_and_nothing_else) {
    // GraphDef.node { name "a", op "..." }
    const auto frozen = [](const std::string &operation) {
        const std::string node = std::string("\x0a\x01") + "a" + "\x12" + char(operation.size()) + operation;
        return bytes(std::string("\x0a") + char(node.size()) + node);
    };
    CHECK_STATUS(KFACE_OK, check_network(frozen("Conv2D"), true, "x"));
    for (const char *operation : {"ReadFile", "PyFunc", "WriteFile", "While", ""})
        CHECK_STATUS(KFACE_ERROR_BUNDLE, check_network(frozen(operation), true, "x"));
    // ModelProto.graph { node { op_type "..." } }
    const auto onnx = [](const std::string &field) {
        const std::string graph = std::string("\x0a") + char(field.size()) + field;
        return bytes(std::string("\x3a") + char(graph.size()) + graph);
    };
    CHECK_STATUS(KFACE_OK, check_network(onnx(std::string("\x22\x04") + "Conv"), false, "x"));
    CHECK_STATUS(KFACE_ERROR_BUNDLE, check_network(onnx(std::string("\x22\x04") + "Loop"), false, "x"));
    CHECK_STATUS(KFACE_ERROR_BUNDLE, check_network(onnx(std::string("\x22\x04") + "Conv" + "\x3a\x03" + "com"), false, "x"));
    // A tensor whose data_location is external.
    CHECK_STATUS(KFACE_ERROR_BUNDLE, check_network(bytes(std::string("\x3a\x04\x2a\x02\x70\x01")), false, "x"));
    CHECK_STATUS(KFACE_ERROR_BUNDLE, check_network(bytes("\xff\xff\xff"), false, "x"));
}

int main(int argc, char **argv) { return check::main(argc, argv); }
