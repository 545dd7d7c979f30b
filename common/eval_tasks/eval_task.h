// SPDX-License-Identifier: Apache-2.0
// Zero-shot tasks: a row each in a table, with how an item of the published data set becomes a question.
//
// Prompts, choices and metrics are those of lm-evaluation-harness 0.4.13 (Gao et al., 2024; its task files of the same
// names).
//
// Layouts: the one of the Hub's Parquet files and their rows as JSON, and where it differs the one of the data set's
// own release (ARC and OpenBookQA nest their choices in "question"; BoolQ has a truth value "answer"). Of LAMBADA a
// record is a "text", of WikiText a "page", a whole document (EleutherAI/wikitext_document_level).
//
// Pure; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/eval_tasks/eval_task_names.h"
#include "common/json/json.h"
#include "common/status/status.h"

namespace lwq {

// What the model is asked about one choice, in the harness's words.
struct EvalChoice {
  std::string context;
  std::string continuation;  // the delimiter and the text
  int64_t characters = 0;    // code points of the choice without the delimiter: what acc_norm divides by
};

// How the items of a task are asked, and so what is made of the log-likelihoods (task_measures.h).
enum class EvalForm {
  kChoices,   // every choice behind its context; the likeliest is the answer
  kLastWord,  // one continuation, the last word of a text
  kDocument,  // one continuation without a context, a text of any length
};

struct EvalItem {
  std::vector<EvalChoice> choices;  // kChoices: at least two; else one
  int64_t gold = 0;                 // which of them is right
  int64_t words = 0;                // kDocument: of the page as it was published
  int64_t bytes = 0;
};

// A column of a Parquet file: its path in the schema, without the names that lists put in between ("choices.text").
struct EvalColumn {
  std::string_view path;
  bool is_list = false;
  bool is_optional = false;  // another layout of the data set lacks it
};

struct EvalTask {
  std::string_view name;
  bool has_acc_norm = false;
  std::span<const EvalColumn> columns;  // of the Hub's Parquet files
  // One record as JSON → the item. INVALID_ARGUMENT naming the field ("label: is 7, must be 0 or 1").
  StatusOr<EvalItem> (*read)(const Json& record) = nullptr;
  // Whether the right answers may stand in a file of their own, a number a line, as PIQA was published.
  bool has_labels_file = false;
  EvalForm form = EvalForm::kChoices;
};

// In the order of kEvalTaskNames.
std::span<const EvalTask> AllEvalTasks();
// Null for a name that is none.
const EvalTask* FindEvalTask(std::string_view name);

}  // namespace lwq
