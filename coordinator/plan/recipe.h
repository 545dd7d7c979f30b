// The recipe: everything that decides how a run quantizes, under EfficientQAT's names.
//
// One list of fields serves the partial form (what a user wrote: every field may be absent) and the resolved form
// (every field has a value). A field's value is the user's, else the preset's, else the default of docs/spec.md,
// "Defaults", which may depend on the method, on wbits and on the model (group_size: group_size.h).
//
// Pure values. Thread-safety: none needed. Not here: which precision "auto" becomes (PinRecipe: known once a worker
// class is), and what a recipe means block by block (plan.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/json/json.h"
#include "common/model/llama_config.h"
#include "common/status/status.h"

namespace lwq::coordinator {

template <template <typename> class Field>
struct BasicRecipe {
  Field<std::string> preset;  // "default" | "efficientqat" | "strong"
  Field<std::string> method;  // "block_ap" | "rtn" | "sensitivity" | "none" | "noop"

  Field<int> wbits;
  Field<int64_t> group_size;  // −1: a whole row

  Field<int64_t> train_size;  // windows; for method "noop": tasks
  Field<int64_t> val_size;
  Field<int64_t> training_seqlen;
  Field<int64_t> seed;
  Field<bool> disjoint_windows;

  Field<double> epochs;
  Field<int64_t> batch_size;
  Field<int64_t> gradient_accumulation_steps;  // divides batch_size
  Field<double> quant_lr;
  Field<double> zp_lr;
  Field<double> weight_lr;
  Field<double> min_lr_factor;
  Field<double> wd;
  Field<double> early_stop;  // patience in validations; 0 = off
  Field<bool> early_stop_resets;
  Field<bool> keep_best;
  Field<std::string> lr_schedule;  // "cosine" | "chained_cosine"
  Field<bool> fp16_scales;
  Field<bool> range_contains_zero;
  Field<int> divergence_retries;

  Field<std::string>
      sensitivity_metric;              // "fisher" | "gradient" | "hessian" | "loss_delta" | "output_fisher" | "pilot"
  Field<int64_t> sensitivity_samples;  // the first windows of the calibration set
  Field<int64_t> sensitivity_shard_samples;
  Field<std::string> sensitivity_bits;         // "2,3,4": the table's widths
  Field<std::string> sensitivity_group_sizes;  // "64,128": the table's group sizes
  Field<int64_t> hessian_probes;
  Field<std::string> hessian_scope;  // "block" | "model"
  Field<double> pilot_epochs;
  Field<int64_t> pilot_samples;  // the first train windows

  Field<std::string> handoff;         // "sequential" | "independent" | "relay"
  Field<double> relay_epochs;         // of relay's sequential pass
  Field<std::string> layer_ordering;  // "original" | "sensitivity" | "random"
  Field<int64_t> reorder_every;       // 0 = never
  Field<std::string> block_grouping;  // a number of blocks | "similar"
  Field<double> block_grouping_factor;
  Field<int64_t> block_grouping_most;
  // Policies (policy_options.h).
  Field<bool> adaptive_epochs;
  Field<bool> adaptive_lr_scaling;
  Field<std::string> adaptive_lr_normalization;  // "mean" | "max" | "minmax"
  Field<bool> use_adaptive_training;
  Field<bool> use_mixed_precision;
  Field<double> target_avg_bits;
  Field<std::string> mpq_strategy;  // "adaptive" | "conservative" | "aggressive" | "optimal"
  Field<bool> keep_budget;
  Field<std::string> mpq_group_size;    // "fixed" | "by_score"
  Field<double> target_size_mb;         // 0 = none
  Field<std::string> ablation;          // "none" | "baseline" | "mpq_only" | "sgra_only" | "qbo_only" | "all"
  Field<std::string> policy_semantics;  // "default" | "author"

  Field<std::string> precision;  // "auto" | "bf16" | "fp32"
  Field<int> threads;
  Field<std::string> activation_dtype;  // "auto" | "fp32" | "bf16"

  Field<std::string> export_format;  // "gptq_v2" | "fake_quant" | "none"

