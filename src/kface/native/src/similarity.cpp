// Dot products and cosines of embeddings. The product of two floats is exact in double precision, and every sum runs from the
// first element to the last: a cosine is the same number whether it is computed alone or among millions, on any machine.
#include <algorithm>
#include <cmath>

#include "checks.h"

namespace kface_native {
namespace {

// Rows of the second matrix that are multiplied at once, and how many of them are laid out for it at a time.
constexpr int64_t kWide = 8;
constexpr int64_t kPanelRows = 64;

double dot(const float *first, const float *second, int32_t length) noexcept {
    double sum = 0.0;
    for (int32_t i = 0; i < length; ++i) sum += static_cast<double>(first[i]) * second[i];
    return sum;
}

// `first` and `second` are lengths, that is, square roots of sums of squares.
double cosine(double product, double first, double second) noexcept {
    const double both = first * second;
    // Zeros have no direction. NaN is not 0 and goes on.
    if (both == 0.0) return 0.0;
    const double value = product / both;
    return value > 1.0 ? 1.0 : value < -1.0 ? -1.0 : value;
}

// The dot products of two rows with kWide columns of a panel, which holds element k of all its columns side by side.
void multiply(const float *first, const float *second, const double *panel, int32_t length, double *sums_of_first,
              double *sums_of_second) noexcept {
    double upper[kWide] = {};
    double lower[kWide] = {};
    for (int32_t k = 0; k < length; ++k) {
        const double a = first[k];
        const double b = second[k];
        const double *column = panel + k * kWide;
        for (int64_t j = 0; j < kWide; ++j) {
            upper[j] += a * column[j];
            lower[j] += b * column[j];
        }
    }
    std::copy(upper, upper + kWide, sums_of_first);
    std::copy(lower, lower + kWide, sums_of_second);
}

// Lay rows of the second matrix out in panels of kWide; what a last panel lacks is 0.
void lay_out(const float *rows, int64_t count, int32_t length, double *panels) noexcept {
    for (int64_t begin = 0; begin < count; begin += kWide) {
        double *panel = panels + begin * length;
        for (int64_t j = 0; j < kWide; ++j)
            for (int32_t k = 0; k < length; ++k)
                panel[k * kWide + j] = begin + j < count ? rows[(begin + j) * length + k] : 0.0;
    }
}

}  // namespace
}  // namespace kface_native

extern "C" int32_t kface_native_dot(const float *first, const float *second, int32_t length, double *dot) {
    if (first == nullptr || second == nullptr || dot == nullptr) return KFACE_NATIVE_NULL;
    if (length < 1 || length > KFACE_NATIVE_MAX_LENGTH) return KFACE_NATIVE_RANGE;
    *dot = kface_native::dot(first, second, length);
    return KFACE_NATIVE_OK;
}

extern "C" int32_t kface_native_cosine(const float *first, const float *second, int32_t length, double *cosine) {
    using kface_native::dot;
    if (first == nullptr || second == nullptr || cosine == nullptr) return KFACE_NATIVE_NULL;
    if (length < 1 || length > KFACE_NATIVE_MAX_LENGTH) return KFACE_NATIVE_RANGE;
    *cosine = kface_native::cosine(dot(first, second, length), std::sqrt(dot(first, first, length)),
                                   std::sqrt(dot(second, second, length)));
    return KFACE_NATIVE_OK;
}

extern "C" int32_t kface_native_cosines(const float *first, int64_t first_rows, const float *second, int64_t second_rows,
                                        int32_t length, double *cosines) {
    using namespace kface_native;
    int32_t wrong = check_rows(first, first_rows);
    if (wrong == KFACE_NATIVE_OK) wrong = check_rows(second, second_rows);
    if (wrong == KFACE_NATIVE_OK) wrong = check_rows(cosines, std::min(first_rows, second_rows));
    if (wrong != KFACE_NATIVE_OK) return wrong;
    if (length < 1 || length > KFACE_NATIVE_MAX_LENGTH) return KFACE_NATIVE_RANGE;
    if (first_rows == 0 || second_rows == 0) return KFACE_NATIVE_OK;
    const int64_t panel_rows = std::min(kPanelRows, (second_rows + kWide - 1) / kWide * kWide);
    const Array<double> lengths = make_array<double>(first_rows + second_rows);
    const Array<double> panels = make_array<double>(panel_rows * length);
    if (!lengths || !panels) return KFACE_NATIVE_MEMORY;
    double *const first_lengths = lengths.get();
    double *const second_lengths = first_lengths + first_rows;
    for (int64_t i = 0; i < first_rows; ++i)
        first_lengths[i] = std::sqrt(dot(first + i * length, first + i * length, length));
    for (int64_t j = 0; j < second_rows; ++j)
        second_lengths[j] = std::sqrt(dot(second + j * length, second + j * length, length));
    for (int64_t begin = 0; begin < second_rows; begin += panel_rows) {
        const int64_t count = std::min(panel_rows, second_rows - begin);
        lay_out(second + begin * length, count, length, panels.get());
        for (int64_t i = 0; i < first_rows; i += 2) {
            const int64_t next = i + 1 < first_rows ? i + 1 : i;
            for (int64_t column = 0; column < count; column += kWide) {
                double sums[2][kWide];
                multiply(first + i * length, first + next * length, panels.get() + column * length, length, sums[0],
                         sums[1]);
                const int64_t wide = std::min(kWide, count - column);
                for (int64_t row = i; row <= next; ++row)
                    for (int64_t j = 0; j < wide; ++j)
                        cosines[row * second_rows + begin + column + j] =
                            cosine(sums[row - i][j], first_lengths[row], second_lengths[begin + column + j]);
            }
        }
    }
    return KFACE_NATIVE_OK;
}
