// SPDX-License-Identifier: Apache-2.0
// What every page is put together from: a heading, tiles with the numbers that matter most, sections of tables and
// plots, and the data that the page's script draws from. One HTML file that needs nothing else; a
// Content-Security-Policy allows its own scripts by their digests, and no request to anywhere. Every text is escaped.
// Pure; thread-safe.
#pragma once

#include <string>
#include <vector>

#include "common/json/json.h"

namespace lwq::reporting {

struct PageSection {
  std::string id;
  std::string title;
  std::string html;       // of the functions below, and of RenderHtmlTable
  std::string link = {};  // its name in the list of sections, where that is a shorter one
};

// A place that the page's script draws into: `kind` is one of its plots, `index` which of them.
std::string FigureHtml(const std::string& kind, size_t index, const std::string& label, const std::string& caption);
std::string ParagraphHtml(const std::string& text);
// A table that most readers do not need at once.
std::string FoldedHtml(const std::string& summary, const std::string& html);
std::string TileHtml(const std::string& title, const std::string& value, const std::string& remark);

struct PageParts {
  std::string kind;   // above the heading
  std::string title;  // the heading
  std::string facts;  // below it
  std::string tiles;
  std::vector<PageSection> sections;
  Json data;
};
std::string AssemblePage(const PageParts& parts);

}  // namespace lwq::reporting