  Field<bool> eval_ppl;
  Field<int64_t> ppl_seqlen;
  Field<bool> eval_fp;
  Field<int64_t> eval_shard_windows;  // about so many windows of a text a task evaluates (eval_shards.h)
};

template <typename T>
using ResolvedField = T;

using PartialRecipe = BasicRecipe<std::optional>;
using Recipe = BasicRecipe<ResolvedField>;

// Calls visit(name, recipe.field…) for every field, with the same field of each recipe given.
template <typename Visit, typename... R>
void ForEachRecipeField(Visit&& visit, R&... recipe) {
  visit("preset", recipe.preset...);
  visit("method", recipe.method...);
  visit("wbits", recipe.wbits...);
  visit("group_size", recipe.group_size...);
  visit("train_size", recipe.train_size...);
  visit("val_size", recipe.val_size...);
  visit("training_seqlen", recipe.training_seqlen...);
  visit("seed", recipe.seed...);
  visit("disjoint_windows", recipe.disjoint_windows...);
  visit("epochs", recipe.epochs...);
  visit("batch_size", recipe.batch_size...);
  visit("gradient_accumulation_steps", recipe.gradient_accumulation_steps...);
  visit("quant_lr", recipe.quant_lr...);
  visit("zp_lr", recipe.zp_lr...);
  visit("weight_lr", recipe.weight_lr...);
  visit("min_lr_factor", recipe.min_lr_factor...);
  visit("wd", recipe.wd...);
  visit("early_stop", recipe.early_stop...);
  visit("early_stop_resets", recipe.early_stop_resets...);
  visit("keep_best", recipe.keep_best...);
  visit("lr_schedule", recipe.lr_schedule...);
  visit("fp16_scales", recipe.fp16_scales...);
  visit("range_contains_zero", recipe.range_contains_zero...);
  visit("divergence_retries", recipe.divergence_retries...);
  visit("sensitivity_metric", recipe.sensitivity_metric...);
  visit("sensitivity_samples", recipe.sensitivity_samples...);
  visit("sensitivity_shard_samples", recipe.sensitivity_shard_samples...);
  visit("sensitivity_bits", recipe.sensitivity_bits...);
  visit("sensitivity_group_sizes", recipe.sensitivity_group_sizes...);
  visit("hessian_probes", recipe.hessian_probes...);
  visit("hessian_scope", recipe.hessian_scope...);
  visit("pilot_epochs", recipe.pilot_epochs...);
  visit("pilot_samples", recipe.pilot_samples...);
  visit("handoff", recipe.handoff...);
  visit("relay_epochs", recipe.relay_epochs...);
  visit("layer_ordering", recipe.layer_ordering...);
  visit("reorder_every", recipe.reorder_every...);
  visit("block_grouping", recipe.block_grouping...);
  visit("block_grouping_factor", recipe.block_grouping_factor...);
  visit("block_grouping_most", recipe.block_grouping_most...);
  visit("adaptive_epochs", recipe.adaptive_epochs...);
  visit("adaptive_lr_scaling", recipe.adaptive_lr_scaling...);
  visit("adaptive_lr_normalization", recipe.adaptive_lr_normalization...);
  visit("use_adaptive_training", recipe.use_adaptive_training...);
  visit("use_mixed_precision", recipe.use_mixed_precision...);
  visit("target_avg_bits", recipe.target_avg_bits...);
  visit("mpq_strategy", recipe.mpq_strategy...);
  visit("keep_budget", recipe.keep_budget...);
  visit("mpq_group_size", recipe.mpq_group_size...);
  visit("target_size_mb", recipe.target_size_mb...);
  visit("ablation", recipe.ablation...);
  visit("policy_semantics", recipe.policy_semantics...);
  visit("precision", recipe.precision...);
  visit("threads", recipe.threads...);
  visit("activation_dtype", recipe.activation_dtype...);
  visit("export_format", recipe.export_format...);
  visit("eval_ppl", recipe.eval_ppl...);
  visit("ppl_seqlen", recipe.ppl_seqlen...);
  visit("eval_fp", recipe.eval_fp...);
  visit("eval_shard_windows", recipe.eval_shard_windows...);
}

// Whether the recipe's method needs a model at all ("noop" does not).
bool MethodNeedsModel(std::string_view method);

// Fills every field, then validates. `model` may be null only when the method is "noop".
// INVALID_ARGUMENT with every problem on one line, each naming its field and what would be allowed; FAILED_PRECONDITION
// when the only problem is a width that export_format cannot hold (the message names the formats that can).
StatusOr<Recipe> ResolveRecipe(const PartialRecipe& partial, const LlamaConfig* model);

// The recipe with "auto" decided for a class of workers: precision bf16 where the hardware has it, else fp32;
// activations in the precision's dtype. Requires a resolved recipe; idempotent.
Recipe PinRecipe(Recipe recipe, bool hardware_bf16);

// Optimizer steps of one block trained for `epochs`: round(epochs × ceil(train_size / batch_size)), also the learning
// rate's horizon.
int64_t PlannedSteps(const Recipe& recipe, double epochs);

// For the store: an object with one member per field that has a value.
Json RecipeToJson(const PartialRecipe& recipe);
Json RecipeToJson(const Recipe& recipe);
// DATA_LOSS for an unknown field or a wrong type. A resolved recipe that was stored before a field existed gets the
// field's default.
StatusOr<PartialRecipe> PartialRecipeFromJson(const Json& json);
StatusOr<Recipe> RecipeFromJson(const Json& json);

}  // namespace lwq::coordinator
