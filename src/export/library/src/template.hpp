// Templates: 64 bytes of header and an embedding; the layout is described in kface.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "checksum.hpp"
#include "error.hpp"

namespace kface {

constexpr std::size_t HEADER = 64;

/// Bytes of a template with so long an embedding.
inline std::size_t template_size(int dimension) { return HEADER + 4 * std::size_t(dimension); }

/// A template that was checked.
struct TemplateView {
    bool failed = false;
    std::int32_t reason = KFACE_REASON_NONE;
    std::size_t dimension = 0;
    Sha256 fingerprint{};
    /// The embedding; zeros in a failed template.
    std::vector<float> embedding;
};

/// Write a template of an embedding; of a failed one where `reason` is not KFACE_REASON_NONE, and `embedding` may be NULL.
void write_template(std::uint8_t *out, const Sha256 &fingerprint, std::size_t dimension, const float *embedding, std::int32_t reason);

/// Read a template; throws Error(KFACE_ERROR_TEMPLATE) where it is truncated, damaged or none. `what` names it in errors.
TemplateView read_template(const std::uint8_t *data, std::size_t size, const std::string &what);

/// The same into a buffer for `dimension` numbers, without allocating; returns whether it is a failed one. Throws Error, also
/// where the template is of another model: KFACE_ERROR_MODEL.
bool read_embedding(const std::uint8_t *data, std::size_t size, const Sha256 &fingerprint, std::size_t dimension, float *embedding,
                    const char *what);

}  // namespace kface
