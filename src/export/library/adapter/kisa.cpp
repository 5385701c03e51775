// A template to edit: the functions that the certification laboratory calls, in terms of kface.h.
//
// The names and arguments that KISA demands are not public; they come with the application. Those below are stand-ins. To hand
// a library in:
//   1. rename the functions here as the laboratory's document has them, and adapt arguments and return values;
//   2. give kisa.def (Windows) and kisa.map (Linux) the same names;
//   3. build the target kface_kisa: one file, with OpenCV and the runtime inside where they are linked statically.
// The model is a bundle's directory, which goes beside the library.
//
// What the facts of the test ask for is kept here: an image that cannot be enrolled still yields a template, and a match with
// it scores -1.
#include <cstring>
#include <mutex>
#include <string>

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#define KISA_API extern "C" __declspec(dllexport)
#else
#define KISA_API extern "C" __attribute__((visibility("default")))
#endif

#include "kface.h"

namespace {

/// The laboratory's interface has no handles: one bundle a process.
kface_handle *opened = nullptr;
std::mutex mutex;

/// A path as UTF-8. Programs on Windows pass paths in the system's code page (949 in Korea), which is told by its bytes.
std::string utf8(const char *path) {
#if defined(_WIN32)
    if (MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, nullptr, 0) == 0) {
        wchar_t wide[4096];
        char text[3 * 4096];
        if (MultiByteToWideChar(CP_ACP, 0, path, -1, wide, 4096) > 0 &&
            WideCharToMultiByte(CP_UTF8, 0, wide, -1, text, sizeof text, nullptr, nullptr) > 0)
            return text;
    }
#endif
    return path;
}

}  // namespace

/// Load the model. Returns 0, or a negative kface_status.
KISA_API int KISA_Init(const char *model_directory) {
    try {
        const std::lock_guard<std::mutex> lock(mutex);
        if (!model_directory) return KFACE_ERROR_ARGUMENT;
        kface_handle *made = nullptr;
        const kface_status status = kface_open(utf8(model_directory).c_str(), nullptr, &made);
        if (status != KFACE_OK) return status;
        kface_close(opened);
        opened = made;
        return 0;
    } catch (...) {
        return KFACE_ERROR_MEMORY;
    }
}

/// Bytes of a template; 0 before KISA_Init.
KISA_API int KISA_TemplateSize(void) { return kface_template_size(opened); }

/// Make a template of an image file, of KISA_TemplateSize bytes. Returns 0, also where there is no face in the image: the
/// template is then a failed one; or a negative kface_status.
KISA_API int KISA_Enroll(const char *image_path, unsigned char *tmpl) {
    try {
        if (!image_path) return KFACE_ERROR_ARGUMENT;
        const kface_status status =
            kface_enroll_file(opened, utf8(image_path).c_str(), tmpl, static_cast<size_t>(kface_template_size(opened)), nullptr);
        return status > 0 ? 0 : status;
    } catch (...) {
        return KFACE_ERROR_MEMORY;
    }
}

/// Compare two templates: -1 to 1, the higher the more alike; -1 where one is a failed one. Returns 0 or a negative status.
KISA_API int KISA_Match(const unsigned char *first, const unsigned char *second, float *score) {
    if (!score) return KFACE_ERROR_ARGUMENT;
    const auto size = static_cast<size_t>(kface_template_size(opened));
    double similarity = KFACE_FAILED_SIMILARITY;
    const kface_status status = kface_match(opened, first, size, second, size, &similarity);
    *score = static_cast<float>(similarity);
    return status > 0 ? 0 : status;
}

/// What went wrong, UTF-8.
KISA_API const char *KISA_LastError(void) { return kface_last_error(); }

/// Unload the model.
KISA_API void KISA_Final(void) {
    try {
        const std::lock_guard<std::mutex> lock(mutex);
        kface_close(opened);
        opened = nullptr;
    } catch (...) {
    }
}
