/* kface's kernels: what face recognition does besides its networks, without any dependency.
 *
 * Images are 8 bits a colour, three interleaved colours, in any order of colours: planes come out in the order in which the
 * colours came in. Rows may be padded: `stride` is the distance of two rows in bytes. Every function is reentrant, keeps no
 * state, allocates what it needs and frees it, writes only to its outputs, and throws nothing. Arrays do not overlap.
 *
 * The values do not depend on the machine, nor on how a compiler vectorises, provided that it neither reorders nor fuses
 * floating-point operations: build with -ffp-contract=off (GCC, Clang) or /fp:precise (MSVC), never with -ffast-math. The
 * networks are the exception: where processors multiply and add in one operation, they round once instead of twice.
 */
#ifndef KFACE_NATIVE_H
#define KFACE_NATIVE_H

#include <stdint.h>

/* Define KFACE_NATIVE_SHARED where the kernels are built as a shared object of their own. Compiled into a larger library
 * with hidden visibility, as they are by default, they remain its own. */
#if !defined(KFACE_NATIVE_SHARED)
#define KFACE_NATIVE_API
#elif defined(_WIN32)
#define KFACE_NATIVE_API __declspec(dllexport)
#else
#define KFACE_NATIVE_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this interface: it changes whenever a function or a rule of this file changes. */
#define KFACE_NATIVE_ABI 2

enum {
    KFACE_NATIVE_OK = 0,
    KFACE_NATIVE_NULL = -1,   /* a pointer is NULL */
    KFACE_NATIVE_RANGE = -2,  /* a size, stride or number is out of its range */
    KFACE_NATIVE_MEMORY = -3  /* there is not enough memory */
};

/* The longest side of an image, and the most boxes or rows that a call takes. */
#define KFACE_NATIVE_MAX_SIDE (1 << 20)
#define KFACE_NATIVE_MAX_ROWS (1 << 26)
/* The longest embedding, and the largest crop. */
#define KFACE_NATIVE_MAX_LENGTH (1 << 20)
#define KFACE_NATIVE_MAX_CROP 4096
/* How far from an image's corner the corner of a box may lie, in pixels. */
#define KFACE_NATIVE_REACH 1e9

/* For which processors a function is compiled; AUTO is the last one that this processor can run. */
enum {
    KFACE_NATIVE_AUTO = 0,
    KFACE_NATIVE_BASE = 1,   /* what every one of its kind has: SSE2 on x86-64, NEON on 64-bit ARM */
    KFACE_NATIVE_AVX2 = 2,   /* and FMA */
    KFACE_NATIVE_AVX512 = 3  /* F, BW, DQ and VL */
};

/* Floats of the networks' weights, as kface.native.cascade arranges them. */
#define KFACE_NATIVE_PNET_WEIGHTS 19573
#define KFACE_NATIVE_RNET_WEIGHTS 135200
#define KFACE_NATIVE_ONET_WEIGHTS 542656
/* Outputs of R- and O-Net for a box. */
#define KFACE_NATIVE_OUTPUTS 16

/* Returns the variant that AUTO chooses here. */
KFACE_NATIVE_API int32_t kface_native_variant(void);

/* Returns KFACE_NATIVE_ABI as it was when the kernels were compiled. */
KFACE_NATIVE_API int32_t kface_native_abi(void);

/* Shrinks an image by area, and normalises it: each value is (mean of the pixels that it covers - 127.5) / 128, pixels that
 * are covered in part weighted by that part. As OpenCV's INTER_AREA does on floats: parts below 1/1000 of a pixel are
 * dropped, and the weights are not divided by their sum.
 *
 *   pixels      uint8, height rows of 3 * width bytes, stride >= 3 * width apart
 *   planes      receives 3 * out_height * out_width floats: a plane a colour
 *   out_height  1 to height; out_width likewise: nothing is enlarged
 */
KFACE_NATIVE_API int32_t kface_native_area_resize(const uint8_t *pixels, int32_t height, int32_t width, int64_t stride,
                                                  float *planes, int32_t out_height, int32_t out_width);

/* Cuts boxes out of an image as TensorFlow's crop_and_resize does in MTCNN's reference, and normalises them: a box's corners
 * are mapped to the centres of a crop's outer pixels, coordinates are shrunk by (side - 1) / side, samples are bilinear
 * without antialiasing, and what lies outside the image is 0 after normalisation.
 *
 *   boxes   count times x1 y1 x2 y2, in pixels; they may lie outside, be empty or mirrored. The crop of a box with
 *           a corner beyond KFACE_NATIVE_REACH, or that is not finite, is 0
 *   size    side of a crop, 2 to KFACE_NATIVE_MAX_CROP
 *   planes  receives count * 3 * size * size floats
 */
KFACE_NATIVE_API int32_t kface_native_crop_and_resize(const uint8_t *pixels, int32_t height, int32_t width, int64_t stride,
                                                      const double *boxes, int64_t count, int32_t size, float *planes);

/* Runs MTCNN's P-Net on a level of an image's pyramid, which is shrunk as kface_native_area_resize does: in strips of rows,
 * so that no map is ever complete, and with offsets only where there is a face.
 *
 *   level_height  rows of the level, 12 to height; level_width likewise
 *   begin, end    the rows of the network's output to compute, of (level_height - 1) / 2 - 4: strips may run side by side,
 *                 and give the same bits as the whole where `begin` is a multiple of 3
 *   weights       KFACE_NATIVE_PNET_WEIGHTS floats; weight_count is that number, against a mistake
 *   least         outputs with a higher logit are found
 *   places        receives row * width of the output + column of each, ascending
 *   found         receives 5 floats of each: the logit (of the face's probability) and the four offsets
 *   room          how many fit into places and found: (end - begin) * width of the output
 *   count         receives how many there are
 */
