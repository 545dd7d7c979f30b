// SPDX-License-Identifier: Apache-2.0
// A zero-shot task's file of any bytes, of any task and kind of file, is refused in one line, or gives items whose
// right answer is one of their choices. The first byte is the task, the second the kind of file.
#include "common/eval_tasks/eval_task.h"
#include "common/eval_tasks/item_file.h"
#include "tests/fuzz/one_line.h"

namespace lwq {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const auto tasks = AllEvalTasks();
  const EvalTask& task = tasks[data[0] % tasks.size()];
  constexpr const char* kNames[] = {"items.jsonl", "items.json", "items.parquet", "items.jsonl.gz"};
  ItemFile file{.name = kNames[data[1] % 4], .contents = InputText(data + 2, size - 2)};
  const auto items = ReadEvalItems(task, file, 0);
  CheckOneLine(items.status());
  if (!items.ok()) return 0;
  for (const EvalItem& item : *items) {
    LWQ_CHECK(item.gold >= 0 && item.gold < static_cast<int64_t>(item.choices.size()), "an answer that is no choice");
  }
  return 0;
}

}  // namespace lwq
