// Which rows of a large matrix of bytes the best matches of several probes are among, for sure: one pass over the matrix for all
// probes. Products of bytes are whole numbers; how far a score can be from what they say is known for every row.
#include <algorithm>
#include <limits>

#include "checks.h"

// GCC on Windows does not align the stack for wide registers (its bug 54412): plain code there.
#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__) && !defined(_WIN32)
#define KFACE_NATIVE_X86 1
#include <immintrin.h>
#endif

namespace kface_native {
namespace {

// Probes that are multiplied at once, rows of a block (32 KiB of 512 bytes each), and of what a length is a multiple.
constexpr int32_t kProbes = 8;
constexpr int64_t kBlock = 64;
constexpr int32_t kWide = 64;
constexpr float kNone = -std::numeric_limits<float>::infinity();

// Multiplies `rows` rows of bytes with kProbes probes: sum of (code - 128) * probe, a row's products side by side.
using Multiply = void (*)(const uint8_t *codes, int64_t rows, int32_t length, const int8_t *probes, int32_t *products);

void multiply_plain(const uint8_t *codes, int64_t rows, int32_t length, const int8_t *probes, int32_t *products) {
    for (int64_t row = 0; row < rows; ++row, codes += length) {
        for (int32_t probe = 0; probe < kProbes; ++probe) {
            const int8_t *other = probes + static_cast<int64_t>(probe) * length;
            int32_t sum = 0;
            for (int32_t i = 0; i < length; ++i)
                sum += static_cast<int16_t>(codes[i] - 128) * static_cast<int16_t>(other[i]);
            products[row * kProbes + probe] = sum;
        }
    }
}

#ifdef KFACE_NATIVE_X86
__attribute__((target("avx2"))) void multiply_avx2(const uint8_t *codes, int64_t rows, int32_t length,
                                                   const int8_t *probes, int32_t *products) {
    const __m256i middle = _mm256_set1_epi8(static_cast<char>(0x80));
    const __m256i ones = _mm256_set1_epi16(1);
    for (int64_t row = 0; row < rows; ++row, codes += length) {
        __m256i sums[kProbes];
        for (auto &sum : sums) sum = _mm256_setzero_si256();
        for (int32_t i = 0; i < length; i += 32) {
            const __m256i code =
                _mm256_xor_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(codes + i)), middle);
            const __m256i size = _mm256_abs_epi8(code);
            for (int32_t probe = 0; probe < kProbes; ++probe) {
                const __m256i other = _mm256_loadu_si256(
                    reinterpret_cast<const __m256i *>(probes + static_cast<int64_t>(probe) * length + i));
                // Two products of at most 128 * 127 fit 16 bits.
                const __m256i pairs = _mm256_maddubs_epi16(size, _mm256_sign_epi8(other, code));
                sums[probe] = _mm256_add_epi32(sums[probe], _mm256_madd_epi16(pairs, ones));
            }
        }
        __m256i four[2];
        for (int32_t half = 0; half < 2; ++half)
            four[half] = _mm256_hadd_epi32(_mm256_hadd_epi32(sums[4 * half], sums[4 * half + 1]),
                                           _mm256_hadd_epi32(sums[4 * half + 2], sums[4 * half + 3]));
        const __m256i all = _mm256_add_epi32(_mm256_permute2x128_si256(four[0], four[1], 0x20),
                                             _mm256_permute2x128_si256(four[0], four[1], 0x31));
        _mm256_storeu_si256(reinterpret_cast<__m256i *>(products + row * kProbes), all);
    }
}
#endif

Multiply choose(bool plain) noexcept {
#ifdef KFACE_NATIVE_X86
    __builtin_cpu_init();
    if (!plain && __builtin_cpu_supports("avx2")) return multiply_avx2;
#endif
    (void)plain;
    return multiply_plain;
}

// What one probe has found up to now.
struct Search {
    float *best;   // a heap of the k largest of all people's largest lower bounds, the least of them first
    int32_t size;  // how many there are yet
    int32_t owner;  // whose rows are being looked at
    float owner_best;
    float least;  // rows that may score less are not among the best; -infinity up to the k-th person
    int64_t count;  // rows found; -1: too many
};

void finish_owner(Search *search, int32_t k) noexcept {
    if (search->owner_best == kNone) return;
    const auto greater = [](float a, float b) { return a > b; };
    if (search->size < k) {
        search->best[search->size++] = search->owner_best;
        std::push_heap(search->best, search->best + search->size, greater);
    } else if (search->owner_best > search->best[0]) {
        std::pop_heap(search->best, search->best + k, greater);
        search->best[k - 1] = search->owner_best;
        std::push_heap(search->best, search->best + k, greater);
    }
    if (search->size == k) search->least = search->best[0];
    search->owner_best = kNone;
}

// Drop what has turned out to be too far away.
void prune(Search *search, int64_t *rows, float *lower, float *upper) noexcept {
    int64_t kept = 0;
    for (int64_t i = 0; i < search->count; ++i) {
        if (upper[i] < search->least) continue;
        rows[kept] = rows[i];
        lower[kept] = lower[i];
        upper[kept++] = upper[i];
    }
    search->count = kept;
}

}  // namespace
}  // namespace kface_native

