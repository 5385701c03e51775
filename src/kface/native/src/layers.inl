// Convolutions, pools and dense layers on maps whose channels lie side by side (row, column, channel), padded with zeros to
// a multiple of 16. Included within a namespace of its width, after simd.inl.

// Weights of a layer: an input value's row of `channels` weights after the other, then the biases, then PReLU's slopes.
struct Layer {
    const float *weights;
    const float *bias;
    const float *slopes;
};

// What one output pixel sees: `rows` rows of input; in each, `runs` runs of `length` values, `step` values apart.
struct Window {
    int rows;
    int runs;
    int length;
    int step;
};

// Takes the next layer off the weights.
inline Layer next_layer(const float *&weights, int inputs, int channels) noexcept {
    const Layer layer = {weights, weights + int64_t{inputs} * channels, weights + int64_t{inputs} * channels + channels};
    weights = layer.slopes + channels;
    return layer;
}

// Vectors that are computed at once where there are `channels`.
constexpr int vectors_at_once(int channels) noexcept {
    return channels / kLanes <= kMostVectors ? channels / kLanes : kMostVectors;
}

// Pixels that are computed at once, of `count` (0: of many): as little as possible is done twice, with at least half of the sums
// that the registers hold, as fewer would wait for each other.
constexpr int pixels_at_once(int vectors, int count) noexcept {
    const int most = most_pixels(vectors);
    if (count == 0) return most;
    int best = most;
    for (int pixels = most; 2 * pixels >= most; --pixels)
        if ((count + pixels - 1) / pixels * pixels < (count + best - 1) / best * best) best = pixels;
    return best < count ? best : count;
}

// Adds `length` products to the sums of `Pixels` neighbours, `Stride` values apart, in `Vectors` vectors of `Channels`.
template <int Stride, int Channels, int Vectors, int Pixels>
KFACE_NATIVE_INLINE const float *accumulate(const float *in, const float *weights, int length, Floats (&sums)[Pixels][Vectors]) noexcept {
    for (int k = 0; k < length; ++k, ++in, weights += Channels) {
        KFACE_NATIVE_OPAQUE(in);
        Floats each[Vectors];
        for (int v = 0; v < Vectors; ++v) each[v] = load(weights + v * kLanes);
        for (int p = 0; p < Pixels; ++p) {
            const Floats value = every(in[p * Stride]);
            for (int v = 0; v < Vectors; ++v) sums[p][v] = multiply_add(each[v], value, sums[p][v]);
        }
    }
    return weights;
}

// `Pixels` neighbours, `Stride` values apart, in `Vectors` vectors of `Channels` channels from `first` on.
template <int Stride, int Channels, int Vectors, int Pixels>
inline void convolve_block(const Window &window, const float *const *rows, int64_t column, const Layer &layer, int first,
                           float *out) noexcept {
    Floats sums[Pixels][Vectors];
    for (int v = 0; v < Vectors; ++v) {
        const Floats bias = load(layer.bias + first + v * kLanes);
        for (int p = 0; p < Pixels; ++p) sums[p][v] = bias;
    }
    const float *weights = layer.weights + first;
    for (int row = 0; row < window.rows; ++row)
        for (int run = 0; run < window.runs; ++run)
            weights = accumulate<Stride, Channels, Vectors, Pixels>(
                rows[row] + column * Stride + int64_t{run} * window.step, weights, window.length, sums);
    const Floats zero = every(0.0F);
    for (int v = 0; v < Vectors; ++v) {
        const Floats slopes = load(layer.slopes + first + v * kLanes);
        for (int p = 0; p < Pixels; ++p)
            store(out + (column + p) * Channels + first + v * kLanes,
                  multiply_add(slopes, smaller(sums[p][v], zero), larger(sums[p][v], zero)));
    }
}

// A matrix product: `Count` rows of `Inputs` values, `Stride` apart, times `Inputs` rows of `Channels` weights.
template <int Stride, int Inputs, int Channels, int Count>
inline void multiply_rows(const float *in, const float *weights, float *out) noexcept {
    constexpr int vectors = vectors_at_once(Channels);
    constexpr int pixels = pixels_at_once(vectors, Count);
    for (int first = 0; first < Channels; first += vectors * kLanes)
        for (int begin = 0; begin < Count; begin += pixels) {
            // Some of the last ones once more.
            const int64_t row = begin + pixels <= Count ? begin : Count - pixels;
            Floats sums[pixels][vectors];
            for (int p = 0; p < pixels; ++p)
                for (int v = 0; v < vectors; ++v) sums[p][v] = every(0.0F);
            accumulate<Stride, Channels, vectors, pixels>(in + row * Stride, weights + first, Inputs, sums);
            for (int p = 0; p < pixels; ++p)
                for (int v = 0; v < vectors; ++v) store(out + (row + p) * Channels + first + v * kLanes, sums[p][v]);
        }
}

