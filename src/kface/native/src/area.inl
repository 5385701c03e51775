// Shrinking by area, straight from bytes to normalised floats: rows are summed first, where neighbours in memory are
// neighbours in the sum and any compiler vectorises it; then a row's columns, four numbers (a pixel and its neighbour's
// first colour) at a time. Included within a namespace of its width; the values are the same in all.

// What one output row or column covers: `count` pixels from `first` on. The outer ones have weights of their own.
struct Cover {
    int32_t first;
    int32_t count;
    float left;
    float inner;
    float right;
    float sum;
};

// OpenCV's table for INTER_AREA (modules/imgproc/src/resize.cpp, computeResizeAreaTab): the same limits in the same doubles.
inline void cover_side(int32_t side, int32_t out_side, Cover *covers) noexcept {
    const double scale = 1.0 / (static_cast<double>(out_side) / side);
    for (int32_t index = 0; index < out_side; ++index) {
        const double begin = index * scale;
        const double end = begin + scale;
        const double wide = std::min(scale, side - begin);
        const int32_t inner_end = std::min(static_cast<int32_t>(std::floor(end)), side - 1);
        const int32_t inner_begin = std::min(static_cast<int32_t>(std::ceil(begin)), inner_end);
        const bool has_left = inner_begin - begin > 1e-3;
        const bool has_right = end - inner_end > 1e-3;
        const float inner = static_cast<float>(1.0 / wide);
        const float left = static_cast<float>((inner_begin - begin) / wide);
        const float right = static_cast<float>(std::min(std::min(end - inner_end, 1.0), wide) / wide);
        Cover &cover = covers[index];
        cover.first = inner_begin - (has_left ? 1 : 0);
        cover.count = inner_end - inner_begin + (has_left ? 1 : 0) + (has_right ? 1 : 0);
        cover.inner = inner;
        cover.left = has_left ? left : inner;
        cover.right = has_right ? right : inner;
        // With a single pixel its weight is that of the part that there is.
        if (cover.count == 1) cover.left = has_left ? left : has_right ? right : inner;
        cover.sum = 0.0F;
        for (int32_t tap = 0; tap < cover.count; ++tap)
            cover.sum += tap == 0 ? cover.left : tap == cover.count - 1 ? cover.right : cover.inner;
    }
}

// Rows whose bytes add up in 16 bits.
constexpr int32_t kWholeRows = 256;

// sums[i] = the weighted sum of the rows that an output row covers. Those that are covered entirely have one weight: their bytes
// are added up in `whole` first.
inline void sum_rows(const uint8_t *row, int64_t stride, const Cover &cover, int32_t length, uint16_t *whole,
                     float *sums) noexcept {
    const float left = cover.left;
    if (cover.count == 1) {
        for (int32_t i = 0; i < length; ++i) sums[i] = left * row[i];
        return;
    }
    const uint8_t *const last = row + (cover.count - 1) * stride;
    const float right = cover.right;
    for (int32_t i = 0; i < length; ++i) sums[i] = left * row[i] + right * last[i];
    const float inner = cover.inner;
    for (int32_t begin = 1; begin < cover.count - 1; begin += kWholeRows) {
        const int32_t end = std::min(begin + kWholeRows, cover.count - 1);
        const uint8_t *here = row + begin * stride;
        if (end - begin == 1) {
            for (int32_t i = 0; i < length; ++i) sums[i] += inner * here[i];
            continue;
        }
        const uint8_t *next = here + stride;
        for (int32_t i = 0; i < length; ++i) whole[i] = static_cast<uint16_t>(here[i] + next[i]);
        for (int32_t tap = begin + 2; tap < end; ++tap) {
            here = row + tap * stride;
            for (int32_t i = 0; i < length; ++i) whole[i] = static_cast<uint16_t>(whole[i] + here[i]);
        }
        for (int32_t i = 0; i < length; ++i) sums[i] += inner * whole[i];
    }
}

// One output row: colour c of pixel x goes to out[c * plane + x * step]. `sums` is readable for one float past its last pixel.
inline void sum_columns(const float *sums, const Cover *covers, int32_t out_width, float rows_sum, int64_t plane, int64_t step,
                        float *out) noexcept {
    for (int32_t x = 0; x < out_width; ++x) {
        const Cover &cover = covers[x];
        const float *at = sums + int64_t{3} * cover.first;
        Four total = times(four(cover.left), load_four(at));
        if (cover.count > 1) {
            Four inner = four(0.0F);
            at += 3;
            for (int32_t tap = 1; tap + 1 < cover.count; ++tap, at += 3) inner = plus(inner, load_four(at));
            total = plus(total, plus(times(four(cover.inner), inner), times(four(cover.right), load_four(at))));
        }
        // The mean is taken off with the weight that the pixels have together, which is not quite 1.
        const Four mean = four(127.5F * (rows_sum * cover.sum));
        float colours[4];
        store_four(colours, times(minus(total, mean), four(0.0078125F)));
        for (int colour = 0; colour < 3; ++colour) out[colour * plane + x * step] = colours[colour];
    }
}

// An image that is shrunk row by row.
struct Shrinker {
    const uint8_t *pixels;
    int64_t stride;
    int32_t length;
    int32_t out_width;
    Array<Cover> rows;
    Array<Cover> columns;
    Array<float> sums;
    Array<uint16_t> whole;

    // Returns false where there is no memory.
    bool open(const Image &image, int32_t out_height, int32_t wide) noexcept {
        pixels = image.pixels;
        stride = image.stride;
        length = 3 * image.width;
        out_width = wide;
        rows = make_array<Cover>(out_height);
        columns = make_array<Cover>(out_width);
        sums = make_array<float>(int64_t{length} + 1);
        whole = make_array<uint16_t>(length);
        if (!rows || !columns || !sums || !whole) return false;
        cover_side(image.height, out_height, rows.get());
        cover_side(image.width, out_width, columns.get());
        sums[length] = 0.0F;
        return true;
    }

    void row(int32_t y, int64_t plane, int64_t step, float *out) noexcept {
        sum_rows(pixels + rows[y].first * stride, stride, rows[y], length, whole.get(), sums.get());
        sum_columns(sums.get(), columns.get(), out_width, rows[y].sum, plane, step, out);
    }
};

inline int32_t area_resize(const Image &image, float *planes, int32_t out_height, int32_t out_width) noexcept {
    Shrinker shrinker;
    if (!shrinker.open(image, out_height, out_width)) return KFACE_NATIVE_MEMORY;
    const int64_t plane = int64_t{out_height} * out_width;
    for (int32_t y = 0; y < out_height; ++y) shrinker.row(y, plane, 1, planes + int64_t{y} * out_width);
    return KFACE_NATIVE_OK;
}
