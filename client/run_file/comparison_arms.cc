// SPDX-License-Identifier: Apache-2.0
#include "client/run_file/comparison_arms.h"

namespace lwq::client {

const std::vector<ComparisonArm>& ComparisonArms() {
  static const auto* const kArms = new std::vector<ComparisonArm>{
      {.name = "fp", .keys = {{"method", "none"}}, .draws_at_random = false},
      {.name = "rtn", .keys = {{"method", "rtn"}}, .draws_at_random = false},
      {.name = "gptq", .keys = {{"method", "gptq"}}},
      {.name = "awq", .keys = {{"method", "rtn"}, {"prepare", "awq"}}},
      {.name = "omniquant", .keys = {{"method", "omniquant"}}},
      {.name = "signround", .keys = {{"method", "signround"}}},
      {.name = "efficientqat", .keys = {{"method", "block_ap"}, {"preset", "efficientqat"}}},
      {.name = kComparedWith, .keys = {{"method", "block_ap"}}},
      {.name = "sgra", .keys = {{"method", "block_ap"}, {"ablation", "sgra_only"}}},
      {.name = "mpq_adaptive",
       .keys = {{"method", "block_ap"}, {"ablation", "mpq_only"}, {"mpq_strategy", "adaptive"}},
       .mixes_widths = true},
      {.name = "mpq_conservative",
       .keys = {{"method", "block_ap"}, {"ablation", "mpq_only"}, {"mpq_strategy", "conservative"}},
       .mixes_widths = true},
      {.name = "mpq_aggressive",
       .keys = {{"method", "block_ap"}, {"ablation", "mpq_only"}, {"mpq_strategy", "aggressive"}},
       .mixes_widths = true},
      {.name = "mpq_optimal",
       .keys = {{"method", "block_ap"}, {"ablation", "mpq_only"}, {"mpq_strategy", "optimal"}},
       .mixes_widths = true,
       .budget_in_stored_bits = true},
      {.name = "joint",
       .keys = {{"method", "block_ap"}, {"ablation", "all"}, {"mpq_strategy", "adaptive"}},
       .mixes_widths = true},
      {.name = "efficientqat+e2e_qp", .keys = {{"method", "block_ap"}, {"preset", "efficientqat"}, {"e2e_qp", "true"}}},
      {.name = "block_ap+e2e_qp", .keys = {{"method", "block_ap"}, {"e2e_qp", "true"}}},
  };
  return *kArms;
}

const std::vector<LeftOutOfComparison>& WordsLeftOutOfComparisons() {
  static const auto* const kLeftOut = new std::vector<LeftOutOfComparison>{
      {"method", "sensitivity", "it measures a model and makes none"},
      {"method", "noop", "it measures the system itself"},
  };
  return *kLeftOut;
}

}  // namespace lwq::client
