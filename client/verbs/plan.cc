// SPDX-License-Identifier: Apache-2.0
// lwq plan: what a run or a sweep would do, before anything runs or is uploaded.
#include "client/pipeline/preflight.h"
#include "client/pipeline/run_pipeline.h"
#include "client/pipeline/submit_sweep.h"
#include "client/render/plan_text.h"
#include "client/render/sweep_text.h"
#include "client/run_file/run_flags.h"
#include "client/run_file/sweep_runs.h"
#include "client/run_file/tune_file.h"
#include "client/transfer/check_weights.h"
#include "client/transfer/interruptible_store.h"
#include "client/transfer/naming_store.h"
#include "client/verbs/verb.h"
#include "reporting/json_text.h"

namespace lwq::client {
namespace {

struct PlanOptions {
  bool json = false;
  bool config_only = false;
  ServerFlags server;
  std::shared_ptr<RunFlags> runs;
};

// What other runs of the coordinator share with these is found by the inputs' digests. They stay where they are.
// Where all of the weights are read, they are looked at, too.
StatusOr<RunSpecs> HashRuns(const CliContext& context, const std::vector<CheckedRun>& checked) {
  LWQ_RETURN_IF_ERROR(CheckWeights(checked, *context.interrupt));
  InterruptibleStore names(std::make_unique<NamingStore>(), context.interrupt);
  UploadedTrees uploaded;
  RunSpecs specs;
  for (const CheckedRun& run : checked) {
    LWQ_ASSIGN_OR_RETURN(lwqat::v1::RunSpec spec, UploadRun(run, &names, context.console, &uploaded, "hashing"));
    specs.push_back(std::move(spec));
  }
  return specs;
}

// The specs under the names that the coordinator needs for what it is asked: it knows other runs or it does not.
StatusOr<RunSpecs> NameRuns(const CliContext& context, const PlanOptions& options,
                            const std::vector<CheckedRun>& checked) {
  if (!options.server.state.empty() || !CoordinatorAddress(context, options.server).empty())
    return HashRuns(context, checked);
  return client::NameRuns(checked);
}

StatusOr<ExitCode> ShowSweep(const CliContext& context, const PlanOptions& options, const SweepRuns& sweep) {
  Sources sources(SourceContextOf(context));
  InputChecks checks(&sources);
  std::vector<CheckedRun> checked;
  for (const RunRequest& request : sweep.requests) {
    LWQ_ASSIGN_OR_RETURN(CheckedRun run, checks.Check(request));
    checked.push_back(std::move(run));
  }
  LWQ_ASSIGN_OR_RETURN(const RunSpecs specs, NameRuns(context, options, checked));
  LWQ_ASSIGN_OR_RETURN(const auto connection,
                       ServerConnection::Open(context, options.server, ServerConnection::Makes::kTemporaryToo));
  const auto plan = connection->api()->PlanSweep(SpecOfSweep(sweep, specs));
  if (!plan.ok()) {
    const Status refused = ExplainRefusal(connection->api(), checked, specs, plan.status());
    // What is wrong with the halving is no single run's fault.
    const bool of_halving = refused == plan.status() && ExitCodeOf(refused) == ExitCode::kUsage;
    return of_halving ? Annotate(refused, options.runs->files.front()) : refused;
  }
  const SweepView view = {sweep.name, sweep.combinations, sweep.arms, *plan, sweep.remarks};
  context.console->OutText(options.json ? reporting::PrettyJson(SweepToJson(view)) : RenderSweep(view));
  return ExitCode::kOk;
}

// Of a search: what it begins with.
StatusOr<ExitCode> ShowFirstBatch(const CliContext& context, const PlanOptions& options) {
  TuneFlags flags;
  flags.file = options.runs->files.front();
  LWQ_ASSIGN_OR_RETURN(TuneRequest tune, LoadTune(flags, *options.runs));
  tune.base.config_only = options.config_only;
  LWQ_ASSIGN_OR_RETURN(SweepRuns batch, FirstBatchRuns(tune));
  batch.remarks.push_back("the first batch of a search: what its trials give decides the next");
  if (tune.halves) batch.halving = tune.halving;
  return ShowSweep(context, options, batch);
}

StatusOr<ExitCode> ShowPlan(const CliContext& context, const PlanOptions& options) {
  if (!options.runs->files.empty() && IsTuneFile(options.runs->files.front())) return ShowFirstBatch(context, options);
  if (!options.runs->files.empty() && IsSweepFile(options.runs->files.front())) {
    LWQ_ASSIGN_OR_RETURN(const SweepRuns sweep,
                         LoadSweep(options.runs->files.front(), *options.runs, options.config_only));
    return ShowSweep(context, options, sweep);
  }
  LWQ_ASSIGN_OR_RETURN(const std::vector<RunRequest> requests, LoadRuns(*options.runs, options.config_only));
  Sources sources(SourceContextOf(context));
  LWQ_ASSIGN_OR_RETURN(const CheckedRun checked, CheckRunInputs(requests.front(), &sources));
  LWQ_ASSIGN_OR_RETURN(const RunSpecs specs, NameRuns(context, options, {checked}));
  LWQ_ASSIGN_OR_RETURN(const auto connection,
                       ServerConnection::Open(context, options.server, ServerConnection::Makes::kTemporaryToo));
  auto plan = connection->api()->PlanRun(specs.front());
  if (!plan.ok()) return Annotate(plan.status(), checked.request.origin);
  context.console->OutText(options.json ? reporting::PrettyJson(reporting::ToJson(*plan)) : RenderPlan(*plan));
  return ExitCode::kOk;
}

}  // namespace

void AddPlanVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<PlanOptions>();
  CLI::App* verb = AddVerb(root,
                           {"plan", "Show what a run or a sweep would do: blocks, stored bits, size, tasks, memory",
                            "lwq plan run.yaml --wbits 2"},
                           &options->json);
  verb->add_flag("--config-only", options->config_only,
                 "plan from config.json alone: weights, tokenizer and calibration text need not be here");
  AddServerFlags(verb, &options->server);
  options->runs = AddRunFlags(verb, 1);
  verb->callback([=, &context] { *action = [=, &context] { return ShowPlan(context, *options); }; });
}

}  // namespace lwq::client
