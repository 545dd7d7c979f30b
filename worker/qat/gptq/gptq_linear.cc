// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/gptq/gptq_linear.h"

#include <ATen/ops/argsort.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/round.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "worker/qat/device/host_tensor.h"
#include "worker/qat/device/threads.h"
#include "worker/qat/gptq/round_columns.h"
#include "worker/qat/quant/quantizer_reference.h"

namespace lwq::qat {
namespace {

// Outputs that a thread takes at least.
constexpr int64_t kOutputGrain = 32;

float LargestCode(int bits) {
  return static_cast<float>((1 << bits) - 1);
}

// One weight on its way: everything by columns, in the order in which they are rounded.
class Rounding {
 public:
  Rounding(const at::Tensor& weight, const ReadColumns& columns, const GptqOptions& options)
      : original_(weight),
        read_(columns),
        options_(options),
        outputs_(weight.size(0)),
        inputs_(weight.size(1)),
        group_(ResolveGroupSize(inputs_, options.group_size)),
        weights_(ColumnsInOrder(0, inputs_).clone(at::MemoryFormat::Contiguous)),
        errors_(at::empty({kMostBatchColumns, outputs_}, weight.options())),
        codes_(at::empty({inputs_, outputs_}, weight.options().dtype(at::kByte))),
        scales_(at::empty({inputs_ / group_, outputs_}, weight.options())),
        zeros_(at::empty_like(scales_)) {
    CheckBits(options.bits);
    if (HasStaticGroups()) SetQuantizers(0, weight);
  }

  RoundedLinear Run() {
    double squared_errors = 0;
    for (int64_t first = 0; first < inputs_;) {
      const int64_t count = BatchAt(first);
      if (!HasStaticGroups() && first % group_ == 0) {
        SetQuantizers(first / group_, weights_.narrow(0, first, group_).t());
      }
      squared_errors += RoundBatch(first, count);
      PassOn(first, count);
      first += count;
    }
    return Result(squared_errors);
  }

 private:
  // Groups that are settled before the first column is rounded.
  bool HasStaticGroups() const { return options_.desc_act || group_ == inputs_; }

  // Batches end where a group's columns must have been made up for: where the next begins.
  int64_t BatchAt(int64_t first) const {
    const int64_t most = std::min(kMostBatchColumns, inputs_ - first);
    return HasStaticGroups() ? most : std::min(most, group_ - first % group_);
  }

  // The original columns [count, out] from `first` on in the order of rounding.
  at::Tensor ColumnsInOrder(int64_t first, int64_t count) const {
    if (!read_.order.defined()) return original_.t().narrow(0, first, count);
    return original_.t().index_select(0, read_.order.narrow(0, first, count));
  }
  // Back from the order of rounding.
  at::Tensor ByColumn(const at::Tensor& in_order) const {
    return read_.order.defined() ? at::empty_like(in_order).index_copy_(0, read_.order, in_order) : in_order;
  }

  // Of the groups from `group` on that the columns [out, columns] are.
  void SetQuantizers(int64_t group, const at::Tensor& columns) {
    const double min_scale = options_.fp16_scales ? kMinScale : kEfficientQatMinScale;
    const QuantizerInit init =
        InitQuantizer(columns, options_.bits, group_, options_.range_contains_zero, min_scale, options_.zero_points);
    const int64_t groups = columns.size(1) / group_;
    const at::Tensor scale = options_.fp16_scales ? RoundScaleToFp16Ste(init.scale) : init.scale;
    scales_.narrow(0, group, groups).copy_(scale.view({outputs_, groups}).t());
    const at::Tensor zero = at::round(init.zero_point).clamp_(0, LargestCode(options_.bits));
    zeros_.narrow(0, group, groups).copy_(zero.view({outputs_, groups}).t());
  }

  std::vector<int64_t> GroupsOf(int64_t first, int64_t count) const {
    std::vector<int64_t> groups(static_cast<size_t>(count));
    const int64_t* order = read_.order.defined() ? read_.order.data_ptr<int64_t>() : nullptr;
    for (int64_t i = 0; i < count; ++i) {
      groups[static_cast<size_t>(i)] = (order == nullptr ? first + i : order[first + i]) / group_;
    }
    return groups;
  }

