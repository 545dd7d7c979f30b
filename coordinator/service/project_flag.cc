// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/project_flag.h"

#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/text/one_line.h"
#include "coordinator/service/size_text.h"

namespace lwq::coordinator {

StatusOr<std::pair<std::string, ProjectOptions>> ParseProjectFlag(std::string_view text) {
  constexpr size_t kShownBytes = 80;
  const auto bad = [&](std::string_view what) {
    return absl::InvalidArgumentError(
        absl::StrCat("--project ", OneLine(text, kShownBytes), ": ", what,
                     "; write NAME=WEIGHT[:MAX_RUNNING[:MAX_STORED]], as nightly=0.5:8 or "
                     "nightly=0.5::200GiB"));
  };
  const size_t equals = text.rfind('=');
  if (equals == std::string_view::npos) return bad("there is no '='");
  const std::vector<std::string> parts = absl::StrSplit(std::string(text.substr(equals + 1)), ':');
  ProjectOptions options;
  if (parts.size() > 3) return bad("there are too many ':'");
  const bool any_running = parts.size() < 2 || (parts.size() == 3 && parts[1].empty());
  if (!any_running && (!absl::SimpleAtoi(parts[1], &options.max_running) || options.max_running < 1)) {
    return bad("MAX_RUNNING must be a whole number of at least 1");
  }
  if (parts.size() == 3) {
    options.max_stored_bytes = ParseSize(parts[2]);
    if (options.max_stored_bytes < 1) {
      return bad("MAX_STORED must be a size of at least 1 byte, as 200GiB");
    }
  }
  if (!absl::SimpleAtod(parts[0], &options.weight) || !(options.weight >= 1e-3 && options.weight <= 1e6)) {
    return bad("WEIGHT must be between 0.001 and 1e6");
  }
  return std::pair(std::string(text.substr(0, equals)), options);
}

StatusOr<std::pair<std::string, int64_t>> ParseProjectInputsFlag(std::string_view text) {
  constexpr size_t kShownBytes = 80;
  const size_t equals = text.rfind('=');
  const int64_t bytes = equals == std::string_view::npos ? 0 : ParseSize(std::string(text.substr(equals + 1)));
  if (bytes < 1) {
    return absl::InvalidArgumentError(absl::StrCat("--project-inputs ", OneLine(text, kShownBytes),
                                                   ": write NAME=SIZE, a size of at least 1 byte, as nightly=200GiB"));
  }
  return std::pair(std::string(text.substr(0, equals)), bytes);
}

}  // namespace lwq::coordinator
