// SPDX-License-Identifier: Apache-2.0
// A run small enough to be done in seconds: a random 4-block model, a few calibration windows, an export, a perplexity.
#pragma once

#include <string>

namespace lwq::test {

struct SmallRun {
  int blocks = 4;
  double epochs = 2;
  int train_size = 16;
  std::string method = "block_ap";
  std::string preset = "default";
  int wbits = 2;
  std::string extra;  // more YAML lines
};

// Writes model and texts (once) and run-<tag>.yaml below `directory`; returns the YAML's path.
std::string WriteSmallRun(const std::string& directory, const std::string& tag, const SmallRun& run);

}  // namespace lwq::test
