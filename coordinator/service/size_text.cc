// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/size_text.h"

#include "CLI/CLI.hpp"
#include "absl/strings/numbers.h"

namespace lwq::coordinator {

int64_t ParseSize(std::string text) {
  int64_t bytes = 0;
  try {
    const std::string problem = CLI::AsSizeValue(/*kb_is_1000=*/true)(text);
    return problem.empty() && absl::SimpleAtoi(text, &bytes) && bytes > 0 ? bytes : 0;
  } catch (const CLI::ValidationError&) {
    return 0;
  }
}

}  // namespace lwq::coordinator
