// Reads a model's tensors by name, wherever the model is: a directory on this disk (memory-mapped) or a file-tree
// artifact (only the pieces that hold the tensor are fetched). Single and sharded safetensors ("model.safetensors", or
// "model.safetensors.index.json" with its shards).
//
// Thread-safety: Read may be called from any thread. Errors: NOT_FOUND naming tensor and model; DATA_LOSS for a damaged
// file; FAILED_PRECONDITION for a layout that is not supported (e.g. only *.bin present: convert it to safetensors).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/artifact/file_tree.h"
#include "common/artifact/safetensors.h"
#include "common/artifact/tensor.h"
#include "common/model/llama_config.h"
#include "common/status/status.h"

namespace lwq {

class TensorSource {
 public:
  virtual ~TensorSource() = default;
  virtual StatusOr<HostTensor> Read(std::string_view name) = 0;
  // name → entry, for checks without reading data (offsets are those of the file that holds it).
  virtual const std::map<std::string, SafetensorsEntry>& entries() const = 0;
};

StatusOr<std::unique_ptr<TensorSource>> OpenModelDirectory(const std::string& directory);
// `tree` must outlive the source.
StatusOr<std::unique_ptr<TensorSource>> OpenModelTree(const FileTree* tree);

}  // namespace lwq
