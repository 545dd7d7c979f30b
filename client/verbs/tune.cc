// SPDX-License-Identifier: Apache-2.0
// lwq tune: finds values of a recipe's keys, learning rates above all, by trials on the coordinator's workers.
#include "client/pipeline/preflight.h"
#include "client/run_file/write_run_file.h"
#include "client/transfer/check_weights.h"
#include "client/transfer/export_folder.h"
#include "client/transfer/upload_run.h"
#include "client/tune/tune_batch.h"
#include "client/tune/tune_search.h"
#include "client/tune/tune_text.h"
#include "client/verbs/verb.h"
#include "reporting/json_text.h"

namespace lwq::client {
namespace {

struct TuneOptions {
  bool json = false;
  std::string output;
  TuneFlags tune;
  ServerFlags server;
  std::shared_ptr<RunFlags> run;
};

// The first batch's runs as they would be submitted, their inputs looked at once.
StatusOr<std::vector<CheckedRun>> CheckFirstBatch(const CliContext& context, const TuneRequest& tune) {
  LWQ_ASSIGN_OR_RETURN(const SweepRuns first, FirstBatchRuns(tune));
  Sources sources(SourceContextOf(context));
  InputChecks checks(&sources);
  std::vector<CheckedRun> checked;
  for (const RunRequest& request : first.requests) {
    LWQ_ASSIGN_OR_RETURN(CheckedRun run, checks.Check(request));
    checked.push_back(std::move(run));
  }
  return checked;
}

// What the coordinator says of the first batch as a sweep, its halving included, before anything is uploaded.
Status CheckSweep(const TuneRequest& tune, const CheckedRun& first, RunApi* api) {
  LWQ_ASSIGN_OR_RETURN(const lwqat::v1::RunSpec named, NameRun(first));
  LWQ_ASSIGN_OR_RETURN(const auto trials, FirstBatch(tune));
  LWQ_ASSIGN_OR_RETURN(const lwqat::v1::SweepSpec sweep, SweepOf(tune, named, {0, 0, trials}));
  return Annotate(api->PlanSweep(sweep).status(), tune.origin);
}

// What the search found: an error where no trial was measured, else the exit code is 0.
StatusOr<ExitCode> CodeOf(const TuneRequest& tune, const TuneOutcome& outcome) {
  if (outcome.last.kind == search::SearchStep::Kind::kAllCancelled) return ExitCode::kCancelled;
  if (search::BestTrial(ResultsOf(outcome.trials)).has_value()) return ExitCode::kOk;
  for (const TuneTrial& trial : outcome.trials) {
    if (trial.error.empty()) continue;
    return WithExit(absl::AbortedError(
                        absl::StrCat(tune.name, ": no trial was measured; run ", trial.run_id, " says: ", trial.error)),
                    ExitCode::kFailed);
  }
  return WithExit(absl::AbortedError(absl::StrCat(tune.name, ": no trial was measured; lwq get RUN says why")),
                  ExitCode::kFailed);
}

StatusOr<TuneOutcome> Search(const CliContext& context, const TuneOptions& options, const TuneRequest& tune) {
  LWQ_ASSIGN_OR_RETURN(const std::vector<CheckedRun> checked, CheckFirstBatch(context, tune));
  LWQ_ASSIGN_OR_RETURN(const auto connection, ServerConnection::Open(context, options.server));
  LWQ_RETURN_IF_ERROR(Preflight(connection->api(), checked));
  LWQ_RETURN_IF_ERROR(CheckSweep(tune, checked.front(), connection->api()));
  LWQ_RETURN_IF_ERROR(CheckWeights(checked, *context.interrupt));
  LWQ_ASSIGN_OR_RETURN(const auto objects, connection->OpenObjects());
  UploadedTrees uploaded;
  LWQ_ASSIGN_OR_RETURN(const lwqat::v1::RunSpec base,
                       UploadRun(checked.front(), objects.get(), context.console, &uploaded));
  auto outcome = CarryOut(tune, base, connection->api(), context.console);
  if (outcome.ok() || ExitCodeOf(outcome.status()) != ExitCode::kInterrupted) return outcome;
  return WithExit(absl::CancelledError("interrupted; trials that were begun go on at the coordinator (lwq cancel stops "
                                       "a sweep), and the same command goes on where it was"),
                  ExitCode::kInterrupted);
}

StatusOr<ExitCode> RunTune(const CliContext& context, const TuneOptions& options) {
  LWQ_ASSIGN_OR_RETURN(const TuneRequest tune, LoadTune(options.tune, *options.run));
  LWQ_ASSIGN_OR_RETURN(const TuneOutcome outcome, Search(context, options, tune));
  const auto best = search::BestTrial(ResultsOf(outcome.trials));
  if (!options.output.empty() && best.has_value()) {
    LWQ_ASSIGN_OR_RETURN(const RunRequest tuned, TunedRequest(tune, outcome.trials[*best].result.values));
    LWQ_RETURN_IF_ERROR(
        Annotate(WriteReport(options.output, RunFileText(tuned, TunedComments(tune, outcome, *best))), "--output"));
  }
  context.console->OutText(options.json ? reporting::PrettyJson(TuneToJson(tune, outcome)) : RenderTune(tune, outcome));
  return CodeOf(tune, outcome);
}

void AddSearchFlags(CLI::App* verb, TuneOptions* options) {
  TuneFlags& tune = options->tune;
  const auto add = [&](CLI::Option* option, const char* value) { option->type_name(value)->group("Search"); };
  add(verb->add_option(
              "--param", tune.parameters,
              "what is searched, e.g. quant_lr=1e-5..1e-2:log, epochs=1..4:step=1, lr_schedule=cosine,chained_cosine; "
              "may be repeated (default: quant_lr and weight_lr)")
          ->expected(1)
          ->allow_extra_args(false)
          ->take_all(),
      "KEY=LOW..HIGH");
  add(verb->add_option("--budget", tune.budget, "device time that the trials may take, e.g. 2h or 90m"), "TIME");
  add(verb->add_option("--trials", tune.trials, "trials at most")->check(CLI::Range(1, 1'000'000)), "N");
  add(verb->add_option("--batch", tune.batch, "trials that are submitted together (default 9)")
          ->check(CLI::Range(1, 1'000)),
      "N");
  add(verb->add_option("--search-seed", tune.seed, "where the search's random numbers start (default 0)")
          ->check(CLI::NonNegativeNumber.description("")),
      "N");
  add(verb->add_option("--metric", tune.metric, "what is compared (default block_loss)")
          ->check(CLI::IsMember({kBlockLoss, kPerplexity})),
      "METRIC");
  add(verb->add_option(
              "--halving", tune.halving,
              "how trials are stopped after a few blocks; none trains all of them through (default synchronous)")
          ->check(CLI::IsMember({"none", "synchronous", "asynchronous"})),
      "ORDER");
}

}  // namespace

void AddTuneVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<TuneOptions>();
  CLI::App* verb =
      AddVerb(root,
              {"tune", "Find learning rates, or values of other keys, by trials within a budget of device time",
               "lwq tune run.yaml --param quant_lr=1e-5..1e-2:log --budget 2h --output tuned.yaml"},
              &options->json);
  verb->add_option("TUNE.yaml", options->tune.file, "a tune file (base, search, budget, …) or a run file")
      ->type_name("");
  verb->add_option("--output", options->output, "run file to write, with the best values")->type_name("FILE");
  AddSearchFlags(verb, options.get());
  AddServerFlags(verb, &options->server);
  options->run = AddRunFlags(verb, 0);
  verb->callback([=, &context] { *action = [=, &context] { return RunTune(context, *options); }; });
}

}  // namespace lwq::client
