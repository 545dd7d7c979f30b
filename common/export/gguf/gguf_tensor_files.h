// SPDX-License-Identifier: Apache-2.0
// A model's tensors as llama.cpp takes them: one file, "model.gguf".
//
// Names are llama.cpp's, rows of q and k interleaved where it wants that, vectors (norms, biases) in fp32, as its
// kernels want them; matrices keep their dtype, and quantized ones the type of ggml that their plan says (its
// "encoding"). Nothing is rounded here. Streams: one tensor is held at a time. One thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/export/gguf/gguf_file.h"
#include "common/export/tensor_files.h"
#include "common/model/llama_config.h"

namespace lwq::qat {

inline constexpr char kGgufFileName[] = "model.gguf";

class GgufTensorFiles : public TensorFiles {
 public:
  GgufTensorFiles(std::vector<PlannedTensor> planned, const LlamaConfig& config, bool interleaved_heads,
                  GgufMetadata metadata);

  const std::vector<PlannedTensor>& tensors() const override { return stored_; }
  size_t shards() const override { return 1; }
  Status Write(const Read& read, FileSink& sink) const override;

 private:
  StatusOr<HostTensor> Stored(const HostTensor& read, const PlannedTensor& planned) const;

  const LlamaConfig config_;
  const bool interleaved_heads_;
  const GgufMetadata metadata_;
  const std::optional<HostTensor> rope_factors_;  // the first tensor of the file, where there are any
  std::vector<PlannedTensor> planned_;            // as `read` is asked for them
  std::vector<PlannedTensor> stored_;             // as they are in the file; the rope factors before the others
  std::vector<GgufTensor> described_;             // the same for the file's header
};

}  // namespace lwq::qat
