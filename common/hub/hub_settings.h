// SPDX-License-Identifier: Apache-2.0
// Where the Hub is, where its files are kept here, and who asks: the variables that Hugging Face's own tools obey.
//
//   HF_ENDPOINT                       another server of the same API; https://huggingface.co without it
//   HF_HUB_CACHE                      the cache; else HUGGINGFACE_HUB_CACHE, $HF_HOME/hub,
//                                     $XDG_CACHE_HOME/huggingface/hub, ~/.cache/huggingface/hub
//   HF_TOKEN                          else HUGGING_FACE_HUB_TOKEN, the file HF_TOKEN_PATH, $HF_HOME/token; none with
//                                     HF_HUB_DISABLE_IMPLICIT_TOKEN
//   HF_HUB_OFFLINE                    1, on, yes or true, or TRANSFORMERS_OFFLINE so: nobody is asked, what is in the
//                                     cache is all there is
//   SSL_CERT_FILE                     PEM of those who may certify the server
#pragma once

#include <functional>
#include <string>

#include "common/status/status.h"

namespace lwq {

struct HubSettings {
  std::string endpoint;  // "https://huggingface.co", without '/' at its end
  std::string cache_folder;
  std::string token;  // empty: none
  bool offline = false;
  std::string ca_file;  // empty: the system's certificates
};

// `environment`: a variable, "" where it is not set. Reads the token's file and nothing else. INVALID_ARGUMENT,
// FAILED_PRECONDITION: a variable that cannot be what it is for, named, without a token in the line.
StatusOr<HubSettings> ReadHubSettings(const std::function<std::string(const std::string&)>& environment);

}  // namespace lwq
