#include "worker/qat/fused/fused_attention.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "worker/qat/fused/row_kernels.h"
#include "worker/qat/gemm/gemm.h"
#include "worker/qat/runtime/threads.h"

namespace lwq::qat {
namespace {

// The queries [first, first + count) of one head and the keys they see: whole panels from `begin` on, `width` in all
// (beyond the last token: nothing).
struct QueryBlock {
  int64_t first, count, begin, width;
};

struct Kernels {
  const GemmKernels& gemm;
  const RowKernels& rows;
};

class AttentionTensor {
 public:
  AttentionTensor(const AttentionShape& shape, const at::Tensor& tensor, int64_t heads)
      : data_(static_cast<std::byte*>(tensor.data_ptr())),
        bytes_(static_cast<int64_t>(tensor.element_size())),
        tokens_(shape.tokens),
        head_dim_(shape.head_dim),
        stride_(heads * shape.head_dim) {}
  std::byte* at(int64_t batch, int64_t token, int64_t head, int64_t element = 0) const {
    return data_ + ((batch * tokens_ + token) * stride_ + head * head_dim_ + element) * bytes_;
  }
  int64_t stride() const { return stride_; }
  GemmOperand operand(int64_t batch, int64_t token, int64_t head, bool along_depth) const {
    return {at(batch, token, head), stride_, along_depth};
  }
  GemmResult::Kind kind() const { return bytes_ == 2 ? GemmResult::Kind::kBf16 : GemmResult::Kind::kF32; }

 private:
  std::byte* data_;
  int64_t bytes_, tokens_, head_dim_, stride_;
};

// Forward takes fewer at once: their scores fit the second cache, and nothing is summed over queries.
constexpr int64_t kForwardQueries = kPanel;
static_assert(kForwardQueries <= kFusedQueries);

QueryBlock MakeQueryBlock(const AttentionShape& shape, int64_t first, int64_t queries) {
  const int64_t count = std::min(queries, shape.tokens - first);
  const int64_t begin = std::max<int64_t>(0, first - shape.window + 1) / kPanel * kPanel;
  return {first, count, begin, GemmBlocks(first + count - begin) * kPanel};
}

// Keys [from, to) that the query sees, counted from the block's first key.
int64_t FirstKey(const AttentionShape& shape, const QueryBlock& block, int64_t query) {
  return std::max<int64_t>(0, block.first + query - shape.window + 1) - block.begin;
}
int64_t EndKey(const QueryBlock& block, int64_t query) {
  return block.first + query + 1 - block.begin;
}

// Packed columns of one (sequence, key/value head), of whatever is wanted of it.
std::vector<std::byte*> PackUnit(const Kernels& kernels, const GemmOperand& operand, int64_t items, int64_t depth,
                                 std::byte* memory) {
  std::vector<std::byte*> panels;
  for (int64_t first = 0; first < items; first += kPanel) {
    panels.push_back(memory);
    kernels.gemm.pack_columns(operand, first, std::min(kPanel, items - first), depth, memory);
    memory += GemmBlocks(depth) * kernels.gemm.block_bytes;
  }
  return panels;
}
int64_t UnitBytes(const Kernels& kernels, int64_t items, int64_t depth) {
  return GemmBlocks(items) * GemmBlocks(depth) * kernels.gemm.block_bytes;
}

// Memory for one block of queries, for one thread.
class BlockBuffers {
 public:
  BlockBuffers(const AttentionShape& shape, const Kernels& kernels)
      : stride(GemmBlocks(shape.tokens + kPanel) * kPanel),
        memory_(Total(shape, kernels)),
        scores(reinterpret_cast<float*>(memory_.data())),
        d_weights(scores + kFusedQueries * stride),
        weights(memory_.data() + 2 * kFusedQueries * stride * 4),
        d_scores(weights + kFusedQueries * stride * 4),
        panel(d_scores + kFusedQueries * stride * 4) {}

 private:
  int64_t Total(const AttentionShape& shape, const Kernels& kernels) const {
    const int64_t depth = std::max({stride, shape.head_dim, kFusedQueries});
    return 4 * kFusedQueries * stride * 4 + GemmBlocks(depth) * kernels.gemm.block_bytes;
  }

