// Which policies a run uses, under the names of docs/policies.md, and what they start from.
//
// Pure values. Errors: ResolvePolicies only; INVALID_ARGUMENT names the field and what would be allowed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/status/status.h"

namespace lwq::coordinator {

struct PolicyOptions {
  // The recipe's uniform values: what a block gets where no policy says otherwise.
  int wbits = 4;
  int64_t group_size = 128;  // −1: a whole row
  double epochs = 2;
  double quant_lr = 1e-4;
  double zp_lr = 1e-4;
  double weight_lr = 1e-5;
  double early_stop = 0;  // patience in validations; 0 = off. SGRA sets its own
  int64_t seed = 2;
  std::string export_format = "none";

  std::string layer_ordering = "original";  // "original" | "sensitivity" | "random"
  int64_t reorder_every = 0;                // blocks; 0 = never. With "sensitivity" only
  std::string block_grouping = "1";         // a number of blocks | "similar"
  double block_grouping_factor = 1.5;       // "similar": a unit's largest score over its smallest, at most
  int64_t block_grouping_most = 4;          // "similar": blocks in a unit, at most

  bool adaptive_epochs = false;
  bool adaptive_lr_scaling = false;
  std::string adaptive_lr_normalization = "mean";  // "mean" | "max" | "minmax"
  bool use_adaptive_training = false;              // SGRA

  bool use_mixed_precision = false;  // MPQ
  std::optional<double> target_avg_bits =
      std::nullopt;                       // absent: wbits. Plain mean; for "optimal": stored bits per weight
  std::string mpq_strategy = "adaptive";  // "adaptive" | "conservative" | "aggressive" | "optimal"
  // Whether the greedy follows "conservative" and "aggressive" as it always follows "adaptive". Absent: yes, but not
  // with the author's semantics, whose program ignored the target there.
  std::optional<bool> keep_budget = std::nullopt;
  std::string mpq_group_size = "fixed";  // "fixed" | "by_score"; "optimal" chooses among its table's group sizes
  std::optional<double> target_size_mb = std::nullopt;  // of the exported tensors, in 10^6 bytes; needs "optimal"

  std::string ablation = "";                 // "" | "baseline" | "mpq_only" | "sgra_only" | "qbo_only" | "all"
  std::string policy_semantics = "default";  // "default" | "author"
};

// The options with `ablation` worked in (and emptied), target_avg_bits and keep_budget filled, and every rule on values
// and combinations checked:
//   baseline   neither MPQ nor SGRA            mpq_only   MPQ to target_avg_bits      sgra_only  SGRA
//   qbo_only   target_size_mb with "optimal"   all        MPQ and SGRA, hence joint; to target_size_mb where it is set
// An ablation decides MPQ, SGRA and target_size_mb only; order, adaptive_epochs and adaptive_lr_scaling stay.
StatusOr<PolicyOptions> ResolvePolicies(PolicyOptions options);

// Whether any policy of resolved options reads one score per block.
bool NeedsScores(const PolicyOptions& options);

// block_grouping as a number of blocks; 0 for "similar". Requires resolved options.
int64_t BlocksPerUnit(const PolicyOptions& options);

}  // namespace lwq::coordinator
