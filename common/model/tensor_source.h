// SPDX-License-Identifier: Apache-2.0
// Reads a model's tensors by name, wherever the model is: a directory on this disk (memory-mapped) or a file-tree
// artifact (only the pieces that hold the tensor are fetched). Single and sharded safetensors ("model.safetensors", or
// "model.safetensors.index.json" with its shards).
// Of several shards every tensor in their headers counts, whether the index lists it or not; what the index lists and
// no header has is no error until it is asked for.
//
// Names are complete: of a model that was saved without its head ("layers.0. …") they begin with "model.", too. float64
// tensors read as float32, rounded to nearest, and their entries say so.
//
// Thread-safety: Read may be called from any thread. Errors: NOT_FOUND naming tensor and model; DATA_LOSS for a damaged
// file, or one that is something else (foreign_file.h); FAILED_PRECONDITION for a layout that is not supported (e.g.
// only *.bin present: convert it to safetensors) and for a dtype that is not.
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
  // More about a tensor that is not in entries(), to append to an error: " (…)", or nothing.
  virtual std::string WhyAbsent(std::string_view /*name*/) const { return ""; }
};

// The tensor that the embedding is read from, and that of the head. Where they are tied one stands for both, whichever
// is stored; where both are stored each is read, because they may differ: transformers keeps both then.
std::string EmbeddingTensorOf(const LlamaConfig& config, const TensorSource& source);
std::string HeadTensorOf(const LlamaConfig& config, const TensorSource& source);
// Whether the configuration ties them and the stored ones are not equal byte for byte. Reads both.
StatusOr<bool> HasHeadOfItsOwn(const LlamaConfig& config, TensorSource& source);

StatusOr<std::unique_ptr<TensorSource>> OpenModelDirectory(const std::string& directory);
// `tree` must outlive the source.
StatusOr<std::unique_ptr<TensorSource>> OpenModelTree(const FileTree* tree);

}  // namespace lwq
