// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/model/fused_block.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <array>
#include <vector>

#include "absl/functional/function_ref.h"
#include "worker/qat/device/threads.h"
#include "worker/qat/fused/fused_attention.h"
#include "worker/qat/fused/row_kernels.h"
#include "worker/qat/gemm/gemm.h"
#include "worker/qat/model/block_forward.h"

namespace lwq::qat {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kRowGrain = 16;
// Rows whose gradients of a norm's weights are summed one after another; the sums of chunks are added in their order.
constexpr int64_t kNormChunk = 64;
constexpr size_t kLinears = std::size(kAllLinears);

at::Tensor EmptyF32(at::IntArrayRef sizes) {
  return at::empty(sizes, at::kFloat);
}

void ForEachRow(int64_t rows, absl::FunctionRef<void(int64_t row)> body) {
  ParallelFor(rows, kRowGrain, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row) body(row);
  });
}

std::byte* RowOf(const at::Tensor& rows, int64_t row) {
  return static_cast<std::byte*>(rows.data_ptr()) + row * rows.size(-1) * static_cast<int64_t>(rows.element_size());
}
float* FloatsOf(const at::Tensor& rows, int64_t row) {
  return rows.data_ptr<float>() + row * rows.size(-1);
}

// What does not depend on values.
struct Geometry {
  AttentionShape attention;
  int64_t hidden, intermediate;
  float eps;
  at::Tensor cos, sin;

  Geometry(const LlamaConfig& config, const SequenceTables& tables, const at::Tensor& x)
      : attention{x.size(0),
                  x.size(1),
                  config.num_attention_heads,
                  config.num_key_value_heads,
                  config.head_dim,
                  std::min(x.size(1), config.sliding_window.value_or(x.size(1)))},
        hidden(x.size(2)),
        intermediate(config.intermediate_size),
        eps(static_cast<float>(config.rms_norm_eps)),
        cos(tables.cos.contiguous()),
        sin(tables.sin.contiguous()) {}

  int64_t rows() const { return attention.batch * attention.tokens; }
  int64_t queries() const { return attention.heads * attention.head_dim; }
  int64_t keys() const { return attention.kv_heads * attention.head_dim; }
};

// Everything backward needs beside the weights.
struct Kept {
  at::Tensor inverse1, x, q, k, v, log_sums, o, attended, inverse2, y, gate, up;

  std::array<at::Tensor*, 12> all() {
    return {&inverse1, &x, &q, &k, &v, &log_sums, &o, &attended, &inverse2, &y, &gate, &up};
  }
};

class Pass {
 public:
  Pass(const Geometry& geometry, at::ScalarType type)
      : g_(geometry), type_(type), kernels_(ActiveRowKernels(type == at::kBFloat16)) {}

  at::Tensor Forward(const at::Tensor& hidden, const BlockTensors& block, Kept& kept) const {
    const at::Tensor stream = hidden.view({g_.rows(), g_.hidden});
    Normalize(stream, block.input_norm, kept.x, kept.inverse1);
    Attend(block, kept);
    AddAttention(stream, block, kept);
    if (!keeps_) kept.q = kept.k = kept.v = kept.o = kept.x = at::Tensor();
    Normalize(kept.attended, block.post_attention_norm, kept.y, kept.inverse2);
    const at::Tensor h = GatedUp(block, kept);
    const at::Tensor out = keeps_ ? EmptyF32({g_.rows(), g_.hidden}) : kept.attended;
    LinearInto(h, block[LinearKind::kDown], out, kept.attended);
    return out.view(hidden.sizes());
  }

  // What the linear reads, and nothing behind it.
  at::Tensor InputOf(const at::Tensor& hidden, const BlockTensors& block, LinearInput which) const {
    const at::Tensor stream = hidden.view({g_.rows(), g_.hidden});
    Kept kept;
    Normalize(stream, block.input_norm, kept.x, kept.inverse1);
    if (which == LinearInput::kQkv) return kept.x;
    Attend(block, kept);
    if (which == LinearInput::kO) return kept.o;
    AddAttention(stream, block, kept);
    Normalize(kept.attended, block.post_attention_norm, kept.y, kept.inverse2);
    return which == LinearInput::kGateUp ? kept.y : GatedUp(block, kept);
  }

