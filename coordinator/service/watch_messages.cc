// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/watch_messages.h"

#include <algorithm>
#include <utility>

#include "coordinator/scheduler/state/run_rungs.h"
#include "coordinator/service/convert_run.h"
#include "coordinator/service/resume_token.h"

namespace lwq::coordinator {
namespace {

// Watchers are people: behind the loop, and before previews.
constexpr int kSendingNice = 5;

// A whole run is not made again within this time.
constexpr int64_t kMomentMs = 20;

}  // namespace

WatchMessages::WatchMessages(Runtime* runtime)
    : term_(runtime->term()), sending_(runtime, {.threads = 1, .nice = kSendingNice}) {}

void WatchMessages::BeginMoment(Instant now) {
  if (changes_at_ms_ == now.steady_ms) return;
  changes_at_ms_ = now.steady_ms;
  changes_.clear();
  of_sweeps_.clear();
  of_runs_.clear();
}

WatchMessages::UpTo WatchMessages::Changes(const State& state, const RunEntry& run, Instant now, uint64_t since) {
  BeginMoment(now);
  UpTo& up_to = changes_[{run.record.id, since, run.revision}];
  if (up_to.message == nullptr) {
    up_to.message = SharedMessage<lwqat::v1::WatchRunResponse>::Make([&](lwqat::v1::WatchRunResponse* made) {
      up_to.revision = ChangesToWire(state, run, now, since, made);
      made->set_resume_token(ToText({run.record.id.value, term_, up_to.revision}));
    });
  }
  return up_to;
}

WatchMessages::UpTo WatchMessages::Whole(const State& state, const RunEntry& run, Instant now) {
  std::erase_if(whole_, [now](const auto& made) { return now.steady_ms - made.second.made_at_ms > kMomentMs; });
  WholeRun& whole = whole_[run.record.id];
  if (whole.up_to.message == nullptr || whole.state != run.record.state) {
    const auto message = SharedMessage<lwqat::v1::WatchRunResponse>::Make([&](lwqat::v1::WatchRunResponse* made) {
      RunToWire(state, run, now, /*with_tasks=*/true, made->mutable_run());
      made->set_resume_token(ToText({run.record.id.value, term_, run.revision}));
    });
    whole = {{message, run.revision}, run.record.state, now.steady_ms};
  }
  return whole.up_to;
}

WatchMessages::SweepUpTo WatchMessages::OfSweep(const State& state, const SweepId& sweep, Instant now,
                                                std::optional<uint64_t> since) {
  BeginMoment(now);
  const uint64_t until = state.sweep_revisions.at(sweep);
  SweepUpTo& up_to = of_sweeps_[{sweep, since, until}];
  if (up_to.message != nullptr) return up_to;
  std::map<uint64_t, const RunEntry*> changed;  // by revision, of which no two runs have one
  for (const SweepRecord::Member& member : state.sweeps.at(sweep).members) {
    const RunEntry& run = state.runs.at(member.run);
    if (!since.has_value() || run.revision > *since) changed[run.revision] = &run;
  }
  up_to.message = SharedMessage<lwqat::v1::WatchSweepResponse>::Make([&](lwqat::v1::WatchSweepResponse* made) {
    up_to.revision = until;
    size_t runs = 0;
    for (const auto& [revision, run] : changed) {
      RunOfSweepToWire(state, *run, now, made->add_runs());
      if (++runs < std::min(kRunsInMessage, changed.size())) continue;
      if (runs < changed.size()) up_to.revision = revision;
      break;
    }
    made->set_all_again(!since.has_value());
    made->set_all_ended(up_to.revision == until && HasEnded(state, sweep));
    made->set_resume_token(ToText({sweep.value, term_, up_to.revision}));
  });
  return up_to;
}

WatchMessages::RunsUpTo WatchMessages::OfRuns(const State& state, const RunsWatched& watched, Instant now,
                                              std::optional<RunsKnown> known) {
  BeginMoment(now);
  RunsUpTo& up_to = of_runs_[{watched, known, state.revision}];
  if (up_to.message != nullptr) return up_to;
  const bool all = !known.has_value() || !state.run_news.KnowsAllAfter(known->deletions);
  const RunsKnown before = all ? RunsKnown{.runs = 0, .deletions = state.revision} : *known;
  up_to.message = SharedMessage<lwqat::v1::WatchRunsResponse>::Make([&](lwqat::v1::WatchRunsResponse* made) {
    up_to.known = {.runs = state.revision, .deletions = state.revision};
    const auto& runs = state.run_news.runs();
    for (auto next = runs.upper_bound(before.runs); next != runs.end(); ++next) {
      const RunEntry& run = state.runs.at(next->second);
      if (run.record.sequence < watched.first_sequence || !watched.projects.Has(run.record.spec->project)) continue;
      if (made->runs_size() == static_cast<int>(kRunsInMessage)) {
        up_to.known.runs = std::prev(next)->first;
        made->set_more(true);
        break;
      }
      RunOfSweepToWire(state, run, now, made->add_runs());
    }
    for (const RunNews::Deletion& deletion : state.run_news.deletions()) {
      if (deletion.revision <= before.deletions || deletion.sequence < watched.first_sequence) continue;
      if (watched.projects.Has(deletion.project)) made->add_deleted(deletion.run.value);
    }
    made->set_all_again(all);
    made->set_resume_token(ToText({kAllRuns, term_, up_to.known.runs}));
    up_to.tells = all || made->runs_size() > 0 || made->deleted_size() > 0;
  });
  return up_to;
}

void WatchMessages::Post(std::function<void()> send) {
  sending_.PostAnyway([send = std::move(send)](StateReader&) { send(); });
}

}  // namespace lwq::coordinator
