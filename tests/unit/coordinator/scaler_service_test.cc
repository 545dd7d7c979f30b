// SPDX-License-Identifier: Apache-2.0
// KEDA's external scaler over real gRPC, asked as KEDA 2.21.0 asks.
#include "coordinator/service/scaler_server.h"

#include <future>
#include <map>

#include "coordinator/service/scale_target.h"
#include "gmock/gmock.h"
#include "keda/external_scaler.grpc.pb.h"
#include "tests/unit/coordinator/service_fixture.h"

namespace lwq::coordinator {
namespace {

using externalscaler::ExternalScaler;
using grpc::StatusCode;
using ::testing::HasSubstr;
using testing::NoopSpec;

class ScalerServiceTest : public ServiceTest {
 protected:
  ScalerServiceTest() { Serve({.answer_ms = 60'000, .look_ms = 1}); }
  ~ScalerServiceTest() override {
    runtime_->Stop();
    scaler_->Shutdown(1000);
  }
  void Serve(const ScalerOptions& options) {
    auto scaler = ScalerServer::Start("127.0.0.1:0", runtime_.get(), nullptr, options);
    LWQ_CHECK(scaler.ok(), scaler.status().ToString());
    scaler_ = *std::move(scaler);
    keda_ = ExternalScaler::NewStub(OpenChannel(scaler_->address(), {}));
  }

  // What KEDA sends: everything of the trigger's metadata, its own keys too.
  static externalscaler::ScaledObjectRef Object() {
    externalscaler::ScaledObjectRef object;
    object.set_name("lwq-worker-l4");
    object.set_namespace_("lwq");
    auto& metadata = *object.mutable_scalermetadata();
    metadata["scalerAddress"] = "lwq-coordinator.lwq.svc:7071";
    metadata["enableTLS"] = "true";
    metadata["device"] = "NVIDIA L4";
    metadata["memory"] = "22GiB";
    metadata["deviceSeconds"] = "1800";
    return object;
  }
  static externalscaler::GetMetricsRequest MetricsRequest() {
    externalscaler::GetMetricsRequest request;
    *request.mutable_scaledobjectref() = Object();
    request.set_metricname("s0-runnable-device-seconds");
    return request;
  }
  struct Poll {
    externalscaler::GetMetricSpecResponse spec;
    externalscaler::GetMetricsResponse metrics;
    externalscaler::IsActiveResponse active;
  };
  // One poll of KEDA's: the specs, each metric, whether it is active.
  Poll Ask() {
    Poll poll;
    grpc::Status status = Call(*keda_, &ExternalScaler::Stub::GetMetricSpec, Object(), &poll.spec);
    EXPECT_TRUE(status.ok()) << status.error_message();
    status = Call(*keda_, &ExternalScaler::Stub::GetMetrics, MetricsRequest(), &poll.metrics);
    EXPECT_TRUE(status.ok()) << status.error_message();
    status = Call(*keda_, &ExternalScaler::Stub::IsActive, Object(), &poll.active);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return poll;
  }

  std::unique_ptr<ScalerServer> scaler_;
  std::unique_ptr<ExternalScaler::Stub> keda_;
};

TEST_F(ScalerServiceTest, APoolWithoutWorkIsNotActive) {
  const Poll poll = Ask();
  ASSERT_EQ(poll.spec.metricspecs_size(), 1);
  EXPECT_EQ(poll.spec.metricspecs(0).metricname(), "runnable-device-seconds");
  EXPECT_EQ(poll.spec.metricspecs(0).targetsize(), 1800);
  EXPECT_EQ(poll.spec.metricspecs(0).targetsizefloat(), 1800);
  ASSERT_EQ(poll.metrics.metricvalues_size(), 1);
  EXPECT_EQ(poll.metrics.metricvalues(0).metricvalue(), 0);
  EXPECT_FALSE(poll.active.result());
}

TEST_F(ScalerServiceTest, WorkThatWaitsMakesItActive) {
  Submit(NoopSpec(40));
  const Poll poll = Ask();
  EXPECT_EQ(poll.metrics.metricvalues(0).metricname(), "runnable-device-seconds");
  EXPECT_EQ(poll.metrics.metricvalues(0).metricvaluefloat(), 40 * 60);
  EXPECT_EQ(poll.metrics.metricvalues(0).metricvalue(), 40 * 60);
  EXPECT_TRUE(poll.active.result());
}

TEST_F(ScalerServiceTest, AStreamSaysAtOnceAndUponEveryChangeWhetherThePoolIsActive) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kFar);
  const auto stream = keda_->StreamIsActive(&context, Object());
  externalscaler::IsActiveResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_FALSE(response.result());
  const std::string run = Submit(NoopSpec(1));
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_TRUE(response.result());
  RunToEnd(Register("a"));
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_FALSE(response.result());
  context.TryCancel();
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), StatusCode::CANCELLED);
}

TEST_F(ScalerServiceTest, AStreamEndsWithTheCoordinator) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kFar);
  const auto stream = keda_->StreamIsActive(&context, Object());
  externalscaler::IsActiveResponse response;
  ASSERT_TRUE(stream->Read(&response));
  runtime_->Stop();
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), StatusCode::UNAVAILABLE);
}

