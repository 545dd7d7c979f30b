// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/recipe/recipe.h"

#include <cmath>
#include <limits>

#include "coordinator/plan/recipe/group_size.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::TinyConfig;

PartialRecipe Small() {
  PartialRecipe recipe;
  recipe.group_size = 32;
  return recipe;
}

Recipe Resolved(const PartialRecipe& partial) {
  const LlamaConfig model = TinyConfig(2);
  StatusOr<Recipe> recipe = ResolveRecipe(partial, &model);
  LWQ_CHECK(recipe.ok(), recipe.status().ToString());
  return *recipe;
}

TEST(ResolveRecipeTest, AbsentFieldsTakeTheDefaultsOfTheSpec) {
  const Recipe recipe = Resolved(Small());
  EXPECT_EQ(recipe.preset, Preset::kDefault);
  EXPECT_EQ(recipe.method, Method::kBlockAp);
  EXPECT_EQ(recipe.wbits, 4);
  EXPECT_EQ(recipe.train_size, 128);
  EXPECT_EQ(recipe.val_size, 16);
  EXPECT_EQ(recipe.training_seqlen, 512) << "min(2048, the model's)";
  EXPECT_EQ(recipe.ppl_seqlen, 512);
  EXPECT_EQ(recipe.seed, 2);
  EXPECT_EQ(recipe.epochs, 2);
  EXPECT_EQ(recipe.batch_size, 2);
  EXPECT_EQ(recipe.quant_lr, 1e-4);
  EXPECT_EQ(recipe.zp_lr, 1e-4) << "follows quant_lr";
  EXPECT_EQ(recipe.weight_lr, 1e-5);
  EXPECT_EQ(recipe.min_lr_factor, 20);
  EXPECT_EQ(recipe.wd, 0);
  EXPECT_EQ(recipe.early_stop, 0);
  EXPECT_TRUE(recipe.keep_best);
  EXPECT_TRUE(recipe.disjoint_windows);
  EXPECT_EQ(recipe.export_format, ExportFormat::kGptqV2);
}

LlamaConfig ConfigOfWidths(int64_t hidden, int64_t intermediate) {
  LlamaConfig config = TinyConfig(2);
  config.hidden_size = hidden;
  config.intermediate_size = intermediate;
  config.head_dim = hidden / config.num_attention_heads;
  return config;
}

TEST(ResolveRecipeTest, TheDefaultGroupSizeDividesEveryInputWidth) {
  EXPECT_EQ(DefaultGroupSize(ConfigOfWidths(4096, 11008)), 128);
  EXPECT_EQ(DefaultGroupSize(ConfigOfWidths(576, 1536)), 64) << "SmolLM2-135M";
  EXPECT_EQ(DefaultGroupSize(ConfigOfWidths(960, 2560)), 64);
  EXPECT_EQ(DefaultGroupSize(ConfigOfWidths(288, 768)), 32) << "a usual size before a larger divisor (96)";
  EXPECT_EQ(DefaultGroupSize(ConfigOfWidths(80, 1040)), 80) << "else the largest divisor";
  EXPECT_EQ(DefaultGroupSize(ConfigOfWidths(68, 172)), 4);
  EXPECT_EQ(Resolved({}).group_size, 64);
  EXPECT_EQ(Resolved({}).sensitivity_group_sizes, "64") << "follows group_size";
}

TEST(ResolveRecipeTest, WhereNothingIsRoundedNoGroupSizeIsAskedFor) {
  const LlamaConfig model = TinyConfig(2);
  PartialRecipe partial;
  partial.group_size = 48;
  partial.export_format = "none";
  partial.method = "none";
  EXPECT_TRUE(ResolveRecipe(partial, &model).ok());
  partial.method = "sensitivity";
  for (const char* metric : {"fisher", "gradient", "hessian"}) {
    partial.sensitivity_metric = metric;
    EXPECT_TRUE(ResolveRecipe(partial, &model).ok()) << metric;
  }
  for (const char* metric : {"loss_delta", "output_fisher", "pilot"}) {
    partial.sensitivity_metric = metric;
    EXPECT_THAT(std::string(MessageOf(ResolveRecipe(partial, &model).status())),
                HasSubstr("group_size 48 does not divide"))
        << metric;
  }
}

