// SPDX-License-Identifier: Apache-2.0
// The table of who loads what, and the page that shows it. With LWQ_WRITE=1 in its environment the page is written.
#include "common/export_format/consumers.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lwq {
namespace {

using ::testing::HasSubstr;

ServedModel ModelOf(std::set<int> widths, bool symmetric, std::set<int64_t> groups = {64}) {
  ServedModel model;
  model.widths = std::move(widths);
  model.group_sizes = std::move(groups);
  model.zero_points = symmetric ? ZeroPoints::kSymmetric : ZeroPoints::kAny;
  return model;
}

bool Overlap(const ConsumerRow& a, const ConsumerRow& b) {
  const bool sym = a.sym == SymRule::kAny || b.sym == SymRule::kAny || a.sym == b.sym;
  const bool mix = a.mix == MixRule::kAny || b.mix == MixRule::kAny || a.mix == b.mix;
  return a.consumer == b.consumer && a.format == b.format && sym && mix &&
         std::any_of(a.widths.begin(), a.widths.end(),
                     [&](int bits) { return std::find(b.widths.begin(), b.widths.end(), bits) != b.widths.end(); });
}

TEST(ConsumersTest, NoTwoRowsSayWhatBecomesOfOneModel) {
  const auto rows = ConsumerRows();
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_FALSE(rows[i].widths.empty() || rows[i].said.empty()) << i;
    EXPECT_EQ(rows[i].said.find('|'), std::string_view::npos) << "it stands in a table";
    EXPECT_NE(rows[i].verdict, Verdict::kNotTried) << "that is what no row says";
    for (size_t j = i + 1; j < rows.size(); ++j) EXPECT_FALSE(Overlap(rows[i], rows[j])) << i << " and " << j;
  }
}

TEST(ConsumersTest, EveryRowIsWhatIsSaidOfTheModelsItCovers) {
  for (const ConsumerRow& row : ConsumerRows()) {
    for (const int bits : row.widths) {
      for (const bool symmetric : {false, true}) {
        if (row.sym != SymRule::kAny && (row.sym == SymRule::kSymmetric) != symmetric) continue;
        const std::set<int64_t> groups = row.mix == MixRule::kMixed ? std::set<int64_t>{32, 64} : std::set<int64_t>{64};
        const Served served = ServedBy(row.consumer, row.format, ModelOf({bits}, symmetric, groups));
        EXPECT_EQ(served.row, &row);
        const std::string text = ServedText(row.consumer, row.format, served);
        EXPECT_THAT(text, HasSubstr(std::string(VersionedName(row.consumer))));
        EXPECT_THAT(text, HasSubstr(std::string(row.said)));
        EXPECT_EQ(text.find("not run") != std::string::npos,
                  row.evidence == Evidence::kRead || row.said.ends_with("not run"));
      }
    }
  }
}

TEST(ConsumersTest, OfSeveralWidthsTheWorstCounts) {
  const Served mixed = ServedBy(Consumer::kVllm, ExportFormat::kCompressedTensors, ModelOf({3, 4}, false));
  EXPECT_EQ(mixed.verdict, Verdict::kRefused);
  EXPECT_EQ(mixed.bits, 3);
  EXPECT_EQ(ServedBy(Consumer::kTransformers, ExportFormat::kCompressedTensors, ModelOf({4, 8}, true)).verdict,
            Verdict::kWrong);
  EXPECT_TRUE(Loads(ServedBy(Consumer::kVllm, ExportFormat::kGptqV2, ModelOf({4}, true))));
  EXPECT_FALSE(Loads(ServedBy(Consumer::kVllm, ExportFormat::kGptqV2, ModelOf({4}, false))));
}

TEST(ConsumersTest, WhatNoRowCoversWasNotTriedAndCountsAsNotLoaded) {
  const Served served = ServedBy(Consumer::kGptqModel, ExportFormat::kCompressedTensors, ModelOf({4}, false));
  EXPECT_EQ(served.verdict, Verdict::kNotTried);
  EXPECT_FALSE(Loads(served));
  EXPECT_EQ(ServedText(Consumer::kGptqModel, ExportFormat::kCompressedTensors, served),
            "GPTQModel 7.7.0 was not tried with 4 bits in compressed_tensors");
}

constexpr std::string_view kBegin = "<!-- who loads what: made by tests/unit/common/consumers_test.cc -->\n";
constexpr std::string_view kEnd = "<!-- end -->\n";

TEST(ConsumersTest, ThePageOfFormatsHasTheTable) {
  const std::string path = std::string(LWQ_SOURCE_DIR) + "/docs/formats.md";
  std::ifstream in(path);
  std::string page((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  const size_t begin = page.find(kBegin);
  ASSERT_NE(begin, std::string::npos);
  const size_t table = begin + kBegin.size();
  const size_t end = page.find(kEnd, table);
  ASSERT_NE(end, std::string::npos);
  if (std::getenv("LWQ_WRITE") != nullptr) {
    page.replace(table, end - table, ConsumerTable());
    std::ofstream(path) << page;
    return;
  }
  EXPECT_EQ(page.substr(table, end - table), ConsumerTable())
      << "run common_task_test with LWQ_WRITE=1 and commit docs/formats.md";
}

}  // namespace
}  // namespace lwq
