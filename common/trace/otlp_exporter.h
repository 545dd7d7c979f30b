// SPDX-License-Identifier: Apache-2.0
// Sends spans to an OpenTelemetry collector by OTLP over HTTP, in JSON: POST ENDPOINT/v1/traces, a few hundred spans at
// a time, by a thread of its own.
//
// Add never waits: of spans that come faster than they can be sent, or while the collector does not answer, the newest
// are dropped and counted. A batch that the collector may take later (no connection, 429, 502, 503, 504) is tried a few
// times with growing pauses, then dropped; the first failure after a success is logged. When the exporter goes, what
// still waits is sent, for flush_ms at most.
//
// Thread-safety: any thread. After fork() use a new one.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "common/http/http_client.h"
#include "common/sync/mutex.h"
#include "common/trace/span.h"
#include "prometheus/collectable.h"

namespace lwq {

struct OtlpOptions {
  std::string endpoint;  // http://HOST:PORT or https://…, to which /v1/traces is added
  std::vector<std::pair<std::string, std::string>> resource;  // who sends: {"service.name", "lwq-worker"}, …
  size_t queue = 4096;                                        // spans that may wait
  size_t batch = 256;
  int64_t interval_ms = 1000;  // between batches that are not full
  int attempts = 4;
  int64_t retry_ms = 500;  // before the second attempt; doubles
  int64_t flush_ms = 3000;
};

// INVALID_ARGUMENT: it is no URL of http or https, or has a query.
Status CheckOtlpEndpoint(std::string_view endpoint);

class OtlpExporter {
 public:
  // Errors of CheckOtlpEndpoint.
  static StatusOr<std::unique_ptr<OtlpExporter>> Start(OtlpOptions options);
  ~OtlpExporter();
  OtlpExporter(const OtlpExporter&) = delete;
  OtlpExporter& operator=(const OtlpExporter&) = delete;

  void Add(Span span);

  struct Counts {
    int64_t sent = 0;
    int64_t dropped = 0;
  };
  Counts counts() const { return {counters_->sent, counters_->dropped}; }
  // lwq_spans_total by outcome; may outlive the exporter.
  std::shared_ptr<prometheus::Collectable> Metrics() const { return counters_; }

 private:
  struct Counters final : prometheus::Collectable {
    std::vector<prometheus::MetricFamily> Collect() const override;
    std::atomic<int64_t> sent = 0;
    std::atomic<int64_t> dropped = 0;
  };
  enum class Answer { kTaken, kRefused, kLater };

  explicit OtlpExporter(OtlpOptions options);
  void Loop();
  // What is to be sent next; empty: the exporter goes, and nothing waits.
  std::vector<Span> NextBatch();
  void Deliver(const std::vector<Span>& batch);
  Answer Send(const std::vector<Span>& batch);
  // False: the exporter goes and its time is over.
  bool WaitToRetry(int64_t wait_ms);

  const OtlpOptions options_;
  const std::string url_;
  const std::shared_ptr<Counters> counters_;
  HttpClient client_;
  bool failing_ = false;  // the thread's own

  Mutex mutex_;
  CondVar changed_;
  std::deque<Span> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::chrono::steady_clock::time_point flush_until_ ABSL_GUARDED_BY(mutex_);

  std::thread thread_;  // last: it uses the rest
};

}  // namespace lwq
