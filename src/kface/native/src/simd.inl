// Vectors of floats, in the width for which the including file is compiled: KFACE_SIMD is 512 (AVX-512), 256 (AVX2 and FMA),
// or 128 for what every processor of its kind has: NEON on 64-bit ARM, SSE2 on x86-64, and loops elsewhere.
// Included within a namespace of that width.
#if KFACE_SIMD == 512

using Floats = __m512;
constexpr int kLanes = 16;
// Vectors of channels that are computed at once, at most; and pixels, for each number of vectors: both fill the registers.
constexpr int kMostVectors = 4;
constexpr int most_pixels(int vectors) noexcept { return vectors == 1 ? 14 : vectors == 2 ? 11 : vectors == 3 ? 9 : 7; }
inline Floats load(const float *at) noexcept { return _mm512_loadu_ps(at); }
inline void store(float *at, Floats value) noexcept { _mm512_storeu_ps(at, value); }
inline Floats every(float value) noexcept { return _mm512_set1_ps(value); }
inline Floats multiply_add(Floats a, Floats b, Floats sum) noexcept { return _mm512_fmadd_ps(a, b, sum); }
inline Floats add(Floats a, Floats b) noexcept { return _mm512_add_ps(a, b); }
inline Floats subtract(Floats a, Floats b) noexcept { return _mm512_sub_ps(a, b); }
inline Floats larger(Floats a, Floats b) noexcept { return _mm512_max_ps(a, b); }
inline Floats smaller(Floats a, Floats b) noexcept { return _mm512_min_ps(a, b); }
inline float sum_of_lanes(Floats value) noexcept { return _mm512_reduce_add_ps(value); }

#elif KFACE_SIMD == 256

using Floats = __m256;
constexpr int kLanes = 8;
constexpr int kMostVectors = 2;
constexpr int most_pixels(int) noexcept { return 6; }
inline Floats load(const float *at) noexcept { return _mm256_loadu_ps(at); }
inline void store(float *at, Floats value) noexcept { _mm256_storeu_ps(at, value); }
inline Floats every(float value) noexcept { return _mm256_set1_ps(value); }
inline Floats multiply_add(Floats a, Floats b, Floats sum) noexcept { return _mm256_fmadd_ps(a, b, sum); }
inline Floats add(Floats a, Floats b) noexcept { return _mm256_add_ps(a, b); }
inline Floats subtract(Floats a, Floats b) noexcept { return _mm256_sub_ps(a, b); }
inline Floats larger(Floats a, Floats b) noexcept { return _mm256_max_ps(a, b); }
inline Floats smaller(Floats a, Floats b) noexcept { return _mm256_min_ps(a, b); }
inline float sum_of_lanes(Floats value) noexcept {
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(value), _mm256_extractf128_ps(value, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

#elif defined(__aarch64__)

using Floats = float32x4_t;
constexpr int kLanes = 4;
constexpr int kMostVectors = 4;
constexpr int most_pixels(int) noexcept { return 6; }
inline Floats load(const float *at) noexcept { return vld1q_f32(at); }
inline void store(float *at, Floats value) noexcept { vst1q_f32(at, value); }
inline Floats every(float value) noexcept { return vdupq_n_f32(value); }
inline Floats multiply_add(Floats a, Floats b, Floats sum) noexcept { return vfmaq_f32(sum, a, b); }
inline Floats add(Floats a, Floats b) noexcept { return vaddq_f32(a, b); }
inline Floats subtract(Floats a, Floats b) noexcept { return vsubq_f32(a, b); }
inline Floats larger(Floats a, Floats b) noexcept { return vmaxq_f32(a, b); }
inline Floats smaller(Floats a, Floats b) noexcept { return vminq_f32(a, b); }
inline float sum_of_lanes(Floats value) noexcept { return vaddvq_f32(value); }

#elif defined(__x86_64__) || defined(_M_X64)

using Floats = __m128;
constexpr int kLanes = 4;
constexpr int kMostVectors = 4;
constexpr int most_pixels(int) noexcept { return 3; }
inline Floats load(const float *at) noexcept { return _mm_loadu_ps(at); }
inline void store(float *at, Floats value) noexcept { _mm_storeu_ps(at, value); }
inline Floats every(float value) noexcept { return _mm_set1_ps(value); }
inline Floats multiply_add(Floats a, Floats b, Floats sum) noexcept { return _mm_add_ps(_mm_mul_ps(a, b), sum); }
inline Floats add(Floats a, Floats b) noexcept { return _mm_add_ps(a, b); }
inline Floats subtract(Floats a, Floats b) noexcept { return _mm_sub_ps(a, b); }
inline Floats larger(Floats a, Floats b) noexcept { return _mm_max_ps(a, b); }
inline Floats smaller(Floats a, Floats b) noexcept { return _mm_min_ps(a, b); }
inline float sum_of_lanes(Floats value) noexcept {
    const __m128 two = _mm_add_ps(value, _mm_movehl_ps(value, value));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

#else

struct Floats {
    float lanes[4];
};
constexpr int kLanes = 4;
constexpr int kMostVectors = 4;
constexpr int most_pixels(int) noexcept { return 3; }
inline Floats load(const float *at) noexcept { return {{at[0], at[1], at[2], at[3]}}; }
inline void store(float *at, Floats value) noexcept {
    for (int lane = 0; lane < 4; ++lane) at[lane] = value.lanes[lane];
}
inline Floats every(float value) noexcept { return {{value, value, value, value}}; }
inline Floats multiply_add(Floats a, Floats b, Floats sum) noexcept {
    for (int lane = 0; lane < 4; ++lane) sum.lanes[lane] += a.lanes[lane] * b.lanes[lane];
    return sum;
}
inline Floats add(Floats a, Floats b) noexcept {
    for (int lane = 0; lane < 4; ++lane) a.lanes[lane] += b.lanes[lane];
    return a;
}
inline Floats subtract(Floats a, Floats b) noexcept {
    for (int lane = 0; lane < 4; ++lane) a.lanes[lane] -= b.lanes[lane];
    return a;
}
inline Floats larger(Floats a, Floats b) noexcept {
    for (int lane = 0; lane < 4; ++lane) a.lanes[lane] = a.lanes[lane] > b.lanes[lane] ? a.lanes[lane] : b.lanes[lane];
    return a;
}
inline Floats smaller(Floats a, Floats b) noexcept {
    for (int lane = 0; lane < 4; ++lane) a.lanes[lane] = a.lanes[lane] < b.lanes[lane] ? a.lanes[lane] : b.lanes[lane];
    return a;
}
inline float sum_of_lanes(Floats value) noexcept {
    return (value.lanes[0] + value.lanes[2]) + (value.lanes[1] + value.lanes[3]);
}

#endif

// Four floats, such as a pixel and its neighbour's first colour: the same operations in every variant, none of them fused.
#if defined(__aarch64__)

using Four = float32x4_t;
inline Four four(float value) noexcept { return vdupq_n_f32(value); }
inline Four four_bytes(uint32_t bytes) noexcept {
    return vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(bytes)))));
}
inline Four load_four(const float *at) noexcept { return vld1q_f32(at); }
inline void store_four(float *at, Four value) noexcept { vst1q_f32(at, value); }
inline Four plus(Four a, Four b) noexcept { return vaddq_f32(a, b); }
inline Four minus(Four a, Four b) noexcept { return vsubq_f32(a, b); }
inline Four times(Four a, Four b) noexcept { return vmulq_f32(a, b); }

