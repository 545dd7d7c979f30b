// SPDX-License-Identifier: Apache-2.0
// Every task kind in one process on a strict in-memory object store: what a run's tasks make fits what the next ones
// read.
#include <cmath>
#include <limits>

#include "common/export/block_checkpoint.h"
#include "common/export/gguf/gguf_file.h"
#include "common/export/model_blocks.h"
#include "tests/testing/as_bytes.h"
#include "tests/unit/worker/tasks_fixture.h"
#include "worker/qat/api/block_ops.h"
#include "worker/tasks/model_inputs.h"
#include "worker/tasks/window_losses.h"

namespace lwq::worker {
namespace {

using lwq::test::AsBytes;

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

TEST_F(TasksTest, ATrainingWhoseActivationsAreRecomputedSaysSoAndLeavesTheSameBlock) {
  class Recomputing final : public qat::LearntMemory {
   public:
    bool Recomputes(std::string_view) const override { return true; }
    void DidNotFit(std::string_view, const Status&, int64_t, int64_t) override {}
  } recomputing;
  const UnitInputs data = InputsOfBothBlocks();
  TrainBlockParams params = Train(0);
  params.rest = {{4, 64}};
  const std::map<std::string, ArtifactRef> inputs = {{"model", model_}, {"inputs", data.in}, {"targets", data.target}};
  const TaskResult kept = Run(TaskKind::kTrainBlock, params.ToJson(), inputs);
  context_.learnt = &recomputing;
  const TaskResult recomputed = Run(TaskKind::kTrainBlock, params.ToJson(), inputs);
  EXPECT_EQ(kept.metrics["activations"], "kept");
  EXPECT_EQ(recomputed.metrics["activations"], "recomputed");
  for (const auto& [role, block] : kept.outputs) EXPECT_EQ(recomputed.outputs.at(role).digest, block.digest) << role;
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
  const Task task{TaskKind::kEvaluatePpl, {}, inputs, 0};
  const auto model = ModelInput::Open(task, context_);
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

}  // namespace
}  // namespace lwq::worker
