// SPDX-License-Identifier: Apache-2.0
// lwq get: one run with its tasks and results.
#include "client/base/clock.h"
#include "client/render/run_page.h"
#include "client/verbs/run_options.h"
#include "reporting/json_text.h"
#include "reporting/layer_results.h"

namespace lwq::client {
namespace {

StatusOr<ExitCode> Get(const CliContext& context, const RunIdOptions& options) {
  LWQ_ASSIGN_OR_RETURN(const auto connection, ServerConnection::Open(context, options.server));
  LWQ_ASSIGN_OR_RETURN(const lwqat::v1::Run run, connection->api()->GetRun(options.run_ids.front()));
  context.console->OutText(options.json ? reporting::PrettyJson(reporting::RunToJson(run))
                                        : RenderRun(run, NowUnixSeconds()));
  return ExitCode::kOk;
}

}  // namespace

void AddGetVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<RunIdOptions>();
  CLI::App* verb =
      AddVerb(root, {"get", "Show a run: state, results, tasks", "lwq get 3f2a9c1e --json"}, &options->json);
  AddRunId(verb, &options->run_ids);
  AddServerFlags(verb, &options->server);
  verb->callback([=, &context] { *action = [=, &context] { return Get(context, *options); }; });
}

}  // namespace lwq::client
