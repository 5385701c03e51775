// The open handles: a stale or foreign pointer is told from a good one, and nothing that runs is closed under its feet.
#pragma once

#include <memory>

#include "kface.h"

namespace kface {

class Recognizer;

/// Make a recognizer's handle.
kface_handle *add_handle(std::shared_ptr<Recognizer> recognizer);

/// The recognizer of an open handle; throws Error(KFACE_ERROR_ARGUMENT) where it is none.
std::shared_ptr<Recognizer> open_handle(const kface_handle *handle);

/// The same, or nullptr.
std::shared_ptr<Recognizer> find_handle(const kface_handle *handle);

/// Forget a handle; what still runs keeps its recognizer.
void remove_handle(const kface_handle *handle);

}  // namespace kface
