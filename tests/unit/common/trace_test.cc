// SPDX-License-Identifier: Apache-2.0
// Trace contexts, and spans on their way to a collector: a local receiver stands for it.
#include <limits>
#include <memory>
#include <span>
#include <string>

#include "common/json/json.h"
#include "common/trace/otlp_exporter.h"
#include "common/trace/otlp_json.h"
#include "common/trace/trace_context.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/metric_family.h"
#include "tests/testing/http_receiver.h"

namespace lwq {
namespace {

using test::HttpReceiver;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kTraceId[] = "0af7651916cd43dd8448eb211c80319c";
constexpr int64_t kLongMs = 600'000;

TEST(TraceContextTest, OnlyWhatTheStandardCallsOneIsRead) {
  const auto parsed = ParseTraceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->trace_id, kTraceId);
  EXPECT_EQ(parsed->parent_id, "b7ad6b7169203331");
  EXPECT_TRUE(parsed->sampled);
  EXPECT_TRUE(ParseTraceparent("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00-more").has_value());
  for (const char* bad : {"", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
                          "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                          "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                          "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
                          "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
                          "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
                          "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01"}) {
    EXPECT_FALSE(ParseTraceparent(bad).has_value()) << bad;
  }
}

TEST(TraceContextTest, WhatIsWrittenIsReadAndNewIdsAreIds) {
  for (const bool sampled : {true, false}) {
    const TraceContext context{NewTraceId(), NewSpanId(), sampled};
    const auto read = ParseTraceparent(Traceparent(context));
    ASSERT_TRUE(read.has_value()) << Traceparent(context);
    EXPECT_EQ(read->trace_id, context.trace_id);
    EXPECT_EQ(read->parent_id, context.parent_id);
    EXPECT_EQ(read->sampled, sampled);
  }
  EXPECT_NE(NewTraceId(), NewTraceId());
  EXPECT_NE(NewSpanId(), NewSpanId());
}

TEST(TraceContextTest, TheSameThingHasTheSameSpanAndAnotherAnother) {
  EXPECT_EQ(SpanIdOf(kTraceId, "execute a 1"), SpanIdOf(kTraceId, "execute a 1"));
  EXPECT_NE(SpanIdOf(kTraceId, "execute a 1"), SpanIdOf(kTraceId, "execute a 2"));
  EXPECT_NE(SpanIdOf(kTraceId, "execute a 1"), SpanIdOf("1af7651916cd43dd8448eb211c80319c", "execute a 1"));
  EXPECT_TRUE(ParseTraceparent(Traceparent({kTraceId, SpanIdOf(kTraceId, "a"), true})).has_value());
}

Span SpanNamed(const std::string& name) {
  return {.trace_id = kTraceId,
          .span_id = SpanIdOf(kTraceId, name),
          .parent_id = "",
          .name = name,
          .begin_unix_ns = 1'800'000'000'000'000'001,
          .end_unix_ns = 1'800'000'000'500'000'000};
}

TEST(OtlpJsonTest, SpansAreWrittenAsTheProtocolHasThem) {
  Span span = SpanNamed("execute \"train\"\n");
  span.span_id = "b7ad6b7169203331";
  span.parent_id = "00f067aa0ba902b7";
  span.kind = Span::Kind::kServer;
  span.attributes = {{"lwq.attempt", int64_t{2}},
                     {"lwq.loss", 0.5},
                     {"lwq.nan", std::numeric_limits<double>::quiet_NaN()},
                     {"lwq.title", std::string("caf\xe9")}};
  span.failed = true;
  span.error = "out of memory";
  EXPECT_EQ(
      OtlpTraceRequest({{"service.name", "lwq-worker"}}, std::span(&span, 1)),
      R"({"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"lwq-worker"}}]},)"
      R"("scopeSpans":[{"scope":{"name":"lwq"},"spans":[{"attributes":[)"
      R"({"key":"lwq.attempt","value":{"intValue":"2"}},{"key":"lwq.loss","value":{"doubleValue":0.5}},)"
      R"({"key":"lwq.nan","value":{"stringValue":"NaN"}},{"key":"lwq.title","value":{"stringValue":"caf)"
      "\xEF\xBF\xBD"
      R"("}}],"endTimeUnixNano":"1800000000500000000","kind":2,"name":"execute \"train\" ",)"
      R"("parentSpanId":"00f067aa0ba902b7","spanId":"b7ad6b7169203331","startTimeUnixNano":"1800000000000000001",)"
      R"("status":{"code":2,"message":"out of memory"},"traceId":"0af7651916cd43dd8448eb211c80319c"}]}]}]})");
}

size_t SpansIn(const HttpReceiver::Request& request) {
  const StatusOr<Json> json = ParseJson(request.body, "body");
  return json.ok() ? (*json)["resourceSpans"][0]["scopeSpans"][0]["spans"].size() : 0;
}

OtlpOptions OptionsFor(const std::string& url) {
  OtlpOptions options;
  options.endpoint = url;
  options.resource = {{"service.name", "test"}};
  options.interval_ms = kLongMs;
  options.retry_ms = 1;
  options.flush_ms = kLongMs;
  return options;
}

