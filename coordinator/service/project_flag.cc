// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/project_flag.h"

#include <cmath>

#include "absl/strings/numbers.h"
#include "common/text/one_line.h"

namespace lwq::coordinator {

StatusOr<std::pair<std::string, ProjectOptions>> ParseProjectFlag(std::string_view text) {
  constexpr size_t kShownBytes = 80;
  const auto bad = [&](std::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat("--project ", OneLine(text, kShownBytes), ": ", what,
                                                   "; write NAME=WEIGHT or NAME=WEIGHT:MAX_RUNNING, as nightly=0.5:8"));
  };
  const size_t equals = text.rfind('=');
  if (equals == std::string_view::npos) return bad("there is no '='");
  std::string_view weight = text.substr(equals + 1);
  ProjectOptions options;
  const size_t colon = weight.find(':');
  if (colon != std::string_view::npos) {
    if (!absl::SimpleAtoi(std::string(weight.substr(colon + 1)), &options.max_running) || options.max_running < 1) {
      return bad("MAX_RUNNING must be a whole number of at least 1");
    }
    weight = weight.substr(0, colon);
  }
  if (!absl::SimpleAtod(std::string(weight), &options.weight) || !(options.weight >= 1e-3 && options.weight <= 1e6)) {
    return bad("WEIGHT must be between 0.001 and 1e6");
  }
  return std::pair(std::string(text.substr(0, equals)), options);
}

}  // namespace lwq::coordinator
