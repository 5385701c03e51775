// stress BUNDLE COUNT THREADS IMAGE...: enrols and matches COUNT times in all by several threads, for sanitizers and valgrind.
// Images that cannot be read are welcome. Prints how many of each status there were.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "kface.h"

int main(int argc, char **argv) {
    if (argc < 5) return 2;
    kface_handle *handle = nullptr;
    if (kface_open(argv[1], nullptr, &handle) != KFACE_OK) {
        std::fprintf(stderr, "stress: %s\n", kface_last_error());
        return 2;
    }
    const int wanted = std::atoi(argv[2]), width = std::atoi(argv[3]);
    std::vector<std::vector<char>> files;
    for (int i = 4; i < argc; ++i) {
        std::ifstream stream(argv[i], std::ios::binary);
        files.emplace_back(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
    }
    const auto size = static_cast<std::size_t>(kface_template_size(handle));
    std::atomic<int> next{0};
    std::mutex mutex;
    std::map<kface_status, int> enrolled, matched;
    const auto work = [&] {
        std::vector<std::uint8_t> first(size), second(size);
        for (int turn = next++; turn < wanted; turn = next++) {
            const auto &file = files[static_cast<std::size_t>(turn) % files.size()];
            const kface_status status = kface_enroll_memory(handle, file.data(), file.size(), first.data(), size, nullptr);
            double similarity = 0;
            const kface_status other = kface_match(handle, first.data(), size, turn ? second.data() : first.data(), size, &similarity);
            second = first;
            const std::lock_guard<std::mutex> lock(mutex);
            ++enrolled[status];
            ++matched[other];
        }
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < width; ++i) threads.emplace_back(work);
    for (auto &thread : threads) thread.join();
    kface_close(handle);
    for (const auto &one : enrolled) std::printf("enroll %d (%s): %d\n", int(one.first), kface_status_text(one.first), one.second);
    for (const auto &one : matched) std::printf("match %d (%s): %d\n", int(one.first), kface_status_text(one.first), one.second);
    return 0;
}
