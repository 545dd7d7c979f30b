// SPDX-License-Identifier: Apache-2.0
// Every task kind in one process on a strict in-memory object store: what a run's tasks make fits what the next ones
// read.
#include "worker/tasks/task.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>

#include "absl/strings/str_cat.h"
#include "common/artifact/file_tree.h"
#include "common/artifact/samples.h"
#include "common/model/llama_config.h"
#include "common/object_store/open_store.h"
#include "common/task/measured.h"
#include "common/task/task_params.h"
#include "gtest/gtest.h"
#include "tests/fixtures/tiny_model.h"
#include "tests/testing/as_bytes.h"
#include "tests/testing/process.h"
#include "worker/export/block_checkpoint.h"
#include "worker/export/fake_quant/fake_quant_weight.h"
#include "worker/export/gguf/gguf_file.h"
#include "worker/export/model_blocks.h"
#include "worker/qat/api/block_ops.h"
#include "worker/tasks/model_inputs.h"
#include "worker/tasks/window_losses.h"

namespace lwq::worker {
namespace {

using test::AsBytes;

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
  const TaskResult exported = Run(TaskKind::kExport, ExportParams{ExportFormat::kGptqV2}.ToJson(), inputs);
  inputs["tokens"] = stream;
  const Json direct = Evaluate(inputs);
  const Json served = Evaluate({{"model", exported.outputs.at("files")}, {"tokens", stream}});
  EXPECT_EQ(PerplexityOf(direct), PerplexityOf(served)) << "the served integers are not the validated ones";
  EXPECT_GT(exported.metrics["stored_bits_per_weight"].get<double>(), 2.0);
}

TEST_F(TasksTest, AUnitLeavesOneCheckpointABlockWhichAdvanceAndExportRead) {
  const UnitInputs data = InputsOfBothBlocks();
  TrainBlockParams params = Train(0);
  params.rest = {{4, 64}};
  const TaskResult trained =
      Run(TaskKind::kTrainBlock, params.ToJson(), {{"model", model_}, {"inputs", data.in}, {"targets", data.target}});
  EXPECT_EQ(trained.outputs.size(), 2u);
  std::map<std::string, ArtifactRef> inputs = {
      {"model", model_}, {"block.0", trained.outputs.at("block")}, {"block.1", trained.outputs.at("block.1")}};
  ArtifactRef hidden = data.in;
  for (int64_t block = 0; block < kBlocks; ++block) {
    hidden = Run(TaskKind::kAdvance, AdvanceParams{block, 2, "F32"}.ToJson(),
                 {{"model", model_}, {"activations", hidden}, {"block", inputs.at(absl::StrCat("block.", block))}})
                 .outputs.at("activations");
  }
  const double validated = trained.metrics["final_val_loss"];
  EXPECT_LT(validated, trained.metrics["initial_val_loss"].get<double>());
  EXPECT_NEAR(MeanSquaredError(hidden, data.target, params.train_size), validated, 1e-5 * validated);

  const TaskResult exported = Run(TaskKind::kExport, ExportParams{ExportFormat::kGptqV2}.ToJson(), inputs);
  inputs["tokens"] = data.tokens;
  const Json direct = Evaluate(inputs);
  const Json served = Evaluate({{"model", exported.outputs.at("files")}, {"tokens", data.tokens}});
  EXPECT_EQ(PerplexityOf(direct), PerplexityOf(served));
}

TEST_F(TasksTest, ARunWithGgufMakesOneFileWithTheWeightsOfItsCheckpoints) {
  const UnitInputs data = InputsOfBothBlocks();
  TrainBlockParams params = Train(0);
  params.group_size = 64;
  params.rest = {{2, 64}};
  params.zp_lr = 0.2;
  params.middle_zero_points = true;
  const TaskResult trained =
      Run(TaskKind::kTrainBlock, params.ToJson(), {{"model", model_}, {"inputs", data.in}, {"targets", data.target}});
  const std::map<std::string, ArtifactRef> inputs = {
      {"model", model_}, {"block.0", trained.outputs.at("block")}, {"block.1", trained.outputs.at("block.1")}};
  const TaskResult exported =
      Run(TaskKind::kExport, ExportParams{.format = ExportFormat::kGguf, .middle_zero_points = true}.ToJson(), inputs);
  EXPECT_EQ(exported.metrics["stored_bits_per_weight"], 2.25);
  const auto tree = FileTree::Open(&artifacts_, exported.outputs.at("files"));
  ASSERT_TRUE(tree.ok()) << tree.status();
  EXPECT_EQ(tree->paths(), std::vector<std::string>{"model.gguf"});
  const auto file = qat::GgufFile::Parse(*tree->ReadAll("model.gguf"), "model.gguf");
  ASSERT_TRUE(file.ok()) << file.status();
  const std::map<LinearKind, std::string> names = {{LinearKind::kV, "attn_v"},
                                                   {LinearKind::kO, "attn_output"},
                                                   {LinearKind::kGate, "ffn_gate"},
                                                   {LinearKind::kUp, "ffn_up"},
                                                   {LinearKind::kDown, "ffn_down"}};  // q and k: gguf_export_test
  for (int64_t block = 0; block < kBlocks; ++block) {
    const auto state = qat::LoadBlockCheckpoint(artifacts_, inputs.at(absl::StrCat("block.", block)));
    ASSERT_TRUE(state.ok()) << state.status();
    for (const auto& [kind, name] : names) {
      const auto weights = file->Weights(absl::StrCat("blk.", block, ".", name, ".weight"));
      ASSERT_TRUE(weights.ok()) << weights.status();
      const HostTensor expected = qat::DecodeToF32(std::get<qat::QuantizedLinear>(state->linears.at(kind)));
      ASSERT_EQ(weights->shape, expected.shape);
      for (int64_t i = 0; i < expected.elements(); ++i) {
        ASSERT_EQ(FloatAt(*weights, i), FloatAt(expected, i)) << name << " at " << i;
      }
    }
  }
}

TEST_F(TasksTest, AUnitsMetricsAreItsSumsAndThoseOfEachBlock) {
  const UnitInputs data = InputsOfBothBlocks();
  TrainBlockParams params = Train(0);
  params.rest = {{3, 64}};
  params.zp_lr = 0.2;
  params.keep_best = false;
  const Json metrics =
      Run(TaskKind::kTrainBlock, params.ToJson(), {{"model", model_}, {"inputs", data.in}, {"targets", data.target}})
          .metrics;
  EXPECT_EQ(metrics["epochs_planned"], 2.0);
  EXPECT_EQ(metrics["bits"], 2);
  EXPECT_EQ(metrics["group_size"], 32);
  EXPECT_EQ(metrics["quant_lr"], 1e-3);
  EXPECT_EQ(metrics["weight_lr"], 1e-3);
  ASSERT_EQ(metrics["blocks"].size(), 2u);
  int64_t flips = 0, groups = 0;
  for (int64_t i = 0; i < 2; ++i) {
    const Json& block = metrics["blocks"][static_cast<size_t>(i)];
    EXPECT_EQ(block["layer_idx"], i);
    EXPECT_EQ(block["bits"], 2 + i);
    EXPECT_EQ(block["group_size"], 32 + 32 * i);
    flips += block["zero_point_flips"].get<int64_t>();
    groups += block["zero_points"].get<int64_t>();
  }
  EXPECT_GT(flips, 0);
  EXPECT_EQ(metrics["zero_point_flips"], flips);
  EXPECT_EQ(metrics["zero_points"], groups);
}

TEST_F(TasksTest, AUnitGoesOnFromAllItsBlocksOrNotAtAll) {
  const UnitInputs data = InputsOfBothBlocks();
  TrainBlockParams params = Train(0);
  params.rest = {{4, 64}};
  params.keep_latent = true;
  std::map<std::string, ArtifactRef> inputs = {{"model", model_}, {"inputs", data.in}, {"targets", data.target}};
  const TaskResult first = Run(TaskKind::kTrainBlock, params.ToJson(), inputs);
  EXPECT_EQ(first.outputs.size(), 4u);
  inputs["start"] = first.outputs.at("block");
  inputs["start.1"] = first.outputs.at("block.1");
  inputs["latent"] = first.outputs.at("latent");
  EXPECT_EQ(Try(TaskKind::kTrainBlock, params.ToJson(), inputs).status().message(),
            "train_block came without its input 'latent.1'");
  inputs["latent.1"] = first.outputs.at("latent.1");
  const TaskResult second = Run(TaskKind::kTrainBlock, params.ToJson(), inputs);
  EXPECT_EQ(second.metrics["initial_val_loss"], first.metrics["final_val_loss"]);
  EXPECT_LT(second.metrics["final_val_loss"].get<double>(), first.metrics["final_val_loss"].get<double>());
}

TEST_F(TasksTest, AUnitBeyondTheModelIsRefused) {
  const std::map<std::string, ArtifactRef> inputs = {{"model", model_}};
  TrainBlockParams params = Train(1);
  params.rest = {{4, 64}, {4, 64}};
  const Status beyond = Try(TaskKind::kTrainBlock, params.ToJson(), inputs).status();
  EXPECT_TRUE(absl::IsInvalidArgument(beyond));
  EXPECT_EQ(beyond.message(), "train_block of blocks 1 to 3: the model has blocks 0 to 1");
  EXPECT_EQ(Try(TaskKind::kTrainBlock, Train(2).ToJson(), inputs).status().message(),
            "train_block of block 2: the model has blocks 0 to 1");
  EXPECT_TRUE(absl::IsInvalidArgument(Try(TaskKind::kTrainBlock, Train(-1).ToJson(), inputs).status()));
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
  StatusOr<std::optional<std::string>> lost = FindLostInput(task, artifacts_, cancel_);
  ASSERT_TRUE(lost.ok());
  EXPECT_FALSE(lost->has_value());
  const Manifest manifest = *LoadManifest(artifacts_, text_);
  const std::string key = BlobKey(manifest.parts[0].blob.digest);
  const std::string damaged(static_cast<size_t>(manifest.parts[0].blob.size_bytes), 'x');
  ASSERT_TRUE(store_->Put(key, AsBytes(damaged), {}).ok());
  lost = FindLostInput(task, artifacts_, cancel_);
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
  for (const auto& [kind, params] :
       {std::pair(TaskKind::kTokenize, Windows().ToJson()), std::pair(TaskKind::kEmbed, EmbedParams{"F32"}.ToJson()),
        std::pair(TaskKind::kRtnBlock, RtnBlockParams{0, 3, 32, true, true}.ToJson())}) {
    const Status status =
        Try(kind, params, {{"model", model_}, {"tokenizer", model_}, {"text", text_}, {"tokens", tokens}}).status();
    EXPECT_TRUE(absl::IsCancelled(status)) << TaskKindName(kind) << ": " << status;
  }
  EXPECT_TRUE(absl::IsCancelled(
      FindLostInput({TaskKind::kEmbed, EmbedParams{"F32"}.ToJson(), {{"model", model_}}, 0}, artifacts_, cancel_)
          .status()));
  EXPECT_TRUE(absl::IsCancelled(
      Try(TaskKind::kAdvance, AdvanceParams{0, 2, "F32"}.ToJson(), {{"model", model_}, {"activations", in}}).status()));
}

TEST_F(TasksTest, ABrokenModelHasAHugePerplexityAndOneThatIsNotFiniteHasNone) {
  const TokenizeParams stream{.mode = "stream", .seqlen = 32};
  const ArtifactRef tokens =
      Run(TaskKind::kTokenize, stream.ToJson(), {{"tokenizer", model_}, {"text", text_}}).outputs.at("tokens");
  const auto evaluate = [&](float norm_weight) {
    const std::string name = absl::StrCat(directory_.path(), "/norm", norm_weight);
    return TryEvaluate({{"model", ModelWithFinalNorm(name, norm_weight)}, {"tokens", tokens}}, 2);
  };
  const StatusOr<TaskOutcome> broken = evaluate(1e20f);
  ASSERT_TRUE(broken.ok()) << broken.status();
  const Json& metrics = broken->result.metrics;
  EXPECT_EQ(PerplexityOf(metrics).value, std::numeric_limits<double>::max());
  EXPECT_GT(metrics["nll_sum"].get<double>() / metrics["windows"].get<double>(), 1e10);
  EXPECT_EQ(ParseJson(CanonicalJson(metrics), "metrics").value(), metrics);
  const Status status = evaluate(std::nanf("")).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_NE(status.message().find("is nan: the model's weights or activations are not finite"), std::string::npos);
}

TEST_F(TasksTest, APerplexityIsTheSameToTheLastBitHoweverManyShards) {
  const TokenizeParams stream{.mode = "stream", .seqlen = 32};
  const ArtifactRef tokens =
      Run(TaskKind::kTokenize, stream.ToJson(), {{"tokenizer", model_}, {"text", text_}}).outputs.at("tokens");
  const std::map<std::string, ArtifactRef> inputs = {{"model", model_}, {"tokens", tokens}};
  const Json whole = Evaluate(inputs);
  const int64_t windows = whole["windows"];
  ASSERT_GT(windows, 20);
  EXPECT_EQ(PerplexityOf(whole).count, windows * 32);
  EXPECT_EQ(PerplexityOf(whole).standard_error, std::nullopt);
  for (const int64_t shards : {2, 3, 8, 1000}) EXPECT_EQ(Evaluate(inputs, shards), whole) << shards;

  // The unsharded evaluation of the library.
  const auto model = ModelInput::Open({TaskKind::kEvaluatePpl, {}, inputs, 0}, context_);
  const auto head = qat::LoadHead((*model)->tensors(), (*model)->config());
  const auto samples = SampleSetReader::Open(&artifacts_, tokens);
  const auto direct = qat::EvaluatePerplexity(
      (*model)->config(), *head, [&](int64_t block) { return (*model)->Block(block); }, **samples,
      {.micro_batch = 2, .execution = {}, .scratch_directory = context_.scratch_directory}, nullptr, cancel_);
  ASSERT_TRUE(direct.ok()) << direct.status();
  EXPECT_EQ(whole["nll_sum"], direct->nll_sum);
  EXPECT_EQ(PerplexityOf(whole).value, direct->perplexity);
}

TEST_F(TasksTest, ShardsThatDoNotExistAndLossesOfOtherWindowsAreRefused) {
  const TokenizeParams stream{.mode = "stream", .seqlen = 32};
  const auto tokens = [&](int64_t seqlen) {
    return Run(TaskKind::kTokenize, TokenizeParams{.mode = "stream", .seqlen = seqlen}.ToJson(),
               {{"tokenizer", model_}, {"text", text_}})
        .outputs.at("tokens");
  };
  const std::map<std::string, ArtifactRef> inputs = {{"model", model_}, {"tokens", tokens(32)}};
  for (const EvaluatePplParams& params :
       {EvaluatePplParams{2, 2, 2}, EvaluatePplParams{2, -1, 2}, EvaluatePplParams{0, 0, 1}}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Try(TaskKind::kEvaluatePpl, params.ToJson(), inputs).status()));
  }
  const auto losses_of = [&](int64_t seqlen) {
    return Run(TaskKind::kEvaluatePpl, EvaluatePplParams{2, 0, 8}.ToJson(),
               {{"model", model_}, {"tokens", tokens(seqlen)}})
        .outputs.at("losses");
  };
  const Json two = ReducePplParams{2}.ToJson();
  EXPECT_TRUE(absl::IsInvalidArgument(
      Try(TaskKind::kReducePpl, two, {{"losses.0", losses_of(32)}, {"losses.1", losses_of(64)}}).status()));
  EXPECT_TRUE(absl::IsDataLoss(
      Try(TaskKind::kReducePpl, two, {{"losses.0", losses_of(32)}, {"losses.1", tokens(32)}}).status()));
  EXPECT_TRUE(absl::IsInternal(Try(TaskKind::kReducePpl, two, {{"losses.0", losses_of(32)}}).status()));
}