#elif defined(__x86_64__) || defined(_M_X64)

using Four = __m128;
inline Four four(float value) noexcept { return _mm_set1_ps(value); }
inline Four four_bytes(uint32_t bytes) noexcept {
    const __m128i zero = _mm_setzero_si128();
    const __m128i narrow = _mm_cvtsi32_si128(static_cast<int>(bytes));
    return _mm_cvtepi32_ps(_mm_unpacklo_epi16(_mm_unpacklo_epi8(narrow, zero), zero));
}
inline Four load_four(const float *at) noexcept { return _mm_loadu_ps(at); }
inline void store_four(float *at, Four value) noexcept { _mm_storeu_ps(at, value); }
inline Four plus(Four a, Four b) noexcept { return _mm_add_ps(a, b); }
inline Four minus(Four a, Four b) noexcept { return _mm_sub_ps(a, b); }
inline Four times(Four a, Four b) noexcept { return _mm_mul_ps(a, b); }

#else

struct Four {
    float lanes[4];
};
inline Four four(float value) noexcept { return {{value, value, value, value}}; }
inline Four four_bytes(uint32_t bytes) noexcept {
    return {{static_cast<float>(bytes & 255), static_cast<float>(bytes >> 8 & 255), static_cast<float>(bytes >> 16 & 255),
             static_cast<float>(bytes >> 24)}};
}
inline Four load_four(const float *at) noexcept { return {{at[0], at[1], at[2], at[3]}}; }
inline void store_four(float *at, Four value) noexcept {
    for (int lane = 0; lane < 4; ++lane) at[lane] = value.lanes[lane];
}
inline Four plus(Four a, Four b) noexcept {
    for (int lane = 0; lane < 4; ++lane) a.lanes[lane] += b.lanes[lane];
    return a;
}
inline Four minus(Four a, Four b) noexcept {
    for (int lane = 0; lane < 4; ++lane) a.lanes[lane] -= b.lanes[lane];
    return a;
}
inline Four times(Four a, Four b) noexcept {
    for (int lane = 0; lane < 4; ++lane) a.lanes[lane] *= b.lanes[lane];
    return a;
}

#endif
