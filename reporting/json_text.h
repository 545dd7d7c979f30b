// SPDX-License-Identifier: Apache-2.0
// Messages as JSON: the proto's own field names, every field present, enums by name, 64-bit integers as texts (proto3
// JSON).
#pragma once

#include <string>

#include "common/json/json.h"
#include "google/protobuf/message.h"
#include "lwqat/v1/run.pb.h"

namespace lwq::reporting {

// One line, without a line end.
std::string JsonLine(const google::protobuf::Message& message);
Json ToJson(const google::protobuf::Message& message);
// The same, and "perplexities": what was measured of that metric in the form that programs of earlier versions read
// (model, text, perplexity, tokens, add_bos).
Json ToJson(const lwqat::v1::Run& run);
// The fields that the recipe sets; 64-bit integers as numbers, as a file for any reader has them.
Json RecipeToJson(const lwqat::v1::Recipe& recipe);

// One line, without a line end: what --json prints of verbs that print many.
std::string OneLineJson(const Json& value);
// Indented, with a line end: what --json prints.
std::string PrettyJson(const Json& value);

}  // namespace lwq::reporting