TEST(ResolveRecipeTest, WeightRateIsDoubledAtTwoBits) {
  PartialRecipe partial = Small();
  partial.wbits = 2;
  EXPECT_EQ(Resolved(partial).weight_lr, 2e-5);
}

TEST(ResolveRecipeTest, PresetStrongRaisesRatesAtTwoAndThreeBitsOnly) {
  PartialRecipe partial = Small();
  partial.preset = "strong";
  for (const int bits : {2, 3}) {
    partial.wbits = bits;
    EXPECT_EQ(Resolved(partial).quant_lr, 1e-3) << bits;
    EXPECT_EQ(Resolved(partial).weight_lr, 1e-3) << bits;
    EXPECT_EQ(Resolved(partial).epochs, 4) << bits;
  }
  partial.wbits = 4;
  EXPECT_EQ(Resolved(partial).quant_lr, 1e-4);
  EXPECT_EQ(Resolved(partial).epochs, 4);
}

TEST(ResolveRecipeTest, PresetEfficientqatIsTheOriginalsArithmeticInFp32) {
  PartialRecipe partial = Small();
  partial.preset = "efficientqat";
  const Recipe recipe = Resolved(partial);
  EXPECT_EQ(recipe.train_size, 4096);
  EXPECT_EQ(recipe.val_size, 64);
  EXPECT_EQ(recipe.lr_schedule, LrSchedule::kChainedCosine);
  EXPECT_FALSE(recipe.early_stop_resets);
  EXPECT_FALSE(recipe.keep_best);
  EXPECT_FALSE(recipe.disjoint_windows);
  EXPECT_FALSE(recipe.fp16_scales);
  EXPECT_FALSE(recipe.range_contains_zero);
  EXPECT_EQ(PinRecipe(recipe, /*hardware_bf16=*/true).precision, Precision::kFp32);
  EXPECT_EQ(PinRecipe(recipe, /*hardware_bf16=*/true).activation_dtype, Precision::kFp32);
}

TEST(ResolveRecipeTest, AFieldOfTheUserWinsOverThePreset) {
  PartialRecipe partial = Small();
  partial.preset = "efficientqat";
  partial.keep_best = true;
  partial.precision = "bf16";
  partial.train_size = 7;
  const Recipe recipe = Resolved(partial);
  EXPECT_TRUE(recipe.keep_best);
  EXPECT_EQ(recipe.precision, Precision::kBf16);
  EXPECT_EQ(recipe.train_size, 7);
}

TEST(PinRecipeTest, AutoBecomesWhatTheHardwareHasAndActivationsFollow) {
  const Recipe recipe = Resolved(Small());
  EXPECT_EQ(PinRecipe(recipe, true).precision, Precision::kBf16);
  EXPECT_EQ(PinRecipe(recipe, true).activation_dtype, Precision::kBf16);
  EXPECT_EQ(PinRecipe(recipe, false).precision, Precision::kFp32);
  EXPECT_EQ(PinRecipe(recipe, false).activation_dtype, Precision::kFp32);
}

TEST(PlannedStepsTest, FractionalEpochsAreRoundedToSteps) {
  PartialRecipe partial = Small();
  partial.train_size = 10;
  partial.batch_size = 4;  // 3 batches
  partial.epochs = 2.5;
  EXPECT_EQ(PlannedSteps(Resolved(partial), Resolved(partial).epochs), 8);  // round(7.5), half away from zero
  partial.epochs = 0;
  EXPECT_EQ(PlannedSteps(Resolved(partial), Resolved(partial).epochs), 0);
}

struct BadRecipe {
  const char* name;
  void (*spoil)(PartialRecipe&);
  const char* message;
};

class BadRecipeTest : public ::testing::TestWithParam<BadRecipe> {};

TEST_P(BadRecipeTest, IsRefusedWithOneLineThatNamesTheField) {
  PartialRecipe partial = Small();
  GetParam().spoil(partial);
  const LlamaConfig model = TinyConfig(2);
  const StatusOr<Recipe> recipe = ResolveRecipe(partial, &model);
  ASSERT_FALSE(recipe.ok());
  EXPECT_THAT(std::string(MessageOf(recipe.status())), HasSubstr(GetParam().message));
  EXPECT_THAT(std::string(MessageOf(recipe.status())), Not(HasSubstr("\n")));
}

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

