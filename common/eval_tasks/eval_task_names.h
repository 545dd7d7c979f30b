// SPDX-License-Identifier: Apache-2.0
// The names of the zero-shot tasks there are, for whoever needs no more of them (eval_task.h has their rows).
//
// Pure; thread-safe.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace lwq {

inline constexpr auto kEvalTaskNames =
    std::to_array<std::string_view>({"piqa", "arc_easy", "arc_challenge", "hellaswag", "winogrande", "boolq",
                                     "openbookqa", "lambada_openai", "lambada_standard", "wikitext"});
// Whose items are whole documents, read in windows that follow each other.
inline constexpr auto kDocumentTaskNames = std::to_array<std::string_view>({"wikitext"});

inline bool IsEvalTask(std::string_view name) {
  return std::find(kEvalTaskNames.begin(), kEvalTaskNames.end(), name) != kEvalTaskNames.end();
}

inline bool IsDocumentTask(std::string_view name) {
  return std::find(kDocumentTaskNames.begin(), kDocumentTaskNames.end(), name) != kDocumentTaskNames.end();
}

// "piqa, arc_easy, …"
inline std::string EvalTaskNames() {
  std::string names;
  for (const std::string_view name : kEvalTaskNames) {
    if (!names.empty()) names += ", ";
    names += name;
  }
  return names;
}

}  // namespace lwq
