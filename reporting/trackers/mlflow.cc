// SPDX-License-Identifier: Apache-2.0
#include "reporting/trackers/mlflow.h"

#include <charconv>
#include <cmath>

#include "absl/strings/str_format.h"
#include "common/digest/digest.h"
#include "common/text/utf8.h"

namespace lwq::reporting {
namespace {

// A double-quoted scalar of YAML: everything but plain characters escaped, which every reader takes.
std::string QuotedYaml(std::string_view text) {
  std::string quoted = "\"";
  while (!text.empty()) {
    const Utf8Char c = DecodeUtf8Char(text);
    text.remove_prefix(c.size_bytes);
    if (c.code_point == U'"' || c.code_point == U'\\') {
      absl::StrAppend(&quoted, "\\", std::string(1, static_cast<char>(c.code_point)));
    } else if (c.code_point >= 0x20 && c.code_point < 0x7F) {
      quoted.push_back(static_cast<char>(c.code_point));
    } else {
      absl::StrAppend(&quoted, absl::StrFormat("\\U%08X", static_cast<uint32_t>(c.code_point)));
    }
  }
  return quoted + "\"";
}

// The shortest digits that read back the same.
std::string NumberText(double value) {
  if (!std::isfinite(value)) return std::isnan(value) ? "nan" : value < 0 ? "-inf" : "inf";
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
  return std::string(digits, end);
}

// Eighteen digits, as MLflow's own ids have.
std::string ExperimentId(const std::string& name) {
  uint64_t number = 0;
  for (size_t i = 0; i < 8; ++i) number = number << 8 | DigestOf(absl::StrCat("experiment ", name)).bytes()[i];
  constexpr uint64_t kSmallest = 100'000'000'000'000'000;
  return absl::StrCat(kSmallest + number % (9 * kSmallest));
}

std::string ExperimentMeta(const std::string& id, const std::string& name, int64_t unix_ms) {
  return absl::StrCat("artifact_location: mlflow-artifacts:/", id, "\ncreation_time: ", unix_ms, "\nexperiment_id: '",
                      id, "'\nlast_update_time: ", unix_ms, "\nlifecycle_stage: active\nname: ", QuotedYaml(name),
                      "\n");
}

// Numbers of mlflow.entities.RunStatus.
int StatusOf(lwqat::v1::RunState state) {
  switch (state) {
    case lwqat::v1::RUN_STATE_SUCCEEDED:
      return 3;  // FINISHED
    case lwqat::v1::RUN_STATE_FAILED:
      return 4;
    case lwqat::v1::RUN_STATE_CANCELLED:
    case lwqat::v1::RUN_STATE_STOPPED:
      return 5;  // KILLED
    case lwqat::v1::RUN_STATE_PENDING:
      return 2;  // SCHEDULED
    default:
      return 1;  // RUNNING
  }
}

std::string RunMeta(const std::string& experiment_id, const std::string& run_id, const TrackedRun& run) {
  const std::string end = run.end_unix_ms.has_value() ? absl::StrCat(*run.end_unix_ms) : "null";
  return absl::StrCat("artifact_uri: mlflow-artifacts:/", experiment_id, "/", run_id, "/artifacts\nend_time: ", end,
                      "\nentry_point_name: ''\nexperiment_id: '", experiment_id,
                      "'\nlifecycle_stage: active\nrun_id: '", run_id, "'\nrun_name: ", QuotedYaml(run.name),
                      "\nsource_name: ''\nsource_type: 4\nsource_version: ''\nstart_time: ", run.start_unix_ms,
                      "\nstatus: ", StatusOf(run.state), "\ntags: []\nuser_id: lwq\n");
}

void AddRun(const std::string& experiment_id, const TrackedRun& run, std::vector<TrackerFile>* files) {
  const std::string run_id = DigestOf(run.id).hex().substr(0, 32);
  const std::string folder = absl::StrCat("mlruns/", experiment_id, "/", run_id, "/");
  const auto add = [&](const std::string& path, std::string content) {
    files->push_back({.path = folder + path, .content = std::move(content)});
  };
  for (const TrackedSeries& series : run.series) {
    std::string lines;
    for (const TrackedPoint& point : series.points) {
      absl::StrAppend(&lines, point.unix_ms, " ", NumberText(point.value), " ", point.step, "\n");
    }
    add(absl::StrCat("metrics/", series.name), std::move(lines));
  }
  const int64_t end_ms = run.end_unix_ms.value_or(run.start_unix_ms);
  for (const auto& [name, value] : run.summary) {
    add(absl::StrCat("metrics/", name), absl::StrCat(end_ms, " ", NumberText(value), " 0\n"));
  }
  for (const auto& [name, value] : run.parameters) {
    add(absl::StrCat("params/", name), value.is_string() ? value.get<std::string>() : value.dump());
  }
  add("tags/mlflow.runName", run.name);
  add("tags/lwq.run_id", run.id);
  if (!run.group.empty()) add("tags/lwq.sweep_id", run.group);
  // The run is known once this is there.
  add("meta.yaml", RunMeta(experiment_id, run_id, run));
}

}  // namespace

std::vector<TrackerFile> MlflowStore(const std::string& experiment, const std::vector<TrackedRun>& runs) {
  std::vector<TrackerFile> files;
  const std::string id = ExperimentId(experiment);
  int64_t first_ms = runs.empty() ? 0 : runs.front().start_unix_ms;
  for (const TrackedRun& run : runs) first_ms = std::min(first_ms, run.start_unix_ms);
  files.push_back({.path = "mlruns/0/meta.yaml", .content = ExperimentMeta("0", "Default", 0)});
  files.push_back(
      {.path = absl::StrCat("mlruns/", id, "/meta.yaml"), .content = ExperimentMeta(id, experiment, first_ms)});
  for (const TrackedRun& run : runs) AddRun(id, run, &files);
  return files;
}

}  // namespace lwq::reporting
