// SPDX-License-Identifier: Apache-2.0
// The quantization_config of compressed-tensors, as far as weights packed as integers go.
//
// {"quant_method":"compressed-tensors","format":"pack-quantized","ignore":["lm_head"],
//  "config_groups":{"group_0":{"targets":["re:.*layers\\.(0|31)\\..*_proj$"],
//                              "weights":{"num_bits":2,"type":"int","symmetric":false,"strategy":"group",
//                                         "group_size":64}}, …}}
// A target is "Linear" (every linear that no other target names), a module's name, or "re:" and an expression that
// matches at the beginning of a name. What `ignore` names is at full precision. Strategies: group, channel (one scale a
// row). Symmetric weights have no zero points in the file.
//
// Anything else (other formats, quantized activations or caches, transforms, groups in activation order) is
// FAILED_PRECONDITION naming it; a wrong type or an invalid expression is INVALID_ARGUMENT. Source: compressed-tensors
// 0.20.0. Thread-safety: a free function, any thread.
#pragma once

#include "common/json/json.h"
#include "common/model/module_rules.h"
#include "common/status/status.h"

namespace lwq {

StatusOr<ModuleRules> ParseCompressedTensorsConfig(const Json& quantization_config);

}  // namespace lwq
