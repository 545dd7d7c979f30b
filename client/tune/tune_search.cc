// SPDX-License-Identifier: Apache-2.0
#include "client/tune/tune_search.h"

#include <algorithm>
#include <optional>

#include "client/base/format.h"
#include "client/tune/tune_batch.h"
#include "client/tune/tune_text.h"
#include "client/watch/run_views.h"
#include "client/watch/watch_runs.h"

namespace lwq::client {
namespace {

using lwqat::v1::Sweep;
using search::SearchStep;

class Search {
 public:
  Search(const TuneRequest& tune, const lwqat::v1::RunSpec& base, RunApi* api, Console* console)
      : tune_(tune), base_(base), identity_(IdentityOf(tune, base)), api_(api), console_(console) {}

  StatusOr<TuneOutcome> Run() {
    LWQ_ASSIGN_OR_RETURN(const std::optional<double> first_seconds, FirstSeconds());
    TuneOutcome outcome;
    outcome.id = identity_.short_hex();
    for (int64_t number = 0;; ++number) {
      LWQ_ASSIGN_OR_RETURN(outcome.last,
                           search::PlanSearch(SettingsOf(tune_), ResultsOf(outcome.trials), first_seconds));
      if (outcome.last.kind != SearchStep::Kind::kTry) break;
      LWQ_RETURN_IF_ERROR(CarryOutBatch({number, Count(outcome), outcome.last.batch}, &outcome));
    }
    outcome.reused_seconds = ledger_.reused_seconds();
    if (!outcome.trials.empty()) return outcome;
    return absl::InvalidArgumentError(absl::StrCat(
        tune_.origin, ": the first batch is expected to take ", FormatSeconds(outcome.last.expected.value_or(0)),
        " of device time and the budget is ", FormatSeconds(*tune_.budget_seconds),
        "; give a larger budget, smaller batches or a shorter training"));
  }

 private:
  static int64_t Count(const TuneOutcome& outcome) { return static_cast<int64_t>(outcome.trials.size()); }

  // What the first batch would take, where the coordinator knows tasks like its; asked only where it matters.
  StatusOr<std::optional<double>> FirstSeconds() {
    if (!tune_.budget_seconds.has_value()) return std::nullopt;
    LWQ_ASSIGN_OR_RETURN(const auto trials, FirstBatch(tune_));
    LWQ_ASSIGN_OR_RETURN(const lwqat::v1::SweepSpec spec, SweepOf(tune_, base_, {0, 0, trials}));
    LWQ_ASSIGN_OR_RETURN(const lwqat::v1::SweepPlan plan, api_->PlanSweep(spec));
    if (!plan.has_device_seconds()) return std::nullopt;
    return plan.device_seconds() * HalvingShare(tune_, spec.runs_size(), plan.plans(0).blocks_size());
  }

  Status CarryOutBatch(const TuneBatch& batch, TuneOutcome* outcome) {
    LWQ_ASSIGN_OR_RETURN(const Sweep submitted, Submit(batch));
    LWQ_ASSIGN_OR_RETURN(const Sweep sweep, Await(submitted));
    for (size_t i = 0; i < batch.trials.size(); ++i) {
      const Sweep::Member& member = sweep.members(static_cast<int>(i));
      LWQ_ASSIGN_OR_RETURN(const auto run, api_->GetRun(member.run_id()));
      TuneTrial trial = TrialOf(tune_, sweep, member, run);
      trial.batch = batch.number;
      trial.result.values = batch.trials[i];
      trial.result.cost = ledger_.Add(run);
      outcome->trials.push_back(std::move(trial));
    }
    console_->Err(BatchLine(tune_, batch.number, outcome->trials));
    return absl::OkStatus();
  }

  StatusOr<Sweep> Submit(const TuneBatch& batch) {
    LWQ_ASSIGN_OR_RETURN(const lwqat::v1::SweepSpec spec, SweepOf(tune_, base_, batch));
    StatusOr<Sweep> sweep = api_->SubmitSweep(spec, RequestIdOf(identity_, batch));
    if (absl::IsAlreadyExists(sweep.status())) {
      return absl::FailedPreconditionError(
          absl::StrCat(tune_.origin, ": batch ", batch.number + 1,
                       " was submitted before with other trials: what an earlier batch gave has changed since (or "
                       "another version of "
                       "lwq suggested them); give another seed to begin anew, what was trained is reused"));
    }
    LWQ_RETURN_IF_ERROR(sweep);
    const bool is_over = std::all_of(sweep->members().begin(), sweep->members().end(),
                                     [](const Sweep::Member& member) { return IsOver(member.state()); });
    console_->Err(absl::StrCat("batch ", batch.number + 1, ": trials ", batch.first_trial + 1, " to ",
                               batch.first_trial + static_cast<int64_t>(batch.trials.size()), ", sweep ", sweep->id(),
                               is_over ? ", has ended before" : ""));
    return sweep;
  }

  // Until no run of the sweep goes on. One that halving has stopped may yet be promoted by another's result.
  StatusOr<Sweep> Await(const Sweep& submitted) {
    while (true) {
      LWQ_ASSIGN_OR_RETURN(Sweep sweep, api_->GetSweep(submitted.id()));
      if (sweep.members_size() != submitted.members_size()) {
        return absl::FailedPreconditionError(absl::StrCat(
            "sweep ", submitted.id(), " has lost runs: somebody deleted them; give another seed to begin anew"));
      }
      std::vector<std::string> open;
      for (const Sweep::Member& member : sweep.members()) {
        if (!IsOver(member.state())) open.push_back(member.run_id());
      }
      if (open.empty()) return sweep;
      // A line for each trial that ends: what each of its tasks does is of no interest here.
      const auto view = MakeManyRunsView(ChooseProgressStyle(*console_, /*out_is_taken=*/true), console_);
      LWQ_RETURN_IF_ERROR(WatchTogether(api_, submitted.id(), open, view.get()).status());
    }
  }

  const TuneRequest& tune_;
  const lwqat::v1::RunSpec& base_;
  const Digest identity_;
  RunApi* api_;
  Console* console_;
  TaskLedger ledger_;
};

}  // namespace

std::vector<search::SearchTrial> ResultsOf(const std::vector<TuneTrial>& trials) {
  std::vector<search::SearchTrial> results;
  results.reserve(trials.size());
  for (const TuneTrial& trial : trials) results.push_back(trial.result);
  return results;
}

StatusOr<TuneOutcome> CarryOut(const TuneRequest& tune, const lwqat::v1::RunSpec& base, RunApi* api, Console* console) {
  return Search(tune, base, api, console).Run();
}

}  // namespace lwq::client
