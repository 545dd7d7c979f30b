// SPDX-License-Identifier: Apache-2.0
// A safetensors file of any bytes is refused in one line, or all its tensors have the bytes that their shapes say; what
// was read is written and read back alike.
#include <map>
#include <string>

#include "common/artifact/safetensors.h"
#include "tests/fuzz/one_line.h"

namespace lwq {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = SafetensorsFile::Parse(Bytes::FromString(std::string(InputText(data, size))), "m.safetensors");
  CheckOneLine(file.status());
  if (!file.ok()) return 0;
  std::map<std::string, HostTensor> tensors;
  for (const auto& [name, entry] : file->header().tensors) {
    const StatusOr<HostTensor> tensor = file->Get(name);
    CheckOneLine(tensor.status());
    if (!tensor.ok()) continue;
    const StatusOr<int64_t> elements = ElementCount(tensor->shape);
    LWQ_CHECK(elements.ok() && tensor->bytes.size() == static_cast<size_t>(*elements * DTypeBytes(tensor->dtype)),
              "a tensor of other bytes than its shape says");
    tensors[name] = *tensor;
  }
  const StatusOr<std::string> written = SerializeSafetensors(tensors, file->header().metadata);
  CheckOneLine(written.status());
  if (!written.ok()) return 0;
  const auto again = SafetensorsFile::Parse(Bytes::FromString(*written), "again.safetensors");
  LWQ_CHECK(again.ok(), again.status().ToString());
  for (const auto& [name, tensor] : tensors) {
    LWQ_CHECK(again->Get(name)->bytes.view() == tensor.bytes.view(), "a tensor that came back otherwise");
  }
  return 0;
}

}  // namespace lwq
