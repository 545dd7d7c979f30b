// SPDX-License-Identifier: Apache-2.0
#include "client/run_file/search_axis.h"

#include <charconv>
#include <cmath>
#include <iterator>
#include <optional>
#include <set>

#include "absl/strings/str_split.h"
#include "client/base/format.h"
#include "client/run_file/run_entry.h"
#include "client/run_file/run_values.h"
#include "client/run_file/suggestion.h"
#include "common/recipe/recipe_table.h"
#include "common/search/low_discrepancy.h"

namespace lwq::client {
namespace {

using search::ParameterKind;
using search::SearchParameter;

constexpr char kRangeKeys[] = "a range has low and high, and may have log, step and int; a list of values is choice";

std::string NumberText(double value) {
  char text[32];
  const auto end = std::to_chars(std::begin(text), std::end(text), value).ptr;
  return {std::begin(text), end};
}

// As a run has it that was given this text.
StatusOr<AxisValue> ValueOfText(const RunField& field, const std::string& text) {
  RunRequest scratch;
  LWQ_RETURN_IF_ERROR(SetRunField(field, text, &scratch));
  Json value = RunValue(field, scratch).value_or(Json(0));  // a priority of 0 is the only value that says nothing
  std::string label = LabelOfValue(field, value);
  return AxisValue{std::move(value), std::move(label)};
}

// A number that the key takes: an end or a step.
StatusOr<double> NumberOf(const RunField& field, std::string_view name, const std::string& text) {
  const auto value = ValueOfText(field, text);
  if (!value.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(field.name, ": ", name, ": expected ", ExpectedOf(field.type),
                                                   ", got \"", OneLine(text.substr(0, 60)), "\""));
  }
  return value->value.get<double>();
}

Status CheckTakesRange(const RunField& field) {
  const bool is_number = field.type == FieldType::kNumber || field.type == FieldType::kInteger;
  if (!is_number) {
    return absl::InvalidArgumentError(
        absl::StrCat(field.name, ": takes ", ExpectedOf(field.type), " and has no range; give a list of values"));
  }
  const RecipeFieldText* const recipe = FindRecipeField(field.name);
  if (recipe == nullptr || !recipe->only_choices) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field.name, ": takes ", recipe->allowed, " and nothing between; give a list of values"));
}

Status CheckAllowed(const SearchAxis& axis) {
  const RecipeFieldText* const recipe = FindRecipeField(axis.field->name);
  if (recipe == nullptr || !recipe->range.has_value()) return absl::OkStatus();
  for (const auto& [name, end] : {std::pair("low", axis.parameter.low), std::pair("high", axis.parameter.high)}) {
    if (end >= recipe->range->first && end <= recipe->range->second) continue;
    return absl::InvalidArgumentError(absl::StrCat(axis.field->name, ": ", name, " ", NumberText(end),
                                                   " is not within ", recipe->allowed, "; give a narrower range"));
  }
  return absl::OkStatus();
}

SearchAxis NewAxis(const RunField& field, std::string where) {
  SearchAxis axis{&field, std::move(where), {}, {}};
  axis.parameter.name = field.name;
  if (field.type == FieldType::kInteger) axis.parameter.kind = ParameterKind::kInt;
  return axis;
}

Status FinishAxis(SearchAxis* axis) {
  if (!axis->choices.empty()) {
    axis->parameter.kind = ParameterKind::kCategorical;
    std::set<std::string> seen;
    for (const AxisValue& choice : axis->choices) {
      axis->parameter.choices.push_back(CanonicalJson(choice.value));
      if (seen.insert(axis->parameter.choices.back()).second) continue;
      return absl::InvalidArgumentError(
          absl::StrCat(axis->field->name, ": the value \"", choice.label, "\" is given twice; remove one"));
    }
  }
  LWQ_RETURN_IF_ERROR(search::CheckSearchSpace({axis->parameter}));
  return axis->choices.empty() ? CheckAllowed(*axis) : absl::OkStatus();
}

class RangeReader {
 public:
  RangeReader(std::string_view what, SearchAxis* axis, const ValueReader& read_value)
      : what_(what), axis_(axis), read_value_(read_value) {}

  Status Read(const YamlEntry& entry) {
    if (entry.value->kind == YamlNode::Kind::kList) return ReadChoices(entry);
    if (entry.value->kind != YamlNode::Kind::kMap) {
      const bool is_null = entry.value->kind == YamlNode::Kind::kNull;
      return Invalid(is_null ? *entry.key : *entry.value,
                     absl::StrCat("expected a range such as {low: 1, high: 4} or a list of values, got ",
                                  DescribeNode(*entry.value), "; one value for all runs belongs under base"));
    }
    LWQ_ASSIGN_OR_RETURN(const std::vector<YamlEntry> entries, EntriesOf(what_, *entry.value));
    for (const YamlEntry& one : entries) {
      if (one.key->text == "choice" && entries.size() == 1) return ReadChoices(one);
      LWQ_RETURN_IF_ERROR(ReadPart(one));
    }
    for (const char* const end : {"low", "high"}) {
      if (given_.contains(end)) continue;
      return Invalid(*entry.value, absl::StrCat("the range has no ", end, "; give it one"));
    }
    return Annotate(CheckTakesRange(*axis_->field), PlaceOf(what_, *entry.value));
  }

