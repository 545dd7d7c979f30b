// SPDX-License-Identifier: Apache-2.0
// What a run's tasks say, seen by whoever follows it, by whoever reads the processes' logs, and by a collector of
// traces.
#include <signal.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "common/json/json.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/cluster.h"
#include "tests/integration/small_run.h"
#include "tests/testing/http_receiver.h"

namespace lwq::test {
namespace {

namespace pb = lwqat::v1;
using ::testing::IsSupersetOf;

constexpr char kTraceId[] = "0af7651916cd43dd8448eb211c80319c";
constexpr char kCallersSpan[] = "b7ad6b7169203331";

SmallRun SmallRunOf() {
  SmallRun run;
  run.blocks = 2;
  run.train_size = 8;
  return run;
}

// Objects, one a line; others are left out.
std::vector<Json> JsonLines(const std::string& text) {
  std::vector<Json> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line.front() != '{') continue;
    const StatusOr<Json> json = ParseJson(line, "line");
    EXPECT_TRUE(json.ok()) << line;
    if (json.ok()) lines.push_back(*json);
  }
  return lines;
}

TEST(FollowedLogTest, ItGoesOnThroughTheKillOfTheCoordinatorEndsWithTheRunAndMissesNothing) {
  TemporaryDirectory directory;
  Cluster cluster(directory.path(), {.workers = 1});
  cluster.StartAll();
  const std::string run = cluster.Submit(WriteSmallRun(directory.path(), "followed", SmallRunOf()));
  const std::string seen = directory.path() + "/followed.log";
  Process follower({Binary("lwq"), "logs", run, "--follow", "--json", "--coordinator", cluster.address(), "--timeout",
                    std::to_string(kDeadlineSeconds)},
                   seen);
  ASSERT_TRUE(WaitForFile(seen, kDeadlineSeconds).ok());
  cluster.KillCoordinator();
  cluster.StartCoordinator();
  cluster.Finish(run);
  EXPECT_EQ(follower.Wait(), 0) << ReadFileOrEmpty(seen);

  grpc::ClientContext context;
  pb::GetRunLogsRequest request;
  request.set_run_id(run);
  request.set_page_size(5000);
  pb::GetRunLogsResponse all;
  ASSERT_TRUE(cluster.stub().GetRunLogs(&context, request, &all).ok());
  std::vector<std::string> kept, followed;
  for (const pb::LogLine& line : all.lines()) kept.push_back(absl::StrCat(line.sequence(), " ", line.text()));
  for (const Json& line : JsonLines(ReadFileOrEmpty(seen))) {
    followed.push_back(absl::StrCat(line["sequence"].get<std::string>(), " ", line["text"].get<std::string>()));
  }
  EXPECT_EQ(followed, kept);
  EXPECT_EQ(all.lines().rbegin()->text(), "succeeded");
}

class TracedRunTest : public ::testing::Test {
 protected:
  // The run at its end, and the processes, too.
  pb::Run RunTraced() {
    Cluster cluster(directory_.path(),
                    {.workers = 1, .more_flags = {"--log-format", "json", "--otlp-endpoint", receiver_.url()}});
    cluster.StartAll();
    const Finished submitted = RunToEnd(
        {"/usr/bin/env", absl::StrCat("TRACEPARENT=00-", kTraceId, "-", kCallersSpan, "-01"), Binary("lwq"), "submit",
         WriteSmallRun(directory_.path(), "traced", SmallRunOf()), "--coordinator", cluster.address(), "--json"},
        directory_.path());
    LWQ_CHECK(submitted.exit_code == 0, submitted.err);
    const pb::Run run = cluster.Finish(ParseJson(submitted.out, "submit").value()["runs"][0]["id"].get<std::string>());
    for (Process* process : {&cluster.worker(0), &cluster.coordinator()}) {
      process->Signal(SIGTERM);
      EXPECT_EQ(process->Wait(), 0);
    }
    return run;
  }
  std::vector<Json> LogOf(const std::string& process) const {
    return JsonLines(ReadFileOrEmpty(directory_.path() + "/" + process + ".log"));
  }

  TemporaryDirectory directory_;
  HttpReceiver receiver_;
};

TEST_F(TracedRunTest, EveryLineAboutATaskNamesItAndEverySpanIsInTheCallersTrace) {
  const pb::Run run = RunTraced();
  std::map<std::string, std::string> short_keys;  // of titles
  for (const pb::Task& task : run.tasks()) short_keys[task.title()] = task.key().substr(0, 12);
  int lines = 0;
  for (const Json& line : LogOf("worker-1")) {
    const std::string message = line["message"].get<std::string>();
    for (const auto& [title, key] : short_keys) {
      if (message.find(title) == std::string::npos) continue;
      ++lines;
      EXPECT_TRUE(line.contains("run") && line["run"] == run.id()) << line;
      EXPECT_TRUE(line.contains("task") && line.contains("attempt") && line.contains("span_id")) << line;
      EXPECT_TRUE(line.contains("trace_id") && line["trace_id"] == kTraceId) << line;
    }
  }
  EXPECT_GE(lines, 2 * run.tasks_size()) << "leased and done";

  std::set<std::string> names, ids, parents;
  for (const HttpReceiver::Request& request : receiver_.Await(0)) {
    const Json body = ParseJson(request.body, "body").value();
    for (const Json& span : body["resourceSpans"][0]["scopeSpans"][0]["spans"]) {
      EXPECT_EQ(span["traceId"], kTraceId) << span;
      names.insert(span["name"].get<std::string>());
      ids.insert(span["spanId"].get<std::string>());
      parents.insert(span["parentSpanId"].get<std::string>());
    }
  }
  EXPECT_THAT(names, IsSupersetOf({"run", "queue train_block", "execute train_block", "execute tokenize", "train",
                                   "evaluate", "lwqat.v1.RunService/SubmitRuns", "lwqat.v1.WorkerService/ReportTask"}));
  for (const std::string& parent : parents) {
    EXPECT_TRUE(parent == kCallersSpan || ids.contains(parent)) << parent << " is the parent of a span and not sent";
  }
}

}  // namespace
}  // namespace lwq::test
