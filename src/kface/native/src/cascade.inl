// MTCNN's three networks, from bytes to scores and offsets; only a few rows of any map are in memory. Included within a
// namespace of its width, after layers.inl, area.inl and crop.inl.

// Crops whose dense layers are computed together, so that their weights are read once for all.
constexpr int64_t kTogether = 28;

// Scores of P-Net's windows whose logit is above `least`, in the order of rows and columns, and their offsets.
inline int32_t pnet(const Image &image, int32_t level_height, int32_t level_width, int32_t begin, int32_t end,
                    const float *weights, float least, int32_t *places, float *found, int64_t *count) noexcept {
    *count = 0;
    const int64_t conv_height = level_height - 2;
    const int64_t conv_width = level_width - 2;
    const int64_t pool_width = (conv_width + 1) / 2;
    const int64_t middle_width = pool_width - 2;
    const int64_t out_width = middle_width - 2;
    if (begin >= end) return KFACE_NATIVE_OK;

    const Layer first = next_layer(weights, 27, 16);
    const Layer second = next_layer(weights, 90, 16);
    const Layer third = next_layer(weights, 144, 32);
    const float *const score = weights;         // 32, and the bias
    const float *const offsets = weights + 33;  // 4 times 32, and 4 biases
    const Layer third_tiles = {offsets + 132, third.bias, third.slopes};
    Shrinker shrinker;
    // Rings of 4 rows, and of 8 for the third convolution, whose tiles see 5 rows and up to 2 pixels more than there are.
    const int64_t level_row = 3 * int64_t{level_width};
    const int64_t middle_row = ((out_width + 2) / 3 * 3 + 2) * 16;
    const Array<float> memory =
        make_array<float>(4 * level_row + 2 * conv_width * 16 + 4 * pool_width * 16 + 8 * middle_row + 3 * out_width * 32 +
                          tiles_memory(16, 32, kTilesOfRow, 1));
    if (!memory || !shrinker.open(image, level_height, level_width)) return KFACE_NATIVE_MEMORY;
    float *const level = memory.get();
    float *const conv = level + 4 * level_row;
    float *const pooled = conv + 2 * conv_width * 16;
    float *const middle = pooled + 4 * pool_width * 16;
    float *const last = middle + 8 * middle_row;
    float *const tiles = last + 3 * out_width * 32;
    std::fill(middle, last, 0.0F);

    const Window first_window = {3, 1, 9, 0};
    const Window second_window = {3, 3, 10, 16};
    int64_t level_done = 2 * int64_t{begin};
    int64_t pool_done = begin;
    int64_t middle_done = begin;
    for (int64_t y = begin; y < end; y += 3) {
        const int height = end - y < 3 ? static_cast<int>(end - y) : 3;
        for (; middle_done < y + height + 2; ++middle_done) {
            for (; pool_done < middle_done + 3; ++pool_done) {
                const int rows_of_conv = 2 * pool_done + 1 < conv_height ? 2 : 1;
                for (; level_done < 2 * pool_done + rows_of_conv + 2; ++level_done)
                    shrinker.row(static_cast<int32_t>(level_done), 1, 3, level + level_done % 4 * level_row);
                const float *pool_rows[2];
                for (int row = 0; row < rows_of_conv; ++row) {
                    const float *rows[3];
                    for (int k = 0; k < 3; ++k) rows[k] = level + (2 * pool_done + row + k) % 4 * level_row;
                    convolve_row<3, 16, 0>(first_window, rows, first, conv + row * conv_width * 16, conv_width);
                    pool_rows[row] = conv + row * conv_width * 16;
                }
                pool_row<16, 2>(pool_rows, rows_of_conv, conv_width, pool_width, pooled + pool_done % 4 * pool_width * 16);
            }
            const float *rows[3];
            for (int k = 0; k < 3; ++k) rows[k] = pooled + (middle_done + k) % 4 * pool_width * 16;
            convolve_row<16, 16, 0>(second_window, rows, second, middle + middle_done % 8 * middle_row, middle_width);
        }
        const float *rows[5];
        for (int k = 0; k < 5; ++k) rows[k] = middle + (y + k) % 8 * middle_row;
        convolve_tile_row<16, 32>(rows, third_tiles, tiles, height, out_width, last);
        for (int64_t place = 0; place < height * out_width; ++place) {
            const float *const at = last + place * 32;
            const float logit = dot32(score, at) + score[32];
            // A NaN is found, and seen.
            if (logit <= least) continue;
            places[*count] = static_cast<int32_t>(y * out_width + place);
            float *const values = found + 5 * *count;
            values[0] = logit;
            for (int k = 0; k < 4; ++k) values[1 + k] = dot32(offsets + 32 * k, at) + offsets[128 + k];
            ++*count;
        }
    }
    return KFACE_NATIVE_OK;
}

