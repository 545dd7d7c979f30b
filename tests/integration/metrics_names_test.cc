// SPDX-License-Identifier: Apache-2.0
// Metrics have one set of names: what coordinator and worker show when they are scraped, what docs/metrics.md says, and
// what the alerts and the dashboard of deploy/ use. (tests/deploy holds rules and dashboard against metrics.yaml.)
#include <chrono>
#include <fstream>
#include <functional>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "common/http/http_client.h"
#include "common/retry/retrier.h"
#include "common/rpc/channel.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lwqat/v1/worker_service.grpc.pb.h"
#include "tests/integration/cluster.h"
#include "tests/testing/fake_s3.h"
#include "tests/testing/process.h"
#include "yaml-cpp/yaml.h"

namespace lwq::test {
namespace {

namespace pb = lwqat::v1;
using ::testing::IsEmpty;
using ::testing::Not;

struct Metric {
  std::set<std::string> labels;  // without `le`
  bool is_histogram = false;
  bool operator==(const Metric&) const = default;
};
using Metrics = std::map<std::string, Metric>;

// Adds what a page in Prometheus' text format shows of ours. A family without a series tells no labels.
void AddPage(const std::string& page, Metrics& metrics) {
  static const std::regex kType("# TYPE (lwq_[a-z_]+) ([a-z]+)");
  static const std::regex kSeries("(lwq_[a-z_]+?)(_bucket|_sum|_count)?(?:\\{(.*)\\})? [^ ]+");
  static const std::regex kLabel("([a-z_]+)=\"");
  std::set<std::string> histograms;
  std::istringstream in(page);
  for (std::string line; std::getline(in, line);) {
    std::smatch match;
    if (std::regex_match(line, match, kType)) {
      Metric& metric = metrics[match[1]];
      metric.is_histogram = match[2] == "histogram";
      if (metric.is_histogram) histograms.insert(match[1]);
    } else if (std::regex_match(line, match, kSeries)) {
      const std::string family = histograms.contains(match[1]) ? match[1].str() : match[1].str() + match[2].str();
      const std::string labels = match[3];
      for (std::sregex_iterator it(labels.begin(), labels.end(), kLabel), end; it != end; ++it) {
        if ((*it)[1] != "le") metrics[family].labels.insert((*it)[1]);
      }
    }
  }
}

// The table below `heading` of docs/metrics.md.
Metrics Documented(const std::string& heading) {
  static const std::regex kRow("\\| (.*?) \\|(.*?)\\|(.*)\\|");
  static const std::regex kWord("`([a-z_]+)`");
  std::ifstream in(std::string(LWQ_SOURCE_DIR) + "/docs/metrics.md");
  Metrics metrics;
  bool is_inside = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("## ")) is_inside = line == "## " + heading;
    std::smatch row;
    if (!is_inside || !line.starts_with("| `") || !std::regex_match(line, row, kRow)) continue;
    Metric metric;
    metric.is_histogram = row[3].str().find("(histogram)") != std::string::npos;
    const std::string names = row[1], labels = row[2];
    for (std::sregex_iterator it(labels.begin(), labels.end(), kWord), end; it != end; ++it) {
      metric.labels.insert((*it)[1]);
    }
    for (std::sregex_iterator it(names.begin(), names.end(), kWord), end; it != end; ++it) metrics[(*it)[1]] = metric;
  }
  return metrics;
}

// A program's part of deploy/components/monitoring/metrics.yaml.
Metrics Used(const std::string& program) {
  const YAML::Node file =
      YAML::LoadFile(std::string(LWQ_SOURCE_DIR) + "/deploy/components/monitoring/metrics.yaml")[program];
  Metrics metrics;
  for (const auto& entry : file) {
    Metric& metric = metrics[entry.first.as<std::string>()];
    for (const auto& label : entry.second) {
      const auto name = label.as<std::string>();
      if (name == "le") {
        metric.is_histogram = true;
      } else if (name != "pod") {  // Prometheus' own
        metric.labels.insert(name);
      }
    }
  }
  return metrics;
}

