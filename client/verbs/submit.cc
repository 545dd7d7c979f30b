// SPDX-License-Identifier: Apache-2.0
// lwq submit: uploads what runs need and hands them to a coordinator.
#include "client/pipeline/run_pipeline.h"
#include "client/run_file/run_flags.h"
#include "client/verbs/verb.h"
#include "reporting/json_text.h"
#include "reporting/layer_results.h"

namespace lwq::client {
namespace {

struct SubmitOptions {
  bool json = false;
  bool watch = false;
  ServerFlags server;
  std::shared_ptr<RunFlags> runs;
};

Status CheckExports(const std::vector<RunRequest>& requests, bool watch) {
  for (const RunRequest& request : requests) {
    if (request.save_quant_dir.empty() || watch) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        request.origin, ": save_quant_dir is filled when the run has ended; add --watch, or use lwq fetch later"));
  }
  return absl::OkStatus();
}

// Submits the runs; their ids are what the verb prints.
StatusOr<Runs> SubmitAndTell(const CliContext& context, bool json, RunApi* api, const RunSpecs& specs) {
  LWQ_ASSIGN_OR_RETURN(Runs runs, SubmitAnew(api, specs));
  for (const lwqat::v1::Run& run : runs) {
    if (!json) context.console->Out(run.id());
  }
  return runs;
}

StatusOr<ExitCode> Submit(const CliContext& context, const SubmitOptions& options) {
  LWQ_ASSIGN_OR_RETURN(const std::vector<RunRequest> requests, LoadRuns(*options.runs));
  LWQ_RETURN_IF_ERROR(CheckExports(requests, options.watch));
  Sources sources(SourceContextOf(context));
  RunPipeline pipeline(context.console, context.interrupt, &sources);
  LWQ_RETURN_IF_ERROR(pipeline.Check(requests));
  LWQ_ASSIGN_OR_RETURN(const auto connection,
                       ServerConnection::Open(context, options.server, ServerConnection::Makes::kStateDirectory));
  PipelineOptions steps;
  steps.api = connection->api();
  steps.open_objects = [&] { return connection->OpenObjects(); };
  steps.submit = [&](const RunSpecs& specs) { return SubmitAndTell(context, options.json, connection->api(), specs); };
  if (options.watch) steps.watch = ChooseProgressStyle(*context.console, /*out_is_taken=*/options.json);
  steps.folder_of = [](const RunRequest& request, const lwqat::v1::Run&) { return request.save_quant_dir; };
  LWQ_ASSIGN_OR_RETURN(const Runs runs, pipeline.Execute(steps));
  if (options.json) {
    Json list = Json::array();
    for (const lwqat::v1::Run& run : runs) list.push_back(reporting::RunToJson(run));
    context.console->OutText(reporting::PrettyJson({{"runs", list}}));
  }
  return options.watch ? ExitCodeOf(runs) : ExitCode::kOk;
}

}  // namespace

void AddSubmitVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<SubmitOptions>();
  CLI::App* verb = AddVerb(root,
                           {"submit", "Upload and submit runs; prints their ids",
                            "lwq submit run.yaml --wbits 2 --coordinator node0:7070 --watch"},
                           &options->json);
  verb->add_flag("--watch", options->watch, "show progress and wait for the end");
  AddServerFlags(verb, &options->server);
  options->runs = AddRunFlags(verb, 1000);
  verb->callback([=, &context] { *action = [=, &context] { return Submit(context, *options); }; });
}

}  // namespace lwq::client
