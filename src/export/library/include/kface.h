/*
 * kface.h - face recognition behind a flat C interface.
 *
 * NAME
 *     kface: finds faces, makes templates of them, and compares templates.
 *
 * SYNOPSIS
 *     #include <kface.h>                                  link with: -lkface (pkg-config kface, or CMake's kface::kface)
 *
 *     kface_handle *handle = NULL;
 *     if (kface_open("bundle", NULL, &handle) != KFACE_OK) puts(kface_last_error());
 *     kface_enroll_file(handle, "a.jpg", template_a, sizeof template_a, NULL);
 *     kface_match(handle, template_a, size, template_b, size, &similarity);
 *     kface_close(handle);
 *
 * DESCRIPTION
 *     Status. Every function that can fail returns a kface_status: 0 where it did what it was asked, positive where the
 *     answer is "there is none" (no face, a failed template), negative where something is wrong. After any status but
 *     KFACE_OK, kface_last_error() has one line about it. No function throws, aborts, prints or ends the process.
 *
 *     Threads. All functions may be called from any thread at any time, with the same handle too; a handle runs as many
 *     calls side by side as there are callers, and keeps a set of networks for each. Several handles may be open at once.
 *     kface_close waits for nothing: a call that is still running keeps what it needs until it returns.
 *
 *     Texts. Paths and messages are UTF-8 on every system, Windows included; they end in a zero byte.
 *
 *     Pixels. Coordinates are in pixels, x to the right and y down, the centre of the first pixel at (0, 0).
 *
 *     Buffers belong to the caller. Nothing that is passed in is kept after a call returns, nor written to unless said so.
 *
 * Apache License 2.0, see LICENSE.
 */
#ifndef KFACE_H
#define KFACE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define KFACE_CALL __cdecl
#if defined(KFACE_BUILD)
#define KFACE_API __declspec(dllexport)
#elif defined(KFACE_STATIC)
#define KFACE_API
#else
#define KFACE_API __declspec(dllimport)
#endif
#else
#define KFACE_CALL
#if defined(KFACE_BUILD)
#define KFACE_API __attribute__((visibility("default")))
#else
#define KFACE_API
#endif
#endif

/* Version of this interface. It is raised when a program built against an older header would no longer work. */
#define KFACE_ABI_VERSION 1

/* ------------------------------------------------------------------------------------------------------------ status */

typedef int32_t kface_status;

enum {
    KFACE_OK = 0,              /* done */
    KFACE_NO_FACE = 1,         /* no face was found in the image; a template that was asked for is a failed one */
    KFACE_FACE_FAILED = 2,     /* a face was found that cannot be aligned or embedded; likewise */
    KFACE_FAILED_TEMPLATE = 3, /* a template is a failed one, so that the similarity is KFACE_FAILED_SIMILARITY */
    KFACE_ERROR_ARGUMENT = -1, /* a NULL pointer, a closed handle, or a value out of its range */
    KFACE_ERROR_IMAGE = -2,    /* not an image that can be used: damaged, of another format, empty or too large */
    KFACE_ERROR_FILE = -3,     /* a file cannot be opened or read */
    KFACE_ERROR_BUNDLE = -4,   /* not a bundle, or a file of it is missing, changed or not listed in its manifest */
    KFACE_ERROR_NETWORK = -5,  /* a network cannot be read by this OpenCV, cannot run, or computes something else */
    KFACE_ERROR_TEMPLATE = -6, /* not a template, or a damaged one */
    KFACE_ERROR_MODEL = -7,    /* a template of another model: the two cannot be compared */
    KFACE_ERROR_CAPACITY = -8, /* a buffer is too small */
    KFACE_ERROR_MEMORY = -9,   /* there is not enough memory */
    KFACE_ERROR_INTERNAL = -10 /* a defect of this library */
};

/* ------------------------------------------------------------------------------------------------------------- values */

/* Order of the colours of a pixel, 8 bits each. */
enum {
    KFACE_BGR = 1, /* as OpenCV and Windows bitmaps have them */
    KFACE_RGB = 2,
    KFACE_GRAY = 3 /* one byte a pixel, taken for all three colours */
};

