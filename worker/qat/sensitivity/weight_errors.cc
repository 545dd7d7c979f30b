// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/api/sensitivity.h"
#include "worker/qat/device/torch_guard.h"
#include "worker/qat/model/load_block.h"

namespace lwq::qat {
namespace {

// In the order of the elements, so that the sum has the same bits on every machine.
double SquaredDistance(const at::Tensor& a, const at::Tensor& b) {
  const auto* x = a.data_ptr<float>();
  const auto* y = b.data_ptr<float>();
  double sum = 0;
  for (int64_t i = 0; i < a.numel(); ++i) {
    const double difference = static_cast<double>(x[i]) - static_cast<double>(y[i]);
    sum += difference * difference;
  }
  return sum;
}

}  // namespace

StatusOr<std::vector<double>> WeightErrors(const LlamaConfig& config, const BlockState& block,
                                           const std::vector<RtnOptions>& choices) {
  return TorchGuard("measuring weight errors", [&]() -> StatusOr<std::vector<double>> {
    std::vector<double> errors;
    for (const RtnOptions& choice : choices) {
      LWQ_ASSIGN_OR_RETURN(const BlockState quantized, QuantizeRtn(config, block, choice));
      double error = 0;
      for (const LinearKind kind : kAllLinears) {
        error += SquaredDistance(LoadLinear(config, block, kind, at::kFloat, at::kCPU).contiguous(),
                                 LoadLinear(config, quantized, kind, at::kFloat, at::kCPU).contiguous());
      }
      errors.push_back(error);
    }
    return errors;
  });
}

}  // namespace lwq::qat
