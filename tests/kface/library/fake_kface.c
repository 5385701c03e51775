/* kface.h by arithmetic instead of networks, so that its Python wrapper can be tested without OpenCV and without a model.
 *
 * The red value of an image's first pixel says how many faces it has; the first face's box is the sums of its colours. An
 * embedding is the mean colour and 1, made 1 long. FAKE_ABI, FAKE_INFO_SIZE and so on make it a library that does not fit. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KFACE_BUILD
#include "kface.h"

#ifndef FAKE_ABI
#define FAKE_ABI KFACE_ABI_VERSION
#endif
#ifndef FAKE_INFO_SIZE
#define FAKE_INFO_SIZE sizeof(kface_template_info)
#endif
#define DIMENSION 4
#define BYTES (64 + 4 * DIMENSION)

struct kface_handle {
    int open;
    int model;
};

static _Thread_local char message[600];
static char options_text[600];

static kface_status say(kface_status status, const char *what, const char *more) {
    snprintf(message, sizeof message, "%s%s", what, more);
    return status;
}

static kface_status good(void) { return say(KFACE_OK, "", ""); }

/* Not of kface.h: what the last kface_open was given. */
KFACE_API const char *fake_options(void) { return options_text; }

const char *kface_version(void) { return "9.8.7"; }
int32_t kface_abi_version(void) { return FAKE_ABI; }
const char *kface_status_text(kface_status status) { return status == -10 ? "an internal text" : "a status text"; }
const char *kface_last_error(void) { return message; }

kface_status kface_open(const char *directory, const kface_options *options, kface_handle **handle) {
    char path[600];
    FILE *file;
    int model = 0;
    const kface_options none = {sizeof none, 0, NULL, NULL, 0};
    if (!options) options = &none;
    if (!directory || !handle) return say(KFACE_ERROR_ARGUMENT, "a NULL pointer", "");
    if (options->size != sizeof *options) return say(KFACE_ERROR_ARGUMENT, "options: of another size", "");
    snprintf(options_text, sizeof options_text, "%d %s %s %g", options->threads, options->embedder ? options->embedder : "-",
             options->brighten ? options->brighten : "-", options->min_face);
    if (options->threads > 999) return say(KFACE_ERROR_ARGUMENT, "threads: too many; give fewer", "");
    snprintf(path, sizeof path, "%s/model", directory);
    file = fopen(path, "rb");
    if (!file) return say(KFACE_ERROR_BUNDLE, directory, ": is not a bundle; give one that kface export wrote");
    if (fscanf(file, "%d", &model) != 1) model = 0;
    fclose(file);
    *handle = calloc(1, sizeof **handle);
    (*handle)->open = 1;
    (*handle)->model = model;
    return good();
}

/* Never freed: a closed handle is known as one. */
void kface_close(kface_handle *handle) {
    if (handle) handle->open = 0;
}

int32_t kface_template_size(const kface_handle *handle) { return handle && handle->open ? BYTES : 0; }
int32_t kface_embedding_size(const kface_handle *handle) {
    return handle && handle->open && handle->model != 13 ? DIMENSION : 0;
}
const char *kface_fingerprint(const kface_handle *handle) {
    static char text[65];
    snprintf(text, sizeof text, "%064x", handle->model);
    return text;
}

kface_status kface_self_check(kface_handle *handle, double *least) {
    *least = handle->model == 7 ? 0.5 : 0.9999;
    if (handle->model == 7) return say(KFACE_ERROR_NETWORK, "embedder: computes something else; take another OpenCV", "");
    return good();
}

static kface_status check(const kface_handle *handle, const kface_image *image) {
    if (!handle || !handle->open || !image) return say(KFACE_ERROR_ARGUMENT, "a closed handle", "");
    if (image->format != KFACE_RGB) return say(KFACE_ERROR_ARGUMENT, "format: not RGB", "");
    if (image->width < 0 || image->height < 0 || image->width > KFACE_MAX_SIDE || image->height > KFACE_MAX_SIDE)
        return say(KFACE_ERROR_IMAGE, "image: too large; make it smaller", "");
    if (image->stride < 3 * (int64_t)image->width) return say(KFACE_ERROR_ARGUMENT, "stride: too small", "");
    return KFACE_OK;
}

