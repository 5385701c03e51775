// A bundle's directory, opened as kface.bundle.directory opens it.
#pragma once

#include <string>
#include <vector>

#include "manifest.hpp"
#include "settings.hpp"

namespace kface {

/// A bundle whose manifest was checked; files are compared with their SHA-256 as they are read.
class Bundle {
public:
    /// Open the directory; throws where it is no bundle, a file is missing, of another size, a link out of the directory,
    /// or a network that the manifest does not list.
    explicit Bundle(const std::string &directory);

    const Manifest &manifest() const { return manifest_; }
    /// The bytes of a listed file of at most `most` bytes, compared with its SHA-256.
    Bytes read(const std::string &path, std::uintmax_t most) const;
    /// Where a file lies, for errors.
    std::string place(const std::string &path) const;
    /// What deploy.yaml says, or the defaults where the bundle has none.
    DetectorSettings settings() const;

private:
    std::string directory_;
    Manifest manifest_;
};

/// A few aligned faces with their embeddings, to check oneself against.
struct Golden {
    /// n crops of KFACE_CROP_BYTES, RGB.
    std::vector<Bytes> faces;
    /// n embeddings of length 1.
    std::vector<std::vector<float>> embeddings;
    /// Least cosine in full precision.
    double tolerance = 0.999;
};

/// Whether a bundle lists golden vectors.
bool has_golden(const Bundle &bundle);

/// A bundle's golden vectors; throws where it has none, or they are damaged.
Golden read_golden(const Bundle &bundle);

/// The bytes of the detector's network, "pnet", "rnet" or "onet", in the form that OpenCV reads.
Bytes read_detector(const Bundle &bundle, const std::string &name);

}  // namespace kface
