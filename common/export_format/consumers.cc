// SPDX-License-Identifier: Apache-2.0
#include "common/export_format/consumers.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace lwq {
namespace {

bool Covers(const ConsumerRow& row, int bits, bool symmetric, bool mixed) {
  const bool sym = row.sym == SymRule::kAny || (row.sym == SymRule::kSymmetric) == symmetric;
  const bool mix = row.mix == MixRule::kAny || (row.mix == MixRule::kMixed) == mixed;
  return sym && mix && std::find(row.widths.begin(), row.widths.end(), bits) != row.widths.end();
}

std::string_view VerdictText(const ConsumerRow& row) {
  switch (row.verdict) {
    case Verdict::kExact:
      return "exact";
    case Verdict::kRounded:
      return "rounded";
    case Verdict::kNotTried:
      return "not tried";
    case Verdict::kRefused:
      return "refused";
    case Verdict::kWrong:
      return "**wrong, without a word**";
  }
  return "";
}

std::string_view SymText(SymRule rule) {
  switch (rule) {
    case SymRule::kAny:
      return "both";
    case SymRule::kAsymmetric:
      return "false";
    case SymRule::kSymmetric:
      return "true";
  }
  return "";
}

std::string_view MixText(MixRule rule) {
  switch (rule) {
    case MixRule::kAny:
      return "alike or not";
    case MixRule::kUniform:
      return "alike";
    case MixRule::kMixed:
      return "not alike";
  }
  return "";
}

}  // namespace

std::string_view VersionedName(Consumer consumer) {
  switch (consumer) {
    case Consumer::kVllm:
      return "vLLM 0.32.0";
    case Consumer::kGptqModel:
      return "GPTQModel 7.7.0";
    case Consumer::kLlamaCpp:
      return "llama.cpp b11549";
    case Consumer::kTransformers:
      return "transformers 5.23.0";
    case Consumer::kAutoRound:
      return "AutoRound 0.16.1";
  }
  return "";
}

Served ServedBy(Consumer consumer, ExportFormat format, const ServedModel& model) {
  const bool symmetric = model.zero_points == ZeroPoints::kSymmetric;
  const bool mixed = model.widths.size() > 1 || model.group_sizes.size() > 1;
  Served worst{.verdict = Verdict::kExact, .row = nullptr, .bits = 0};
  for (const int bits : model.widths) {
    Served served{.verdict = Verdict::kNotTried, .row = nullptr, .bits = bits};
    for (const ConsumerRow& row : ConsumerRows()) {
      if (row.consumer != consumer || row.format != format || !Covers(row, bits, symmetric, mixed)) continue;
      served = {.verdict = row.verdict, .row = &row, .bits = bits};
      break;
    }
    if (worst.bits == 0 || served.verdict > worst.verdict) worst = served;
  }
  return worst;
}

std::string ServedText(Consumer consumer, ExportFormat format, const Served& served) {
  const std::string what = absl::StrCat(served.bits, " bits in ", WordOf(format));
  const std::string_view name = VersionedName(consumer);
  if (served.row == nullptr) return absl::StrCat(name, " was not tried with ", what);
  const ConsumerRow& row = *served.row;
  const std::string_view not_run = row.evidence == Evidence::kRead ? " (read in its source, not run)" : "";
  switch (row.verdict) {
    case Verdict::kExact:
      return absl::StrCat(name, " loads ", what, " exactly: ", row.said, not_run);
    case Verdict::kRounded:
      return absl::StrCat(name, " loads ", what, " rounded: ", row.said, not_run);
    case Verdict::kNotTried:
      break;
    case Verdict::kRefused:
      return absl::StrCat(name, " refuses ", what, ": ", row.said, not_run);
    case Verdict::kWrong:
      return absl::StrCat(name, " loads ", what, " WRONG, without a word: ", row.said, not_run);
  }
  return absl::StrCat(name, " was not tried with ", what);
}

std::string ConsumerTable() {
  std::string table =
      "| program | format | bits | `sym` | blocks | loads | how, or its words | seen |\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- |\n";
  for (const ConsumerRow& row : ConsumerRows()) {
    absl::StrAppend(&table, "| ", VersionedName(row.consumer), " | `", WordOf(row.format), "` | ",
                    absl::StrJoin(row.widths, ", "), " | ", SymText(row.sym), " | ", MixText(row.mix), " | ",
                    VerdictText(row), " | ");
    absl::StrAppend(&table, row.said, " | ", row.evidence == Evidence::kRan ? "run" : "source, not run", " |\n");
  }
  return table;
}

}  // namespace lwq
