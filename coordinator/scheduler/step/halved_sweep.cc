// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/step/halved_sweep.h"

#include "common/recipe/method.h"

namespace lwq::coordinator {
namespace {

Status Unfit(std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("halving: ", what));
}

StatusOr<int64_t> BlocksOfModel(const RunSpec& spec) {
  if (!TraitsOf(MethodOf(spec.recipe)).needs_model) {
    return Unfit(absl::StrCat("method ", WordOf(MethodOf(spec.recipe)),
                              " quantizes no model, so there is nothing to compare; leave the run out"));
  }
  if (!spec.model.has_value()) return absl::InvalidArgumentError("model is missing");
  LWQ_ASSIGN_OR_RETURN(const LlamaConfig config, LlamaConfig::Parse(spec.model->config_json));
  return config.num_hidden_layers;
}

Status CheckBlockLoss(const Recipe& recipe) {
  if (!TraitsOf(recipe.method).trains) {
    return Unfit(
        absl::StrCat("method ", WordOf(recipe.method),
                     " trains no block, so it has no block_loss; leave the run out, or take metric perplexity"));
  }
  if (recipe.val_size == 0) {
    return Unfit("block_loss is measured on validation windows; set val_size above 0, or take metric perplexity");
  }
  if (recipe.layer_ordering != LayerOrdering::kOriginal) {
    return Unfit(absl::StrCat("block_loss compares the same block of every run, and layer_ordering ",
                              WordOf(recipe.layer_ordering),
                              " trains others first; take layer_ordering original, or metric perplexity"));
  }
  return absl::OkStatus();
}

Status CheckPerplexity(const ResolvedSpec& run, const ResolvedSpec& first) {
  if (!TraitsOf(run.recipe.method).quantizes) {
    return Unfit(absl::StrCat("method ", WordOf(run.recipe.method), " quantizes no block; leave the run out"));
  }
  if (!run.recipe.eval_ppl || run.spec.eval_texts.empty()) {
    return Unfit(
        "perplexity is measured on the first of eval_texts; give one and leave eval_ppl on, or take metric "
        "block_loss");
  }
  const TextSource& text = run.spec.eval_texts.front();
  if (text.files.digest != first.spec.eval_texts.front().files.digest ||
      run.recipe.ppl_seqlen != first.recipe.ppl_seqlen) {
    return Unfit(absl::StrCat("its first text, '", text.name, "' in windows of ", run.recipe.ppl_seqlen,
                              " tokens, is not that of run 1, '", first.spec.eval_texts.front().name,
                              "' in windows of ", first.recipe.ppl_seqlen,
                              "; perplexities of different texts cannot be compared"));
  }
  return absl::OkStatus();
}

}  // namespace

Status ResolveHalving(std::span<SubmitRun> runs, SweepHalving& halving) {
  const RunSpec* first = nullptr;
  for (size_t i = 0; i < runs.size(); ++i) {
    const RunSpec& spec = runs[i].spec;
    const StatusOr<int64_t> blocks = BlocksOfModel(spec);
    if (!blocks.ok()) return OfRun(blocks.status(), i, runs.size(), spec.name);
    if (first == nullptr) first = &spec;
    if (spec.model->files.digest != first->model->files.digest) {
      return OfRun(Unfit(absl::StrCat("its model, '", spec.model->name, "', is not that of run 1, '",
                                      first->model->name, "'; give each model a sweep of its own")),
                   i, runs.size(), spec.name);
    }
    halving.rule.blocks = *blocks;
  }
  halving.rule.runs = std::ssize(runs);
  LWQ_RETURN_IF_ERROR(Annotate(CheckHalving(halving.rule), "halving"));
  if (halving.metric != HalvingMetric::kPerplexity) return absl::OkStatus();
  std::vector<int64_t> rungs = RungBlocks(halving.rule);
  rungs.pop_back();  // the last is the whole model, which is evaluated anyway
  for (SubmitRun& run : runs) {
    run.spec.rung_evaluations = rungs;
    run.prepared = nullptr;
  }
  return absl::OkStatus();
}

Status CheckHalved(const SweepHalving& halving, const std::vector<const ResolvedSpec*>& runs) {
  for (size_t i = 0; i < runs.size(); ++i) {
    const ResolvedSpec& run = *runs[i];
    const Status fits =
        halving.metric == HalvingMetric::kBlockLoss ? CheckBlockLoss(run.recipe) : CheckPerplexity(run, *runs.front());
    if (!fits.ok()) return OfRun(fits, i, runs.size(), run.spec.name);
  }
  return absl::OkStatus();
}

}  // namespace lwq::coordinator
