// SPDX-License-Identifier: Apache-2.0
#include "client/run_file/sweep_file.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>
#include <string_view>

#include "client/base/format.h"
#include "client/run_file/halving_node.h"
#include "client/run_file/read_run_file.h"
#include "client/run_file/run_entry.h"
#include "client/run_file/run_values.h"
#include "client/run_file/sample_node.h"
#include "client/run_file/suggestion.h"
#include "client/run_file/yaml_file.h"
#include "client/run_file/yaml_tree.h"

namespace lwq::client {
namespace {

using Kind = AxisNode::Kind;

constexpr char kModelKey[] = "model";

// What no run file has.
constexpr std::array<std::string_view, 4> kSweepMarks = {"axes", "arms", "seeds", "halving"};

// Whether a line begins with "key:".
bool HasLine(std::string_view text, std::string_view key) {
  const std::string begin = absl::StrCat(key, ":");
  return text.starts_with(begin) || text.find(absl::StrCat("\n", begin)) != std::string_view::npos;
}

const std::vector<std::string>& SweepKeys() {
  static const auto* const kKeys =
      new std::vector<std::string>{"name", "base", "models", "arms", "axes", "seeds", "exclude", "only_if", "halving"};
  return *kKeys;
}

class SweepReader {
 public:
  SweepReader(std::string_view what, const std::string& directory, SweepFile* file)
      : what_(what), directory_(directory), entries_(what, directory), file_(file) {}

  Status Read(const YamlNode& root) {
    if (root.kind == YamlNode::Kind::kNull) {
      return absl::InvalidArgumentError(absl::StrCat(what_, ": is empty; a sweep needs base, and axes or arms"));
    }
    LWQ_ASSIGN_OR_RETURN(const std::vector<YamlEntry> entries, EntriesOf(what_, root));
    for (const YamlEntry& entry : entries) {
      LWQ_RETURN_IF_ERROR(CheckSweepKey(*entry.key));
      parts_[entry.key->text] = entry;
    }
    if (!Has("axes") && !Has("arms") && !Has("seeds")) {
      return absl::InvalidArgumentError(
          absl::StrCat(what_, ": has neither axes nor arms nor seeds; a file of one run is for lwq submit"));
    }
    // Names before what uses them.
    LWQ_RETURN_IF_ERROR(ReadIf("name", &SweepReader::ReadName));
    LWQ_RETURN_IF_ERROR(ReadIf("models", &SweepReader::ReadModels));
    LWQ_RETURN_IF_ERROR(ReadIf("base", &SweepReader::ReadBase));
    LWQ_RETURN_IF_ERROR(ReadIf("arms", &SweepReader::ReadArms));
    LWQ_RETURN_IF_ERROR(ReadIf("axes", &SweepReader::ReadAxes));
    LWQ_RETURN_IF_ERROR(ReadIf("seeds", &SweepReader::ReadSeeds));
    LWQ_RETURN_IF_ERROR(ReadIf("exclude", &SweepReader::ReadExclude));
    LWQ_RETURN_IF_ERROR(ReadIf("only_if", &SweepReader::ReadOnlyIf));
    LWQ_RETURN_IF_ERROR(ReadIf("halving", &SweepReader::ReadHalving));
    for (const auto& [name, path] : models_) {
      if (used_models_.contains(name)) continue;
      file_->remarks.push_back(absl::StrCat(what_, ": no run uses the model \"", OneLine(name), "\" of models"));
    }
    return absl::OkStatus();
  }

 private:
  using Reader = Status (SweepReader::*)(const YamlEntry& entry);

  bool Has(const std::string& key) const { return parts_.contains(key); }
  Status ReadIf(const std::string& key, Reader read) {
    const auto found = parts_.find(key);
    return found == parts_.end() ? absl::OkStatus() : (this->*read)(found->second);
  }

  Status Invalid(const YamlNode& node, std::string_view message) const { return InvalidAt(what_, node, message); }
  Status Expected(const YamlEntry& entry, std::string_view expected) const {
    return ExpectedAt(what_, entry, expected);
  }

  Status CheckSweepKey(const YamlNode& key) const {
    const std::vector<std::string>& keys = SweepKeys();
    if (std::find(keys.begin(), keys.end(), key.text) != keys.end()) return absl::OkStatus();
    if (FindRunField(key.text) != nullptr) {
      return Invalid(key, absl::StrCat(key.text, " is a key of a run; put it under base, or into an axis"));
    }
    return Invalid(key,
                   UnknownNameMessage(absl::StrCat("key ", DescribeNode(key)), {"", NearestName(key.text, keys)}, "",
                                      "the keys of a sweep are name, base, models, arms, axes, seeds, "
                                      "exclude, only_if and halving"));
  }

