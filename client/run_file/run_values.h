// SPDX-License-Identifier: Apache-2.0
// The value of one key of a run as JSON, and back: what an axis of a sweep varies. Pure.
//
// The JSON of a field follows its type: true, an integer, a number, a text; integers of a list as the text "2,3,4";
// eval_texts and eval_tasks as [{"name", "path"}, …] and kind_classes as {"kind": "class"}.
#pragma once

#include <optional>
#include <string>

#include "client/run_file/run_fields.h"
#include "client/run_file/run_request.h"
#include "common/json/json.h"
#include "common/status/status.h"

namespace lwq::client {

// nullopt where the request does not say. A priority of 0 and an empty text say nothing.
std::optional<Json> RunValue(const RunField& field, const RunRequest& request);

// Takes the place of what the request said of the field. INVALID_ARGUMENT as SetRunField.
Status SetRunValue(const RunField& field, const Json& value, RunRequest* request);

// In one short line, for names and tables: paths without folders, "2" for 2.0.
std::string LabelOfValue(const RunField& field, const Json& value);

}  // namespace lwq::client
