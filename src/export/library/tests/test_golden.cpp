// Golden vectors: what is read, what is refused, and which stage is wrong.
#include <cmath>
#include <cstdlib>
#include <limits>

#include "alignment.hpp"
#include "cascade.hpp"
#include "check.hpp"
#include "golden.hpp"
#include "golden_bundle.hpp"
#include "self_check.hpp"

using namespace kface;

namespace {

const char *const ZEROS = "0000000000000000000000000000000000000000000000000000000000000000";

/// A document of one crop and two pictures, the second without a face.
Json document() {
    return Json::parse(R"({"schema": 2, "embedder_sha256": "", "crops": {"file": "golden/faces.png", "count": 1, "size": 112, "pixels_sha256": ""},
        "embeddings": [[0.6, 0.8]], "detector": {"manifest_sha256": "", "min_face": 25.5, "thresholds": [0.5, 0.6, 0.75], "factor": 0.8},
        "pictures": [{"file": "golden/picture1.png", "width": 640, "height": 1, "pixels_sha256": "", "faces": [{"crop": 0, "score": 1,
            "box": [-1.5, 2, 3, 4], "landmarks": [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10.5]]}]},
            {"file": "golden/picture2.png", "width": 2, "height": 640, "pixels_sha256": "", "faces": []}],
        "tolerance": {"cosine": {"fp32": 0.998, "fp16": 0.99, "int8": 0.9}, "landmarks": {"fp32": 0.05, "fp16": 1},
            "boxes": {"fp32": 0.1, "fp16": 2}, "scores": {"fp32": 0.001, "fp16": 0.05}, "crops": 0.5}})");
}

Json filled() {
    Json out = document();
    for (const char *place : {"/embedder_sha256", "/crops/pixels_sha256", "/detector/manifest_sha256", "/pictures/0/pixels_sha256",
                              "/pictures/1/pixels_sha256"})
        out[Json::json_pointer(place)] = ZEROS;
    return out;
}

Golden parsed(const Json &value, int schema = 2) {
    const std::string text = value.dump();
    return parse_golden(Bytes(text.begin(), text.end()), "vectors.json", schema, {ZEROS, ZEROS, 2});
}

kface_status status(const Json &value, int schema = 2) {
    return check::status_of([&] { parsed(value, schema); });
}

Json older() {
    return {{"schema", 1}, {"embedder_sha256", ZEROS}, {"faces", 1}, {"size", 112}, {"pixels_sha256", ZEROS},
            {"embeddings", {{0.6, 0.8}}}, {"tolerance", {{"fp32", 0.998}, {"fp16", 0.99}, {"int8", 0.9}}}};
}

const char *bundle_directory() {
    const char *place = std::getenv("KFACE_BUNDLE");
    return place && *place ? place : nullptr;
}

std::string message(const std::function<void()> &run) {
    try {
        run();
    } catch (const Error &error) {
        return (error.status() == KFACE_ERROR_NETWORK ? "" : "another status: ") + std::string(error.what());
    }
    return "";
}

bool holds(const std::string &text, const std::string &part) { return text.find(part) != std::string::npos; }

/// Stages that give back the golden values, for tests to bend.
Stages perfect(const Bundle &bundle, const Golden &golden) {
    Stages stages;
    stages.detect = [&](const cv::Mat &rgb) {
        for (const GoldenPicture &picture : golden.pictures) {
            const cv::Mat other = read_picture(bundle, picture);
            if (other.size() == rgb.size() && std::equal(rgb.datastart, rgb.dataend, other.datastart)) return picture.faces;
        }
        return std::vector<kface_face>();
    };
    stages.align = align;
    // The embedding of the nearest crop: alignment may differ from the golden crop by a grey level.
    stages.embed = [&](const std::uint8_t *crop) {
        std::size_t best = 0;
        double least = std::numeric_limits<double>::infinity();
        for (std::size_t i = 0; i < golden.crops.size(); ++i) {
            double sum = 0;
            for (std::size_t k = 0; k < KFACE_CROP_BYTES; ++k) sum += std::abs(int(crop[k]) - int(golden.crops[i][k]));
            if (sum < least) best = i;
            least = std::min(least, sum);
        }
        return golden.embeddings[best];
    };
    return stages;
}

}  // namespace

