// Errors inside the library; abi.cpp turns them into a status and a line of text.
#pragma once

#include <stdexcept>
#include <string>

#include "kface.h"

namespace kface {

/// What to do about a bundle that is not as it was written.
inline const char *const REMEDY = "copy the bundle again, or export it again: kface export";

/// An error with its status; its text is "<what>: <what is wrong>; <what to do>".
class Error : public std::runtime_error {
public:
    Error(kface_status status, const std::string &what, const std::string &wrong, const std::string &remedy = "")
        : std::runtime_error(what + ": " + wrong + (remedy.empty() ? "" : "; " + remedy)), status_(status) {}

    kface_status status() const { return status_; }

private:
    kface_status status_;
};

/// A bundle's file that is not what it should be.
inline Error bundle_error(const std::string &what, const std::string &wrong, const std::string &remedy = REMEDY) {
    return Error(KFACE_ERROR_BUNDLE, what, wrong, remedy);
}

}  // namespace kface
