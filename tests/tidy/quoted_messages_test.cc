// SPDX-License-Identifier: Apache-2.0
// What docs/troubleshooting.md says is printed is printed: each piece between quotation marks, apart from "…", stands
// in a string of the programs' sources.
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lwq::tidy {
namespace {

std::string Read(const std::filesystem::path& path) {
  std::stringstream content;
  content << std::ifstream(path).rdbuf();
  return content.str();
}

// With strings that the compiler joins in one piece.
std::string Sources() {
  std::string all;
  for (const char* top : {"client", "common", "coordinator", "reporting", "worker"}) {
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(std::filesystem::path(LWQ_SOURCE_DIR) / top)) {
      if (entry.path().extension() == ".cc") all += Read(entry.path());
    }
  }
  return std::regex_replace(all, std::regex("\"\\s*\\n\\s*\""), "");
}

// The pieces of the texts between quotation marks in rows of tables.
std::vector<std::string> QuotedPieces(const std::string& page) {
  constexpr std::string_view kLeftOut = "…";
  std::vector<std::string> pieces;
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("| ")) continue;
    const std::regex quoted("\"([^\"]+)\"");
    for (auto found = std::sregex_iterator(line.begin(), line.end(), quoted); found != std::sregex_iterator();
         ++found) {
      std::string text = (*found)[1];
      for (size_t end = text.find(kLeftOut); end != std::string::npos; end = text.find(kLeftOut)) {
        pieces.push_back(text.substr(0, end));
        text.erase(0, end + kLeftOut.size());
      }
      pieces.push_back(text);
    }
  }
  std::erase(pieces, "");
  return pieces;
}

TEST(QuotedMessagesTest, WhatTroubleshootingQuotesIsWhatTheProgramsPrint) {
  const std::string sources = Sources();
  const std::vector<std::string> pieces =
      QuotedPieces(Read(std::filesystem::path(LWQ_SOURCE_DIR) / "docs/troubleshooting.md"));
  EXPECT_GE(pieces.size(), 10u);
  for (const std::string& piece : pieces) {
    EXPECT_NE(sources.find(piece), std::string::npos) << "docs/troubleshooting.md: no program says \"" << piece << "\"";
  }
}

TEST(QuotedMessagesTest, PiecesAreWhatStandsBetweenMarksWithoutWhatIsLeftOut) {
  EXPECT_THAT(QuotedPieces("| \"no … at …\" | x \"y\" |\nnot \"this\"\n"), ::testing::ElementsAre("no ", " at ", "y"));
}

}  // namespace
}  // namespace lwq::tidy