  void SetKeeps(bool keeps) { keeps_ = keeps; }

  // Gradients of hidden, the linears in their order, and the two norms; `wanted` in the same order.
  variable_list Backward(const at::Tensor& hidden, const BlockTensors& block, const Kept& kept,
                         const at::Tensor& upstream, const std::vector<bool>& wanted) const {
    variable_list gradients(3 + kLinears);
    const auto weight_gradient = [&](LinearKind kind, const at::Tensor& dy, const PackedColumns& x) {
      const auto index = 1 + static_cast<size_t>(kind);
      if (!wanted[index]) return;
      gradients[index] = at::empty_like(block[kind]);
      LinearWeightGradientInto(dy, x, gradients[index]);
    };
    const at::Tensor d_out = upstream.contiguous().view({g_.rows(), g_.hidden});
    at::Tensor d_attended = FeedForwardBackward(block, kept, d_out, weight_gradient, wanted, gradients);
    AttentionBackward(hidden, block, kept, d_attended, weight_gradient, wanted, gradients);
    return gradients;
  }

 private:
  using WeightGradient = absl::FunctionRef<void(LinearKind, const at::Tensor&, const PackedColumns&)>;

  // From x to o.
  void Attend(const BlockTensors& block, Kept& kept) const {
    kept.q = EmptyOutput(block[LinearKind::kQ]);
    kept.k = EmptyOutput(block[LinearKind::kK]);
    kept.v = EmptyOutput(block[LinearKind::kV]);
    LinearsInto(kept.x,
                {{block[LinearKind::kQ], kept.q}, {block[LinearKind::kK], kept.k}, {block[LinearKind::kV], kept.v}});
    Rotate(kept.q, g_.attention.heads, 1);
    Rotate(kept.k, g_.attention.kv_heads, 1);
    kept.o = at::empty_like(kept.q);
    kept.log_sums = EmptyF32({g_.attention.batch, g_.attention.heads, g_.attention.tokens});
    FusedAttention(g_.attention, kept.q, kept.k, kept.v, kept.o, kept.log_sums);
  }

  // From o to the residual stream in the middle of the block.
  void AddAttention(const at::Tensor& stream, const BlockTensors& block, Kept& kept) const {
    kept.attended = EmptyF32({g_.rows(), g_.hidden});
    LinearInto(kept.o, block[LinearKind::kO], kept.attended, stream);
  }

  // From y to what down reads.
  at::Tensor GatedUp(const BlockTensors& block, Kept& kept) const {
    kept.gate = EmptyOutput(block[LinearKind::kGate]);
    kept.up = EmptyOutput(block[LinearKind::kUp]);
    LinearsInto(kept.y, {{block[LinearKind::kGate], kept.gate}, {block[LinearKind::kUp], kept.up}});
    if (!keeps_) kept.y = at::Tensor();
    // Without backward the product takes the gate's place.
    const at::Tensor h = keeps_ ? at::empty_like(kept.gate) : kept.gate;
    ForEachRow(g_.rows(), [&](int64_t row) {
      kernels_.swiglu(RowOf(kept.gate, row), RowOf(kept.up, row), g_.intermediate, RowOf(h, row));
    });
    return h;
  }

  at::Tensor EmptyOutput(const at::Tensor& weight) const { return at::empty({g_.rows(), weight.size(0)}, type_); }

  at::Tensor InputGradient(const at::Tensor& dy, const at::Tensor& weight, at::ScalarType type) const {
    const at::Tensor dx = at::empty({dy.size(0), weight.size(1)}, type);
    LinearInputGradientInto(dy, weight, dx);
    return dx;
  }

  at::Tensor Narrowed(const at::Tensor& rows) const {
    if (type_ == at::kFloat) return rows;
    const at::Tensor narrow = at::empty(rows.sizes(), type_);
    ForEachRow(rows.size(0),
               [&](int64_t row) { kernels_.narrow(FloatsOf(rows, row), rows.size(1), 1.0f, RowOf(narrow, row)); });
    return narrow;
  }

