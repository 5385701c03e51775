// The C interface; see kface.h. Every function is guarded: nothing is thrown across it.
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <vector>

#include <opencv2/core.hpp>

#include "alignment.hpp"
#include "guard.hpp"
#include "handles.hpp"
#include "image.hpp"
#include "matching.hpp"
#include "recognizer.hpp"

using namespace kface;

namespace {

/// Options of a caller that may be older or newer than this library.
kface_options read_options(const kface_options *given) {
    kface_options options{};
    if (!given) return options;
    if (given->size < offsetof(kface_options, embedder) || given->size > 4096)
        throw Error(KFACE_ERROR_ARGUMENT, "options.size", "must be sizeof(kface_options)");
    const auto *bytes = reinterpret_cast<const std::uint8_t *>(given);
    for (std::size_t i = sizeof options; i < given->size; ++i)
        if (bytes[i]) throw Error(KFACE_ERROR_ARGUMENT, "options", "has settings that this version does not know", "use a newer library");
    std::memcpy(&options, given, std::min(std::size_t(given->size), sizeof options));
    if (options.threads < 0 || options.threads > 1024)
        throw Error(KFACE_ERROR_ARGUMENT, "options.threads", "must be from 0 to 1024");
    return options;
}

/// Writes a failed template of a recognizer, so that every enrolment leaves one whatever happens afterwards.
void write_failed(const Recognizer &recognizer, std::uint8_t *tmpl, std::int32_t reason) {
    write_template(tmpl, recognizer.fingerprint(), std::size_t(recognizer.dimension()), nullptr, reason);
}

/// What the enrolments have in common: `read` returns the pixels.
template <class Read>
kface_status enroll(kface_handle *handle, std::uint8_t *tmpl, std::size_t capacity, kface_face *face, Read read) {
    const auto recognizer = open_handle(handle);
    need(tmpl != nullptr, "tmpl");
    if (capacity < template_size(recognizer->dimension()))
        throw Error(KFACE_ERROR_CAPACITY, "capacity", "is less than kface_template_size");
    if (face) *face = kface_face{};
    write_failed(*recognizer, tmpl, KFACE_REASON_NO_IMAGE);
    const Quiet quiet;
    const cv::Mat rgb = read();
    write_failed(*recognizer, tmpl, KFACE_REASON_ERROR);
    const Enrolled made = recognizer->enroll(rgb);
    if (face) *face = made.face;
    write_template(tmpl, recognizer->fingerprint(), std::size_t(recognizer->dimension()), made.embedding.data(), made.reason);
    if (made.reason == KFACE_REASON_NONE) return KFACE_OK;
    if (made.reason == KFACE_REASON_NO_FACE) return answer(KFACE_NO_FACE, "image: no face was found; the template is a failed one");
    return answer(KFACE_FACE_FAILED, made.reason == KFACE_REASON_NOT_ALIGNED
                                         ? "image: a face was found whose landmarks cannot be aligned; the template is a failed one"
                                         : "image: a face was found whose embedding has no direction; the template is a failed one");
}

}  // namespace

kface::Sha256 kface::model_of(const kface_handle *handle) { return open_handle(handle)->fingerprint(); }

