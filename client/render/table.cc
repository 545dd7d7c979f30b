// SPDX-License-Identifier: Apache-2.0
#include "client/render/table.h"

#include <algorithm>

#include "client/base/format.h"
#include "common/status/status.h"

namespace lwq::client {

void Table::AddRow(std::vector<std::string> cells) {
  LWQ_CHECK(cells.size() == columns_.size(), cells.size(), " cells for ", columns_.size(), " columns");
  rows_.push_back(std::move(cells));
}

std::string Table::Render(size_t header_every) const {
  std::vector<int> widths(columns_.size(), 0);
  for (size_t c = 0; c < columns_.size(); ++c) {
    for (const auto& row : rows_) widths[c] = std::max(widths[c], DisplayWidth(row[c]));
    if (widths[c] > 0 || rows_.empty()) widths[c] = std::max(widths[c], DisplayWidth(columns_[c].title));
  }
  const auto line = [&](auto&& cell_of) {
    std::string text;
    for (size_t c = 0; c < columns_.size(); ++c) {
      if (widths[c] == 0) continue;
      if (!text.empty()) text += "  ";
      const std::string& cell = cell_of(c);
      text += columns_[c].right ? PadLeft(cell, widths[c]) : PadRight(cell, widths[c]);
    }
    while (!text.empty() && text.back() == ' ') text.pop_back();
    return text + "\n";
  };
  const std::string header = line([&](size_t c) -> const std::string& { return columns_[c].title; });
  std::string text = header;
  for (size_t r = 0; r < rows_.size(); ++r) {
    const bool again = header_every > 0 && r > 0 && r % header_every == 0 && rows_.size() - r > header_every / 2;
    if (again) text += header;
    text += line([&](size_t c) -> const std::string& { return rows_[r][c]; });
  }
  return text;
}

}  // namespace lwq::client
