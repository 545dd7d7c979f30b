// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/recipe/serve.h"

#include <algorithm>
#include <optional>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace lwq::coordinator {
namespace {

// In the order in which they are tried: fake_quant, which many load, saves nothing.
constexpr ExportFormat kServedFormats[] = {ExportFormat::kGptqV2, ExportFormat::kGptq, ExportFormat::kCompressedTensors,
                                           ExportFormat::kGguf};

bool AllLoad(const std::vector<Consumer>& consumers, ExportFormat format, const ServedModel& model) {
  const bool held = std::all_of(model.widths.begin(), model.widths.end(),
                                [&](int bits) { return FormatHolds(format, bits, model.zero_points); });
  return held && std::all_of(consumers.begin(), consumers.end(),
                             [&](Consumer consumer) { return Loads(ServedBy(consumer, format, model)); });
}

// The first compressed format that all load, if any.
std::optional<ExportFormat> FormatAllLoad(const std::vector<Consumer>& consumers, const ServedModel& model) {
  for (const ExportFormat format : kServedFormats) {
    if (AllLoad(consumers, format, model)) return format;
  }
  return std::nullopt;
}

// The smallest change after which all load: another format, sym, the width; at last one that saves nothing.
std::string Remedy(const std::vector<Consumer>& consumers, const ServedModel& model) {
  if (const auto format = FormatAllLoad(consumers, model)) return absl::StrCat("export ", WordOf(*format));
  const bool symmetric = model.zero_points == ZeroPoints::kSymmetric;
  ServedModel other = model;
  other.zero_points = symmetric ? ZeroPoints::kAny : ZeroPoints::kSymmetric;
  if (const auto format = FormatAllLoad(consumers, other)) {
    return absl::StrCat("set sym to ", symmetric ? "false" : "true", " and export ", WordOf(*format));
  }
  ServedModel alike = model;
  alike.widths = {4};
  alike.group_sizes = {*model.group_sizes.begin()};
  if (const auto format = FormatAllLoad(consumers, alike)) {
    return absl::StrCat("give all blocks 4 bits and one group size, and export ", WordOf(*format));
  }
  if (AllLoad(consumers, ExportFormat::kFakeQuant, model))
    return "only fake_quant, fp16 in size, loads in all of serve";
  return "no format loads in all programs of serve: make a run for each, or leave one out";
}

}  // namespace

StatusOr<std::vector<Consumer>> ParseServe(std::string_view text) {
  std::vector<Consumer> consumers;
  if (text == kNobody) return consumers;
  const std::vector<std::string> words = absl::StrSplit(std::string(text), ',');
  for (const std::string& part : words) {
    const std::string word(absl::StripAsciiWhitespace(part));
    if (word.empty()) {
      return absl::InvalidArgumentError("serve has an empty name: give names separated by commas, or none");
    }
    if (word == kNobody) return absl::InvalidArgumentError("serve has none beside other names: give one or the other");
    const std::optional<Consumer> consumer = ParseWord<Consumer>(word);
    if (!consumer.has_value()) {
      return absl::InvalidArgumentError(absl::StrCat("serve ", UnknownWordMessage(word, kWords<Consumer>)));
    }
    if (std::find(consumers.begin(), consumers.end(), *consumer) != consumers.end()) {
      return absl::InvalidArgumentError(absl::StrCat("serve has ", word, " twice: give each once"));
    }
    consumers.push_back(*consumer);
  }
  return consumers;
}

ExportFormat FormatServed(std::string_view serve, const ServedModel& model) {
  const auto consumers = ParseServe(serve);
  if (!consumers.ok() || consumers->empty()) return ExportFormat::kGptqV2;
  return FormatAllLoad(*consumers, model).value_or(ExportFormat::kGptqV2);
}

Status CheckServed(std::string_view serve, ExportFormat format, const ServedModel& model) {
  LWQ_ASSIGN_OR_RETURN(const std::vector<Consumer> consumers, ParseServe(serve));
  for (const Consumer consumer : consumers) {
    const Served served = ServedBy(consumer, format, model);
    if (Loads(served)) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        "serve ", WordOf(consumer), ": ", ServedText(consumer, format, served), "; ", Remedy(consumers, model)));
  }
  return absl::OkStatus();
}

}  // namespace lwq::coordinator
