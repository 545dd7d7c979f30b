// SPDX-License-Identifier: Apache-2.0
#include "common/json/json.h"

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/text/one_line.h"

namespace lwq {
namespace {

constexpr int kMaxDepth = 64;
constexpr size_t kMaxQuoteBytes = 80;
// The library quotes the text from the start of the broken token on, however long that is and whatever bytes it has.
constexpr size_t kMaxReasonBytes = 240;

StatusOr<const Json*> Member(const Json& object, std::string_view key, std::string_view what) {
  if (!object.is_object()) return absl::InvalidArgumentError(absl::StrCat(what, " is not a JSON object"));
  const auto it = object.find(key);
  if (it == object.end()) return absl::InvalidArgumentError(absl::StrCat(what, ": '", key, "' is missing"));
  return &*it;
}

Status WrongType(std::string_view what, std::string_view key, std::string_view wanted, const Json& got) {
  return absl::InvalidArgumentError(
      absl::StrCat(what, ": '", key, "' must be ", wanted, ", not ",
                   got.dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, 60)));
}

// Sees every key as it is parsed; remembers the first that its object already had.
class DuplicateFinder {
 public:
  bool operator()(int /*depth*/, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) {
      open_objects_.emplace_back();
    } else if (event == Json::parse_event_t::object_end) {
      open_objects_.pop_back();
    } else if (event == Json::parse_event_t::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!open_objects_.back().insert(key).second && !found_) found_ = key;
    }
    return true;
  }
  const std::optional<std::string>& found() const { return found_; }

 private:
  std::vector<std::set<std::string>> open_objects_;
  std::optional<std::string> found_;
};

}  // namespace

StatusOr<Json> ParseJson(std::string_view text, std::string_view what, DuplicateKeys duplicates) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) {
        return absl::InvalidArgumentError(absl::StrCat(what, ": JSON is nested deeper than ", kMaxDepth, " levels"));
      }
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  try {
    if (duplicates == DuplicateKeys::kKeepLast) return Json::parse(text);
    DuplicateFinder finder;
    Json value = Json::parse(text, std::ref(finder));
    if (finder.found()) {
      return absl::InvalidArgumentError(
          absl::StrCat(what, ": the key '", OneLine(*finder.found(), kMaxQuoteBytes), "' appears twice in one object"));
    }
    return value;
  } catch (const nlohmann::json::exception& e) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": not valid JSON: ", OneLine(e.what(), kMaxReasonBytes)));
  }
}

std::string CanonicalJson(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

StatusOr<int64_t> JsonInt(const Json& object, std::string_view key, std::string_view what) {
  LWQ_ASSIGN_OR_RETURN(const Json* member, Member(object, key, what));
  if (!member->is_number_integer() ||
      (member->is_number_unsigned() && member->get<uint64_t>() > static_cast<uint64_t>(INT64_MAX))) {
    return WrongType(what, key, "an integer", *member);
  }
  return member->get<int64_t>();
}

StatusOr<double> JsonDouble(const Json& object, std::string_view key, std::string_view what) {
  LWQ_ASSIGN_OR_RETURN(const Json* member, Member(object, key, what));
  if (!member->is_number()) return WrongType(what, key, "a number", *member);
  return member->get<double>();
}

StatusOr<std::string> JsonString(const Json& object, std::string_view key, std::string_view what) {
  LWQ_ASSIGN_OR_RETURN(const Json* member, Member(object, key, what));
  if (!member->is_string()) return WrongType(what, key, "a string", *member);
  return member->get<std::string>();
}

StatusOr<bool> JsonBool(const Json& object, std::string_view key, std::string_view what) {
  LWQ_ASSIGN_OR_RETURN(const Json* member, Member(object, key, what));
  if (!member->is_boolean()) return WrongType(what, key, "true or false", *member);
  return member->get<bool>();
}

}  // namespace lwq
