// SPDX-License-Identifier: Apache-2.0
// A run as the text of a run file. Pure but for the current folder, which relative paths are joined to.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "client/run_file/run_fields.h"
#include "client/run_file/run_request.h"
#include "common/json/json.h"

namespace lwq::client {

// The text as a scalar of YAML: as it is, or in quotes where YAML could take it for something else. It is UTF-8.
std::string YamlTextOf(const std::string& text);

// "key: value" with its line end; `value` as RunValue has it. Numbers are those of the JSON, texts are quoted where
// YAML could take them for something else.
std::string RunFileLine(const RunField& field, const Json& value);

// Every key that the request says something of, the name first; `comments` are lines above it, without their "# ".
// Reading the text gives the same request but for its origin: paths are absolute, so that the file may lie anywhere.
std::string RunFileText(const RunRequest& request, const std::vector<std::string>& comments);

}  // namespace lwq::client
