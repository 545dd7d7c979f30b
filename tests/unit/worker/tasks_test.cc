// Every task kind in one process on a strict in-memory object store: what a run's tasks make fits what the next ones
// read.
#include "worker/tasks/task.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/artifact/file_tree.h"
#include "common/artifact/samples.h"
#include "common/model/llama_config.h"
#include "common/task/task_params.h"
#include "gtest/gtest.h"
#include "tests/fixtures/tiny_model.h"
#include "tests/testing/process.h"

namespace lwq::worker {
namespace {

constexpr int64_t kBlocks = 2;

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

  lwq::test::TemporaryDirectory directory_;
  std::unique_ptr<ObjectStore> store_ = *OpenObjectStore("memory:");
  ArtifactStore artifacts_{store_.get()};
  ArtifactRef model_, text_;
  qat::CancelToken cancel_;
  TaskContext context_;
};

TEST_F(TasksTest, AWholeRunIsAChainOfTasksAndItsExportHasThePerplexityOfItsCheckpoints) {
  const ArtifactRef tokens =
      Run(TaskKind::kTokenize, Windows().ToJson(), {{"tokenizer", model_}, {"text", text_}}).outputs.at("tokens");
  ArtifactRef full = Run(TaskKind::kEmbed, EmbedParams{"F32"}.ToJson(), {{"model", model_}, {"tokens", tokens}})
                         .outputs.at("activations");
  ArtifactRef quantized = full;
  std::map<std::string, ArtifactRef> checkpoints;
  for (int64_t block = 0; block < kBlocks; ++block) {
    const Json advance = AdvanceParams{block, 2, "F32"}.ToJson();
    const ArtifactRef target =
        Run(TaskKind::kAdvance, advance, {{"model", model_}, {"activations", full}}).outputs.at("activations");
    const TaskResult trained = Run(TaskKind::kTrainBlock, Train(block).ToJson(),
                                   {{"model", model_}, {"inputs", quantized}, {"targets", target}});
    EXPECT_LE(trained.metrics["final_val_loss"].get<double>(), trained.metrics["initial_val_loss"].get<double>());
    const ArtifactRef checkpoint = trained.outputs.at("block");
    checkpoints[absl::StrCat("block.", block)] = checkpoint;
    quantized = Run(TaskKind::kAdvance, advance, {{"model", model_}, {"activations", quantized}, {"block", checkpoint}})
                    .outputs.at("activations");
    full = target;
  }
  const ArtifactRef stream = Run(TaskKind::kTokenize, TokenizeParams{"stream", 32, 0, 0, 0, true}.ToJson(),
                                 {{"tokenizer", model_}, {"text", text_}})
                                 .outputs.at("tokens");
  std::map<std::string, ArtifactRef> inputs = checkpoints;
  inputs["model"] = model_;
  const TaskResult exported = Run(TaskKind::kExport, ExportParams{"gptq_v2"}.ToJson(), inputs);
  inputs["tokens"] = stream;
  const Json direct = Run(TaskKind::kEvaluatePpl, EvaluatePplParams{2}.ToJson(), inputs).metrics;
  const Json served = Run(TaskKind::kEvaluatePpl, EvaluatePplParams{2}.ToJson(),
                          {{"model", exported.outputs.at("files")}, {"tokens", stream}})
                          .metrics;
  EXPECT_EQ(direct["perplexity"], served["perplexity"]) << "the served integers are not the validated ones";
  EXPECT_GT(exported.metrics["stored_bits_per_weight"].get<double>(), 2.0);
}

TEST_F(TasksTest, EqualTasksMakeEqualBytes) {
  const std::map<std::string, ArtifactRef> inputs = {{"tokenizer", model_}, {"text", text_}};
  EXPECT_EQ(Run(TaskKind::kTokenize, Windows().ToJson(), inputs).outputs,
            Run(TaskKind::kTokenize, Windows().ToJson(), inputs).outputs);
  const RtnBlockParams rtn{0, 3, 32, true, true};
  EXPECT_EQ(Run(TaskKind::kRtnBlock, rtn.ToJson(), {{"model", model_}}).outputs,
            Run(TaskKind::kRtnBlock, rtn.ToJson(), {{"model", model_}}).outputs);
}

TEST_F(TasksTest, ALostInputIsNamedByItsRoleAndADamagedBlobIsRemoved) {
  Task task{TaskKind::kTokenize, Windows().ToJson(), {{"tokenizer", model_}, {"text", text_}}, 0};
  StatusOr<std::optional<std::string>> lost = FindLostInput(task, artifacts_);
  ASSERT_TRUE(lost.ok());
  EXPECT_FALSE(lost->has_value());
  const Manifest manifest = *LoadManifest(artifacts_, text_);
  const std::string key = BlobKey(manifest.parts[0].blob.digest);
  const std::string damaged(static_cast<size_t>(manifest.parts[0].blob.size_bytes), 'x');
  ASSERT_TRUE(store_->Put(key, std::as_bytes(std::span(damaged.data(), damaged.size())), {}).ok());
  lost = FindLostInput(task, artifacts_);
  ASSERT_TRUE(lost.ok());
  EXPECT_EQ(lost->value_or(""), "text");
  EXPECT_TRUE(absl::IsNotFound(store_->Head(key).status())) << "equal content could never be written again";
  EXPECT_TRUE(absl::IsNotFound(Execute(task, context_).status()));
}

TEST_F(TasksTest, WrongParametersAndMissingInputsAreOneLineErrors) {
  Json unknown = Windows().ToJson();
  unknown["colour"] = "blue";
  EXPECT_EQ(Try(TaskKind::kTokenize, unknown, {}).status().message(), "parameters of tokenize: unknown field 'colour'");
  EXPECT_EQ(Try(TaskKind::kEmbed, EmbedParams{"F32"}.ToJson(), {{"tokens", text_}}).status().message(),
            "embed came without its input 'model'");
  EXPECT_TRUE(absl::IsInvalidArgument(
      Try(TaskKind::kRtnBlock, RtnBlockParams{99, 3, 32, true, true}.ToJson(), {{"model", model_}}).status()));
  TokenizeParams huge = Windows();
  huge.seqlen = 1'000'000;
  const Status status = Try(TaskKind::kTokenize, huge.ToJson(), {{"tokenizer", model_}, {"text", text_}}).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
}

TEST_F(TasksTest, ACancelledTaskStopsAndLeavesNoResult) {
  const ArtifactRef tokens =
      Run(TaskKind::kTokenize, Windows().ToJson(), {{"tokenizer", model_}, {"text", text_}}).outputs.at("tokens");
  const ArtifactRef in = Run(TaskKind::kEmbed, EmbedParams{"F32"}.ToJson(), {{"model", model_}, {"tokens", tokens}})
                             .outputs.at("activations");
  cancel_.cancelled = true;
  EXPECT_TRUE(absl::IsCancelled(
      Try(TaskKind::kAdvance, AdvanceParams{0, 2, "F32"}.ToJson(), {{"model", model_}, {"activations", in}}).status()));
}

TEST_F(TasksTest, ADivergedTrainingSaysWhereAndIsNotAnError) {
  const ArtifactRef tokens =
      Run(TaskKind::kTokenize, Windows().ToJson(), {{"tokenizer", model_}, {"text", text_}}).outputs.at("tokens");
  const ArtifactRef in = Run(TaskKind::kEmbed, EmbedParams{"F32"}.ToJson(), {{"model", model_}, {"tokens", tokens}})
                             .outputs.at("activations");
  const ArtifactRef target =
      Run(TaskKind::kAdvance, AdvanceParams{0, 2, "F32"}.ToJson(), {{"model", model_}, {"activations", in}})
          .outputs.at("activations");
  TrainBlockParams params = Train(0);
  params.weight_lr = 1e38;
  params.epochs = 4;
  const StatusOr<TaskOutcome> outcome =
      Try(TaskKind::kTrainBlock, params.ToJson(), {{"model", model_}, {"inputs", in}, {"targets", target}});
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  ASSERT_TRUE(outcome->diverged.has_value());
  EXPECT_NE(outcome->diverged->message.find("training diverged: block 0"), std::string::npos);
  EXPECT_TRUE(outcome->result.outputs.empty());
}

}  // namespace
}  // namespace lwq::worker
