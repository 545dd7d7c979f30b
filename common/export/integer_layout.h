// SPDX-License-Identifier: Apache-2.0
// The concept behind gptq_v2, gptq and compressed_tensors: codes and zero points packed as integers beside fp16 scales,
// in safetensors, under a quantization_config that says how. Two functions are what such a format is.
//
// Thread-safety: none, as ExportLayout's.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/export/export_layout.h"
#include "common/export/half.h"

namespace lwq::qat {

struct IntegerFormat {
  // quantization_config of config.json. INVALID_ARGUMENT where nothing is quantized.
  StatusOr<Json> (*config)(const std::vector<BlockFormat>& blocks, ZeroPoints zero_points) = nullptr;
  // Adds the linear's tensors, each `name` and its suffix, and what the fp16 scales cost to `scales`. INVALID_ARGUMENT
  // naming `name` for values that the format cannot hold.
  Status (*pack)(const QuantizedLinear& linear, const std::string& name, ZeroPoints zero_points, HalfRounding* scales,
                 NamedTensors& tensors) = nullptr;
  const char* config_file = nullptr;  // which holds the config once more, beside config.json; null: none does
};

// An implementation whose metrics are scales_rounded and max_scale_rounding.
std::unique_ptr<ExportLayout> MakeIntegerLayout(const IntegerFormat& format);

}  // namespace lwq::qat
