// SPDX-License-Identifier: Apache-2.0
// What llama.cpp calls a model's architecture, and whether it can compute it.
//
// A GGUF file says an architecture by name; what llama.cpp's code for it does not have (a window, a bias, a way of
// scaling rotations) would be left out there without a word, so such models are refused. Written for b11549; no
// refusal and no architecture was run with it yet (scripts/consumers_gguf runs one model at a time).
// Pure; used by the coordinator before a run begins, and by the exporter.
#pragma once

#include <string_view>

#include "common/model/llama_config.h"
#include "common/status/status.h"

namespace lwq {

struct LlamaCppModel {
  std::string_view architecture;  // "llama", "qwen2", "qwen3": what its keys begin with
  // It rotates neighbouring elements of a head where transformers rotates its halves: the rows of q and k are stored
  // interleaved.
  bool interleaved_heads = false;
};

// FAILED_PRECONDITION: a clause that says what llama.cpp lacks and, where there is any, what to do.
StatusOr<LlamaCppModel> LlamaCppModelOf(const LlamaConfig& config);

}  // namespace lwq
