// SPDX-License-Identifier: Apache-2.0
// The tokenizer of a model directory, built here as the worker will build it.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "common/model/llama_config.h"
#include "common/status/status.h"
#include "common/tokenizer/tokenizer.h"

namespace lwq::client {

// `files`: name → path on this disk; names that are no tokenizer's are ignored. `directory` names the model in errors:
// "model: DIR: what is wrong", with NOT_FOUND, INVALID_ARGUMENT or FAILED_PRECONDITION (not supported, by name).
StatusOr<std::unique_ptr<Tokenizer>> OpenModelTokenizer(const std::string& directory,
                                                        const std::map<std::string, std::string>& files);
// The same for what lies in `directory`, weights or not.
StatusOr<std::unique_ptr<Tokenizer>> OpenModelTokenizer(const std::string& directory);

// Whether llama.cpp can have the tokenizer in a GGUF file: FAILED_PRECONDITION says what it lacks.
Status CheckForLlamaCpp(const std::string& directory, const std::map<std::string, std::string>& files,
                        const LlamaConfig& config);

}  // namespace lwq::client
