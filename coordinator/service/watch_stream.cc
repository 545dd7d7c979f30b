// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/watch_stream.h"

#include <algorithm>
#include <utility>

#include "common/rpc/grpc_status.h"
#include "coordinator/scheduler/state/run_rungs.h"
#include "coordinator/service/resume_token.h"

namespace lwq::coordinator {
namespace {

constexpr int64_t kMaxIntervalMs = 60'000;
constexpr int kDefaultNewest = 1'000;
constexpr int kMaxNewest = 10'000;
constexpr int64_t kRoundSequences = 128;

// The oldest of the projects' newest runs, so many of them and a few more: from a round number on, so that those who
// came a little earlier or later are told the same.
int64_t FirstSequence(const State& state, const ProjectScope& projects, int newest) {
  for (auto run = state.runs_by_sequence.rbegin(); run != state.runs_by_sequence.rend(); ++run) {
    if (!projects.Has(state.runs.at(run->second).record.spec->project)) continue;
    if (--newest == 0) return run->first / kRoundSequences * kRoundSequences;
  }
  return 0;
}

}  // namespace

void WatchStream::Begin() {
  self_ = shared_from_this();
  runtime_->Watch(self_);
}

void WatchStream::OnWriteDone(bool ok) {
  bool awaited = false;
  {
    const MutexLock lock(&mutex_);
    writing_ = false;
    message_.reset();
    awaited = IsAwaited();
  }
  if (!ok) FinishOnce(grpc::Status(grpc::StatusCode::CANCELLED, "the client has hung up"));
  if (awaited || !ok) runtime_->Wake();
}

bool WatchStream::IsAwaited() {
  return !writing_ && !starting_ && std::exchange(awaited_, false);
}

void WatchStream::OnCancel() {
  FinishOnce(grpc::Status(grpc::StatusCode::CANCELLED, "the client has hung up"));
  runtime_->Wake();
}

void WatchStream::OnDone() {
  self_.reset();
}

bool WatchStream::Ready() {
  const MutexLock lock(&mutex_);
  const bool ready = !writing_ && !starting_ && !finished_;
  awaited_ = !ready;
  return ready;
}

void WatchStream::Post(std::shared_ptr<const SerializedOnce> message) {
  message_ = std::move(message);
  {
    const MutexLock lock(&mutex_);
    if (finished_) return;
    writing_ = true;
    starting_ = true;
  }
  messages_->Post([self = shared_from_this()] { self->Write(); });
}

void WatchStream::Write() {
  bool wanted = false;
  {
    const MutexLock lock(&mutex_);
    wanted = !finished_;
  }
  if (wanted) StartWrite(&message_->bytes());
  bool awaited = false;
  {
    const MutexLock lock(&mutex_);
    starting_ = false;
    awaited = IsAwaited();
  }
  FinishIfTold();
  if (awaited) runtime_->Wake();
}

void WatchStream::End(const Status& status) {
  FinishOnce(ToGrpc(status));
}

bool WatchStream::Closed() {
  const MutexLock lock(&mutex_);
  return finished_;
}

void WatchStream::FinishOnce(const grpc::Status& status) {
  {
    const MutexLock lock(&mutex_);
    if (finished_) return;
    finished_ = true;
    finish_ = status;
    if (starting_) return;  // Write does it.
  }
  FinishIfTold();
}

void WatchStream::FinishIfTold() {
  std::optional<grpc::Status> status;
  {
    const MutexLock lock(&mutex_);
    status = std::exchange(finish_, std::nullopt);
  }
  if (status.has_value()) Finish(*status);
}

StatusOr<int64_t> WatchStream::Apart(int64_t interval_ms) const {
  if (interval_ms < 0 || interval_ms > kMaxIntervalMs) {
    return absl::InvalidArgumentError(
        absl::StrCat("interval_ms: ", interval_ms, " is not between 0 and ", kMaxIntervalMs));
  }
  const int64_t interval = runtime_->watch_interval_ms();
  return std::max<int64_t>(1, (interval_ms + interval - 1) / interval);
}

RunWatchStream* RunWatchStream::Start(const Desk& desk, WatchMessages* messages, Caller caller,
                                      const lwqat::v1::WatchRunRequest& request) {
  const std::shared_ptr<RunWatchStream> stream(new RunWatchStream(desk, messages, std::move(caller), request));
  stream->Begin();
  return stream.get();
}

Status RunWatchStream::Open(const State& state) {
  LWQ_ASSIGN_OR_RETURN(apart_, Apart(request_.interval_ms()));
  LWQ_ASSIGN_OR_RETURN(const RunId id, VisibleRun(state, caller_, request_.run_id()));
  if (!request_.resume_token().empty()) {
    LWQ_ASSIGN_OR_RETURN(const ResumeToken token, ParseResumeToken(request_.resume_token(), id.value));
    if (!request_.changes_only()) {
      return absl::InvalidArgumentError("resume_token: only with changes_only, which it goes on with");
    }
    if (token.term == runtime_->term()) known_ = token.revision;
  }
  run_ = id;
  return absl::OkStatus();
}

StatusOr<Watcher::News> RunWatchStream::Look(const State& state) {
  LWQ_RETURN_IF_ERROR(StillLet());
  if (!run_.has_value()) LWQ_RETURN_IF_ERROR(Open(state));
  const auto found = state.runs.find(*run_);
  if (found == state.runs.end()) return absl::NotFoundError(absl::StrCat("run '", run_->value, "' was deleted"));
  const RunEntry& run = found->second;
  if (!spoken_ || known_ != run.revision) return News::kSome;
  return HasEnded(state, run) ? News::kOver : News::kNone;
}

void RunWatchStream::Send(const State& state, Instant now) {
  const RunEntry& run = state.runs.at(*run_);
  WatchMessages::UpTo next = request_.changes_only() && known_.has_value()
                                 ? messages_->Changes(state, run, now, *known_)
                                 : messages_->Whole(state, run, now);
  known_ = next.revision;
  spoken_ = true;
  Post(std::move(next.message));
}

RunsWatchStream* RunsWatchStream::Start(const Desk& desk, WatchMessages* messages, Caller caller,
                                        const lwqat::v1::WatchRunsRequest& request) {
  const std::shared_ptr<RunsWatchStream> stream(new RunsWatchStream(desk, messages, std::move(caller), request));
  stream->Begin();
  return stream.get();
}

Status RunsWatchStream::Open(const State& state) {
  LWQ_ASSIGN_OR_RETURN(apart_, Apart(request_.interval_ms()));
  if (request_.newest() < 0 || request_.newest() > kMaxNewest) {
    return absl::InvalidArgumentError(
        absl::StrCat("newest: ", request_.newest(), " is not between 0 and ", kMaxNewest));
  }
  ProjectScope projects = caller_.projects();
  if (!request_.project().empty()) {
    LWQ_RETURN_IF_ERROR(caller_.CheckNamed(request_.project()));
    projects = ProjectScope::Of({request_.project()});
  }
  if (!request_.resume_token().empty()) {
    LWQ_ASSIGN_OR_RETURN(const ResumeToken token, ParseResumeToken(request_.resume_token(), kAllRuns));
    if (token.term == runtime_->term()) known_ = {.runs = token.revision, .deletions = token.revision};
  }
  const int64_t first = FirstSequence(state, projects, request_.newest() == 0 ? kDefaultNewest : request_.newest());
  watched_ = {.projects = std::move(projects), .first_sequence = first};
  return absl::OkStatus();
}

StatusOr<Watcher::News> RunsWatchStream::Look(const State& state) {
  LWQ_RETURN_IF_ERROR(StillLet());
  if (!watched_.has_value()) LWQ_RETURN_IF_ERROR(Open(state));
  return !spoken_ || known_->runs != state.revision ? News::kSome : News::kNone;
}

void RunsWatchStream::Send(const State& state, Instant now) {
  WatchMessages::RunsUpTo next = messages_->OfRuns(state, *watched_, now, known_);
  known_ = next.known;
  more_ = next.message->content().more();
  // What happens in projects that it is not told of is no news.
  if (spoken_ && !next.tells) return;
  spoken_ = true;
  Post(std::move(next.message));
}

SweepWatchStream* SweepWatchStream::Start(const Desk& desk, WatchMessages* messages, Caller caller,
                                          const lwqat::v1::WatchSweepRequest& request) {
  const std::shared_ptr<SweepWatchStream> stream(new SweepWatchStream(desk, messages, std::move(caller), request));
  stream->Begin();
  return stream.get();
}

Status SweepWatchStream::Open(const State& state) {
  LWQ_ASSIGN_OR_RETURN(const SweepId id, VisibleSweep(state, caller_, request_.sweep_id()));
  if (!request_.resume_token().empty()) {
    LWQ_ASSIGN_OR_RETURN(const ResumeToken token, ParseResumeToken(request_.resume_token(), id.value));
    if (token.term == runtime_->term()) known_ = token.revision;
  }
  sweep_ = id;
  return absl::OkStatus();
}

StatusOr<Watcher::News> SweepWatchStream::Look(const State& state) {
  LWQ_RETURN_IF_ERROR(StillLet());
  if (!sweep_.has_value()) LWQ_RETURN_IF_ERROR(Open(state));
  const auto revision = state.sweep_revisions.find(*sweep_);
  if (revision == state.sweep_revisions.end()) {
    return absl::NotFoundError(absl::StrCat("sweep '", sweep_->value, "' was deleted"));
  }
  if (!spoken_ || known_ != revision->second) return News::kSome;
  return HasEnded(state, *sweep_) ? News::kOver : News::kNone;
}

void SweepWatchStream::Send(const State& state, Instant now) {
  WatchMessages::SweepUpTo next = messages_->OfSweep(state, *sweep_, now, known_);
  known_ = next.revision;
  spoken_ = true;
  Post(std::move(next.message));
}

}  // namespace lwq::coordinator
