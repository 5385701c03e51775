// A bundle's golden vectors, of schema 1 or 2, read as kface.bundle.golden reads them; docs/golden.md describes the files.
#pragma once

#include <string>
#include <vector>

#include <opencv2/core.hpp>

#include "bundle.hpp"
#include "kface.h"

namespace kface {

/// A complete picture and all its faces; read_picture returns its pixels.
struct GoldenPicture {
    /// Of the PNG, below the bundle's directory.
    std::string path;
    /// Pixels.
    int width = 0, height = 0;
    /// Of the decoded pixels, RGB, row by row.
    std::string pixels_sha256;
    /// What the detector finds in it.
    std::vector<kface_face> faces;
    /// The index of each face's crop.
    std::vector<std::size_t> crops;
};

/// Largest differences that are rounding, in full precision.
struct GoldenTolerance {
    /// Least cosine.
    double cosine = 0.999;
    /// Of a landmark and of a box's corner in x or y, pixels; of a score.
    double landmarks = 0, boxes = 0, scores = 0;
    /// Mean absolute difference of a crop, grey levels.
    double crops = 0;
};

struct Golden {
    /// The document's place below the bundle's directory.
    std::string document;
    /// n crops of KFACE_CROP_BYTES, RGB, and what the document says of their PNG.
    std::vector<Bytes> crops;
    std::size_t count = 0;
    std::string pixels_sha256;
    /// n embeddings of length 1.
    std::vector<std::vector<float>> embeddings;
    /// None in a document of schema 1.
    std::vector<GoldenPicture> pictures;
    /// The settings with which the pictures' faces were found; nothing is brightened.
    DetectorSettings detector;
    GoldenTolerance tolerance;
};

/// The bundle that a document must be of.
struct GoldenOwner {
    /// SHA-256 of embedder.onnx, and of detector/manifest.json: empty where the bundle has none.
    std::string embedder_sha256, detector_sha256;
    /// Length of an embedding.
    int embedding = 0;
};

/// Whether a bundle lists golden vectors.
bool has_golden(const Bundle &bundle);

/// Read a document of schema 1 or 2 without the crops' pixels; `where` names it in errors. Throws a bundle_error.
Golden parse_golden(const Bytes &data, const std::string &where, int schema, const GoldenOwner &owner);

/// A bundle's golden vectors with the crops; throws where it has none, or they are damaged.
Golden read_golden(const Bundle &bundle);

/// A golden picture's pixels, CV_8UC3 RGB, continuous; throws where they are not those that were written.
cv::Mat read_picture(const Bundle &bundle, const GoldenPicture &picture);

}  // namespace kface
