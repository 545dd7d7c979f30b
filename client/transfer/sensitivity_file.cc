// SPDX-License-Identifier: Apache-2.0
#include "client/transfer/sensitivity_file.h"

#include <cmath>
#include <filesystem>

#include "common/bytes/bytes.h"
#include "common/json/json.h"

namespace lwq::client {
namespace {

constexpr uintmax_t kMaxBytes = 16 << 20;
constexpr char kScores[] = "sensitivity_scores";

// A list that was cut short or pasted together contradicts what the file says of its model.
Status CheckDeclaredBlocks(const Json& file, size_t scores) {
  const auto model = file.find("model");
  if (model == file.end() || !model->is_object()) return absl::OkStatus();
  const auto declared = model->find("num_layers");
  if (declared == model->end() || !declared->is_number_integer()) return absl::OkStatus();
  const auto blocks = declared->get<int64_t>();
  if (blocks == static_cast<int64_t>(scores)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("it lists ", scores, " scores, but its model.num_layers is ", blocks, "; give the whole file"));
}

StatusOr<std::vector<double>> ReadScores(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return absl::NotFoundError("no such file");
  if (!std::filesystem::is_regular_file(path, error)) return absl::InvalidArgumentError("it is not a file");
  const uintmax_t bytes = std::filesystem::file_size(path, error);
  if (bytes == 0) return absl::InvalidArgumentError("it is empty");
  if (bytes > kMaxBytes) return absl::InvalidArgumentError("it is larger than 16 MiB: it cannot be a list of scores");
  LWQ_ASSIGN_OR_RETURN(const Bytes text, Bytes::MapFile(path));
  // Twice the same name would leave open which list is meant.
  LWQ_ASSIGN_OR_RETURN(const Json json, ParseJson(text.view(), "file", DuplicateKeys::kRefuse));
  const auto list = json.is_object() ? json.find(kScores) : json.end();
  if (list == json.end() || !list->is_array() || list->empty()) {
    return absl::InvalidArgumentError("expected a JSON object whose \"sensitivity_scores\" lists a number per block");
  }
  std::vector<double> scores;
  for (const Json& entry : *list) {
    const double score = entry.is_number() ? entry.get<double>() : NAN;
    if (!std::isfinite(score) || score < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("the score of block ", scores.size(), " is ",
                       entry.dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, 60),
                       ", must be a finite number of at least 0"));
    }
    scores.push_back(score);
  }
  LWQ_RETURN_IF_ERROR(CheckDeclaredBlocks(json, scores.size()));
  return scores;
}

}  // namespace

StatusOr<std::vector<double>> ReadSensitivityFile(const std::string& path, const std::string& model_name,
                                                  int64_t blocks) {
  const std::string context = absl::StrCat("sensitivity_file: ", path);
  auto scores = ReadScores(path);
  if (!scores.ok()) return Annotate(scores.status(), context);
  if (blocks > 0 && static_cast<int64_t>(scores->size()) != blocks) {
    return absl::InvalidArgumentError(absl::StrCat(context, ": it has ", scores->size(), " scores, but model ",
                                                   model_name, " has ", blocks,
                                                   " blocks; give a file measured on this model"));
  }
  return scores;
}

}  // namespace lwq::client