/* An image in memory, upright. */
typedef struct kface_image {
    const uint8_t *data; /* the first pixel of the top row */
    int32_t width;       /* pixels; 0 to KFACE_MAX_SIDE */
    int32_t height;      /* pixels; 0 to KFACE_MAX_SIDE */
    int64_t stride;      /* bytes from one row to the next; at least width * bytes a pixel */
    int32_t format;      /* KFACE_BGR, KFACE_RGB or KFACE_GRAY */
} kface_image;

/* Longest side of an image in pixels, and most pixels of one. */
#define KFACE_MAX_SIDE 20000
#define KFACE_MAX_PIXELS 100000000

/* Largest image file in bytes. */
#define KFACE_MAX_FILE 268435456

/* A face in an image. */
typedef struct kface_face {
    float box[4];        /* x1 y1 x2 y2 in pixels; may reach outside the image */
    float score;         /* the detector's confidence, 0 to 1 */
    float landmarks[10]; /* x y of left eye, right eye, nose, left and right corner of the mouth, as seen in the image */
} kface_face;

/* An aligned face: 112 rows of 112 pixels of 3 bytes, RGB, without gaps. */
#define KFACE_CROP_SIDE 112
#define KFACE_CROP_BYTES 37632

/* What a match with a failed template yields; no pair of good templates has less. */
#define KFACE_FAILED_SIMILARITY (-1.0)

/* Settings of a handle. Set `size` to sizeof(kface_options) and what is not used to 0 or NULL, which stands for what
 * the bundle's deploy.yaml says. A later version adds fields at the end and goes by `size`. */
typedef struct kface_options {
    uint32_t size;        /* sizeof(kface_options) */
    int32_t threads;      /* threads inside one call, of OpenCV and for the whole process; 0 leaves OpenCV's own setting */
    const char *embedder; /* "pb" or "onnx": the file to read; NULL: "pb" where the bundle has one */
    const char *brighten; /* ways to look again at an image without a face, such as "clahe,log_clahe"; "none": no way */
    double min_face;      /* side of the smallest face in pixels, 20 to 10000; rounded down to 20 / 0.709^k */
} kface_options;

/* Opaque: an opened bundle. */
typedef struct kface_handle kface_handle;

/* Why a template is a failed one. */
enum {
    KFACE_REASON_NONE = 0,        /* it is a good one */
    KFACE_REASON_NO_FACE = 1,     /* there was no face in the image */
    KFACE_REASON_NOT_ALIGNED = 2, /* the face's landmarks cannot be aligned */
    KFACE_REASON_NOT_FINITE = 3,  /* the network gave nothing that has a direction */
    KFACE_REASON_NO_IMAGE = 4,    /* there was no image: not found, damaged, too large */
    KFACE_REASON_ERROR = 5        /* a network or the memory failed */
};

/* What a template says about itself, see kface_template_read. */
typedef struct kface_template_info {
    uint32_t size;         /* set by the caller to sizeof(kface_template_info) */
    int32_t failed;        /* 1 where it has no embedding */
    int32_t reason;        /* KFACE_REASON_... */
    int32_t dimension;     /* length of the embedding */
    char fingerprint[65];  /* of the model, 64 hexadecimal digits and a zero byte */
} kface_template_info;

/* ---------------------------------------------------------------------------------------------------------- about it */

/* Version of the library, such as "0.1.0". Always valid. */
KFACE_API const char *KFACE_CALL kface_version(void);

/* KFACE_ABI_VERSION of the library that is loaded; differs from the header's where the two do not fit. */
KFACE_API int32_t KFACE_CALL kface_abi_version(void);

/* What a status means, in English; "unknown status" for other numbers. Always valid. */
KFACE_API const char *KFACE_CALL kface_status_text(kface_status status);

/* What the last call of this thread has to say: "<what>: <what is wrong>; <what to do>", one line of UTF-8; empty after
 * KFACE_OK. Valid until the next call of a kface function by this thread. The functions of this section, kface_close and
 * those that return a size leave it as it is. */
KFACE_API const char *KFACE_CALL kface_last_error(void);

/* -------------------------------------------------------------------------------------------------- open and close */

/*
 * Open a bundle: a directory that `kface export` has written.
 *
 *     directory   its path; it may lie anywhere
 *     options     settings, or NULL
 *     handle      receives the handle; NULL where the call fails
 *
 * The manifest is checked (schema, digest, fingerprint), every file that is loaded against its SHA-256, and the embedder
 * against the bundle's golden vectors: an OpenCV that computes something else is refused. Faces go through it one by one, with
 * a fresh net, here and later.
 *
 * Returns KFACE_OK, KFACE_ERROR_ARGUMENT, KFACE_ERROR_BUNDLE, KFACE_ERROR_NETWORK or KFACE_ERROR_MEMORY. OpenCV 4.6
 * cannot read the ONNX form of some embedders: the message then says to use "pb".
 */
