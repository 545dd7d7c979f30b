// SPDX-License-Identifier: Apache-2.0
// One lease from wire message to wire message, on an in-memory object store.
#include "worker/daemon/lease_runner.h"

#include <filesystem>
#include <map>
#include <sstream>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/artifact/file_tree.h"
#include "common/artifact/task_result.h"
#include "common/log/log.h"
#include "common/object_store/open_store.h"
#include "common/task/task_def.h"
#include "common/task/task_params.h"
#include "common/text/one_line.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/as_bytes.h"
#include "tests/testing/process.h"

namespace lwq::worker {
namespace {

namespace pb = lwqat::v1;
using test::AsBytes;
using ::testing::AllOf;
using ::testing::HasSubstr;

class LeaseRunnerTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { ASSERT_TRUE(qat::InitRuntime({}).ok()); }

  void SetUp() override {
    options_.store = &artifacts_;
    options_.blobs = &artifacts_;
    options_.scratch_directory = directory_.path() + "/scratch";
  }

  ArtifactRef Upload(const std::string& name, const std::string& contents) {
    const std::string path = directory_.path() + "/" + name;
    lwq::test::WriteFile(path, contents);
    return UploadFiles(artifacts_, {{name, path}}, nullptr).value();
  }

  ArtifactRef FixtureTokenizer() {
    const std::string folder = std::string(LWQ_SOURCE_DIR) + "/tests/fixtures/model/";
    return UploadFiles(artifacts_,
                       {{"tokenizer.model", folder + "tokenizer.model"},
                        {"tokenizer_config.json", folder + "tokenizer_config.json"}},
                       nullptr)
        .value();
  }

  pb::Lease Tokenize(const ArtifactRef& tokenizer, const ArtifactRef& text) {
    pb::Lease lease;
    lease.set_kind(std::string(TaskKindName(TaskKind::kTokenize)));
    lease.set_params_json(CanonicalJson(TokenizeParams{"stream", 8, 0, 0, 0, true}.ToJson()));
    lease.set_task_key("task");
    lease.set_token(7);
    lease.set_action_key(action_.hex());
    lease.set_title("tokenize");
    for (const auto& [role, ref] : std::map<std::string, ArtifactRef>{{"tokenizer", tokenizer}, {"text", text}}) {
      (*lease.mutable_inputs())[role].set_digest(ref.digest.hex());
      (*lease.mutable_inputs())[role].set_size_bytes(ref.size_bytes);
    }
    return lease;
  }

  pb::ReportTaskRequest Run(const pb::Lease& lease) { return RunLease(lease, options_, monitor_); }