// R-Net on boxes of an image: 16 outputs each, the logit, then 4 offsets.
inline int32_t rnet(const Image &image, const double *boxes, int64_t count, const float *weights, float *outputs) noexcept {
    const Layer first = next_layer(weights, 27, 32);
    const Layer second = next_layer(weights, 252, 48);
    const Layer third = next_layer(weights, 192, 64);
    const Layer dense = next_layer(weights, 576, 128);
    const Layer heads = next_layer(weights, 128, 16);
    const Layer second_tiles = {weights, second.bias, second.slopes};
    constexpr int kFlat = 576;
    constexpr int64_t kCrop = 24 * 24 * 3 + 1;
    constexpr int64_t kRing = 4 * 22 * 32;
    constexpr int64_t kPooled = 11 * 11 * 32;
    constexpr int64_t kSecond = 9 * 9 * 48;
    constexpr int64_t kPooledTwice = 4 * 4 * 48;
    constexpr int64_t kTiles = tiles_memory(32, 48, 3, 3);
    const Array<float> memory = make_array<float>(kCrop + kRing + kPooled + kSecond + kPooledTwice + kTiles +
                                                  kTogether * int64_t{kFlat + 128});
    if (!memory) return KFACE_NATIVE_MEMORY;
    float *const pixels = memory.get();
    float *const ring = pixels + kCrop;
    float *const pooled = ring + kRing;
    float *const convolved = pooled + kPooled;
    float *const pooled_twice = convolved + kSecond;
    float *const tiles = pooled_twice + kPooledTwice;
    float *const flat = tiles + kTiles;
    float *const hidden = flat + kTogether * kFlat;
    Sample samples[2][24];
    for (int64_t begin = 0; begin < count; begin += kTogether) {
        const int64_t some = count - begin < kTogether ? count - begin : kTogether;
        for (int64_t index = 0; index < some; ++index) {
            crop<true>(image, boxes + 4 * (begin + index), 24, samples[0], samples[1], pixels);
            convolve_and_pool<3, 32, 24, 22, 3, 11>({3, 1, 9, 0}, pixels, first, ring, pooled);
            convolve_tiles<32, 28, 48, 11, 9, 3, 3>(pooled, second_tiles, tiles, convolved);
            pool<48, 9, 3, 4, 4>(convolved, pooled_twice);
            convolve<48, 64, 4, 3>({2, 1, 96, 0}, pooled_twice, third, flat + index * kFlat);
        }
        const float *const flats[1] = {flat};
        const float *const hiddens[1] = {hidden};
        convolve_row<kFlat, 128, 0>({1, 1, kFlat, 0}, flats, dense, hidden, some);
        convolve_row<128, 16, 0>({1, 1, 128, 0}, hiddens, heads, outputs + 16 * begin, some);
    }
    return KFACE_NATIVE_OK;
}

// O-Net on boxes of an image: 16 outputs each, the logit, 4 offsets, then 10 coordinates of landmarks.
inline int32_t onet(const Image &image, const double *boxes, int64_t count, const float *weights, float *outputs) noexcept {
    const Layer first = next_layer(weights, 27, 32);
    const Layer second = next_layer(weights, 288, 64);
    const Layer third = next_layer(weights, 576, 64);
    const Layer fourth = next_layer(weights, 256, 128);
    const Layer dense = next_layer(weights, 1152, 256);
    const Layer heads = next_layer(weights, 256, 16);
    const Layer second_tiles = {weights, second.bias, second.slopes};
    const Layer third_tiles = {weights + 25 * 32 * 64, third.bias, third.slopes};
    constexpr int kFlat = 1152;
    constexpr int64_t kCrop = 48 * 48 * 3 + 1;
    constexpr int64_t kRing = 4 * 46 * 32;
    constexpr int64_t kPooled = 23 * 23 * 32;
    constexpr int64_t kConvolved = 21 * 21 * 64;
    // A row and a column more, as three tiles of 3 reach one pixel beyond the map's 8.
    constexpr int64_t kPooledTwice = 11 * 11 * 64;
    constexpr int64_t kPooledThrice = 4 * 4 * 64;
    constexpr int64_t kTiles = tiles_memory(64, 64, 3, 3);
    static_assert(kTiles >= tiles_memory(32, 64, 7, 1), "memory for both");
    const Array<float> memory = make_array<float>(kCrop + kRing + kPooled + kConvolved + kPooledTwice + kPooledThrice +
                                                  kTiles + kTogether * int64_t{kFlat + 256});
    if (!memory) return KFACE_NATIVE_MEMORY;
    float *const pixels = memory.get();
    float *const ring = pixels + kCrop;
    float *const pooled = ring + kRing;
    float *const convolved = pooled + kPooled;
    float *const pooled_twice = convolved + kConvolved;
    float *const pooled_thrice = pooled_twice + kPooledTwice;
    float *const tiles = pooled_thrice + kPooledThrice;
    float *const flat = tiles + kTiles;
    float *const hidden = flat + kTogether * kFlat;
    std::fill(pooled_twice, pooled_twice + kPooledTwice, 0.0F);
    Sample samples[2][48];
    for (int64_t begin = 0; begin < count; begin += kTogether) {
        const int64_t some = count - begin < kTogether ? count - begin : kTogether;
        for (int64_t index = 0; index < some; ++index) {
            crop<true>(image, boxes + 4 * (begin + index), 48, samples[0], samples[1], pixels);
            convolve_and_pool<3, 32, 48, 46, 3, 23>({3, 1, 9, 0}, pixels, first, ring, pooled);
            convolve_tiles<32, 32, 64, 23, 21, 7, 1>(pooled, second_tiles, tiles, convolved);
            pool<64, 21, 3, 10, 11>(convolved, pooled_twice);
            convolve_tiles<64, 64, 64, 11, 8, 3, 3>(pooled_twice, third_tiles, tiles, convolved);
            pool<64, 8, 2, 4, 4>(convolved, pooled_thrice);
            convolve<64, 128, 4, 3>({2, 1, 128, 0}, pooled_thrice, fourth, flat + index * kFlat);
        }
        const float *const flats[1] = {flat};
        const float *const hiddens[1] = {hidden};
        convolve_row<kFlat, 256, 0>({1, 1, kFlat, 0}, flats, dense, hidden, some);
        convolve_row<256, 16, 0>({1, 1, 256, 0}, hiddens, heads, outputs + 16 * begin, some);
    }
    return KFACE_NATIVE_OK;
}
