// SPDX-License-Identifier: Apache-2.0
// lwq watch: progress of runs until they end.
#include "client/verbs/run_options.h"
#include "client/verbs/run_or_sweep.h"
#include "client/watch/run_views.h"
#include "client/watch/watch_runs.h"

namespace lwq::client {
namespace {

struct Watched {
  std::vector<std::string> ids;
  std::string sweep;  // whose runs they all are; "" = none
};

// The runs that are named, and those of the sweeps that are.
StatusOr<Watched> WhatIsMeant(const std::vector<std::string>& ids, RunApi* api) {
  Watched watched;
  for (const std::string& id : ids) {
    const StatusOr<lwqat::v1::Run> run = api->GetRun(id);
    if (!absl::IsNotFound(run.status())) {
      LWQ_RETURN_IF_ERROR(run);
      watched.ids.push_back(run->id());
      continue;
    }
    const StatusOr<lwqat::v1::Sweep> sweep = api->GetSweep(id);
    if (absl::IsNotFound(sweep.status())) return NeitherRunNorSweep(id);
    LWQ_RETURN_IF_ERROR(sweep);
    for (const auto& member : sweep->members()) watched.ids.push_back(member.run_id());
    if (ids.size() == 1) watched.sweep = sweep->id();
  }
  return watched;
}

StatusOr<ExitCode> Watch(const CliContext& context, const RunIdOptions& options) {
  LWQ_ASSIGN_OR_RETURN(const auto connection, ServerConnection::Open(context, options.server));
  LWQ_ASSIGN_OR_RETURN(const Watched watched, WhatIsMeant(options.run_ids, connection->api()));
  const WatchStyle style = ChooseWatchStyle(*context.console, options.json);
  const bool counted = watched.ids.size() > kRunsShownWhole;
  const auto view = counted ? MakeManyRunsView(style, context.console) : MakeRunView(style, context.console);
  LWQ_ASSIGN_OR_RETURN(const std::vector<lwqat::v1::Run> runs,
                       options.json ? WatchRuns(connection->api(), watched.ids, view.get())
                                    : WatchTogether(connection->api(), watched.sweep, watched.ids, view.get()));
  return ExitCodeOf(runs);
}

}  // namespace

void AddWatchVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<RunIdOptions>();
  CLI::App* verb = AddVerb(
      root,
      {"watch", "Show the progress of runs, or of a sweep's, until they end; ends as they do", "lwq watch 3f2a9c1e"},
      &options->json);
  AddRunsOrSweeps(verb, &options->run_ids);
  AddServerFlags(verb, &options->server);
  verb->callback([=, &context] { *action = [=, &context] { return Watch(context, *options); }; });
}

}  // namespace lwq::client
