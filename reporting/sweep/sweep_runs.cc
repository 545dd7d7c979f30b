// SPDX-License-Identifier: Apache-2.0
#include "reporting/sweep/sweep_runs.h"

#include <algorithm>
#include <optional>
#include <set>

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"

namespace lwq::reporting {
namespace {

using google::protobuf::FieldDescriptor;
using lwqat::v1::Recipe;
using lwqat::v1::Run;

// What the runs' files say about one thing: a value for each run, absent where a file says nothing.
struct Candidate {
  std::string name;
  std::vector<std::optional<std::string>> values;
};

bool AlwaysKept(const std::string& name) {
  return name == kModelLabel || name == "method" || name == "wbits" || name == "group_size" || name == kSeedLabel;
}

std::optional<std::string> WrittenValue(const Recipe& recipe, const FieldDescriptor* field) {
  const auto* reflection = recipe.GetReflection();
  if (field->is_repeated() || !reflection->HasField(recipe, field)) return std::nullopt;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection->GetString(recipe, field);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return absl::StrCat(reflection->GetDouble(recipe, field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return std::string(reflection->GetBool(recipe, field) ? "true" : "false");
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(reflection->GetInt32(recipe, field));
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(reflection->GetInt64(recipe, field));
    default:
      return std::nullopt;
  }
}

// As the file writes it. A method that is left out is the default, which the plan has.
std::optional<std::string> ValueOf(const Run& run, const FieldDescriptor* field) {
  std::optional<std::string> written = WrittenValue(run.spec().recipe(), field);
  const bool has_default = field->number() == Recipe::kMethodFieldNumber && run.has_plan() && run.plan().has_recipe();
  return written.has_value() || !has_default ? written : WrittenValue(run.plan().recipe(), field);
}

// The name, and of inputs that share it and differ, the start of their digest.
template <typename Source>
Candidate InputCandidate(const std::string& name, const std::vector<Run>& runs, const Source& source_of) {
  std::map<std::string, std::set<std::string>> digests_of;
  for (const Run& run : runs) digests_of[source_of(run).name()].insert(source_of(run).files().digest());
  Candidate candidate{.name = name, .values = {}};
  for (const Run& run : runs) {
    const auto& source = source_of(run);
    if (source.name().empty() && source.files().digest().empty()) {
      candidate.values.emplace_back();
    } else if (digests_of[source.name()].size() > 1) {
      candidate.values.emplace_back(absl::StrCat(source.name(), " ", source.files().digest().substr(0, 8)));
    } else {
      candidate.values.emplace_back(source.name());
    }
  }
  return candidate;
}

bool Differs(const Candidate& candidate) {
  return std::any_of(candidate.values.begin(), candidate.values.end(),
                     [&](const auto& value) { return value != candidate.values.front(); });
}

// Whether equal values of `finer` always go with equal values of `candidate`.
bool FollowsFrom(const Candidate& candidate, const Candidate& finer) {
  std::map<std::optional<std::string>, std::optional<std::string>> value_at;
  for (size_t i = 0; i < candidate.values.size(); ++i) {
    const auto [found, is_new] = value_at.emplace(finer.values[i], candidate.values[i]);
    if (!is_new && found->second != candidate.values[i]) return false;
  }
  return true;
}

std::vector<Candidate> CandidatesOf(const std::vector<Run>& runs) {
  std::vector<Candidate> all;
  all.push_back(InputCandidate(
      kModelLabel, runs, [](const Run& run) -> const auto& { return run.spec().model(); }));
  all.push_back(InputCandidate(
      "calib_dataset", runs, [](const Run& run) -> const auto& { return run.spec().calibration(); }));
  const auto* recipe = Recipe::descriptor();
  for (int i = 0; i < recipe->field_count(); ++i) {
    Candidate candidate{.name = std::string(recipe->field(i)->name()), .values = {}};
    for (const Run& run : runs) candidate.values.push_back(ValueOf(run, recipe->field(i)));
    all.push_back(std::move(candidate));
  }
  std::erase_if(all, [](const Candidate& candidate) { return !Differs(candidate); });
  return all;
}

}  // namespace

std::vector<Labels> LabelsFromRecipes(const std::vector<Run>& runs) {
  std::vector<Labels> labels(runs.size());
  if (runs.empty()) return labels;
  std::vector<Candidate> kept = CandidatesOf(runs);
  for (size_t i = 0; i < kept.size();) {
    const auto explains = [&](const Candidate& other) {
      return &other != &kept[i] && other.name != kSeedLabel && FollowsFrom(kept[i], other);
    };
    if (!AlwaysKept(kept[i].name) && std::any_of(kept.begin(), kept.end(), explains)) {
      kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      ++i;
    }
  }
  for (const Candidate& candidate : kept) {
    for (size_t i = 0; i < runs.size(); ++i) {
      if (candidate.values[i].has_value()) labels[i][candidate.name] = *candidate.values[i];
    }
  }
  return labels;
}

Labels WithoutSeed(Labels labels) {
  labels.erase(kSeedLabel);
  return labels;
}

std::string LabelsText(const Labels& labels) {
  std::string text;
  for (const auto& [axis, value] : labels) absl::StrAppend(&text, text.empty() ? "" : ", ", axis, " ", value);
  return text.empty() ? "all runs" : text;
}

}  // namespace lwq::reporting
