#include "coordinator/plan/work.h"

#include <algorithm>
#include <cmath>

#include "common/task/task_params.h"

namespace lwq::coordinator {
namespace {

class WorkModel {
 public:
  WorkModel(const LlamaConfig& model, const Recipe& recipe) : model_(model), recipe_(recipe) {}

  double Forward(double samples, int64_t seqlen) const {
    const auto query = static_cast<double>(model_.num_attention_heads * model_.head_dim);
    const auto tokens = static_cast<double>(seqlen);
    return samples * tokens * (2 * Block() + 2 * query * tokens);
  }
  double Head(double tokens) const {
    return 2 * tokens * static_cast<double>(model_.vocab_size) * static_cast<double>(model_.hidden_size);
  }
  double Block() const { return static_cast<double>(BlockParameters(model_)); }
  double Blocks() const { return static_cast<double>(model_.num_hidden_layers); }
  double Windows() const { return static_cast<double>(recipe_.train_size + recipe_.val_size); }
  double Later(int64_t block) const { return std::max(1.0, Blocks() - static_cast<double>(block)); }

  double Of(const TrainBlockParams& params) const {
    const double samples = 3 * static_cast<double>(params.train_size) * params.epochs +
                           static_cast<double>(params.val_size) * (std::ceil(params.epochs) + 1);
    return static_cast<double>(1 + params.rest.size()) * Forward(samples, recipe_.training_seqlen);
  }
  double Of(const LossGradientParams& params) const {
    return 3 * Head(static_cast<double>(params.samples * recipe_.training_seqlen));
  }
  double Of(const BackwardBlockParams& params) const {
    return 3 * Forward(static_cast<double>(params.samples), recipe_.training_seqlen);
  }
  double Of(const OutputFisherParams& params) const {
    return static_cast<double>(1 + params.choices.size()) *
           Forward(static_cast<double>(params.samples), recipe_.training_seqlen);
  }
  double Of(const LossDeltaParams& params) const {
    const auto models = static_cast<double>(1 + params.choices.size()) + static_cast<double>(params.candidates);
    return models * Later(params.block) * Forward(static_cast<double>(params.samples), recipe_.training_seqlen);
  }
  double Of(const HessianParams& params) const {
    return 6 * Later(params.first_block) * Forward(static_cast<double>(params.samples), recipe_.training_seqlen);
  }
  double Of(const WeightErrorParams& params) const { return static_cast<double>(params.choices.size()) * Block(); }

  template <typename Params>
  double Parsed(const TaskDef& def) const {
    const StatusOr<Params> params = Params::FromJson(def.params);
    return params.ok() ? Of(*params) : 0;
  }

 private:
  const LlamaConfig& model_;
  const Recipe& recipe_;
};

}  // namespace

double TaskWork(const TaskDef& def, const LlamaConfig* model, const Recipe& recipe, int64_t text_bytes) {
  if (def.kind == TaskKind::kNoop) return 1;
  if (model == nullptr) return 0;
  const WorkModel work(*model, recipe);
  const double text = static_cast<double>(text_bytes);
  switch (def.kind) {
    case TaskKind::kTokenize: {
      const auto input = def.inputs.find("text");
      const auto* leaf = input == def.inputs.end() ? nullptr : std::get_if<ArtifactRef>(&input->second);
      return leaf == nullptr ? 0 : static_cast<double>(leaf->size_bytes);
    }
    case TaskKind::kEmbed:
      return work.Windows() * static_cast<double>(recipe.training_seqlen * model->hidden_size);
    case TaskKind::kAdvance:
      return work.Forward(work.Windows(), recipe.training_seqlen);
    case TaskKind::kTrainBlock:
      return work.Parsed<TrainBlockParams>(def);
    case TaskKind::kEvaluatePpl: {
      const StatusOr<EvaluatePplParams> params = EvaluatePplParams::FromJson(def.params);
      if (!params.ok()) return 0;
      const double tokens = text / static_cast<double>(params->shards);
      return work.Blocks() * work.Forward(tokens / static_cast<double>(recipe.ppl_seqlen), recipe.ppl_seqlen) +
             work.Head(tokens);
    }
    case TaskKind::kReducePpl:
      return text;
    case TaskKind::kRtnBlock:
    case TaskKind::kGradientNorm:
      return work.Block();
    case TaskKind::kExport:
      return work.Blocks() * work.Block();
    case TaskKind::kLossGradient:
      return work.Parsed<LossGradientParams>(def);
    case TaskKind::kBackwardBlock:
      return work.Parsed<BackwardBlockParams>(def);
    case TaskKind::kOutputFisher:
      return work.Parsed<OutputFisherParams>(def);
    case TaskKind::kLossDelta:
      return work.Parsed<LossDeltaParams>(def);
    case TaskKind::kHessian:
      return work.Parsed<HessianParams>(def);
    case TaskKind::kWeightError:
      return work.Parsed<WeightErrorParams>(def);
    case TaskKind::kNoop:
      return 1;
  }
  return 0;
}

}  // namespace lwq::coordinator
