// Convolutions of 3 x 3 by Winograd's minimal filtering, F(3 x 3, 3 x 3) with the points 0, 1, -1, 2 and infinity (Lavin and
// Gray, 2016): 25 products for 9 outputs instead of 81. Maps of 9 and of 21 pixels are whole tiles. Included within a
// namespace of its width, after layers.inl.

// B^T d of five inputs side by side; the results are `step` vectors apart.
KFACE_NATIVE_INLINE void transform_input(const Floats *in, Floats *out, int step) noexcept {
    const Floats two = every(2.0F);
    const Floats third = subtract(in[3], in[1]);
    const Floats last = subtract(in[3], in[2]);
    out[0] = multiply_add(two, subtract(in[0], in[2]), third);
    out[step] = multiply_add(every(-2.0F), in[1], last);
    out[2 * step] = multiply_add(two, subtract(in[1], in[2]), last);
    out[3 * step] = third;
    out[4 * step] = multiply_add(every(-2.0F), third, subtract(in[4], in[2]));
}

// A^T m of five products side by side; the three results are `step` vectors apart.
KFACE_NATIVE_INLINE void transform_output(const Floats *in, Floats *out, int step) noexcept {
    const Floats sum = add(in[1], in[2]);
    out[0] = add(add(in[0], sum), in[3]);
    out[step] = multiply_add(every(2.0F), in[3], subtract(in[1], in[2]));
    out[2 * step] = multiply_add(every(4.0F), in[3], add(sum, in[4]));
}

// Floats of memory that convolve_tiles needs.
constexpr int64_t tiles_memory(int stride, int channels, int tiles, int rows) noexcept {
    return int64_t{25} * rows * tiles * (stride + channels);
}

// Transforms the 5 x 5 pixels of a tile from `column` on; place k of its 25 goes to inputs[k * apart].
template <int Stride>
KFACE_NATIVE_INLINE void transform_tile(const float *const (&rows)[5], int64_t column, float *inputs, int64_t apart) noexcept {
    for (int channel = 0; channel < Stride; channel += kLanes) {
        Floats half[25];
        for (int x = 0; x < 5; ++x) {
            Floats values[5];
            for (int y = 0; y < 5; ++y) values[y] = load(rows[y] + (column + x) * Stride + channel);
            transform_input(values, half + x, 5);
        }
        for (int y = 0; y < 5; ++y) {
            Floats values[5];
            transform_input(half + 5 * y, values, 1);
            for (int x = 0; x < 5; ++x) store(inputs + (5 * y + x) * apart + channel, values[x]);
        }
    }
}

// Turns a tile's products into `height` x `width` pixels, at most 3 x 3, with bias and PReLU; rows are `pitch` pixels apart.
template <int Channels>
KFACE_NATIVE_INLINE void finish_tile(const float *products, int64_t apart, const Layer &layer, int height, int width, int64_t pitch,
                        float *out) noexcept {
    const Floats zero = every(0.0F);
    for (int channel = 0; channel < Channels; channel += kLanes) {
        Floats half[15];
        for (int x = 0; x < 5; ++x) {
            Floats values[5];
            for (int y = 0; y < 5; ++y) values[y] = load(products + (5 * y + x) * apart + channel);
            transform_output(values, half + x, 5);
        }
        const Floats bias = load(layer.bias + channel);
        const Floats slopes = load(layer.slopes + channel);
        for (int y = 0; y < 3; ++y) {
            Floats values[3];
            transform_output(half + 5 * y, values, 1);
            for (int x = 0; x < 3; ++x) {
                if (y >= height || x >= width) continue;
                const Floats value = add(values[x], bias);
                store(out + (y * pitch + x) * Channels + channel,
                      multiply_add(slopes, smaller(value, zero), larger(value, zero)));
            }
        }
    }
}

