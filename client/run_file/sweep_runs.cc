// SPDX-License-Identifier: Apache-2.0
#include "client/run_file/sweep_runs.h"

#include <set>

#include "client/run_file/run_fields.h"
#include "client/run_file/run_values.h"

namespace lwq::client {
namespace {

std::map<std::string, Json> GivenBy(const RunRequest& base) {
  std::map<std::string, Json> given;
  for (const RunField& field : RunFields()) {
    if (const std::optional<Json> value = RunValue(field, base); value.has_value()) given.emplace(field.name, *value);
  }
  return given;
}

StatusOr<RunRequest> RunOf(const SweepFile& file, const SweepArm& arm, bool config_only) {
  RunRequest request = file.base;
  request.origin = absl::StrCat(file.origin, ": arm ", arm.name);
  for (const auto& [key, value] : arm.overrides) {
    LWQ_RETURN_IF_ERROR(Annotate(SetRunValue(*FindRunField(key), value, &request), request.origin));
  }
  const auto named = file.model_names.find(request.model_path);
  if (request.model_name.empty() && named != file.model_names.end()) request.model_name = named->second;
  request.spec.set_name(absl::StrCat(file.name, " ", arm.name));
  request.config_only = config_only;
  LWQ_RETURN_IF_ERROR(CompleteRunRequest(&request));
  return request;
}

}  // namespace

StatusOr<SweepRuns> RunsOfSweep(const SweepFile& file, bool config_only) {
  Sweep sweep = file.sweep;
  sweep.base = GivenBy(file.base);
  auto expanded = ExpandSweep(sweep);
  if (!expanded.ok()) {
    const bool has_place = MessageOf(expanded.status()).starts_with(absl::StrCat(file.origin, ":"));
    return has_place ? expanded.status() : Annotate(expanded.status(), file.origin);
  }
  SweepRuns runs;
  runs.name = file.name;
  runs.combinations = expanded->combinations;
  runs.remarks = file.remarks;
  runs.halving = file.halving;
  runs.remarks.insert(runs.remarks.end(), expanded->remarks.begin(), expanded->remarks.end());
  std::set<std::string> folders;
  for (SweepArm& arm : expanded->arms) {
    LWQ_ASSIGN_OR_RETURN(RunRequest request, RunOf(file, arm, config_only));
    if (!request.save_quant_dir.empty() && !folders.insert(request.save_quant_dir).second) {
      return absl::InvalidArgumentError(
          absl::StrCat(request.origin,
                       ": save_quant_dir: another arm's export goes to the same folder; leave it out and use "
                       "lwq local --output, or lwq fetch"));
    }
    runs.requests.push_back(std::move(request));
    runs.arms.push_back(std::move(arm));
  }
  return runs;
}

StatusOr<SweepRuns> LoadSweep(const std::string& path, const RunFlags& flags, bool config_only) {
  LWQ_ASSIGN_OR_RETURN(SweepFile file, ReadSweepFile(path));
  const std::set<std::string> axis_keys = KeysOf(file.sweep.axes);
  for (const auto& [name, texts] : flags.values) {
    if (texts.empty() || !axis_keys.contains(name)) continue;
    return absl::InvalidArgumentError(absl::StrCat("--", name, ": the sweep ", path, " sets ", name,
                                                   " itself; leave the flag out or change the file"));
  }
  LWQ_RETURN_IF_ERROR(ApplyFlags(flags, &file.base));
  if (!file.base.spec.name().empty()) file.name = file.base.spec.name();
  return RunsOfSweep(file, config_only);
}

}  // namespace lwq::client
