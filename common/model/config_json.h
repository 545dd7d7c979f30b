// What reading config.json and quantization_config have in common. Private to common/model.
#pragma once

#include <string>
#include <string_view>

#include "common/json/json.h"

namespace lwq::internal {

// For messages.
inline std::string Shown(const Json& value) {
  return value.dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, 80);
}

// Absent and null are the same in these files.
inline const Json* Find(const Json& object, std::string_view key) {
  const auto it = object.find(key);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

}  // namespace lwq::internal
