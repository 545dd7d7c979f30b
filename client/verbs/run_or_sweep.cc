// SPDX-License-Identifier: Apache-2.0
#include "client/verbs/run_or_sweep.h"

#include "client/render/sweep_list.h"
#include "reporting/json_text.h"

namespace lwq::client {

void AddRunsOrSweeps(CLI::App* verb, std::vector<std::string>* ids) {
  verb->add_option("ID", *ids, kRunOrSweepIdHelp)->required()->type_name("")->check(CheckRunId);
}

Status NeitherRunNorSweep(const std::string& id) {
  return absl::NotFoundError(
      absl::StrCat("neither a run nor a sweep has the id '", id, "'; lwq list shows runs, lwq sweeps sweeps"));
}

StatusOr<ExitCode> ForRunsOrSweeps(const CliContext& context, const RunIdOptions& options,
                                   const std::function<StatusOr<lwqat::v1::Run>(const std::string& id)>& of_run,
                                   const std::function<StatusOr<lwqat::v1::Sweep>(const std::string& id)>& of_sweep,
                                   const std::function<std::string(lwqat::v1::RunState state, bool paused)>& say) {
  Json runs = Json::array(), sweeps = Json::array();
  for (const std::string& id : options.run_ids) {
    const StatusOr<lwqat::v1::Run> run = of_run(id);
    if (run.ok()) {
      runs.push_back(reporting::ToJson(*run));
      if (!options.json) {
        context.console->Out(absl::StrCat(run->id(), " ", run->spec().name(), ": ", say(run->state(), run->paused())));
      }
      continue;
    }
    if (!absl::IsNotFound(run.status())) return run.status();
    const StatusOr<lwqat::v1::Sweep> sweep = of_sweep(id);
    if (absl::IsNotFound(sweep.status())) return NeitherRunNorSweep(id);
    LWQ_RETURN_IF_ERROR(sweep.status());
    sweeps.push_back(SweepToJson(*sweep));
    if (options.json) continue;
    for (const auto& member : sweep->members()) {
      context.console->Out(
          absl::StrCat(member.run_id(), " ", LabelsText(member), ": ", say(member.state(), member.paused())));
    }
  }
  if (options.json) {
    Json json = {{"runs", std::move(runs)}};
    if (!sweeps.empty()) json["sweeps"] = std::move(sweeps);
    context.console->OutText(reporting::PrettyJson(json));
  }
  return ExitCode::kOk;
}

}  // namespace lwq::client
