// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/policy/score_table.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "absl/strings/str_join.h"

namespace lwq::coordinator {
namespace {

std::string NameOfChoice(const QuantChoice& choice) {
  return absl::StrCat("w", choice.bits, "g", choice.group_size);
}

}  // namespace

Status CheckTable(const ScoreTable& table) {
  if (table.loss.empty()) return absl::InvalidArgumentError("the score table has no block");
  if (table.choices.empty()) return absl::InvalidArgumentError("the score table has no choice of bits and group size");
  for (size_t i = 0; i < table.choices.size(); ++i) {
    if (std::find(table.choices.begin(), table.choices.begin() + static_cast<ptrdiff_t>(i), table.choices[i]) !=
        table.choices.begin() + static_cast<ptrdiff_t>(i)) {
      return absl::InvalidArgumentError(absl::StrCat("the score table has ", NameOfChoice(table.choices[i]), " twice"));
    }
  }
  for (size_t block = 0; block < table.loss.size(); ++block) {
    const std::vector<double>& row = table.loss[block];
    if (row.size() != table.choices.size()) {
      return absl::InvalidArgumentError(absl::StrCat("block ", block, " of the score table has ", row.size(),
                                                     " losses; there are ", table.choices.size(), " choices"));
    }
    for (size_t i = 0; i < row.size(); ++i) {
      if (std::isfinite(row[i])) continue;
      return absl::InvalidArgumentError(absl::StrCat("the loss of block ", block, " at ",
                                                     NameOfChoice(table.choices[i]), " is ", row[i],
                                                     "; it must be a finite number"));
    }
  }
  return absl::OkStatus();
}

StatusOr<std::vector<double>> ScoresAt(const ScoreTable& table, QuantChoice choice) {
  const auto found = std::find(table.choices.begin(), table.choices.end(), choice);
  if (found == table.choices.end()) {
    const auto append = [](std::string* out, const QuantChoice& known) { *out += NameOfChoice(known); };
    return absl::NotFoundError(absl::StrCat("the score table has no ", NameOfChoice(choice), "; it has ",
                                            absl::StrJoin(table.choices, ", ", append)));
  }
  const size_t column = static_cast<size_t>(found - table.choices.begin());
  std::vector<double> scores;
  for (const std::vector<double>& row : table.loss) scores.push_back(row[column]);
  return scores;
}

StatusOr<ScoreTable> TableFromScores(const std::vector<double>& scores, const std::vector<int64_t>& parameters,
                                     const ScoreTable& squared_error) {
  const size_t blocks = squared_error.loss.size();
  if (scores.size() != blocks || parameters.size() != blocks) {
    return absl::InvalidArgumentError(absl::StrCat("quantization errors are known for ", blocks, " blocks, scores for ",
                                                   scores.size(), ", parameter counts for ", parameters.size()));
  }
  ScoreTable table = squared_error;
  for (size_t block = 0; block < blocks; ++block) {
    const double weight = 0.5 * scores[block] / static_cast<double>(parameters[block]);
    for (size_t i = 0; i < table.choices.size(); ++i) {
      double& entry = table.loss[block][i];
      if (entry < 0) {
        return absl::InvalidArgumentError(absl::StrCat("the squared quantization error of block ", block, " at ",
                                                       NameOfChoice(table.choices[i]), " is ", entry,
                                                       "; it cannot be negative"));
      }
      entry *= weight;
    }
  }
  return table;
}

}  // namespace lwq::coordinator
