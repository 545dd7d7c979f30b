// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/scale_target.h"

#include "absl/strings/numbers.h"
#include "common/text/one_line.h"
#include "coordinator/service/size_text.h"

namespace lwq::coordinator {
namespace {

constexpr double kMostWorkers = 10'000;
constexpr size_t kShownBytes = 80;

Status Wrong(const std::string& key, const std::string& value, std::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("trigger metadata ", key, " \"", OneLine(value, kShownBytes), "\": ", what));
}

StatusOr<std::string> ValueOf(const std::map<std::string, std::string>& metadata, const std::string& key) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) {
    return absl::InvalidArgumentError(absl::StrCat("the trigger's metadata has no ", key));
  }
  return found->second;
}

}  // namespace

StatusOr<ScaleTarget> ParseScaleTarget(const std::map<std::string, std::string>& metadata) {
  ScaleTarget target;
  LWQ_ASSIGN_OR_RETURN(target.pool.device, ValueOf(metadata, "device"));
  LWQ_ASSIGN_OR_RETURN(const std::string memory, ValueOf(metadata, "memory"));
  target.pool.memory_bytes = ParseSize(memory);
  if (target.pool.memory_bytes < 1) return Wrong("memory", memory, "must be a size of at least 1 byte, as 22GiB");
  LWQ_ASSIGN_OR_RETURN(const std::string seconds, ValueOf(metadata, "deviceSeconds"));
  if (!absl::SimpleAtod(seconds, &target.device_seconds) ||
      !(target.device_seconds >= 1 && target.device_seconds <= 1e7)) {
    return Wrong("deviceSeconds", seconds, "must be a number between 1 and 1e7");
  }
  return target;
}

double MetricOf(const RunnableWork& work, const ScaleTarget& target) {
  const bool needs_first = work.waiting_runs > 0;
  return work.queued_seconds + target.device_seconds * (static_cast<double>(work.busy_workers) + (needs_first ? 1 : 0));
}

double MostSeconds(const ScaleTarget& target) {
  return kMostWorkers * target.device_seconds;
}

}  // namespace lwq::coordinator
