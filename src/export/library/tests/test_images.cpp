// Images: what is refused before it is decoded, and what pixels come out.
#include <opencv2/imgcodecs.hpp>

#include "check.hpp"
#include "checksum.hpp"
#include "files.hpp"
#include "image.hpp"

using namespace kface;

namespace {

/// A picture of 30x20 pixels without symmetry.
cv::Mat picture(int channels = 3, int depth = CV_8U) {
    cv::Mat out(20, 30, CV_MAKETYPE(depth, channels));
    cv::RNG random(7);
    random.fill(out, cv::RNG::UNIFORM, 0, depth == CV_8U ? 256 : 65536);
    return out;
}

Bytes encoded(const cv::Mat &image, const char *ending) {
    Bytes out;
    CHECK(cv::imencode(ending, image, out));
    return out;
}

kface_status decode(const Bytes &data) {
    return check::status_of([&] { decode_image(data.data(), data.size(), "image"); });
}

void number(Bytes &data, std::size_t place, std::uint32_t value) {
    for (int i = 0; i < 4; ++i) data[place + std::size_t(i)] = std::uint8_t(value >> 8 * (3 - i));
}

/// A PNG of the picture that says to be of another size, with a right CRC.
Bytes png_of(std::uint32_t width, std::uint32_t height) {
    Bytes data = encoded(picture(), ".png");
    number(data, 16, width);
    number(data, 20, height);
    number(data, 29, crc32(&data[12], 17));
    return data;
}

}  // namespace

TEST(lossless_files_come_out_as_they_went_in) {
    const cv::Mat image = picture();
    for (const char *ending : {".png", ".bmp", ".ppm"}) {
        const Bytes data = encoded(image, ending);
        const cv::Mat rgb = decode_image(data.data(), data.size(), "image");
        CHECK(rgb.size() == image.size() && rgb.type() == CV_8UC3);
        bool same = true;
        for (int y = 0; y < image.rows; ++y)
            for (int x = 0; x < image.cols; ++x)
                for (int c = 0; c < 3; ++c) same = same && rgb.at<cv::Vec3b>(y, x)[c] == image.at<cv::Vec3b>(y, x)[2 - c];
        CHECK(same);
    }
    const Bytes grey = encoded(picture(1), ".pgm");
    const cv::Mat rgb = decode_image(grey.data(), grey.size(), "image");
    CHECK(rgb.at<cv::Vec3b>(3, 4)[0] == picture(1).at<std::uint8_t>(3, 4) && rgb.at<cv::Vec3b>(3, 4)[2] == rgb.at<cv::Vec3b>(3, 4)[0]);
}

TEST(text_bits_and_small_scales_are_read) {
    const auto first = [](const std::string &text, int x) {
        const Bytes data(text.begin(), text.end());
        return int(decode_image(data.data(), data.size(), "image").at<cv::Vec3b>(0, x)[1]);
    };
    CHECK(first("P2 # a comment\n2 1 15\n0 15\n", 1) == 255);
    CHECK(first("P1 3 1\n101\n", 0) == 0 && first("P1 3 1\n1 0 1\n", 1) == 255);
    CHECK(first(std::string("P4 3 1\n\xa0", 8), 0) == 0 && first(std::string("P4 3 1\n\xa0", 8), 1) == 255);
    CHECK(first("P3 1 1 255\n1 2 3\n", 0) == 2);
}

TEST(palettes_of_bitmaps_are_read) {
    // 2 x 1 pixels of 8 bits: the second colour, then the first.
    Bytes data(14 + 40 + 8 + 4);
    const auto put = [&](std::size_t place, std::uint32_t value) { for (int i = 0; i < 4; ++i) data[place + std::size_t(i)] = std::uint8_t(value >> 8 * i); };
    data[0] = 'B'; data[1] = 'M';
    put(10, 62); put(14, 40); put(18, 2); put(22, 1); put(28, 8); put(46, 2);
    put(54, 0x0a0b0c); put(58, 0x010203);
    data[62] = 1;
    const cv::Mat rgb = decode_image(data.data(), data.size(), "image");
    CHECK(rgb.at<cv::Vec3b>(0, 0) == cv::Vec3b(1, 2, 3) && rgb.at<cv::Vec3b>(0, 1) == cv::Vec3b(10, 11, 12));
    data[62] = 9;
    CHECK(decode(data) == KFACE_OK);
}

TEST(a_jpeg_gives_the_pixels_of_opencv) {
    const Bytes data = encoded(picture(), ".jpg");
    const cv::Mat rgb = decode_image(data.data(), data.size(), "image");
    const cv::Mat bgr = cv::imdecode(data, cv::IMREAD_COLOR);
    bool same = true;
    for (int y = 0; y < bgr.rows; ++y)
        for (int x = 0; x < bgr.cols; ++x)
            for (int c = 0; c < 3; ++c) same = same && rgb.at<cv::Vec3b>(y, x)[c] == bgr.at<cv::Vec3b>(y, x)[2 - c];
    CHECK(same);
}

TEST(sixteen_bits_and_transparency_become_a_picture) {
    const Bytes deep = encoded(picture(3, CV_16U), ".png");
    CHECK(decode_image(deep.data(), deep.size(), "image").type() == CV_8UC3);
    cv::Mat clear(20, 30, CV_8UC4, cv::Scalar(10, 20, 30, 0));
    clear.at<cv::Vec4b>(0, 0)[3] = 255;
    const Bytes data = encoded(clear, ".png");
    const cv::Mat rgb = decode_image(data.data(), data.size(), "image");
    CHECK(rgb.at<cv::Vec3b>(5, 5) == cv::Vec3b(255, 255, 255));
    CHECK(rgb.at<cv::Vec3b>(0, 0) == cv::Vec3b(30, 20, 10));
}

