// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/fused/fused_attention.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "worker/qat/device/threads.h"
#include "worker/qat/fused/row_kernels.h"
#include "worker/qat/gemm/gemm.h"

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

// Forward takes fewer queries at once, as nothing is summed over them, and a tile of keys after another. In bf16 the
// tile's scores and weights fit the first cache; in float32, where products take longer than what lies between them,
// larger tiles cost less than they save.
constexpr int64_t kForwardQueries = kPanel;
constexpr int64_t kForwardKeysBf16 = 256, kForwardKeysF32 = 1024;
static_assert(kForwardQueries <= kTileRows && kForwardKeysBf16 % kPanel == 0 && kForwardKeysF32 % kPanel == 0);

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

// Packed columns of one (sequence, key/value head), of whatever is wanted of it: panels one after another.
struct UnitColumns {
  std::byte* data = nullptr;
  int64_t panel_bytes = 0;
};
UnitColumns PackUnit(const Kernels& kernels, const GemmOperand& operand, int64_t items, int64_t depth,
                     std::byte* memory) {
  const UnitColumns packed = {memory, GemmBlocks(depth) * kernels.gemm.block_bytes};
  for (int64_t first = 0; first < items; first += kPanel) {
    kernels.gemm.pack_columns(operand, first, std::min(kPanel, items - first), depth, memory);
    memory += packed.panel_bytes;
  }
  return packed;
}
int64_t UnitBytes(const Kernels& kernels, int64_t items, int64_t depth) {
  return GemmBlocks(items) * GemmBlocks(depth) * kernels.gemm.block_bytes;
}

// Memory for one block of queries and `keys` of theirs, for one thread.
class BlockBuffers {
 public:
  BlockBuffers(const AttentionShape& shape, const Kernels& kernels, int64_t queries, int64_t keys)
      : queries_(queries),
        // A row's elements beside those of the next, and not all rows in one set of the first cache.
        stride((GemmBlocks(keys) + 1) * kPanel),
        memory_(Total(shape, kernels)),
        scores(reinterpret_cast<float*>(memory_.data())),
        d_weights(scores + queries * stride),
        weights(memory_.data() + 2 * queries * stride * 4),
        d_scores(weights + queries * stride * 4),
        panel(d_scores + queries * stride * 4) {}

 private:
  int64_t Total(const AttentionShape& shape, const Kernels& kernels) const {
    const int64_t depth = std::max({stride, shape.head_dim, queries_});
    return 4 * queries_ * stride * 4 + GemmBlocks(depth) * kernels.gemm.block_bytes;
  }

  const int64_t queries_;

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

// out[count, keys from `key` on] = rows of the head · columns: scores, or gradients of weights, of up to `width` keys
// from the block's key `key` on; keys that no query of a panel sees are left as they are.
void MultiplyWithKeys(const Kernels& kernels, const AttentionShape& shape, const QueryBlock& block, int64_t key,
                      int64_t width, const GemmOperand& rows, const UnitColumns& columns, BlockBuffers& buffers,
                      float* out) {
  for (int64_t row = 0; row < block.count; row += kPanel) {
    const int64_t count = std::min(kPanel, block.count - row);
    const int64_t seen = std::min(width, GemmBlocks(EndKey(block, row + count - 1) - key) * kPanel);
    if (seen <= 0) continue;
    kernels.gemm.multiply(RowsForProduct(kernels.gemm, rows, row, count, shape.head_dim, buffers.panel),
                          columns.data + (block.begin + key) / kPanel * columns.panel_bytes, columns.panel_bytes,
                          GemmBlocks(shape.head_dim), count, seen,
                          {out + row * buffers.stride, buffers.stride, GemmResult::Kind::kF32, nullptr});
  }
}

// out[rows of `a`, head_dim] = a · columns, from block `from` of their depth on.
void MultiplyToHead(const Kernels& kernels, const AttentionShape& shape, const GemmOperand& a, int64_t rows,
                    int64_t depth, const UnitColumns& columns, int64_t from, std::byte* scratch,
                    const GemmResult& out) {
  for (int64_t row = 0; row < rows; row += kPanel) {
    const int64_t count = std::min(kPanel, rows - row);
    kernels.gemm.multiply(RowsForProduct(kernels.gemm, a, row, count, depth, scratch),
                          columns.data + from * kernels.gemm.block_bytes, columns.panel_bytes, GemmBlocks(depth), count,
                          shape.head_dim, CornerOf(out, row, 0));
  }
}

Kernels KernelsOf(const at::Tensor& tensor) {
  const bool bf16 = tensor.scalar_type() == at::kBFloat16;
  return {ActiveGemmKernels(bf16), ActiveRowKernels(bf16)};
}

// Forward of blocks of queries, one after another, for one thread: a softmax over the tiles of keys that keeps what it
// has summed relative to the largest score so far.
class TiledForward {
 public:
  TiledForward(const AttentionShape& shape, const Kernels& kernels)
      : shape_(shape),
        kernels_(kernels),
        tile_(kernels.gemm.element_bytes == 2 ? kForwardKeysBf16 : kForwardKeysF32),
        buffers_(shape, kernels, kForwardQueries, std::min(tile_, shape.tokens)),
        padded_(GemmBlocks(shape.head_dim) * kPanel),
        sums_of_values_(kForwardQueries * padded_ * 4) {}

