// SPDX-License-Identifier: Apache-2.0
// serve: what a plan may hold for the programs that must load it, and what that costs.
#include "coordinator/plan/recipe/serve.h"

#include "coordinator/plan/plan.h"
#include "coordinator/plan/plan_blocks.h"
#include "coordinator/plan/recipe/recipe.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/policies.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TinyConfig;

PartialRecipe Serving(const std::string& serve, int bits = 4) {
  PartialRecipe partial;
  partial.group_size = 32;
  partial.wbits = bits;
  partial.serve = serve;
  return partial;
}

StatusOr<Plan> PlanOf(const PartialRecipe& partial) {
  const LlamaConfig model = TinyConfig(2);
  LWQ_ASSIGN_OR_RETURN(const Recipe recipe, ResolveRecipe(partial, &model));
  return MakePlan(recipe, &model);
}

std::string Refusal(const PartialRecipe& partial, absl::StatusCode code) {
  const Status status = PlanOf(partial).status();
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_EQ(MessageOf(status).find('\n'), std::string_view::npos);
  return std::string(MessageOf(status));
}
std::string Unserved(const PartialRecipe& partial) {
  return Refusal(partial, absl::StatusCode::kFailedPrecondition);
}

ExportFormat FormatOf(const PartialRecipe& partial) {
  const LlamaConfig model = TinyConfig(2);
  return ResolveRecipe(partial, &model)->export_format;
}

TEST(ServeTest, EachProgramAloneDecidesTheFormatAndThePlanHolds) {
  EXPECT_EQ(FormatOf(Serving("none")), ExportFormat::kGptqV2);
  EXPECT_EQ(FormatOf(Serving("vllm")), ExportFormat::kCompressedTensors);
  EXPECT_EQ(FormatOf(Serving("gptqmodel", 3)), ExportFormat::kGptqV2);
  EXPECT_EQ(FormatOf(Serving("llama.cpp", 3)), ExportFormat::kGguf);
  EXPECT_EQ(FormatOf(Serving("transformers", 2)), ExportFormat::kGptqV2);
  for (const std::string serve : {"vllm", "gptqmodel", "llama.cpp", "transformers"}) {
    EXPECT_TRUE(PlanOf(Serving(serve)).ok()) << serve;
  }
  PartialRecipe symmetric = Serving("vllm");
  symmetric.sym = true;
  EXPECT_EQ(FormatOf(symmetric), ExportFormat::kGptqV2) << "which GPTQModel loads, too";
  symmetric.serve = "autoround";
  EXPECT_EQ(FormatOf(symmetric), ExportFormat::kGptq);
  EXPECT_TRUE(PlanOf(symmetric).ok());
}

TEST(ServeTest, ProgramsTogetherGetTheFormatThatAllOfThemLoad) {
  EXPECT_EQ(FormatOf(Serving("vllm, transformers")), ExportFormat::kCompressedTensors);
  EXPECT_EQ(FormatOf(Serving("gptqmodel,transformers")), ExportFormat::kGptqV2);
  PartialRecipe symmetric = Serving("vllm,gptqmodel,transformers");
  symmetric.sym = true;
  EXPECT_EQ(FormatOf(symmetric), ExportFormat::kGptqV2);
  EXPECT_TRUE(PlanOf(symmetric).ok());
  symmetric.serve = "vllm,gptqmodel,autoround";
  EXPECT_EQ(FormatOf(symmetric), ExportFormat::kGptq);
  EXPECT_TRUE(PlanOf(symmetric).ok());
}

TEST(ServeTest, WhatOneOfThemDoesNotLoadIsRefusedWithItsWordsAndWhatToDo) {
  PartialRecipe asymmetric = Serving("vllm");
  asymmetric.export_format = "gptq_v2";
  EXPECT_THAT(Unserved(asymmetric),
              AllOf(HasSubstr("serve vllm: vLLM 0.32.0 refuses 4 bits in gptq_v2: Unsupported quantization config"),
                    HasSubstr("export compressed_tensors")));
  EXPECT_THAT(Unserved(Serving("vllm", 3)),
              HasSubstr("give all blocks 4 bits and one group size, and export compressed_tensors"));
  EXPECT_THAT(Unserved(Serving("vllm,gptqmodel")), HasSubstr("set sym to true and export gptq_v2"));
  EXPECT_THAT(Unserved(Serving("vllm,llama.cpp")), HasSubstr("make a run for each, or leave one out"));
  EXPECT_THAT(Unserved(Serving("autoround")),
              AllOf(HasSubstr("serve autoround: AutoRound 0.16.1 refuses 4 bits in gptq_v2: Only supports gptqv1"),
                    HasSubstr("set sym to true and export gptq")));
}

TEST(ServeTest, VersionOneOfGptqIsForSymmetricQuantizationAlone) {
  PartialRecipe asymmetric = Serving("none");
  asymmetric.export_format = "gptq";
  EXPECT_THAT(Refusal(asymmetric, absl::StatusCode::kInvalidArgument),
              HasSubstr("export_format gptq holds symmetric quantization alone: set sym, or use gptq_v2"));
  asymmetric.sym = true;
  EXPECT_TRUE(PlanOf(asymmetric).ok());
}