// A row of `count` pixels of a convolution with its PReLU. `Count` is that number where it is known, or 0.
template <int Stride, int Channels, int Count>
inline void convolve_row(const Window &window, const float *const *rows, const Layer &layer, float *out,
                         int64_t count) noexcept {
    constexpr int vectors = vectors_at_once(Channels);
    constexpr int pixels = pixels_at_once(vectors, Count);
    static_assert(Channels % (vectors * kLanes) == 0, "channels are computed in equal parts");
    for (int first = 0; first < Channels; first += vectors * kLanes) {
        if (count < pixels) {
            for (int64_t column = 0; column < count; ++column)
                convolve_block<Stride, Channels, vectors, 1>(window, rows, column, layer, first, out);
            continue;
        }
        int64_t column = 0;
        for (; column + pixels <= count; column += pixels)
            convolve_block<Stride, Channels, vectors, pixels>(window, rows, column, layer, first, out);
        // Some of the last ones once more.
        if (column < count)
            convolve_block<Stride, Channels, vectors, pixels>(window, rows, count - pixels, layer, first, out);
    }
}

// A convolution over `Out` x `Out` pixels of an input with rows of `In` pixels, `Stride` values each.
template <int Stride, int Channels, int In, int Out>
inline void convolve(const Window &window, const float *in, const Layer &layer, float *out) noexcept {
    for (int y = 0; y < Out; ++y) {
        const float *rows[3];
        for (int row = 0; row < window.rows; ++row) rows[row] = in + int64_t{y + row} * In * Stride;
        convolve_row<Stride, Channels, Out>(window, rows, layer, out + int64_t{y} * Out * Channels, Out);
    }
}

// One output row of a pool over `count` rows of a map, `width` pixels wide; windows are cut off at its end.
template <int Channels, int Size>
inline void pool_row(const float *const *rows, int count, int64_t width, int64_t out_width, float *out) noexcept {
    for (int64_t x = 0; x < out_width; ++x) {
        const int64_t begin = 2 * x;
        const int64_t end = begin + Size < width ? begin + Size : width;
        for (int channel = 0; channel < Channels; channel += kLanes) {
            Floats most = load(rows[0] + begin * Channels + channel);
            for (int row = 0; row < count; ++row)
                for (int64_t column = begin; column < end; ++column)
                    most = larger(most, load(rows[row] + column * Channels + channel));
            store(out + x * Channels + channel, most);
        }
    }
}

// A pool of a whole map of `In` x `In` pixels into one with rows of `Row` pixels.
template <int Channels, int In, int Size, int Out, int Row>
inline void pool(const float *in, float *out) noexcept {
    for (int y = 0; y < Out; ++y) {
        const int end = 2 * y + Size < In ? 2 * y + Size : In;
        const float *rows[Size];
        for (int row = 2 * y; row < end; ++row) rows[row - 2 * y] = in + int64_t{row} * In * Channels;
        pool_row<Channels, Size>(rows, end - 2 * y, In, Out, out + int64_t{y} * Row * Channels);
    }
}

// The same as convolve, but pooled; only the rows of a window are in memory, in `ring`, which has 4.
template <int Stride, int Channels, int In, int Conv, int Size, int Out>
inline void convolve_and_pool(const Window &window, const float *in, const Layer &layer, float *ring, float *out) noexcept {
    int done = 0;
    for (int y = 0; y < Out; ++y) {
        const int end = 2 * y + Size < Conv ? 2 * y + Size : Conv;
        for (; done < end; ++done) {
            const float *rows[3];
            for (int row = 0; row < window.rows; ++row) rows[row] = in + int64_t{done + row} * In * Stride;
            convolve_row<Stride, Channels, Conv>(window, rows, layer, ring + int64_t{done % 4} * Conv * Channels, Conv);
        }
        const float *rows[Size];
        for (int row = 2 * y; row < end; ++row) rows[row - 2 * y] = ring + int64_t{row % 4} * Conv * Channels;
        pool_row<Channels, Size>(rows, end - 2 * y, Conv, Out, out + int64_t{y} * Out * Channels);
    }
}

// The dot product of 32 weights with a pixel's 32 channels.
inline float dot32(const float *weights, const float *at) noexcept {
    Floats sum = every(0.0F);
    for (int channel = 0; channel < 32; channel += kLanes)
        sum = multiply_add(load(weights + channel), load(at + channel), sum);
    return sum_of_lanes(sum);
}
