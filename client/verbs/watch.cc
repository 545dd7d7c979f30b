// SPDX-License-Identifier: Apache-2.0
// lwq watch: progress of runs until they end.
#include "client/verbs/run_options.h"
#include "client/watch/run_views.h"
#include "client/watch/watch_runs.h"

namespace lwq::client {
namespace {

StatusOr<ExitCode> Watch(const CliContext& context, const RunIdOptions& options) {
  LWQ_ASSIGN_OR_RETURN(const auto connection, ServerConnection::Open(context, options.server));
  const auto view = MakeRunView(ChooseWatchStyle(*context.console, options.json), context.console);
  LWQ_ASSIGN_OR_RETURN(const std::vector<lwqat::v1::Run> runs,
                       WatchRuns(connection->api(), options.run_ids, view.get()));
  return ExitCodeOf(runs);
}

}  // namespace

void AddWatchVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<RunIdOptions>();
  CLI::App* verb =
      AddVerb(root, {"watch", "Show the progress of runs until they end; ends as they do", "lwq watch 3f2a9c1e"},
              &options->json);
  AddRunIds(verb, &options->run_ids);
  AddServerFlags(verb, &options->server);
  verb->callback([=, &context] { *action = [=, &context] { return Watch(context, *options); }; });
}

}  // namespace lwq::client
