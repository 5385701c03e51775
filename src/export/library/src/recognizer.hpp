// What a handle stands for: a bundle's networks, and as many sets of nets as there are callers at a time.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cascade.hpp"
#include "template.hpp"

namespace kface {

/// The nets of one caller.
struct Worker {
    Worker(const CascadeFiles &files, const DetectorSettings &settings, const NetworkFile &embedder_file)
        : cascade(files, settings), embedder(embedder_file) {}
    Cascade cascade;
    ShapeNets embedder;
};

/// What came of an enrolment.
struct Enrolled {
    /// KFACE_REASON_NONE where there is an embedding.
    std::int32_t reason = KFACE_REASON_NO_FACE;
    kface_face face{};
    std::vector<float> embedding;
};

/// An opened bundle; safe to use from several threads at once.
class Recognizer {
public:
    /// Open a bundle and check its embedder against its golden vectors; throws Error.
    Recognizer(const std::string &directory, const kface_options *options);

    int dimension() const { return bundle_.manifest().embedding; }
    const std::string &fingerprint_text() const { return bundle_.manifest().fingerprint; }
    const Sha256 &fingerprint() const { return fingerprint_; }

    std::vector<kface_face> detect(const cv::Mat &rgb);
    /// The embedding of a crop of KFACE_CROP_BYTES, RGB: of length 1, or empty where the network gives nothing that has a
    /// direction.
    std::vector<float> embed(const std::uint8_t *crop);
    Enrolled enroll(const cv::Mat &rgb);
    /// Compare all stages with the golden vectors, and return the smallest cosine; throws Error where there are none, or a stage
    /// is wrong.
    double self_check();

private:
    void choose_embedder(const std::string &format);
    void open_embedder(const BundleFile &file);
    std::vector<float> embed(Worker &worker, const std::uint8_t *crop);

    /// A worker of the pool, which goes back when the lease ends without an error.
    class Lease {
    public:
        explicit Lease(Recognizer &owner);
        ~Lease();
        Worker &operator*() const { return *worker_; }

    private:
        Recognizer &owner_;
        std::unique_ptr<Worker> worker_;
        int unwinding_;
    };

    Bundle bundle_;
    DetectorSettings settings_;
    Sha256 fingerprint_;
    CascadeFiles cascade_;
    NetworkFile embedder_;
    int batch_ = 0;
    std::mutex mutex_;
    std::vector<std::unique_ptr<Worker>> idle_;
};

}  // namespace kface