double Counted(prometheus::Collectable& metrics, size_t series) {
  return metrics.Collect().at(0).metric.at(series).counter.value;
}

TEST(OtlpExporterTest, WhatWaitsWhenTheExporterGoesIsSent) {
  HttpReceiver receiver;
  std::shared_ptr<prometheus::Collectable> metrics;
  {
    auto exporter = OtlpExporter::Start(OptionsFor(receiver.url() + "/"));
    ASSERT_TRUE(exporter.ok()) << exporter.status();
    metrics = (*exporter)->Metrics();
    for (const char* name : {"a", "b", "c"}) (*exporter)->Add(SpanNamed(name));
  }
  const std::vector<HttpReceiver::Request> requests = receiver.Await(1);
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_THAT(requests[0].head, StartsWith("POST /v1/traces HTTP/1.1\r\n"));
  EXPECT_THAT(requests[0].head, HasSubstr("Content-Type: application/json"));
  EXPECT_EQ(SpansIn(requests[0]), 3u);
  EXPECT_EQ(Counted(*metrics, 0), 3);
  EXPECT_EQ(Counted(*metrics, 1), 0);
}

TEST(OtlpExporterTest, AFullBatchIsSentAtOnce) {
  HttpReceiver receiver;
  OtlpOptions options = OptionsFor(receiver.url());
  options.batch = 2;
  auto exporter = OtlpExporter::Start(options);
  ASSERT_TRUE(exporter.ok()) << exporter.status();
  for (const char* name : {"a", "b"}) (*exporter)->Add(SpanNamed(name));
  EXPECT_EQ(SpansIn(receiver.Await(1).at(0)), 2u);
}

TEST(OtlpExporterTest, WhatTheCollectorMayTakeLaterIsTriedAgain) {
  HttpReceiver receiver;
  receiver.AnswerNext({503, 429});
  std::shared_ptr<prometheus::Collectable> metrics;
  {
    auto exporter = OtlpExporter::Start(OptionsFor(receiver.url()));
    ASSERT_TRUE(exporter.ok()) << exporter.status();
    metrics = (*exporter)->Metrics();
    (*exporter)->Add(SpanNamed("a"));
  }
  EXPECT_EQ(receiver.Await(3).size(), 3u);
  EXPECT_EQ(Counted(*metrics, 0), 1);
}

TEST(OtlpExporterTest, WhatIsRefusedOrCannotBeSentIsDroppedAndCounted) {
  HttpReceiver receiver;
  receiver.AnswerNext({400});
  std::shared_ptr<prometheus::Collectable> refused;
  {
    auto exporter = OtlpExporter::Start(OptionsFor(receiver.url()));
    ASSERT_TRUE(exporter.ok()) << exporter.status();
    refused = (*exporter)->Metrics();
    (*exporter)->Add(SpanNamed("a"));
  }
  EXPECT_EQ(receiver.Await(1).size(), 1u);
  EXPECT_EQ(Counted(*refused, 0), 0);
  EXPECT_EQ(Counted(*refused, 1), 1);

  std::shared_ptr<prometheus::Collectable> unreachable;
  {
    // Nobody listens on a port that was just given up.
    std::string url = HttpReceiver().url();
    auto exporter = OtlpExporter::Start(OptionsFor(url));
    ASSERT_TRUE(exporter.ok()) << exporter.status();
    unreachable = (*exporter)->Metrics();
    (*exporter)->Add(SpanNamed("a"));
  }
  EXPECT_EQ(Counted(*unreachable, 1), 1);
}

TEST(OtlpExporterTest, ACollectorThatDoesNotAnswerHoldsUpNobodyAndTheNewestSpansAreDropped) {
  HttpReceiver receiver;
  receiver.Hold(true);
  OtlpOptions options = OptionsFor(receiver.url());
  options.batch = 1;
  options.queue = 2;
  std::shared_ptr<prometheus::Collectable> metrics;
  {
    auto exporter = OtlpExporter::Start(options);
    ASSERT_TRUE(exporter.ok()) << exporter.status();
    metrics = (*exporter)->Metrics();
    (*exporter)->Add(SpanNamed("in flight"));
    ASSERT_EQ(receiver.Await(1).size(), 1u);
    for (const char* name : {"a", "b", "c", "d", "e"}) (*exporter)->Add(SpanNamed(name));
    EXPECT_EQ((*exporter)->counts().dropped, 3);
    receiver.Hold(false);
  }
  EXPECT_EQ(Counted(*metrics, 0), 3);
  EXPECT_EQ(Counted(*metrics, 1), 3);
}

TEST(OtlpExporterTest, EndpointsThatAreNoUrlsAreRefusedInOneLine) {
  for (const char* bad : {"localhost:4318", "grpc://host:4317", "http://", "http:///v1/traces", "http://host?x", ""}) {
    OtlpOptions options;
    options.endpoint = bad;
    const auto exporter = OtlpExporter::Start(options);
    ASSERT_FALSE(exporter.ok()) << bad;
    EXPECT_EQ(exporter.status().code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_THAT(std::string(exporter.status().message()), HasSubstr("http://HOST:PORT")) << bad;
  }
}

}  // namespace
}  // namespace lwq