INSTANTIATE_TEST_SUITE_P(
    Each, BadRecipeTest,
    ::testing::Values(
        BadRecipe{"SevenBits", [](PartialRecipe& r) { r.wbits = 7; }, "wbits is 7, must be one of 2, 3, 4, 5, 6, 8"},
        BadRecipe{"NegativeBits", [](PartialRecipe& r) { r.wbits = -2; }, "wbits is -2"},
        BadRecipe{"GroupNoDivisor", [](PartialRecipe& r) { r.group_size = 48; },
                  "group_size 48 does not divide in_features of self_attn.q_proj (64), self_attn.k_proj (64)"},
        BadRecipe{"GroupNoDivisorProposesSome", [](PartialRecipe& r) { r.group_size = 48; },
                  "mlp.down_proj (128): choose 64, 32, 16, 8, 4, 2, 1 or -1 (a whole row)"},
        BadRecipe{"GroupZero", [](PartialRecipe& r) { r.group_size = 0; }, "group_size is 0, must be -1"},
        BadRecipe{"GroupMinusTwo", [](PartialRecipe& r) { r.group_size = -2; }, "group_size is -2"},
        BadRecipe{"GroupHuge", [](PartialRecipe& r) { r.group_size = int64_t{1} << 62; }, "does not divide"},
        BadRecipe{"EpochsNegative", [](PartialRecipe& r) { r.epochs = -1; }, "epochs is -1"},
        BadRecipe{"EpochsNan", [](PartialRecipe& r) { r.epochs = kNan; }, "epochs is nan"},
        BadRecipe{"EpochsInfinite", [](PartialRecipe& r) { r.epochs = kInf; }, "epochs is inf"},
        BadRecipe{"EpochsHuge", [](PartialRecipe& r) { r.epochs = 1e18; }, "epochs is 1e+18"},
        BadRecipe{"TrainSizeZero", [](PartialRecipe& r) { r.train_size = 0; }, "train_size is 0"},
        BadRecipe{"TrainSizeHuge", [](PartialRecipe& r) { r.train_size = int64_t{1} << 60; }, "train_size is"},
        BadRecipe{"ValSizeNegative", [](PartialRecipe& r) { r.val_size = -1; }, "val_size is -1"},
        BadRecipe{"SeqlenBeyondModel", [](PartialRecipe& r) { r.training_seqlen = 513; },
                  "training_seqlen is 513, must be between 1 and 512"},
        BadRecipe{"PplSeqlenOne", [](PartialRecipe& r) { r.ppl_seqlen = 1; }, "ppl_seqlen is 1"},
        BadRecipe{"SeedNegative", [](PartialRecipe& r) { r.seed = -1; }, "seed is -1"},
        BadRecipe{"BatchZero", [](PartialRecipe& r) { r.batch_size = 0; }, "batch_size is 0"},
        BadRecipe{"AccumulationNoDivisor",
                  [](PartialRecipe& r) {
                    r.batch_size = 4;
                    r.gradient_accumulation_steps = 3;
                  },
                  "gradient_accumulation_steps 3 does not divide batch_size 4"},
        BadRecipe{"RateNegative", [](PartialRecipe& r) { r.quant_lr = -1e-4; }, "quant_lr is -0.0001"},
        BadRecipe{"RateNan", [](PartialRecipe& r) { r.weight_lr = kNan; }, "weight_lr is nan"},
        BadRecipe{"ZpRateInfinite", [](PartialRecipe& r) { r.zp_lr = kInf; }, "zp_lr is inf"},
        BadRecipe{"FactorZero", [](PartialRecipe& r) { r.min_lr_factor = 0; }, "min_lr_factor is 0"},
        BadRecipe{"DecayNegative", [](PartialRecipe& r) { r.wd = -1; }, "wd is -1"},
        BadRecipe{"PatienceNan", [](PartialRecipe& r) { r.early_stop = kNan; }, "early_stop is nan"},
        BadRecipe{"PatienceWithoutValidation",
                  [](PartialRecipe& r) {
                    r.early_stop = 2;
                    r.val_size = 0;
                  },
                  "early_stop needs validation windows"},
        BadRecipe{"Schedule", [](PartialRecipe& r) { r.lr_schedule = "linear"; }, "lr_schedule 'linear' is unknown"},
        BadRecipe{"Precision", [](PartialRecipe& r) { r.precision = "fp16"; },
                  "precision 'fp16' is unknown, must be one of auto, bf16, fp32"},
        BadRecipe{"ActivationDtype", [](PartialRecipe& r) { r.activation_dtype = "fp16"; }, "activation_dtype 'fp16'"},
        BadRecipe{"Threads", [](PartialRecipe& r) { r.threads = 0; }, "threads is 0"},
        BadRecipe{"Preset", [](PartialRecipe& r) { r.preset = "best"; }, "preset 'best' is unknown"},
        BadRecipe{"PresetWithNewline", [](PartialRecipe& r) { r.preset = "a\nb"; }, "preset 'a\\nb' is unknown"},
        BadRecipe{"Method", [](PartialRecipe& r) { r.method = "gtpq"; }, "method 'gtpq' is unknown"},
        BadRecipe{"Retries", [](PartialRecipe& r) { r.divergence_retries = -1; }, "divergence_retries is -1"},
        BadRecipe{"Format", [](PartialRecipe& r) { r.export_format = "onnx"; }, "export_format 'onnx' is unknown"},
        BadRecipe{"TargetBitsInfinite", [](PartialRecipe& r) { r.target_avg_bits = kInf; },
                  "target_avg_bits is inf, must be a finite number"},
        BadRecipe{"GroupingFactorInfinite", [](PartialRecipe& r) { r.block_grouping_factor = kInf; },
                  "block_grouping_factor is inf, must be a finite number"},
        BadRecipe{"ChoicesOfOptimalDoNotDivide",
                  [](PartialRecipe& r) {
                    r.use_mixed_precision = true;
                    r.mpq_strategy = "optimal";
                    r.target_avg_bits = 5;
                    r.sensitivity_group_sizes = "48,-1";
                  },
                  "sensitivity_group_sizes 48 does not divide"},
        BadRecipe{"MeasuringTasksWithoutEnd",
                  [](PartialRecipe& r) {
                    r.method = "sensitivity";
                    r.export_format = "none";
                    r.sensitivity_metric = "hessian";
                    r.train_size = 128;
                    r.sensitivity_samples = 128;
                    r.sensitivity_shard_samples = 1;
                    r.hessian_probes = 10'000;
                  },
                  "make 2560000 tasks: at most 100000"},
        BadRecipe{"ExportOfNothing",
                  [](PartialRecipe& r) {
                    r.method = "none";
                    r.export_format = "gptq_v2";
                  },
                  "needs quantized blocks, but method 'none' makes none"}),
    [](const auto& each) { return each.param.name; });

