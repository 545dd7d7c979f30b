// SPDX-License-Identifier: Apache-2.0
// What a model was asked and what it answered, as lines of JSON for people and for comparison with other harnesses.
//
// A line for each request, in the order of items and choices: {"task", "item", "choice", "is_gold", "context",
// "continuation", "context_ids", "continuation_ids", "log_likelihood", "is_greedy", "characters"}; items and choices
// are counted from 0. The ids are whole, before a request that is longer than the model's window is cut. Of a document
// a "choice" is a window, and the first has the text.
//
// Pure; thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "common/eval_tasks/request_set.h"

namespace lwq {

// The file's name in the tree that reduce_accuracy makes.
inline constexpr char kDumpInTree[] = "requests.jsonl";

// Requires a log-likelihood and a flag for each request of the set.
std::string RequestDump(const RequestSet& set, std::span<const double> log_likelihoods,
                        std::span<const uint8_t> greedy);

}  // namespace lwq