  // The block's rows of q and o lie from `q` and `out` on.
  void Run(const QueryBlock& block, const GemmOperand& q, const UnitColumns& keys, const UnitColumns& values,
           const GemmResult& out, float* log_sums) {
    std::fill_n(maxima_, kForwardQueries, -std::numeric_limits<float>::infinity());
    std::fill_n(sums_, kForwardQueries, 0.0f);
    for (int64_t key = 0; key < block.width; key += tile_) {
      TakeTile(block, key, std::min(tile_, block.width - key), q, keys, values);
    }
    for (int64_t i = 0; i < block.count; ++i) {
      kernels_.rows.narrow(values_of(i), shape_.head_dim, 1.0f / sums_[i], CornerOf(out, i, 0).data);
      log_sums[i] = maxima_[i] + std::log(sums_[i]);
    }
  }

 private:
  float* values_of(int64_t i) const { return reinterpret_cast<float*>(sums_of_values_.data()) + i * padded_; }

  void TakeTile(const QueryBlock& block, int64_t key, int64_t width, const GemmOperand& q, const UnitColumns& keys,
                const UnitColumns& values) {
    MultiplyWithKeys(kernels_, shape_, block, key, width, q, keys, buffers_, buffers_.scores);
    int64_t first[kForwardQueries], last[kForwardQueries];
    for (int64_t i = 0; i < block.count; ++i) {
      first[i] = std::clamp<int64_t>(FirstKey(shape_, block, i) - key, 0, width);
      last[i] = std::clamp<int64_t>(EndKey(block, i) - key, 0, width);
    }
    float factors[kForwardQueries];
    kernels_.rows.softmax_tile({.scores = buffers_.scores,
                                .weights = buffers_.weights,
                                .stride = buffers_.stride,
                                .rows = block.count,
                                .width = width,
                                .first = first,
                                .last = last,
                                .scale = 1.0f / std::sqrt(static_cast<float>(shape_.head_dim))},
                               maxima_, sums_, factors);
    for (int64_t i = 0; key > 0 && i < block.count; ++i) {
      if (factors[i] != 1) kernels_.rows.scale(values_of(i), shape_.head_dim, factors[i]);
    }
    MultiplyToHead(kernels_, shape_, {buffers_.weights, buffers_.stride, true}, block.count, width, values,
                   (block.begin + key) / kPanel, buffers_.panel,
                   {values_of(0), padded_, GemmResult::Kind::kF32, key > 0 ? values_of(0) : nullptr});
  }