TEST(WindowsOfShardTest, ShardsAreWholeMicroBatchesAndCoverEveryWindowOnce) {
  for (const int64_t windows : {0, 1, 5, 64, 101}) {
    for (const int64_t micro_batch : {1, 2, 4}) {
      for (const int64_t shards : {1, 2, 3, 8, 256}) {
        int64_t next = 0;
        for (int64_t shard = 0; shard < shards; ++shard) {
          const WindowRange range = WindowsOfShard(windows, micro_batch, shard, shards);
          EXPECT_EQ(range.first, next);
          EXPECT_TRUE(range.first % micro_batch == 0 || range.count == 0);
          next += range.count;
        }
        EXPECT_EQ(next, windows);
      }
    }
  }
  EXPECT_EQ(WindowsOfShard(64, 2, 3, 8), (WindowRange{24, 8}));
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

// The calibration windows of a run through the model: what its sensitivity is measured on.
class SensitivityTasksTest : public TasksTest {
 protected:
  static constexpr int64_t kSamples = 5;

  void SetUp() override {
    TasksTest::SetUp();
    tokens_ =
        Run(TaskKind::kTokenize, Windows().ToJson(), {{"tokenizer", model_}, {"text", text_}}).outputs.at("tokens");
    activations_.push_back(Run(TaskKind::kEmbed, EmbedParams{"F32"}.ToJson(), {{"model", model_}, {"tokens", tokens_}})
                               .outputs.at("activations"));
    for (int64_t block = 0; block < kBlocks; ++block) {
      activations_.push_back(Run(TaskKind::kAdvance, AdvanceParams{block, 2, "F32"}.ToJson(),
                                 {{"model", model_}, {"activations", activations_.back()}})
                                 .outputs.at("activations"));
    }
  }

  // One shard from the loss back to the first block.
  struct ShardResult {
    std::vector<double> losses;
    std::map<int64_t, ArtifactRef> gradients;      // G(1) … G(n)
    std::map<int64_t, ArtifactRef> sums;           // by block
    std::map<int64_t, std::vector<double>> norms;  // by block
  };
  ShardResult Measure(int64_t first, int64_t samples) {
    ShardResult shard;
    const TaskResult head = Run(TaskKind::kLossGradient, LossGradientParams{first, samples}.ToJson(),
                                {{"model", model_}, {"activations", activations_[kBlocks]}, {"tokens", tokens_}});
    shard.losses = head.metrics["losses"].get<std::vector<double>>();
    shard.gradients[kBlocks] = head.outputs.at("gradients");
    for (int64_t block = kBlocks - 1; block >= 0; --block) {
      const TaskResult found =
          Run(TaskKind::kBackwardBlock, BackwardBlockParams{block, first, samples, true}.ToJson(),
              {{"model", model_}, {"activations", activations_[block]}, {"gradients", shard.gradients.at(block + 1)}});
      shard.norms[block] = found.metrics["squared_gradient_norms"].get<std::vector<double>>();
      shard.sums[block] = found.outputs.at("gradient_sum");
      EXPECT_EQ(found.outputs.contains("gradients"), block > 0) << "nobody reads the gradient of the embedding";
      if (block > 0) shard.gradients[block] = found.outputs.at("gradients");
    }
    return shard;
  }
  std::vector<double> Hessian(int64_t first_block, int64_t blocks, int64_t first, int64_t samples,
                              const ShardResult& shard) {
    std::map<std::string, ArtifactRef> inputs = {{"model", model_}, {"tokens", tokens_}};
    for (int64_t k = first_block; k <= kBlocks; ++k) inputs[absl::StrCat("activations.", k)] = activations_[k];
    for (int64_t k = first_block + 1; k <= kBlocks; ++k) {
      inputs[absl::StrCat("gradients.", k)] = shard.gradients.at(k);
    }
    const HessianParams params{first_block, blocks, 0, 3, first, samples};
    return Run(TaskKind::kHessian, params.ToJson(), inputs).metrics["curvatures"].get<std::vector<double>>();
  }
  OutputFisherParams Fisher(int64_t block) const {
    OutputFisherParams params;
    params.block = block;
    params.samples = kSamples;
    params.choices = {{2, 32}, {3, 32}, {4, 32}};
    return params;
  }
  LossDeltaParams Delta(int64_t block) const {
    LossDeltaParams params;
    params.block = block;
    params.samples = kSamples;
    params.choices = {{2, 32}, {3, 32}};
    return params;
  }
  ArtifactRef Rounded(int64_t block, int bits) {
    return Run(TaskKind::kRtnBlock, RtnBlockParams{block, bits, 32, true, true}.ToJson(), {{"model", model_}})
        .outputs.at("block");
  }

  ArtifactRef tokens_;
  std::vector<ArtifactRef> activations_;  // A(0) … A(n)
};

TEST_F(SensitivityTasksTest, ShardsMeasureWhatTheWholeSetDoes) {
  const ShardResult all = Measure(0, kSamples), first = Measure(0, 2), second = Measure(2, kSamples - 2);
  const auto joined = [](std::vector<double> a, const std::vector<double>& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  };
  EXPECT_EQ(joined(first.losses, second.losses), all.losses);
  for (int64_t block = 0; block < kBlocks; ++block) {
    EXPECT_EQ(joined(first.norms.at(block), second.norms.at(block)), all.norms.at(block));
    const Json params = GradientNormParams{kSamples}.ToJson();
    const double sharded =
        Run(TaskKind::kGradientNorm, params, {{"sum.0", first.sums.at(block)}, {"sum.1", second.sums.at(block)}})
            .metrics["gradient_norm"];
    const double whole = Run(TaskKind::kGradientNorm, params, {{"sum.0", all.sums.at(block)}}).metrics["gradient_norm"];
    EXPECT_NEAR(sharded, whole, 1e-6 * whole);
  }
  const std::vector<double> whole = Hessian(0, kBlocks, 0, kSamples, all);
  const std::vector<double> a = Hessian(0, kBlocks, 0, 2, first), b = Hessian(0, kBlocks, 2, kSamples - 2, second);
  ASSERT_EQ(whole.size(), static_cast<size_t>(kBlocks));
  for (int64_t block = 0; block < kBlocks; ++block) {
    EXPECT_NEAR(a[block] + b[block], whole[block], 1e-9 * std::abs(whole[block]));
  }
}

TEST_F(SensitivityTasksTest, TheGradientNormOfOneSampleIsTheRootOfItsSquaredNorm) {
  const ShardResult one = Measure(3, 1);
  for (int64_t block = 0; block < kBlocks; ++block) {
    const double norm = Run(TaskKind::kGradientNorm, GradientNormParams{1}.ToJson(), {{"sum.0", one.sums.at(block)}})
                            .metrics["gradient_norm"];
    EXPECT_NEAR(norm, std::sqrt(one.norms.at(block).at(0)), 1e-9 * norm);
  }
}

TEST_F(SensitivityTasksTest, TheCurvatureOfTheLastBlockDoesNotNeedTheOthers) {
  const ShardResult all = Measure(0, kSamples);
  EXPECT_EQ(Hessian(kBlocks - 1, 1, 0, kSamples, all).size(), 1u);
}

TEST_F(SensitivityTasksTest, TablesAreMeasuredAgainstTheBlockAsItIsAndRoundedFromTheModels) {
  const ShardResult all = Measure(0, kSamples);
  std::map<std::string, ArtifactRef> inputs = {
      {"model", model_}, {"activations", activations_[0]}, {"gradients", all.gradients.at(1)}};
  const auto full = Run(TaskKind::kOutputFisher, Fisher(0).ToJson(), inputs).metrics["sums"].get<std::vector<double>>();
  ASSERT_EQ(full.size(), 3u);
  EXPECT_GT(full[0], full[1]);
  EXPECT_GT(full[1], full[2]);
  EXPECT_GT(full[2], 0);
  inputs["block"] = Rounded(0, 3);
  const Json of_rounded = Run(TaskKind::kOutputFisher, Fisher(0).ToJson(), inputs).metrics["sums"];
  EXPECT_EQ(of_rounded[1], 0.0) << "the block is that candidate";
  EXPECT_GT(of_rounded[0].get<double>(), 0.0);
}

TEST_F(SensitivityTasksTest, TheLossDeltaOfACheckpointIsThatOfTheSameChoice) {
  const ShardResult all = Measure(0, kSamples);
  LossDeltaParams params = Delta(0);
  params.candidates = 1;
  std::map<std::string, ArtifactRef> inputs = {
      {"model", model_}, {"activations", activations_[0]}, {"tokens", tokens_}, {"candidate.0", Rounded(0, 3)}};
  const Json found = Run(TaskKind::kLossDelta, params.ToJson(), inputs).metrics;
  double loss_sum = 0;
  for (const double loss : all.losses) loss_sum += loss;
  EXPECT_NEAR(found["loss_sum"].get<double>(), loss_sum, 1e-6 * loss_sum);
  ASSERT_EQ(found["loss_sums"].size(), 3u);
  EXPECT_EQ(found["loss_sums"][1], found["loss_sums"][2]);
  EXPECT_NE(found["loss_sums"][0], found["loss_sum"]);
  // A later block at its present state: another model, another loss.
  inputs["block.1"] = Rounded(1, 2);
  const Json later = Run(TaskKind::kLossDelta, params.ToJson(), inputs).metrics;
  EXPECT_NE(later["loss_sum"], found["loss_sum"]);
  // The block itself at its present state: the model as it is has that candidate's loss.
  inputs.erase("block.1");
  inputs["block.0"] = inputs["candidate.0"];
  const Json itself = Run(TaskKind::kLossDelta, params.ToJson(), inputs).metrics;
  EXPECT_EQ(itself["loss_sum"], found["loss_sums"][1]);
  EXPECT_EQ(itself["loss_sums"], found["loss_sums"]);
}

TEST_F(SensitivityTasksTest, WeightErrorsNeedTheModelAlone) {
  WeightErrorParams params;
  params.choices = {{2, 32}, {4, 32}, {8, 32}};
  const auto errors = Run(TaskKind::kWeightError, params.ToJson(), {{"model", model_}})
                          .metrics["squared_errors"]
                          .get<std::vector<double>>();
  ASSERT_EQ(errors.size(), 3u);
  EXPECT_GT(errors[0], 10 * errors[1]);
  EXPECT_GT(errors[1], 10 * errors[2]);
  EXPECT_GT(errors[2], 0);
}

TEST_F(SensitivityTasksTest, ShardsOutsideTheSetAndForeignArtifactsAreRefused) {
  const auto loss_gradient = [&](int64_t first, int64_t samples) {
    return Try(TaskKind::kLossGradient, LossGradientParams{first, samples}.ToJson(),
               {{"model", model_}, {"activations", activations_[kBlocks]}, {"tokens", tokens_}})
        .status();
  };
  EXPECT_TRUE(absl::IsInvalidArgument(loss_gradient(8, 3))) << "ten windows";
  EXPECT_TRUE(absl::IsInvalidArgument(loss_gradient(-1, 1)));
  EXPECT_TRUE(absl::IsInvalidArgument(loss_gradient(0, 0)));
  const Json norm = GradientNormParams{kSamples}.ToJson();
  EXPECT_TRUE(absl::IsDataLoss(Try(TaskKind::kGradientNorm, norm, {{"sum.0", tokens_}}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Try(TaskKind::kGradientNorm, norm, {}).status()));
  EXPECT_EQ(Try(TaskKind::kGradientNorm, norm, {{"sum.1", tokens_}}).status().message(),
            "gradient_norm came without its input 'sum.0'");
}

TEST_F(SensitivityTasksTest, ADamagedGradientSumIsDataLoss) {
  const ShardResult one = Measure(0, 1);
  const Manifest good = *LoadManifest(artifacts_, one.sums.at(0));
  const Json norm = GradientNormParams{1}.ToJson();
  const auto refused = [&](const Manifest& manifest) {
    const StatusOr<ArtifactRef> ref = artifacts_.Publish(manifest);
    LWQ_CHECK(ref.ok(), ref.status().ToString());
    return absl::IsDataLoss(Try(TaskKind::kGradientNorm, norm, {{"sum.0", *ref}}).status());
  };
  Manifest bad = good;
  bad.parts.pop_back();
  EXPECT_TRUE(refused(bad)) << "six linears";
  bad = good;
  std::swap(bad.parts[0].blob, bad.parts[4].blob);
  EXPECT_TRUE(refused(bad)) << "another size than the shape's";
  bad = good;
  bad.meta["linears"]["self_attn.q_proj"] = "wide";
  EXPECT_TRUE(refused(bad));
  bad = good;
  bad.meta = Json::object();
  EXPECT_TRUE(refused(bad));
  bad = good;
  bad.kind = "block";
  EXPECT_TRUE(refused(bad));
  EXPECT_FALSE(refused(good));
}

}  // namespace
}  // namespace lwq::worker
