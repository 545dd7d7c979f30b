// SPDX-License-Identifier: Apache-2.0
// One list of fields serves both directions: a struct's Fields(visitor) names each member once, and these two visitors
// write it to JSON or read it back. Reading is strict: a missing or unknown field is INVALID_ARGUMENT.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/json/json.h"
#include "common/recipe/choices.h"
#include "common/status/status.h"
#include "common/task/quant_choice.h"

namespace lwq {

class JsonFieldWriter {
 public:
  template <typename T>
  void operator()(std::string_view name, const T& value) {
    json_[std::string(name)] = value;
  }
  template <RecipeChoice E>
  void operator()(std::string_view name, const E& choice) {
    json_[std::string(name)] = std::string(WordOf(choice));
  }
  void operator()(std::string_view name, const std::optional<double>& value) {
    json_[std::string(name)] = value.has_value() ? Json(*value) : Json(nullptr);
  }
  void operator()(std::string_view name, const std::vector<QuantChoice>& choices) {
    Json& list = json_[std::string(name)] = Json::array();
    for (const QuantChoice& choice : choices) {
      list.push_back(Json{{"bits", choice.bits}, {"group_size", choice.group_size}});
    }
  }
  // Left out at its default.
  template <typename T>
  void Young(std::string_view name, const T& value, const T& default_value) {
    if (value != default_value) (*this)(name, value);
  }
  Json Take() { return std::move(json_); }

 private:
  Json json_ = Json::object();
};

class JsonFieldReader {
 public:
  JsonFieldReader(const Json& json, std::string_view what) : json_(json), what_(what) {}

  void operator()(std::string_view name, int64_t& value) { Take(JsonInt(json_, Seen(name), what_), value); }
  void operator()(std::string_view name, int& value) {
    int64_t wide = 0;
    Take(JsonInt(json_, Seen(name), what_), wide);
    value = static_cast<int>(wide);
  }
  void operator()(std::string_view name, double& value) { Take(JsonDouble(json_, Seen(name), what_), value); }
  void operator()(std::string_view name, bool& value) { Take(JsonBool(json_, Seen(name), what_), value); }
  void operator()(std::string_view name, std::string& value) { Take(JsonString(json_, Seen(name), what_), value); }
  template <RecipeChoice E>
  void operator()(std::string_view name, E& choice) {
    std::string word;
    (*this)(name, word);
    const std::optional<E> parsed = ParseWord<E>(word);
    if (parsed.has_value()) {
      choice = *parsed;
    } else {
      Fail(absl::InvalidArgumentError(absl::StrCat(what_, ": ", name, " ", UnknownWordMessage(word, kWords<E>))));
    }
  }
  void operator()(std::string_view name, std::optional<double>& value) {
    const auto it = json_.is_object() ? json_.find(name) : json_.end();
    if (it != json_.end() && it->is_null()) {
      Seen(name);
      value.reset();
      return;
    }
    double number = 0;
    (*this)(name, number);
    value = number;
  }

  void operator()(std::string_view name, std::vector<QuantChoice>& choices) {
    Seen(name);
    const auto it = json_.is_object() ? json_.find(name) : json_.end();
    if (it == json_.end() || !it->is_array()) {
      return Fail(absl::InvalidArgumentError(absl::StrCat(what_, ": '", name, "' is not a list")));
    }
    choices.clear();
    for (const Json& entry : *it) {
      QuantChoice choice;
      JsonFieldReader reader(entry, what_);
      reader("bits", choice.bits);
      reader("group_size", choice.group_size);
      if (const Status status = reader.Finish(); !status.ok()) return Fail(status);
      choices.push_back(choice);
    }
  }

  template <typename T>
  void Young(std::string_view name, T& value, const T& default_value) {
    value = default_value;
    if (json_.is_object() && json_.contains(name)) (*this)(name, value);
  }

  // The first error, or an error naming a field nobody asked for.
  Status Finish() const {
    if (!status_.ok()) return status_;
    for (const auto& [name, value] : json_.items()) {
      if (!seen_.contains(name)) {
        return absl::InvalidArgumentError(absl::StrCat(what_, ": unknown field '", name, "'"));
      }
    }
    return absl::OkStatus();
  }

 private:
  std::string_view Seen(std::string_view name) {
    seen_.insert(std::string(name));
    return name;
  }
  template <typename T>
  void Take(StatusOr<T> got, T& value) {
    if (got.ok()) {
      value = *std::move(got);
    } else {
      Fail(got.status());
    }
  }
  void Fail(const Status& status) {
    if (status_.ok()) status_ = status;
  }

  const Json& json_;
  std::string_view what_;
  std::set<std::string> seen_;
  Status status_;
};

}  // namespace lwq
