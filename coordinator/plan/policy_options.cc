#include "coordinator/plan/policy_options.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <iterator>
#include <string_view>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "coordinator/plan/mixed_precision.h"

namespace lwq::coordinator {
namespace {

Status CheckChoice(std::string_view field, const std::string& value, std::initializer_list<const char*> allowed) {
  if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is \"", value, "\"; it can be ", absl::StrJoin(allowed, ", ")));
}

Status CheckChoices(const PolicyOptions& options) {
  LWQ_RETURN_IF_ERROR(CheckChoice("layer_ordering", options.layer_ordering, {"original", "sensitivity", "random"}));
  LWQ_RETURN_IF_ERROR(
      CheckChoice("adaptive_lr_normalization", options.adaptive_lr_normalization, {"mean", "max", "minmax"}));
  LWQ_RETURN_IF_ERROR(
      CheckChoice("mpq_strategy", options.mpq_strategy, {"adaptive", "conservative", "aggressive", "optimal"}));
  LWQ_RETURN_IF_ERROR(CheckChoice("mpq_group_size", options.mpq_group_size, {"fixed", "by_score"}));
  LWQ_RETURN_IF_ERROR(CheckChoice("policy_semantics", options.policy_semantics, {"default", "author"}));
  return CheckChoice("ablation", options.ablation, {"", "baseline", "mpq_only", "sgra_only", "qbo_only", "all"});
}

Status CheckGrouping(const PolicyOptions& options) {
  int64_t blocks = 0;
  const bool number = absl::SimpleAtoi(options.block_grouping, &blocks) && blocks >= 1;
  if (!number && options.block_grouping != "similar") {
    return absl::InvalidArgumentError(absl::StrCat("block_grouping is \"", options.block_grouping,
                                                   "\"; it can be a number of blocks from 1 on, or similar"));
  }
  if (!(options.block_grouping_factor >= 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("block_grouping_factor is ", options.block_grouping_factor, "; it must be at least 1"));
  }
  if (options.block_grouping_most < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("block_grouping_most is ", options.block_grouping_most, "; it must be at least 1"));
  }
  return absl::OkStatus();
}

Status CheckCombinations(const PolicyOptions& options) {
  if (options.reorder_every < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("reorder_every is ", options.reorder_every, "; it is a number of blocks, or 0 for never"));
  }
  if (options.reorder_every > 0 && options.layer_ordering != "sensitivity") {
    return absl::InvalidArgumentError(absl::StrCat("reorder_every sorts by sensitivity: it needs layer_ordering ",
                                                   "sensitivity, not ", options.layer_ordering));
  }
  const bool optimal = options.use_mixed_precision && options.mpq_strategy == "optimal";
  // Stored bits count scales and zero points: more than the width, and 32 with groups of 1.
  const double least = optimal ? 0 : *std::begin(kWidths);
  const double most = optimal ? 32 : *std::rbegin(kWidths);
  if (options.use_mixed_precision && !(*options.target_avg_bits >= least && *options.target_avg_bits <= most)) {
    return absl::InvalidArgumentError(absl::StrCat("target_avg_bits is ", *options.target_avg_bits,
                                                   "; with mpq_strategy ", options.mpq_strategy, " it can be from ",
                                                   least, " to ", most));
  }
  if (options.target_size_mb.has_value()) {
    if (!optimal) {
      return absl::InvalidArgumentError(
          "target_size_mb is a budget of stored bytes: it needs use_mixed_precision with mpq_strategy optimal");
    }
    if (!(*options.target_size_mb > 0 && *options.target_size_mb < 1e9)) {
      return absl::InvalidArgumentError(
          absl::StrCat("target_size_mb is ", *options.target_size_mb, "; it must be a positive number of megabytes"));
    }
  }
  if (optimal && options.mpq_group_size == "by_score") {
    return absl::InvalidArgumentError(
        "mpq_group_size by_score cannot be combined with mpq_strategy optimal, which chooses the group sizes itself");
  }
  return absl::OkStatus();
}

Status ApplyAblation(PolicyOptions& options) {
  const std::string ablation = options.ablation;
  options.ablation.clear();
  if (ablation.empty()) return absl::OkStatus();
  const bool by_size = ablation == "qbo_only" || (ablation == "all" && options.target_size_mb.has_value());
  if (by_size && !options.target_size_mb.has_value()) {
    return absl::InvalidArgumentError("ablation qbo_only needs target_size_mb");
  }
  options.use_mixed_precision = ablation == "mpq_only" || ablation == "all" || by_size;
  options.use_adaptive_training = ablation == "sgra_only" || ablation == "all";
  if (by_size) {
    options.mpq_strategy = "optimal";
  } else {
    options.target_size_mb.reset();
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<PolicyOptions> ResolvePolicies(PolicyOptions options) {
  LWQ_RETURN_IF_ERROR(CheckChoices(options));
  LWQ_RETURN_IF_ERROR(CheckGrouping(options));
  LWQ_RETURN_IF_ERROR(ApplyAblation(options));
  if (!options.target_avg_bits.has_value()) options.target_avg_bits = options.wbits;
  if (!options.keep_budget.has_value()) options.keep_budget = options.policy_semantics != "author";
  LWQ_RETURN_IF_ERROR(CheckCombinations(options));
  return options;
}

bool NeedsScores(const PolicyOptions& options) {
  return options.layer_ordering == "sensitivity" || options.block_grouping == "similar" || options.adaptive_epochs ||
         options.adaptive_lr_scaling || options.use_adaptive_training ||
         (options.use_mixed_precision && options.mpq_strategy != "optimal");
}

int64_t BlocksPerUnit(const PolicyOptions& options) {
  int64_t blocks = 0;
  return absl::SimpleAtoi(options.block_grouping, &blocks) ? blocks : 0;
}

}  // namespace lwq::coordinator
