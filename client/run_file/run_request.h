// SPDX-License-Identifier: Apache-2.0
// A run as a user wrote it: the recipe and the paths on this disk, before anything is read or uploaded.
//
// Pure values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/status/status.h"
#include "lwqat/v1/spec.pb.h"

namespace lwq::client {

struct NamedText {
  std::string name;  // shown in reports
  std::string path;
};

struct RunRequest {
  // For messages: the run file's path, or "command line".
  std::string origin = "command line";
  // name, recipe, priority and classes as given; the artifacts are still empty.
  lwqat::v1::RunSpec spec;
  std::string model_path;
  std::string model_name;  // `net`
  std::string calib_dataset;
  std::vector<NamedText> eval_texts;
  std::vector<NamedText> eval_tasks;  // named as the zero-shot tasks are
  std::string save_quant_dir;
  std::string sensitivity_file;
  // For a plan only: config.json stands for the whole model, and a calibration text may be missing.
  bool config_only = false;
  std::optional<bool> real_quant;  // EfficientQAT's switch; export_format wins over it
};

// Fills what follows from the rest (names, the export format that real_quant means) and refuses what cannot be a run:
// no model, Block-AP or a measurement without calibration data, perplexity without a text, two texts of one name, a
// zero-shot task that there is none of.
// INVALID_ARGUMENT.
Status CompleteRunRequest(RunRequest* request);

// The file's name without folders and without its last extension ("a/held-out.txt" → "held-out").
std::string NameOfPath(const std::string& path);

}  // namespace lwq::client
