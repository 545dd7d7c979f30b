// SPDX-License-Identifier: Apache-2.0
// The third-party reference numbers and the small model they were computed with, for numerics tests.
//
// They live outside the repository: in $LWQ_REFERENCE, or beside the source tree. Tests that need them call
// LWQ_NEEDS_REFERENCE() first, which skips where they are absent.
#pragma once

#include <string>
#include <vector>

#include "common/artifact/safetensors.h"
#include "common/artifact/samples.h"
#include "common/json/json.h"
#include "common/model/llama_config.h"
#include "gtest/gtest.h"
#include "worker/qat/api/block.h"
#include "worker/qat/api/block_ops.h"

namespace lwq::qat {

// Empty where there are none.
std::string ReferenceDirectory();

#define LWQ_NEEDS_REFERENCE()                                                                            \
  if (::lwq::qat::ReferenceDirectory().empty()) {                                                        \
    GTEST_SKIP() << "no reference numbers: set LWQ_REFERENCE to the folder that holds logits.json etc."; \
  }

std::string ReadText(const std::string& path);

// All of these abort the test binary with the status when a file is missing or damaged.
Json ReadJson(const std::string& path);
SafetensorsFile OpenSafetensors(const std::string& path);

struct ReferenceModel {
  LlamaConfig config;
  HeadWeights head;
  std::vector<BlockState> blocks;  // full precision
};
// `name`: "stories260k" or "stories260k_h192".
ReferenceModel LoadReferenceModel(const std::string& name);
// Any directory with config.json and model.safetensors.
ReferenceModel LoadModelDirectory(const std::string& directory);

// Consecutive windows of `seqlen` from a stream of ids, the rest dropped; at most `max_windows` (0: all).
MemorySamples CutWindows(const std::vector<int32_t>& stream, int64_t seqlen, int64_t max_windows);
// I64 [windows, seqlen] as the I32 token windows that the worker reads.
MemorySamples TokenWindows(const HostTensor& ids);
// The ids of an I64 tensor in order.
std::vector<int32_t> IdsOf(const HostTensor& ids);

}  // namespace lwq::qat