  // Returns the sum of the squared errors.
  double RoundBatch(int64_t first, int64_t count) {
    const std::vector<int64_t> groups = GroupsOf(first, count);
    const ColumnBatch batch = {.columns = count,
                               .outputs = outputs_,
                               .weights = weights_.data_ptr<float>() + first * outputs_,
                               .factor = read_.factor.upper.data_ptr<float>() + first * (inputs_ + 1),
                               .factor_stride = inputs_,
                               .scales = scales_.data_ptr<float>(),
                               .zeros = zeros_.data_ptr<float>(),
                               .groups = groups.data(),
                               .max_code = LargestCode(options_.bits),
                               .errors = errors_.data_ptr<float>(),
                               .codes = codes_.data_ptr<uint8_t>() + first * outputs_};
    ParallelFor(outputs_, kOutputGrain, [&](int64_t begin, int64_t end) { RoundColumns(batch, begin, end); });
    return errors_.narrow(0, 0, count).to(at::kDouble).square_().sum().item<double>();
  }

  // The batch's errors to all columns behind it.
  void PassOn(int64_t first, int64_t count) {
    const int64_t next = first + count;
    if (next == inputs_) return;
    const at::Tensor factor = read_.factor.upper.narrow(0, first, count).narrow(1, next, inputs_ - next);
    weights_.narrow(0, next, inputs_ - next).addmm_(factor.t(), errors_.narrow(0, 0, count), /*beta=*/1, /*alpha=*/-1);
  }

  // ‖W − Q‖² of each position.
  at::Tensor SquaredDifferences() const {
    const std::vector<int64_t> groups = GroupsOf(0, inputs_);
    at::Tensor sums = at::empty({inputs_}, original_.options().dtype(at::kDouble));
    for (int64_t first = 0; first < inputs_; first += kMostBatchColumns) {
      const int64_t count = std::min(kMostBatchColumns, inputs_ - first);
      const at::Tensor group = at::empty({count}, original_.options().dtype(at::kLong));
      std::copy_n(groups.data() + first, count, group.data_ptr<int64_t>());
      const at::Tensor served = codes_.narrow(0, first, count)
                                    .to(at::kFloat)
                                    .sub_(zeros_.index_select(0, group))
                                    .mul_(scales_.index_select(0, group));
      sums.narrow(0, first, count).copy_(served.sub_(ColumnsInOrder(first, count)).to(at::kDouble).square_().sum(1));
    }
    return sums;
  }

  // The errors e are (W − Q) U⁻¹, so that Σ e² = tr((W − Q) (H + λ) (W − Q)ᵀ); what was added to the diagonal is no
  // error, nor is anything of a dead column.
  double ErrorOf(double squared_errors) const {
    const at::Tensor by_column = ByColumn(SquaredDifferences());
    const double dead = by_column.masked_select(read_.dead).sum().item<double>();
    const double live = by_column.sum().item<double>() - dead;
    return std::max(0.0, squared_errors - read_.factor.lambda * live - read_.factor.dead_diagonal * dead);
  }

  RoundedLinear Result(double squared_errors) const {
    RoundedLinear rounded;
    rounded.error = std::isfinite(squared_errors) ? ErrorOf(squared_errors) : squared_errors;
    rounded.latent = ByColumn(weights_).t().contiguous();
    QuantizedLinear& linear = rounded.quantized;
    linear.bits = options_.bits;
    linear.group_size = group_;
    linear.out_features = outputs_;
    linear.in_features = inputs_;
    linear.codes = ToHostTensor(ByColumn(codes_).t().contiguous());
    linear.scales = ToHostTensor(scales_.t().contiguous());
    linear.zeros = ToHostTensor(zeros_.t().to(at::kByte).contiguous());
    return rounded;
  }

  const at::Tensor& original_;  // [out, in]
  const ReadColumns& read_;
  const GptqOptions& options_;
  int64_t outputs_;
  int64_t inputs_;
  int64_t group_;
  at::Tensor weights_;  // [in, out]: yet to be rounded, with what was passed on; then the latent ones
  at::Tensor errors_;   // [batch, out]
  at::Tensor codes_;    // U8 [in, out]
  at::Tensor scales_;   // [groups, out]
  at::Tensor zeros_;
};

}  // namespace

std::optional<ReadColumns> ReadColumnsOf(at::Tensor hessian, const GptqOptions& options) {
  ReadColumns columns;
  columns.dead = DeadColumns(hessian);
  if (options.desc_act) {
    columns.order = at::argsort(hessian.diagonal(), /*stable=*/true, /*dim=*/0, /*descending=*/true);
    hessian = hessian.index_select(0, columns.order).index_select(1, columns.order);
  }
  std::optional<InverseFactor> factor = FactorOfInverse(hessian, options.damp_percent);
  if (!factor.has_value()) return std::nullopt;
  columns.factor = *std::move(factor);
  return columns;
}

RoundedLinear RoundByGptq(const at::Tensor& weight, const ReadColumns& columns, const GptqOptions& options) {
  return Rounding(weight, columns, options).Run();
}

}  // namespace lwq::qat
