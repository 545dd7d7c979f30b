// SPDX-License-Identifier: Apache-2.0
// Shell completion as scripts, made from the verbs and flags that the command line really has. Pure.
#pragma once

#include <string>
#include <vector>

#include "common/status/status.h"

namespace lwq::client {

struct CompletionFlag {
  std::string name;  // with its dashes
  std::string help;
  bool takes_value = false;
  std::vector<std::string> choices;
};

struct CompletionVerb {
  std::string name;
  std::string help;
  std::vector<CompletionFlag> flags;
  std::vector<std::string> words;  // choices of its argument
  std::string ids_of;              // verb whose table has the ids that its argument may be in its first column
};

// Files are offered where an argument is neither.

// `shell`: "bash", "zsh" or "fish"; others are INVALID_ARGUMENT.
StatusOr<std::string> CompletionScript(const std::string& shell, const std::vector<CompletionVerb>& verbs);

}  // namespace lwq::client
