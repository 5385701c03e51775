// What a bundle says about itself: manifest.json, read as kface.bundle.manifest reads it.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "files.hpp"

namespace kface {

/// A file of a bundle; the facts of a network are empty where it is none.
struct BundleFile {
    std::string path, sha256, role, format, precision, layout, input;
    std::uintmax_t bytes = 0;
    int opset = 0;
    /// How many images a run takes; 0 for any number.
    int batch = 0;
    std::vector<std::string> outputs;
    /// What the export found: "smallest cosine by <runtime>" and the like.
    std::map<std::string, double> parity;
    bool network = false;
};

/// A checked manifest.
struct Manifest {
    std::string name, fingerprint;
    std::map<std::string, BundleFile> files;
    int embedding = 0;
    bool bgr = false;
    float mean = 0, divisor = 1;

    /// What is said about a file; throws where the bundle has none of that name.
    const BundleFile &file(const std::string &path) const;
    /// The embedder's files that OpenCV reads and computes rightly, the preferred one first.
    std::vector<BundleFile> embedders() const;
};

/// Where the five landmarks of an aligned face lie in its crop, x y in pixels (ArcFace, 112 x 112).
extern const std::array<std::array<double, 2>, 5> ALIGNMENT_TEMPLATE;

/// Read a manifest; `where` names it in errors. Throws where it is of another schema, damaged or edited.
Manifest read_manifest(const Bytes &data, const std::string &where);

/// Whether a file of this name holds a network, by its ending.
bool is_network(const std::string &name);

}  // namespace kface
