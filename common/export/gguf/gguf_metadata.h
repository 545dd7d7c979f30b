// SPDX-License-Identifier: Apache-2.0
// What llama.cpp must know of a model beside its tensors: shape, rotations, tokenizer, chat template.
//
// Every key that it reads for these architectures and that has a default there is written all the same: a wrong base of
// rotations, a missing pre-tokenizer or BOS load without a word. Our own keys begin with "lwq.". Thread-safety: pure.
#pragma once

#include <optional>
#include <string>

#include "common/artifact/tensor.h"
#include "common/export/gguf/gguf_value.h"
#include "common/model/llama_config.h"
#include "common/model/llama_cpp_model.h"
#include "common/tokenizer/llama_cpp_vocabulary.h"

namespace lwq::qat {

struct GgufModel {
  const LlamaConfig& config;
  LlamaCppModel llama_cpp;
  LlamaCppVocabulary vocabulary;
  std::optional<std::string> chat_template = std::nullopt;
  // The file's weights are the checkpoints' (docs/formats.md): false where 4 bits went into
  // Q4_1.
  bool exact = true;
};

// Takes the vocabulary out of it.
GgufMetadata MakeGgufMetadata(GgufModel model);

// By what the rotation of each pair of a head is slowed (rope type llama3): F32 [head_dim / 2], which llama.cpp takes
// as a tensor of this name; nothing for models without. Source: transformers 5.23, "llama3" of its rope utilities.
inline constexpr char kRopeFactorsTensor[] = "rope_freqs.weight";
std::optional<HostTensor> RopeFactors(const LlamaConfig& config);

}  // namespace lwq::qat
