// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/gemm/gemm.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "worker/qat/device/threads.h"

namespace lwq::qat {
namespace {

// Rows that are read where they lie meet strips of columns that stay in the second cache. Rows that are packed meet all
// columns where those stay there; else a group of their panels stays there, and columns come panel by panel. Measured
// on 2 MiB of cache.
constexpr int64_t kStripBytes = 960 << 10;
constexpr int64_t kCachedColumnBytes = 1280 << 10;
constexpr int64_t kCachedRowBytes = 1 << 20;
constexpr int64_t kRowPanels = 8;

// How many panels of rows are multiplied with how many of columns before others are; for several products, columns are
// those of one of them.
int64_t RowPanelsTogether(absl::Span<const PackedProduct> products, int64_t rows, bool in_place) {
  if (in_place) return rows;
  const int64_t panel_bytes = products[0].b.panel_bytes();
  const bool is_cached =
      products.size() == 1 && GemmBlocks(products[0].b.columns()) * panel_bytes <= kCachedColumnBytes;
  return is_cached ? 1 : std::min(rows, std::clamp<int64_t>(kCachedRowBytes / panel_bytes, 1, kRowPanels));
}
int64_t ColumnPanelsTogether(const PackedColumns& b, int64_t rows, bool in_place) {
  const int64_t columns = GemmBlocks(b.columns()), bytes = columns * b.panel_bytes();
  if (!in_place) return rows == 1 ? columns : 1;
  const int64_t strips = (bytes + kStripBytes - 1) / kStripBytes;
  return (columns + strips - 1) / strips;
}

int64_t Rows(const at::Tensor& x) {
  return x.numel() / x.size(-1);
}

const GemmKernels& KernelsFor(const at::Tensor& operand) {
  return ActiveGemmKernels(operand.scalar_type() == at::kBFloat16);
}

}  // namespace

GemmScratch::GemmScratch(int64_t bytes) : memory_(at::empty({bytes}, at::kByte)) {}

PackedColumns::PackedColumns(const GemmKernels& kernels, const GemmOperand& b, int64_t columns, int64_t depth)
    : columns_(columns),
      depth_(depth),
      panel_bytes_(GemmBlocks(depth) * kernels.block_bytes),
      scratch_(GemmBlocks(columns) * panel_bytes_) {
  std::byte* panels = scratch_.data();
  ParallelFor(GemmBlocks(columns), 1, [&](int64_t first, int64_t last) {
    for (int64_t p = first; p < last; ++p) {
      kernels.pack_columns(b, p * kPanel, std::min(kPanel, columns - p * kPanel), depth, panels + p * panel_bytes_);
    }
  });
}

void MultiplyPacked(const GemmKernels& kernels, const GemmOperand& a, int64_t rows,
                    absl::Span<const PackedProduct> products) {
  const int64_t depth = products[0].b.depth(), panel_bytes = products[0].b.panel_bytes();
  const bool in_place = ReadsInPlace(kernels, a, kPanel, depth);
  ParallelFor(GemmBlocks(rows), 1, [&](int64_t first, int64_t last) {
    const int64_t together = RowPanelsTogether(products, last - first, in_place);
    const GemmScratch scratch((in_place ? 1 : together) * panel_bytes);
    std::vector<GemmRows> panels(static_cast<size_t>(together));
    const auto count_of = [&](int64_t p) { return std::min(kPanel, rows - p * kPanel); };
    kernels.begin();
    for (int64_t begin = first; begin < last; begin += together) {
      const int64_t end = std::min(last, begin + together);
      for (int64_t p = begin; p < end; ++p) {
        panels[static_cast<size_t>(p - begin)] = RowsForProduct(
            kernels, a, p * kPanel, count_of(p), depth, scratch.data() + (in_place ? 0 : (p - begin) * panel_bytes));
      }
      for (const PackedProduct& product : products) {
        const PackedColumns& b = product.b;
        const int64_t strip = ColumnPanelsTogether(b, together, in_place) * kPanel;
        for (int64_t column = 0; column < b.columns(); column += strip) {
          for (int64_t p = begin; p < end; ++p) {
            kernels.multiply(panels[static_cast<size_t>(p - begin)], b.panel(column / kPanel), panel_bytes,
                             GemmBlocks(depth), count_of(p), std::min(strip, b.columns() - column),
                             CornerOf(product.result, p * kPanel, column));
          }
        }
      }
    }
    kernels.end();
  });
}

void LinearInto(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& out, const at::Tensor& addend) {
  const GemmKernels& kernels = KernelsFor(x);
  const PackedColumns columns(kernels, OperandOf(weight, true), weight.size(0), weight.size(1));
  MultiplyPacked(kernels, OperandOf(x, true), Rows(x), {{columns, ResultOf(out, addend)}});
}

void LinearsInto(const at::Tensor& x, absl::Span<const LinearProduct> products) {
  const GemmKernels& kernels = KernelsFor(x);
  if (ReadsInPlace(kernels, OperandOf(x, true), kPanel, x.size(-1))) {
    // One weight's columns at a time take less memory, and nothing is packed twice.
    for (const LinearProduct& product : products) LinearInto(x, product.weight, product.out);
    return;
  }
  std::vector<std::unique_ptr<PackedColumns>> columns;
  std::vector<PackedProduct> packed;
  for (const LinearProduct& product : products) {
    const at::Tensor& weight = product.weight;
    columns.push_back(
        std::make_unique<PackedColumns>(kernels, OperandOf(weight, true), weight.size(0), weight.size(1)));
    packed.push_back({*columns.back(), ResultOf(product.out)});
  }
  MultiplyPacked(kernels, OperandOf(x, true), Rows(x), packed);
}

void LinearInputGradientInto(const at::Tensor& dy, const at::Tensor& weight, const at::Tensor& out,
                             const at::Tensor& addend) {
  const GemmKernels& kernels = KernelsFor(dy);
  const PackedColumns columns(kernels, OperandOf(weight, false), weight.size(1), weight.size(0));
  MultiplyPacked(kernels, OperandOf(dy, true), Rows(dy), {{columns, ResultOf(out, addend)}});
}

PackedColumns PackForWeightGradients(const at::Tensor& x) {
  return PackedColumns(KernelsFor(x), OperandOf(x, false), x.size(-1), Rows(x));
}

void LinearWeightGradientInto(const at::Tensor& dy, const PackedColumns& x, const at::Tensor& out) {
  MultiplyPacked(KernelsFor(dy), OperandOf(dy, false), dy.size(-1), {{x, ResultOf(out)}});
}

GemmOperand OperandOf(const at::Tensor& tensor, bool along_depth) {
  return {tensor.data_ptr(), tensor.size(-1), along_depth};
}

GemmResult ResultOf(const at::Tensor& out, const at::Tensor& addend) {
  const bool bf16 = out.scalar_type() == at::kBFloat16;
  return {out.data_ptr(), out.size(-1), bf16 ? GemmResult::Kind::kBf16 : GemmResult::Kind::kF32,
          addend.defined() ? addend.data_ptr<float>() : nullptr};
}

}  // namespace lwq::qat
