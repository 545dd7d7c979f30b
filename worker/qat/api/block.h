// SPDX-License-Identifier: Apache-2.0
// A block's weights as the rest of the worker sees them: bytes, no LibTorch type. They are shared with what reads and
// writes exports. Everything under worker/qat/api is free of LibTorch headers; everything else in worker/qat may use
// them.
#pragma once

#include "common/export/block.h"  // IWYU pragma: export
