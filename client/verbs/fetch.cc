// SPDX-License-Identifier: Apache-2.0
// lwq fetch: brings a run's exported model and what is known about its blocks to this disk, or into a bucket.
#include "client/pipeline/fetch_or_remake.h"
#include "client/verbs/run_options.h"
#include "reporting/json_text.h"

namespace lwq::client {
namespace {

struct FetchOptions : RunIdOptions {
  std::string output;
};

StatusOr<ExitCode> Fetch(const CliContext& context, const FetchOptions& options) {
  LWQ_ASSIGN_OR_RETURN(const auto connection, ServerConnection::Open(context, options.server));
  LWQ_ASSIGN_OR_RETURN(const lwqat::v1::Run run, connection->api()->GetRun(options.run_ids.front()));
  LWQ_ASSIGN_OR_RETURN(const auto objects, connection->OpenObjects());
  LWQ_ASSIGN_OR_RETURN(const FetchedExport fetched,
                       FetchOrRemake(connection->api(), run, objects.get(), options.output, context.console));
  if (options.json) {
    context.console->OutText(reporting::PrettyJson({{"run_id", run.id()},
                                                    {"directory", fetched.directory},
                                                    {"files", fetched.files},
                                                    {"reports", fetched.reports},
                                                    {"size_bytes", fetched.size_bytes}}));
  } else {
    context.console->Out(fetched.directory);
  }
  return ExitCode::kOk;
}

}  // namespace

void AddFetchVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<FetchOptions>();
  CLI::App* verb = AddVerb(root,
                           {"fetch", "Copy a run's exported model and its statistics to a directory",
                            "lwq fetch 3f2a9c1e --output model-w2g128"},
                           &options->json);
  AddRunId(verb, &options->run_ids);
  verb->add_option("--output,--save_quant_dir", options->output,
                   "directory to write, made if absent, or s3://bucket/prefix")
      ->type_name("DIR")
      ->required();
  AddServerFlags(verb, &options->server);
  verb->callback([=, &context] { *action = [=, &context] { return Fetch(context, *options); }; });
}

}  // namespace lwq::client
