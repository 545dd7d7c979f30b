// SPDX-License-Identifier: Apache-2.0
// The metadata at the top of a model card, as the Hub reads it: YAML between two lines of three hyphens.
//
// Read is only what an export carries over from the card of the model it was made of, in the forms that such cards
// have: "key: value", "key: [a, b]", and a key with lines "- a" below it. What is in another form is left out. Written
// is what every reader of YAML takes alike: texts that could mean something else are quoted. Pure; thread-safe.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace lwq::reporting {

// Values by key, one or several each.
using FrontMatter = std::map<std::string, std::vector<std::string>, std::less<>>;

// Empty where the text does not begin with front matter, or it does not end.
FrontMatter ParseFrontMatter(std::string_view card);

// A value of YAML on one line: as it is where that is safe, else in double quotes.
std::string YamlText(std::string_view text);

// "key: value\n", or of several values a list.
std::string FrontMatterLines(std::string_view key, const std::vector<std::string>& values);

}  // namespace lwq::reporting
