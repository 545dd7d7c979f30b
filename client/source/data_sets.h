// SPDX-License-Identifier: Apache-2.0
// Texts by the names that EfficientQAT and GPTQ call them: which files they are, and how a text is made of them.
//
//   name       calibration                                     evaluation
//   wikitext2  WikiText-2 raw, train: rows joined by "\n\n"    the same of test, as perplexities are stated for it
//   ptb        Penn Treebank, train: sentences joined by       the same of validation, as GPTQ takes it
//              "\n\n"
//   c4         en/c4-train.00000-of-01024.json.gz              refused: what others state is of windows that their
//                                                              program draws
//   redpajama  every 16th record of the 1T sample's files      refused: it has no other split
//
// Files are looked for in $LWQ_DATASETS/NAME in the layouts that they are published in, as text or Parquet, then on the
// Hub. A text that is made of files is kept beside what else is fetched, under a name that stands for these.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "client/source/source_context.h"
#include "common/status/status.h"

namespace lwq::client {

enum class TextUse { kCalibration, kEvaluation };

bool IsDataSetName(std::string_view name);

// Brings files of a data set on the Hub here: those of the repository's revision whose paths match the pattern, one at
// least. Their local paths, in order.
using FetchHubFiles = std::function<StatusOr<std::vector<std::string>>(
    const std::string& repo, const std::string& revision, const std::string& pattern)>;

// The file with the text. Requires IsDataSetName. NOT_FOUND with the files that were looked for; FAILED_PRECONDITION
// for a use that there is no text for; INVALID_ARGUMENT for files that are not what is published under that name.
StatusOr<std::string> DataSetText(std::string_view name, TextUse use, const SourceContext& context,
                                  const FetchHubFiles& fetch);

}  // namespace lwq::client
