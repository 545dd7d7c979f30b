// SPDX-License-Identifier: Apache-2.0
// lwq delete: forgets runs, or sweeps with all their runs.
#include "client/verbs/run_or_sweep.h"
#include "reporting/json_text.h"

namespace lwq::client {
namespace {

struct DeleteOptions : RunIdOptions {
  bool force = false;
};

// "12 tasks that no other run has, 1.2 GiB of results"
std::string Released(int64_t tasks, int64_t bytes) {
  return absl::StrCat(tasks, tasks == 1 ? " task" : " tasks", " of no other run, ", FormatBytes(bytes),
                      " of results; lwq gc frees what workers do not");
}

StatusOr<Json> DeleteOne(RunApi* api, Console* console, const std::string& id, const DeleteOptions& options) {
  const StatusOr<lwqat::v1::DeleteRunResponse> run = api->DeleteRun(id, options.force);
  if (run.ok()) {
    if (!options.json) {
      console->Out(absl::StrCat("run ", run->run_id(), " deleted: ", Released(run->tasks(), run->released_bytes())));
    }
    return Json{{"run_id", run->run_id()}, {"tasks", run->tasks()}, {"released_bytes", run->released_bytes()}};
  }
  if (!absl::IsNotFound(run.status())) return run.status();
  const StatusOr<lwqat::v1::DeleteSweepResponse> sweep = api->DeleteSweep(id, options.force);
  if (absl::IsNotFound(sweep.status())) return NeitherRunNorSweep(id);
  LWQ_RETURN_IF_ERROR(sweep.status());
  if (!options.json) {
    console->Out(absl::StrCat("sweep ", sweep->sweep_id(), " deleted with ", sweep->runs(),
                              " runs: ", Released(sweep->tasks(), sweep->released_bytes())));
  }
  return Json{{"sweep_id", sweep->sweep_id()},
              {"runs", sweep->runs()},
              {"tasks", sweep->tasks()},
              {"released_bytes", sweep->released_bytes()}};
}

StatusOr<ExitCode> Delete(const CliContext& context, const DeleteOptions& options) {
  LWQ_ASSIGN_OR_RETURN(const auto connection, ServerConnection::Open(context, options.server));
  Json deleted = Json::array();
  for (const std::string& id : options.run_ids) {
    LWQ_ASSIGN_OR_RETURN(Json one, DeleteOne(connection->api(), context.console, id, options));
    deleted.push_back(std::move(one));
  }
  if (options.json) context.console->OutText(reporting::PrettyJson({{"deleted", std::move(deleted)}}));
  return ExitCode::kOk;
}

}  // namespace

void AddDeleteVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<DeleteOptions>();
  CLI::App* verb = AddVerb(root,
                           {"delete", "Forget runs that have ended, or sweeps with their runs, and what only they have",
                            "lwq delete 3f2a9c1e"},
                           &options->json);
  AddRunsOrSweeps(verb, &options->run_ids);
  verb->add_flag("--force", options->force, "cancel those that have not ended first");
  AddServerFlags(verb, &options->server);
  verb->callback([=, &context] { *action = [=, &context] { return Delete(context, *options); }; });
}

}  // namespace lwq::client