 public:
  const int64_t stride;

 private:
  GemmScratch memory_;

 public:
  float* const scores;
  float* const d_weights;
  std::byte* const weights;
  std::byte* const d_scores;
  std::byte* const panel;
};

// out[count, width] = rows of the head · the panels from the block's first key on: scores, or gradients of weights.
void MultiplyWithKeys(const Kernels& kernels, const AttentionShape& shape, const QueryBlock& block,
                      const GemmOperand& rows, const std::vector<std::byte*>& panels, BlockBuffers& buffers,
                      float* out) {
  for (int64_t row = 0; row < block.count; row += kPanel) {
    const int64_t count = std::min(kPanel, block.count - row);
    kernels.gemm.pack_rows(rows, row, count, shape.head_dim, buffers.panel);
    const int64_t seen = std::min(block.width, EndKey(block, row + count - 1));
    for (int64_t key = 0; key < seen; key += kPanel) {
      kernels.gemm.multiply(buffers.panel, panels[static_cast<size_t>((block.begin + key) / kPanel)],
                            GemmBlocks(shape.head_dim), count, kPanel,
                            {out + row * buffers.stride + key, buffers.stride, GemmResult::Kind::kF32, nullptr});
    }
  }
}

// out[rows of `a`, head_dim] = a · panels, from block `from` of their depth on.
void MultiplyToHead(const Kernels& kernels, const AttentionShape& shape, const GemmOperand& a, int64_t rows,
                    int64_t depth, const std::vector<std::byte*>& panels, int64_t from, std::byte* scratch,
                    const GemmResult& out) {
  const int64_t element_bytes = out.kind == GemmResult::Kind::kBf16 ? 2 : 4;
  for (int64_t row = 0; row < rows; row += kPanel) {
    const int64_t count = std::min(kPanel, rows - row);
    kernels.gemm.pack_rows(a, row, count, depth, scratch);
    for (size_t p = 0; p < panels.size(); ++p) {
      const int64_t column = static_cast<int64_t>(p) * kPanel, offset = row * out.stride + column;
      GemmResult corner = out;
      corner.data = static_cast<std::byte*>(out.data) + offset * element_bytes;
      if (corner.addend != nullptr) corner.addend += offset;
      kernels.gemm.multiply(scratch, panels[p] + from * kernels.gemm.block_bytes, GemmBlocks(depth), count,
                            std::min(kPanel, shape.head_dim - column), corner);
    }
  }
}

Kernels KernelsOf(const at::Tensor& tensor) {
  const bool bf16 = tensor.scalar_type() == at::kBFloat16;
  return {ActiveGemmKernels(bf16), ActiveRowKernels(bf16)};
}

}  // namespace

void FusedAttention(const AttentionShape& shape, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                    const at::Tensor& o, const at::Tensor& log_sums) {
  const Kernels kernels = KernelsOf(q);
  const AttentionTensor qs(shape, q, shape.heads), ks(shape, k, shape.kv_heads), vs(shape, v, shape.kv_heads);
  const AttentionTensor os(shape, o, shape.heads);
  const int64_t units = shape.batch * shape.kv_heads, group = shape.heads / shape.kv_heads;
  const int64_t key_bytes = UnitBytes(kernels, shape.tokens, shape.head_dim);
  const int64_t value_bytes = UnitBytes(kernels, shape.head_dim, shape.tokens);
  const GemmScratch packed(units * (key_bytes + value_bytes));
  std::vector<std::vector<std::byte*>> keys(static_cast<size_t>(units)), values(static_cast<size_t>(units));
  ParallelFor(units, 1, [&](int64_t first, int64_t last) {
    for (int64_t unit = first; unit < last; ++unit) {
      std::byte* memory = packed.data() + unit * (key_bytes + value_bytes);
      const int64_t b = unit / shape.kv_heads, head = unit % shape.kv_heads;
      keys[static_cast<size_t>(unit)] =
          PackUnit(kernels, ks.operand(b, 0, head, true), shape.tokens, shape.head_dim, memory);
      values[static_cast<size_t>(unit)] =
          PackUnit(kernels, vs.operand(b, 0, head, false), shape.head_dim, shape.tokens, memory + key_bytes);
    }
  });
  const float scale = 1.0f / std::sqrt(static_cast<float>(shape.head_dim));
  const int64_t blocks = (shape.tokens + kForwardQueries - 1) / kForwardQueries;
  ParallelFor(shape.batch * shape.heads * blocks, 1, [&](int64_t first, int64_t last) {
    BlockBuffers buffers(shape, kernels);
    kernels.gemm.begin();
    for (int64_t item = first; item < last; ++item) {
      const int64_t b = item / blocks / shape.heads, head = item / blocks % shape.heads;
      const auto unit = static_cast<size_t>(b * shape.kv_heads + head / group);
      const QueryBlock block = MakeQueryBlock(shape, item % blocks * kForwardQueries, kForwardQueries);
      MultiplyWithKeys(kernels, shape, block, qs.operand(b, block.first, head, true), keys[unit], buffers,
                       buffers.scores);
      float* sums = log_sums.data_ptr<float>() + (b * shape.heads + head) * shape.tokens + block.first;
      const auto bytes = static_cast<int64_t>(q.element_size());
      for (int64_t i = 0; i < block.count; ++i) {
        sums[i] = kernels.rows.softmax(buffers.scores + i * buffers.stride, FirstKey(shape, block, i), EndKey(block, i),
                                       block.width, scale, buffers.weights + i * buffers.stride * bytes);
      }
      MultiplyToHead(kernels, shape, {buffers.weights, buffers.stride, true}, block.count, block.width, values[unit],
                     block.begin / kPanel, buffers.panel,
                     {os.at(b, block.first, head), os.stride(), os.kind(), nullptr});
    }
    kernels.gemm.end();
  });
}

namespace {

// Backward of the heads of one (sequence, key/value head): their queries' gradients, and the sum over them of those of
// keys and values.
class UnitBackward {
 public:
  UnitBackward(const AttentionShape& shape, const Kernels& kernels)
      : shape_(shape),
        kernels_(kernels),
        buffers_(shape, kernels),
        packed_(2 * UnitBytes(kernels, shape.tokens, shape.head_dim) + UnitBytes(kernels, shape.head_dim, shape.tokens) +
                2 * UnitBytes(kernels, shape.head_dim, kFusedQueries)),
        sums_(2 * padded_tokens() * shape.head_dim * 4) {}

