// SPDX-License-Identifier: Apache-2.0
// Into how many tasks the evaluation of a text is cut, so that several workers share it.
//
// How many windows a text has is known once it is tokenized; how many shards, already in the plan, from the text's
// size: it depends neither on the workers there are nor on what runs. Each shard is then its even share of the windows
// there turn out to be. Pure; thread-safe.
#pragma once

#include <cstdint>

#include "coordinator/plan/recipe/recipe.h"

namespace lwq::coordinator {

// eval_shard_windows where none is given: windows of about 16,384 tokens. Passing the weights of a model through a core
// once takes about as long as computing a few hundred tokens with them.
int64_t DefaultEvalShardWindows(int64_t ppl_seqlen);

// 1, 2 or a multiple of 4 (so that two and four workers end together), at most 256; `text_bytes` is the size of the
// text's file: four bytes are taken for a token.
int64_t EvalShards(const Recipe& recipe, int64_t text_bytes);

// The same of a zero-shot task's published items; with eval_limit of no more than so many of about a kilobyte.
int64_t EvalTaskShards(const Recipe& recipe, int64_t file_bytes);

}  // namespace lwq::coordinator