  Status ReadName(const YamlEntry& entry) {
    const bool is_text = entry.value->kind == YamlNode::Kind::kScalar && !entry.value->text.empty();
    if (!is_text) return Expected(entry, "a text");
    if (!IsUtf8(entry.value->text)) return Invalid(*entry.value, "name: is not UTF-8; write it in UTF-8");
    file_->name = entry.value->text;
    return absl::OkStatus();
  }

  Status ReadModels(const YamlEntry& entry) {
    if (entry.value->kind != YamlNode::Kind::kMap) return Expected(entry, "a mapping of \"name: path\"");
    LWQ_ASSIGN_OR_RETURN(const std::vector<YamlEntry> models, EntriesOf(what_, *entry.value));
    for (const YamlEntry& model : models) {
      const std::string& name = model.key->text;
      if (name.empty() || name.find('/') != std::string::npos || !IsUtf8(name)) {
        return Invalid(*model.key,
                       absl::StrCat("models: expected a name without \"/\", got ", DescribeNode(*model.key)));
      }
      if (model.value->kind != YamlNode::Kind::kScalar || model.value->text.empty()) return Expected(model, "a path");
      models_[name] = ResolvePath(directory_, model.value->text);
    }
    return absl::OkStatus();
  }

  Status ReadBase(const YamlEntry& entry) {
    if (entry.value->kind == YamlNode::Kind::kScalar && !entry.value->text.empty()) {
      LWQ_ASSIGN_OR_RETURN(file_->base, ReadRunFile(ResolvePath(directory_, entry.value->text)));
      file_->base.spec.clear_name();  // its own; runs of a sweep are named by their arms
      return absl::OkStatus();
    }
    if (entry.value->kind != YamlNode::Kind::kMap)
      return Expected(entry, "a mapping of run keys or a path of a run file");
    LWQ_ASSIGN_OR_RETURN(const std::vector<YamlEntry> entries, EntriesOf(what_, *entry.value));
    for (const YamlEntry& one : entries) {
      LWQ_ASSIGN_OR_RETURN(const RunField* field, FieldOf(*one.key));
      LWQ_ASSIGN_OR_RETURN(const AxisValue value, ReadValue(*field, *one.key, *one.value));
      LWQ_RETURN_IF_ERROR(SetRunValue(*field, value.value, &file_->base));
    }
    return absl::OkStatus();
  }

  // A key that may stand in base, an axis or a condition.
  StatusOr<const RunField*> FieldOf(const YamlNode& key) const {
    if (key.text == "name") {
      return Invalid(key, "name: runs of a sweep are named by their arms; the sweep's own name stands beside base");
    }
    return FieldOfKey(what_, key);
  }

  // The path of a model that is called by its name under `models`; "" for a path.
  StatusOr<std::string> FindModel(const YamlNode& value) {
    if (value.kind != YamlNode::Kind::kScalar || models_.empty()) return "";
    if (const auto found = models_.find(value.text); found != models_.end()) {
      used_models_.insert(found->first);
      file_->model_names[found->second] = found->first;
      return found->second;
    }
    std::vector<std::string> names;
    for (const auto& [name, path] : models_) names.push_back(name);
    const std::string nearest = NearestName(value.text, names);
    if (nearest.empty() || value.text.find('/') != std::string::npos) return "";
    return Invalid(value, absl::StrCat("model: models has no ", DescribeNode(value), "; did you mean ", nearest, "?"));
  }

  StatusOr<AxisValue> ReadValue(const RunField& field, const YamlNode& key, const YamlNode& value) {
    if (field.name == kModelKey) {
      LWQ_ASSIGN_OR_RETURN(const std::string path, FindModel(value));
      if (!path.empty()) return AxisValue{path, value.text};
    }
    const bool takes_lists =
        field.type == FieldType::kTexts || field.type == FieldType::kIntegers || field.type == FieldType::kWords;
    if (value.kind == YamlNode::Kind::kList && !takes_lists) {
      return Invalid(value, absl::StrCat(field.name, ": expected ", ExpectedOf(field.type),
                                         ", got a list; several values belong into a grid, zip or list of axes"));
    }
    RunRequest scratch;
    LWQ_RETURN_IF_ERROR(entries_.Read(field, key, value, &scratch));
    const std::optional<Json> json = RunValue(field, scratch);
    Json given = json.has_value() ? *json : Json(0);  // a priority of 0 is the only value that says nothing
    std::string label = LabelOfValue(field, given);
    if (FindInvalid(given)) return Invalid(value, absl::StrCat(field.name, ": is not UTF-8; rename the file"));
    return AxisValue{std::move(given), std::move(label)};
  }

