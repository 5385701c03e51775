// The interface of kface.h without a model, as NIST ships one with its tests: deterministic, and fast enough to run a harness
// through millions of calls.
//
// Any directory that exists opens. An "embedding" is drawn from the SHA-256 of what is enrolled: the bytes of a file, or the
// pixels of an image. Equal bytes are equal people, all others are strangers. There is no face where all bytes are the same,
// and no image where a file is empty.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "files.hpp"
#include "guard.hpp"
#include "handles.hpp"
#include "matching.hpp"
#include "template.hpp"

namespace kface {

/// What a handle stands for: nothing.
class Recognizer {};

}  // namespace kface

using namespace kface;

namespace {

constexpr int DIMENSION = 128;
const char MODEL[] = "kface null implementation 1";

Sha256 model() { return sha256(MODEL, sizeof MODEL - 1); }

/// 128 numbers of a hash, of length 1.
std::vector<float> numbers(const void *data, std::size_t size) {
    std::vector<float> out;
    Sha256 sum = sha256(data, size);
    double squares = 0;
    while (out.size() < DIMENSION) {
        for (const std::uint8_t byte : sum) {
            out.push_back(float(byte) - 127.5F);
            squares += double(out.back()) * out.back();
        }
        sum = sha256(sum.data(), sum.size());
    }
    for (float &value : out) value = float(value / std::sqrt(squares));
    return out;
}

bool is_flat(const Bytes &data) { return std::all_of(data.begin(), data.end(), [&](std::uint8_t byte) { return byte == data[0]; }); }

/// An image's pixels without gaps.
Bytes pixels(const kface_image *image) {
    need(image != nullptr, "image");
    const int channels = image->format == KFACE_GRAY ? 1 : 3;
    need(image->format >= KFACE_BGR && image->format <= KFACE_GRAY, "image", "has an unknown format");
    need(image->width >= 0 && image->height >= 0, "image", "has a negative side");
    if (image->width > KFACE_MAX_SIDE || image->height > KFACE_MAX_SIDE ||
        std::int64_t(image->width) * image->height > KFACE_MAX_PIXELS)
        throw Error(KFACE_ERROR_IMAGE, "image", "is too large", "make it smaller");
    if (!image->width || !image->height) return {};
    need(image->data != nullptr, "image", "has no data (NULL)");
    const std::int64_t row = std::int64_t(image->width) * channels;
    need(image->stride >= row, "image", "has a stride that is less than a row");
    Bytes out;
    for (std::int32_t y = 0; y < image->height; ++y) out.insert(out.end(), image->data + y * image->stride, image->data + y * image->stride + row);
    return out;
}

kface_face centre(int width, int height) {
    kface_face face{};
    face.box[2] = float(width);
    face.box[3] = float(height);
    face.score = 1;
    const float places[10] = {.3F, .4F, .7F, .4F, .5F, .6F, .35F, .8F, .65F, .8F};
    for (int i = 0; i < 10; ++i) face.landmarks[i] = places[i] * float(i % 2 ? height : width);
    return face;
}

/// Enrols the bytes that `read` returns; leaves a failed template where it throws.
template <class Read>
kface_status enroll(kface_handle *handle, std::uint8_t *tmpl, std::size_t capacity, kface_face *face, Read read) {
    open_handle(handle);
    need(tmpl != nullptr, "tmpl");
    if (capacity < template_size(DIMENSION)) throw Error(KFACE_ERROR_CAPACITY, "capacity", "is less than kface_template_size");
    write_template(tmpl, model(), DIMENSION, nullptr, KFACE_REASON_NO_IMAGE);
    if (face) *face = kface_face{};
    const Bytes data = read();
    const bool none = data.empty() || is_flat(data);
    write_template(tmpl, model(), DIMENSION, numbers(data.data(), data.size()).data(), none ? KFACE_REASON_NO_FACE : KFACE_REASON_NONE);
    if (none) return answer(KFACE_NO_FACE, "image: no face was found; the template is a failed one");
    if (face) *face = centre(KFACE_CROP_SIDE, KFACE_CROP_SIDE);
    return KFACE_OK;
}

}  // namespace

kface::Sha256 kface::model_of(const kface_handle *handle) {
    open_handle(handle);
    return model();
}

