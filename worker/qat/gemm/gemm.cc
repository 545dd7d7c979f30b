#include "worker/qat/gemm/gemm.h"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "worker/qat/runtime/threads.h"

namespace lwq::qat {
namespace {

// Packed columns that stay in the second cache meet one panel of rows after another; larger ones come panel by panel to
// the panels of rows that stay there. Measured on 2 MiB of cache.
constexpr int64_t kCachedColumnBytes = 1280 << 10;
constexpr int64_t kCachedRowBytes = 1 << 20;
constexpr int64_t kRowPanels = 8;

int64_t RowPanelsTogether(const PackedColumns& b, int64_t panel_bytes) {
  if (GemmBlocks(b.columns()) * panel_bytes <= kCachedColumnBytes) return 1;
  return std::clamp<int64_t>(kCachedRowBytes / panel_bytes, 1, kRowPanels);
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

void MultiplyPacked(const GemmKernels& kernels, const GemmOperand& a, int64_t rows, const PackedColumns& b,
                    const GemmResult& result) {
  const int64_t panel_bytes = GemmBlocks(b.depth()) * kernels.block_bytes;
  const int64_t together = RowPanelsTogether(b, panel_bytes);
  const int64_t result_bytes = result.kind == GemmResult::Kind::kBf16 ? 2 : 4;
  ParallelFor(GemmBlocks(rows), 1, [&](int64_t first, int64_t last) {
    const GemmScratch scratch(std::min(together, last - first) * panel_bytes);
    kernels.begin();
    for (int64_t begin = first; begin < last; begin += together) {
      const int64_t end = std::min(last, begin + together);
      for (int64_t p = begin; p < end; ++p) {
        kernels.pack_rows(a, p * kPanel, std::min(kPanel, rows - p * kPanel), b.depth(),
                          scratch.data() + (p - begin) * panel_bytes);
      }
      for (int64_t column = 0; column < b.columns(); column += kPanel) {
        for (int64_t p = begin; p < end; ++p) {
          GemmResult corner = result;
          const int64_t offset = p * kPanel * result.stride + column;
          corner.data = static_cast<std::byte*>(result.data) + offset * result_bytes;
          if (corner.addend != nullptr) corner.addend += offset;
          kernels.multiply(scratch.data() + (p - begin) * panel_bytes, b.panel(column / kPanel), GemmBlocks(b.depth()),
                           std::min(kPanel, rows - p * kPanel), std::min(kPanel, b.columns() - column), corner);
        }
      }
    }
    kernels.end();
  });
}

void LinearInto(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& out, const at::Tensor& addend) {
  const GemmKernels& kernels = KernelsFor(x);
  const PackedColumns columns(kernels, OperandOf(weight, true), weight.size(0), weight.size(1));
  MultiplyPacked(kernels, OperandOf(x, true), Rows(x), columns, ResultOf(out, addend));
}

void LinearInputGradientInto(const at::Tensor& dy, const at::Tensor& weight, const at::Tensor& out,
                             const at::Tensor& addend) {
  const GemmKernels& kernels = KernelsFor(dy);
  const PackedColumns columns(kernels, OperandOf(weight, false), weight.size(1), weight.size(0));
  MultiplyPacked(kernels, OperandOf(dy, true), Rows(dy), columns, ResultOf(out, addend));
}

PackedColumns PackForWeightGradients(const at::Tensor& x) {
  return PackedColumns(KernelsFor(x), OperandOf(x, false), x.size(-1), Rows(x));
}

void LinearWeightGradientInto(const at::Tensor& dy, const PackedColumns& x, const at::Tensor& out) {
  MultiplyPacked(KernelsFor(dy), OperandOf(dy, false), dy.size(-1), x, ResultOf(out));
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