TEST(ServeTest, NamesThatAreNoneAreRefused) {
  const auto problem = [](const std::string& serve) {
    return Refusal(Serving(serve), absl::StatusCode::kInvalidArgument);
  };
  EXPECT_THAT(problem("vlm"), HasSubstr("serve 'vlm' is unknown, must be one of vllm, gptqmodel, llama.cpp"));
  EXPECT_THAT(problem("vllm,vllm"), HasSubstr("serve has vllm twice"));
  EXPECT_THAT(problem("vllm,"), HasSubstr("serve has an empty name"));
  EXPECT_THAT(problem(""), HasSubstr("serve has an empty name"));
  EXPECT_THAT(problem("none,vllm"), HasSubstr("serve has none beside other names"));
  PartialRecipe no_export = Serving("vllm");
  no_export.export_format = "none";
  EXPECT_THAT(Refusal(no_export, absl::StatusCode::kInvalidArgument), HasSubstr("serve vllm needs an export"));
}

TEST(ServeTest, ThePlanSaysOfEveryProgramWhatTheTableSays) {
  for (const bool symmetric : {false, true}) {
    for (const ExportFormat format : AllChoices<ExportFormat>()) {
      for (const int bits : recipe::kWeightBits) {
        const ZeroPoints zero_points = symmetric ? ZeroPoints::kSymmetric : ZeroPoints::kAny;
        if (format == ExportFormat::kNone || !FormatHolds(format, bits, zero_points)) continue;
        PartialRecipe partial = Serving("none", bits);
        partial.export_format = GivenWord<ExportFormat>(std::string(WordOf(format)));
        partial.sym = symmetric;
        const StatusOr<Plan> plan = PlanOf(partial);
        ASSERT_TRUE(plan.ok()) << plan.status();
        ServedModel model;
        model.widths = {bits};
        model.group_sizes = {32};
        model.zero_points = zero_points;
        for (const Consumer consumer : AllChoices<Consumer>()) {
          const Served served = ServedBy(consumer, format, model);
          EXPECT_THAT(plan->remarks, Contains(ServedText(consumer, format, served)));
          partial.serve = std::string(WordOf(consumer));
          EXPECT_EQ(PlanOf(partial).ok(), Loads(served)) << WordOf(consumer) << " " << WordOf(format) << " " << bits;
          partial.serve = "none";
        }
      }
    }
  }
}

// Losses fall fourfold per bit, and are larger for larger groups.
PolicyInputs TableInputs(const std::vector<double>& scores) {
  PolicyInputs inputs;
  inputs.block_shapes.assign(scores.size(), {LinearShape{.out_features = 32, .in_features = 256}});
  ScoreTable table;
  for (const int bits : {2, 3, 4, 8}) {
    for (const int64_t group : {32, 64}) table.choices.push_back({bits, group});
  }
  for (const double score : scores) {
    std::vector<double> row;
    for (const QuantChoice& choice : table.choices) {
      row.push_back(score * static_cast<double>(choice.group_size) / static_cast<double>(1 << (2 * choice.bits)));
    }
    table.loss.push_back(row);
  }
  inputs.table = std::move(table);
  return inputs;
}

StatusOr<PolicyPlan> Allocated(const std::string& serve, const std::string& format) {
  const PartialRecipe options{.use_mixed_precision = true,
                              .target_avg_bits = 5,
                              .mpq_strategy = "optimal",
                              .export_format = format,
                              .serve = serve};
  LWQ_ASSIGN_OR_RETURN(const Recipe policies, testing::PoliciesOf(options));
  return PlanBlocks(policies, TableInputs({16, 1, 1, 1}));
}

TEST(ServeTest, OptimalKeepsToWhatIsLoadedAndSaysWhatThatCostsBesideTheFreePlan) {
  const PolicyPlan free = *Allocated("none", "compressed_tensors");
  const PolicyPlan served = *Allocated("vllm", "compressed_tensors");
  double free_loss = free.allocation->certificate.chosen.loss;
  bool other_width = false;
  for (const BlockPlan& block : free.blocks) other_width = other_width || block.bit_width != 4;
  EXPECT_TRUE(other_width) << "or serve has nothing to forbid";
  for (const BlockPlan& block : served.blocks) EXPECT_EQ(block.bit_width, 4);
  EXPECT_GT(served.allocation->certificate.chosen.loss, free_loss);
  EXPECT_THAT(served.remarks,
              Contains(AllOf(HasSubstr("serve vllm: predicted loss "), HasSubstr(" MB; the free plan has"),
                             HasSubstr(absl::StrCat("predicted loss ", free_loss)))));
  EXPECT_THAT(free.remarks, Not(Contains(HasSubstr("the free plan has"))));
}

TEST(ServeTest, BlocksThatDifferAreNotPlannedForAProgramThatTakesThemForAlike) {
  const Status refused = Allocated("transformers", "compressed_tensors").status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition) << refused;
  EXPECT_THAT(std::string(MessageOf(refused)), HasSubstr("all programs of serve (transformers) load it beside others"));
  EXPECT_TRUE(Allocated("transformers", "gptq_v2").ok());
  PartialRecipe given = Serving("transformers");
  given.export_format = "compressed_tensors";
  given.block_bits = "1:2";
  EXPECT_THAT(Unserved(given), AllOf(HasSubstr("RuntimeError about CONVERSION"), HasSubstr("export gptq_v2")));
}

}  // namespace
}  // namespace lwq::coordinator