  void Normalize(const at::Tensor& stream, const at::Tensor& weight, at::Tensor& out, at::Tensor& inverse) const {
    out = at::empty({g_.rows(), g_.hidden}, type_);
    inverse = EmptyF32({g_.rows()});
    const auto* w = weight.data_ptr<float>();
    auto* inverses = inverse.data_ptr<float>();
    ForEachRow(g_.rows(), [&](int64_t row) {
      kernels_.rms_norm(FloatsOf(stream, row), w, g_.hidden, g_.eps, RowOf(out, row), inverses + row);
    });
  }

  // Returns addend + the gradient of the norm's input (undefined unless `input_wanted`); fills `weight_gradient` if
  // wanted.
  at::Tensor NormBackward(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& weight,
                          const at::Tensor& inverse, const at::Tensor& addend, bool input_wanted, bool weight_wanted,
                          at::Tensor& weight_gradient) const {
    const int64_t chunks = (g_.rows() + kNormChunk - 1) / kNormChunk;
    const at::Tensor dx = input_wanted ? EmptyF32({g_.rows(), g_.hidden}) : at::Tensor();
    const at::Tensor sums = weight_wanted ? at::zeros({chunks, g_.hidden}, at::kFloat) : at::Tensor();
    const auto* w = weight.data_ptr<float>();
    const auto* inverses = inverse.data_ptr<float>();
    ParallelFor(chunks, 1, [&](int64_t first, int64_t last) {
      for (int64_t chunk = first; chunk < last; ++chunk) {
        float* sum = weight_wanted ? FloatsOf(sums, chunk) : nullptr;
        for (int64_t row = chunk * kNormChunk; row < std::min(g_.rows(), (chunk + 1) * kNormChunk); ++row) {
          kernels_.rms_norm_backward(FloatsOf(dy, row), FloatsOf(x, row), w, g_.hidden, inverses[row],
                                     FloatsOf(addend, row), input_wanted ? FloatsOf(dx, row) : nullptr, sum);
        }
      }
    });
    if (weight_wanted) weight_gradient = sums.sum(0);
    return dx;
  }

  void Rotate(const at::Tensor& x, int64_t heads, float sign) const {
    const int64_t half = g_.attention.head_dim / 2, head_bytes = g_.attention.head_dim * x.element_size();
    ForEachRow(g_.rows(), [&](int64_t row) {
      const int64_t position = row % g_.attention.tokens;
      for (int64_t head = 0; head < heads; ++head) {
        kernels_.rotate(RowOf(x, row) + head * head_bytes, 2 * half, g_.cos.data_ptr<float>() + position * half,
                        g_.sin.data_ptr<float>() + position * half, sign);
      }
    });
  }

  at::Tensor FeedForwardBackward(const BlockTensors& block, const Kept& kept, const at::Tensor& d_out,
                                 WeightGradient weight_gradient, const std::vector<bool>& wanted,
                                 variable_list& gradients) const {
    const at::Tensor narrow = Narrowed(d_out);
    // dh becomes the gate's gradient in place.
    const at::Tensor d_gate = InputGradient(narrow, block[LinearKind::kDown], type_);
    const at::Tensor d_up = at::empty_like(d_gate);
    {
      const at::Tensor h = at::empty_like(d_gate);
      ForEachRow(g_.rows(), [&](int64_t row) {
        kernels_.swiglu_backward(RowOf(d_gate, row), RowOf(kept.gate, row), RowOf(kept.up, row), g_.intermediate,
                                 RowOf(h, row), RowOf(d_gate, row), RowOf(d_up, row));
      });
      weight_gradient(LinearKind::kDown, narrow, PackForWeightGradients(h));
    }
    {
      const PackedColumns y = PackForWeightGradients(kept.y);
      weight_gradient(LinearKind::kGate, d_gate, y);
      weight_gradient(LinearKind::kUp, d_up, y);
    }
    const at::Tensor dy = InputGradient(d_gate, block[LinearKind::kGate], at::kFloat);
    LinearInputGradientInto(d_up, block[LinearKind::kUp], dy, dy);
    return NormBackward(dy, kept.attended, block.post_attention_norm, kept.inverse2, d_out, true, wanted[2 + kLinears],
                        gradients[2 + kLinears]);
  }

