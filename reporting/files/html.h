// SPDX-License-Identifier: Apache-2.0
// Pieces of HTML from hostile text: names and errors of runs are whatever somebody typed. Pure; thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/json/json.h"

namespace lwq::reporting {

// As text of an element or value of a quoted attribute: & < > " ' as entities, and control characters, which HTML has
// no way to write, as U+FFFD.
std::string EscapedHtml(std::string_view text);

// Stands inside a <script> of any type: nothing in it ends the element or begins a comment, and no line separator ends
// a line of JavaScript. The same value when parsed as JSON.
std::string JsonForScript(const Json& value);

struct HtmlColumn {
  std::string title = {};
  bool is_number = false;  // aligned to the right
  std::string help = {};   // what the title stands for, shown on hovering
};

struct HtmlCell {
  std::string text = {};
  std::optional<double> sort_by = std::nullopt;  // of numbers, which their text does not sort by
  bool is_heading = false;                       // names its row
  std::string style_class = {};                  // of our own; not escaped
};

struct HtmlTable {
  std::string caption = {};  // read aloud; seen unless a heading above the table says the same
  bool shows_caption = true;
  std::vector<HtmlColumn> columns = {};
  std::vector<std::vector<HtmlCell>> rows = {};
  std::vector<std::string> row_classes = {};  // by row, of our own; may be shorter
};

// A scrolling region with the table in it; every text is escaped.
std::string RenderHtmlTable(const HtmlTable& table);

}  // namespace lwq::reporting
