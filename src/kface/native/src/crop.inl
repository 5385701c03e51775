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

KFACE_NATIVE_INLINE Four between(Four first, Four second, Four fraction) noexcept {
    return plus(first, times(minus(second, first), fraction));
}

// A pixel's three colours and a byte that is not used. `last` is the last place from which four bytes may be read; an image
// of a single pixel has none.
KFACE_NATIVE_INLINE Four pixel(const uint8_t *at, const uint8_t *last) noexcept {
    uint8_t bytes[4] = {};
    if (at <= last) {
        std::memcpy(bytes, at, 4);
    } else {
        std::memcpy(bytes, at, 3);
    }
    // Whatever the machine's order of bytes is.
    uint32_t value;
    std::memcpy(&value, bytes, 4);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = uint32_t{bytes[0]} | uint32_t{bytes[1]} << 8 | uint32_t{bytes[2]} << 16 | uint32_t{bytes[3]} << 24;
#endif
    return four_bytes(value);
}

// Cuts one box out of an image; colour c of pixel (y, x) goes to out[c * plane + (y * size + x) * step]. Where the colours are
// interleaved (step 3), one float past the end of the crop is written too.
template <bool Interleaved>
inline void crop(const Image &image, const double *box, int32_t size, Sample *rows, Sample *columns, float *out) noexcept {
    const bool near = is_within_reach(box);
    if (near) {
        sample_side(box[1], box[3], image.height, size, image.stride, rows);
        sample_side(box[0], box[2], image.width, size, 3, columns);
    }
    const int64_t plane = int64_t{size} * size;
    const uint8_t *const last = image.pixels + int64_t{image.height - 1} * image.stride + int64_t{3} * image.width - 4;
    const Four grey = four(127.5F);
    const Four unit = four(0.0078125F);
    for (int32_t y = 0; y < size; ++y) {
        float *line = out + int64_t{y} * size * (Interleaved ? 3 : 1);
        const bool inside = near && rows[y].inside;
        const uint8_t *const above = image.pixels + (inside ? rows[y].before : 0);
        const uint8_t *const below = image.pixels + (inside ? rows[y].after : 0);
        const Four down = four(inside ? rows[y].fraction : 0.0F);
        for (int32_t x = 0; x < size; ++x, line += Interleaved ? 3 : 1) {
            Four value = four(0.0F);
            if (inside && columns[x].inside) {
                const Sample &column = columns[x];
                const Four right = four(column.fraction);
                const Four upper = between(pixel(above + column.before, last), pixel(above + column.after, last), right);
                const Four lower = between(pixel(below + column.before, last), pixel(below + column.after, last), right);
                value = times(minus(between(upper, lower, down), grey), unit);
            }
            if (Interleaved) {
                store_four(line, value);
            } else {
                float colours[4];
                store_four(colours, value);
                for (int colour = 0; colour < 3; ++colour) line[colour * plane] = colours[colour];
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
        crop<false>(image, boxes + 4 * index, size, rows.get(), columns.get(), planes + 3 * plane * index);
    return KFACE_NATIVE_OK;
}