TEST(ResolveRecipeTest, AllProblemsAreReportedAtOnce) {
  PartialRecipe partial = Small();
  partial.wbits = 7;
  partial.epochs = -1;
  partial.batch_size = 0;
  const LlamaConfig model = TinyConfig(2);
  const std::string message(MessageOf(ResolveRecipe(partial, &model).status()));
  EXPECT_THAT(message, HasSubstr("wbits is 7"));
  EXPECT_THAT(message, HasSubstr("epochs is -1"));
  EXPECT_THAT(message, HasSubstr("batch_size is 0"));
}

TEST(ResolveRecipeTest, EveryWordThatIsNoneIsNamedTogetherWithEverythingElseThatIsWrong) {
  PartialRecipe partial = Small();
  partial.method = "gtpq";
  partial.epochs = -1;
  partial.handoff = "parallel";
  partial.layer_ordering = "reverse";
  const LlamaConfig model = TinyConfig(2);
  EXPECT_EQ(MessageOf(ResolveRecipe(partial, &model).status()),
            "recipe: method 'gtpq' is unknown, must be one of block_ap, rtn, gptq, signround, omniquant, sensitivity, "
            "none, noop; "
            "epochs is -1, must be a number between 0 and 1000; "
            "handoff 'parallel' is unknown, must be one of sequential, independent, relay; "
            "layer_ordering 'reverse' is unknown, must be one of original, sensitivity, random");
}

