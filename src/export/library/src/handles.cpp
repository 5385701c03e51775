#include "handles.hpp"

#include <map>
#include <mutex>
#include <utility>

#include "error.hpp"

namespace kface {
namespace {

/// Neither is ever destroyed: threads may still call while the process ends.
std::mutex &mutex() {
    static auto *const one = new std::mutex;
    return *one;
}

std::map<std::uintptr_t, std::shared_ptr<Recognizer>> &handles() {
    static auto *const all = new std::map<std::uintptr_t, std::shared_ptr<Recognizer>>;
    return *all;
}

/// Handles are numbers, never used twice, so that one that was closed stays closed.
std::uintptr_t last = 0;

}  // namespace

kface_handle *add_handle(std::shared_ptr<Recognizer> recognizer) {
    const std::lock_guard<std::mutex> lock(mutex());
    last += 16;
    handles()[last] = std::move(recognizer);
    return reinterpret_cast<kface_handle *>(last);
}

std::shared_ptr<Recognizer> find_handle(const kface_handle *handle) {
    const std::lock_guard<std::mutex> lock(mutex());
    const auto found = handles().find(reinterpret_cast<std::uintptr_t>(handle));
    return found == handles().end() ? nullptr : found->second;
}

std::shared_ptr<Recognizer> open_handle(const kface_handle *handle) {
    std::shared_ptr<Recognizer> found = find_handle(handle);
    if (!found) throw Error(KFACE_ERROR_ARGUMENT, "handle", handle ? "is not an open one" : "is NULL", "open one with kface_open");
    return found;
}

void remove_handle(const kface_handle *handle) {
    std::shared_ptr<Recognizer> gone;
    const std::lock_guard<std::mutex> lock(mutex());
    const auto found = handles().find(reinterpret_cast<std::uintptr_t>(handle));
    if (found == handles().end()) return;
    gone = std::move(found->second);
    handles().erase(found);
}

}  // namespace kface
