#include "self_check.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "alignment.hpp"

namespace kface {
namespace {

std::string written(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.3g", value);
    return text;
}

/// The largest difference of a kind, and the file that it was found in.
struct Worst {
    double value = 0;
    std::string file;

    void add(double difference, const std::string &name) {
        if (difference <= value) return;
        value = std::isfinite(difference) ? difference : std::numeric_limits<double>::infinity();
        file = name;
    }
};

/// Collects what is wrong, stage by stage.
class Faults {
public:
    void add(const std::string &stage, const std::string &wrong) { text_ += (text_.empty() ? "" : "; ") + stage + ": " + wrong; }
    void judge(const std::string &stage, const std::string &what, const Worst &worst, double most, const std::string &unit) {
        if (worst.value > most)
            add(stage, what + " by " + written(worst.value) + unit + " in " + worst.file + ", where " + written(most) + " is the most");
    }
    void judge_cosine(const std::string &stage, double cosine, double least, const std::string &file) {
        if (cosine >= least) return;
        char text[96];
        std::snprintf(text, sizeof text, "a cosine of %.4f with the golden embedding, where %g is the least", cosine, least);
        add(stage, text + (" (" + file + ")"));
    }
    const std::string &text() const { return text_; }

private:
    std::string text_;
};

double overlap(const kface_face &one, const kface_face &other) {
    const auto area = [](const float *box) { return (double(box[2]) - box[0]) * (double(box[3]) - box[1]); };
    const double width = std::min(double(one.box[2]), double(other.box[2])) - std::max(double(one.box[0]), double(other.box[0]));
    const double height = std::min(double(one.box[3]), double(other.box[3])) - std::max(double(one.box[1]), double(other.box[1]));
    const double shared = std::max(width, 0.0) * std::max(height, 0.0);
    const double all = area(one.box) + area(other.box) - shared;
    return all > 0 ? shared / all : 0;
}

template <std::size_t N>
double difference(const float (&one)[N], const float (&other)[N]) {
    double largest = 0;
    for (std::size_t i = 0; i < N; ++i) {
        const double gap = std::abs(double(one[i]) - other[i]);
        largest = std::isfinite(gap) ? std::max(largest, gap) : std::numeric_limits<double>::infinity();
    }
    return largest;
}

/// The mean absolute difference over all pixels and channels, in grey levels.
double difference(const cv::Mat &crop, const Bytes &expected) {
    double sum = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) sum += std::abs(int(crop.data[i]) - int(expected[i]));
    return sum / double(expected.size());
}

}  // namespace

double cosine_of(const std::vector<float> &found, const std::vector<float> &expected) {
    if (found.size() != expected.size()) return -1;
    double cosine = 0;
    for (std::size_t k = 0; k < found.size(); ++k) cosine += double(found[k]) * expected[k];
    return std::isfinite(cosine) ? cosine : -1;
}

std::vector<std::size_t> partners(const std::vector<kface_face> &expected, const std::vector<kface_face> &found) {
    std::vector<std::size_t> out(expected.size());
    std::vector<bool> given(expected.size()), taken(found.size());
    for (std::size_t turn = 0; turn < expected.size(); ++turn) {
        std::size_t one = 0, other = 0;
        double most = -1;
        for (std::size_t i = 0; i < expected.size(); ++i) {
            for (std::size_t k = 0; k < found.size(); ++k) {
                if (given[i] || taken[k] || overlap(expected[i], found[k]) <= most) continue;
                most = overlap(expected[i], found[k]);
                one = i;
                other = k;
            }
        }
        out[one] = other;
        given[one] = taken[other] = true;
    }
    return out;
}

double check_stages(const Bundle &bundle, const Golden &golden, const Stages &stages, const std::string &embedder) {
    Faults faults;
    Worst landmarks, boxes, scores, crops;
    double chain = 1, embedding = 1;
    std::string chain_file;
    for (const GoldenPicture &picture : golden.pictures) {
        const cv::Mat rgb = read_picture(bundle, picture);
        for (std::size_t i = 0; i < picture.faces.size(); ++i) {
            const float *points = picture.faces[i].landmarks;
            crops.add(alignable(points) ? difference(stages.align(rgb, points), golden.crops[picture.crops[i]])
                                        : std::numeric_limits<double>::infinity(),
                      picture.path);
        }
        const std::vector<kface_face> found = stages.detect(rgb);
        if (found.size() != picture.faces.size()) {
            faults.add("detection", std::to_string(found.size()) + " faces found in " + picture.path + ", where " +
                                        std::to_string(picture.faces.size()) + " are");
            continue;
        }
        const std::vector<std::size_t> which = partners(picture.faces, found);
        for (std::size_t i = 0; i < which.size(); ++i) {
            const kface_face &expected = picture.faces[i], &face = found[which[i]];
            landmarks.add(difference(face.landmarks, expected.landmarks), picture.path);
            boxes.add(difference(face.box, expected.box), picture.path);
            scores.add(std::abs(double(face.score) - expected.score), picture.path);
            const double cosine =
                alignable(face.landmarks)
                    ? cosine_of(stages.embed(stages.align(rgb, face.landmarks).data), golden.embeddings[picture.crops[i]])
                    : -1;
            if (cosine < chain) chain_file = picture.path;
            chain = std::min(chain, cosine);
        }
    }
    for (std::size_t i = 0; i < golden.crops.size(); ++i)
        embedding = std::min(embedding, cosine_of(stages.embed(golden.crops[i].data()), golden.embeddings[i]));

    faults.judge("detection", "landmarks differ", landmarks, golden.tolerance.landmarks, " px");
    faults.judge("detection", "boxes differ", boxes, golden.tolerance.boxes, " px");
    faults.judge("detection", "scores differ", scores, golden.tolerance.scores, "");
    faults.judge("alignment", "a crop differs", crops, golden.tolerance.crops, " grey levels on average");
    faults.judge_cosine("embedding", embedding, golden.tolerance.cosine, embedder);
    faults.judge_cosine("chain", chain, golden.tolerance.cosine, chain_file);
    if (!faults.text().empty())
        throw Error(KFACE_ERROR_NETWORK, bundle.place(golden.document), "OpenCV " CV_VERSION " computes something else: " + faults.text(),
                    "use another version of OpenCV, set options.embedder to the other of pb and onnx, or export the bundle again: kface export");
    return std::min(chain, embedding);
}

}  // namespace kface
