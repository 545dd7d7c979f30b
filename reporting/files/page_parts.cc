// SPDX-License-Identifier: Apache-2.0
#include "reporting/files/page_parts.h"

#include <string_view>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/digest/digest.h"
#include "reporting/files/html.h"
#include "reporting/files/page_assets.h"

namespace lwq::reporting {
namespace {

std::string PolicySource(std::string_view script) {
  const Digest digest = DigestOf(script);
  const auto& bytes = digest.bytes();
  return absl::StrCat("'sha256-",
                      absl::Base64Escape(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size())), "'");
}

std::string Head(const std::string& title, const std::vector<std::string_view>& scripts) {
  std::string policy =
      "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
      "script-src";
  for (const std::string_view script : scripts) absl::StrAppend(&policy, " ", PolicySource(script));
  return absl::StrCat(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"",
      policy,
      "\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n"
      "<meta name=\"generator\" content=\"lwq report\">\n"
      "<link rel=\"icon\" href=\"data:,\">\n<title>",
      EscapedHtml(title), "</title>\n<style>\n", kPageStyle, "</style>\n</head>\n");
}

std::string Masthead(const PageParts& parts) {
  std::string html = absl::StrCat("<header>\n<p class=\"kind\">", EscapedHtml(parts.kind), "</p>\n<h1>",
                                  EscapedHtml(parts.title), "</h1>\n<p class=\"facts\">", EscapedHtml(parts.facts),
                                  "</p>\n</header>\n<nav aria-label=\"Sections\">\n<ul>\n");
  for (const PageSection& section : parts.sections) {
    absl::StrAppend(&html, "<li><a href=\"#", section.id, "\">",
                    EscapedHtml(section.link.empty() ? section.title : section.link), "</a></li>\n");
  }
  return html + "</ul>\n</nav>\n";
}

}  // namespace

std::string FigureHtml(const std::string& kind, size_t index, const std::string& label, const std::string& caption) {
  return absl::StrCat("<figure>\n<div class=\"plot\" data-plot=\"", kind, "\" data-index=\"", index,
                      "\" role=\"group\" aria-label=\"", EscapedHtml(label), "\"></div>\n<figcaption>",
                      EscapedHtml(caption), "</figcaption>\n</figure>\n");
}

std::string ParagraphHtml(const std::string& text) {
  return absl::StrCat("<p>", EscapedHtml(text), "</p>\n");
}

std::string FoldedHtml(const std::string& summary, const std::string& html) {
  return absl::StrCat("<details>\n<summary>", EscapedHtml(summary), "</summary>\n", html, "</details>\n");
}

std::string TileHtml(const std::string& title, const std::string& value, const std::string& remark) {
  return absl::StrCat("<div class=\"tile\"><dt>", EscapedHtml(title), "</dt><dd><strong>", EscapedHtml(value),
                      "</strong><span>", EscapedHtml(remark), "</span></dd></div>\n");
}

std::string AssemblePage(const PageParts& parts) {
  const std::vector<std::string_view> scripts = {kVega, kVegaLite, kVegaInterpreter, kPageScript};
  std::string html = Head(parts.title, scripts);
  absl::StrAppend(
      &html, "<body>\n<a class=\"skip\" href=\"#main\">Skip to the results</a>\n", Masthead(parts),
      "<main id=\"main\">\n",
      "<noscript><p class=\"note\">The plots need JavaScript; the tables hold all their numbers.</p></noscript>\n",
      parts.tiles);
  for (const PageSection& section : parts.sections) {
    absl::StrAppend(&html, "<section id=\"", section.id, "\" aria-labelledby=\"", section.id, "-title\">\n<h2 id=\"",
                    section.id, "-title\">", EscapedHtml(section.title), "</h2>\n", section.html, "</section>\n");
  }
  absl::StrAppend(&html, "</main>\n<footer><p>Made by lwq report. Plots by Vega and Vega-Lite.</p></footer>\n",
                  "<script type=\"application/json\" id=\"report\">", JsonForScript(parts.data), "</script>\n",
                  "<!--\n", kVegaLicences, "-->\n");
  for (const std::string_view script : scripts) absl::StrAppend(&html, "<script>", script, "</script>\n");
  return html + "</body>\n</html>\n";
}

}  // namespace lwq::reporting
