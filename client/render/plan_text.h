// SPDX-License-Identifier: Apache-2.0
// A plan as text: what `lwq plan` prints. Pure.
#pragma once

#include <string>

#include "lwqat/v1/run.pb.h"

namespace lwq::client {

// The per-block table, then order, bits, sizes, tasks, what they need by class of workers, the bits-loss frontier
// around the plan, and remarks. Of more than kBlocksListed blocks, neighbours that are planned alike share a row.
std::string RenderPlan(const lwqat::v1::Plan& plan);

inline constexpr int kBlocksListed = 40;

}  // namespace lwq::client
