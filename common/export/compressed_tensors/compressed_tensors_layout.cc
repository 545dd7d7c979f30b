// SPDX-License-Identifier: Apache-2.0
// compressed_tensors: the tensors of every quantized linear (packed_linear.h) and compressed-tensors'
// quantization_config in config.json; no other file.
#include <utility>

#include "common/export/compressed_tensors/compressed_tensors_export_config.h"
#include "common/export/compressed_tensors/packed_linear.h"
#include "common/export/integer_layout.h"
#include "common/export_format/compressed_tensors.h"

namespace lwq::qat {
namespace {

Status AddPackedLinear(const QuantizedLinear& linear, const std::string& name, ZeroPoints zero_points,
                       HalfRounding* scales, NamedTensors& tensors) {
  LWQ_ASSIGN_OR_RETURN(PackedLinear packed, PackLinear(linear, name, scales, zero_points));
  const auto add = [&](std::string_view suffix, HostTensor tensor) {
    tensors[absl::StrCat(name, suffix)] = std::move(tensor);
  };
  add(kPackedWeight, std::move(packed.weight));
  add(kPackedScale, std::move(packed.scale));
  if (packed.zero_point.has_value()) add(kPackedZeroPoint, *std::move(packed.zero_point));
  add(kPackedShape, std::move(packed.shape));
  return absl::OkStatus();
}

}  // namespace

template <>
std::unique_ptr<ExportLayout> LayoutOf<ExportFormat::kCompressedTensors>() {
  return MakeIntegerLayout({.config = MakeCompressedTensorsConfig, .pack = AddPackedLinear});
}

}  // namespace lwq::qat