TEST(ResolveRecipeTest, AWidthTheFormatCannotHoldIsRefusedAndFormatsThatCanAreNamed) {
  const LlamaConfig model = TinyConfig(2);
  for (const int bits : {5, 6}) {
    PartialRecipe partial = Small();
    partial.wbits = bits;
    const Status status = ResolveRecipe(partial, &model).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(MessageOf(status)),
                HasSubstr(absl::StrCat("export_format gptq_v2 cannot hold wbits ", bits,
                                       ": use compressed_tensors, fake_quant, gguf, gguf_q4_1 or none")));
    partial.export_format = "fake_quant";
    EXPECT_TRUE(ResolveRecipe(partial, &model).ok());
  }
}

TEST(ResolveRecipeTest, WhatAGgufFileOrItsReaderHasNotIsSaidBeforeAnythingIsTrained) {
  const auto refused = [](const PartialRecipe& partial, const LlamaConfig& model) {
    const Status status = ResolveRecipe(partial, &model).status();
    EXPECT_FALSE(status.ok());
    return std::string(MessageOf(status));
  };
  LlamaConfig model = TinyConfig(2);
  PartialRecipe partial = Small();
  partial.export_format = "gguf";
  EXPECT_TRUE(ResolveRecipe(partial, &model).ok());
  partial.wbits = 8;
  EXPECT_THAT(refused(partial, model),
              HasSubstr("export_format gguf cannot hold wbits 8: use gptq_v2, compressed_tensors, "
                        "fake_quant or none, or 2, 3, 4, 5 or 6 bits"));
  partial.wbits = 4;
  partial.group_size = 16;
  EXPECT_THAT(refused(partial, model), HasSubstr("export_format gguf: it holds groups that are multiples of 32, and "
                                                 "group_size is 16"));
  partial.export_format = "gptq_v2";
  EXPECT_TRUE(ResolveRecipe(partial, &model).ok());
  partial.export_format = "gguf_q4_1";
  partial.group_size = -1;
  EXPECT_TRUE(ResolveRecipe(partial, &model).ok());
  model.intermediate_size = 80;
  EXPECT_THAT(refused(partial, model), HasSubstr("export_format gguf_q4_1: it holds rows that are multiples of 32, and "
                                                 "those of mlp.down_proj have 80 weights"));
  model = TinyConfig(2);
  model.rope_scaling = RopeDynamic{2};
  EXPECT_THAT(refused(partial, model), HasSubstr("export_format gguf_q4_1: llama.cpp has no rope type dynamic"));
}

TEST(ResolveRecipeTest, SymIsRefusedBesideWhatMovesZeroPoints) {
  const LlamaConfig model = TinyConfig(2);
  PartialRecipe partial = Small();
  partial.sym = true;
  EXPECT_TRUE(ResolveRecipe(partial, &model).ok());
  partial.zp_lr = 1e-3;
  EXPECT_THAT(std::string(MessageOf(ResolveRecipe(partial, &model).status())),
              HasSubstr("sym does not train zero points, and zp_lr is a rate for them"));
  partial.zp_lr = 0;
  partial.wbits = 2;
  partial.middle_zero_points = true;
  EXPECT_THAT(std::string(MessageOf(ResolveRecipe(partial, &model).status())),
              HasSubstr("sym fixes every zero point at 2^(bits-1), and middle_zero_points"));
}

TEST(ResolveRecipeTest, EightBitsGoIntoGgufWhereTheyAreSymmetric) {
  const LlamaConfig model = TinyConfig(2);
  PartialRecipe partial = Small();
  partial.wbits = 8;
  partial.group_size = 32;
  partial.export_format = "gguf";
  EXPECT_EQ(ResolveRecipe(partial, &model).status().code(), absl::StatusCode::kFailedPrecondition);
  partial.sym = true;
  const auto recipe = ResolveRecipe(partial, &model);
  ASSERT_TRUE(recipe.ok()) << recipe.status();
  EXPECT_EQ(recipe->sensitivity_bits, "2,3,4,5,6,8");
}

