// TensorFlow's crop_and_resize, as MTCNN's reference calls it, straight from bytes.
#include <algorithm>
#include <cmath>

#include "checks.h"

namespace kface_native {
namespace {

// Where a crop's rows or columns are sampled: between two pixels (times `step` bytes), how far from the first to the second.
struct Sample {
    int64_t before;
    int64_t after;
    float fraction;
    bool inside;
};

// The reference divides by the side in double precision and hands floats to TensorFlow.
void sample_side(double low, double high, int32_t side, int32_t size, int64_t step, Sample *samples) noexcept {
    const float last = static_cast<float>(side - 1);
    const float from = static_cast<float>(low / side);
    const float to = static_cast<float>(high / side);
    const float first = from * last;
    const float stride = (to - from) * last / static_cast<float>(size - 1);
    for (int32_t index = 0; index < size; ++index) {
        const float at = first + static_cast<float>(index) * stride;
        Sample &sample = samples[index];
        sample.inside = at >= 0.0F && at <= last;
        const float floor = sample.inside ? std::floor(at) : 0.0F;
        const float ceil = sample.inside ? std::ceil(at) : 0.0F;
        sample.before = static_cast<int64_t>(floor) * step;
        sample.after = static_cast<int64_t>(ceil) * step;
        sample.fraction = sample.inside ? at - floor : 0.0F;
    }
}

// Where no float overflows on the way; false for NaN too.
bool is_within_reach(const double *box) noexcept {
    for (int corner = 0; corner < 4; ++corner)
        if (!(std::fabs(box[corner]) <= KFACE_NATIVE_REACH)) return false;
    return true;
}

float between(float first, float second, float fraction) noexcept { return first + (second - first) * fraction; }

void crop_row(const uint8_t *above, const uint8_t *below, float fraction, const Sample *columns, int32_t size,
              float *const out[3]) noexcept {
    for (int32_t x = 0; x < size; ++x) {
        const Sample &column = columns[x];
        for (int colour = 0; colour < 3; ++colour) {
            const float upper = between(above[column.before + colour], above[column.after + colour], column.fraction);
            const float lower = between(below[column.before + colour], below[column.after + colour], column.fraction);
            const float value = (between(upper, lower, fraction) - 127.5F) * 0.0078125F;
            out[colour][x] = column.inside ? value : 0.0F;
        }
    }
}

}  // namespace
}  // namespace kface_native

extern "C" int32_t kface_native_crop_and_resize(const uint8_t *pixels, int32_t height, int32_t width, int64_t stride,
                                                const double *boxes, int64_t count, int32_t size, float *planes) {
    using namespace kface_native;
    int32_t wrong = check_image(pixels, height, width, stride);
    if (wrong == KFACE_NATIVE_OK) wrong = check_rows(boxes, count);
    if (wrong == KFACE_NATIVE_OK) wrong = check_rows(planes, count);
    if (wrong != KFACE_NATIVE_OK) return wrong;
    if (size < 2 || size > KFACE_NATIVE_MAX_CROP) return KFACE_NATIVE_RANGE;
    const Array<Sample> rows = make_array<Sample>(size);
    const Array<Sample> columns = make_array<Sample>(size);
    if (!rows || !columns) return KFACE_NATIVE_MEMORY;
    const int64_t plane = int64_t{size} * size;
    for (int64_t index = 0; index < count; ++index) {
        const double *box = boxes + 4 * index;
        if (!is_within_reach(box)) {
            std::fill(planes + 3 * plane * index, planes + 3 * plane * (index + 1), 0.0F);
            continue;
        }
        sample_side(box[1], box[3], height, size, stride, rows.get());
        sample_side(box[0], box[2], width, size, 3, columns.get());
        for (int32_t y = 0; y < size; ++y) {
            float *const begin = planes + 3 * plane * index + int64_t{y} * size;
            float *const out[3] = {begin, begin + plane, begin + 2 * plane};
            const Sample &row = rows[y];
            if (row.inside) {
                crop_row(pixels + row.before, pixels + row.after, row.fraction, columns.get(), size, out);
            } else {
                for (float *part : out) std::fill(part, part + size, 0.0F);
            }
        }
    }
    return KFACE_NATIVE_OK;
}
