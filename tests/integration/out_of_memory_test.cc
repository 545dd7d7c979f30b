// SPDX-License-Identifier: Apache-2.0
// A worker that has no more memory than the plan says a run needs: trainings that would take more with all activations
// kept recompute them, and the run ends as one with plenty does.
#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/fixtures/tiny_model.h"
#include "tests/integration/cluster.h"
#include "tests/testing/process.h"

namespace lwq::test {
namespace {

namespace pb = lwqat::v1;

// Two units of four blocks whose activations are most of what training them takes.
std::string WriteRunWithLargeActivations(const std::string& directory) {
  const std::string model = directory + "/model";
  TinyModelOptions options;
  options.num_hidden_layers = 8;
  options.max_position_embeddings = 1024;
  options.tokenizer_directory = std::string(LWQ_SOURCE_DIR) + "/tests/fixtures/model";
  LWQ_CHECK(WriteTinyModel(model, options).ok());
  const std::string run_file = directory + "/run.yaml";
  WriteFile(run_file,
            absl::StrCat("model: ", model, "\ncalib_dataset: ", LWQ_SOURCE_DIR,
                         "/tests/fixtures/world/calib.txt\nwbits: 2\ngroup_size: 32\ntrain_size: 4\nval_size: 1\n"
                         "training_seqlen: 1024\nbatch_size: 2\nblock_grouping: 4\nepochs: 1\nprecision: fp32\n"
                         "eval_ppl: false\nexport_format: none\n"));
  return run_file;
}

std::vector<std::string> LogLines(Cluster& cluster, const std::string& run, std::string_view with) {
  pb::GetRunLogsRequest request;
  request.set_run_id(run);
  request.set_page_size(5000);
  pb::GetRunLogsResponse response;
  grpc::ClientContext context;
  LWQ_CHECK(cluster.stub().GetRunLogs(&context, request, &response).ok());
  std::vector<std::string> lines;
  for (const pb::LogLine& line : response.lines()) {
    if (line.text().find(with) != std::string::npos) lines.push_back(line.text());
  }
  return lines;
}

int64_t TrainingPeak(const pb::Run& run) {
  int64_t peak = 0;
  for (const pb::Task& task : run.tasks()) {
    if (task.kind() == "train_block") peak = std::max(peak, task.peak_memory_bytes());
  }
  return peak;
}

TEST(OutOfMemoryTest, AWorkerWithTheMemoryOfThePlanEndsARunLikeOneWithPlenty) {
  const TemporaryDirectory directory;
  const std::string run_file = WriteRunWithLargeActivations(directory.path());
  const auto home = [&](const std::string& name) {
    std::filesystem::create_directories(directory.path() + "/" + name);
    return directory.path() + "/" + name;
  };
  Cluster plenty(home("plenty"), {.workers = 1});
  plenty.StartAll();
  const pb::Run undisturbed = plenty.Finish(plenty.Submit(run_file));
  const int64_t needed = undisturbed.plan().peak_memory_bytes();
  ASSERT_GT(TrainingPeak(undisturbed), needed) << "all activations would fit";
  EXPECT_TRUE(LogLines(plenty, undisturbed.id(), "activations recomputed").empty());

  Cluster scarce(home("scarce"), {.workers = 1, .worker_flags = {"--memory-limit-bytes", absl::StrCat(needed)}});
  scarce.StartAll();
  const pb::Run run = scarce.Finish(scarce.Submit(run_file));
  EXPECT_EQ(run.result_digest(), undisturbed.result_digest()) << scarce.Logs();
  EXPECT_LE(TrainingPeak(run), needed);
  // The first unit finds out, the second knows.
  const auto found_out = LogLines(scarce, run.id(), "goes on from step 0 of 2 with activations recomputed");
  ASSERT_EQ(found_out.size(), 1u) << scarce.Logs();
  EXPECT_NE(found_out[0].find(" of the memory limit of "), std::string::npos) << found_out[0];
  EXPECT_EQ(LogLines(scarce, run.id(), "recomputes activations: they did not fit when last kept").size(), 1u)
      << scarce.Logs();
}

}  // namespace
}  // namespace lwq::test