  void Run(const AttentionTensor& q, const AttentionTensor& k, const AttentionTensor& v, const AttentionTensor& o,
           const float* log_sums, const AttentionTensor& d_o, const AttentionTensor& dq, const AttentionTensor& dk,
           const AttentionTensor& dv, int64_t b, int64_t kv_head) {
    std::byte* memory = packed_.data();
    const int64_t along_bytes = UnitBytes(kernels_, shape_.tokens, shape_.head_dim);
    const auto keys = PackUnit(kernels_, k.operand(b, 0, kv_head, true), shape_.tokens, shape_.head_dim, memory);
    const auto values =
        PackUnit(kernels_, v.operand(b, 0, kv_head, true), shape_.tokens, shape_.head_dim, memory + along_bytes);
    const auto key_rows =
        PackUnit(kernels_, k.operand(b, 0, kv_head, false), shape_.head_dim, shape_.tokens, memory + 2 * along_bytes);
    memory += 2 * along_bytes + UnitBytes(kernels_, shape_.head_dim, shape_.tokens);
    const int64_t block_bytes = UnitBytes(kernels_, shape_.head_dim, kFusedQueries);
    auto* d_keys = reinterpret_cast<float*>(sums_.data());
    float* d_values = d_keys + padded_tokens() * shape_.head_dim;
    std::fill(d_keys, d_values + padded_tokens() * shape_.head_dim, 0.0f);
    const int64_t group = shape_.heads / shape_.kv_heads;
    for (int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
      for (int64_t first = 0; first < shape_.tokens; first += kFusedQueries) {
        const QueryBlock block = MakeQueryBlock(shape_, first, kFusedQueries);
        MultiplyWithKeys(kernels_, shape_, block, q.operand(b, first, head, true), keys, buffers_, buffers_.scores);
        MultiplyWithKeys(kernels_, shape_, block, d_o.operand(b, first, head, true), values, buffers_,
                         buffers_.d_weights);
        const int64_t bytes = kernels_.gemm.element_bytes;
        for (int64_t i = 0; i < block.count; ++i) {
          const float delta =
              kernels_.rows.dot(o.at(b, first + i, head), d_o.at(b, first + i, head), shape_.head_dim);
          kernels_.rows.softmax_backward(
              buffers_.scores + i * buffers_.stride, buffers_.d_weights + i * buffers_.stride,
              FirstKey(shape_, block, i), EndKey(block, i), block.width, scale(),
              log_sums[(b * shape_.heads + head) * shape_.tokens + first + i], delta,
              buffers_.weights + i * buffers_.stride * bytes, buffers_.d_scores + i * buffers_.stride * bytes);
        }
        MultiplyToHead(kernels_, shape_, {buffers_.d_scores, buffers_.stride, true}, block.count, block.width, key_rows,
                       block.begin / kPanel, buffers_.panel, {dq.at(b, first, head), dq.stride(), dq.kind(), nullptr});
        const auto queries =
            PackUnit(kernels_, q.operand(b, first, head, false), shape_.head_dim, block.count, memory);
        const auto d_outs = PackUnit(kernels_, d_o.operand(b, first, head, false), shape_.head_dim, block.count,
                                     memory + block_bytes);
        AddOverQueries(block, buffers_.d_scores, queries, d_keys);
        AddOverQueries(block, buffers_.weights, d_outs, d_values);
      }
    }
    for (int64_t t = 0; t < shape_.tokens; ++t) {
      kernels_.rows.narrow(d_keys + t * shape_.head_dim, shape_.head_dim, dk.at(b, t, kv_head));
      kernels_.rows.narrow(d_values + t * shape_.head_dim, shape_.head_dim, dv.at(b, t, kv_head));
    }
  }

