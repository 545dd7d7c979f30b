// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/model/fused_head.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "worker/qat/device/threads.h"
#include "worker/qat/fused/row_kernels.h"
#include "worker/qat/gemm/gemm.h"

namespace lwq::qat {
namespace {

// A strip's packed columns stay in the second cache.
constexpr int64_t kHeadStripBytes = 1 << 20;
int64_t StripPanels(int64_t panel_bytes) {
  return std::clamp<int64_t>(kHeadStripBytes / panel_bytes, 4, 16);
}

// What a strip of the vocabulary says of a row.
struct StripSum {
  float maximum = -std::numeric_limits<float>::infinity();
  float sum = 0;
};

// All rows against the whole vocabulary.
class Scoring {
 public:
  Scoring(const LlamaConfig& config, const HeadTensors& head, const at::Tensor& rows, const at::Tensor& ids,
          int64_t seqlen)
      : gemm_(ActiveGemmKernels(head.lm_head.scalar_type() == at::kBFloat16)),
        kernels_(ActiveRowKernels(head.lm_head.scalar_type() == at::kBFloat16)),
        head_(head),
        rows_(rows.size(0)),
        depth_(rows.size(1)),
        seqlen_(seqlen),
        ids_(ids.data_ptr<int64_t>()),
        panel_bytes_(GemmBlocks(depth_) * gemm_.block_bytes),
        strip_(StripPanels(panel_bytes_) * kPanel),
        strips_((head.lm_head.size(0) + strip_ - 1) / strip_),
        normal_(at::empty({rows_, depth_}, head.lm_head.scalar_type())),
        in_place_(ReadsInPlace(gemm_, OperandOf(normal_, true), kPanel, depth_)),
        packed_((in_place_ ? 1 : GemmBlocks(rows_)) * panel_bytes_),
        panels_(static_cast<size_t>(GemmBlocks(rows_))),
        sums_(static_cast<size_t>(strips_ * rows_)),
        targets_(static_cast<size_t>(rows_), 0.0f) {
    ParallelFor(GemmBlocks(rows_), 1, [&](int64_t first, int64_t last) {
      for (int64_t p = first; p < last; ++p) {
        const int64_t count = std::min(kPanel, rows_ - p * kPanel);
        for (int64_t row = p * kPanel; row < p * kPanel + count; ++row) {
          float inverse = 0;
          auto* out = static_cast<std::byte*>(normal_.data_ptr()) + row * depth_ * gemm_.element_bytes;
          kernels_.rms_norm(rows.data_ptr<float>() + row * depth_, head.final_norm.data_ptr<float>(), depth_,
                            static_cast<float>(config.rms_norm_eps), out, &inverse);
        }
        // Only the last panel is ever packed where others need not be.
        panels_[static_cast<size_t>(p)] = RowsForProduct(gemm_, OperandOf(normal_, true), p * kPanel, count, depth_,
                                                         packed_.data() + (in_place_ ? 0 : p * panel_bytes_));
      }
    });
    if (!in_place_) normal_.reset();
  }

  std::vector<double> Means() {
    ParallelFor(strips_, 1, [&](int64_t first, int64_t last) {
      const GemmScratch columns(strip_ / kPanel * panel_bytes_), logits(kPanel * strip_ * 4);
      gemm_.begin();
      for (int64_t strip = first; strip < last; ++strip) {
        ScoreStrip(strip, columns.data(), reinterpret_cast<float*>(logits.data()));
      }
      gemm_.end();
    });
    std::vector<double> means;
    for (int64_t sample = 0; sample < rows_; sample += seqlen_) {
      double total = 0;
      for (int64_t row = sample; row < sample + seqlen_ - 1; ++row) total += RowLoss(row);
      means.push_back(total / static_cast<double>(seqlen_ - 1));
    }
    return means;
  }

 private:
  void ScoreStrip(int64_t strip, std::byte* columns, float* logits) {
    const int64_t begin = strip * strip_, width = std::min(strip_, head_.lm_head.size(0) - begin);
    for (int64_t column = 0; column < width; column += kPanel) {
      gemm_.pack_columns(OperandOf(head_.lm_head, true), begin + column, std::min(kPanel, width - column), depth_,
                         columns + column / kPanel * panel_bytes_);
    }
    for (int64_t first = 0; first < rows_; first += kPanel) {
      const int64_t count = std::min(kPanel, rows_ - first);
      gemm_.multiply(panels_[static_cast<size_t>(first / kPanel)], columns, panel_bytes_, GemmBlocks(depth_), count,
                     width, {logits, strip_, GemmResult::Kind::kF32, nullptr});
      for (int64_t i = 0; i < count; ++i) {
        const int64_t row = first + i;
        StripSum& sum = sums_[static_cast<size_t>(strip * rows_ + row)];
        kernels_.add_to_log_sum(logits + i * strip_, width, &sum.maximum, &sum.sum);
        if (row % seqlen_ == seqlen_ - 1) continue;
        const int64_t next = ids_[row + 1] - begin;
        if (next >= 0 && next < width) targets_[static_cast<size_t>(row)] = logits[i * strip_ + next];
      }
    }
  }

  double RowLoss(int64_t row) const {
    float maximum = -std::numeric_limits<float>::infinity();
    for (int64_t strip = 0; strip < strips_; ++strip) {
      const float other = sums_[static_cast<size_t>(strip * rows_ + row)].maximum;
      if (other > maximum || std::isnan(other)) maximum = other;
    }
    double sum = 0;
    for (int64_t strip = 0; strip < strips_; ++strip) {
      const StripSum& part = sums_[static_cast<size_t>(strip * rows_ + row)];
      sum += static_cast<double>(part.sum) * std::exp(static_cast<double>(part.maximum) - static_cast<double>(maximum));
    }
    return static_cast<double>(maximum) + std::log(sum) - static_cast<double>(targets_[static_cast<size_t>(row)]);
  }

  const GemmKernels& gemm_;
  const RowKernels& kernels_;
  const HeadTensors& head_;
  int64_t rows_, depth_, seqlen_;
  const int64_t* ids_;
  int64_t panel_bytes_, strip_, strips_;
  at::Tensor normal_;  // rows after the final norm; undefined when all of them are packed
  bool in_place_;
  GemmScratch packed_;
  std::vector<GemmRows> panels_;
  std::vector<StripSum> sums_;  // [strips, rows]
  std::vector<float> targets_;
};

}  // namespace

bool CanFuseHead(const HeadTensors& head, const at::Tensor& hidden) {
  const at::ScalarType type = head.lm_head.scalar_type();
  return HasGemmKernels() && (type == at::kFloat || type == at::kBFloat16) && head.lm_head.is_cpu() &&
         head.lm_head.is_contiguous() && head.final_norm.is_contiguous() &&
         head.final_norm.scalar_type() == at::kFloat && hidden.is_cpu() && hidden.scalar_type() == at::kFloat;
}

std::vector<double> FusedSampleLosses(const LlamaConfig& config, const HeadTensors& head, const at::Tensor& hidden,
                                      const at::Tensor& ids) {
  const at::Tensor rows = hidden.contiguous().view({-1, hidden.size(-1)});
  return Scoring(config, head, rows, ids.contiguous(), hidden.size(1)).Means();
}

}  // namespace lwq::qat
