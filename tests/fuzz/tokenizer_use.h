// SPDX-License-Identifier: Apache-2.0
// What a tokenizer that was built must do, whatever it was built from.
#pragma once

#include <cstdint>
#include <vector>

#include "common/tokenizer/tokenizer.h"
#include "tests/fuzz/one_line.h"

namespace lwq {

inline void UseTokenizer(const Tokenizer& tokenizer) {
  for (const char* text : {"", " two  words\n", "na\xc3\xafve \xe6\x97\xa5\xe6\x9c\xac 12345 don't\t\xff"}) {
    const StatusOr<std::vector<int32_t>> ids = tokenizer.Encode(text);
    CheckOneLine(ids.status());
    if (!ids.ok()) continue;
    for (const int32_t id : *ids) {
      LWQ_CHECK(id >= 0 && id < tokenizer.vocab_size(), "id ", id, " is outside the vocabulary");
      CheckOneLine(tokenizer.Piece(id).status());
    }
    CheckOneLine(tokenizer.Decode(*ids).status());
  }
}

}  // namespace lwq
