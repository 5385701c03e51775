// A small harness: TEST(name) { CHECK(...); } and the main program that runs them, or those whose names hold a word.
#pragma once

#include <cstdio>
#include <cstring>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "error.hpp"

namespace check {

struct Test {
    const char *name;
    void (*run)();
};

inline std::vector<Test> &tests() {
    static std::vector<Test> all;
    return all;
}

inline int &failures() {
    static int count = 0;
    return count;
}

struct Add {
    Add(const char *name, void (*run)()) { tests().push_back({name, run}); }
};

inline void report(bool good, const char *file, int line, const char *text) {
    if (good) return;
    ++failures();
    std::printf("%s:%d: %s\n", file, line, text);
}

/// The status of the error that some code throws; 0 where it throws none.
inline kface_status status_of(const std::function<void()> &run) {
    try {
        run();
    } catch (const kface::Error &error) {
        return error.status();
    }
    return KFACE_OK;
}

inline int main(int argc, char **argv) {
    int ran = 0;
    for (const Test &test : tests()) {
        if (argc > 1 && !std::strstr(test.name, argv[1])) continue;
        const int before = failures();
        ++ran;
        try {
            test.run();
        } catch (const std::exception &error) {
            ++failures();
            std::printf("%s: %s\n", test.name, error.what());
        }
        std::printf("%s %s\n", failures() == before ? "ok  " : "FAIL", test.name);
    }
    std::printf("%d tests, %d failures\n", ran, failures());
    return ran && !failures() ? 0 : 1;
}

}  // namespace check

#define TEST(name)                                       \
    static void name();                                  \
    static const check::Add add_##name(#name, name);     \
    static void name()
#define CHECK(condition) check::report(bool(condition), __FILE__, __LINE__, #condition)
#define CHECK_STATUS(wanted, ...) CHECK(check::status_of([&] { __VA_ARGS__; }) == (wanted))