  static bool FindInvalid(const Json& value) {
    if (value.is_string()) return !IsUtf8(value.get<std::string>());
    return value.is_structured() && std::any_of(value.begin(), value.end(), FindInvalid);
  }

  AxisNode NodeAt(Kind kind, const YamlNode& place) const {
    AxisNode node;
    node.kind = kind;
    node.where = PlaceOf(what_, place);
    return node;
  }

  // "key: [value, …]".
  StatusOr<AxisNode> ReadAxis(const RunField& field, const YamlEntry& entry) {
    if (entry.value->kind != YamlNode::Kind::kList) {
      return Expected(entry, "a list of values; one value for all runs belongs under base");
    }
    AxisNode axis = NodeAt(Kind::kValues, *entry.key);
    axis.key = field.name;
    for (const YamlNode& item : entry.value->items) {
      LWQ_ASSIGN_OR_RETURN(AxisValue value,
                           ReadValue(field, item.kind == YamlNode::Kind::kNull ? *entry.key : item, item));
      axis.values.push_back(std::move(value));
    }
    return axis;
  }

  // What stands under grid or zip: axes, and under `of` nodes.
  StatusOr<AxisNode> ReadParts(Kind kind, const YamlEntry& entry) {
    if (entry.value->kind != YamlNode::Kind::kMap) return Expected(entry, "a mapping of \"key: [values]\"");
    LWQ_ASSIGN_OR_RETURN(const std::vector<YamlEntry> entries, EntriesOf(what_, *entry.value));
    AxisNode node = NodeAt(kind, *entry.key);
    for (const YamlEntry& one : entries) {
      if (one.key->text == "of") {
        if (one.value->kind != YamlNode::Kind::kList) return Expected(one, "a list of nodes");
        for (const YamlNode& item : one.value->items) {
          LWQ_ASSIGN_OR_RETURN(AxisNode part, ReadNode(item, nullptr));
          node.parts.push_back(std::move(part));
        }
        continue;
      }
      LWQ_ASSIGN_OR_RETURN(const RunField* field, FieldOf(*one.key));
      LWQ_ASSIGN_OR_RETURN(AxisNode axis, ReadAxis(*field, one));
      node.parts.push_back(std::move(axis));
    }
    if (node.parts.empty()) return Invalid(*entry.key, absl::StrCat(entry.key->text, ": is empty; give it axes"));
    return node;
  }

  StatusOr<AxisNode> ReadList(const YamlEntry& entry) {
    if (entry.value->kind != YamlNode::Kind::kList) return Expected(entry, "a list of mappings");
    AxisNode node = NodeAt(Kind::kList, *entry.key);
    for (const YamlNode& item : entry.value->items) {
      LWQ_ASSIGN_OR_RETURN(AxisNode part, ReadNode(item, nullptr));
      node.parts.push_back(std::move(part));
    }
    return node;
  }

  // A node: keys with one value each, grid, zip, list and sample; every part with every other. Where `arm` is given the
  // node is a named arm: its `name` goes there, and tables do not tell the keys that it sets.
  StatusOr<AxisNode> ReadNode(const YamlNode& map, std::string* arm) {
    LWQ_ASSIGN_OR_RETURN(const std::vector<YamlEntry> entries, EntriesOf(what_, map));
    AxisNode node = NodeAt(Kind::kProduct, map);
    for (const YamlEntry& entry : entries) {
      const std::string& key = entry.key->text;
      StatusOr<AxisNode> part;
      if (arm != nullptr && key == "name") {
        LWQ_RETURN_IF_ERROR(ReadArmName(entry, arm));
        continue;
      }
      if (key == "grid" || key == "zip") {
        part = ReadParts(key == "grid" ? Kind::kProduct : Kind::kZip, entry);
      } else if (key == "sample") {
        part = ReadSampleNode(
            what_, entry, [this](const YamlNode& name) { return FieldOf(name); },
            [this](const RunField& field, const YamlNode& name, const YamlNode& value) {
              return ReadValue(field, name, value);
            });
      } else if (key == "list") {
        part = ReadList(entry);
      } else {
        part = ReadSetting(entry, /*labelled=*/arm == nullptr);
      }
      LWQ_RETURN_IF_ERROR(part);
      node.parts.push_back(*std::move(part));
    }
    return node;
  }

