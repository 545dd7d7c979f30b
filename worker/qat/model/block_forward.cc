// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/model/block_forward.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "worker/qat/model/fused_block.h"
#include "worker/qat/model/products.h"

namespace lwq::qat {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// bf16 and fp16 are widened; float32 and float64 stay.
at::Tensor Widened(const at::Tensor& x) {
  return x.scalar_type() == at::kDouble ? x : x.to(at::kFloat);
}

// [B, T, heads·E] → [B, heads, T, E], a view.
at::Tensor SplitHeads(const at::Tensor& x, int64_t heads) {
  return x.view({x.size(0), x.size(1), heads, -1}).transpose(1, 2);
}

at::Tensor Project(const BlockTensors& block, LinearKind kind, const at::Tensor& x) {
  return Linear(x, block[kind], block.bias(kind));
}

// RmsNorm over each head, in the dtype of the products; without such a norm the heads as they are.
at::Tensor NormalizedHeads(const at::Tensor& heads, const at::Tensor& norm, double eps) {
  return norm.defined() ? RmsNorm(heads, norm, eps).to(heads.scalar_type()) : heads;
}

// What o reads [B, T, H·E].
at::Tensor AttendedHeads(const LlamaConfig& config, const BlockTensors& block, const SequenceTables& tables,
                         const at::Tensor& x, Activations scores = Activations::kKept) {
  const at::Tensor q = SplitHeads(Project(block, LinearKind::kQ, x), config.num_attention_heads);
  const at::Tensor k = SplitHeads(Project(block, LinearKind::kK, x), config.num_key_value_heads);
  const at::Tensor v = SplitHeads(Project(block, LinearKind::kV, x), config.num_key_value_heads);
  const at::Tensor heads =
      Attention(Rotate(NormalizedHeads(q, block.query_norm, config.rms_norm_eps), tables),
                Rotate(NormalizedHeads(k, block.key_norm, config.rms_norm_eps), tables), v, tables, config, scores);
  return heads.transpose(1, 2).reshape({x.size(0), x.size(1), -1});
}

// What down reads [B, T, intermediate].
at::Tensor GatedUp(const BlockTensors& block, const at::Tensor& x) {
  const at::Tensor gate = at::silu(Project(block, LinearKind::kGate, x));
  return gate.mul(Project(block, LinearKind::kUp, x));
}

// Queries [first, first + count) against keys [begin, first + count). q [B, K, G, T, E] with G query heads a key head:
// the group is folded into the rows of one product, so keys and values are never repeated.
at::Tensor AttendChunk(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& mask,
                       int64_t first, int64_t count, int64_t begin) {
  const int64_t groups = q.size(2), keys = first + count - begin;
  const at::Tensor rows = q.narrow(3, first, count).reshape({q.size(0), q.size(1), groups * count, q.size(4)});
  at::Tensor scores = Matmul(rows, k.narrow(2, begin, keys).transpose(2, 3));
  scores.div_(std::sqrt(static_cast<double>(q.size(4))));  // after the product, as transformers rounds it
  scores = scores.view({q.size(0), q.size(1), groups, count, keys});
  scores = scores.add(mask.narrow(-2, first, count).narrow(-1, begin, keys).to(scores.scalar_type()));
  const at::Tensor weights = at::softmax(scores, -1).view({q.size(0), q.size(1), groups * count, keys});
  return Matmul(weights, v.narrow(2, begin, keys)).view({q.size(0), q.size(1), groups, count, q.size(4)});
}

// The same, which keeps nothing but its inputs and computes itself again in backward.
class RecomputedChunk : public torch::autograd::Function<RecomputedChunk> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const at::Tensor& mask, int64_t first, int64_t count, int64_t begin) {
    context->save_for_backward({q, k, v, mask});
    context->saved_data["first"] = first;
    context->saved_data["count"] = count;
    context->saved_data["begin"] = begin;
    return AttendChunk(q, k, v, mask, first, count, begin);
  }

  static variable_list backward(AutogradContext* context, variable_list upstream) {
    const variable_list saved = context->get_saved_variables();
    variable_list inputs, wanted;
    for (size_t i = 0; i < 3; ++i) {
      inputs.push_back(saved[i].detach().set_requires_grad(context->needs_input_grad(i)));
      if (context->needs_input_grad(i)) wanted.push_back(inputs.back());
    }
    const c10::AutoGradMode with_grad(true);
    const at::Tensor out = AttendChunk(inputs[0], inputs[1], inputs[2], saved[3], context->saved_data["first"].toInt(),
                                       context->saved_data["count"].toInt(), context->saved_data["begin"].toInt());
    const variable_list found = torch::autograd::grad({out}, wanted, {upstream[0]});
    variable_list gradients(7);
    size_t next = 0;
    for (size_t i = 0; i < 3; ++i) {
      if (context->needs_input_grad(i)) gradients[i] = found[next++];
    }
    return gradients;
  }
};

}  // namespace

at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const at::Tensor wide = Widened(x);
  const at::Tensor inverse_rms = at::rsqrt(wide.pow(2).mean(-1, /*keepdim=*/true).add(eps));
  return weight.mul(wide.mul(inverse_rms));
}

