// SPDX-License-Identifier: Apache-2.0
// What was found in an exported model as text and as JSON: what `lwq inspect` prints. Pure.
#pragma once

#include <string>

#include "common/export/inspect/inspection.h"
#include "common/json/json.h"

namespace lwq::client {

// Facts, a table of blocks, where the bytes go, what was checked, remarks, and a line for each fault.
std::string RenderInspection(const qat::Inspection& inspection);

// {path, format, recognised_by, architecture, blocks: [{first, last, linears: {NAME: {bits, group_size} or {type}}}],
// …, faults, sound}.
Json InspectionToJson(const qat::Inspection& inspection);

}  // namespace lwq::client
