// SPDX-License-Identifier: Apache-2.0
// Which files of a remote folder a model is, and bringing them here.
//
// Configuration, tokenizer, the safetensors files that are read (model.safetensors, or what its index lists), and of
// what an export takes along the licence, the model card and chat templates. Never weights in another format.
#pragma once

#include <string>

#include "client/source/remote_folder.h"
#include "common/status/status.h"

namespace lwq::client {

enum class ModelPart {
  kConfig,     // config.json and what completes it
  kTokenizer,  // and the tokenizer's files
  kWhole,
};

// NOT_FOUND where the folder is no model, or has its weights in other formats only: the line says which. `name` is for
// messages: "hf://org/name". `progress` is told of weights.
Status FetchModel(RemoteFolder* folder, ModelPart part, const std::string& name,
                  const RemoteFolder::Progress& progress);

}  // namespace lwq::client
