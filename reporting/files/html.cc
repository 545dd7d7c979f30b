// SPDX-License-Identifier: Apache-2.0
#include "reporting/files/html.h"

#include <array>
#include <charconv>

#include "absl/strings/str_replace.h"
#include "common/status/status.h"

namespace lwq::reporting {
namespace {

std::string RenderCell(const HtmlColumn& column, const HtmlCell& cell) {
  std::string classes = column.is_number ? "n" : "";
  if (!cell.style_class.empty()) absl::StrAppend(&classes, classes.empty() ? "" : " ", cell.style_class);
  std::string attributes = classes.empty() ? "" : absl::StrCat(" class=\"", classes, "\"");
  if (cell.sort_by.has_value()) {
    std::array<char, 32> text{};
    const auto end = std::to_chars(text.data(), text.data() + text.size(), *cell.sort_by).ptr;
    absl::StrAppend(&attributes, " data-sort=\"", std::string(text.data(), end), "\"");
  }
  const char* tag = cell.is_heading ? "th" : "td";
  return absl::StrCat("<", tag, cell.is_heading ? " scope=\"row\"" : "", attributes, ">", EscapedHtml(cell.text), "</",
                      tag, ">");
}

}  // namespace

std::string EscapedHtml(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '&') {
      escaped += "&amp;";
    } else if (c == '<') {
      escaped += "&lt;";
    } else if (c == '>') {
      escaped += "&gt;";
    } else if (c == '"') {
      escaped += "&quot;";
    } else if (c == '\'') {
      escaped += "&#39;";
    } else if ((byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7F) {
      escaped += "\xEF\xBF\xBD";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

std::string JsonForScript(const Json& value) {
  const std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  return absl::StrReplaceAll(
      text,
      {{"<", "\\u003c"}, {">", "\\u003e"}, {"&", "\\u0026"}, {"\xE2\x80\xA8", "\\u2028"}, {"\xE2\x80\xA9", "\\u2029"}});
}

std::string RenderHtmlTable(const HtmlTable& table) {
  const std::string caption = EscapedHtml(table.caption);
  std::string html = absl::StrCat("<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"", caption,
                                  "\">\n<table>\n<caption", table.shows_caption ? ">" : " class=\"quiet\">", caption,
                                  "</caption>\n<thead><tr>");
  for (const HtmlColumn& column : table.columns) {
    absl::StrAppend(&html, "<th scope=\"col\"", column.is_number ? " class=\"n\"" : "",
                    column.help.empty() ? "" : absl::StrCat(" title=\"", EscapedHtml(column.help), "\""), ">",
                    EscapedHtml(column.title), "</th>");
  }
  html += "</tr></thead>\n<tbody>\n";
  for (size_t row = 0; row < table.rows.size(); ++row) {
    const bool has_class = row < table.row_classes.size() && !table.row_classes[row].empty();
    absl::StrAppend(&html, "<tr", has_class ? absl::StrCat(" class=\"", table.row_classes[row], "\"") : "", ">");
    for (size_t i = 0; i < table.rows[row].size(); ++i) html += RenderCell(table.columns[i], table.rows[row][i]);
    html += "</tr>\n";
  }
  return html + "</tbody>\n</table>\n</div>\n";
}

}  // namespace lwq::reporting
