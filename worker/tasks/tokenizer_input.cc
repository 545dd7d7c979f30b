// SPDX-License-Identifier: Apache-2.0
#include "worker/tasks/tokenizer_input.h"

#include "common/artifact/file_tree.h"
#include "common/export/tokenizer_tree.h"

namespace lwq::worker {

StatusOr<std::unique_ptr<Tokenizer>> OpenTokenizer(const Task& task, const TaskContext& context) {
  LWQ_ASSIGN_OR_RETURN(const ArtifactRef ref, InputOf(task, "tokenizer"));
  LWQ_ASSIGN_OR_RETURN(const FileTree tree, FileTree::Open(context.blobs, ref));
  LWQ_ASSIGN_OR_RETURN(const qat::TokenizerTree tokenizer, qat::ReadTokenizerTree(tree));
  return LoadTokenizer(tokenizer.files);
}

}  // namespace lwq::worker
