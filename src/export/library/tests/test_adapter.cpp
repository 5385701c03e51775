// The laboratory's stand-in functions, as one library, with the bundle that KFACE_BUNDLE names.
#include <cmath>
#include <cstdlib>
#include <vector>

#include "check.hpp"

extern "C" {
int KISA_Init(const char *model_directory);
int KISA_TemplateSize(void);
int KISA_Enroll(const char *image_path, unsigned char *tmpl);
int KISA_Match(const unsigned char *first, const unsigned char *second, float *score);
const char *KISA_LastError(void);
void KISA_Final(void);
}

TEST(an_image_that_cannot_be_enrolled_yields_a_template_all_the_same) {
    const std::string bundle = std::getenv("KFACE_BUNDLE"), picture = bundle + "/golden/faces.png";
    unsigned char byte = 0;
    float score = 0;
    CHECK(KISA_TemplateSize() == 0 && KISA_Enroll(picture.c_str(), &byte) < 0);
    CHECK(KISA_Init("no/such/folder") < 0 && std::strlen(KISA_LastError()) > 0);
    CHECK(KISA_Init(nullptr) < 0);
    CHECK(KISA_Init(bundle.c_str()) == 0);
    // A second time: the first one is closed.
    CHECK(KISA_Init(bundle.c_str()) == 0);
    const auto size = static_cast<std::size_t>(KISA_TemplateSize());
    std::vector<unsigned char> good(size), failed(size, 1);
    CHECK(KISA_Enroll(picture.c_str(), good.data()) == 0);
    CHECK(KISA_Match(good.data(), good.data(), &score) == 0 && std::abs(score - 1) < 1e-6F);
    CHECK(KISA_Enroll("no/such/picture.jpg", failed.data()) < 0);
    CHECK(KISA_Match(good.data(), failed.data(), &score) == 0 && score == -1);
    CHECK(KISA_Match(good.data(), nullptr, &score) < 0 && KISA_Match(good.data(), good.data(), nullptr) < 0);
    KISA_Final();
    CHECK(KISA_TemplateSize() == 0);
    KISA_Final();
}

int main(int argc, char **argv) {
    const char *bundle = std::getenv("KFACE_BUNDLE");
    if (!bundle || !*bundle) {
        std::printf("skipped: KFACE_BUNDLE names no bundle\n");
        return 77;
    }
    return check::main(argc, argv);
}