  StatusOr<AxisNode> ReadSetting(const YamlEntry& entry, bool labelled) {
    LWQ_ASSIGN_OR_RETURN(const RunField* field, FieldOf(*entry.key));
    LWQ_ASSIGN_OR_RETURN(AxisValue value, ReadValue(*field, *entry.key, *entry.value));
    AxisNode setting = NodeAt(Kind::kValues, *entry.key);
    setting.key = field->name;
    setting.values = {std::move(value)};
    setting.labelled = labelled;
    return setting;
  }

  Status ReadArmName(const YamlEntry& entry, std::string* name) {
    const bool is_text = entry.value->kind == YamlNode::Kind::kScalar && !entry.value->text.empty();
    if (!is_text) return Expected(entry, "a text");
    if (!IsUtf8(entry.value->text)) return Invalid(*entry.value, "name: is not UTF-8; write it in UTF-8");
    *name = OneLine(entry.value->text);
    if (arm_names_.insert(*name).second) return absl::OkStatus();
    return Invalid(*entry.value, absl::StrCat("two arms are named ", DescribeNode(*entry.value), "; rename one"));
  }

  Status ReadArms(const YamlEntry& entry) {
    if (entry.value->kind != YamlNode::Kind::kList) return Expected(entry, "a list of arms, each with a name");
    AxisNode arms = NodeAt(Kind::kList, *entry.key);
    for (const YamlNode& item : entry.value->items) {
      std::string name;
      LWQ_ASSIGN_OR_RETURN(AxisNode arm, ReadNode(item, &name));
      if (name.empty()) return Invalid(item, "an arm needs a name; add \"name: TEXT\", or use a list of axes");
      AxisNode named = NodeAt(Kind::kValues, item);
      named.key = kArmKey;
      named.values = {{name, name}};
      arm.parts.insert(arm.parts.begin(), std::move(named));
      arms.parts.push_back(std::move(arm));
    }
    if (arms.parts.empty()) return Invalid(*entry.key, "arms: is empty; give it arms or remove it");
    file_->sweep.axes.parts.push_back(std::move(arms));
    return absl::OkStatus();
  }

  Status ReadAxes(const YamlEntry& entry) {
    if (entry.value->kind != YamlNode::Kind::kMap) return Expected(entry, "a mapping with grid, zip, list or sample");
    LWQ_ASSIGN_OR_RETURN(AxisNode axes, ReadNode(*entry.value, nullptr));
    if (axes.parts.empty()) return Invalid(*entry.key, "axes: is empty; give it a grid, zip, list or sample");
    file_->sweep.axes.parts.push_back(std::move(axes));
    return absl::OkStatus();
  }

  Status ReadSeeds(const YamlEntry& entry) {
    if (entry.value->kind != YamlNode::Kind::kList) return Expected(entry, "a list of integers");
    LWQ_ASSIGN_OR_RETURN(AxisNode seeds, ReadAxis(*FindRunField("seed"), entry));
    file_->sweep.axes.parts.push_back(std::move(seeds));
    return absl::OkStatus();
  }

  // A mapping of key → value or list of values.
  StatusOr<SweepCondition> ReadCondition(const YamlNode& map) {
    LWQ_ASSIGN_OR_RETURN(const std::vector<YamlEntry> entries, EntriesOf(what_, map));
    SweepCondition condition;
    condition.where = PlaceOf(what_, map);
    if (entries.empty()) return Invalid(map, "the condition is empty; name a key and its values");
    for (const YamlEntry& entry : entries) {
      const bool is_list = entry.value->kind == YamlNode::Kind::kList;
      if (is_list && entry.value->items.empty()) return Expected(entry, "a value or several");
      std::vector<Json>& values = condition.keys[entry.key->text];
      const size_t count = is_list ? entry.value->items.size() : 1;
      for (size_t i = 0; i < count; ++i) {
        LWQ_ASSIGN_OR_RETURN(Json value,
                             ReadConditionValue(*entry.key, is_list ? entry.value->items[i] : *entry.value));
        values.push_back(std::move(value));
      }
    }
    return condition;
  }

