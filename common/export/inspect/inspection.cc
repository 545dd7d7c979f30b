// SPDX-License-Identifier: Apache-2.0
#include "common/export/inspect/inspection.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/text/one_line.h"

namespace lwq::qat {
namespace {

constexpr size_t kLongestFault = 400;
constexpr size_t kNamed = 3;

}  // namespace

std::string StorageText(const StoredLinear& linear) {
  if (linear.bits == 0) return linear.type;
  return absl::StrCat(linear.bits, " bits, ",
                      linear.group_size == -1 ? "a group a row" : absl::StrCat("groups of ", linear.group_size));
}

std::string StorageText(const StoredBlocks& blocks) {
  std::vector<std::pair<std::string, std::vector<std::string>>> kinds;  // linears by how they are stored
  for (const auto& [kind, linear] : blocks.linears) {
    const std::string text = StorageText(linear);
    auto found = std::find_if(kinds.begin(), kinds.end(), [&](const auto& entry) { return entry.first == text; });
    if (found == kinds.end()) found = kinds.insert(kinds.end(), {text, {}});
    found->second.emplace_back(LinearName(kind));
  }
  if (kinds.empty()) return "nothing that could be read";
  if (kinds.size() == 1) return kinds.front().first;
  // The most common comes last, without the names.
  std::stable_sort(kinds.begin(), kinds.end(),
                   [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
  std::vector<std::string> parts;
  for (const auto& [text, names] : kinds) {
    const bool others = &names == &kinds.back().second;
    parts.push_back(absl::StrCat(text, " (", others ? "the others" : absl::StrJoin(names, ", "), ")"));
  }
  return absl::StrJoin(parts, "; ");
}

void Inspection::AddFault(std::string fault) {
  if (faults.size() < kMostFaults) {
    faults.push_back(OneLine(fault, kLongestFault));
  } else {
    ++more_faults;
  }
}

void AppendBlock(int64_t block, std::map<LinearKind, StoredLinear> linears, std::vector<StoredBlocks>& blocks) {
  if (!blocks.empty() && blocks.back().last + 1 == block && blocks.back().linears == linears) {
    blocks.back().last = block;
  } else {
    blocks.push_back({block, block, std::move(linears)});
  }
}

std::string Named(const std::vector<std::string>& names) {
  const size_t named = std::min(kNamed, names.size());
  std::string text = absl::StrJoin(names.begin(), names.begin() + static_cast<ptrdiff_t>(named), ", ");
  if (names.size() > named) absl::StrAppend(&text, " and ", names.size() - named, " more");
  return text;
}

}  // namespace lwq::qat