at::Tensor Rotate(const at::Tensor& x, const SequenceTables& tables) {
  const int64_t half = x.size(3) / 2;
  const at::Tensor cos = tables.cos.narrow(-2, 0, x.size(2)), sin = tables.sin.narrow(-2, 0, x.size(2));
  const at::Tensor first = x.narrow(3, 0, half), second = x.narrow(3, half, half);
  return at::cat({first.mul(cos).sub(second.mul(sin)), second.mul(cos).add(first.mul(sin))}, -1).to(x.scalar_type());
}

at::Tensor Attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const SequenceTables& tables,
                     const LlamaConfig& config, Activations scores) {
  const int64_t batch = q.size(0), tokens = q.size(2), kv_heads = k.size(1), head_dim = q.size(3);
  const at::Tensor grouped = q.view({batch, kv_heads, q.size(1) / kv_heads, tokens, head_dim});
  std::vector<at::Tensor> chunks;
  for (int64_t first = 0; first < tokens; first += kQueryChunk) {
    const int64_t count = std::min(kQueryChunk, tokens - first);
    const int64_t begin = config.sliding_window ? std::max<int64_t>(0, first - *config.sliding_window + 1) : 0;
    chunks.push_back(scores == Activations::kKept
                         ? AttendChunk(grouped, k, v, tables.mask, first, count, begin)
                         : RecomputedChunk::apply(grouped, k, v, tables.mask, first, count, begin));
  }
  const at::Tensor heads = chunks.size() == 1 ? chunks[0] : at::cat(chunks, 3);
  return heads.view({batch, q.size(1), tokens, head_dim});
}

at::Tensor BlockForward(const LlamaConfig& config, const BlockTensors& block, const SequenceTables& tables,
                        const at::Tensor& hidden) {
  if (IsComposed(block, hidden)) return ComposedBlockForward(config, block, tables, hidden);
  return FusedBlockForward(config, block, tables, hidden);
}

bool IsComposed(const BlockTensors& block, const at::Tensor& hidden) {
  // Float32 stays with the composed block: its trajectories are held to the original's, and one weight that rounds the
  // other way moves them for good.
  return block[LinearKind::kQ].scalar_type() != at::kBFloat16 || !CanFuseBlock(block, hidden);
}

at::Tensor BlockForwardForLosses(const LlamaConfig& config, const BlockTensors& block, const SequenceTables& tables,
                                 const at::Tensor& hidden) {
  if (CanFuseBlock(block, hidden)) return FusedBlockForward(config, block, tables, hidden);
  return ComposedBlockForward(config, block, tables, hidden);
}

at::Tensor ComposedBlockForward(const LlamaConfig& config, const BlockTensors& block, const SequenceTables& tables,
                                const at::Tensor& hidden) {
  return FeedForwardHalf(config, block, AttentionHalf(config, block, tables, hidden));
}

at::Tensor AttentionHalf(const LlamaConfig& config, const BlockTensors& block, const SequenceTables& tables,
                         const at::Tensor& hidden, Activations scores) {
  const at::ScalarType compute = block[LinearKind::kQ].scalar_type();
  const at::Tensor residual = Widened(hidden);
  const at::Tensor x = RmsNorm(residual, block.input_norm, config.rms_norm_eps).to(compute);
  return residual.add(Project(block, LinearKind::kO, AttendedHeads(config, block, tables, x, scores)));
}

at::Tensor FeedForwardHalf(const LlamaConfig& config, const BlockTensors& block, const at::Tensor& attended) {
  const at::ScalarType compute = block[LinearKind::kDown].scalar_type();
  const at::Tensor y = RmsNorm(attended, block.post_attention_norm, config.rms_norm_eps).to(compute);
  return attended.add(Project(block, LinearKind::kDown, GatedUp(block, y)));
}

LinearInputs InputsOfLinears(const LlamaConfig& config, const BlockTensors& block, const SequenceTables& tables,
                             const at::Tensor& hidden) {
  const at::ScalarType compute = block[LinearKind::kQ].scalar_type();
  const at::Tensor residual = Widened(hidden);
  LinearInputs inputs;
  inputs.qkv = RmsNorm(residual, block.input_norm, config.rms_norm_eps).to(compute);
  inputs.o = AttendedHeads(config, block, tables, inputs.qkv);
  const at::Tensor attended = residual.add(Project(block, LinearKind::kO, inputs.o));
  inputs.gate_up = RmsNorm(attended, block.post_attention_norm, config.rms_norm_eps).to(compute);
  inputs.down = GatedUp(block, inputs.gate_up);
  return inputs;
}

at::Tensor InputOfLinear(const LlamaConfig& config, const BlockTensors& block, const SequenceTables& tables,
                         const at::Tensor& hidden, LinearInput which) {
  if (CanFuseBlock(block, hidden)) return FusedInputOfLinear(config, block, tables, hidden, which);
  const at::ScalarType compute = block[LinearKind::kQ].scalar_type();
  const at::Tensor residual = Widened(hidden);
  const at::Tensor x = RmsNorm(residual, block.input_norm, config.rms_norm_eps).to(compute);
  if (which == LinearInput::kQkv) return x;
  const at::Tensor heads = AttendedHeads(config, block, tables, x);
  if (which == LinearInput::kO) return heads;
  const at::Tensor attended = residual.add(Project(block, LinearKind::kO, heads));
  const at::Tensor y = RmsNorm(attended, block.post_attention_norm, config.rms_norm_eps).to(compute);
  return which == LinearInput::kGateUp ? y : GatedUp(block, y);
}

}  // namespace lwq::qat
