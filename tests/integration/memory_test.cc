// SPDX-License-Identifier: Apache-2.0
// What a training task holds does not grow with the number of calibration samples, and obeys the printed bound.
#include <filesystem>

#include "common/model/llama_config.h"
#include "gtest/gtest.h"
#include "tests/fixtures/tiny_model.h"
#include "tests/integration/cluster.h"
#include "tests/testing/process.h"
#include "worker/qat/api/train_memory.h"

namespace lwq::test {
namespace {

namespace pb = lwqat::v1;

constexpr int64_t kSeqlen = 32;
constexpr int64_t kBatch = 16;
constexpr int64_t kChunkBytes = 8 << 20;

struct Peak {
  int64_t allocator_bytes = 0;
  int64_t rss_bytes = 0;
};

// The training task's peaks in a run with that many samples, by a fresh worker process.
Peak TrainWith(const std::string& directory, const std::string& model, int samples) {
  const std::string home = absl::StrCat(directory, "/samples-", samples);
  std::filesystem::create_directories(home);
  const std::string run_file = home + "/run.yaml";
  WriteFile(run_file, absl::StrCat("model: ", model, "\ncalib_dataset: ", LWQ_SOURCE_DIR,
                                   "/tests/fixtures/world/calib.txt\nwbits: 2\ngroup_size: 128\nval_size: 16\n"
                                   "train_size: ",
                                   samples, "\ntraining_seqlen: ", kSeqlen, "\nbatch_size: ", kBatch,
                                   "\nepochs: 1\nthreads: 2\nprecision: fp32\neval_ppl: false\nexport_format: none\n"));
  Cluster cluster(home, {.workers = 1, .max_threads = 2});
  cluster.StartAll();
  const StatusOr<pb::Run> run = cluster.Wait(cluster.Submit(run_file), 280, nullptr);
  LWQ_CHECK(run.ok() && run->state() == pb::RUN_STATE_SUCCEEDED, run.ok() ? run->error() : run.status().ToString());
  for (const pb::Task& task : run->tasks()) {
    if (task.kind() == "train_block") return {task.peak_memory_bytes(), task.peak_rss_bytes()};
  }
  LWQ_CHECK(false, "no training task");
  return {};
}

TEST(MemoryTest, PeakRssDoesNotGrowWithTheSamplesAndTheAllocatorObeysItsBound) {
  TemporaryDirectory directory;
  const std::string model = directory.path() + "/model";
  TinyModelOptions options;
  options.hidden_size = 1024;
  options.intermediate_size = 2816;
  options.num_attention_heads = 16;
  options.num_key_value_heads = 16;
  options.num_hidden_layers = 1;
  options.tokenizer_directory = std::string(LWQ_SOURCE_DIR) + "/tests/fixtures/model";
  ASSERT_TRUE(WriteTinyModel(model, options).ok());
  const StatusOr<LlamaConfig> config = LlamaConfig::Parse(ReadFileOrEmpty(model + "/config.json"));
  ASSERT_TRUE(config.ok()) << config.status();

  const Peak few = TrainWith(directory.path(), model, 32);
  const Peak many = TrainWith(directory.path(), model, 512);
  qat::TrainOptions train;
  train.weight_lr = 1e-5;
  train.bits = 2;
  train.group_size = 128;
  train.batch_size = kBatch;
  const int64_t bound =
      7 * 4 * BlockParameters(*config) + qat::EstimateActivationBytes(*config, train, kSeqlen) + 4 * kChunkBytes;
  RecordProperty("bound_mib", static_cast<int>(bound >> 20));
  RecordProperty("allocator_mib", static_cast<int>(many.allocator_bytes >> 20));
  RecordProperty("rss_32_mib", static_cast<int>(few.rss_bytes >> 20));
  RecordProperty("rss_512_mib", static_cast<int>(many.rss_bytes >> 20));
  std::printf("allocator %ld MiB of at most %ld; RSS %ld MiB with 32 samples, %ld MiB with 512\n",
              static_cast<long>(many.allocator_bytes >> 20), static_cast<long>(bound >> 20),
              static_cast<long>(few.rss_bytes >> 20), static_cast<long>(many.rss_bytes >> 20));
  EXPECT_LE(few.allocator_bytes, bound);
  EXPECT_LE(many.allocator_bytes, bound);
  EXPECT_LE(static_cast<double>(many.rss_bytes), 1.05 * static_cast<double>(few.rss_bytes));
}

}  // namespace
}  // namespace lwq::test