KFACE_API kface_status KFACE_CALL kface_open(const char *directory, const kface_options *options, kface_handle **handle);

/* Close a handle. Closing NULL, or a handle a second time, does nothing. */
KFACE_API void KFACE_CALL kface_close(kface_handle *handle);

/* Bytes of a template of this bundle: 64 + 4 * kface_embedding_size. 0 where the handle is not an open one. */
KFACE_API int32_t KFACE_CALL kface_template_size(const kface_handle *handle);

/* How many numbers an embedding has. 0 where the handle is not an open one. */
KFACE_API int32_t KFACE_CALL kface_embedding_size(const kface_handle *handle);

/* The model's fingerprint, 64 hexadecimal digits: templates can be compared where these are equal. Valid until the handle
 * is closed; NULL where it is not an open one. */
KFACE_API const char *KFACE_CALL kface_fingerprint(const kface_handle *handle);

/* Compare detection, alignment, embedding and all three in a chain with the bundle's golden vectors, on its golden pictures
 * and crops. The detector has the settings of the golden vectors, not the handle's. A bundle of an older version without
 * golden pictures has its embeddings compared alone.
 *
 *     least_cosine   receives the smallest cosine with a golden embedding, of a crop and of the chain; -1 where the call fails
 *
 * Returns KFACE_OK; KFACE_ERROR_NETWORK where a difference is larger than the bundle's tolerance: kface_last_error() says in
 * which stages, and by how much; KFACE_ERROR_BUNDLE where the bundle has no golden vectors or damaged ones. */
KFACE_API kface_status KFACE_CALL kface_self_check(kface_handle *handle, double *least_cosine);

/* --------------------------------------------------------------------------------------------------- step by step */

/*
 * Find the faces of an image.
 *
 *     image      a side may be 0: then there is no face
 *     faces      receives the faces, best score first, then those that only a brightened copy shows; may be NULL where
 *                capacity is 0
 *     capacity   how many faces there is room for
 *     count      receives how many were found; where that is more than `capacity`, the others are left out
 *
 * Returns KFACE_OK; KFACE_NO_FACE with a count of 0; or an error.
 */
KFACE_API kface_status KFACE_CALL kface_detect(kface_handle *handle, const kface_image *image, kface_face *faces,
                                               int32_t capacity, int32_t *count);

/*
 * Cut an aligned face out of an image.
 *
 *     landmarks   10 numbers, as in kface_face
 *     crop        receives KFACE_CROP_BYTES bytes, RGB; black where it reaches outside the image
 *     capacity    bytes of `crop`
 *
 * Returns KFACE_OK; KFACE_FACE_FAILED where the landmarks are not finite or all coincide; or an error.
 */
KFACE_API kface_status KFACE_CALL kface_align(kface_handle *handle, const kface_image *image, const float *landmarks,
                                              uint8_t *crop, size_t capacity);

/*
 * Embed an aligned face.
 *
 *     crop        KFACE_CROP_BYTES bytes, RGB, of kface_align or of the bundle's golden/faces.png
 *     embedding   receives kface_embedding_size numbers, of length 1; zeros where it fails
 *     capacity    numbers that `embedding` has room for
 *
 * Returns KFACE_OK; KFACE_FACE_FAILED where the network gives nothing that has a direction; or an error.
 */
KFACE_API kface_status KFACE_CALL kface_embed(kface_handle *handle, const uint8_t *crop, float *embedding,
                                              size_t capacity);

/* ------------------------------------------------------------------------------------------------------- enrolment */

/*
 * Make a template of the face in an image: of the one with the largest box where there are several.
 *
 *     image      see kface_image
 *     tmpl       receives kface_template_size bytes
 *     capacity   bytes of `tmpl`
 *     face       receives the face; zeros where there is none. May be NULL
 *
 * Wherever the handle and the buffer are good, a template is written, whatever the status: a failed one where there is no
 * face, none that can be embedded, or no image that can be read. It takes part in matches, with KFACE_FAILED_SIMILARITY.
 *
 * Returns KFACE_OK, KFACE_NO_FACE, KFACE_FACE_FAILED, or an error.
 */