 private:
  Status Invalid(const YamlNode& node, std::string_view message) const {
    return InvalidAt(what_, node, absl::StrCat(axis_->field->name, ": ", message));
  }

  Status ReadChoices(const YamlEntry& entry) {
    if (entry.value->kind != YamlNode::Kind::kList || entry.value->items.empty()) {
      return Invalid(*entry.value, absl::StrCat("expected a list of values, got ", DescribeNode(*entry.value)));
    }
    for (const YamlNode& item : entry.value->items) {
      LWQ_ASSIGN_OR_RETURN(AxisValue value,
                           read_value_(*axis_->field, item.kind == YamlNode::Kind::kNull ? *entry.key : item, item));
      axis_->choices.push_back(std::move(value));
    }
    return absl::OkStatus();
  }

  Status ReadPart(const YamlEntry& part) {
    const std::string& name = part.key->text;
    given_.insert(name);
    if (name == "choice") return Invalid(*part.key, "choice stands beside a range; give one of them");
    if (name == "log" || name == "int") {
      LWQ_ASSIGN_OR_RETURN(const bool on, ReadSwitch(part));
      if (name == "log") axis_->parameter.log = on;
      if (name == "int" && on) axis_->parameter.kind = ParameterKind::kInt;
      return absl::OkStatus();
    }
    if (name != "low" && name != "high" && name != "step") {
      const std::string nearest = NearestName(name, {"low", "high", "log", "step", "int", "choice"});
      return Invalid(*part.key,
                     absl::StrCat("unknown key ", DescribeNode(*part.key), "; ",
                                  nearest.empty() ? kRangeKeys : absl::StrCat("did you mean ", nearest, "?")));
    }
    // What is no number of the key is said of the key itself.
    LWQ_RETURN_IF_ERROR(Annotate(CheckTakesRange(*axis_->field), PlaceOf(what_, *part.key)));
    if (part.value->kind != YamlNode::Kind::kScalar || part.value->quoted) {
      const bool is_null = part.value->kind == YamlNode::Kind::kNull;
      return Invalid(is_null ? *part.key : *part.value,
                     absl::StrCat(name, ": expected ", ExpectedOf(axis_->field->type), ", got ",
                                  part.value->quoted ? "the quoted text " : "", DescribeNode(*part.value)));
    }
    const auto number = NumberOf(*axis_->field, name, part.value->text);
    LWQ_RETURN_IF_ERROR(Annotate(number.status(), PlaceOf(what_, *part.value)));
    if (name == "low") axis_->parameter.low = *number;
    if (name == "high") axis_->parameter.high = *number;
    if (name == "step") axis_->parameter.step = *number;
    return absl::OkStatus();
  }

  StatusOr<bool> ReadSwitch(const YamlEntry& part) const {
    const std::string& text = part.value->text;
    const bool is_word = part.value->kind == YamlNode::Kind::kScalar && !part.value->quoted;
    if (is_word && (text == "true" || text == "false")) return text == "true";
    const bool is_null = part.value->kind == YamlNode::Kind::kNull;
    return Invalid(is_null ? *part.key : *part.value,
                   absl::StrCat(part.key->text, ": expected true or false, got ", DescribeNode(*part.value)));
  }

  const std::string_view what_;
  SearchAxis* axis_;
  const ValueReader& read_value_;
  std::set<std::string> given_;
};

// What stands after the high end: "log", "int", "step=STEP".
Status ParseOption(const std::string& option, SearchAxis* axis) {
  if (option == "log") {
    axis->parameter.log = true;
  } else if (option == "int") {
    axis->parameter.kind = ParameterKind::kInt;
  } else if (option.starts_with("step=")) {
    LWQ_ASSIGN_OR_RETURN(axis->parameter.step, NumberOf(*axis->field, "step", option.substr(5)));
  } else {
    return absl::InvalidArgumentError(absl::StrCat(axis->field->name, ": unknown option \"", OneLine(option),
                                                   "\" of a range; there are log, int and step=STEP"));
  }
  return absl::OkStatus();
}

