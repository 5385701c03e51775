// What a bundle's files hold, by the first byte: a manifest, a deploy.yaml, an ONNX file, a frozen graph, or golden vectors
// of schema 1 or 2. OpenCV's own importers are not among them: a network reaches them only with the SHA-256 that the
// manifest has.
#include <cstdlib>

#include "golden.hpp"
#include "json.hpp"
#include "manifest.hpp"
#include "network_check.hpp"
#include "settings.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    if (!size) return 0;
    const int kind = data[0] % 6;
    const kface::Bytes bytes(data + 1, data + size);
    try {
        if (kind == 0) kface::read_manifest(bytes, "manifest.json");
        if (kind == 1) kface::read_deploy(bytes, "deploy.yaml");
        if (kind == 2 || kind == 3) kface::check_network(bytes, kind == 3, "network");
        if (kind >= 4) kface::parse_golden(bytes, "vectors.json", kind - 3, {std::string(64, '0'), std::string(64, '0'), 2});
    } catch (const kface::Error &error) {
        if (error.status() != KFACE_ERROR_BUNDLE) std::abort();
    }
    return 0;
}