TEST(ResolveRecipeTest, MiddleZeroPointsNeedABlockOfTwoBits) {
  const LlamaConfig model = TinyConfig(2);
  PartialRecipe partial = Small();
  partial.middle_zero_points = true;
  partial.wbits = 4;
  EXPECT_THAT(std::string(MessageOf(ResolveRecipe(partial, &model).status())),
              HasSubstr("middle_zero_points confines zero points of 2-bit blocks, and there are none at wbits 4: set "
                        "wbits to 2"));
  partial.block_bits = "1:2";
  EXPECT_TRUE(ResolveRecipe(partial, &model).ok());
  partial.block_bits.reset();
  partial.use_mixed_precision = true;
  EXPECT_TRUE(ResolveRecipe(partial, &model).ok()) << "sensitivity may give a block 2 bits";
  partial.use_mixed_precision.reset();
  partial.wbits = 2;
  EXPECT_TRUE(ResolveRecipe(partial, &model).ok());
}

TEST(ResolveRecipeTest, CalibrationSetsBeyondAnyStoreAreRefused) {
  LlamaConfig model = TinyConfig(2);
  model.hidden_size = 64 << 20;
  model.max_position_embeddings = 1 << 20;
  PartialRecipe partial = Small();
  partial.group_size = -1;
  partial.training_seqlen = 1 << 20;
  partial.train_size = 1'000'000;
  EXPECT_THAT(std::string(MessageOf(ResolveRecipe(partial, &model).status())), HasSubstr("TB of activations"));
}

TEST(ResolveRecipeTest, BatchesBeyondAnyDeviceAreRefusedBeforeTheirSizesOverflow) {
  LlamaConfig model = TinyConfig(2);
  model.max_position_embeddings = int64_t{1} << 40;
  PartialRecipe partial = Small();
  partial.method = "none";
  partial.export_format = "none";
  partial.batch_size = 2048;
  partial.ppl_seqlen = int64_t{1} << 40;
  EXPECT_THAT(std::string(MessageOf(ResolveRecipe(partial, &model).status())),
              AllOf(HasSubstr("ppl_seqlen 1099511627776 at batch_size 2048 needs about"), HasSubstr("TB of memory")));
  partial.ppl_seqlen = 512;
  partial.training_seqlen = int64_t{1} << 36;
  EXPECT_THAT(std::string(MessageOf(ResolveRecipe(partial, &model).status())),
              HasSubstr("training_seqlen 68719476736"));
}

TEST(RecipeJsonTest, BothFormsReadBackEqual) {
  PartialRecipe partial = Small();
  partial.preset = "strong";
  partial.zp_lr = 3e-4;
  partial.eval_fp = false;
  const StatusOr<PartialRecipe> partial_again = PartialRecipeFromJson(RecipeToJson(partial));
  ASSERT_TRUE(partial_again.ok()) << partial_again.status();
  EXPECT_EQ(RecipeToJson(*partial_again), RecipeToJson(partial));
  const Recipe recipe = Resolved(partial);
  const StatusOr<Recipe> again = RecipeFromJson(RecipeToJson(recipe));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(RecipeToJson(*again), RecipeToJson(recipe));
}

TEST(RecipeJsonTest, UnknownMissingAndMistypedFieldsAreDataLoss) {
  Json json = RecipeToJson(Resolved(Small()));
  Json misspelt = json;
  misspelt["handoff"] = "parallel";
  EXPECT_EQ(MessageOf(RecipeFromJson(misspelt).status()),
            "stored recipe: 'handoff' has a word this version does not know");
  Json unknown = json;
  unknown["nonsense"] = 1;
  EXPECT_EQ(RecipeFromJson(unknown).status().code(), absl::StatusCode::kDataLoss);
  Json missing = json;
  missing.erase("wbits");
  EXPECT_EQ(RecipeFromJson(missing)->wbits, 4) << "stored before the field existed";
  Json mistyped = json;
  mistyped["wbits"] = "two";
  EXPECT_EQ(RecipeFromJson(mistyped).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(RecipeFromJson(Json(3)).status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace lwq::coordinator
