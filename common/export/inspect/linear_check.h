// SPDX-License-Identifier: Apache-2.0
// The values of one quantized linear as a file holds them: what a reader decodes without noticing that it is wrong.
//
// Thread-safety: free functions.
#pragma once

#include <string>

#include "common/artifact/tensor.h"
#include "common/export/block.h"
#include "common/export/inspect/inspection.h"
#include "common/model/linear_storage.h"
#include "common/model/tensor_source.h"
#include "common/status/status.h"

namespace lwq::qat {

// Reads the linear, and adds a fault for what cannot be decoded (model_blocks.h), for scales that are not above 0, for
// bits that are not zero behind the last code of a stream, and for zero points that version 1 cannot say. Requires a
// group size that is a number.
void CheckStoredLinear(TensorSource& source, const std::string& name, const LinearStorage& storage,
                       const LinearShape& shape, Inspection& found);

}  // namespace lwq::qat
