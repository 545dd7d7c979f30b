// SPDX-License-Identifier: Apache-2.0
// The architectures this program computes, one row each: what tells them apart from Llama, and what their config.json
// means where it is silent. Checked against transformers 5.23 (tests/numerics/golden/models). Private to common/model.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/json/json.h"
#include "common/status/status.h"

namespace lwq::internal {

// Which of a block's linears have a bias.
enum class AttentionBias {
  kNever,             // whatever the file says
  kByKey,             // q, k, v and o where "attention_bias" is true
  kQueryKeyAndValue,  // q, k and v, always
};

// How "sliding_window" is meant.
enum class WindowRule {
  kNone,    // there is none, whatever the file says
  kAlways,  // every block has it where it is a number; 4096 where the key is absent
  kOptIn,   // with "use_sliding_window", in the blocks that "layer_types" names or that follow "max_window_layers"
};

struct Architecture {
  std::string_view name;        // "LlamaForCausalLM"
  std::string_view model_type;  // "llama"
  AttentionBias attention_bias = AttentionBias::kNever;
  bool mlp_bias_key = false;     // "mlp_bias" gives gate, up and down a bias
  bool query_key_norms = false;  // an RMSNorm over each head of q and of k, before the rotation
  WindowRule window = WindowRule::kNone;
  int64_t num_key_value_heads = 0;  // where the key is absent; 0: as many as attention heads
  int64_t head_dim = 0;             // where the key is absent; 0: hidden_size / num_attention_heads
  int64_t max_position_embeddings = 2048;
  int64_t bos_token_id = -1;
  int64_t eos_token_id = -1;
};

// By "architectures", or by "model_type" where that is absent. FAILED_PRECONDITION naming what is not supported and
// what is; INVALID_ARGUMENT where the two are not what they must be.
StatusOr<const Architecture*> ArchitectureOf(const Json& config);

}  // namespace lwq::internal
