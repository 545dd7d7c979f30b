// SPDX-License-Identifier: Apache-2.0
// The runs that a sweep's report is about, each with its labels: axis → value. Where no sweep says which axes there
// are, they are found in the recipes. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "lwqat/v1/run.pb.h"

namespace lwq::reporting {

// The label that tells repetitions of an arm apart: runs that are equal in all others are one arm.
inline constexpr char kSeedLabel[] = "seed";
// The label of the model that a run started from.
inline constexpr char kModelLabel[] = "model";

using Labels = std::map<std::string, std::string>;

struct SweepRun {
  lwqat::v1::Run run = {};
  Labels labels = {};
};

struct SweepRuns {
  std::string name = {};
  std::vector<SweepRun> runs = {};
};

// Labels for runs that no sweep made, in their order: model, calibration text, and the recipe's fields that their files
// set, as far as they differ. A run whose file leaves a field out lacks its label; of the method the default counts.
// Left out are fields that say nothing beside another one, being equal wherever that one is (the epochs that every
// trained run has and no rounded one); method, bits, group size and seed always stay.
std::vector<Labels> LabelsFromRecipes(const std::vector<lwqat::v1::Run>& runs);

// Takes the seed away.
Labels WithoutSeed(Labels labels);
// "method block_ap, wbits 2"; "all runs" where there are none.
std::string LabelsText(const Labels& labels);

}  // namespace lwq::reporting
