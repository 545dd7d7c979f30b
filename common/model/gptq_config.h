// SPDX-License-Identifier: Apache-2.0
// GPTQ's quantization config: the JSON object that is both quantize_config.json and config.json's
// "quantization_config".
//
// {"bits":2,"group_size":64,"desc_act":false,"sym":false,"lm_head":false,
//  "quant_method":"gptq","checkpoint_format":"gptq_v2","pack_dtype":"int32","meta":{"quantizer":["lwq:0.1.0"]},
//  "dynamic":{"+:^model\\.layers\\.(0|31)\\..*":{"bits":8,"group_size":64},"-:…":{}}}
// `dynamic` overrides per module: a regular expression matched at the beginning of the module's name; "-:" keeps the
// module at full precision, "+:" or nothing overrides bits and group size.
//
// Read: quant_method "gptq", checkpoint_format "gptq_v2" or "gptq" (version 1, also where there is none), bits 2, 3, 4,
// 8, desc_act false. Anything else is
// FAILED_PRECONDITION naming it and what to do; a wrong type or an invalid regular expression is INVALID_ARGUMENT.
// Thread-safety: a free function, any thread.
#pragma once

#include "common/json/json.h"
#include "common/model/module_rules.h"
#include "common/status/status.h"

namespace lwq {

StatusOr<ModuleRules> ParseGptqConfig(const Json& quantization_config);

}  // namespace lwq
