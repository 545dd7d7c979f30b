// SPDX-License-Identifier: Apache-2.0
#include "common/trace/otlp_exporter.h"

#include <algorithm>
#include <iterator>
#include <span>

#include "common/metrics/families.h"
#include "common/text/one_line.h"
#include "common/trace/otlp_json.h"
#include "spdlog/spdlog.h"

namespace lwq {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::string_view kPath = "/v1/traces";
constexpr size_t kShownAnswerBytes = 200;

// No call may hold up the end of a program for long.
HttpOptions ClientOptions() {
  HttpOptions options;
  options.connect_seconds = 2;
  options.stall_seconds = 5;
  return options;
}

std::string UrlOf(std::string_view endpoint) {
  while (endpoint.ends_with('/')) endpoint.remove_suffix(1);
  return absl::StrCat(endpoint, kPath);
}

bool MayComeLater(int http_status) {
  return http_status == 429 || http_status == 502 || http_status == 503 || http_status == 504;
}

}  // namespace

std::vector<prometheus::MetricFamily> OtlpExporter::Counters::Collect() const {
  prometheus::MetricFamily spans =
      CounterFamily("lwq_spans_total", "Spans that were sent to the OTLP endpoint, or dropped");
  AddSeries(spans, {{"outcome", "sent"}}, static_cast<double>(sent.load()));
  AddSeries(spans, {{"outcome", "dropped"}}, static_cast<double>(dropped.load()));
  std::vector<prometheus::MetricFamily> families;
  families.push_back(std::move(spans));
  return families;
}

Status CheckOtlpEndpoint(std::string_view endpoint) {
  const size_t scheme = endpoint.starts_with("http://") ? 7 : endpoint.starts_with("https://") ? 8 : 0;
  const bool usable = scheme > 0 && endpoint.size() > scheme && endpoint[scheme] != '/' &&
                      endpoint.find_first_of("?# ") == std::string_view::npos &&
                      OneLine(endpoint, endpoint.size()) == endpoint;
  if (usable) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("OTLP endpoint ", OriginOf(endpoint),
                                                 " is no http://HOST:PORT or https://HOST:PORT of a collector that "
                                                 "takes OTLP over HTTP (mostly port 4318)"));
}

StatusOr<std::unique_ptr<OtlpExporter>> OtlpExporter::Start(OtlpOptions options) {
  LWQ_RETURN_IF_ERROR(CheckOtlpEndpoint(options.endpoint));
  std::unique_ptr<OtlpExporter> exporter(new OtlpExporter(std::move(options)));
  exporter->thread_ = std::thread([self = exporter.get()] { self->Loop(); });
  return exporter;
}

OtlpExporter::OtlpExporter(OtlpOptions options)
    : options_(std::move(options)),
      url_(UrlOf(options_.endpoint)),
      counters_(std::make_shared<Counters>()),
      client_(ClientOptions()) {}

OtlpExporter::~OtlpExporter() {
  {
    const MutexLock lock(&mutex_);
    stopping_ = true;
    flush_until_ = steady_clock::now() + milliseconds(options_.flush_ms);
    changed_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

void OtlpExporter::Add(Span span) {
  const MutexLock lock(&mutex_);
  if (queue_.size() >= options_.queue) {
    ++counters_->dropped;
    return;
  }
  queue_.push_back(std::move(span));
  if (queue_.size() >= options_.batch) changed_.NotifyAll();
}

void OtlpExporter::Loop() {
  while (true) {
    const std::vector<Span> batch = NextBatch();
    if (batch.empty()) return;
    Deliver(batch);
  }
}

std::vector<Span> OtlpExporter::NextBatch() {
  MutexLock lock(&mutex_);
  do {
    changed_.WaitFor(lock, milliseconds(options_.interval_ms), [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return stopping_ || queue_.size() >= options_.batch;
    });
  } while (queue_.empty() && !stopping_);
  if (stopping_ && steady_clock::now() >= flush_until_) {
    counters_->dropped += static_cast<int64_t>(queue_.size());
    queue_.clear();
  }
  const auto count = static_cast<std::ptrdiff_t>(std::min(queue_.size(), options_.batch));
  const auto end = queue_.begin() + count;
  std::vector<Span> batch(std::make_move_iterator(queue_.begin()), std::make_move_iterator(end));
  queue_.erase(queue_.begin(), end);
  return batch;
}

void OtlpExporter::Deliver(const std::vector<Span>& batch) {
  int64_t wait_ms = options_.retry_ms;
  for (int attempt = 1;; ++attempt) {
    const Answer answer = Send(batch);
    if (answer == Answer::kTaken) {
      counters_->sent += static_cast<int64_t>(batch.size());
      return;
    }
    if (answer == Answer::kRefused || attempt >= options_.attempts || !WaitToRetry(wait_ms)) break;
    wait_ms *= 2;
  }
  counters_->dropped += static_cast<int64_t>(batch.size());
}

OtlpExporter::Answer OtlpExporter::Send(const std::vector<Span>& batch) {
  const std::string body = OtlpTraceRequest(options_.resource, batch);
  HttpRequest request;
  request.method = "POST";
  request.url = url_;
  request.headers = {{"Content-Type", "application/json"}};
  request.body = std::as_bytes(std::span<const char>(body.data(), body.size()));
  const StatusOr<HttpResponse> response = client_.Send(request);
  const bool taken = response.ok() && response->status >= 200 && response->status < 300;
  if (!taken && !failing_) {
    spdlog::warn("spans are not taken: {}; what cannot be sent is dropped (lwq_spans_total)",
                 response.ok() ? absl::StrCat(OriginOf(url_), " answers ", response->status, " ",
                                              OneLine(response->body, kShownAnswerBytes))
                               : std::string(MessageOf(response.status())));
  }
  failing_ = !taken;
  if (taken) return Answer::kTaken;
  return !response.ok() || MayComeLater(response->status) ? Answer::kLater : Answer::kRefused;
}

bool OtlpExporter::WaitToRetry(int64_t wait_ms) {
  MutexLock lock(&mutex_);
  if (!stopping_) {
    changed_.WaitFor(lock, milliseconds(wait_ms), [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_; });
    if (!stopping_) return true;
  }
  // Going: what is left of the time is used.
  const auto left = std::chrono::duration_cast<milliseconds>(flush_until_ - steady_clock::now());
  if (left.count() <= 0) return false;
  changed_.WaitUntil(lock, steady_clock::now() + std::min(left, milliseconds(wait_ms)));
  return true;
}

}  // namespace lwq