  void AttentionBackward(const at::Tensor& hidden, const BlockTensors& block, const Kept& kept,
                         const at::Tensor& d_attended, WeightGradient weight_gradient, const std::vector<bool>& wanted,
                         variable_list& gradients) const {
    at::Tensor d_o;
    {
      const at::Tensor narrow = Narrowed(d_attended);
      weight_gradient(LinearKind::kO, narrow, PackForWeightGradients(kept.o));
      d_o = InputGradient(narrow, block[LinearKind::kO], type_);
    }
    const at::Tensor dq = at::empty_like(kept.q), dk = at::empty_like(kept.k), dv = at::empty_like(kept.v);
    FusedAttentionBackward(g_.attention, kept.q, kept.k, kept.v, kept.o, kept.log_sums, d_o, dq, dk, dv);
    d_o.reset();
    Rotate(dq, g_.attention.heads, -1);
    Rotate(dk, g_.attention.kv_heads, -1);
    {
      const PackedColumns x = PackForWeightGradients(kept.x);
      weight_gradient(LinearKind::kQ, dq, x);
      weight_gradient(LinearKind::kK, dk, x);
      weight_gradient(LinearKind::kV, dv, x);
    }
    if (!wanted[0] && !wanted[1 + kLinears]) return;
    const at::Tensor dx = InputGradient(dq, block[LinearKind::kQ], at::kFloat);
    LinearInputGradientInto(dk, block[LinearKind::kK], dx, dx);
    LinearInputGradientInto(dv, block[LinearKind::kV], dx, dx);
    gradients[0] = NormBackward(dx, hidden.view({g_.rows(), g_.hidden}), block.input_norm, kept.inverse1, d_attended,
                                wanted[0], wanted[1 + kLinears], gradients[1 + kLinears]);
    if (gradients[0].defined()) gradients[0] = gradients[0].view(hidden.sizes());
  }

  const Geometry& g_;
  at::ScalarType type_;
  const RowKernels& kernels_;
  bool keeps_ = true;
};

// Inputs in the order of gradients: hidden, the linears, the norms.
variable_list InputsOf(const at::Tensor& hidden, const BlockTensors& block) {
  variable_list inputs = {hidden};
  inputs.insert(inputs.end(), block.linears.begin(), block.linears.end());
  inputs.push_back(block.input_norm);
  inputs.push_back(block.post_attention_norm);
  return inputs;
}
BlockTensors BlockOf(const variable_list& inputs) {
  BlockTensors block;
  std::copy_n(inputs.begin() + 1, kLinears, block.linears.begin());
  block.input_norm = inputs[1 + kLinears];
  block.post_attention_norm = inputs[2 + kLinears];
  return block;
}

// The same gradients through the composed block, which autograd can differentiate again.
variable_list DifferentiableGradients(const LlamaConfig& config, const SequenceTables& tables,
                                      const variable_list& inputs, const at::Tensor& upstream) {
  const at::Tensor out = ComposedBlockForward(config, BlockOf(inputs), tables, inputs[0]);
  variable_list wanted;
  for (const at::Tensor& input : inputs) {
    if (input.requires_grad()) wanted.push_back(input);
  }
  const variable_list found =
      torch::autograd::grad({out}, wanted, {upstream}, /*retain_graph=*/true, /*create_graph=*/true);
  variable_list gradients;
  size_t next = 0;
  for (const at::Tensor& input : inputs) gradients.push_back(input.requires_grad() ? found[next++] : at::Tensor());
  return gradients;
}

// What a recorded block carries from forward to backward beside tensors.
struct Recorded : torch::CustomClassHolder {
  Recorded(const LlamaConfig& config_in, const SequenceTables& tables_in) : config(config_in), tables(tables_in) {}
  LlamaConfig config;
  SequenceTables tables;
};

