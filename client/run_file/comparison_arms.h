// SPDX-License-Identifier: Apache-2.0
// The arms of a comparison (lwq compare): every way of quantizing that the recipe has, a row each. Pure values;
// thread-safe; built once.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace lwq::client {

struct ComparisonArm {
  std::string name;                                       // in tables, and for --arms
  std::vector<std::pair<std::string, std::string>> keys;  // of a run file, with their values; `method` among them
  bool draws_at_random = true;         // else every seed gives the same model, and one run stands for all
  bool mixes_widths = false;           // gives blocks widths of their own, around a mean
  bool budget_in_stored_bits = false;  // and the mean that it aims at is of stored bits (mpq_strategy optimal)
};

// In the order that they are shown in.
const std::vector<ComparisonArm>& ComparisonArms();

// The arm that the others are held against: Block-AP as the run file has it.
inline constexpr char kComparedWith[] = "block_ap";

// A word of the recipe that no arm has, and why.
struct LeftOutOfComparison {
  std::string key;
  std::string word;
  std::string reason;
};
const std::vector<LeftOutOfComparison>& WordsLeftOutOfComparisons();

}  // namespace lwq::client
