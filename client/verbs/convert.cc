// SPDX-License-Identifier: Apache-2.0
// lwq convert: an exported model in another format.
#include "absl/strings/str_join.h"
#include "client/base/format.h"
#include "client/transfer/convert_export.h"
#include "client/verbs/verb.h"
#include "reporting/json_text.h"

namespace lwq::client {
namespace {

struct ConvertOptions {
  bool json = false;
  std::string directory;
  std::string format;
  std::string output;
};

// Words of formats that make files.
std::vector<std::string> FormatWords() {
  std::vector<std::string> words;
  for (const ExportFormat format : AllChoices<ExportFormat>()) {
    if (format != ExportFormat::kNone) words.emplace_back(WordOf(format));
  }
  return words;
}

StatusOr<ExportFormat> ParseFormat(const std::string& word) {
  const std::optional<ExportFormat> format = ParseWord<ExportFormat>(word);
  if (format.has_value() && *format != ExportFormat::kNone) return *format;
  return absl::InvalidArgumentError(
      absl::StrCat("--format ", OneLine(word), " is no format; formats: ", absl::StrJoin(FormatWords(), ", ")));
}

// What was rounded on the way: "nothing", or how much.
std::string RoundedText(const Json& metrics) {
  std::string text;
  const auto add = [&](const char* count_key, const char* most_key, std::string_view what) {
    const int64_t count = JsonInt(metrics, count_key, "metrics").value_or(0);
    if (count == 0) return;
    absl::StrAppend(&text, text.empty() ? "" : ", ", count, " ", what, " by at most ",
                    FormatSignificant(JsonDouble(metrics, most_key, "metrics").value_or(0), 3));
  };
  add("scales_rounded", "max_scale_rounding", "scales (relative)");
  add("weights_rounded", "max_weight_rounding", "weights");
  return text.empty() ? "nothing" : text;
}

StatusOr<ExitCode> Convert(const CliContext& context, const ConvertOptions& options) {
  LWQ_ASSIGN_OR_RETURN(const ExportFormat format, ParseFormat(options.format));
  const StatusOr<ConvertedExport> converted =
      ConvertExportFolder(options.directory, format, options.output, context.console, context.interrupt);
  if (!converted.ok()) {
    return absl::IsCancelled(converted.status()) ? converted.status() : WithExit(converted.status(), ExitCode::kUsage);
  }
  for (const std::string& note : converted->notes) context.console->Err(absl::StrCat("lwq: ", note));
  if (options.json) {
    context.console->OutText(reporting::PrettyJson({{"directory", options.output},
                                                    {"from", WordOf(converted->from)},
                                                    {"format", WordOf(format)},
                                                    {"size_bytes", converted->size_bytes},
                                                    {"metrics", converted->metrics}}));
  } else {
    context.console->Out(absl::StrCat(options.output, ": ", WordOf(format), " from ", WordOf(converted->from), ", ",
                                      FormatBytes(converted->size_bytes),
                                      "; rounded: ", RoundedText(converted->metrics)));
  }
  return ExitCode::kOk;
}

}  // namespace

void AddConvertVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<ConvertOptions>();
  CLI::App* verb = AddVerb(root,
                           {"convert", "Write an exported model in another format",
                            "lwq convert model-w2g128 --format compressed_tensors --output model-w2g128-ct"},
                           &options->json);
  verb->add_option("DIR", options->directory, "the export's folder: gptq_v2, gptq or compressed_tensors")
      ->type_name("")
      ->required();
  verb->add_option("--format", options->format, absl::StrCat("one of ", absl::StrJoin(FormatWords(), ", ")))
      ->type_name("FORMAT")
      ->required();
  verb->add_option("--output", options->output, "the folder to write; made, and refused where it is not empty")
      ->type_name("DIR")
      ->required();
  verb->callback([=, &context] { *action = [=, &context] { return Convert(context, *options); }; });
}

}  // namespace lwq::client
