// A bundle's directory, opened as kface.bundle.directory opens it.
#pragma once

#include <string>

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

/// The bytes of the detector's network, "pnet", "rnet" or "onet", in the form that OpenCV reads.
Bytes read_detector(const Bundle &bundle, const std::string &name);

}  // namespace kface
