// SPDX-License-Identifier: Apache-2.0
#include "common/export/tokenizer_tree.h"

namespace lwq::qat {

StatusOr<TokenizerTree> ReadTokenizerTree(const FileTree& tree) {
  TokenizerTree read;
  for (size_t i = 0; i < kTokenizerFileNames.size(); ++i) {
    const TokenizerFileName& file = kTokenizerFileNames[i];
    if (!tree.Contains(file.name)) continue;
    LWQ_ASSIGN_OR_RETURN(read.contents[i], tree.ReadAll(file.name));
    read.files.*file.contents = read.contents[i].view();
  }
  return read;
}

}  // namespace lwq::qat
