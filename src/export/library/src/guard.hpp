// The border of the C interface: errors become a status and a line of text of the calling thread.
#pragma once

#include <new>
#include <string>

#include "error.hpp"

namespace kface {

/// The calling thread's line; never throws.
const char *last_error() noexcept;

/// Set it: control characters and broken UTF-8 become '?'. Never throws.
void set_last_error(const char *text) noexcept;

/// The status of an exception of another library; sets the line.
kface_status foreign_error() noexcept;

/// Run the body of an interface function, which returns a status.
template <class Body>
kface_status guarded(Body body) noexcept {
    try {
        set_last_error("");
        return body();
    } catch (const Error &error) {
        set_last_error(error.what());
        return error.status();
    } catch (...) {
        return foreign_error();
    }
}

/// An answer that is no error, with its line.
inline kface_status answer(kface_status status, const char *text) noexcept {
    set_last_error(text);
    return status;
}

inline void need(bool given, const char *what, const char *wrong = "is NULL") {
    if (!given) throw Error(KFACE_ERROR_ARGUMENT, what, wrong);
}

}  // namespace kface