KFACE_NATIVE_API int32_t kface_native_pnet(const uint8_t *pixels, int32_t height, int32_t width, int64_t stride,
                                           int32_t level_height, int32_t level_width, int32_t begin, int32_t end,
                                           const float *weights, int64_t weight_count, float least, int32_t *places,
                                           float *found, int64_t room, int64_t *count, int32_t variant);

/* Runs MTCNN's R-Net (24 x 24) or O-Net (48 x 48) on boxes of an image, cut out as kface_native_crop_and_resize does.
 *
 *   weights  KFACE_NATIVE_RNET_WEIGHTS or KFACE_NATIVE_ONET_WEIGHTS floats; weight_count is that number
 *   outputs  receives KFACE_NATIVE_OUTPUTS floats for each box: the logit, four offsets, with O-Net ten coordinates of
 *            landmarks (five x, five y); the others are 0
 */
KFACE_NATIVE_API int32_t kface_native_rnet(const uint8_t *pixels, int32_t height, int32_t width, int64_t stride,
                                           const double *boxes, int64_t count, const float *weights, int64_t weight_count,
                                           float *outputs, int32_t variant);
KFACE_NATIVE_API int32_t kface_native_onet(const uint8_t *pixels, int32_t height, int32_t width, int64_t stride,
                                           const double *boxes, int64_t count, const float *weights, int64_t weight_count,
                                           float *outputs, int32_t variant);

/* Finds the boxes that no better one overlaps, by the rule of MTCNN's reference, which is not the usual greedy one: a box
 * goes where any better box overlaps it, even one that goes itself. Boxes that are not finite overlap as IEEE arithmetic
 * says: a comparison with NaN is false.
 *
 *   boxes      count times x1 y1 x2 y2, the best first
 *   threshold  overlaps above it count; not NaN
 *   smaller    0: the shared area is divided by the union's ("union"); otherwise by the smaller box's ("min")
 *   stay       receives the indices of the boxes that stay, ascending; room for count
 *   stayed     receives how many they are
 */
KFACE_NATIVE_API int32_t kface_native_suppress(const double *boxes, int64_t count, double threshold, int32_t smaller,
                                               int64_t *stay, int64_t *stayed);

/* The dot product of two embeddings, summed from the first element to the last in double precision. */
KFACE_NATIVE_API int32_t kface_native_dot(const float *first, const float *second, int32_t length, double *dot);

/* The cosine of the angle between two embeddings, -1 to 1; 0 where one of them is all zeros, NaN where one holds a NaN or
 * an infinity. */
KFACE_NATIVE_API int32_t kface_native_cosine(const float *first, const float *second, int32_t length, double *cosine);

/* The cosines of all rows of one matrix with all rows of another, each exactly as kface_native_cosine gives it.
 *
 *   first    first_rows rows of length floats, one after the other; second likewise
 *   cosines  receives first_rows * second_rows doubles, a row for each row of first
 */
KFACE_NATIVE_API int32_t kface_native_cosines(const float *first, int64_t first_rows, const float *second,
                                              int64_t second_rows, int32_t length, double *cosines);

/* The longest row of bytes, and the most people that kface_native_near_rows looks for. */
#define KFACE_NATIVE_MAX_CODES (1 << 16)
#define KFACE_NATIVE_MAX_NEAR 1024

/* Finds, in one pass over a matrix of bytes, the rows among which the best k owners of each probe are for sure. A row's bytes
 * stand for its numbers: number = scale * (code - 128), but for an error whose length is known. A probe's likewise, without
 * the 128. So the scalar product of row and probe is scale * probe scale * sum of (code - 128) * probe, but for at most
 * (length of what the codes stand for) * (length of the probe's error) + (length of the row's error) * (length of the probe).
 * An owner's rows stand one after the other, and the best of them counts.
 *
 *   codes         rows times length bytes; length is a multiple of 64, at most KFACE_NATIVE_MAX_CODES
 *   bounds        three arrays, bounds_stride floats apart: each row's scale, the length of what its codes stand for, and
 *                 the length of its error. Both lengths must allow for what single precision loses
 *   owners        whose each row is, from 0
 *   probes        probe_count times length, -127 to 127
 *   probe_bounds  three arrays of probe_count floats: each probe's scale, the length of its error, and its own length
 *   k             1 to KFACE_NATIVE_MAX_NEAR
 *   plain         other than 0: without AVX2 even where the processor has it; the same whole numbers, later
 *   room          how many rows there is room for, for each probe
 *   found         receives the rows, ascending, `room` a probe; lower and upper the bounds of their scores
 *   counts        receives how many rows each probe has found; -1 where there was no room for them
 */
KFACE_NATIVE_API int32_t kface_native_near_rows(const uint8_t *codes, int64_t rows, int32_t length, const float *bounds,
                                                int64_t bounds_stride, const int32_t *owners, const int8_t *probes,
                                                const float *probe_bounds, int32_t probe_count, int32_t k,
                                                int32_t plain, int64_t room, int64_t *found, float *lower,
                                                float *upper, int64_t *counts);

#ifdef __cplusplus
}
#endif

#endif
