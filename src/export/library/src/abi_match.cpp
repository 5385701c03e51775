// The part of the C interface that needs no network: status texts, and what templates are compared with. The null
// implementation shares it.
#include <algorithm>
#include <cstring>
#include <vector>

#include "guard.hpp"
#include "kface_native.h"
#include "matching.hpp"
#include "template.hpp"

using namespace kface;

namespace {

void check(std::int32_t status) {
    if (status == KFACE_NATIVE_MEMORY) throw std::bad_alloc();
    if (status != KFACE_NATIVE_OK) throw Error(KFACE_ERROR_INTERNAL, "match", "the kernel refused its arguments");
}

const char *const FAILED = "template: is a failed one, made of an image without a usable face";

}  // namespace

extern "C" {

const char *kface_status_text(kface_status status) {
    switch (status) {
        case KFACE_OK: return "done";
        case KFACE_NO_FACE: return "no face was found in the image";
        case KFACE_FACE_FAILED: return "a face was found that cannot be aligned or embedded";
        case KFACE_FAILED_TEMPLATE: return "a template is a failed one";
        case KFACE_ERROR_ARGUMENT: return "an argument is wrong";
        case KFACE_ERROR_IMAGE: return "not an image that can be used";
        case KFACE_ERROR_FILE: return "a file cannot be read";
        case KFACE_ERROR_BUNDLE: return "not a bundle, or a damaged one";
        case KFACE_ERROR_NETWORK: return "a network cannot be read or run";
        case KFACE_ERROR_TEMPLATE: return "not a template, or a damaged one";
        case KFACE_ERROR_MODEL: return "a template of another model";
        case KFACE_ERROR_CAPACITY: return "a buffer is too small";
        case KFACE_ERROR_MEMORY: return "there is not enough memory";
        case KFACE_ERROR_INTERNAL: return "an internal error";
        default: return "unknown status";
    }
}

kface_status kface_match(const kface_handle *handle, const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
                         double *similarity) {
    return guarded([&] {
        need(similarity != nullptr, "similarity");
        *similarity = KFACE_FAILED_SIMILARITY;
        need(a != nullptr, "a");
        need(b != nullptr, "b");
        const TemplateView first = read_template(a, a_size, "template a");
        std::vector<float> second(first.dimension);
        if (handle) {
            const Sha256 wanted = model_of(handle);
            if (wanted != first.fingerprint)
                throw Error(KFACE_ERROR_MODEL, "template a", "is of another model than the handle's", "enrol the image with the same bundle");
        }
        const bool failed = read_embedding(b, b_size, first.fingerprint, first.dimension, second.data(), "template b");
        if (first.failed || failed) return answer(KFACE_FAILED_TEMPLATE, FAILED);
        check(kface_native_cosine(first.embedding.data(), second.data(), std::int32_t(first.dimension), similarity));
        return kface_status(KFACE_OK);
    });
}

kface_status kface_match_many(const kface_handle *handle, const uint8_t *probes, size_t m, const uint8_t *templates, size_t n,
                              size_t template_size, float *similarities) {
    return guarded([&] {
        if (!m || !n) return kface_status(KFACE_OK);
        need(probes != nullptr, "probes");
        need(templates != nullptr, "templates");
        need(similarities != nullptr, "similarities");
        constexpr std::size_t MOST = KFACE_NATIVE_MAX_ROWS;
        if (m > MOST || n > MOST || template_size <= HEADER || template_size > HEADER + 4 * 65536 || (template_size - HEADER) % 4)
            throw Error(KFACE_ERROR_ARGUMENT, "match", "has more than 67108864 templates, or a template size that there is not");
        std::fill_n(similarities, m * n, float(KFACE_FAILED_SIMILARITY));
        const std::size_t dimension = (template_size - HEADER) / 4;
        const Sha256 model = handle ? model_of(handle) : read_template(probes, template_size, "probe").fingerprint;
        bool failed = false;
        const auto read = [&](const std::uint8_t *data, std::size_t count, std::vector<float> &rows, std::vector<char> &bad, const char *what) {
            rows.resize(count * dimension);
            bad.resize(count);
            for (std::size_t i = 0; i < count; ++i) {
                bad[i] = read_embedding(data + i * template_size, template_size, model, dimension, &rows[i * dimension], what);
                failed = failed || bad[i];
            }
        };
        std::vector<float> first, second;
        std::vector<char> first_bad, second_bad;
        read(probes, m, first, first_bad, "probe");
        read(templates, n, second, second_bad, "template");
        // A block of rows at a time: the kernel's doubles are twice what the caller's floats take.
        const std::size_t block = std::max(std::size_t(1), (std::size_t(1) << 20) / n);
        std::vector<double> cosines(std::min(block, m) * n);
        for (std::size_t start = 0; start < m; start += block) {
            const std::size_t count = std::min(block, m - start);
            check(kface_native_cosines(&first[start * dimension], std::int64_t(count), second.data(), std::int64_t(n),
                                       std::int32_t(dimension), cosines.data()));
            for (std::size_t i = 0; i < count; ++i)
                for (std::size_t k = 0; k < n; ++k)
                    if (!first_bad[start + i] && !second_bad[k]) similarities[(start + i) * n + k] = float(cosines[i * n + k]);
        }
        return failed ? answer(KFACE_FAILED_TEMPLATE, "templates: one or more are failed ones") : kface_status(KFACE_OK);
    });
}

kface_status kface_template_read(const uint8_t *tmpl, size_t size, kface_template_info *info) {
    return guarded([&] {
        need(tmpl != nullptr, "tmpl");
        need(info != nullptr, "info");
        need(info->size >= sizeof(kface_template_info), "info.size", "must be sizeof(kface_template_info)");
        const TemplateView view = read_template(tmpl, size, "template");
        info->failed = view.failed;
        info->reason = view.reason;
        info->dimension = std::int32_t(view.dimension);
        std::memcpy(info->fingerprint, to_hex(view.fingerprint.data(), view.fingerprint.size()).c_str(), sizeof info->fingerprint);
        return kface_status(KFACE_OK);
    });
}

kface_status kface_template_embedding(const uint8_t *tmpl, size_t size, float *embedding, size_t capacity, size_t *count) {
    return guarded([&] {
        need(tmpl != nullptr, "tmpl");
        need(embedding != nullptr || capacity == 0, "embedding");
        const TemplateView view = read_template(tmpl, size, "template");
        if (count) *count = view.dimension;
        if (capacity < view.dimension) throw Error(KFACE_ERROR_CAPACITY, "capacity", "is less than the embedding's length");
        std::copy(view.embedding.begin(), view.embedding.end(), embedding);
        return view.failed ? answer(KFACE_FAILED_TEMPLATE, FAILED) : kface_status(KFACE_OK);
    });
}

}  // extern "C"
