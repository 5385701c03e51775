// TensorFlow's crop_and_resize, as MTCNN's reference calls it, straight from bytes. Included within a namespace of its width;
// the values are the same in all.

// Where a crop's rows or columns are sampled: between two pixels (times `step` bytes), how far from the first to the second.
struct Sample {
    int64_t before;
    int64_t after;
    float fraction;
    bool inside;
};

// The reference divides by the side in double precision and hands floats to TensorFlow.
inline void sample_side(double low, double high, int32_t side, int32_t size, int64_t step, Sample *samples) noexcept {
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
inline bool is_within_reach(const double *box) noexcept {
    for (int corner = 0; corner < 4; ++corner)
        if (!(std::fabs(box[corner]) <= KFACE_NATIVE_REACH)) return false;
    return true;
}

inline float between(float first, float second, float fraction) noexcept { return first + (second - first) * fraction; }

// Cuts one box out of an image; colour c of pixel (y, x) goes to out[c * plane + (y * size + x) * step].
inline void crop(const Image &image, const double *box, int32_t size, Sample *rows, Sample *columns, int64_t plane, int64_t step,
                 float *out) noexcept {
    const bool near = is_within_reach(box);
    if (near) {
        sample_side(box[1], box[3], image.height, size, image.stride, rows);
        sample_side(box[0], box[2], image.width, size, 3, columns);
    }
    for (int32_t y = 0; y < size; ++y) {
        float *line = out + int64_t{y} * size * step;
        const bool inside = near && rows[y].inside;
        for (int32_t x = 0; x < size; ++x, line += step) {
            if (!inside || !columns[x].inside) {
                for (int colour = 0; colour < 3; ++colour) line[colour * plane] = 0.0F;
                continue;
            }
            const Sample &column = columns[x];
            const uint8_t *above = image.pixels + rows[y].before;
            const uint8_t *below = image.pixels + rows[y].after;
            for (int colour = 0; colour < 3; ++colour) {
                const float upper = between(above[column.before + colour], above[column.after + colour], column.fraction);
                const float lower = between(below[column.before + colour], below[column.after + colour], column.fraction);
                line[colour * plane] = (between(upper, lower, rows[y].fraction) - 127.5F) * 0.0078125F;
            }
        }
    }
}

inline int32_t crop_and_resize(const Image &image, const double *boxes, int64_t count, int32_t size, float *planes) noexcept {
    const Array<Sample> rows = make_array<Sample>(size);
    const Array<Sample> columns = make_array<Sample>(size);
    if (!rows || !columns) return KFACE_NATIVE_MEMORY;
    const int64_t plane = int64_t{size} * size;
    for (int64_t index = 0; index < count; ++index)
        crop(image, boxes + 4 * index, size, rows.get(), columns.get(), plane, 1, planes + 3 * plane * index);
    return KFACE_NATIVE_OK;
}
