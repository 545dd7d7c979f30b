// SPDX-License-Identifier: Apache-2.0
// A run whose tensors travel through S3 alone ends with the bytes of one whose tensors travel through files.
#include <cstdlib>
#include <filesystem>
#include <string>

#include "gtest/gtest.h"
#include "tests/integration/cluster.h"
#include "tests/integration/small_run.h"
#include "tests/testing/fake_s3.h"

namespace lwq::test {
namespace {

namespace pb = lwqat::v1;

class S3RunTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // Of this process's children: coordinator, workers and `lwq submit`.
    ::setenv("AWS_ACCESS_KEY_ID", "AKFAKE", 1);
    ::setenv("AWS_SECRET_ACCESS_KEY", "SKFAKE", 1);
    run_file_ = WriteSmallRun(directory_.path(), "same", {});
  }

  pb::Run RunOn(const std::string& name, const std::string& objects_uri) {
    std::filesystem::create_directories(directory_.path() + "/" + name);
    Cluster cluster(directory_.path() + "/" + name, {.objects_uri = objects_uri});
    cluster.StartAll();
    return cluster.Finish(cluster.Submit(run_file_));
  }

  static void ExpectEqual(const pb::Run& a, const pb::Run& b) {
    EXPECT_EQ(a.result_digest(), b.result_digest());
    EXPECT_EQ(a.export_().digest(), b.export_().digest());
    ASSERT_EQ(a.measured_size(), b.measured_size());
    for (int i = 0; i < a.measured_size(); ++i) EXPECT_EQ(a.measured(i).value(), b.measured(i).value());
  }

  TemporaryDirectory directory_;
  std::string run_file_;
};

TEST_F(S3RunTest, ARunOnS3EndsWithTheDigestsOfOneOnFilesAlsoWhereOneRequestOfTwentyFails) {
  const pb::Run on_files = RunOn("files", "");
  FakeS3 fake;
  const pb::Run on_s3 = RunOn("s3", fake.Uri("objects"));
  ExpectEqual(on_files, on_s3);
  EXPECT_FALSE(std::filesystem::exists(directory_.path() + "/s3/objects"));
  EXPECT_EQ(Executed(on_s3, "train_block"), 4) << "nothing was taken from elsewhere";

  FakeS3 failing({"--fail", "0.05", "--seed", "5"});
  ExpectEqual(on_files, RunOn("failing", failing.Uri("objects")));
  EXPECT_GT(failing.Count("faults"), 5);
}

}  // namespace
}  // namespace lwq::test
