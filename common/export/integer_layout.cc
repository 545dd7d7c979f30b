// SPDX-License-Identifier: Apache-2.0
#include "common/export/integer_layout.h"

namespace lwq::qat {
namespace {

class IntegerLayout : public ExportLayout {
 public:
  explicit IntegerLayout(const IntegerFormat& format) : format_(format) {}

  Status Begin(const ExportedModel& model) override {
    zero_points_ = model.zero_points;
    return absl::OkStatus();
  }

  StatusOr<SmallFiles> Configure(const std::vector<BlockFormat>& blocks, Json& config) override {
    LWQ_ASSIGN_OR_RETURN(const Json quantization, format_.config(blocks, zero_points_));
    config["quantization_config"] = quantization;
    if (format_.config_file == nullptr) return SmallFiles{};
    return SmallFiles{{format_.config_file, quantization.dump(2) + "\n"}};
  }

  Status Add(const QuantizedLinear& linear, const std::string& name, NamedTensors& tensors) override {
    return format_.pack(linear, name, zero_points_, &scales_, tensors);
  }

  void AddMetrics(Json& metrics) const override {
    metrics["scales_rounded"] = scales_.changed;
    metrics["max_scale_rounding"] = scales_.max_relative_error;
  }

 private:
  const IntegerFormat format_;
  ZeroPoints zero_points_ = ZeroPoints::kAny;
  HalfRounding scales_;
};

}  // namespace

std::unique_ptr<ExportLayout> MakeIntegerLayout(const IntegerFormat& format) {
  return std::make_unique<IntegerLayout>(format);
}

}  // namespace lwq::qat
