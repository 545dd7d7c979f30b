// SPDX-License-Identifier: Apache-2.0
// Sections that the pages of a sweep and of a run have alike. Pure; thread-safe.
#pragma once

#include <vector>

#include "reporting/files/page_parts.h"
#include "reporting/sweep/depth_scores.h"
#include "reporting/sweep/timeline.h"

namespace lwq::reporting {

// A plot of each model's scores by depth, "sensitivity" of the page's data.
PageSection SensitivitySection(const std::vector<ModelDepthScores>& models);
// The lanes of the workers, "timeline" of the page's data.
PageSection TimelineSection(const Timeline& timeline);

}  // namespace lwq::reporting
