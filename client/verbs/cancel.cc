// SPDX-License-Identifier: Apache-2.0
// lwq cancel: stops runs, or all runs of a sweep.
#include "client/verbs/run_or_sweep.h"
#include "reporting/run_facts.h"

namespace lwq::client {
namespace {

StatusOr<ExitCode> Cancel(const CliContext& context, const RunIdOptions& options) {
  LWQ_ASSIGN_OR_RETURN(const auto connection, ServerConnection::Open(context, options.server));
  RunApi* api = connection->api();
  return ForRunsOrSweeps(
      context, options, [api](const std::string& id) { return api->CancelRun(id); },
      [api](const std::string& id) { return api->CancelSweep(id); },
      [](lwqat::v1::RunState state, bool /*paused*/) { return reporting::RunStateName(state); });
}

}  // namespace

void AddCancelVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<RunIdOptions>();
  CLI::App* verb = AddVerb(
      root,
      {"cancel", "Stop runs, or the runs of a sweep; what they finished is kept and reused", "lwq cancel 3f2a9c1e"},
      &options->json);
  AddRunsOrSweeps(verb, &options->run_ids);
  AddServerFlags(verb, &options->server);
  verb->callback([=, &context] { *action = [=, &context] { return Cancel(context, *options); }; });
}

}  // namespace lwq::client