std::string Text(const Metric& metric) {
  std::string text = metric.is_histogram ? "histogram{" : "{";
  for (const std::string& label : metric.labels) text += label + " ";
  return text + "}";
}

std::vector<std::string> Differences(const Metrics& shown, const Metrics& documented) {
  std::vector<std::string> differences;
  for (const auto& [name, metric] : shown) {
    const auto said = documented.find(name);
    if (said == documented.end()) {
      differences.push_back(name + " is shown, and docs/metrics.md does not have it");
    } else if (said->second != metric) {
      differences.push_back(name + " is shown as " + Text(metric) + ", and documented as " + Text(said->second));
    }
  }
  for (const auto& [name, metric] : documented) {
    if (!shown.contains(name)) differences.push_back(name + " is documented, and no program shows it");
  }
  return differences;
}

std::vector<std::string> NotShown(const Metrics& used, const Metrics& shown) {
  std::vector<std::string> missing;
  for (const auto& [name, metric] : used) {
    const auto there = shown.find(name);
    const bool is_there = there != shown.end() && there->second.is_histogram == metric.is_histogram &&
                          std::ranges::includes(there->second.labels, metric.labels);
    if (!is_there) missing.push_back(name + " as " + Text(metric) + " is used by deploy/, and no program shows it so");
  }
  return missing;
}

std::string Scrape(const std::string& url) {
  HttpClient http({});
  HttpRequest request;
  request.url = url;
  const StatusOr<HttpResponse> response = http.Send(request);
  LWQ_CHECK(response.ok() && response->status == 200, response.status().message());
  return response->body;
}

// What follows "metrics on " in a program's log, waited for.
std::string MetricsUrl(const std::string& log) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(kDeadlineSeconds);
  while (std::chrono::steady_clock::now() < end) {
    static const std::regex kUrl("metrics on (http://[^ \n]+/metrics)");
    const std::string text = ReadFileOrEmpty(log);
    std::smatch match;
    if (std::regex_search(text, match, kUrl)) return match[1];
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  LWQ_CHECK(false, log, " never said where its metrics are:\n", ReadFileOrEmpty(log));
  return "";
}

// So that spans are counted; none arrives.
constexpr const char* kNobody = "http://127.0.0.1:1";

