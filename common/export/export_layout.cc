// SPDX-License-Identifier: Apache-2.0
#include "common/export/export_layout.h"

#include <utility>

#include "common/export/safetensors_files.h"

namespace lwq::qat {

Status ExportLayout::Begin(const ExportedModel&) {
  return absl::OkStatus();
}

std::unique_ptr<TensorFiles> ExportLayout::LayOut(std::vector<PlannedTensor> tensors, int64_t shard_bytes) {
  return std::make_unique<SafetensorsFiles>(std::move(tensors), shard_bytes);
}

template <>
std::unique_ptr<ExportLayout> LayoutOf<ExportFormat::kNone>() {
  return nullptr;
}

std::unique_ptr<ExportLayout> MakeExportLayout(ExportFormat format) {
  std::unique_ptr<ExportLayout> layout;
  switch (format) {
#define LWQ_EXPORT_LAYOUT(enumerator, word)        \
  case ExportFormat::enumerator:                   \
    layout = LayoutOf<ExportFormat::enumerator>(); \
    break;
    LWQ_EXPORT_FORMATS(LWQ_EXPORT_LAYOUT)
#undef LWQ_EXPORT_LAYOUT
  }
  LWQ_CHECK(layout != nullptr, "export_format ", WordOf(format), " makes no files");
  return layout;
}

}  // namespace lwq::qat
