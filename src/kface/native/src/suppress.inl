// The reference's suppression of overlapping boxes in one pass, with memory for the boxes alone. Each box is compared with
// those before it, a block at a time, until one overlaps it: most die early, and a block that shares nothing divides nothing. Included within
// a namespace of its width; the values are the same in all.

constexpr int64_t kBlock = 32;

// Where no coordinate is larger, nothing on the way overflows and nothing becomes NaN.
constexpr double kOrdinary = 1e150;

// NumPy's minimum and maximum, which are NaN where one of the two is; processors' own, which compilers vectorise, are not.
template <bool Ordinary>
inline double least(double a, double b) noexcept {
    return a < b || (!Ordinary && std::isnan(a)) ? a : b;
}
template <bool Ordinary>
inline double most(double a, double b) noexcept {
    return a > b || (!Ordinary && std::isnan(a)) ? a : b;
}

// The boxes, a side an array.
struct Boxes {
    const double *x1;
    const double *y1;
    const double *x2;
    const double *y2;
    const double *area;
};

// Whether one of these numbers, none of which is -0, is not 0. Their bits tell: integers may be or-ed in any order.
inline bool any(const double *numbers, int64_t count) noexcept {
    uint64_t all = 0;
    for (int64_t i = 0; i < count; ++i) {
        uint64_t bits;
        std::memcpy(&bits, numbers + i, sizeof bits);
        all |= bits;
    }
    return all != 0;
}

// Whether one of `count` boxes from `begin` on, at most kBlock, overlaps box `index` by more than the threshold.
template <bool Smaller, bool Ordinary>
inline bool overlapped(const Boxes &boxes, int64_t index, int64_t begin, int64_t count, double threshold) noexcept {
    const double x1 = boxes.x1[index];
    const double y1 = boxes.y1[index];
    const double x2 = boxes.x2[index];
    const double y2 = boxes.y2[index];
    const double area = boxes.area[index];
    const double *const other_x1 = boxes.x1 + begin;
    const double *const other_y1 = boxes.y1 + begin;
    const double *const other_x2 = boxes.x2 + begin;
    const double *const other_y2 = boxes.y2 + begin;
    const double *const other_area = boxes.area + begin;
    double shared[kBlock];
    for (int64_t i = 0; i < count; ++i) {
        const double width = most<Ordinary>(least<Ordinary>(other_x2[i], x2) - most<Ordinary>(other_x1[i], x1), 0.0);
        const double height = most<Ordinary>(least<Ordinary>(other_y2[i], y2) - most<Ordinary>(other_y1[i], y1), 0.0);
        shared[i] = width * height;
    }
    if (threshold >= 0.0 && !any(shared, count)) return false;
    double kills[kBlock];
    for (int64_t i = 0; i < count; ++i) {
        const double whole = Smaller ? least<Ordinary>(other_area[i], area) : other_area[i] + area - shared[i];
        const double part = shared[i] / most<Ordinary>(whole, std::numeric_limits<double>::min());
        kills[i] = part > threshold ? 1.0 : 0.0;
    }
    return any(kills, count);
}

template <bool Smaller, bool Ordinary>
inline int64_t suppress(const Boxes &boxes, int64_t count, double threshold, int64_t *stay) noexcept {
    int64_t stayed = 0;
    for (int64_t index = 0; index < count; ++index) {
        bool dead = false;
        int64_t begin = 0;
        for (; begin + kBlock <= index && !dead; begin += kBlock)
            dead = overlapped<Smaller, Ordinary>(boxes, index, begin, kBlock, threshold);
        if (!dead && begin < index) dead = overlapped<Smaller, Ordinary>(boxes, index, begin, index - begin, threshold);
        if (!dead) stay[stayed++] = index;
    }
    return stayed;
}

inline int32_t suppress_boxes(const double *boxes, int64_t count, double threshold, int32_t smaller, int64_t *stay,
                              int64_t *stayed) noexcept {
    const Array<double> memory = make_array<double>(5 * count);
    if (!memory) return KFACE_NATIVE_MEMORY;
    double *const sides = memory.get();
    bool ordinary = true;
    for (int64_t index = 0; index < count; ++index) {
        const double *box = boxes + 4 * index;
        for (int corner = 0; corner < 4; ++corner) {
            sides[corner * count + index] = box[corner];
            ordinary = ordinary && std::fabs(box[corner]) <= kOrdinary;
        }
        sides[4 * count + index] = (box[2] - box[0]) * (box[3] - box[1]);
    }
    const Boxes apart = {sides, sides + count, sides + 2 * count, sides + 3 * count, sides + 4 * count};
    const auto suppress_by = smaller != 0 ? ordinary ? suppress<true, true> : suppress<true, false>
                                          : ordinary ? suppress<false, true> : suppress<false, false>;
    *stayed = suppress_by(apart, count, threshold, stay);
    return KFACE_NATIVE_OK;
}
