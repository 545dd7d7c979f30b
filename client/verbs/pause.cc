// SPDX-License-Identifier: Apache-2.0
// lwq pause and lwq resume: runs, or all runs of a sweep, stand still and go on.
#include "client/verbs/run_or_sweep.h"
#include "reporting/json_text.h"
#include "reporting/run_facts.h"

namespace lwq::client {
namespace {

StatusOr<ExitCode> SetPaused(const CliContext& context, const RunIdOptions& options, bool paused) {
  LWQ_ASSIGN_OR_RETURN(const auto connection, ServerConnection::Open(context, options.server));
  RunApi* api = connection->api();
  const auto set_run = [&](const std::string& id) { return paused ? api->PauseRun(id) : api->ResumeRun(id); };
  const auto set_sweep = [&](const std::string& id) { return paused ? api->PauseSweep(id) : api->ResumeSweep(id); };
  return ForRunsOrSweeps(context, options, set_run, set_sweep, [paused](lwqat::v1::RunState state, bool is_paused) {
    if (reporting::IsTerminal(state))
      return absl::StrCat(reporting::RunStateName(state), ", nothing to ", paused ? "pause" : "resume");
    if (state == lwqat::v1::RUN_STATE_STOPPED) {
      return std::string(paused ? "stopped by halving; paused, should it go on"
                                : "stopped by halving; lwq resume with its id trains it through");
    }
    return is_paused ? std::string("paused") : absl::StrCat(reporting::RunStateName(state), paused ? "" : ", resumed");
  });
}

}  // namespace

void AddPauseVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<RunIdOptions>();
  CLI::App* verb = AddVerb(
      root,
      {"pause", "Begin nothing more for runs, or the runs of a sweep; what runs is finished", "lwq pause 3f2a9c1e"},
      &options->json);
  AddRunsOrSweeps(verb, &options->run_ids);
  AddServerFlags(verb, &options->server);
  verb->callback([=, &context] { *action = [=, &context] { return SetPaused(context, *options, true); }; });
}

void AddResumeVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<RunIdOptions>();
  CLI::App* verb =
      AddVerb(root,
              {"resume", "Let runs, or the runs of a sweep, go on: paused ones, or a run that halving stopped",
               "lwq resume 3f2a9c1e"},
              &options->json);
  AddRunsOrSweeps(verb, &options->run_ids);
  AddServerFlags(verb, &options->server);
  verb->callback([=, &context] { *action = [=, &context] { return SetPaused(context, *options, false); }; });
}

}  // namespace lwq::client