extern "C" {

const char *kface_version(void) { return KFACE_VERSION; }

int32_t kface_abi_version(void) { return KFACE_ABI_VERSION; }

const char *kface_last_error(void) { return last_error(); }

kface_status kface_open(const char *directory, const kface_options *options, kface_handle **handle) {
    return guarded([&] {
        need(handle != nullptr, "handle");
        *handle = nullptr;
        need(directory != nullptr, "directory");
        const kface_options chosen = read_options(options);
        const Quiet quiet;
        if (chosen.threads) cv::setNumThreads(chosen.threads);
        *handle = add_handle(std::make_shared<Recognizer>(directory, &chosen));
        return kface_status(KFACE_OK);
    });
}

void kface_close(kface_handle *handle) {
    try {
        remove_handle(handle);
    } catch (...) {
    }
}

int32_t kface_template_size(const kface_handle *handle) {
    try {
        const auto found = find_handle(handle);
        return found ? int32_t(template_size(found->dimension())) : 0;
    } catch (...) {
        return 0;
    }
}

int32_t kface_embedding_size(const kface_handle *handle) {
    try {
        const auto found = find_handle(handle);
        return found ? found->dimension() : 0;
    } catch (...) {
        return 0;
    }
}

const char *kface_fingerprint(const kface_handle *handle) {
    try {
        const auto found = find_handle(handle);
        return found ? found->fingerprint_text().c_str() : nullptr;
    } catch (...) {
        return nullptr;
    }
}

kface_status kface_self_check(kface_handle *handle, double *least_cosine) {
    return guarded([&] {
        need(least_cosine != nullptr, "least_cosine");
        *least_cosine = -1;
        const auto recognizer = open_handle(handle);
        const Quiet quiet;
        *least_cosine = recognizer->self_check();
        return kface_status(KFACE_OK);
    });
}

kface_status kface_detect(kface_handle *handle, const kface_image *image, kface_face *faces, int32_t capacity, int32_t *count) {
    return guarded([&] {
        need(count != nullptr, "count");
        *count = 0;
        const auto recognizer = open_handle(handle);
        need(capacity >= 0, "capacity", "is negative");
        need(faces != nullptr || capacity == 0, "faces");
        const Quiet quiet;
        const std::vector<kface_face> found = recognizer->detect(to_rgb(image));
        *count = int32_t(found.size());
        std::copy_n(found.begin(), std::min(found.size(), std::size_t(capacity)), faces);
        return found.empty() ? answer(KFACE_NO_FACE, "image: no face was found") : kface_status(KFACE_OK);
    });
}

kface_status kface_align(kface_handle *handle, const kface_image *image, const float *landmarks, uint8_t *crop, size_t capacity) {
    return guarded([&] {
        open_handle(handle);
        need(landmarks != nullptr, "landmarks");
        need(crop != nullptr, "crop");
        if (capacity < KFACE_CROP_BYTES) throw Error(KFACE_ERROR_CAPACITY, "capacity", "is less than KFACE_CROP_BYTES");
        std::memset(crop, 0, KFACE_CROP_BYTES);
        const Quiet quiet;
        const cv::Mat rgb = to_rgb(image);
        if (!alignable(landmarks)) return answer(KFACE_FACE_FAILED, "landmarks: are not finite, or all coincide");
        const cv::Mat made = align(rgb, landmarks);
        std::memcpy(crop, made.data, KFACE_CROP_BYTES);
        return kface_status(KFACE_OK);
    });
}

kface_status kface_embed(kface_handle *handle, const uint8_t *crop, float *embedding, size_t capacity) {
    return guarded([&] {
        const auto recognizer = open_handle(handle);
        need(crop != nullptr, "crop");
        need(embedding != nullptr, "embedding");
        const auto dimension = std::size_t(recognizer->dimension());
        if (capacity < dimension) throw Error(KFACE_ERROR_CAPACITY, "capacity", "is less than kface_embedding_size");
        std::fill_n(embedding, dimension, 0.0F);
        const Quiet quiet;
        const std::vector<float> made = recognizer->embed(crop);
        if (made.empty()) return answer(KFACE_FACE_FAILED, "crop: its embedding has no direction");
        std::copy(made.begin(), made.end(), embedding);
        return kface_status(KFACE_OK);
    });
}

kface_status kface_enroll_image(kface_handle *handle, const kface_image *image, uint8_t *tmpl, size_t capacity, kface_face *face) {
    return guarded([&] { return enroll(handle, tmpl, capacity, face, [&] { return to_rgb(image); }); });
}

kface_status kface_enroll_file(kface_handle *handle, const char *path, uint8_t *tmpl, size_t capacity, kface_face *face) {
    return guarded([&] {
        return enroll(handle, tmpl, capacity, face, [&] {
            need(path != nullptr, "path");
            const Bytes data = read_file(path, KFACE_MAX_FILE, KFACE_ERROR_FILE);
            return decode_image(data.data(), data.size(), path);
        });
    });
}

kface_status kface_enroll_memory(kface_handle *handle, const void *data, size_t size, uint8_t *tmpl, size_t capacity, kface_face *face) {
    return guarded([&] {
        return enroll(handle, tmpl, capacity, face, [&] {
            need(data != nullptr || size == 0, "data");
            if (size > KFACE_MAX_FILE) throw Error(KFACE_ERROR_IMAGE, "image", "has more bytes than KFACE_MAX_FILE", "make it smaller");
            return decode_image(static_cast<const std::uint8_t *>(data), size, "image");
        });
    });
}

}  // extern "C"