// Both programs are started once, and made to do what every family needs to have a series.
class MetricsNamesTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    ::setenv("AWS_ACCESS_KEY_ID", "AKFAKE", 1);
    ::setenv("AWS_SECRET_ACCESS_KEY", "SKFAKE", 1);
    const TemporaryDirectory directory;
    WriteFile(directory.path() + "/run.yaml", "name: short\nmethod: noop\ntrain_size: 3\n");
    ScrapeWhileATaskIsLeased(directory.path());
    ScrapeAWorkerAfterATaskThatFailed(directory.path());
  }

  static Process StartCoordinator(const std::string& folder, const std::string& objects) {
    Process coordinator(
        {Binary("lwq-coordinator"), "--store", "sqlite:" + folder + ".db", "--objects", objects, "--address-file",
         folder + ".address", "--metrics-listen", "127.0.0.1:0", "--otlp-endpoint", kNobody},
        folder + ".log");
    LWQ_CHECK(WaitForFile(folder + ".address", kDeadlineSeconds).ok(), ReadFileOrEmpty(folder + ".log"));
    return coordinator;
  }

  // The worker is this test, so that its task stays with it as long as it takes to look.
  static void ScrapeWhileATaskIsLeased(const std::string& directory) {
    const std::string folder = directory + "/leased";
    const Process coordinator = StartCoordinator(folder, "file://" + directory + "/objects");
    const std::string address = *WaitForFile(folder + ".address", kDeadlineSeconds);
    const auto worker = pb::WorkerService::NewStub(OpenChannel(address, {}));
    pb::RegisterWorkerRequest me;
    me.set_name("test");
    me.set_device("cpu");
    me.set_numerics_class("test|none|none");
    me.set_memory_bytes(int64_t{1} << 30);
    me.set_max_threads(1);
    pb::RegisterWorkerResponse registered;
    grpc::ClientContext first;
    LWQ_CHECK(worker->RegisterWorker(&first, me, &registered).ok(), "RegisterWorker");
    const Finished submitted =
        RunToEnd({Binary("lwq"), "submit", directory + "/run.yaml", "--coordinator", address}, directory);
    LWQ_CHECK(submitted.exit_code == 0, submitted.err);
    pb::LeaseTaskRequest ask;
    ask.set_worker_id(registered.worker_id());
    ask.mutable_max_wait()->set_seconds(60);
    pb::LeaseTaskResponse leased;
    grpc::ClientContext second;
    LWQ_CHECK(worker->LeaseTask(&second, ask, &leased).ok() && leased.has_lease(), "LeaseTask");
    AddPage(Scrape(MetricsUrl(folder + ".log")), coordinator_);
  }

  static void ScrapeAWorkerAfterATaskThatFailed(const std::string& directory) {
    const std::string folder = directory + "/worked";
    FakeS3 bucket;
    const Process coordinator = StartCoordinator(folder, bucket.Uri("objects"));
    const std::string address = *WaitForFile(folder + ".address", kDeadlineSeconds);
    bucket.Fail("internal", RetryOptions().attempts_max, "PUT", "results/");  // given up once, and tried again later
    const Process worker({Binary("lwq-worker"), "--coordinator", address, "--cache-dir", directory + "/cache",
                          "--metrics-listen", "127.0.0.1:0", "--otlp-endpoint", kNobody},
                         folder + "-worker.log");
    const Finished watched =
        RunToEnd({Binary("lwq"), "submit", directory + "/run.yaml", "--watch", "--coordinator", address}, directory);
    LWQ_CHECK(watched.exit_code == 0, watched.err, ReadFileOrEmpty(folder + "-worker.log"));
    AddPage(Scrape(MetricsUrl(folder + "-worker.log")), worker_);
  }

  static inline Metrics coordinator_;
  static inline Metrics worker_;
};

TEST_F(MetricsNamesTest, EveryMetricThatAProgramShowsIsDocumentedWithItsLabelsAndNoneElse) {
  EXPECT_THAT(Differences(coordinator_, Documented("Coordinator")), IsEmpty());
  EXPECT_THAT(Differences(worker_, Documented("Worker")), IsEmpty());
}

TEST_F(MetricsNamesTest, WhatAlertsAndDashboardUseIsShownWithItsLabels) {
  EXPECT_THAT(NotShown(Used("coordinator"), coordinator_), IsEmpty());
  EXPECT_THAT(NotShown(Used("worker"), worker_), IsEmpty());
  EXPECT_THAT(Used("coordinator"), Not(IsEmpty()));
  EXPECT_THAT(Used("worker"), Not(IsEmpty()));
}

TEST_F(MetricsNamesTest, ANameALabelOrAKindThatDiffersIsSeen) {
  const std::vector<std::function<void(Metrics&)>> changes = {
      [](Metrics& metrics) { metrics.erase("lwq_queue_tasks"); },
      [](Metrics& metrics) { metrics["lwq_queue_task"] = metrics["lwq_queue_tasks"]; },
      [](Metrics& metrics) { metrics["lwq_queue_tasks"].labels.erase("reason"); },
      [](Metrics& metrics) { metrics["lwq_queue_tasks"].labels.insert("run"); },
      [](Metrics& metrics) { metrics["lwq_commit_seconds"].is_histogram = false; }};
  for (size_t i = 0; i < changes.size(); ++i) {
    Metrics documented = Documented("Coordinator"), used = Used("coordinator"), shown = coordinator_;
    changes[i](documented);
    EXPECT_EQ(Differences(coordinator_, documented).size(), 1u) << i;
    changes[i](used);
    changes[i](shown);
    const bool is_more = i == 1 || i == 3;  // the programs may show more than is used
    EXPECT_EQ(NotShown(Used("coordinator"), shown).empty(), is_more) << i;
    EXPECT_EQ(NotShown(used, coordinator_).empty(), i == 0 || i == 2) << i;
  }
}

}  // namespace
}  // namespace lwq::test
