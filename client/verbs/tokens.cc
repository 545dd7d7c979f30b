// SPDX-License-Identifier: Apache-2.0
// lwq tokens: what a model's tokenizer makes of a text. Needs no coordinator.
#include <iostream>
#include <iterator>

#include "client/render/table.h"
#include "client/transfer/model_tokenizer.h"
#include "client/verbs/verb.h"
#include "common/bytes/bytes.h"
#include "common/documents/json_records.h"
#include "common/text/one_line.h"
#include "reporting/json_text.h"

namespace lwq::client {
namespace {

struct TokensOptions {
  bool json = false;
  bool batch = false;
  std::string model;
  std::optional<std::string> text;
  std::string file;  // "-": standard input
};

constexpr size_t kLongestPiece = 60;

StatusOr<std::string> ReadInput(const TokensOptions& options) {
  if (options.text.has_value() == !options.file.empty()) {
    return absl::InvalidArgumentError("give a TEXT or --file FILE, one of them");
  }
  if (options.text.has_value()) return *options.text;
  if (options.file == "-") return std::string(std::istreambuf_iterator<char>(std::cin), {});
  LWQ_ASSIGN_OR_RETURN(const Bytes bytes, Bytes::MapFile(options.file));
  return std::string(bytes.view());
}

// A line of ids for every record.
StatusOr<ExitCode> PrintBatch(const CliContext& context, const Tokenizer& tokenizer, const std::string& input) {
  LWQ_ASSIGN_OR_RETURN(const std::vector<std::string> texts,
                       ReadJsonLines("the input", input, [&] { return absl::OkStatus(); }));
  for (size_t i = 0; i < texts.size(); ++i) {
    if (context.interrupt->raised()) return context.interrupt->reason();
    const auto ids = tokenizer.Encode(texts[i]);
    if (!ids.ok()) return Annotate(ids.status(), absl::StrCat("text ", i + 1));
    context.console->Out(CanonicalJson(Json(*ids)));
  }
  return ExitCode::kOk;
}

std::string CountsText(const Tokenizer& tokenizer, size_t tokens, size_t bytes) {
  std::string line = absl::StrCat(tokens, " tokens of ", bytes, " bytes; vocabulary ", tokenizer.vocab_size());
  for (const int32_t id : tokenizer.prefix_ids()) {
    const auto piece = tokenizer.Piece(id);
    absl::StrAppend(&line, "; in front of a text: ", piece.ok() ? lwq::OneLine(*piece, kLongestPiece) : "", " (", id,
                    ")");
  }
  return line;
}

StatusOr<ExitCode> Tokens(const CliContext& context, const TokensOptions& options) {
  Sources sources(SourceContextOf(context));
  LWQ_ASSIGN_OR_RETURN(const std::string folder, sources.Model("--model", options.model, ModelPart::kTokenizer));
  LWQ_ASSIGN_OR_RETURN(const auto tokenizer, OpenModelTokenizer(folder));
  LWQ_ASSIGN_OR_RETURN(const std::string text, ReadInput(options));
  if (options.batch) return PrintBatch(context, *tokenizer, text);
  LWQ_ASSIGN_OR_RETURN(const std::vector<int32_t> ids, tokenizer->Encode(text));
  Json pieces = Json::array();
  Table table({{"id", true}, {"piece"}});
  for (const int32_t id : ids) {
    LWQ_ASSIGN_OR_RETURN(const std::string_view piece, tokenizer->Piece(id));
    pieces.push_back(std::string(piece));
    if (!options.json) table.AddRow({absl::StrCat(id), lwq::OneLine(piece, kLongestPiece)});
  }
  if (options.json) {
    context.console->OutText(reporting::PrettyJson(
        {{"ids", ids},
         {"pieces", pieces},
         {"tokens", ids.size()},
         {"bytes", text.size()},
         {"prefix_ids", std::vector<int32_t>(tokenizer->prefix_ids().begin(), tokenizer->prefix_ids().end())},
         {"vocab_size", tokenizer->vocab_size()}}));
  } else {
    context.console->OutText(table.Render());
    context.console->Out(CountsText(*tokenizer, ids.size(), text.size()));
  }
  return ExitCode::kOk;
}

}  // namespace

void AddTokensVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<TokensOptions>();
  CLI::App* verb = AddVerb(root,
                           {"tokens", "Print the ids and pieces that a model's tokenizer makes of a text",
                            "lwq tokens --model models/tiny \"Hello, world\""},
                           &options->json);
  verb->add_option("--model", options->model,
                   "the model's directory, hf://ORG/NAME or s3://BUCKET/PREFIX; only its tokenizer's files are read")
      ->type_name("DIR")
      ->required();
  verb->add_option("TEXT", options->text, "the text");
  verb->add_option("--file", options->file, "or a file with it, as it is; - for standard input")->type_name("FILE");
  verb->add_flag("--batch", options->batch,
                 "the input is JSON lines (texts, or objects with a \"text\"); print a line of ids for each");
  verb->callback([=, &context] { *action = [=, &context] { return Tokens(context, *options); }; });
}

}  // namespace lwq::client
