// SPDX-License-Identifier: Apache-2.0
// A GGUF file of any bytes is refused in one line, or gives the weights of every tensor.
#include <string>

#include "common/export/gguf/gguf_file.h"
#include "tests/fuzz/one_line.h"

namespace lwq {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = qat::GgufFile::Parse(Bytes::FromString(std::string(InputText(data, size))), "model.gguf");
  CheckOneLine(file.status());
  if (!file.ok()) return 0;
  for (const qat::GgufTensor& tensor : file->tensors()) {
    CheckOneLine(file->Read(tensor.name).status());
    const StatusOr<HostTensor> weights = file->Weights(tensor.name);
    CheckOneLine(weights.status());
    LWQ_CHECK(!weights.ok() || weights->shape == tensor.shape, "weights of another shape");
  }
  return 0;
}

}  // namespace lwq
