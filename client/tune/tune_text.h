// SPDX-License-Identifier: Apache-2.0
// A search as text and JSON. Pure.
#pragma once

#include <string>
#include <vector>

#include "client/run_file/tune_file.h"
#include "client/tune/tune_search.h"
#include "common/json/json.h"

namespace lwq::client {

// "batch 2: 18 trials, best is trial 11, block_loss 0.01234 (quant_lr=0.0003142 weight_lr=1e-05); 12:30 of 2:00:00
// spent".
std::string BatchLine(const TuneRequest& tune, int64_t batch, const std::vector<TuneTrial>& trials);

// Why the search ended and what it cost, in one line.
std::string EndLine(const TuneRequest& tune, const TuneOutcome& outcome);

// A row for each trial, the best one marked; below it EndLine, and the best values as lines of a run file.
std::string RenderTune(const TuneRequest& tune, const TuneOutcome& outcome);

Json TuneToJson(const TuneRequest& tune, const TuneOutcome& outcome);

// Where the written run file's values come from.
std::vector<std::string> TunedComments(const TuneRequest& tune, const TuneOutcome& outcome, size_t best);

}  // namespace lwq::client