Status ParseValues(const std::string& text, SearchAxis* axis) {
  const size_t dots = text.find("..");
  if (dots == std::string::npos) {
    for (const std::string& one : std::vector<std::string>(absl::StrSplit(text, ','))) {
      LWQ_ASSIGN_OR_RETURN(AxisValue value, ValueOfText(*axis->field, one));
      axis->choices.push_back(std::move(value));
    }
    return absl::OkStatus();
  }
  LWQ_RETURN_IF_ERROR(CheckTakesRange(*axis->field));
  const std::vector<std::string> rest = absl::StrSplit(text.substr(dots + 2), ':');
  LWQ_ASSIGN_OR_RETURN(axis->parameter.low, NumberOf(*axis->field, "low", text.substr(0, dots)));
  LWQ_ASSIGN_OR_RETURN(axis->parameter.high, NumberOf(*axis->field, "high", rest.front()));
  for (size_t i = 1; i < rest.size(); ++i) LWQ_RETURN_IF_ERROR(ParseOption(rest[i], axis));
  return absl::OkStatus();
}

}  // namespace

StatusOr<SearchAxis> ReadSearchAxis(std::string_view what, const RunField& field, const YamlEntry& entry,
                                    const ValueReader& read_value) {
  SearchAxis axis = NewAxis(field, PlaceOf(what, *entry.key));
  LWQ_RETURN_IF_ERROR(RangeReader(what, &axis, read_value).Read(entry));
  LWQ_RETURN_IF_ERROR(Annotate(FinishAxis(&axis), PlaceOf(what, *entry.value)));
  return axis;
}

StatusOr<std::vector<SearchAxis>> ReadSearchAxes(std::string_view what, const YamlEntry& entry,
                                                 const KeyReader& read_key, const ValueReader& read_value) {
  if (entry.value->kind != YamlNode::Kind::kMap || entry.value->items.empty()) {
    return ExpectedAt(what, entry, "a mapping of \"key: range\"");
  }
  LWQ_ASSIGN_OR_RETURN(const std::vector<YamlEntry> entries, EntriesOf(what, *entry.value));
  std::vector<SearchAxis> axes;
  for (const YamlEntry& one : entries) {
    LWQ_ASSIGN_OR_RETURN(const RunField* field, read_key(*one.key));
    LWQ_ASSIGN_OR_RETURN(SearchAxis axis, ReadSearchAxis(what, *field, one, read_value));
    axes.push_back(std::move(axis));
  }
  return axes;
}

StatusOr<SearchAxis> ParseSearchAxis(std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0 || equals + 1 == text.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected KEY=LOW..HIGH or KEY=VALUE,VALUE, got \"", OneLine(text.substr(0, 60)), "\""));
  }
  const std::string key(text.substr(0, equals));
  const RunField* const field = FindRunField(key);
  if (field == nullptr) {
    std::vector<std::string> names;
    for (const RunField& one : RunFields()) names.push_back(one.name);
    return absl::InvalidArgumentError(UnknownNameMessage(absl::StrCat("key \"", OneLine(key), "\""),
                                                         LookUpUnknownName(key, names), "",
                                                         "lwq submit --help lists the keys of a run"));
  }
  SearchAxis axis = NewAxis(*field, "");
  LWQ_RETURN_IF_ERROR(ParseValues(std::string(text.substr(equals + 1)), &axis));
  LWQ_RETURN_IF_ERROR(FinishAxis(&axis));
  return axis;
}

AxisValue ValueOfAxis(const SearchAxis& axis, const search::ParameterValue& value) {
  if (axis.parameter.kind == ParameterKind::kCategorical) {
    return axis.choices[static_cast<size_t>(search::CoordinateOf(axis.parameter, value))];
  }
  const auto* const whole = std::get_if<int64_t>(&value);
  auto read = ValueOfText(*axis.field, whole != nullptr ? absl::StrCat(*whole) : NumberText(std::get<double>(value)));
  LWQ_CHECK(read.ok(), axis.field->name, ": ", read.status().ToString());  // both ends were taken
  return *std::move(read);
}

search::SearchSpace SpaceOf(const std::vector<SearchAxis>& axes) {
  search::SearchSpace space;
  for (const SearchAxis& axis : axes) space.push_back(axis.parameter);
  return space;
}

AxisNode SampleOf(const std::vector<SearchAxis>& axes, int64_t count, uint64_t seed) {
  AxisNode sample;
  sample.kind = AxisNode::Kind::kZip;
  for (const SearchAxis& axis : axes) {
    AxisNode& values = sample.parts.emplace_back();
    values.kind = AxisNode::Kind::kValues;
    values.where = axis.where;
    values.key = axis.field->name;
  }
  for (int64_t i = 0; i < count; ++i) {
    const std::vector<double> point = search::ScrambledSobolPoint(seed, static_cast<uint32_t>(i), axes.size());
    for (size_t a = 0; a < axes.size(); ++a) {
      const SearchParameter& parameter = axes[a].parameter;
      sample.parts[a].values.push_back(
          ValueOfAxis(axes[a], search::Shortened(parameter, search::ValueAt(parameter, point[a]))));
    }
  }
  return sample;
}

}  // namespace lwq::client
