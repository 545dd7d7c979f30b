// SPDX-License-Identifier: Apache-2.0
// Explains and verifies an exported model, whoever wrote it: every header, every shape, every value that can be wrong.
//
//   a folder with config.json     gptq_v2, gptq (version 1), compressed_tensors, EfficientQAT's own layout (no
//                                 quantization_config; three bits in ten codes a word), or a plain model
//   a GGUF file, or its folder    as llama.cpp reads it
//   a safetensors file            its header alone: which model its tensors belong to is not known
//
// What is wrong with an export is in its faults; an error is returned only where nothing can be said of it: NOT_FOUND,
// or INVALID_ARGUMENT for what is neither of these. All tensors are read once; one is in memory at a time.
// Thread-safety: free functions, any thread.
#pragma once

#include <functional>
#include <string>

#include "common/export/inspect/inspection.h"
#include "common/status/status.h"

namespace lwq::qat {

// `go_on` (may be null) is asked before every block; its error ends the inspection.
StatusOr<Inspection> InspectExport(const std::string& path, const std::function<Status()>& go_on);

}  // namespace lwq::qat
