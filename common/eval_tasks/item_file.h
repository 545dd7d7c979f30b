// SPDX-License-Identifier: Apache-2.0
// The items of a task out of the files its data set is published as.
//
// JSON lines, a JSON array, either packed by gzip, or Parquet (eval_task.h has the layouts). A file of labels beside
// it, a whole number a line, gives every item its `label` where the records have none.
//
// Pure. INVALID_ARGUMENT in one line that names the file, the line or row, and the field; DATA_LOSS for a damaged
// Parquet or gzip file; what `keep_going` answers.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/eval_tasks/eval_task.h"
#include "common/status/keep_going.h"
#include "common/status/status.h"

namespace lwq {

struct ItemFile {
  std::string name;  // for messages; its end says what it is: .jsonl, .json, .parquet, the first two also as .gz
  std::string_view contents;
  // Of a labels file; no name where there is none.
  std::string labels_name = {};
  std::string_view labels = {};
};

// The names in an uploaded tree: users' own are left out, so that equal files have equal digests.
inline constexpr std::string_view kLabelsInTree = "labels.lst";
// "items.jsonl", "items.json", "items.parquet", the first two also with ".gz". INVALID_ARGUMENT for a name that ends in
// none of these.
StatusOr<std::string> ItemsNameInTree(std::string_view name);

// In the order of the file; of a limit above 0 the first so many. At least one.
StatusOr<std::vector<EvalItem>> ReadEvalItems(const EvalTask& task, const ItemFile& file, int64_t limit,
                                              KeepGoing keep_going = AlwaysKeepGoing);

}  // namespace lwq