static void sums(const kface_image *image, double *sum) {
    sum[0] = sum[1] = sum[2] = 0;
    for (int64_t y = 0; y < image->height; ++y)
        for (int64_t x = 0; x < image->width; ++x)
            for (int k = 0; k < 3; ++k) sum[k] += image->data[y * image->stride + 3 * x + k];
}

static void make_face(const kface_image *image, int number, kface_face *face) {
    double sum[3];
    sums(image, sum);
    for (int k = 0; k < 4; ++k) face->box[k] = number ? (float)(number + k) : k < 3 ? (float)sum[k] : (float)image->width;
    face->score = 1.0f - (float)number / 256;
    for (int k = 0; k < 10; ++k) face->landmarks[k] = (float)(number * 10 + k);
}

kface_status kface_detect(kface_handle *handle, const kface_image *image, kface_face *faces, int32_t capacity, int32_t *count) {
    kface_status wrong = check(handle, image);
    *count = 0;
    if (wrong) return wrong;
    *count = image->width && image->height ? image->data[0] : 0;
    for (int32_t i = 0; i < *count && i < capacity; ++i) make_face(image, i, faces + i);
    return *count ? good() : say(KFACE_NO_FACE, "image: no face", "");
}

kface_status kface_align(kface_handle *handle, const kface_image *image, const float *landmarks, uint8_t *crop, size_t capacity) {
    kface_status wrong = check(handle, image);
    if (wrong) return wrong;
    if (capacity != KFACE_CROP_BYTES) return say(KFACE_ERROR_CAPACITY, "crop: too small", "");
    memset(crop, 77, capacity);
    if (!isfinite(landmarks[0])) return say(KFACE_FACE_FAILED, "landmarks: not finite", "");
    for (size_t i = 0; i < capacity; ++i)
        crop[i] = image->data[(int64_t)landmarks[1] * image->stride + 3 * (int64_t)landmarks[0] + (int64_t)(i % 3)];
    return good();
}

static int embed(const double *colour, float *embedding) {
    double length = sqrt(colour[0] * colour[0] + colour[1] * colour[1] + colour[2] * colour[2] + 1);
    for (int k = 0; k < 3; ++k) embedding[k] = (float)(colour[k] / length);
    embedding[3] = (float)(1 / length);
    return colour[0] + colour[1] + colour[2] > 0;
}

kface_status kface_embed(kface_handle *handle, const uint8_t *crop, float *embedding, size_t capacity) {
    double colour[3] = {0, 0, 0};
    if (!handle || !handle->open) return say(KFACE_ERROR_ARGUMENT, "a closed handle", "");
    if (capacity != DIMENSION) return say(KFACE_ERROR_CAPACITY, "embedding: too small", "");
    for (size_t i = 0; i < KFACE_CROP_BYTES; ++i) colour[i % 3] += crop[i] / (KFACE_CROP_BYTES / 3.0);
    if (!embed(colour, embedding)) return say(KFACE_FACE_FAILED, "crop: black", "");
    return good();
}

static uint32_t crc(const uint8_t *bytes, size_t count) {
    uint32_t sum = 0xffffffffu;
    for (size_t i = 0; i < count; ++i) {
        sum ^= bytes[i];
        for (int bit = 0; bit < 8; ++bit) sum = sum >> 1 ^ (0xedb88320u & (0u - (sum & 1)));
    }
    return ~sum;
}

static void put(uint8_t *at, uint32_t number) {
    for (int k = 0; k < 4; ++k) at[k] = (uint8_t)(number >> 8 * k);
}

static void write_template(int model, int reason, const float *embedding, uint8_t *tmpl) {
    memset(tmpl, 0, BYTES);
    memcpy(tmpl, "KFACETPL", 8);
    tmpl[8] = 1;
    tmpl[10] = reason ? 1 : 0;
    put(tmpl + 12, (uint32_t)reason);
    put(tmpl + 16, DIMENSION);
    tmpl[51] = (uint8_t)model;
    if (!reason) memcpy(tmpl + 64, embedding, 4 * DIMENSION);
    put(tmpl + 56, crc(tmpl + 64, 4 * DIMENSION));
    put(tmpl + 60, crc(tmpl, 60));
}

