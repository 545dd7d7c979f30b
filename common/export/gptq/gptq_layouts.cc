// SPDX-License-Identifier: Apache-2.0
// gptq_v2 and gptq: qweight, qzeros, scales and g_idx of every quantized linear (gptq_linear.h), and GPTQ's config
// (gptq_export_config.h) both as quantize_config.json and in config.json.
#include <utility>

#include "common/export/gptq/gptq_export_config.h"
#include "common/export/gptq/gptq_linear.h"
#include "common/export/integer_layout.h"
#include "common/export/quantized_linear.h"

namespace lwq::qat {
namespace {

template <ExportFormat kFormat>
Status AddGptqLinear(const QuantizedLinear& linear, const std::string& name, ZeroPoints zero_points,
                     HalfRounding* scales, NamedTensors& tensors) {
  if (zero_points == ZeroPoints::kSymmetric) LWQ_RETURN_IF_ERROR(CheckSymmetric(linear, name));
  LWQ_ASSIGN_OR_RETURN(GptqTensors packed, PackGptq(linear, name, scales, StoredZerosOf(kFormat)));
  tensors[name + ".qweight"] = std::move(packed.qweight);
  tensors[name + ".qzeros"] = std::move(packed.qzeros);
  tensors[name + ".scales"] = std::move(packed.scales);
  tensors[name + ".g_idx"] = std::move(packed.g_idx);
  return absl::OkStatus();
}

template <ExportFormat kFormat>
StatusOr<Json> GptqConfigOf(const std::vector<BlockFormat>& blocks, ZeroPoints zero_points) {
  return MakeGptqConfig(blocks, zero_points, kFormat);
}

template <ExportFormat kFormat>
std::unique_ptr<ExportLayout> MakeGptqLayout() {
  return MakeIntegerLayout(
      {.config = GptqConfigOf<kFormat>, .pack = AddGptqLinear<kFormat>, .config_file = "quantize_config.json"});
}

}  // namespace

template <>
std::unique_ptr<ExportLayout> LayoutOf<ExportFormat::kGptqV2>() {
  return MakeGptqLayout<ExportFormat::kGptqV2>();
}

template <>
std::unique_ptr<ExportLayout> LayoutOf<ExportFormat::kGptq>() {
  return MakeGptqLayout<ExportFormat::kGptq>();
}

}  // namespace lwq::qat
