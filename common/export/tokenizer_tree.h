// SPDX-License-Identifier: Apache-2.0
// The tokenizer's files of a file tree. A value; the views of `files` live as long as it.
#pragma once

#include <array>

#include "common/artifact/file_tree.h"
#include "common/bytes/bytes.h"
#include "common/status/status.h"
#include "common/tokenizer/load_tokenizer.h"

namespace lwq::qat {

struct TokenizerTree {
  std::array<Bytes, kTokenizerFileNames.size()> contents;
  TokenizerFiles files;
};

// Those of kTokenizerFileNames that are there.
StatusOr<TokenizerTree> ReadTokenizerTree(const FileTree& tree);

}  // namespace lwq::qat
