// SPDX-License-Identifier: Apache-2.0
// lwq sweep: the runs of a sweep file, uploaded and submitted together.
#include "client/pipeline/run_pipeline.h"
#include "client/pipeline/submit_sweep.h"
#include "client/run_file/sweep_runs.h"
#include "client/verbs/verb.h"
#include "reporting/json_text.h"
#include "reporting/layer_results.h"

namespace lwq::client {
namespace {

struct SweepOptions {
  bool json = false;
  bool watch = false;
  std::string file;
  ServerFlags server;
  std::shared_ptr<RunFlags> flags;
};

Status CheckSweepExports(const SweepRuns& sweep, bool watch) {
  for (const RunRequest& request : sweep.requests) {
    if (request.save_quant_dir.empty() || watch) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        request.origin, ": save_quant_dir is filled when the run has ended; add --watch, or use lwq fetch later"));
  }
  return absl::OkStatus();
}

// Submits the sweep. The runs' ids are what the verb prints: other verbs take them.
StatusOr<Runs> SubmitAndTellSweep(const CliContext& context, bool json, RunApi* api, const lwqat::v1::SweepSpec& spec,
                                  std::string* sweep_id) {
  LWQ_ASSIGN_OR_RETURN(SubmittedSweep sweep, SubmitSweepAnew(api, spec));
  *sweep_id = sweep.id;
  context.console->Err(
      absl::StrCat("submitted sweep ", sweep.id, " (", spec.name(), "): ", sweep.runs.size(), " runs"));
  for (const lwqat::v1::Run& run : sweep.runs) {
    if (!json) context.console->Out(run.id());
  }
  return std::move(sweep.runs);
}

Json ResultOf(const std::string& sweep_id, const SweepRuns& sweep, const Runs& runs) {
  Json list = Json::array();
  for (size_t i = 0; i < runs.size(); ++i) {
    Json run = reporting::RunToJson(runs[i]);
    run["labels"] = Json::object();
    for (const auto& [key, label] : sweep.arms[i].labels) run["labels"][key] = label;
    list.push_back(std::move(run));
  }
  return {{"sweep_id", sweep_id}, {"name", sweep.name}, {"runs", list}};
}

StatusOr<ExitCode> RunSweep(const CliContext& context, const SweepOptions& options) {
  LWQ_ASSIGN_OR_RETURN(const SweepRuns sweep, LoadSweep(options.file, *options.flags));
  LWQ_RETURN_IF_ERROR(CheckSweepExports(sweep, options.watch));
  for (const std::string& remark : sweep.remarks) context.console->Err(remark);
  Sources sources(SourceContextOf(context));
  RunPipeline pipeline(context.console, context.interrupt, &sources);
  LWQ_RETURN_IF_ERROR(pipeline.Check(sweep.requests));
  LWQ_ASSIGN_OR_RETURN(const auto connection,
                       ServerConnection::Open(context, options.server, ServerConnection::Makes::kStateDirectory));
  std::string sweep_id;
  PipelineOptions steps;
  steps.api = connection->api();
  steps.open_objects = [&] { return connection->OpenObjects(); };
  steps.submit = [&](const RunSpecs& specs) {
    return SubmitAndTellSweep(context, options.json, connection->api(), SpecOfSweep(sweep, specs), &sweep_id);
  };
  if (sweep.halving.has_value()) {
    steps.also_ask = [&](const RunSpecs& named) {
      return Annotate(connection->api()->ValidateSweep(SpecOfSweep(sweep, named)), options.file);
    };
  }
  if (options.watch) steps.watch = ChooseProgressStyle(*context.console, /*out_is_taken=*/options.json);
  steps.folder_of = [](const RunRequest& request, const lwqat::v1::Run&) { return request.save_quant_dir; };
  LWQ_ASSIGN_OR_RETURN(const Runs runs, pipeline.Execute(steps));
  if (options.json) context.console->OutText(reporting::PrettyJson(ResultOf(sweep_id, sweep, runs)));
  return options.watch ? ExitCodeOf(runs) : ExitCode::kOk;
}

}  // namespace

void AddSweepVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<SweepOptions>();
  CLI::App* verb = AddVerb(root,
                           {"sweep", "Upload and submit all runs of a sweep file; prints their ids",
                            "lwq sweep ablation.yaml --coordinator node0:7070 --watch"},
                           &options->json);
  verb->add_option("SWEEP.yaml", options->file, "a sweep file: base, axes, arms, seeds, conditions, halving")
      ->required()
      ->type_name("");
  verb->add_flag("--watch", options->watch, "show progress and wait for the end");
  AddServerFlags(verb, &options->server);
  options->flags = AddRunFlags(verb, 0);
  verb->callback([=, &context] { *action = [=, &context] { return RunSweep(context, *options); }; });
}

}  // namespace lwq::client