  lwq::test::TemporaryDirectory directory_;
  std::unique_ptr<ObjectStore> store_ = *OpenObjectStore("memory:");
  ArtifactStore artifacts_{store_.get()};
  RunnerOptions options_;
  TaskMonitor monitor_;
  const Digest action_ = DigestOf("action");
};

TEST_F(LeaseRunnerTest, AFailureThatQuotesAnyBytesIsAReportThatCanBeRead) {
  const ArtifactRef text = Upload("t.jsonl", "{\"text\":\"" + std::string(3 << 20, 'x'));
  const ArtifactRef latin1 = Upload("tokenizer.json", "{\"model\":{\"type\":\"caf\xe9\"}}");
  for (const ArtifactRef& tokenizer : {FixtureTokenizer(), latin1}) {
    const pb::ReportTaskRequest report = Run(Tokenize(tokenizer, text));
    EXPECT_EQ(report.failure().cause(), pb::FAILURE_CAUSE_TASK);
    EXPECT_THAT(report.failure().message(), HasSubstr("not valid JSON"));
    EXPECT_EQ(OneLine(report.failure().message(), 2000), report.failure().message());
    EXPECT_LT(report.ByteSizeLong(), 10'000u);
    pb::ReportTaskRequest read;
    EXPECT_TRUE(read.ParseFromString(report.SerializeAsString()));
  }
}

// A result that was published and then harmed in one place.
class HarmedResultTest : public LeaseRunnerTest {
 protected:
  void SetUp() override {
    LeaseRunnerTest::SetUp();
    lease_ = Tokenize(FixtureTokenizer(), Upload("t.txt", "The quick brown fox jumps over the lazy dog, and again."));
    first_ = Run(lease_);
    ASSERT_TRUE(first_.has_success()) << first_.failure().message();
    ASSERT_FALSE(first_.success().from_cache());
    ASSERT_TRUE(Run(lease_).success().from_cache());
    const pb::ArtifactRef& tokens = first_.success().outputs().at("tokens");
    tokens_ = {Digest::FromHex(tokens.digest()).value(), tokens.size_bytes()};
    part_ = LoadManifest(artifacts_, tokens_)->parts.at(0).blob;
  }

  void Replace(const std::string& key, const std::string& from, const std::string& to) {
    std::string text(store_->Get(key)->view());
    const size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << text;
    ASSERT_TRUE(store_->Put(key, AsBytes(text.replace(at, from.size(), to)), {}).ok());
  }

  // The task is executed again, with the same outcome, and what it published is good.
  void ExpectRemade() {
    const pb::ReportTaskRequest again = Run(lease_);
    ASSERT_TRUE(again.has_success()) << again.failure().message();
    EXPECT_FALSE(again.success().from_cache());
    EXPECT_EQ(again.success().metrics_json(), first_.success().metrics_json());
    EXPECT_EQ(again.success().outputs().at("tokens").digest(), tokens_.digest.hex());
    EXPECT_TRUE(artifacts_.IsComplete(tokens_).value());
    EXPECT_TRUE(artifacts_.Fetch(part_).ok());
    EXPECT_TRUE(Run(lease_).success().from_cache());
  }

  pb::Lease lease_;
  pb::ReportTaskRequest first_;
  ArtifactRef tokens_;
  BlobRef part_;
};

TEST_F(HarmedResultTest, ARecordThatIsNotReadableIsRemade) {
  ASSERT_TRUE(store_->Put(ResultKey(action_), AsBytes("{\"outputs\""), {}).ok());
  ExpectRemade();
}

TEST_F(HarmedResultTest, ARecordWithAnotherMetricIsNotBelievedButRemade) {
  Replace(ResultKey(action_), "\"windows\":", "\"windows\":1");
  ExpectRemade();
}

TEST_F(HarmedResultTest, AnOutputWhoseManifestIsDamagedIsRemade) {
  Replace(BlobKey(tokens_.digest), "samples", "sampleZ");
  ExpectRemade();
}

TEST_F(HarmedResultTest, AnOutputWhoseManifestIsGoneIsRemade) {
  ASSERT_TRUE(store_->Delete(BlobKey(tokens_.digest)).ok());
  ExpectRemade();
}

TEST_F(HarmedResultTest, AnOutputOfWhichAPartIsGoneOrCutShortIsRemade) {
  ASSERT_TRUE(store_->Delete(BlobKey(part_.digest)).ok());
  ExpectRemade();
  ASSERT_TRUE(store_->Put(BlobKey(part_.digest), AsBytes("short"), {}).ok());
  ExpectRemade();
}

TEST_F(LeaseRunnerTest, EveryLineOfATaskHasItsIdsAndWhatItSaysGoesToTheCoordinator) {
  pb::Lease lease =
      Tokenize(FixtureTokenizer(), Upload("t.txt", "The quick brown fox jumps over the lazy dog, and again."));
  lease.set_run_id("0123456789ab");
  lease.set_attempt(3);
  lease.set_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00");
  ASSERT_TRUE(Run(lease).has_success());
  ASSERT_TRUE(InitLog("worker", "info", "json").ok());
  testing::internal::CaptureStderr();
  const pb::ReportTaskRequest report = Run(lease);
  lease.set_kind("no such kind");
  Run(lease);
  std::istringstream log(testing::internal::GetCapturedStderr());
  int lines = 0;
  for (std::string line; std::getline(log, line); ++lines) {
    EXPECT_THAT(
        line, AllOf(HasSubstr(R"("run":"0123456789ab")"), HasSubstr(R"("task":"task")"), HasSubstr(R"("attempt":"3")"),
                    HasSubstr(R"("trace_id":"0af7651916cd43dd8448eb211c80319c")"), HasSubstr(R"("span_id":)")));
  }
  EXPECT_EQ(lines, 3) << "found, done, failed";
  EXPECT_EQ(report.first_log_line(), 0);
  ASSERT_EQ(report.log_lines_size(), 1);
  EXPECT_EQ(report.log_lines(0), "result " + action_.short_hex() + " was already published");
}

TEST_F(LeaseRunnerTest, TheReportOfARefusalNamesTheTaskTheTokenAndTheReason) {
  pb::ReportTaskRequest refused;
  refused.set_task_key("task");
  refused.set_token(7);
  refused.add_log_lines("caf\xe9");
  (*refused.mutable_success()->mutable_outputs())["role"].set_size_bytes(1);
  const pb::ReportTaskRequest report =
      RefusalReport(refused, absl::ResourceExhaustedError("report task: larger than max (17 vs. 16)"));
  EXPECT_EQ(report.task_key(), "task");
  EXPECT_EQ(report.token(), 7u);
  EXPECT_EQ(report.failure().cause(), pb::FAILURE_CAUSE_TASK);
  EXPECT_EQ(report.failure().message(),
            "the coordinator refused this task's report: RESOURCE_EXHAUSTED: report task: larger than max (17 vs. 16)");
  EXPECT_EQ(report.log_lines_size(), 0);
}

}  // namespace
}  // namespace lwq::worker