 private:
  int64_t padded_tokens() const { return GemmBlocks(shape_.tokens) * kPanel; }
  float scale() const { return 1.0f / std::sqrt(static_cast<float>(shape_.head_dim)); }

  // sums[keys of the block] += aᵀ · panels, a [count, width] of the block.
  void AddOverQueries(const QueryBlock& block, std::byte* a, const std::vector<std::byte*>& panels, float* sums) {
    float* at = sums + block.begin * shape_.head_dim;
    MultiplyToHead(kernels_, shape_, {a, buffers_.stride, false}, block.width, block.count, panels, 0, buffers_.panel,
                   {at, shape_.head_dim, GemmResult::Kind::kF32, at});
  }

  const AttentionShape& shape_;
  const Kernels& kernels_;
  BlockBuffers buffers_;
  GemmScratch packed_;
  GemmScratch sums_;
};

}  // namespace

void FusedAttentionBackward(const AttentionShape& shape, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const at::Tensor& o, const at::Tensor& log_sums, const at::Tensor& d_o,
                            const at::Tensor& dq, const at::Tensor& dk, const at::Tensor& dv) {
  const Kernels kernels = KernelsOf(q);
  const AttentionTensor qs(shape, q, shape.heads), ks(shape, k, shape.kv_heads), vs(shape, v, shape.kv_heads);
  const AttentionTensor os(shape, o, shape.heads), d_os(shape, d_o, shape.heads), dqs(shape, dq, shape.heads);
  const AttentionTensor dks(shape, dk, shape.kv_heads), dvs(shape, dv, shape.kv_heads);
  ParallelFor(shape.batch * shape.kv_heads, 1, [&](int64_t first, int64_t last) {
    UnitBackward backward(shape, kernels);
    kernels.gemm.begin();
    for (int64_t unit = first; unit < last; ++unit) {
      backward.Run(qs, ks, vs, os, log_sums.data_ptr<float>(), d_os, dqs, dks, dvs, unit / shape.kv_heads,
                   unit % shape.kv_heads);
    }
    kernels.gemm.end();
  });
}

}  // namespace lwq::qat