// A convolution with its PReLU over `Out` x `Out` pixels in `Tiles` x `Tiles` tiles of 3 x 3, `Rows` rows of tiles at a time. The
// input has rows of `In` pixels, `Stride` values each, `Inputs` of them real, and 3 * Tiles + 2 rows and columns; where tiles
// reach beyond what is needed it holds any finite numbers. The layer's weights are the transformed ones: 25 times
// `Inputs` rows of `Channels`.
template <int Stride, int Inputs, int Channels, int In, int Out, int Tiles, int Rows>
inline void convolve_tiles(const float *in, const Layer &layer, float *memory, float *out) noexcept {
    static_assert(3 * Tiles + 2 <= In && Tiles % Rows == 0, "the tiles lie within the input");
    constexpr int kTiles = Rows * Tiles;
    float *const inputs = memory;
    float *const products = memory + int64_t{25} * kTiles * Stride;
    for (int begin = 0; begin < Tiles; begin += Rows) {
        for (int tile = 0; tile < kTiles; ++tile) {
            const float *rows[5];
            for (int y = 0; y < 5; ++y) rows[y] = in + int64_t{3 * (begin + tile / Tiles) + y} * In * Stride;
            transform_tile<Stride>(rows, 3 * (tile % Tiles), inputs + tile * Stride, kTiles * Stride);
        }
        for (int place = 0; place < 25; ++place)
            multiply_rows<Stride, Inputs, Channels, kTiles>(inputs + int64_t{place} * kTiles * Stride,
                                                            layer.weights + int64_t{place} * Inputs * Channels,
                                                            products + int64_t{place} * kTiles * Channels);
        for (int tile = 0; tile < kTiles; ++tile) {
            const int top = 3 * (begin + tile / Tiles);
            const int left = 3 * (tile % Tiles);
            finish_tile<Channels>(products + tile * Channels, kTiles * Channels, layer, Out - top, Out - left, Out,
                                  out + (int64_t{top} * Out + left) * Channels);
        }
    }
}

// Tiles of a row that are computed at once, where there are as many.
constexpr int kTilesOfRow = 11;

// `Count` tiles from `first` on: `height` output rows of `width` pixels in all.
template <int Stride, int Channels, int Count>
inline void convolve_some_tiles(const float *const (&rows)[5], int64_t first, const Layer &layer, float *memory, int height,
                                int64_t width, float *out) noexcept {
    float *const products = memory + int64_t{25} * Count * Stride;
    for (int tile = 0; tile < Count; ++tile)
        transform_tile<Stride>(rows, 3 * (first + tile), memory + tile * Stride, Count * Stride);
    for (int place = 0; place < 25; ++place)
        multiply_rows<Stride, Stride, Channels, Count>(memory + int64_t{place} * Count * Stride,
                                                       layer.weights + int64_t{place} * Stride * Channels,
                                                       products + int64_t{place} * Count * Channels);
    for (int tile = 0; tile < Count; ++tile) {
        const int64_t left = 3 * (first + tile);
        finish_tile<Channels>(products + tile * Channels, Count * Channels, layer, height,
                              width - left < 3 ? static_cast<int>(width - left) : 3, width, out + left * Channels);
    }
}

// The same over at most 3 rows of any width: `rows` are five rows of the input, with 3 * tiles + 2 pixels for (width + 2) / 3
// tiles; `memory` has room for tiles_memory(Stride, Channels, kTilesOfRow, 1).
template <int Stride, int Channels>
inline void convolve_tile_row(const float *const (&rows)[5], const Layer &layer, float *memory, int height, int64_t width,
                              float *out) noexcept {
    const int64_t tiles = (width + 2) / 3;
    if (tiles < kTilesOfRow) {
        for (int64_t tile = 0; tile < tiles; ++tile)
            convolve_some_tiles<Stride, Channels, 1>(rows, tile, layer, memory, height, width, out);
        return;
    }
    int64_t tile = 0;
    for (; tile + kTilesOfRow <= tiles; tile += kTilesOfRow)
        convolve_some_tiles<Stride, Channels, kTilesOfRow>(rows, tile, layer, memory, height, width, out);
    // Some of the last ones once more.
    if (tile < tiles)
        convolve_some_tiles<Stride, Channels, kTilesOfRow>(rows, tiles - kTilesOfRow, layer, memory, height, width, out);
}