TEST(exif_turns_a_jpeg_upright) {
    const Bytes plain = encoded(picture(), ".jpg");
    // APP1 with one tag, the orientation: 6, a quarter to the right.
    const std::string exif("\xff\xe1\x00\x22" "Exif\0\0" "MM\0*\0\0\0\x08" "\0\x01" "\x01\x12\0\x03\0\0\0\x01\0\x06\0\0" "\0\0\0\0", 36);
    Bytes turned(plain.begin(), plain.begin() + 2);
    turned.insert(turned.end(), exif.begin(), exif.end());
    turned.insert(turned.end(), plain.begin() + 2, plain.end());
    const cv::Mat stored = decode_image(plain.data(), plain.size(), "image");
    const cv::Mat upright = decode_image(turned.data(), turned.size(), "image");
    CHECK(upright.rows == stored.cols && upright.cols == stored.rows);
    CHECK(upright.at<cv::Vec3b>(0, upright.cols - 1) == stored.at<cv::Vec3b>(0, 0));
    CHECK(upright.at<cv::Vec3b>(0, 0) == stored.at<cv::Vec3b>(stored.rows - 1, 0));
}

TEST(huge_pictures_are_refused_by_their_headers) {
    CHECK(decode(png_of(30, 20)) == KFACE_OK);
    for (const auto &size : {std::make_pair(20001U, 10U), std::make_pair(10U, 20001U), std::make_pair(0x7fffffffU, 0x7fffffffU),
                             std::make_pair(0xffffffffU, 1U), std::make_pair(15000U, 15000U), std::make_pair(0U, 5U)})
        CHECK(decode(png_of(size.first, size.second)) == KFACE_ERROR_IMAGE);
    const std::string pgm = "P5 999999999 999999999 255\n....";
    CHECK(decode(Bytes(pgm.begin(), pgm.end())) == KFACE_ERROR_IMAGE);
    const std::string text = "P2 15000 15000 255\n1 2 3";
    CHECK(decode(Bytes(text.begin(), text.end())) == KFACE_ERROR_IMAGE);
}

TEST(every_truncated_file_is_an_error) {
    for (const char *ending : {".jpg", ".png", ".bmp", ".ppm"}) {
        const Bytes data = encoded(picture(), ending);
        for (std::size_t size = 0; size + 1 < data.size(); size += 1 + size / 64)
            CHECK(decode(Bytes(data.begin(), data.begin() + std::ptrdiff_t(size))) == KFACE_ERROR_IMAGE);
    }
}

TEST(damaged_files_are_errors_or_pictures_but_nothing_else) {
    cv::RNG random(3);
    for (const char *ending : {".jpg", ".png", ".bmp", ".ppm", ".pgm"}) {
        const Bytes good = encoded(picture(std::strcmp(ending, ".pgm") == 0 ? 1 : 3), ending);
        for (int turn = 0; turn < 300; ++turn) {
            Bytes bad = good;
            for (int k = random.uniform(1, 6); k > 0; --k) bad[std::size_t(random.uniform(0, int(bad.size())))] = std::uint8_t(random.uniform(0, 256));
            const kface_status status = decode(bad);
            CHECK(status == KFACE_OK || status == KFACE_ERROR_IMAGE);
        }
    }
}

TEST(other_formats_are_refused) {
    for (const char *text : {"", "GIF89a......", "RIFF....WEBPVP8 ", "II*\0....", "P7 1 1\n", "\xff\xd8", "\x89PNG\r\n\x1a\n", "BM", "P5"})
        CHECK(decode(Bytes(text, text + std::strlen(text))) == KFACE_ERROR_IMAGE);
}

TEST(pixels_of_a_caller_are_checked) {
    const cv::Mat image = picture();
    kface_image given{image.data, 30, 20, 90, KFACE_BGR};
    CHECK(to_rgb(&given).at<cv::Vec3b>(2, 3)[0] == image.at<cv::Vec3b>(2, 3)[2]);
    given.format = KFACE_RGB;
    CHECK(to_rgb(&given).at<cv::Vec3b>(2, 3)[0] == image.at<cv::Vec3b>(2, 3)[0]);
    kface_image wider{image.data, 10, 20, 90, KFACE_GRAY};
    CHECK(to_rgb(&wider).at<cv::Vec3b>(1, 2)[1] == image.data[90 + 2]);
    kface_image none{nullptr, 0, 20, 0, KFACE_BGR};
    CHECK(to_rgb(&none).empty());
    const auto refused = [](kface_image one, kface_status wanted) { CHECK_STATUS(wanted, to_rgb(&one)); };
    refused({image.data, 30, 20, 89, KFACE_BGR}, KFACE_ERROR_ARGUMENT);
    refused({image.data, 30, 20, 90, 0}, KFACE_ERROR_ARGUMENT);
    refused({image.data, -1, 20, 90, KFACE_BGR}, KFACE_ERROR_ARGUMENT);
    refused({nullptr, 30, 20, 90, KFACE_BGR}, KFACE_ERROR_ARGUMENT);
    refused({image.data, 20001, 1, 60003, KFACE_BGR}, KFACE_ERROR_IMAGE);
    CHECK_STATUS(KFACE_ERROR_ARGUMENT, to_rgb(nullptr));
}

int main(int argc, char **argv) { return check::main(argc, argv); }
