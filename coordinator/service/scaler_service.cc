// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/scaler_service.h"

#include <chrono>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "common/rpc/grpc_status.h"
#include "common/sync/mutex.h"
#include "coordinator/service/refused_stream.h"
#include "coordinator/service/scale_target.h"
#include "grpcpp/alarm.h"

namespace lwq::coordinator {
namespace {

constexpr char kMetric[] = "runnable-device-seconds";

StatusOr<ScaleTarget> TargetOf(const externalscaler::ScaledObjectRef& object) {
  return ParseScaleTarget({object.scalermetadata().begin(), object.scalermetadata().end()});
}

double Measure(const State& state, const ScaleTarget& target) {
  return MetricOf(RunnableWorkFor(state, target.pool, MostSeconds(target)), target);
}

// The older field of KEDA's messages is whole: rounded up, so that a little work is not none.
int64_t RoundedUp(double value) {
  return static_cast<int64_t>(std::ceil(value));
}

// Calls `ring` with `self` once the time is over, unless the alarm is cancelled before; in both cases it lets go of
// `self` then. gRPC keeps an alarm's callback for as long as the alarm, so what owns the alarm must not be owned by it.
template <typename Self, typename Ring>
std::unique_ptr<grpc::Alarm> RingAfter(int64_t ms, std::shared_ptr<Self> self, Ring ring) {
  auto alarm = std::make_unique<grpc::Alarm>();
  auto held = std::make_shared<std::shared_ptr<Self>>(std::move(self));
  alarm->Set(std::chrono::system_clock::now() + std::chrono::milliseconds(ms), [held, ring](bool rang) {
    const std::shared_ptr<Self> last = std::move(*held);
    if (rang) ring(last);
  });
  return alarm;
}

// A call that ends with what the loop says, or without it when the time is over: whichever comes first.
class TimedCall : public std::enable_shared_from_this<TimedCall> {
 public:
  using Answer = std::function<void(double metric)>;

  TimedCall(grpc::ServerUnaryReactor* reactor, ScaleTarget target, Answer answer)
      : reactor_(reactor), target_(std::move(target)), answer_(std::move(answer)) {}

  void Begin(Runtime* runtime, int64_t answer_ms) {
    alarm_ = RingAfter(answer_ms, shared_from_this(), [](const std::shared_ptr<TimedCall>& self) {
      self->End(absl::UnavailableError("the coordinator has not answered in time"), nullptr);
    });
    runtime->Read([self = shared_from_this()](const State* state, Instant /*now*/) {
      self->End(state == nullptr ? Stopping() : absl::OkStatus(), state);
      self->alarm_->Cancel();
    });
  }

 private:
  void End(const Status& status, const State* state) {
    const MutexLock lock(&mutex_);
    if (ended_) return;
    ended_ = true;
    if (state != nullptr) answer_(Measure(*state, target_));
    reactor_->Finish(ToGrpc(status));
  }

  grpc::ServerUnaryReactor* const reactor_;
  const ScaleTarget target_;
  const Answer answer_;
  std::unique_ptr<grpc::Alarm> alarm_;  // set before anything can end the call
  Mutex mutex_;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

// Tells whether the pool is active, at once and whenever that changes. Belongs to itself: `self_` until gRPC is done
// with it, and the callbacks that are still to come.
class ActiveStream final : public grpc::ServerWriteReactor<externalscaler::IsActiveResponse> {
 public:
  static ActiveStream* Begin(Runtime* runtime, ScaleTarget target, int64_t look_ms) {
    const std::shared_ptr<ActiveStream> stream(new ActiveStream(runtime, std::move(target), look_ms));
    stream->self_ = stream;
    Look(stream);
    return stream.get();
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return End(grpc::Status(grpc::StatusCode::CANCELLED, "the client has hung up"));
    Wait();
  }
  void OnCancel() override { End(grpc::Status::CANCELLED); }
  void OnDone() override {
    const std::shared_ptr<ActiveStream> last = std::move(self_);
    const MutexLock lock(&mutex_);
    if (alarm_ != nullptr) alarm_->Cancel();
  }

