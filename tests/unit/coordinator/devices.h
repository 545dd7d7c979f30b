// SPDX-License-Identifier: Apache-2.0
// Simulated devices, and a model that does not fit the small ones.
#pragma once

#include <string>

#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator::testing {

struct Device {
  std::string base;
  int64_t memory_bytes = 0;
  bool hardware_bf16 = true;
};

inline const Device kA10080{"A100-80|sm80|torch", int64_t{80} << 30};
inline const Device kA10040{"A100-40|sm80|torch", int64_t{40} << 30};
inline const Device kL4{"L4|sm89|torch", int64_t{24} << 30};
inline const Device kCpu{"EPYC|avx512|torch", int64_t{64} << 30, false};

inline WorkerRecord WorkerOn(const Device& device, const std::string& name) {
  WorkerRecord worker = WorkerNamed(name, device.base);
  worker.device = device.base;
  worker.memory_bytes = device.memory_bytes;
  worker.hardware_bf16 = device.hardware_bf16;
  return worker;
}

// A Llama of the given width in two blocks, with the data of BlockApSpec.
inline RunSpec WideSpec(int64_t hidden, int64_t intermediate, int64_t heads, int64_t key_value_heads,
                        int64_t batch_size) {
  RunSpec spec = BlockApSpec(2);
  spec.model->name = absl::StrCat("wide-", hidden);
  spec.model->files = NamedArtifact(spec.model->name);
  Json config = *ParseJson(spec.model->config_json, "config");
  config["hidden_size"] = hidden;
  config["intermediate_size"] = intermediate;
  config["num_attention_heads"] = heads;
  config["num_key_value_heads"] = key_value_heads;
  config["vocab_size"] = 32000;
  config["max_position_embeddings"] = 4096;
  spec.model->config_json = CanonicalJson(config);
  spec.recipe.training_seqlen = 2048;
  spec.recipe.ppl_seqlen = 2048;
  spec.recipe.batch_size = batch_size;
  return spec;
}

// Blocks as wide as Llama-2-70B's: more than 24 GiB to train.
inline RunSpec LargeSpec() {
  return WideSpec(8192, 28672, 64, 8, 2);
}

}  // namespace lwq::coordinator::testing
