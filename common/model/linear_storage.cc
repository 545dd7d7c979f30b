// SPDX-License-Identifier: Apache-2.0
#include "common/model/linear_storage.h"

#include "common/export_format/compressed_tensors.h"

namespace lwq {

std::vector<ExportTensor> StoredTensors(const LinearStorage& storage, const LinearShape& shape) {
  std::vector<ExportTensor> tensors =
      TraitsOf(storage.format).tensors({shape.out_features, shape.in_features, storage.bits, storage.group_size});
  if (storage.symmetric) {
    std::erase_if(tensors, [](const ExportTensor& tensor) { return tensor.suffix == kPackedZeroPoint; });
  }
  return tensors;
}

}  // namespace lwq