class FusedBlock : public torch::autograd::Function<FusedBlock> {
 public:
  static at::Tensor forward(AutogradContext* context, at::TensorList given,
                            const c10::intrusive_ptr<Recorded>& recorded) {
    const variable_list inputs(given.begin(), given.end());
    const Geometry geometry(recorded->config, recorded->tables, inputs[0]);
    const BlockTensors block = BlockOf(inputs);
    Kept kept;
    const at::Tensor out = Pass(geometry, block.linears[0].scalar_type()).Forward(inputs[0], block, kept);
    variable_list saved = inputs;
    for (const at::Tensor* tensor : kept.all()) saved.push_back(*tensor);
    context->save_for_backward(saved);
    context->saved_data["recorded"] = c10::IValue::make_capsule(recorded);
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list upstream) {
    const auto capsule = context->saved_data["recorded"].toCapsule();
    const auto& recorded = static_cast<const Recorded&>(*capsule);
    const variable_list saved = context->get_saved_variables();
    const variable_list inputs(saved.begin(), saved.begin() + 3 + kLinears);
    variable_list gradients;
    if (c10::GradMode::is_enabled()) {
      gradients = DifferentiableGradients(recorded.config, recorded.tables, inputs, upstream[0]);
    } else {
      Kept kept;
      size_t next = inputs.size();
      for (at::Tensor* tensor : kept.all()) *tensor = saved[next++];
      std::vector<bool> wanted;
      for (size_t i = 0; i < inputs.size(); ++i) wanted.push_back(context->needs_input_grad(i));
      const Geometry geometry(recorded.config, recorded.tables, inputs[0]);
      const BlockTensors block = BlockOf(inputs);
      gradients = Pass(geometry, block.linears[0].scalar_type()).Backward(inputs[0], block, kept, upstream[0], wanted);
    }
    gradients.emplace_back();  // what is recorded has none
    return gradients;
  }
};

}  // namespace

bool CanFuseBlock(const BlockTensors& block, const at::Tensor& hidden) {
  const at::ScalarType type = block.linears[0].scalar_type();
  if (!HasGemmKernels() || (type != at::kFloat && type != at::kBFloat16) || hidden.numel() == 0) return false;
  const auto fits = [](const at::Tensor& tensor, at::ScalarType wanted) {
    return tensor.is_cpu() && tensor.scalar_type() == wanted && tensor.is_contiguous();
  };
  const bool is_plain =
      !block.query_norm.defined() && !block.key_norm.defined() &&
      std::none_of(block.biases.begin(), block.biases.end(), [](const at::Tensor& bias) { return bias.defined(); });
  return is_plain && hidden.is_cpu() && hidden.scalar_type() != at::kDouble &&
         std::all_of(block.linears.begin(), block.linears.end(),
                     [&](const auto& linear) { return fits(linear, type); }) &&
         fits(block.input_norm, at::kFloat) && fits(block.post_attention_norm, at::kFloat);
}

at::Tensor FusedBlockForward(const LlamaConfig& config, const BlockTensors& block, const SequenceTables& tables,
                             const at::Tensor& hidden) {
  const at::Tensor stream = hidden.to(at::kFloat).contiguous();
  const variable_list inputs = InputsOf(stream, block);
  const bool recorded = c10::GradMode::is_enabled() && std::any_of(inputs.begin(), inputs.end(), [](const auto& input) {
                          return input.requires_grad();
                        });
  if (recorded) return FusedBlock::apply(at::TensorList(inputs), c10::make_intrusive<Recorded>(config, tables));
  const c10::NoGradGuard no_grad;
  const Geometry geometry(config, tables, stream);
  Kept kept;
  Pass pass(geometry, block.linears[0].scalar_type());
  pass.SetKeeps(false);
  return pass.Forward(stream, block, kept);
}

at::Tensor FusedInputOfLinear(const LlamaConfig& config, const BlockTensors& block, const SequenceTables& tables,
                              const at::Tensor& hidden, LinearInput which) {
  const c10::NoGradGuard no_grad;
  const at::Tensor x = hidden.to(at::kFloat).contiguous();
  const Geometry geometry(config, tables, x);
  Pass pass(geometry, block.linears[0].scalar_type());
  pass.SetKeeps(false);
  return pass.InputOf(x, block, which).view({x.size(0), x.size(1), -1});
}

}  // namespace lwq::qat
