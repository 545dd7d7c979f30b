// SPDX-License-Identifier: Apache-2.0
// The text of a YAML file that a user named.
#pragma once

#include <string>

#include "client/run_file/yaml_tree.h"
#include "common/status/status.h"

namespace lwq::client {

// Reads the whole file. NOT_FOUND or INVALID_ARGUMENT "PATH: what; what to do" where there is none, it is no regular
// file, or it is larger than `limits` allow.
StatusOr<std::string> ReadYamlText(const std::string& path, const YamlLimits& limits);

}  // namespace lwq::client
