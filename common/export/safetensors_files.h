// SPDX-License-Identifier: Apache-2.0
// A laid-out model as safetensors files: shards in plan order, each a header and its tensors' bytes without gaps, and
// an index where there is more than one. The writer of tensor files that every export format of Hugging Face's kind
// uses.
//
// Tensors in order, a new shard whenever one more would exceed `shard_bytes` of data (a tensor larger than that is
// alone). One shard is "model.safetensors", more are "model-00001-of-0000N.safetensors". Streams: one tensor is held
// at a time. Thread-safety: one thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/export/export_plan.h"
#include "common/export/file_sink.h"
#include "common/export/tensor_files.h"
#include "common/status/status.h"

namespace lwq::qat {

class SafetensorsFiles : public TensorFiles {
 public:
  SafetensorsFiles(std::vector<PlannedTensor> tensors, int64_t shard_bytes);

  const std::vector<PlannedTensor>& tensors() const override { return tensors_; }
  size_t shards() const override { return shards_.size(); }
  Status Write(const Read& read, FileSink& sink) const override;

 private:
  struct Shard {
    std::string path;
    size_t first = 0;  // tensors [first, first + count)
    size_t count = 0;
  };
  std::string Header(const Shard& shard) const;  // with its eight length bytes
  std::string Index() const;                     // model.safetensors.index.json

  std::vector<PlannedTensor> tensors_;
  std::vector<Shard> shards_;
};

}  // namespace lwq::qat
