// SPDX-License-Identifier: Apache-2.0
// lwq why: why a task of a run waits, where it went and why.
#include "client/base/format.h"
#include "client/verbs/run_options.h"
#include "reporting/json_text.h"
#include "reporting/run_facts.h"

namespace lwq::client {
namespace {

struct WhyOptions : RunIdOptions {
  std::string task;
};

StatusOr<ExitCode> Why(const CliContext& context, const WhyOptions& options) {
  LWQ_ASSIGN_OR_RETURN(const auto connection, ServerConnection::Open(context, options.server));
  LWQ_ASSIGN_OR_RETURN(const lwqat::v1::WhyTaskResponse answer,
                       connection->api()->WhyTask(options.run_ids.front(), options.task));
  if (options.json) {
    Json json = {{"title", answer.title()},
                 {"key", answer.key()},
                 {"state", reporting::TaskStateName(answer.state())},
                 {"lines", Json::array()}};
    for (const std::string& line : answer.lines()) json["lines"].push_back(line);
    context.console->OutText(reporting::PrettyJson(json));
    return ExitCode::kOk;
  }
  context.console->Out(absl::StrCat(OneLine(answer.title()), ": ", reporting::TaskStateName(answer.state())));
  for (const std::string& line : answer.lines()) context.console->Out(absl::StrCat("  ", OneLine(line)));
  return ExitCode::kOk;
}

}  // namespace

void AddWhyVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<WhyOptions>();
  CLI::App* verb = AddVerb(root, {"why", "Why a task waits, where it went and why", "lwq why 3f2a9c1e 'train block 3'"},
                           &options->json);
  AddRunId(verb, &options->run_ids);
  verb->add_option("TASK", options->task, "its title, a part of one title, or the first digits of its key")
      ->required()
      ->type_name("")
      ->check(CheckRunId);
  AddServerFlags(verb, &options->server);
  verb->callback([=, &context] { *action = [=, &context] { return Why(context, *options); }; });
}

}  // namespace lwq::client
