// SPDX-License-Identifier: Apache-2.0
// The safetensors files of a model's folder, held against each other and against their index.
//
// Thread-safety: a free function. Reads headers only.
#pragma once

#include <string>

#include "common/export/inspect/inspection.h"

namespace lwq::qat {

// Adds a fault for every header that is damaged, every shard that the index names and that is not there, every tensor
// that is not where the index says, every file that the index leaves out, and a total size that is not theirs. Whether
// all headers could be read.
bool CheckShards(const std::string& folder, Inspection& found);

}  // namespace lwq::qat
