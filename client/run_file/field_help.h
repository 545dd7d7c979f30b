// SPDX-License-Identifier: Apache-2.0
// One line of help for every key of a run file; of the recipe's keys it is that of common/recipe/recipe_fields.inc. A
// test holds it against the proto: none missing, none too many.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace lwq::client {

struct FieldHelp {
  std::string text;
  std::vector<std::string> choices = {};
};

const std::map<std::string, FieldHelp, std::less<>>& FieldHelps();

// Flags of EfficientQAT that mean nothing here → what to do instead.
const std::map<std::string, std::string, std::less<>>& RefusedFlags();

}  // namespace lwq::client
