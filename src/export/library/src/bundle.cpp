#include "bundle.hpp"

#include <system_error>

#include "checksum.hpp"
#include "json.hpp"

namespace kface {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t LARGEST_MANIFEST = 64U << 20;
constexpr std::uintmax_t LARGEST_NETWORK = 0x7fffffffU;
constexpr int DETECTOR_SCHEMA = 3;

bool is_below(const fs::path &path, const fs::path &home) {
    auto a = path.begin();
    for (auto h = home.begin(); h != home.end(); ++h, ++a)
        if (a == path.end() || *a != *h) return false;
    return true;
}

/// Networks that nobody checked must not lie in a bundle, and nothing may lead out of it.
void check_unlisted(const fs::path &root, const Manifest &manifest) {
    std::error_code code;
    const fs::path home = fs::canonical(root, code);
    if (code) throw bundle_error(utf8_path(root), "cannot be read");
    std::size_t seen = 0;
    fs::recursive_directory_iterator entries(root, code);
    for (; !code && entries != fs::recursive_directory_iterator(); entries.increment(code)) {
        if (++seen > 100000) throw bundle_error(utf8_path(root), "has more than 100000 files", "give a bundle's directory");
        const fs::path &place = entries->path();
        if (fs::is_symlink(entries->symlink_status())) {
            std::error_code broken;
            const fs::path target = fs::canonical(place, broken);
            if (broken || !is_below(target, home))
                throw bundle_error(utf8_path(place), "is a link that leads out of the bundle", "put the file itself there");
        }
        const std::string path = utf8_path(place.lexically_relative(root).generic_u8string());
        if (is_network(path) && !manifest.files.count(path))
            throw bundle_error(utf8_path(place), "is a network that the manifest does not list", std::string("remove it, or ") + REMEDY);
    }
    if (code) throw bundle_error(utf8_path(root), "cannot be read");
}

}  // namespace

Bundle::Bundle(const std::string &directory) : directory_(directory) {
    const fs::path root = native_path(directory);
    const std::string path = utf8_path(root / "manifest.json");
    std::error_code code;
    if (!fs::exists(root / "manifest.json", code))
        throw bundle_error(directory, "there is no bundle (manifest.json is missing)", "export one: kface export");
    manifest_ = read_manifest(read_file(path, LARGEST_MANIFEST, KFACE_ERROR_BUNDLE), path);
    for (const auto &item : manifest_.files) {
        const fs::path file = root / fs::u8path(item.first);
        if (!fs::exists(file, code)) throw bundle_error(utf8_path(file), "is missing");
        if (!fs::is_regular_file(file, code)) throw bundle_error(utf8_path(file), "is not a file");
        const std::uintmax_t size = fs::file_size(file, code);
        if (code || size != item.second.bytes)
            throw bundle_error(utf8_path(file), "has " + std::to_string(size) + " bytes, not the " +
                                                    std::to_string(item.second.bytes) + " that were written");
    }
    check_unlisted(root, manifest_);
}

std::string Bundle::place(const std::string &path) const { return utf8_path(native_path(directory_) / fs::u8path(path)); }

Bytes Bundle::read(const std::string &path, std::uintmax_t most) const {
    const BundleFile &file = manifest_.file(path);
    const std::string where = place(path);
    Bytes data = read_file(where, most, KFACE_ERROR_BUNDLE);
    if (sha256_hex(data.data(), data.size()) != file.sha256)
        throw bundle_error(where, "was changed: its SHA-256 is not the manifest's");
    return data;
}

DetectorSettings Bundle::settings() const {
    if (!manifest_.files.count("deploy.yaml")) return DetectorSettings();
    return read_deploy(read("deploy.yaml", 1 << 20), place("deploy.yaml"));
}

Bytes read_detector(const Bundle &bundle, const std::string &name) {
    const std::string where = bundle.place("detector/manifest.json");
    const Json document = parse_json(bundle.read("detector/manifest.json", 1 << 20), where);
    const Fields fields(document, where);
    fields.whole("schema", DETECTOR_SCHEMA, DETECTOR_SCHEMA);
    const std::string file = "detector/" + name + ".onnx";
    if (fields.object("files").hash(name + ".onnx") != bundle.manifest().file(file).sha256)
        throw bundle_error(bundle.place(file), "is not the file that the detector's manifest names");
    return bundle.read(file, LARGEST_NETWORK);
}

}  // namespace kface
