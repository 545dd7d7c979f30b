// SPDX-License-Identifier: Apache-2.0
// lwq plan: what a run would do, before anything runs or is uploaded.
#include "client/pipeline/preflight.h"
#include "client/render/plan_text.h"
#include "client/run_file/run_flags.h"
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

// What other runs of the coordinator share with this one is found by the inputs' digests. They stay where they are.
// Where all of the weights are read, they are looked at, too.
StatusOr<lwqat::v1::RunSpec> HashRun(const CliContext& context, const CheckedRun& checked) {
  LWQ_RETURN_IF_ERROR(CheckWeights({checked}, *context.interrupt));
  InterruptibleStore names(std::make_unique<NamingStore>(), context.interrupt);
  UploadedTrees uploaded;
  return UploadRun(checked, &names, context.console, &uploaded, "hashing");
}

StatusOr<ExitCode> ShowPlan(const CliContext& context, const PlanOptions& options) {
  LWQ_ASSIGN_OR_RETURN(const std::vector<RunRequest> requests, LoadRuns(*options.runs, options.config_only));
  LWQ_ASSIGN_OR_RETURN(const CheckedRun checked, CheckRunInputs(requests.front()));
  const bool knows_runs = !options.server.state.empty() || !CoordinatorAddress(context, options.server).empty();
  LWQ_ASSIGN_OR_RETURN(const lwqat::v1::RunSpec spec, knows_runs ? HashRun(context, checked) : NameRun(checked));
  LWQ_ASSIGN_OR_RETURN(const auto connection,
                       ServerConnection::Open(context, options.server, ServerConnection::Makes::kTemporaryToo));
  auto plan = connection->api()->PlanRun(spec);
  if (!plan.ok()) return Annotate(plan.status(), checked.request.origin);
  context.console->OutText(options.json ? reporting::PrettyJson(reporting::ToJson(*plan)) : RenderPlan(*plan));
  return ExitCode::kOk;
}

}  // namespace

void AddPlanVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<PlanOptions>();
  CLI::App* verb = AddVerb(
      root,
      {"plan", "Show what a run would do: blocks, stored bits, size, tasks, memory", "lwq plan run.yaml --wbits 2"},
      &options->json);
  verb->add_flag("--config-only", options->config_only,
                 "plan from config.json alone: weights, tokenizer and calibration text need not be here");
  AddServerFlags(verb, &options->server);
  options->runs = AddRunFlags(verb, 1);
  verb->callback([=, &context] { *action = [=, &context] { return ShowPlan(context, *options); }; });
}

}  // namespace lwq::client
