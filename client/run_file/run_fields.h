// SPDX-License-Identifier: Apache-2.0
// The names a run file and the command line know, and how a text becomes a value of one.
//
// The names and types of recipe fields come from the descriptors of lwqat.v1.Recipe and RunSpec: the proto is the only
// list. Beside them stand the few keys that are paths on this disk and so are no fields of the wire.
// Thread-safety: all functions are pure; the table is built once.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "client/run_file/run_request.h"
#include "common/status/status.h"

namespace lwq::client {

enum class FieldType { kBool, kInteger, kNumber, kText, kPath, kTexts, kIntegers, kWords, kClasses };

struct RunField {
  std::string name;
  FieldType type = FieldType::kText;
  std::string help;                  // one line, with the default
  std::vector<std::string> choices;  // for completion; the coordinator is who checks values
};

// Paths first, then the recipe in the proto's order, then the fields of the run itself.
const std::vector<RunField>& RunFields();
// nullptr when there is none.
const RunField* FindRunField(std::string_view name);

// "an integer", "a number", "true or false", "a text", "a path", "a path or a list of paths", …
std::string_view ExpectedOf(FieldType type);

// Sets one field from its text. INVALID_ARGUMENT "wbits: expected an integer, got \"two\"" (the caller adds where).
// kTexts appends one text, kClasses takes one "KIND=CLASS" whose kind has none yet, kIntegers takes them separated by
// commas. Empty texts are refused.
Status SetRunField(const RunField& field, std::string_view text, RunRequest* request);

// Of a field of type kTexts: where the request has its texts.
std::vector<NamedText>& TextsOf(const RunField& field, RunRequest* request);
const std::vector<NamedText>& TextsOf(const RunField& field, const RunRequest& request);

// Forgets what an earlier source said about a field that can have several values (eval_texts, eval_tasks,
// kind_classes): flags replace, not add.
void ClearRunField(const RunField& field, RunRequest* request);

}  // namespace lwq::client
