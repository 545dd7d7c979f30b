#include "client/upload/sensitivity_file.h"

#include <cmath>
#include <filesystem>

#include "common/bytes/bytes.h"
#include "common/json/json.h"

namespace lwq {
namespace {

constexpr uintmax_t kMostBytes = 16 << 20;
constexpr char kScores[] = "sensitivity_scores";

StatusOr<std::vector<double>> ReadScores(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return absl::NotFoundError("no such file");
  if (!std::filesystem::is_regular_file(path, error)) return absl::InvalidArgumentError("it is not a file");
  const uintmax_t bytes = std::filesystem::file_size(path, error);
  if (bytes == 0) return absl::InvalidArgumentError("it is empty");
  if (bytes > kMostBytes) return absl::InvalidArgumentError("it is larger than 16 MiB: it cannot be a list of scores");
  LWQ_ASSIGN_OR_RETURN(const Bytes text, Bytes::MapFile(path));
  LWQ_ASSIGN_OR_RETURN(const Json json, ParseJson(text.view(), "file"));
  const auto list = json.is_object() ? json.find(kScores) : json.end();
  if (list == json.end() || !list->is_array() || list->empty()) {
    return absl::InvalidArgumentError("expected a JSON object whose \"sensitivity_scores\" lists a number per block");
  }
  std::vector<double> scores;
  for (const Json& entry : *list) {
    const double score = entry.is_number() ? entry.get<double>() : NAN;
    if (!std::isfinite(score) || score < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("the score of block ", scores.size(), " is not a finite number of at least 0"));
    }
    scores.push_back(score);
  }
  return scores;
}

}  // namespace

StatusOr<std::vector<double>> ReadSensitivityFile(const std::string& path) {
  auto scores = ReadScores(path);
  if (!scores.ok()) return Annotate(scores.status(), absl::StrCat("sensitivity_file: ", path));
  return scores;
}

}  // namespace lwq