TEST_F(ScalerServiceTest, WhileTheLoopStandsStillEveryCallEndsAndTheSpecIsAnswered) {
  scaler_->Shutdown(0);
  Serve({.answer_ms = 1, .look_ms = 1});
  std::promise<void> standing;
  std::promise<void> go_on;
  runtime_->Read([&](const State* /*state*/, Instant /*now*/) {
    standing.set_value();
    go_on.get_future().wait();
  });
  standing.get_future().wait();
  externalscaler::GetMetricSpecResponse spec;
  EXPECT_TRUE(Call(*keda_, &ExternalScaler::Stub::GetMetricSpec, Object(), &spec).ok());
  externalscaler::GetMetricsResponse metrics;
  grpc::Status status = Call(*keda_, &ExternalScaler::Stub::GetMetrics, MetricsRequest(), &metrics);
  EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("has not answered in time"));
  externalscaler::IsActiveResponse active;
  status = Call(*keda_, &ExternalScaler::Stub::IsActive, Object(), &active);
  EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
  go_on.set_value();
}

TEST_F(ScalerServiceTest, AfterTheEndOfTheLoopTheSpecIsStillAnswered) {
  runtime_->Stop();
  externalscaler::GetMetricSpecResponse spec;
  EXPECT_TRUE(Call(*keda_, &ExternalScaler::Stub::GetMetricSpec, Object(), &spec).ok());
  externalscaler::GetMetricsResponse metrics;
  EXPECT_EQ(Call(*keda_, &ExternalScaler::Stub::GetMetrics, MetricsRequest(), &metrics).error_code(),
            StatusCode::UNAVAILABLE);
}

TEST_F(ScalerServiceTest, MetadataThatSaysNoPoolIsRefusedByName) {
  const std::map<std::string, std::string> wrong = {{"memory", "lots"}, {"deviceSeconds", "0"}};
  for (const auto& [key, value] : wrong) {
    externalscaler::ScaledObjectRef object = Object();
    (*object.mutable_scalermetadata())[key] = value;
    externalscaler::GetMetricSpecResponse spec;
    const grpc::Status status = Call(*keda_, &ExternalScaler::Stub::GetMetricSpec, object, &spec);
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(), HasSubstr(key));
  }
  for (const char* key : {"device", "memory", "deviceSeconds"}) {
    externalscaler::ScaledObjectRef object = Object();
    object.mutable_scalermetadata()->erase(key);
    externalscaler::IsActiveResponse active;
    const grpc::Status status = Call(*keda_, &ExternalScaler::Stub::IsActive, object, &active);
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(), HasSubstr(absl::StrCat("has no ", key)));
    grpc::ClientContext context;
    const auto stream = keda_->StreamIsActive(&context, object);
    EXPECT_FALSE(stream->Read(&active));
    EXPECT_EQ(stream->Finish().error_code(), StatusCode::INVALID_ARGUMENT);
  }
}

TEST_F(ScalerServiceTest, SpecsAreNotPushed) {
  grpc::ClientContext context;
  const auto stream = keda_->StreamMetricSpec(&context, Object());
  externalscaler::GetMetricSpecResponse spec;
  EXPECT_FALSE(stream->Read(&spec));
  EXPECT_EQ(stream->Finish().error_code(), StatusCode::UNIMPLEMENTED) << "what KEDA takes for: ask instead";
}

TEST(ScaleTargetTest, ABusyWorkerCountsAsAWholeOneAndAWaitingRunAsTheFirst) {
  const ScaleTarget target{.pool = {"L4", 1 << 20}, .device_seconds = 1800};
  EXPECT_EQ(MetricOf({}, target), 0);
  EXPECT_EQ(MetricOf({.queued_seconds = 900, .busy_workers = 3}, target), 3 * 1800 + 900);
  EXPECT_EQ(MetricOf({.waiting_runs = 7}, target), 1800) << "one worker, which the runs are then pinned to";
}

TEST(ScaleTargetTest, SizesAreReadAsFlagsGiveThem) {
  const StatusOr<ScaleTarget> target =
      ParseScaleTarget({{"device", ""}, {"memory", "22GiB"}, {"deviceSeconds", "1800"}});
  ASSERT_TRUE(target.ok()) << target.status();
  EXPECT_EQ(target->pool.memory_bytes, int64_t{22} << 30);
  EXPECT_EQ(target->pool.device, "");
}

}  // namespace
}  // namespace lwq::coordinator