 private:
  ActiveStream(Runtime* runtime, ScaleTarget target, int64_t look_ms)
      : runtime_(runtime), target_(std::move(target)), look_ms_(look_ms) {}

  static void Look(const std::shared_ptr<ActiveStream>& stream) {
    stream->runtime_->Read([stream](const State* state, Instant /*now*/) {
      if (state == nullptr) return stream->End(ToGrpc(Stopping()));
      stream->Tell(Measure(*state, stream->target_) > 0);
    });
  }
  void Tell(bool active) {
    {
      const MutexLock lock(&mutex_);
      if (ended_) return;
      if (told_ != active) {
        told_ = active;
        message_.set_result(active);
        StartWrite(&message_);
        return;
      }
    }
    Wait();
  }
  // Until the next look.
  void Wait() {
    const MutexLock lock(&mutex_);
    if (ended_) return;
    alarm_ = RingAfter(look_ms_, self_, Look);
  }
  void End(const grpc::Status& status) {
    const MutexLock lock(&mutex_);
    if (ended_) return;
    ended_ = true;
    Finish(status);
  }

  Runtime* const runtime_;
  const ScaleTarget target_;
  const int64_t look_ms_;
  std::shared_ptr<ActiveStream> self_;
  externalscaler::IsActiveResponse message_;
  Mutex mutex_;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<bool> told_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<grpc::Alarm> alarm_ ABSL_GUARDED_BY(mutex_);  // a new one for each wait
};

grpc::ServerUnaryReactor* Refuse(grpc::ServerUnaryReactor* reactor, const Status& status) {
  reactor->Finish(ToGrpc(status));
  return reactor;
}

}  // namespace

grpc::ServerUnaryReactor* ScalerService::IsActive(grpc::CallbackServerContext* context,
                                                  const externalscaler::ScaledObjectRef* request,
                                                  externalscaler::IsActiveResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  StatusOr<ScaleTarget> target = TargetOf(*request);
  if (!target.ok()) return Refuse(reactor, target.status());
  std::make_shared<TimedCall>(reactor, *std::move(target), [response](double metric) {
    response->set_result(metric > 0);
  })->Begin(runtime_, options_.answer_ms);
  return reactor;
}

grpc::ServerWriteReactor<externalscaler::IsActiveResponse>* ScalerService::StreamIsActive(
    grpc::CallbackServerContext* /*context*/, const externalscaler::ScaledObjectRef* request) {
  StatusOr<ScaleTarget> target = TargetOf(*request);
  if (!target.ok()) return new RefusedStream<externalscaler::IsActiveResponse>(target.status());
  return ActiveStream::Begin(runtime_, *std::move(target), options_.look_ms);
}

grpc::ServerUnaryReactor* ScalerService::GetMetricSpec(grpc::CallbackServerContext* context,
                                                       const externalscaler::ScaledObjectRef* request,
                                                       externalscaler::GetMetricSpecResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const StatusOr<ScaleTarget> target = TargetOf(*request);
  if (!target.ok()) return Refuse(reactor, target.status());
  externalscaler::MetricSpec* spec = response->add_metricspecs();
  spec->set_metricname(kMetric);
  spec->set_targetsize(RoundedUp(target->device_seconds));
  spec->set_targetsizefloat(target->device_seconds);
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerUnaryReactor* ScalerService::GetMetrics(grpc::CallbackServerContext* context,
                                                    const externalscaler::GetMetricsRequest* request,
                                                    externalscaler::GetMetricsResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  StatusOr<ScaleTarget> target = TargetOf(request->scaledobjectref());
  if (!target.ok()) return Refuse(reactor, target.status());
  std::make_shared<TimedCall>(reactor, *std::move(target), [response](double metric) {
    externalscaler::MetricValue* value = response->add_metricvalues();
    value->set_metricname(kMetric);
    value->set_metricvalue(RoundedUp(metric));
    value->set_metricvaluefloat(metric);
  })->Begin(runtime_, options_.answer_ms);
  return reactor;
}

}  // namespace lwq::coordinator
