// SPDX-License-Identifier: Apache-2.0
#include "worker/daemon/lease_checkpoints.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/text/one_line.h"
#include "spdlog/spdlog.h"

namespace lwq::worker {
namespace {

constexpr size_t kMaxReasonBytes = 500;

std::string ReasonOf(const Status& status) {
  return OneLine(MessageOf(status), kMaxReasonBytes);
}

}  // namespace

LeaseCheckpoints::LeaseCheckpoints(const lwqat::v1::Lease& lease, const CheckpointStamp& stamp, ArtifactStore* store,
                                   CheckpointTimer* timer, TaskMonitor* monitor, CheckpointObserver observe,
                                   std::function<double()> now)
    : lease_(lease),
      stamp_(stamp),
      store_(store),
      timer_(timer),
      monitor_(monitor),
      observe_(std::move(observe)),
      now_(std::move(now)),
      began_(now_()) {
  timer_->TaskBegins(began_);
}

StatusOr<CheckpointStamp> LeaseCheckpoints::StampOf(const lwqat::v1::Lease& lease) {
  CheckpointStamp stamp;
  LWQ_ASSIGN_OR_RETURN(stamp.task, Digest::FromHex(lease.task_key()));
  LWQ_ASSIGN_OR_RETURN(stamp.action, Digest::FromHex(lease.action_key()));
  stamp.kind = lease.kind();
  stamp.numerics_class = lease.numerics_class();
  stamp.token = lease.token();
  return stamp;
}

StatusOr<std::optional<CheckpointReader>> LeaseCheckpoints::Earlier() {
  if (!lease_.has_checkpoint()) return std::nullopt;
  const lwqat::v1::ArtifactRef& named = lease_.checkpoint().artifact();
  LWQ_ASSIGN_OR_RETURN(const Digest digest, Digest::FromHex(named.digest()));
  // Past the cache: it is read once, and would displace what is read again.
  StatusOr<CheckpointReader> reader = CheckpointReader::Open(store_, {digest, named.size_bytes()}, stamp_);
  if (reader.ok()) return std::optional(*std::move(reader));
  if (!qat::IsUnusableCheckpoint(reader.status())) return reader.status();
  Refused(reader.status());
  return std::nullopt;
}

void LeaseCheckpoints::GoesOnFrom(const CheckpointStamp& stamp) {
  newest_step_ = stamp.step;
  seconds_before_ = stamp.seconds;
  spdlog::info("goes on from step {} of {}, which lease {} had reached", stamp.step, stamp.steps, stamp.token);
  Observe({.what = "gone_on"});
}

void LeaseCheckpoints::Refused(const Status& reason) {
  spdlog::warn("begins at the beginning: {}", ReasonOf(reason));
  Observe({.what = "refused"});
}

Status LeaseCheckpoints::AtStep(int64_t step, int64_t steps, SaveState save) {
  const bool drains = timer_->enabled() && monitor_->draining();
  const bool is_new = step > newest_step_;
  if (is_new && (drains ? !last_failed_ : timer_->IsDue(now_()))) Save(step, steps, save);
  if (!drains || step > newest_step_) return absl::OkStatus();
  return absl::CancelledError(
      step == 0 ? "the worker is stopping, and nothing was begun"
                : absl::StrCat("the worker is stopping, and a checkpoint has step ", step, " of ", steps));
}

void LeaseCheckpoints::Save(int64_t step, int64_t steps, SaveState save) {
  const double begin = now_();
  CheckpointStamp stamp = stamp_;
  stamp.step = step;
  stamp.steps = steps;
  stamp.seconds = seconds_before_ + begin - began_;
  const StatusOr<ArtifactRef> stored = Store(stamp, save);
  const double end = now_();
  timer_->Saved(begin, end);
  last_failed_ = !stored.ok();
  if (!stored.ok()) {
    spdlog::warn("no checkpoint at step {} of {}: {}", step, steps, ReasonOf(stored.status()));
    Observe({.what = "failed", .seconds = end - begin});
    return;
  }
  newest_step_ = step;
  // Before it is said: who sees the line sees the checkpoint.
  monitor_->SetCheckpoint({*stored, step, steps});
  spdlog::info("checkpoint at step {} of {} ({:.1f} MB in {:.2f} s)", step, steps,
               static_cast<double>(stored->size_bytes) / 1e6, end - begin);
  Observe({.what = "saved", .seconds = end - begin, .bytes = stored->size_bytes});
}

StatusOr<ArtifactRef> LeaseCheckpoints::Store(const CheckpointStamp& stamp, SaveState save) {
  CheckpointWriter writer(store_, stamp);
  LWQ_RETURN_IF_ERROR(save(writer));
  return writer.Publish();
}

void LeaseCheckpoints::Observe(const CheckpointEvent& event) const {
  if (observe_) observe_(event);
}

}  // namespace lwq::worker