extern "C" int32_t kface_native_near_rows(const uint8_t *codes, int64_t rows, int32_t length, const float *bounds,
                                          int64_t bounds_stride, const int32_t *owners, const int8_t *probes,
                                          const float *probe_bounds, int32_t probe_count, int32_t k, int32_t plain,
                                          int64_t room, int64_t *found, float *lower, float *upper, int64_t *counts) {
    using namespace kface_native;
    int32_t wrong = check_rows(codes, rows);
    if (wrong == KFACE_NATIVE_OK) wrong = check_rows(bounds, rows);
    if (wrong == KFACE_NATIVE_OK) wrong = check_rows(owners, rows);
    if (wrong == KFACE_NATIVE_OK) wrong = check_rows(probes, probe_count);
    if (wrong != KFACE_NATIVE_OK) return wrong;
    if (length < kWide || length % kWide != 0 || length > KFACE_NATIVE_MAX_CODES) return KFACE_NATIVE_RANGE;
    if (k < 1 || k > KFACE_NATIVE_MAX_NEAR || room < 2 || room > KFACE_NATIVE_MAX_ROWS || bounds_stride < rows)
        return KFACE_NATIVE_RANGE;
    if (probe_count == 0) return KFACE_NATIVE_OK;
    if (probe_bounds == nullptr || found == nullptr || lower == nullptr || upper == nullptr || counts == nullptr)
        return KFACE_NATIVE_NULL;
    const int32_t groups = (probe_count + kProbes - 1) / kProbes;
    const int32_t padded = groups * kProbes;
    const Array<Search> searches = make_array<Search>(padded);
    const Array<float> heaps = make_array<float>(int64_t{padded} * k);
    const Array<int8_t> packed = make_array<int8_t>(int64_t{padded} * length);
    // Scale, error and length of each probe, and from where on a row is of interest: a group's side by side.
    const Array<float> sides = make_array<float>(int64_t{4} * padded);
    if (!searches || !heaps || !packed || !sides) return KFACE_NATIVE_MEMORY;
    for (int32_t probe = 0; probe < padded; ++probe) {
        const bool real = probe < probe_count;
        for (int32_t i = 0; i < length; ++i)
            packed[int64_t{probe} * length + i] = real ? probes[int64_t{probe} * length + i] : int8_t{0};
        float *const side = sides.get() + int64_t{probe / kProbes} * 4 * kProbes + probe % kProbes;
        for (int32_t i = 0; i < 3; ++i) side[i * kProbes] = real ? probe_bounds[int64_t{i} * probe_count + probe] : 0.0f;
        // Nothing is as much as that: a probe that only fills its group finds nothing.
        side[3 * kProbes] = real ? kNone : std::numeric_limits<float>::infinity();
        searches[probe] = Search{heaps.get() + int64_t{probe} * k, 0, -1, kNone, kNone, 0};
    }
    const float *const scales = bounds;
    const float *const norms = bounds + bounds_stride;
    const float *const errors = bounds + 2 * bounds_stride;
    const Multiply multiply = choose(plain != 0);
    alignas(64) int32_t products[kBlock * kProbes];
    for (int64_t begin = 0; begin < rows; begin += kBlock) {
        const int64_t count = std::min(kBlock, rows - begin);
        for (int32_t group = 0; group < groups; ++group) {
            multiply(codes + begin * length, count, length, packed.get() + int64_t{group} * kProbes * length,
                     products);
            float *const side = sides.get() + int64_t{group} * 4 * kProbes;
            float *const least = side + 3 * kProbes;
            for (int64_t row = 0; row < count; ++row) {
                const int64_t at = begin + row;
                float middle[kProbes];
                float off[kProbes];
                int32_t any = 0;
                for (int32_t i = 0; i < kProbes; ++i) {
                    middle[i] = static_cast<float>(products[row * kProbes + i]) * (scales[at] * side[i]);
                    off[i] = norms[at] * side[kProbes + i] + errors[at] * side[2 * kProbes + i];
                    any |= middle[i] + off[i] >= least[i];
                }
                if (!any) continue;
                for (int32_t i = 0; i < kProbes; ++i) {
                    const float up = middle[i] + off[i];
                    if (!(up >= least[i])) continue;
                    const int32_t probe = group * kProbes + i;
                    Search *const search = &searches[probe];
                    const int64_t place = int64_t{probe} * room;
                    if (search->owner != owners[at]) {
                        finish_owner(search, k);
                        search->owner = owners[at];
                        least[i] = search->least;
                        if (up < search->least) continue;
                    }
                    const float low = middle[i] - off[i];
                    if (low > search->owner_best) {
                        search->owner_best = low;
                        // With all the others this one is the k-th, although not all of its rows are known.
                        if (search->size == k - 1) {
                            search->least = k == 1 ? low : std::min(search->best[0], low);
                            least[i] = search->least;
                        }
                    }
                    if (search->count == room) {
                        prune(search, found + place, lower + place, upper + place);
                        // It would be pruned again and again.
                        if (search->count > room / 4 * 3 || search->count == room) {
                            search->count = -1;
                            least[i] = std::numeric_limits<float>::infinity();
                            continue;
                        }
                    }
                    found[place + search->count] = at;
                    lower[place + search->count] = low;
                    upper[place + search->count++] = up;
                }
            }
        }
    }
    for (int32_t probe = 0; probe < probe_count; ++probe) {
        Search *const search = &searches[probe];
        if (search->count >= 0) {
            finish_owner(search, k);
            const int64_t place = int64_t{probe} * room;
            prune(search, found + place, lower + place, upper + place);
        }
        counts[probe] = search->count;
    }
    return KFACE_NATIVE_OK;
}
