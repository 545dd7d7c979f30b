// SPDX-License-Identifier: Apache-2.0
// lwq sensitivity: what a run measured about its blocks, in the shape that sensitivity_file reads.
#include <filesystem>

#include "client/transfer/export_folder.h"
#include "client/verbs/run_options.h"
#include "reporting/json_text.h"
#include "reporting/sensitivity_results.h"

namespace lwq::client {
namespace {

struct SensitivityOptions : RunIdOptions {
  std::string output = "-";
};

StatusOr<ExitCode> ShowSensitivity(const CliContext& context, const SensitivityOptions& options) {
  LWQ_ASSIGN_OR_RETURN(const auto connection, ServerConnection::Open(context, options.server));
  LWQ_ASSIGN_OR_RETURN(const lwqat::v1::Run run, connection->api()->GetRun(options.run_ids.front()));
  LWQ_ASSIGN_OR_RETURN(const Json results, reporting::SensitivityResults(run));
  if (options.output == "-") {
    context.console->OutText(reporting::PrettyJson(results));
    return ExitCode::kOk;
  }
  std::string path = options.output;
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    path = (std::filesystem::path(path) / reporting::SensitivityFileName(run)).string();
  }
  LWQ_RETURN_IF_ERROR(Annotate(WriteReport(path, reporting::PrettyJson(results)), "--output"));
  if (options.json) {
    context.console->OutText(reporting::PrettyJson({{"run_id", run.id()}, {"file", path}}));
  } else {
    context.console->Out(path);
  }
  return ExitCode::kOk;
}

}  // namespace

void AddSensitivityVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<SensitivityOptions>();
  CLI::App* verb = AddVerb(root,
                           {"sensitivity", "Print or save how sensitive a run found its blocks, for sensitivity_file",
                            "lwq sensitivity 3f2a9c1e --output sensitivity.json"},
                           &options->json);
  AddRunId(verb, &options->run_ids);
  verb->add_option("--output", options->output,
                   "file to write, or a directory for sensitivity_results_{model}.json in it (default -: print)")
      ->type_name("FILE");
  AddServerFlags(verb, &options->server);
  verb->callback([=, &context] { *action = [=, &context] { return ShowSensitivity(context, *options); }; });
}

}  // namespace lwq::client
