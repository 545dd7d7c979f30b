// SPDX-License-Identifier: Apache-2.0
#include "common/retry/retrier.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"

namespace lwq {
namespace {

struct RetryRule {
  absl::StatusCode code;
  bool is_retried;
};

constexpr RetryRule kRetryTable[] = {
    {absl::StatusCode::kOk, false},
    {absl::StatusCode::kCancelled, false},           // the caller asked to stop
    {absl::StatusCode::kUnknown, true},              // a fault nobody classified: a broken connection, mostly
    {absl::StatusCode::kInvalidArgument, false},     // the call is wrong
    {absl::StatusCode::kDeadlineExceeded, true},     // slow now, perhaps not later
    {absl::StatusCode::kNotFound, false},            // an answer
    {absl::StatusCode::kAlreadyExists, false},       // an answer
    {absl::StatusCode::kPermissionDenied, false},    // until somebody changes it
    {absl::StatusCode::kResourceExhausted, false},   // a full disk stays full for longer than we wait
    {absl::StatusCode::kFailedPrecondition, false},  // until somebody changes it
    {absl::StatusCode::kAborted, true},              // a conflict inside the store (S3: 409)
    {absl::StatusCode::kOutOfRange, false},          // an answer
    {absl::StatusCode::kUnimplemented, false},       // for ever
    {absl::StatusCode::kInternal, false},            // a bug
    {absl::StatusCode::kUnavailable, true},          // what the code is for
    {absl::StatusCode::kDataLoss, false},            // reading again gives the same bytes
    {absl::StatusCode::kUnauthenticated, false},     // until somebody changes it
};

// Spreads bits evenly (Steele, Lea and Flood's SplitMix64 finalizer).
uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace

bool IsRetried(absl::StatusCode code) {
  for (const RetryRule& rule : kRetryTable) {
    if (rule.code == code) return rule.is_retried;
  }
  return false;
}

Status WaitBySleeping(absl::Duration duration) {
  absl::SleepFor(duration);
  return absl::OkStatus();
}

Retrier::Retrier(const RetryOptions& options, RetryWait wait)
    : options_(options), wait_(std::move(wait)), halves_(int64_t{2} * options.budget_retries) {}

absl::Duration Retrier::Backoff(int attempt) {
  const absl::Duration whole =
      std::min(options_.backoff_max, options_.backoff_initial * static_cast<double>(1LL << std::min(attempt - 1, 30)));
  const double fraction = static_cast<double>(Mix(options_.seed ^ draws_.fetch_add(1)) >> 11) * 0x1p-53;
  return whole * (0.5 + 0.5 * fraction);
}

bool Retrier::Take() {
  int64_t held = halves_.load();
  while (held >= 2) {
    if (halves_.compare_exchange_weak(held, held - 2)) return true;
  }
  return false;
}

void Retrier::PutBack() {
  int64_t held = halves_.load();
  while (held < int64_t{2} * options_.budget_retries) {
    if (halves_.compare_exchange_weak(held, held + 1)) return;
  }
}

}  // namespace lwq
