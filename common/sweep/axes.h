// SPDX-License-Identifier: Apache-2.0
// The axes of a sweep as a tree, and the rows they stand for.
//
// A node stands for a list of rows, and a row gives values to some keys:
//   values   one row for each value of one key
//   product  every row of the first part with every row of the second, and so on; the first part varies slowest
//   zip      the first rows of all parts together, then the second ones, …; all parts have equally many
//   list     the rows of the first part, then those of the second, …: alternatives, which may set different keys
// What a key means is the caller's business: here it is a name. The key kArmKey names arms; it is no key of a run.
//
// Pure. Errors: INVALID_ARGUMENT, one line "where: what; what to do", where `where` is the node's own text.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "common/json/json.h"
#include "common/status/status.h"

namespace lwq {

struct AxisValue {
  Json value;
  std::string label;  // how names and tables show it
};

struct AxisNode {
  enum class Kind { kValues, kProduct, kZip, kList };
  Kind kind = Kind::kProduct;
  std::string where;              // for messages, such as "sweep.yaml:7:5"; may be empty
  std::string key;                // of kValues
  std::vector<AxisValue> values;  // of kValues
  bool labelled = true;           // of kValues: whether names and labels of arms tell the value
  std::vector<AxisNode> parts;    // of the other kinds; a product of no parts is one row that sets nothing
};

// The key that tells named arms apart.
inline constexpr char kArmKey[] = "arm";

// More rows than this are refused, before any of them is made.
inline constexpr int64_t kMaxCombinations = 100'000;

// A value of a row; the node it came from must outlive it.
struct Setting {
  const AxisNode* axis;
  const AxisValue* value;
};
using AxisRow = std::vector<Setting>;

// All keys that some row sets.
std::set<std::string> KeysOf(const AxisNode& node);

// Refuses a key that two parts of a product or a zip set, no values, a value that is given twice (but in a zip), parts
// of a zip that have different numbers of rows, and more than kMaxCombinations rows. Else the number of rows, at
// least 1. Takes time by the size of the tree, not by the number of rows.
StatusOr<int64_t> CountRows(const AxisNode& node);

// The rows in order; within a row the keys in the order of the tree. Errors as CountRows. `node` must outlive them.
StatusOr<std::vector<AxisRow>> RowsOf(const AxisNode& node);

}  // namespace lwq
