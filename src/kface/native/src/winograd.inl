// Convolutions of 3 x 3 by Winograd's minimal filtering, F(3 x 3, 3 x 3) with the points 0, 1, -1, 2 and infinity (Lavin and
// Gray, 2016): 25 products for 9 outputs instead of 81. Maps of 9 and of 21 pixels are whole tiles. Included within a
// namespace of its width, after layers.inl.

// B^T d: five inputs, `step` vectors apart.
KFACE_NATIVE_INLINE void transform_input(const Floats *in, int step, Floats *out) noexcept {
    const Floats two = every(2.0F);
    const Floats third = subtract(in[3 * step], in[step]);
    const Floats last = subtract(in[3 * step], in[2 * step]);
    out[0] = multiply_add(two, subtract(in[0], in[2 * step]), third);
    out[step] = multiply_add(every(-2.0F), in[step], last);
    out[2 * step] = multiply_add(two, subtract(in[step], in[2 * step]), last);
    out[3 * step] = third;
    out[4 * step] = multiply_add(every(-2.0F), third, subtract(in[4 * step], in[2 * step]));
}

// A^T m: three outputs of five products, `step` vectors apart.
KFACE_NATIVE_INLINE void transform_output(const Floats *in, int step, Floats *out) noexcept {
    const Floats sum = add(in[step], in[2 * step]);
    out[0] = add(add(in[0], sum), in[3 * step]);
    out[step] = multiply_add(every(2.0F), in[3 * step], subtract(in[step], in[2 * step]));
    out[2 * step] = multiply_add(every(4.0F), in[3 * step], add(sum, in[4 * step]));
}

// Floats of memory that convolve_tiles needs.
constexpr int64_t tiles_memory(int stride, int channels, int tiles, int rows) noexcept {
    return int64_t{25} * rows * tiles * (stride + channels);
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
            const float *corner = in + (int64_t{3} * (begin + tile / Tiles) * In + 3 * (tile % Tiles)) * Stride;
            for (int channel = 0; channel < Stride; channel += kLanes) {
                Floats values[25];
                Floats half[25];
                for (int y = 0; y < 5; ++y)
                    for (int x = 0; x < 5; ++x) values[5 * y + x] = load(corner + (int64_t{y} * In + x) * Stride + channel);
                for (int x = 0; x < 5; ++x) transform_input(values + x, 5, half + x);
                for (int y = 0; y < 5; ++y) transform_input(half + 5 * y, 1, values + 5 * y);
                for (int place = 0; place < 25; ++place)
                    store(inputs + (int64_t{place} * kTiles + tile) * Stride + channel, values[place]);
            }
        }
        for (int place = 0; place < 25; ++place)
            multiply_rows<Stride, Inputs, Channels, kTiles>(inputs + int64_t{place} * kTiles * Stride,
                                                            layer.weights + int64_t{place} * Inputs * Channels,
                                                            products + int64_t{place} * kTiles * Channels);
        const Floats zero = every(0.0F);
        for (int tile = 0; tile < kTiles; ++tile) {
            const int top = 3 * (begin + tile / Tiles);
            const int left = 3 * (tile % Tiles);
            for (int channel = 0; channel < Channels; channel += kLanes) {
                Floats values[25];
                Floats half[15];
                Floats found[9];
                for (int place = 0; place < 25; ++place)
                    values[place] = load(products + (int64_t{place} * kTiles + tile) * Channels + channel);
                for (int x = 0; x < 5; ++x) transform_output(values + x, 5, half + x);
                for (int y = 0; y < 3; ++y) transform_output(half + 5 * y, 1, found + 3 * y);
                const Floats bias = load(layer.bias + channel);
                const Floats slopes = load(layer.slopes + channel);
                for (int y = 0; y < 3 && top + y < Out; ++y)
                    for (int x = 0; x < 3 && left + x < Out; ++x) {
                        const Floats value = add(found[3 * y + x], bias);
                        store(out + (int64_t{top + y} * Out + left + x) * Channels + channel,
                              multiply_add(slopes, smaller(value, zero), larger(value, zero)));
                    }
            }
        }
    }
}
