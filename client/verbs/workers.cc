// SPDX-License-Identifier: Apache-2.0
// lwq workers: who executes tasks, and who is given none.
#include "client/render/run_page.h"
#include "client/verbs/verb.h"
#include "reporting/json_text.h"

namespace lwq::client {
namespace {

struct WorkersOptions {
  bool json = false;
  std::vector<std::string> release;
  ServerFlags server;
};

StatusOr<ExitCode> Workers(const CliContext& context, const WorkersOptions& options) {
  LWQ_ASSIGN_OR_RETURN(const auto connection, ServerConnection::Open(context, options.server));
  for (const std::string& worker : options.release) {
    LWQ_RETURN_IF_ERROR(connection->api()->ReleaseWorker(worker).status());
  }
  LWQ_ASSIGN_OR_RETURN(const lwqat::v1::ListWorkersResponse workers, connection->api()->ListWorkers());
  context.console->OutText(options.json ? reporting::PrettyJson(reporting::ToJson(workers)) : RenderWorkers(workers));
  return ExitCode::kOk;
}

}  // namespace

void AddWorkersVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<WorkersOptions>();
  CLI::App* verb =
      AddVerb(root, {"workers", "List workers, what they are and what they do", "lwq workers"}, &options->json);
  verb->add_option("--release", options->release,
                   "end the quarantine of the worker of that name or id, and forget what has failed on it")
      ->type_name("NAME");
  AddServerFlags(verb, &options->server);
  verb->callback([=, &context] { *action = [=, &context] { return Workers(context, *options); }; });
}

}  // namespace lwq::client
