// SPDX-License-Identifier: Apache-2.0
// What an export format does to a model: one implementation for each format that makes files, in a folder of its own.
//
// The tensors of a linear are those that common/export_format announces for the format, so that a model can be laid out
// before any of its tensors exists, and so that the plan counted what is written. An export calls Begin once, then
// Configure and LayOut, then Add for every quantized linear in the order of blocks, then AddMetrics. Thread-safety:
// none.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/artifact/file_tree.h"
#include "common/artifact/tensor.h"
#include "common/export/block.h"
#include "common/export/block_format.h"
#include "common/export/tensor_files.h"
#include "common/json/json.h"
#include "common/model/llama_config.h"
#include "common/recipe/choices.h"
#include "common/recipe/zero_points.h"
#include "common/status/status.h"

namespace lwq::qat {

// Tensors, or files, by name.
using NamedTensors = std::map<std::string, HostTensor>;
using SmallFiles = std::map<std::string, std::string>;

// What is exported, as far as it is known before a block is read.
struct ExportedModel {
  const LlamaConfig& config;  // embeddings are tied as its tensors say
  const FileTree& files;      // the source model's
  const FileTree* tokenizer = nullptr;
  const FileTree* companions = nullptr;
  const std::vector<BlockFormat>& blocks;
  ZeroPoints zero_points = ZeroPoints::kAny;
};

class ExportLayout {
 public:
  virtual ~ExportLayout() = default;

  // Whether config and tokenizer are inside the tensors' file: then neither is written beside it.
  virtual bool is_self_contained() const { return false; }

  // FAILED_PRECONDITION where the format cannot hold such a model.
  virtual Status Begin(const ExportedModel& model);

  // Adds to config.json what a reader must know, and gives the small files that the format has beside it. `blocks` are
  // of widths that the format holds. INVALID_ARGUMENT where nothing is quantized and the format cannot say so.
  virtual StatusOr<SmallFiles> Configure(const std::vector<BlockFormat>& blocks, Json& config) = 0;

  // The tensors' files; by default safetensors in shards.
  virtual std::unique_ptr<TensorFiles> LayOut(std::vector<PlannedTensor> tensors, int64_t shard_bytes);

  // Adds the linear's tensors, each named `name` and its suffix. Requires CheckQuantizedLinear. INVALID_ARGUMENT naming
  // `name` for values that the format cannot hold.
  virtual Status Add(const QuantizedLinear& linear, const std::string& name, NamedTensors& tensors) = 0;

  // What was rounded on the way (export.h says under which names).
  virtual void AddMetrics(Json& metrics) const = 0;
};

// Requires a format that makes files: not kNone.
std::unique_ptr<ExportLayout> MakeExportLayout(ExportFormat format);

// Each format's own, defined in its folder. A format without one does not link.
template <ExportFormat kFormat>
std::unique_ptr<ExportLayout> LayoutOf() = delete;
#define LWQ_EXPORT_LAYOUT(enumerator, word) \
  template <>                               \
  std::unique_ptr<ExportLayout> LayoutOf<ExportFormat::enumerator>();
LWQ_EXPORT_FORMATS(LWQ_EXPORT_LAYOUT)
#undef LWQ_EXPORT_LAYOUT

}  // namespace lwq::qat