extern "C" {

const char *kface_version(void) { return KFACE_VERSION; }

int32_t kface_abi_version(void) { return KFACE_ABI_VERSION; }

const char *kface_last_error(void) { return last_error(); }

kface_status kface_open(const char *directory, const kface_options *, kface_handle **handle) {
    return guarded([&] {
        need(handle != nullptr, "handle");
        *handle = nullptr;
        need(directory != nullptr, "directory");
        std::error_code code;
        if (!std::filesystem::is_directory(native_path(directory), code)) throw bundle_error(directory, "there is no such directory", "give one");
        *handle = add_handle(std::make_shared<Recognizer>());
        return kface_status(KFACE_OK);
    });
}

void kface_close(kface_handle *handle) { remove_handle(handle); }

int32_t kface_template_size(const kface_handle *handle) { return find_handle(handle) ? int32_t(template_size(DIMENSION)) : 0; }

int32_t kface_embedding_size(const kface_handle *handle) { return find_handle(handle) ? DIMENSION : 0; }

const char *kface_fingerprint(const kface_handle *handle) {
    static const std::string text = sha256_hex(MODEL, sizeof MODEL - 1);
    return find_handle(handle) ? text.c_str() : nullptr;
}

kface_status kface_self_check(kface_handle *handle, double *least_cosine) {
    return guarded([&] {
        need(least_cosine != nullptr, "least_cosine");
        open_handle(handle);
        *least_cosine = 1;
        return kface_status(KFACE_OK);
    });
}

kface_status kface_detect(kface_handle *handle, const kface_image *image, kface_face *faces, int32_t capacity, int32_t *count) {
    return guarded([&] {
        need(count != nullptr, "count");
        *count = 0;
        open_handle(handle);
        need(capacity >= 0 && (faces || !capacity), "faces");
        const Bytes data = pixels(image);
        if (data.empty() || is_flat(data)) return answer(KFACE_NO_FACE, "image: no face was found");
        *count = 1;
        if (capacity) faces[0] = centre(image->width, image->height);
        return kface_status(KFACE_OK);
    });
}

kface_status kface_align(kface_handle *handle, const kface_image *image, const float *landmarks, uint8_t *crop, size_t capacity) {
    return guarded([&] {
        open_handle(handle);
        need(landmarks != nullptr, "landmarks");
        need(crop != nullptr, "crop");
        if (capacity < KFACE_CROP_BYTES) throw Error(KFACE_ERROR_CAPACITY, "capacity", "is less than KFACE_CROP_BYTES");
        const Bytes data = pixels(image);
        // The image's bytes over and over: all of it is in the crop that is large enough.
        for (std::size_t i = 0; i < KFACE_CROP_BYTES; ++i) crop[i] = data.empty() ? 0 : data[i % data.size()];
        return kface_status(KFACE_OK);
    });
}

kface_status kface_embed(kface_handle *handle, const uint8_t *crop, float *embedding, size_t capacity) {
    return guarded([&] {
        open_handle(handle);
        need(crop != nullptr, "crop");
        need(embedding != nullptr, "embedding");
        if (capacity < DIMENSION) throw Error(KFACE_ERROR_CAPACITY, "capacity", "is less than kface_embedding_size");
        const std::vector<float> made = numbers(crop, KFACE_CROP_BYTES);
        std::copy(made.begin(), made.end(), embedding);
        return kface_status(KFACE_OK);
    });
}

kface_status kface_enroll_image(kface_handle *handle, const kface_image *image, uint8_t *tmpl, size_t capacity, kface_face *face) {
    return guarded([&] { return enroll(handle, tmpl, capacity, face, [&] { return pixels(image); }); });
}

kface_status kface_enroll_file(kface_handle *handle, const char *path, uint8_t *tmpl, size_t capacity, kface_face *face) {
    return guarded([&] {
        return enroll(handle, tmpl, capacity, face, [&] {
            need(path != nullptr, "path");
            Bytes data = read_file(path, KFACE_MAX_FILE, KFACE_ERROR_FILE);
            if (data.empty()) throw Error(KFACE_ERROR_IMAGE, path, "is empty (0 bytes)");
            return data;
        });
    });
}

kface_status kface_enroll_memory(kface_handle *handle, const void *data, size_t size, uint8_t *tmpl, size_t capacity, kface_face *face) {
    return guarded([&] {
        return enroll(handle, tmpl, capacity, face, [&] {
            need(data != nullptr || size == 0, "data");
            if (!size || size > KFACE_MAX_FILE) throw Error(KFACE_ERROR_IMAGE, "image", "is empty, or too large");
            const auto *bytes = static_cast<const std::uint8_t *>(data);
            return Bytes(bytes, bytes + size);
        });
    });
}

}  // extern "C"