TEST(a_document_of_schema_2_is_read_with_all_its_values) {
    const Golden golden = parsed(filled());
    CHECK(golden.count == 1 && golden.embeddings[0] == std::vector<float>({0.6F, 0.8F}));
    CHECK(golden.detector.min_face == 25.5 && golden.detector.thresholds[2] == 0.75 && golden.detector.factor == 0.8);
    CHECK(golden.detector.brighten.empty());
    CHECK(golden.pictures.size() == 2 && golden.pictures[0].width == 640 && golden.pictures[1].height == 640);
    CHECK(golden.pictures[0].faces[0].box[0] == -1.5F && golden.pictures[0].faces[0].landmarks[9] == 10.5F);
    CHECK(golden.pictures[1].faces.empty() && golden.pictures[0].crops[0] == 0);
    CHECK(golden.tolerance.cosine == 0.998 && golden.tolerance.landmarks == 0.05 && golden.tolerance.boxes == 0.1);
    CHECK(golden.tolerance.scores == 0.001 && golden.tolerance.crops == 0.5);
    Json none = filled();
    none["detector"] = nullptr;
    none["pictures"] = Json::array();
    CHECK(parsed(none).pictures.empty());
}

TEST(a_document_of_schema_1_is_read) {
    const Golden golden = parsed(older(), 1);
    CHECK(golden.count == 1 && golden.pictures.empty() && golden.tolerance.cosine == 0.998 && golden.pixels_sha256 == ZEROS);
    CHECK(status(older(), 2) == KFACE_ERROR_BUNDLE && status(filled(), 1) == KFACE_ERROR_BUNDLE);
    Json wrong = older();
    wrong["tolerance"].erase("int8");
    CHECK(status(wrong, 1) == KFACE_ERROR_BUNDLE);
    wrong = older();
    wrong["pictures"] = Json::array();
    CHECK(status(wrong, 1) == KFACE_ERROR_BUNDLE);
}

TEST(every_field_is_needed_and_no_other_one_is_known) {
    const Json good = filled();
    CHECK(status(good) == KFACE_OK);
    for (const char *place : {"", "/crops", "/detector", "/pictures/0", "/pictures/0/faces/0", "/tolerance", "/tolerance/cosine",
                              "/tolerance/landmarks", "/tolerance/boxes", "/tolerance/scores"}) {
        const Json::json_pointer part(place);
        for (const auto &item : good[part].items()) {
            Json less = good;
            less[part].erase(item.key());
            CHECK(status(less) == KFACE_ERROR_BUNDLE);
            for (const Json &wrong : {Json("x"), Json(1e300), Json(-1e300), Json(true), Json{{"a", 1}}, Json::array({Json::array()})}) {
                Json other = good;
                other[part][item.key()] = wrong;
                CHECK(status(other) == KFACE_ERROR_BUNDLE);
            }
        }
        Json more = good;
        more[part]["other"] = 1;
        CHECK(status(more) == KFACE_ERROR_BUNDLE);
    }
}

TEST(values_out_of_their_range_are_refused) {
    const std::pair<const char *, Json> wrong[] = {
        {"/schema", 3}, {"/schema", 2.0}, {"/embedder_sha256", std::string(64, '1')}, {"/detector/manifest_sha256", std::string(64, '1')},
        {"/detector", nullptr}, {"/pictures", Json::array()}, {"/crops/count", 0}, {"/crops/count", 65}, {"/crops/count", 2},
        {"/crops/size", 96}, {"/crops/file", "golden/other.png"}, {"/embeddings/0", {0.6, 0.81}}, {"/embeddings/0", {1}},
        {"/embeddings/0", {0.6, "0.8"}}, {"/detector/min_face", 19.9}, {"/detector/factor", 0.96}, {"/detector/thresholds", {0.6, 0.7}},
        {"/pictures/0/file", "golden/picture2.png"}, {"/pictures/0/file", "../picture1.png"}, {"/pictures/0/width", 641},
        {"/pictures/0/height", 0}, {"/pictures/0/pixels_sha256", "0"}, {"/pictures/0/faces/0/crop", 1}, {"/pictures/0/faces/0/crop", -1},
        {"/pictures/0/faces/0/score", 1.1}, {"/pictures/0/faces/0/box", {1, 2, 3}}, {"/pictures/0/faces/0/box", {1, 2, 3, 1e39}},
        {"/pictures/0/faces/0/landmarks/4", {1}}, {"/pictures/0/faces/0/landmarks/4", {1, nullptr}}, {"/tolerance/crops", 256},
        {"/tolerance/cosine/fp32", 1.5}, {"/tolerance/landmarks/fp16", 101}, {"/tolerance/boxes/fp32", -0.1}};
    for (const auto &change : wrong) {
        Json other = filled();
        other[Json::json_pointer(change.first)] = change.second;
        CHECK(status(other) == KFACE_ERROR_BUNDLE);
        if (status(other) != KFACE_ERROR_BUNDLE) std::printf("%s = %s\n", change.first, change.second.dump().c_str());
    }
    Json many = filled();
    while (many["pictures"].size() < 17) many["pictures"].push_back(many["pictures"][1]);
    for (std::size_t i = 0; i < 17; ++i) many["pictures"][i]["file"] = "golden/picture" + std::to_string(i + 1) + ".png";
    CHECK(status(many) == KFACE_ERROR_BUNDLE);
    many["pictures"].erase(16);
    CHECK(status(many) == KFACE_OK);
}

