// SPDX-License-Identifier: Apache-2.0
// Looks at a model's directory before anything is uploaded: is it a model this system can quantize, and which files are
// it?
//
// Reads config.json and the headers of the safetensors files only. Errors: one line "model: what; what to do" with
// NOT_FOUND, INVALID_ARGUMENT, FAILED_PRECONDITION (not supported, by name) or DATA_LOSS (a damaged file).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/model/llama_config.h"
#include "common/status/status.h"

namespace lwq::client {

struct ModelFiles {
  std::string directory;
  LlamaConfig config;
  std::string config_json;
  // Path inside the tree → path on this disk.
  std::map<std::string, std::string> files;       // config.json, generation_config.json, the safetensors files in use
  std::map<std::string, std::string> tokenizer;   // whatever of the tokenizer's usual files is there
  std::map<std::string, std::string> companions;  // what an export takes along (companion_files.h)
  std::vector<std::string> notes;                 // lines about the folder that the user should see
};

// Whether there is a file, or a link to one.
bool IsFile(const std::string& path);

StatusOr<ModelFiles> InspectModel(const std::string& directory);

// The same from config.json alone, for a plan of a model whose weights and tokenizer are not here: it stands for both.
StatusOr<ModelFiles> InspectModelConfig(const std::string& directory);

}  // namespace lwq::client
