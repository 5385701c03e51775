// Copies of a bundle in which files and their entries are changed together, as someone with a text editor could.
#pragma once

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include <opencv2/imgcodecs.hpp>

#include "checksum.hpp"
#include "image.hpp"
#include "json.hpp"

namespace kface {

/// A copy of a bundle's directory, removed with this value. Every change leaves a manifest that fits the files.
class BundleCopy {
public:
    BundleCopy(const std::string &source, const std::string &name)
        : folder_(std::filesystem::temp_directory_path() / std::filesystem::u8path("kface-test-" + name)) {
        std::filesystem::remove_all(folder_);
        std::filesystem::copy(std::filesystem::u8path(source), folder_, std::filesystem::copy_options::recursive);
    }
    ~BundleCopy() {
        std::error_code code;
        std::filesystem::remove_all(folder_, code);
    }
    BundleCopy(const BundleCopy &) = delete;
    BundleCopy &operator=(const BundleCopy &) = delete;

    std::string directory() const { return folder_.u8string(); }

    Bytes bytes(const std::string &path) const { return read_file((folder_ / path).u8string(), 1 << 28, KFACE_ERROR_FILE); }
    Json json(const std::string &path) const { return parse_json(bytes(path), path); }

    /// Write a file, with its size and SHA-256 in the manifest.
    void put(const std::string &path, const Bytes &data) {
        write(path, data);
        Json manifest = json("manifest.json");
        Json &entry = manifest["files"][path];
        if (entry.is_null())
            entry = {{"role", "golden"}, {"format", path.substr(path.rfind('.') + 1)}, {"precision", nullptr}, {"opset", nullptr},
                     {"batch", nullptr}, {"normalised", nullptr}, {"input", nullptr}, {"outputs", Json::array()}, {"layout", nullptr},
                     {"parity", nullptr}};
        entry["sha256"] = sha256_hex(data.data(), data.size());
        entry["bytes"] = data.size();
        seal(manifest);
    }
    void put(const std::string &path, const Json &document) {
        const std::string text = document.dump();
        put(path, Bytes(text.begin(), text.end()));
    }
    /// Remove a file and its entry.
    void remove(const std::string &path) {
        std::filesystem::remove(folder_ / path);
        Json manifest = json("manifest.json");
        manifest["files"].erase(path);
        seal(manifest);
    }
    /// Write other pixels into a PNG of the golden vectors, RGB, with all hashes.
    void put_picture(const std::string &path, const cv::Mat &rgb) {
        cv::Mat bgr(rgb.size(), CV_8UC3);
        for (int y = 0; y < rgb.rows; ++y)
            for (int x = 0; x < rgb.cols; ++x) {
                const cv::Vec3b pixel = rgb.at<cv::Vec3b>(y, x);
                bgr.at<cv::Vec3b>(y, x) = cv::Vec3b(pixel[2], pixel[1], pixel[0]);
            }
        Bytes png;
        cv::imencode(".png", bgr, png);
        put(path, png);
        Json vectors = json("golden/vectors.json");
        const std::string digest = sha256_hex(rgb.data, rgb.total() * rgb.elemSize());
        if (path == "golden/faces.png") vectors["crops"]["pixels_sha256"] = digest;
        for (Json &picture : vectors["pictures"])
            if (picture["file"] == path) picture["pixels_sha256"] = digest;
        put("golden/vectors.json", vectors);
    }
    cv::Mat picture(const std::string &path) const {
        const Bytes data = bytes(path);
        return decode_image(data.data(), data.size(), path);
    }
    /// The same vectors in the files of schema 1.
    void make_schema_1() {
        const Json vectors = json("golden/vectors.json");
        for (const Json &picture : vectors["pictures"]) remove(picture["file"].get<std::string>());
        remove("golden/vectors.json");
        put("golden/embeddings.json", Json{{"schema", 1}, {"embedder_sha256", vectors["embedder_sha256"]}, {"faces", vectors["crops"]["count"]},
                                           {"size", 112}, {"pixels_sha256", vectors["crops"]["pixels_sha256"]},
                                           {"embeddings", vectors["embeddings"]}, {"tolerance", vectors["tolerance"]["cosine"]}});
    }

private:
    void write(const std::string &path, const Bytes &data) const {
        std::ofstream(folder_ / path, std::ios::binary).write(reinterpret_cast<const char *>(data.data()), std::streamsize(data.size()));
    }
    void seal(Json manifest) const {
        manifest.erase("digest");
        const std::string text = canonical(manifest);
        manifest["digest"] = sha256_hex(text.data(), text.size());
        const std::string all = canonical(manifest);
        write("manifest.json", Bytes(all.begin(), all.end()));
    }

    std::filesystem::path folder_;
};

}  // namespace kface