TEST(faces_are_matched_by_their_boxes_whatever_their_order) {
    const auto at = [](float x) {
        kface_face face{};
        face.box[0] = x;
        face.box[2] = face.box[3] = x + 10;
        face.box[1] = 0;
        return face;
    };
    CHECK(partners({at(0), at(50), at(90)}, {at(91), at(1), at(49)}) == std::vector<std::size_t>({1, 2, 0}));
    // The closer one gets it; what is left goes to the other.
    CHECK(partners({at(3), at(0)}, {at(0), at(300)}) == std::vector<std::size_t>({1, 0}));
    CHECK(partners({}, {}).empty());
}

TEST(each_stage_that_is_wrong_is_named) {
    if (!bundle_directory()) return;
    const Bundle bundle(bundle_directory());
    const Golden golden = read_golden(bundle);
    CHECK(!golden.pictures.empty());
    const auto said = [&](const std::function<void(Stages &)> &bend) {
        Stages stages = perfect(bundle, golden);
        bend(stages);
        return message([&] { check_stages(bundle, golden, stages, "embedder"); });
    };
    CHECK(said([](Stages &) {}).empty());
    CHECK(std::abs(check_stages(bundle, golden, perfect(bundle, golden), "embedder") - 1) < 1e-5);

    const auto moved = [](Stages &stages, const std::function<void(kface_face &)> &bend) {
        const auto before = stages.detect;
        stages.detect = [=](const cv::Mat &rgb) {
            std::vector<kface_face> faces = before(rgb);
            for (kface_face &face : faces) bend(face);
            return faces;
        };
    };
    CHECK(holds(said([&](Stages &stages) { moved(stages, [](kface_face &face) { face.landmarks[3] += 0.5F; }); }),
                "detection: landmarks differ by 0.5 px in golden/picture"));
    CHECK(holds(said([&](Stages &stages) { moved(stages, [](kface_face &face) { face.box[3] -= 0.25F; }); }),
                "detection: boxes differ by 0.25 px in golden/picture"));
    CHECK(holds(said([&](Stages &stages) { moved(stages, [](kface_face &face) { face.score -= 0.125F; }); }),
                "detection: scores differ by 0.125 in golden/picture"));
    CHECK(holds(said([&](Stages &stages) { moved(stages, [](kface_face &face) { face.landmarks[0] = std::nanf(""); }); }),
                "detection: landmarks differ by inf px"));
    CHECK(holds(said([](Stages &stages) { stages.detect = [](const cv::Mat &) { return std::vector<kface_face>(); }; }),
                "detection: 0 faces found in golden/picture"));
    CHECK(holds(said([](Stages &stages) { stages.detect = [](const cv::Mat &) { return std::vector<kface_face>(9); }; }),
                "detection: 9 faces found in golden/picture"));

    const std::string shifted = said([](Stages &stages) {
        stages.align = [](const cv::Mat &rgb, const float *landmarks) {
            float other[10];
            for (int i = 0; i < 10; ++i) other[i] = landmarks[i] + 0.5F;
            return align(rgb, other);
        };
    });
    CHECK(holds(shifted, "alignment: a crop differs by ") && holds(shifted, " grey levels on average in golden/picture"));
    CHECK(!holds(shifted, "detection"));
    const std::string swapped = said([](Stages &stages) {
        stages.align = [](const cv::Mat &rgb, const float *landmarks) {
            cv::Mat crop = align(rgb, landmarks);
            for (std::size_t i = 0; i < KFACE_CROP_BYTES; i += 3) std::swap(crop.data[i], crop.data[i + 2]);
            return crop;
        };
    });
    CHECK(holds(swapped, "alignment: a crop differs by "));

    const std::string opposite = said([&](Stages &stages) {
        const auto before = stages.embed;
        stages.embed = [=](const std::uint8_t *crop) {
            std::vector<float> out = before(crop);
            for (float &value : out) value = -value;
            return out;
        };
    });
    CHECK(holds(opposite, "embedding: a cosine of -1.0000") && holds(opposite, "chain: a cosine of -1.0000"));
    CHECK(!holds(opposite, "alignment") && !holds(opposite, "detection"));
    CHECK(holds(said([](Stages &stages) { stages.embed = [](const std::uint8_t *) { return std::vector<float>(); }; }), "embedding: "));
}

