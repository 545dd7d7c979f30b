// SPDX-License-Identifier: Apache-2.0
// A tiny model and a text in a strict in-memory object store, and tasks that are executed on them in this process.
#pragma once

#include "worker/tasks/task.h"

#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/artifact/file_tree.h"
#include "common/artifact/samples.h"
#include "common/object_store/open_store.h"
#include "common/task/measured.h"
#include "common/task/task_params.h"
#include "gtest/gtest.h"
#include "tests/fixtures/tiny_model.h"
#include "tests/testing/process.h"

namespace lwq::worker {

inline constexpr int64_t kBlocks = 2;

class TasksTest : public testing::Test {
 protected:
  void SetUp() override {
    TinyModelOptions model;
    model.num_hidden_layers = kBlocks;
    model.tokenizer_directory = Fixtures() + "/model";
    ASSERT_TRUE(WriteTinyModel(directory_.path() + "/model", model).ok());
    model_ = Upload(directory_.path() + "/model");
    std::filesystem::create_directories(directory_.path() + "/text");
    lwq::test::WriteFile(directory_.path() + "/text/t.txt",
                         lwq::test::ReadFileOrEmpty(Fixtures() + "/world/heldout.txt").substr(0, 20'000));
    text_ = Upload(directory_.path() + "/text");
    context_.store = &artifacts_;
    context_.blobs = &artifacts_;
    context_.scratch_directory = directory_.path() + "/scratch";
    std::filesystem::create_directories(context_.scratch_directory);
    context_.progress = [](const qat::Progress&) {};
    context_.cancel = &cancel_;
  }

  static void SetUpTestSuite() { ASSERT_TRUE(qat::InitRuntime({}).ok()); }
  static std::string Fixtures() { return std::string(LWQ_SOURCE_DIR) + "/tests/fixtures"; }

  ArtifactRef Upload(const std::string& folder) {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      files[entry.path().filename().string()] = entry.path().string();
    }
    const StatusOr<ArtifactRef> uploaded = UploadFiles(artifacts_, files, nullptr);
    LWQ_CHECK(uploaded.ok(), uploaded.status().ToString());
    return *uploaded;
  }

  StatusOr<TaskOutcome> Try(TaskKind kind, const Json& params, std::map<std::string, ArtifactRef> inputs) {
    return Execute({kind, params, std::move(inputs), 0}, context_);
  }
  TaskResult Run(TaskKind kind, const Json& params, std::map<std::string, ArtifactRef> inputs) {
    StatusOr<TaskOutcome> outcome = Try(kind, params, std::move(inputs));
    LWQ_CHECK(outcome.ok(), TaskKindName(kind), ": ", outcome.status().ToString());
    LWQ_CHECK(!outcome->diverged.has_value(), outcome->diverged->message);
    return std::move(outcome->result);
  }

  // Every shard, then their reduction.
  StatusOr<TaskOutcome> TryEvaluate(const std::map<std::string, ArtifactRef>& inputs, int64_t shards) {
    std::map<std::string, ArtifactRef> losses;
    for (int64_t shard = 0; shard < shards; ++shard) {
      LWQ_ASSIGN_OR_RETURN(const TaskOutcome outcome,
                           Try(TaskKind::kEvaluatePpl, EvaluatePplParams{2, shard, shards}.ToJson(), inputs));
      losses[absl::StrCat("losses.", shard)] = outcome.result.outputs.at("losses");
    }
    return Try(TaskKind::kReducePpl, ReducePplParams{shards}.ToJson(), std::move(losses));
  }
  Json Evaluate(const std::map<std::string, ArtifactRef>& inputs, int64_t shards = 1) {
    const StatusOr<TaskOutcome> outcome = TryEvaluate(inputs, shards);
    LWQ_CHECK(outcome.ok(), outcome.status().ToString());
    return outcome->result.metrics;
  }

  // The one perplexity that a reduction reports.
  static Measured PerplexityOf(const Json& metrics) {
    const StatusOr<std::vector<Measured>> measured = MeasuredOf(metrics);
    LWQ_CHECK(measured.ok(), measured.status().ToString());
    LWQ_CHECK(measured->size() == 1 && measured->front().metric == kPerplexityMetric, metrics.dump());
    return measured->front();
  }

  TokenizeParams Windows() const { return {"windows", 32, 8, 2, 2, true}; }
  TrainBlockParams Train(int64_t block) const {
    TrainBlockParams params;
    params.block = block;
    params.train_size = 8;
    params.val_size = 2;
    params.bits = 2;
    params.group_size = 32;
    params.quant_lr = params.weight_lr = 1e-3;
    return params;
  }

  // What a unit of both blocks reads, and its full-precision output.
  struct UnitInputs {
    ArtifactRef tokens, in, target;
  };
  UnitInputs InputsOfBothBlocks() {
    UnitInputs data;
    data.tokens =
        Run(TaskKind::kTokenize, Windows().ToJson(), {{"tokenizer", model_}, {"text", text_}}).outputs.at("tokens");
    data.in = Run(TaskKind::kEmbed, EmbedParams{"F32"}.ToJson(), {{"model", model_}, {"tokens", data.tokens}})
                  .outputs.at("activations");
    data.target = data.in;
    for (int64_t block = 0; block < kBlocks; ++block) {
      data.target = Run(TaskKind::kAdvance, AdvanceParams{block, 2, "F32"}.ToJson(),
                        {{"model", model_}, {"activations", data.target}})
                        .outputs.at("activations");
    }
    return data;
  }
  // A model of float32 weights whose last norm scales every logit by `weight`.
  ArtifactRef ModelWithFinalNorm(const std::string& folder, float weight) {
    TinyModelOptions options;
    options.num_hidden_layers = kBlocks;
    options.dtype = DType::kF32;
    LWQ_CHECK(WriteTinyModel(folder, options).ok());
    const std::string path = folder + "/model.safetensors";
    std::string file = lwq::test::ReadFileOrEmpty(path);
    uint64_t header_bytes = 0;
    std::memcpy(&header_bytes, file.data(), sizeof(header_bytes));
    const Json header = ParseJson(std::string_view(file).substr(8, header_bytes), "header").value();
    const Json& offsets = header.at("model.norm.weight").at("data_offsets");
    for (size_t at = offsets[0].get<size_t>(); at < offsets[1].get<size_t>(); at += sizeof(weight)) {
      std::memcpy(file.data() + 8 + header_bytes + at, &weight, sizeof(weight));
    }
    lwq::test::WriteFile(path, file);
    return Upload(folder);
  }
  // Over the samples from `first` on.
  double MeanSquaredError(const ArtifactRef& a, const ArtifactRef& b, int64_t first) {
    const auto x = SampleSetReader::Open(&artifacts_, a), y = SampleSetReader::Open(&artifacts_, b);
    LWQ_CHECK(x.ok() && y.ok(), "no sample set");
    const int64_t count = (*x)->samples() - first;
    const auto p = (*x)->Read(first, count), q = (*y)->Read(first, count);
    LWQ_CHECK(p.ok() && q.ok() && p->dtype == DType::kF32 && q->dtype == DType::kF32, "no float32 samples");
    double sum = 0;
    for (int64_t i = 0; i < p->elements(); ++i) {
      const double error = FloatAt(*p, i) - FloatAt(*q, i);
      sum += error * error;
    }
    return sum / static_cast<double>(p->elements());
  }
  static float FloatAt(const HostTensor& tensor, int64_t i) {
    float value = 0;
    std::memcpy(&value, tensor.bytes.view().data() + i * static_cast<int64_t>(sizeof(float)), sizeof(float));
    return value;
  }

  lwq::test::TemporaryDirectory directory_;
  std::unique_ptr<ObjectStore> store_ = *OpenObjectStore("memory:");
  ArtifactStore artifacts_{store_.get()};
  ArtifactRef model_, text_;
  qat::CancelToken cancel_;
  TaskContext context_;
};

}  // namespace lwq::worker
