// SPDX-License-Identifier: Apache-2.0
#include "worker/session/session.h"

#include <algorithm>

namespace lwq::worker {
namespace {

enum class Reaction { kRetry, kRegisterAgain, kDropResult, kReplaceReport, kFatal };

Reaction ReactionTo(Call call, absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
      return Reaction::kRetry;
    case absl::StatusCode::kResourceExhausted:
      return call == Call::kReport ? Reaction::kReplaceReport : Reaction::kRetry;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kInternal:
      return call == Call::kReport ? Reaction::kReplaceReport : Reaction::kFatal;
    case absl::StatusCode::kNotFound:
      return call == Call::kRegister ? Reaction::kFatal : Reaction::kRegisterAgain;
    case absl::StatusCode::kAborted:
      return call == Call::kReport ? Reaction::kDropResult : Reaction::kRegisterAgain;
    case absl::StatusCode::kUnauthenticated:
      // One that was let in before has a token that is being renewed: its file is read again.
      return call == Call::kRegister ? Reaction::kFatal : Reaction::kRetry;
    case absl::StatusCode::kOk:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kDataLoss:
    default:
      // This program's bug or a version that does not fit: retrying would loop for ever, and dropping a result silently
      // would hide it.
      return Reaction::kFatal;
  }
}

// splitmix64: spreads the workers' retries without a random device.
uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

}  // namespace

int64_t BackOffMs(int failures, uint64_t spread) {
  if (failures <= 0) return 0;
  const int64_t full = std::min<int64_t>(5000, 100LL << std::min(failures - 1, 10));
  return full - static_cast<int64_t>(spread % static_cast<uint64_t>(full / 2));
}

NextStep Session::Next() const {
  const int64_t delay_ms = BackOffMs(failures_, Mix(spread_seed_ + static_cast<uint64_t>(failures_)));
  switch (state_) {
    case State::kRegistering:
      if (draining_ && !report_after_register_) return {Step::kExit, 0};
      return {Step::kRegister, delay_ms, report_after_register_};
    case State::kIdle:
      if (draining_) return {Step::kExit, 0};
      return {Step::kLease, delay_ms};
    case State::kExecuting:
      return {Step::kExecute, 0};
    case State::kReporting:
      return {refusal_.ok() ? Step::kReport : Step::kReportRefusal, delay_ms, true};
    case State::kDone:
      return {Step::kExit, 0};
  }
  return {Step::kExit, 0};
}

void Session::OnRegistered() {
  LWQ_CHECK(state_ == State::kRegistering);
  failures_ = 0;
  state_ = report_after_register_ ? State::kReporting : State::kIdle;
  report_after_register_ = false;
}

void Session::OnLeaseAnswered(bool got_task) {
  LWQ_CHECK(state_ == State::kIdle);
  failures_ = 0;
  if (got_task) state_ = State::kExecuting;
}

void Session::OnExecuted() {
  LWQ_CHECK(state_ == State::kExecuting);
  refusal_ = absl::OkStatus();
  state_ = State::kReporting;
}

void Session::OnReported(bool got_next) {
  LWQ_CHECK(state_ == State::kReporting);
  failures_ = 0;
  state_ = got_next ? State::kExecuting : State::kIdle;
}

void Session::EndDrain() {
  draining_ = true;
  drain_ended_ = true;
  const bool has_outcome = state_ == State::kReporting || (state_ == State::kRegistering && report_after_register_);
  if (has_outcome && failures_ > 0) state_ = State::kDone;
}

void Session::OnCallFailed(Call call, const Status& status) {
  switch (ReactionTo(call, status.code())) {
    case Reaction::kRetry:
      ++failures_;
      if (drain_ended_) state_ = State::kDone;
      return;
    case Reaction::kRegisterAgain:
      failures_ = 0;
      report_after_register_ = call == Call::kReport;
      state_ = State::kRegistering;
      return;
    case Reaction::kDropResult:
      failures_ = 0;
      state_ = State::kIdle;
      return;
    case Reaction::kReplaceReport:
      if (refusal_.ok()) {
        failures_ = 0;
        refusal_ = status;
        return;
      }
      [[fallthrough]];
    case Reaction::kFatal:
      fatal_ = status;
      state_ = State::kDone;
      return;
  }
}

}  // namespace lwq::worker