  StatusOr<Json> ReadConditionValue(const YamlNode& key, const YamlNode& value) {
    if (key.text == kArmKey) {
      if (value.kind == YamlNode::Kind::kScalar && arm_names_.contains(OneLine(value.text))) return OneLine(value.text);
      const std::vector<std::string> names(arm_names_.begin(), arm_names_.end());
      const std::string nearest = NearestName(value.text, names);
      return Invalid(value, absl::StrCat("arm: no arm is named ", DescribeNode(value), "; ",
                                         nearest.empty() ? "arms lists their names"
                                                         : absl::StrCat("did you mean ", nearest, "?")));
    }
    LWQ_ASSIGN_OR_RETURN(const RunField* field, FieldOf(key));
    LWQ_ASSIGN_OR_RETURN(const AxisValue read, ReadValue(*field, key, value));
    return read.value;
  }

  Status ReadExclude(const YamlEntry& entry) {
    if (entry.value->kind != YamlNode::Kind::kList) return Expected(entry, "a list of conditions");
    for (const YamlNode& item : entry.value->items) {
      LWQ_ASSIGN_OR_RETURN(SweepCondition condition, ReadCondition(item));
      file_->sweep.exclude.push_back(std::move(condition));
    }
    return absl::OkStatus();
  }

  Status ReadOnlyIf(const YamlEntry& entry) {
    if (entry.value->kind != YamlNode::Kind::kMap) return Expected(entry, "a mapping of \"key: condition\"");
    LWQ_ASSIGN_OR_RETURN(const std::vector<YamlEntry> entries, EntriesOf(what_, *entry.value));
    for (const YamlEntry& one : entries) {
      LWQ_ASSIGN_OR_RETURN(const RunField* field, FieldOf(*one.key));
      if (one.value->kind != YamlNode::Kind::kMap) return Expected(one, "a condition, a mapping of keys to values");
      LWQ_ASSIGN_OR_RETURN(SweepCondition condition, ReadCondition(*one.value));
      file_->sweep.only_if.emplace(field->name, std::move(condition));
    }
    return absl::OkStatus();
  }

  Status ReadHalving(const YamlEntry& entry) {
    if (entry.value->kind != YamlNode::Kind::kMap) {
      return Expected(entry, "a mapping of metric, min_blocks, eta and order");
    }
    return ReadHalvingNode(what_, *entry.value, /*takes_metric=*/true, &file_->halving.emplace());
  }

  const std::string what_;
  const std::string directory_;
  const RunEntryReader entries_;
  SweepFile* file_;
  std::map<std::string, YamlEntry> parts_;     // of the root, by key
  std::map<std::string, std::string> models_;  // name → path
  std::set<std::string> used_models_;          // names
  std::set<std::string> arm_names_;
};

}  // namespace

bool IsSweepKey(std::string_view key) {
  return std::find(kSweepMarks.begin(), kSweepMarks.end(), key) != kSweepMarks.end();
}

bool IsSweepFile(const std::string& path) {
  const auto text = ReadYamlText(path, kSweepFileLimits);
  if (!text.ok()) return false;
  const auto root = ParseYaml(*text, path, kSweepFileLimits);
  // What is no YAML is what its lines look like, so that it is refused in the right words.
  if (!root.ok())
    return std::any_of(kSweepMarks.begin(), kSweepMarks.end(),
                       [&](std::string_view key) { return HasLine(*text, key); });
  for (size_t i = 0; root->kind == YamlNode::Kind::kMap && i + 1 < root->items.size(); i += 2) {
    if (IsSweepKey(root->items[i].text)) return true;
  }
  return false;
}

StatusOr<SweepFile> ParseSweepFile(std::string_view text, std::string_view what, const std::string& directory) {
  LWQ_ASSIGN_OR_RETURN(const YamlNode root, ParseYaml(text, what, kSweepFileLimits));
  SweepFile file;
  file.origin = what;
  LWQ_RETURN_IF_ERROR(SweepReader(what, directory, &file).Read(root));
  if (file.name.empty()) file.name = NameOfPath(std::string(what));
  return file;
}

StatusOr<SweepFile> ReadSweepFile(const std::string& path) {
  LWQ_ASSIGN_OR_RETURN(const std::string text, ReadYamlText(path, kSweepFileLimits));
  return ParseSweepFile(text, path, std::filesystem::path(path).parent_path().string());
}

}  // namespace lwq::client
