// SPDX-License-Identifier: Apache-2.0
// A tokenizer.json of any bytes is refused in one line, or encodes texts to ids of its vocabulary.
#include "common/tokenizer/json_tokenizer.h"
#include "tests/fuzz/tokenizer_use.h"

namespace lwq {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto tokenizer = MakeJsonTokenizer(InputText(data, size), "tokenizer.json", {});
  CheckOneLine(tokenizer.status());
  if (tokenizer.ok()) UseTokenizer(**tokenizer);
  return 0;
}

}  // namespace lwq
