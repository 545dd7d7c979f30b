// SPDX-License-Identifier: Apache-2.0
// A table of text: columns as wide as their widest cell, two spaces between, numbers to the right. Pure.
#pragma once

#include <string>
#include <vector>

namespace lwq::client {

class Table {
 public:
  struct Column {
    std::string title;
    bool right = false;
  };
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // As many cells as columns.
  void AddRow(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }
  // Header and rows, each ended by a line end, without trailing spaces. A column that is empty in every row is left
  // out. The header is repeated after every `header_every` rows (0: never) where more than half as many follow.
  std::string Render(size_t header_every = 0) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace lwq::client