  const AttentionShape& shape_;
  const Kernels& kernels_;
  int64_t tile_;  // keys
  BlockBuffers buffers_;
  int64_t padded_;
  GemmScratch sums_of_values_;
  float maxima_[kForwardQueries];
  float sums_[kForwardQueries];
};

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
  std::vector<UnitColumns> keys(static_cast<size_t>(units)), values(static_cast<size_t>(units));
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
  const int64_t blocks = (shape.tokens + kForwardQueries - 1) / kForwardQueries;
  ParallelFor(shape.batch * shape.heads * blocks, 1, [&](int64_t first, int64_t last) {
    TiledForward forward(shape, kernels);
    kernels.gemm.begin();
    for (int64_t item = first; item < last; ++item) {
      const int64_t b = item / blocks / shape.heads, head = item / blocks % shape.heads;
      const auto unit = static_cast<size_t>(b * shape.kv_heads + head / group);
      const QueryBlock block = MakeQueryBlock(shape, item % blocks * kForwardQueries, kForwardQueries);
      forward.Run(block, qs.operand(b, block.first, head, true), keys[unit], values[unit],
                  {os.at(b, block.first, head), os.stride(), os.kind(), nullptr},
                  log_sums.data_ptr<float>() + (b * shape.heads + head) * shape.tokens + block.first);
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
        buffers_(shape, kernels, kFusedQueries, shape.tokens),
        packed_(2 * UnitBytes(kernels, shape.tokens, shape.head_dim) +
                UnitBytes(kernels, shape.head_dim, shape.tokens) +
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
        MultiplyWithKeys(kernels_, shape_, block, 0, block.width, q.operand(b, first, head, true), keys, buffers_,
                         buffers_.scores);
        MultiplyWithKeys(kernels_, shape_, block, 0, block.width, d_o.operand(b, first, head, true), values, buffers_,
                         buffers_.d_weights);
        const int64_t bytes = kernels_.gemm.element_bytes;
        for (int64_t i = 0; i < block.count; ++i) {
          const float delta = kernels_.rows.dot(o.at(b, first + i, head), d_o.at(b, first + i, head), shape_.head_dim);
          kernels_.rows.softmax_backward(
              buffers_.scores + i * buffers_.stride, buffers_.d_weights + i * buffers_.stride,
              FirstKey(shape_, block, i), EndKey(block, i), block.width, scale(),
              log_sums[(b * shape_.heads + head) * shape_.tokens + first + i], delta,
              buffers_.weights + i * buffers_.stride * bytes, buffers_.d_scores + i * buffers_.stride * bytes);
        }
        MultiplyToHead(kernels_, shape_, {buffers_.d_scores, buffers_.stride, true}, block.count, block.width, key_rows,
                       block.begin / kPanel, buffers_.panel, {dq.at(b, first, head), dq.stride(), dq.kind(), nullptr});
        const auto queries = PackUnit(kernels_, q.operand(b, first, head, false), shape_.head_dim, block.count, memory);
        const auto d_outs =
            PackUnit(kernels_, d_o.operand(b, first, head, false), shape_.head_dim, block.count, memory + block_bytes);
        AddOverQueries(block, buffers_.d_scores, queries, d_keys);
        AddOverQueries(block, buffers_.weights, d_outs, d_values);
      }
    }
    for (int64_t t = 0; t < shape_.tokens; ++t) {
      kernels_.rows.narrow(d_keys + t * shape_.head_dim, shape_.head_dim, 1.0f, dk.at(b, t, kv_head));
      kernels_.rows.narrow(d_values + t * shape_.head_dim, shape_.head_dim, 1.0f, dv.at(b, t, kv_head));
    }
  }

 private:
  int64_t padded_tokens() const { return GemmBlocks(shape_.tokens) * kPanel; }
  float scale() const { return 1.0f / std::sqrt(static_cast<float>(shape_.head_dim)); }

  // sums[keys of the block] += aᵀ · panels, a [count, width] of the block.
  void AddOverQueries(const QueryBlock& block, std::byte* a, const UnitColumns& columns, float* sums) {
    float* at = sums + block.begin * shape_.head_dim;
    MultiplyToHead(kernels_, shape_, {a, buffers_.stride, false}, block.width, block.count, columns, 0, buffers_.panel,
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