TEST(pictures_with_other_pixels_are_found_out) {
    if (!bundle_directory()) return;
    const auto check_of = [](const BundleCopy &copy, kface_status opens = KFACE_OK) {
        kface_handle *handle = nullptr;
        const kface_status opened = kface_open(copy.directory().c_str(), nullptr, &handle);
        CHECK(opened == opens);
        double cosine = 0;
        const kface_status found = opened == KFACE_OK ? kface_self_check(handle, &cosine) : opened;
        const std::string line = kface_last_error();
        CHECK(found == KFACE_OK ? cosine > 0.9999 : opened != KFACE_OK || cosine == -1);
        kface_close(handle);
        return std::make_pair(found, line);
    };
    {
        const BundleCopy same(bundle_directory(), "golden-same");
        CHECK(check_of(same).first == KFACE_OK);
    }
    {
        BundleCopy older_one(bundle_directory(), "golden-older");
        older_one.make_schema_1();
        CHECK(check_of(older_one).first == KFACE_OK);
    }
    {
        BundleCopy swapped(bundle_directory(), "golden-swapped");
        cv::Mat rgb = swapped.picture("golden/picture1.png");
        for (std::size_t i = 0; i < rgb.total() * 3; i += 3) std::swap(rgb.data[i], rgb.data[i + 2]);
        swapped.put_picture("golden/picture1.png", rgb);
        const auto found = check_of(swapped);
        CHECK(found.first == KFACE_ERROR_NETWORK && holds(found.second, "alignment: a crop differs by "));
    }
    {
        // Without the document's hash: damaged.
        BundleCopy other(bundle_directory(), "golden-other");
        const Json before = other.json("golden/vectors.json");
        cv::Mat rgb = other.picture("golden/picture1.png");
        rgb.data[0] = std::uint8_t(rgb.data[0] ^ 1);
        other.put_picture("golden/picture1.png", rgb);
        other.put("golden/vectors.json", before);
        const auto found = check_of(other);
        CHECK(found.first == KFACE_ERROR_BUNDLE && holds(found.second, "does not hold the pixels that were written"));
        // Of another size, whatever the header says.
        other.put_picture("golden/picture1.png", rgb(cv::Rect(0, 0, rgb.cols - 1, rgb.rows)).clone());
        CHECK(check_of(other).first == KFACE_ERROR_BUNDLE);
        other.put("golden/picture1.png", Bytes{'n', 'o'});
        CHECK(check_of(other).first == KFACE_ERROR_BUNDLE);
        other.remove("golden/picture1.png");
        CHECK(check_of(other, KFACE_ERROR_BUNDLE).first == KFACE_ERROR_BUNDLE);
    }
    {
        BundleCopy vectors(bundle_directory(), "golden-vectors");
        Json document = vectors.json("golden/vectors.json");
        for (Json &value : document["embeddings"][0]) value = -value.get<double>();
        vectors.put("golden/vectors.json", document);
        CHECK(check_of(vectors, KFACE_ERROR_NETWORK).first == KFACE_ERROR_NETWORK);
    }
}

int main(int argc, char **argv) {
    if (!bundle_directory()) std::printf("KFACE_BUNDLE names no bundle: some tests need one\n");
    return check::main(argc, argv);
}
