#include "common/json/json.h"

namespace lwq {
namespace {

constexpr int kMaxDepth = 64;

StatusOr<const Json*> Member(const Json& object, std::string_view key, std::string_view what) {
  if (!object.is_object()) return absl::InvalidArgumentError(absl::StrCat(what, " is not a JSON object"));
  const auto it = object.find(key);
  if (it == object.end()) return absl::InvalidArgumentError(absl::StrCat(what, ": '", key, "' is missing"));
  return &*it;
}

Status WrongType(std::string_view what, std::string_view key, std::string_view wanted, const Json& got) {
  return absl::InvalidArgumentError(
      absl::StrCat(what, ": '", key, "' must be ", wanted, ", not ", got.dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, 60)));
}

}  // namespace

StatusOr<Json> ParseJson(std::string_view text, std::string_view what) {
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
    return Json::parse(text);
  } catch (const nlohmann::json::exception& e) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": not valid JSON: ", e.what()));
  }
}

std::string CanonicalJson(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

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
