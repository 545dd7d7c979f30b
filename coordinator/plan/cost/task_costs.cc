// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/cost/task_costs.h"

#include <algorithm>
#include <cmath>

#include "common/task/task_params.h"
#include "coordinator/plan/cost/memory.h"
#include "coordinator/plan/recipe/policies.h"
#include "coordinator/plan/recipe/scale_search.h"

namespace lwq::coordinator {
namespace {

constexpr int64_t kFp32Bytes = 4;
// Of a column of the inverse that GPTQ computes, two strips of 512 columns in float64.
constexpr int64_t kGptqStripBytes = int64_t{2} * 512 * 8;

// The shapes that costs are made of. Bytes are whole, operations are doubles.
class Shapes {
 public:
  Shapes(const LlamaConfig& model, const Recipe& recipe) : model_(model), recipe_(recipe) {}

  const LlamaConfig& model() const { return model_; }
  const Recipe& recipe() const { return recipe_; }

  int64_t BlockBytes() const { return BlockParameters(model_) * kFp32Bytes; }
  int64_t EmbeddingBytes() const { return model_.vocab_size * model_.hidden_size * kFp32Bytes; }
  // A forward pass of the calibration windows, `samples` at a time.
  int64_t Forward(int64_t samples) const { return ForwardBytes(model_, samples, recipe_.training_seqlen); }
  int64_t Chunks() const { return ChunkBytes(model_, recipe_.training_seqlen); }
  int64_t Logits(int64_t copies) const { return LogitBytes(model_, recipe_.training_seqlen, copies); }

  double ForwardWork(double samples, int64_t seqlen) const {
    const auto query = static_cast<double>(model_.num_attention_heads * model_.head_dim);
    const auto tokens = static_cast<double>(seqlen);
    return samples * tokens * (2 * BlockWork() + 2 * query * tokens);
  }
  double ForwardWork(double samples) const { return ForwardWork(samples, recipe_.training_seqlen); }
  double HeadWork(double tokens) const {
    return 2 * tokens * static_cast<double>(model_.vocab_size) * static_cast<double>(model_.hidden_size);
  }
  double BlockWork() const { return static_cast<double>(BlockParameters(model_)); }
  double Blocks() const { return static_cast<double>(model_.num_hidden_layers); }
  double Windows() const { return static_cast<double>(recipe_.train_size + recipe_.val_size); }
  // Windows of ppl_seqlen tokens, batch_size at a time, through blocks and head: the larger of a block and of the head
  // with its logits and their log-softmax.
  int64_t Evaluation() const {
    const int64_t batch = recipe_.batch_size;
    const int64_t seqlen = recipe_.ppl_seqlen;
    const int64_t head = EmbeddingBytes() + 2 * batch * seqlen * model_.vocab_size * kFp32Bytes;
    return std::max(BlockBytes() + ForwardBytes(model_, batch, seqlen), head) + ChunkBytes(model_, seqlen);
  }
  // So many tokens, in windows of ppl_seqlen, through all blocks and the head.
  double EvaluationWork(double tokens) const {
    const int64_t seqlen = recipe_.ppl_seqlen;
    return Blocks() * ForwardWork(tokens / static_cast<double>(seqlen), seqlen) + HeadWork(tokens);
  }
  double BlocksFrom(int64_t block) const { return std::max(1.0, Blocks() - static_cast<double>(block)); }

