// SPDX-License-Identifier: Apache-2.0
// lwq report: runs side by side.
#include "reporting/report.h"
#include "client/base/clock.h"
#include "client/render/report_text.h"
#include "client/verbs/run_options.h"
#include "reporting/json_text.h"

namespace lwq::client {
namespace {

StatusOr<ExitCode> ReportRuns(const CliContext& context, const RunIdOptions& options) {
  LWQ_ASSIGN_OR_RETURN(const auto connection, ServerConnection::Open(context, options.server));
  std::vector<lwqat::v1::Run> runs;
  for (const std::string& run_id : options.run_ids) {
    LWQ_ASSIGN_OR_RETURN(lwqat::v1::Run run, connection->api()->GetRun(run_id));
    runs.push_back(std::move(run));
  }
  const reporting::Report report = reporting::BuildReport(runs, NowUnixSeconds());
  context.console->OutText(options.json ? reporting::PrettyJson(reporting::ReportToJson(report))
                                        : RenderReport(report));
  return ExitCode::kOk;
}

}  // namespace

void AddReportVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<RunIdOptions>();
  CLI::App* verb = AddVerb(root,
                           {"report", "Compare runs: perplexity, stored bits, size, steps, time, recovered share",
                            "lwq report 3f2a9c1e 77b01d52"},
                           &options->json);
  AddRunIds(verb, &options->run_ids);
  AddServerFlags(verb, &options->server);
  verb->callback([=, &context] { *action = [=, &context] { return ReportRuns(context, *options); }; });
}

}  // namespace lwq::client
