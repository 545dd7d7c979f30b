// SPDX-License-Identifier: Apache-2.0
// The split patterns of tokenizer.json files, run by PCRE2 (UTF, Unicode properties, JIT).
//
// The files' patterns are written for Oniguruma's Ruby syntax. Where the two engines agree a pattern is taken over.
// The escapes \s and \S are compiled as the property White_Space, which is what Oniguruma means by them. Constructs
// that differ or that split patterns do not use (\w, \b, \h, "&&", POSIX classes, "{m,n}+", verbs, …) are
// FAILED_PRECONDITION by name.
//
// Thread-safety: immutable; every thread has its own match state.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "common/status/status.h"

namespace lwq {

class SplitRegex {
 public:
  // `what` names the pattern's place in errors. INVALID_ARGUMENT when it is no regular expression.
  static StatusOr<SplitRegex> Compile(std::string_view pattern, std::string_view what);

  // Calls visit(begin, end) for the successive matches, empty ones included, until it fails. Requires valid UTF-8.
  // FAILED_PRECONDITION when a match takes too much backtracking.
  Status ForEachMatch(std::string_view text, absl::FunctionRef<Status(size_t begin, size_t end)> visit) const;

 private:
  struct Code;
  std::shared_ptr<const Code> code_;
};

}  // namespace lwq