 private:
  const LlamaConfig& model_;
  const Recipe& recipe_;
};

// A task and the size of the text it is of.
struct Sized {
  const TaskDef& def;
  double text_bytes;
};

// Of every kind: int64_t Memory(shapes), and double Work(shapes, task) or, where they matter, Work(shapes, task,
// parameters).
template <TaskKind kKind>
struct CostOf;

template <>
struct CostOf<TaskKind::kTokenize> {
  static int64_t Memory(const Shapes&) { return 0; }
  static double Work(const Shapes&, const Sized& task) {
    const auto input = task.def.inputs.find("text");
    const auto* leaf = input == task.def.inputs.end() ? nullptr : std::get_if<ArtifactRef>(&input->second);
    return leaf == nullptr ? 0 : static_cast<double>(leaf->size_bytes);
  }
};

template <>
struct CostOf<TaskKind::kEmbed> {
  static int64_t Memory(const Shapes& s) { return s.EmbeddingBytes() + s.Chunks(); }
  // A copy of every hidden vector.
  static double Work(const Shapes& s, const Sized&) {
    return s.Windows() * static_cast<double>(s.recipe().training_seqlen * s.model().hidden_size);
  }
};

template <>
struct CostOf<TaskKind::kAdvance> {
  static int64_t Memory(const Shapes& s) { return s.BlockBytes() + s.Forward(s.recipe().batch_size) + s.Chunks(); }
  static double Work(const Shapes& s, const Sized&) { return s.ForwardWork(s.Windows()); }
};

template <>
struct CostOf<TaskKind::kTrainBlock> {
  static int64_t Memory(const Shapes& s) {
    const int64_t blocks = MostBlocksInUnit(s.recipe(), s.model().num_hidden_layers);
    return LeastTrainMemoryBytes(s.model(), s.recipe(), blocks);
  }
  // A step is three forwards of its samples, a validation one, for every block of the unit.
  static double Work(const Shapes& s, const Sized&, const TrainBlockParams& params) {
    const double samples = 3 * static_cast<double>(params.train_size) * params.epochs +
                           static_cast<double>(params.val_size) * (std::ceil(params.epochs) + 1);
    return static_cast<double>(1 + params.rest.size()) * s.ForwardWork(samples);
  }
};

template <>
struct CostOf<TaskKind::kRtnBlock> {
  static int64_t Memory(const Shapes& s) { return 3 * s.BlockBytes(); }
  static double Work(const Shapes& s, const Sized&) { return s.BlockWork(); }
};

template <>
struct CostOf<TaskKind::kEvaluatePpl> {
  static int64_t Memory(const Shapes& s) { return s.Evaluation(); }
  // As many tokens as the shard has bytes of the text.
  static double Work(const Shapes& s, const Sized& task, const EvaluatePplParams& params) {
    return s.EvaluationWork(task.text_bytes / static_cast<double>(params.shards));
  }
};

template <>
struct CostOf<TaskKind::kReducePpl> {
  static int64_t Memory(const Shapes&) { return 0; }  // a number for each window
  static double Work(const Shapes&, const Sized& task) { return task.text_bytes; }
};

template <>
struct CostOf<TaskKind::kEvaluateReference> {
  static int64_t Memory(const Shapes& s) { return s.Evaluation() + ChunkBytes(s.model(), s.recipe().ppl_seqlen); }
  static double Work(const Shapes& s, const Sized& task, const EvaluateReferenceParams& params) {
    return s.EvaluationWork(task.text_bytes / static_cast<double>(params.shards));
  }
};

template <>
struct CostOf<TaskKind::kEvaluateKl> {
  // Beside what evaluate_ppl needs the reference's chunks, and of a slice of tokens the logits of both models, float32,
  // with four float64 tensors of their size.
  static int64_t Memory(const Shapes& s) {
    const int64_t seqlen = s.recipe().ppl_seqlen;
    return s.Evaluation() + ChunkBytes(s.model(), seqlen) + LogitBytes(s.model(), seqlen, 2 + 4 * 2);
  }
  // The head three times: for the losses, and for both models' distributions.
  static double Work(const Shapes& s, const Sized& task, const EvaluateKlParams& params) {
    const double tokens = task.text_bytes / static_cast<double>(params.shards);
    return s.EvaluationWork(tokens) + 2 * s.HeadWork(tokens);
  }
};

template <>
struct CostOf<TaskKind::kReduceKl> {
  static int64_t Memory(const Shapes&) { return 0; }  // three numbers for each window
  static double Work(const Shapes&, const Sized& task) { return task.text_bytes; }
};

template <>
struct CostOf<TaskKind::kPrepareRequests> {
  static int64_t Memory(const Shapes&) { return 0; }
  static double Work(const Shapes&, const Sized& task) { return task.text_bytes; }
};

template <>
struct CostOf<TaskKind::kScoreRequests> {
  // Batches of batch_size × ppl_seqlen tokens, with tables of who sees whom of their own.
  static int64_t Memory(const Shapes& s) {
    const int64_t seqlen = s.recipe().ppl_seqlen;
    return s.Evaluation() + 2 * s.recipe().batch_size * seqlen * seqlen * kFp32Bytes;
  }
  static double Work(const Shapes& s, const Sized& task, const ScoreRequestsParams& params) {
    return s.EvaluationWork(task.text_bytes / static_cast<double>(params.shards));
  }
};

template <>
struct CostOf<TaskKind::kReduceAccuracy> {
  static int64_t Memory(const Shapes&) { return 0; }
  static double Work(const Shapes&, const Sized& task) { return task.text_bytes; }
};

template <>
struct CostOf<TaskKind::kExport> {
  static int64_t Memory(const Shapes& s) { return 2 * s.BlockBytes() + s.EmbeddingBytes(); }
  static double Work(const Shapes& s, const Sized&) { return s.Blocks() * s.BlockWork(); }
};

// Sensitivity takes one sample at a time; samples are read from two sets and written to one.
template <>
struct CostOf<TaskKind::kLossGradient> {
  static int64_t Memory(const Shapes& s) { return s.EmbeddingBytes() + s.Logits(4) + 2 * s.Chunks(); }
  static double Work(const Shapes& s, const Sized&, const LossGradientParams& params) {
    return 3 * s.HeadWork(static_cast<double>(params.samples * s.recipe().training_seqlen));
  }
};

template <>
struct CostOf<TaskKind::kBackwardBlock> {
  // The block, its gradients, and their sum.
  static int64_t Memory(const Shapes& s) {
    return 3 * s.BlockBytes() + ActivationBytes(s.model(), 1, s.recipe().training_seqlen) + 2 * s.Chunks();
  }
  static double Work(const Shapes& s, const Sized&, const BackwardBlockParams& params) {
    return 3 * s.ForwardWork(static_cast<double>(params.samples));
  }
};

template <>
struct CostOf<TaskKind::kGradientNorm> {
  // One linear in float64 and in float32.
  static int64_t Memory(const Shapes& s) {
    const LlamaConfig& model = s.model();
    return 3 * model.hidden_size * std::max(model.intermediate_size, model.num_attention_heads * model.head_dim) *
           kFp32Bytes;
  }
  static double Work(const Shapes& s, const Sized&) { return s.BlockWork(); }
};

template <>
struct CostOf<TaskKind::kOutputFisher> {
  // A candidate is decoded from its integers.
  static int64_t Memory(const Shapes& s) { return 2 * s.BlockBytes() + s.Forward(1) + 2 * s.Chunks(); }
  static double Work(const Shapes& s, const Sized&, const OutputFisherParams& params) {
    return static_cast<double>(1 + params.choices.size()) * s.ForwardWork(static_cast<double>(params.samples));
  }
};

template <>
struct CostOf<TaskKind::kLossDelta> {
  // As output_fisher; the head takes the place of the last block.
  static int64_t Memory(const Shapes& s) {
    return std::max(2 * s.BlockBytes() + s.Forward(1), s.EmbeddingBytes() + s.Logits(3)) + 2 * s.Chunks();
  }
  // Every model goes through all later blocks.
  static double Work(const Shapes& s, const Sized&, const LossDeltaParams& params) {
    const auto models = static_cast<double>(1 + params.choices.size()) + static_cast<double>(params.candidates);
    return models * s.BlocksFrom(params.block) * s.ForwardWork(static_cast<double>(params.samples));
  }
};

template <>
struct CostOf<TaskKind::kHessian> {
  // Gradients of gradients: the graph is kept twice, beside the weights the probe, the gradients and their products.
  static int64_t Memory(const Shapes& s) {
    return std::max(5 * s.BlockBytes() + 3 * ActivationBytes(s.model(), 1, s.recipe().training_seqlen),
                    s.EmbeddingBytes() + s.Logits(8)) +
           2 * s.Chunks();
  }
  // Through all blocks from the first probed one on.
  static double Work(const Shapes& s, const Sized&, const HessianParams& params) {
    return 6 * s.BlocksFrom(params.first_block) * s.ForwardWork(static_cast<double>(params.samples));
  }
};

template <>
struct CostOf<TaskKind::kWeightError> {
  // The integers of a whole block, and one linear with its rounded self.
  static int64_t Memory(const Shapes& s) { return 2 * s.BlockBytes(); }
  static double Work(const Shapes& s, const Sized&, const WeightErrorParams& params) {
    return static_cast<double>(params.choices.size()) * s.BlockWork();
  }
};

template <>
struct CostOf<TaskKind::kSearchScales> {
  // The block and what its linears read of the error's tokens; beside them a sample's pass, or a linear twice scaled
  // and rounded with its outputs for those tokens.
  static int64_t Memory(const Shapes& s) {
    const LlamaConfig& model = s.model();
    int64_t columns = 0, largest_linear = 0, most_outputs = 0;
    for (const LinearKind kind : {LinearKind::kQ, LinearKind::kO, LinearKind::kGate, LinearKind::kDown}) {
      const LinearShape shape = ShapeOf(model, kind);
      columns += shape.in_features;
      largest_linear = std::max(largest_linear, shape.in_features * shape.out_features);
      most_outputs = std::max(most_outputs, shape.out_features);
    }
    const int64_t seqlen = s.recipe().training_seqlen;
    const int64_t error_tokens = ScaleErrorSamples(s.recipe()) * seqlen;
    const int64_t pass = s.Forward(1) + columns * seqlen * kFp32Bytes;
    const int64_t rounding = (3 * largest_linear + most_outputs * error_tokens) * kFp32Bytes;
    return s.BlockBytes() + columns * error_tokens * kFp32Bytes + std::max(pass, rounding) + s.Chunks();
  }
  // A forward pass of all samples, and every exponent's of those of the error through the linears alone.
  static double Work(const Shapes& s, const Sized&, const SearchScalesParams& params) {
    const double error_tokens = static_cast<double>(params.error_samples * s.recipe().training_seqlen);
    return s.ForwardWork(static_cast<double>(params.samples)) +
           static_cast<double>(params.steps + 1) * 2 * error_tokens * s.BlockWork();
  }
};

template <>
struct CostOf<TaskKind::kGptqBlock> {
  // The block, its rounded self and the latent weights; beside them the Hessian of one input with a sample's pass, with
  // its factor and inverse, or a linear several times.
  static int64_t Memory(const Shapes& s) {
    int64_t widest = 0, largest_linear = 0;
    for (const LinearKind kind : kAllLinears) {
      const LinearShape shape = ShapeOf(s.model(), kind);
      widest = std::max(widest, shape.in_features);
      largest_linear = std::max(largest_linear, shape.in_features * shape.out_features);
    }
    const int64_t square = widest * widest;
    const int64_t pass = 12 * square + s.Forward(1) + widest * s.recipe().training_seqlen * kFp32Bytes;
    const int64_t factor = 28 * square + kGptqStripBytes * widest;
    const int64_t rounding = 4 * square + 14 * largest_linear;
    const int64_t latent = TraitsOf(s.recipe().method).trains ? s.BlockBytes() : 0;
    return s.BlockBytes() + s.BlockBytes() / 3 + latent + std::max({pass, factor, rounding}) + s.Chunks();
  }
  // The block up to o, up to gate and up, and up to down; the Hessians of all inputs, and the inverse and what is
  // passed on of each, in operations of a product.
  static double Work(const Shapes& s, const Sized&, const GptqBlockParams& params) {
    const double tokens = static_cast<double>(params.samples * s.recipe().training_seqlen);
    double hessians = 0, rounding = 0;
    for (const LinearKind kind : kAllLinears) {
      const LinearShape shape = ShapeOf(s.model(), kind);
      const auto in = static_cast<double>(shape.in_features);
      rounding += in * in * static_cast<double>(shape.out_features);
      const bool is_first =
          kind != LinearKind::kK && kind != LinearKind::kV && kind != LinearKind::kUp;  // of those that read the same
      if (!is_first) continue;
      hessians += 2 * tokens * in * in;
      rounding += 2 * in * in * in;
    }
    return 2.2 * s.ForwardWork(static_cast<double>(params.samples)) + hessians + rounding;
  }
};

template <>
struct CostOf<TaskKind::kFitRounding> {
  // As a training of the block with one window at a time: SignRound has offsets where that has weights, the frozen
  // weights where it has the first moments, and the latent ones where it has the second. Where a training starts from
  // it, the latent weights of the best state, too.
  static int64_t Memory(const Shapes& s) {
    Recipe by_window = s.recipe();
    by_window.batch_size = by_window.gradient_accumulation_steps = 1;
    const int64_t latent = TraitsOf(s.recipe().method).trains ? s.BlockBytes() : 0;
    return TrainMemoryBytes(s.model(), by_window, 1) + latent;
  }
  // A step is three forwards of its windows, and after each pass over them the validation windows go forward, as they
  // do before the first.
  static double Work(const Shapes& s, const Sized&, const FitRoundingParams& params) {
    const auto train = static_cast<double>(params.train_size);
    const double windows = static_cast<double>(params.steps) * std::min(train, static_cast<double>(params.batch_size));
    const double validations = 1 + std::ceil(windows / std::max(1.0, train));
    return s.ForwardWork(3 * windows + validations * static_cast<double>(params.val_size));
  }
};

template <>
struct CostOf<TaskKind::kTrainScales> {
  // One block decoded, its gradients and a window's activations, or the logits; beside them embedding and head, the
  // integers of all blocks, a byte each, and of every scale its value, moments and gradient, old and new. What blocks
  // read is spilled.
  static int64_t Memory(const Shapes& s) {
    const int64_t seqlen = s.recipe().e2e_seqlen;
    const int64_t codes = s.model().num_hidden_layers * s.BlockBytes() / kFp32Bytes;
    const int64_t group = s.recipe().group_size > 0 ? s.recipe().group_size : 128;
    const int64_t scales = codes / group * 6 * kFp32Bytes;
    const int64_t block = 3 * s.BlockBytes() + ActivationBytes(s.model(), 1, seqlen);
    return std::max(block, LogitBytes(s.model(), seqlen, 4)) + 2 * s.EmbeddingBytes() + codes + scales;
  }
  // A window goes forward, forward again and backward through every block; validation windows forward, before the first
  // segment and after each.
  static double Work(const Shapes& s, const Sized&, const TrainScalesParams& params) {
    const int64_t seqlen = s.recipe().e2e_seqlen;
    const double windows = static_cast<double>(params.steps * params.batch_size);
    const double validated = static_cast<double>(params.val_size * (params.first_step == 0 ? 2 : 1));
    return s.Blocks() * s.ForwardWork(4 * windows + validated, seqlen) +
           s.HeadWork((3 * windows + validated) * static_cast<double>(seqlen));
  }
};

template <>
struct CostOf<TaskKind::kNoop> {
  static int64_t Memory(const Shapes&) { return 0; }
  static double Work(const Shapes&, const Sized&) { return 1; }
};

}  // namespace

int64_t TaskMemoryBytes(TaskKind kind, const LlamaConfig& config, const Recipe& recipe) {
  const Shapes shapes(config, recipe);
  return VisitTaskKind(kind, [&](auto of_kind) { return CostOf<of_kind()>::Memory(shapes); });
}

double TaskWork(const TaskDef& def, const LlamaConfig* model, const Recipe& recipe, int64_t text_bytes) {
  if (def.kind == TaskKind::kNoop) return 1;
  if (model == nullptr) return 0;
  const Shapes shapes(*model, recipe);
  const Sized task{def, static_cast<double>(text_bytes)};
  return VisitTaskKind(def.kind, [&](auto of_kind) -> double {
    using Cost = CostOf<of_kind()>;
    using Params = ParamsOf<of_kind()>;
    if constexpr (requires { Cost::Work(shapes, task); }) {
      return Cost::Work(shapes, task);
    } else {
      const StatusOr<Params> params = Params::FromJson(def.params);
      return params.ok() ? Cost::Work(shapes, task, *params) : 0;
    }
  });
}

}  // namespace lwq::coordinator
