// SPDX-License-Identifier: Apache-2.0
// A tokenizer.model of any bytes is refused in one line, or encodes texts to ids of its vocabulary.
#include <utility>

#include "common/tokenizer/sentencepiece_model.h"
#include "common/tokenizer/sentencepiece_tokenizer.h"
#include "tests/fuzz/tokenizer_use.h"

namespace lwq {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  StatusOr<SentencePieceModel> model = ParseSentencePieceModel(InputText(data, size), "tokenizer.model");
  CheckOneLine(model.status());
  if (!model.ok()) return 0;
  const auto tokenizer = MakeSentencePieceTokenizer(*std::move(model), {});
  CheckOneLine(tokenizer.status());
  if (tokenizer.ok()) UseTokenizer(**tokenizer);
  return 0;
}

}  // namespace lwq