kface_status kface_enroll_image(kface_handle *handle, const kface_image *image, uint8_t *tmpl, size_t capacity, kface_face *face) {
    double sum[3];
    float embedding[DIMENSION];
    kface_status wrong = check(handle, image);
    memset(face, 0, sizeof *face);
    if (capacity != BYTES) return say(KFACE_ERROR_CAPACITY, "template: too small", "");
    if (wrong) {
        write_template(0, KFACE_REASON_NO_IMAGE, NULL, tmpl);
        return wrong;
    }
    if (!image->width || !image->height || !image->data[0]) {
        write_template(handle->model, KFACE_REASON_NO_FACE, NULL, tmpl);
        return say(KFACE_NO_FACE, "image: no face", "");
    }
    sums(image, sum);
    for (int k = 0; k < 3; ++k) sum[k] /= (double)image->width * image->height;
    embed(sum, embedding);
    make_face(image, 0, face);
    write_template(handle->model, 0, embedding, tmpl);
    return good();
}

kface_status kface_enroll_file(kface_handle *handle, const char *path, uint8_t *tmpl, size_t capacity, kface_face *face) {
    uint8_t bytes[64] = {0};
    kface_image image = {bytes, 1, 1, 3, KFACE_RGB};
    FILE *file = fopen(path, "rb");
    memset(face, 0, sizeof *face);
    write_template(handle->model, KFACE_REASON_NO_IMAGE, NULL, tmpl);
    if (!file) return say(KFACE_ERROR_FILE, path, ": does not exist; check the path");
    if (!fread(bytes, 1, 63, file)) bytes[0] = 0;
    fclose(file);
    /* A file that names a status answers with it. */
    if (!strncmp((char *)bytes, "status", 6)) return say((kface_status)atoi((char *)bytes + 6), (char *)bytes + 10, "");
    return kface_enroll_image(handle, &image, tmpl, capacity, face);
}

static kface_status look(const uint8_t *tmpl, size_t size) {
    if (size != BYTES || memcmp(tmpl, "KFACETPL", 8) || crc(tmpl, 60) != (uint32_t)(tmpl[60] | tmpl[61] << 8 | tmpl[62] << 16) + ((uint32_t)tmpl[63] << 24))
        return say(KFACE_ERROR_TEMPLATE, "template: damaged; enrol again", "");
    return KFACE_OK;
}

kface_status kface_match(const kface_handle *handle, const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size, double *similarity) {
    float first[DIMENSION], second[DIMENSION];
    *similarity = KFACE_FAILED_SIMILARITY;
    if (!handle || !handle->open) return say(KFACE_ERROR_ARGUMENT, "a closed handle", "");
    if (look(a, a_size) || look(b, b_size)) return KFACE_ERROR_TEMPLATE;
    if (a[51] != handle->model || b[51] != handle->model) return say(KFACE_ERROR_MODEL, "template: of another model; enrol again", "");
    if (a[10] || b[10]) return say(KFACE_FAILED_TEMPLATE, "a failed template", "");
    memcpy(first, a + 64, sizeof first);
    memcpy(second, b + 64, sizeof second);
    *similarity = 0;
    for (int k = 0; k < DIMENSION; ++k) *similarity += (double)first[k] * second[k];
    return good();
}

kface_status kface_match_many(const kface_handle *handle, const uint8_t *probes, size_t m, const uint8_t *templates, size_t n,
                              size_t template_size, float *similarities) {
    kface_status all = KFACE_OK;
    for (size_t i = 0; i < m * n; ++i) {
        double similarity;
        kface_status one = kface_match(handle, probes + i / n * template_size, template_size,
                                       templates + i % n * template_size, template_size, &similarity);
        similarities[i] = (float)similarity;
        if (one < 0) return one;
        if (one) all = one;
    }
    return all;
}

kface_status kface_template_read(const uint8_t *tmpl, size_t size, kface_template_info *info) {
    if (info->size != FAKE_INFO_SIZE) return say(KFACE_ERROR_ARGUMENT, "info: of another size", "");
    return look(tmpl, size);
}
