// SPDX-License-Identifier: Apache-2.0
// lwq cancel: stops runs.
#include "client/verbs/run_options.h"
#include "reporting/json_text.h"
#include "reporting/run_facts.h"

namespace lwq::client {
namespace {

StatusOr<ExitCode> Cancel(const CliContext& context, const RunIdOptions& options) {
  LWQ_ASSIGN_OR_RETURN(const auto connection, ServerConnection::Open(context, options.server));
  Json list = Json::array();
  for (const std::string& run_id : options.run_ids) {
    LWQ_ASSIGN_OR_RETURN(const lwqat::v1::Run run, connection->api()->CancelRun(run_id));
    list.push_back(reporting::ToJson(run));
    if (!options.json)
      context.console->Out(absl::StrCat(run.id(), " ", run.spec().name(), ": ", reporting::RunStateName(run.state())));
  }
  if (options.json) context.console->OutText(reporting::PrettyJson({{"runs", list}}));
  return ExitCode::kOk;
}

}  // namespace

void AddCancelVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<RunIdOptions>();
  CLI::App* verb = AddVerb(root, {"cancel", "Stop runs; what they finished is kept and reused", "lwq cancel 3f2a9c1e"},
                           &options->json);
  AddRunIds(verb, &options->run_ids);
  AddServerFlags(verb, &options->server);
  verb->callback([=, &context] { *action = [=, &context] { return Cancel(context, *options); }; });
}

}  // namespace lwq::client