KFACE_API kface_status KFACE_CALL kface_enroll_image(kface_handle *handle, const kface_image *image, uint8_t *tmpl,
                                                     size_t capacity, kface_face *face);

/* Likewise of an image file: JPEG, PNG, BMP or PNM (.pgm, .ppm) by its content. A JPEG's EXIF orientation is applied.
 * Nothing is decoded before the header was read: pictures of more than KFACE_MAX_SIDE or KFACE_MAX_PIXELS are refused. */
KFACE_API kface_status KFACE_CALL kface_enroll_file(kface_handle *handle, const char *path, uint8_t *tmpl, size_t capacity,
                                                    kface_face *face);

/* Likewise of the bytes of such a file, `size` of them. */
KFACE_API kface_status KFACE_CALL kface_enroll_memory(kface_handle *handle, const void *data, size_t size, uint8_t *tmpl,
                                                      size_t capacity, kface_face *face);

/* ----------------------------------------------------------------------------------------------------------- match */

/*
 * Compare two templates.
 *
 *     handle       where not NULL, both have to be of its model
 *     a, a_size    a template and its bytes, all of them
 *     b, b_size    the other
 *     similarity   receives the cosine of the embeddings, -1 to 1; KFACE_FAILED_SIMILARITY after any other status than
 *                  KFACE_OK
 *
 * Returns KFACE_OK; KFACE_FAILED_TEMPLATE where one is a failed one; KFACE_ERROR_TEMPLATE where one is truncated, damaged
 * or no template; KFACE_ERROR_MODEL where they are of different models, or of another one than the handle.
 */
KFACE_API kface_status KFACE_CALL kface_match(const kface_handle *handle, const uint8_t *a, size_t a_size,
                                              const uint8_t *b, size_t b_size, double *similarity);

/*
 * Compare each of m probes with each of n templates, many times faster than one by one.
 *
 *     handle          as for kface_match
 *     probes          m templates, one after the other
 *     templates       n templates, one after the other
 *     template_size   bytes of each, as kface_template_size returns; the pointers need no alignment
 *     similarities    receives m * n numbers, those of the first probe first, as kface_match gives them (to 1e-6)
 *
 * Returns KFACE_OK; KFACE_FAILED_TEMPLATE where one or more are failed ones (all other pairs are compared);
 * KFACE_ERROR_TEMPLATE or KFACE_ERROR_MODEL where one cannot be compared: nothing is then, and all numbers are
 * KFACE_FAILED_SIMILARITY.
 */
KFACE_API kface_status KFACE_CALL kface_match_many(const kface_handle *handle, const uint8_t *probes, size_t m,
                                                   const uint8_t *templates, size_t n, size_t template_size,
                                                   float *similarities);

/* Read a template's header. Returns KFACE_OK or KFACE_ERROR_TEMPLATE; a failed template is a good one here. */
KFACE_API kface_status KFACE_CALL kface_template_read(const uint8_t *tmpl, size_t size, kface_template_info *info);

/* Copy a template's embedding.
 *
 *     embedding   receives the numbers, of length 1; zeros where the template is a failed one
 *     capacity    numbers that there is room for
 *     count       receives how many an embedding of its model has. May be NULL
 *
 * Returns KFACE_OK, KFACE_FAILED_TEMPLATE, KFACE_ERROR_TEMPLATE or KFACE_ERROR_CAPACITY. */
KFACE_API kface_status KFACE_CALL kface_template_embedding(const uint8_t *tmpl, size_t size, float *embedding,
                                                           size_t capacity, size_t *count);

/* ------------------------------------------------------------------------------------------------------------------
 * A template is 64 bytes and an embedding, all numbers little-endian:
 *      0   8 bytes    "KFACETPL"
 *      8   uint16     version of this layout, 1
 *     10   uint16     flags: bit 0, a failed template; the others are 0
 *     12   uint32     reason, KFACE_REASON_...
 *     16   uint32     d, the length of the embedding
 *     20   32 bytes   the model's fingerprint
 *     52   uint32     0
 *     56   uint32     CRC-32 (as in zlib) of the embedding's bytes
 *     60   uint32     CRC-32 of the 60 bytes before
 *     64   float32 d  the embedding, of length 1; zeros in a failed template
 */

#ifdef __cplusplus
}
#endif

#endif
