// SPDX-License-Identifier: Apache-2.0
// What a file is that should hold weights and does not: a pointer of Git LFS, a page that a web server sent instead, a
// pickle of PyTorch, …. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lwq {

// How much of a file's beginning is enough to tell.
inline constexpr int64_t kForeignBytes = 512;

// From the first kForeignBytes bytes of a file (or all, where there are fewer): "is a pointer of Git LFS, not the
// weights: run 'git lfs pull' in the model's folder", and so on; empty where the bytes say nothing of the kind.
std::string ForeignContent(std::string_view beginning);

}  // namespace lwq
