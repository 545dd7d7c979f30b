// SPDX-License-Identifier: Apache-2.0
// lwq schedule: how long a finished run would take with other numbers of workers.
#include "absl/strings/str_format.h"
#include "client/verbs/run_options.h"
#include "reporting/json_text.h"

namespace lwq::client {
namespace {

struct ScheduleOptions : RunIdOptions {
  std::vector<int> workers = {1, 2, 4, 8, 16, 32};
};

StatusOr<ExitCode> Schedule(const CliContext& context, const ScheduleOptions& options) {
  LWQ_ASSIGN_OR_RETURN(const auto connection, ServerConnection::Open(context, options.server));
  LWQ_ASSIGN_OR_RETURN(const lwqat::v1::ScheduleRunResponse response,
                       connection->api()->ScheduleRun(options.run_ids.front(), options.workers));
  if (options.json) {
    context.console->OutText(reporting::PrettyJson(reporting::ToJson(response)));
    return ExitCode::kOk;
  }
  context.console->Out("workers   seconds");
  for (const auto& schedule : response.schedules()) {
    context.console->Out(absl::StrFormat("%7d  %8.1f", schedule.workers(), schedule.seconds()));
  }
  return ExitCode::kOk;
}

}  // namespace

void AddScheduleVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<ScheduleOptions>();
  CLI::App* verb = AddVerb(root,
                           {"schedule", "How long a finished run would take with other numbers of workers",
                            "lwq schedule 3f2a9c1e --workers 4 --workers 32"},
                           &options->json);
  AddRunId(verb, &options->run_ids);
  verb->add_option("--workers", options->workers, "workers to compute it for, may be repeated (default 1 to 32)")
      ->type_name("N");
  AddServerFlags(verb, &options->server);
  verb->callback([=, &context] { *action = [=, &context] { return Schedule(context, *options); }; });
}

}  // namespace lwq::client
