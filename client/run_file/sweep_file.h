// SPDX-License-Identifier: Apache-2.0
// A sweep file: YAML that says which runs a sweep has. docs/sweeps.md describes the format.
//
// Every value is read as a run file's is (run_entry.h), so it has the same types and is refused in the same words.
// Errors: INVALID_ARGUMENT or NOT_FOUND, one line "file:line:column: what; what to do".
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/run_file/run_request.h"
#include "common/status/status.h"
#include "common/sweep/sweep.h"
#include "lwqat/v1/sweep.pb.h"

namespace lwq::client {

struct SweepFile {
  std::string origin;  // the file's path, for messages
  std::string name;
  RunRequest base;                                 // without a name
  Sweep sweep;                                     // without its base
  std::map<std::string, std::string> model_names;  // path → its name under `models`
  std::optional<lwqat::v1::Halving> halving;       // what the file leaves open is left out
  std::vector<std::string> remarks;
};

// Whether the file has one of the keys `axes`, `arms`, `seeds` and `halving`, which no run file has; where it is no
// valid YAML, whether a line begins with one. False for what cannot be read: whoever reads it as a run file says why.
bool IsSweepFile(const std::string& path);
// Whether a key of this name makes a file a sweep.
bool IsSweepKey(std::string_view key);

StatusOr<SweepFile> ReadSweepFile(const std::string& path);

// The same from a text. `what` names it in messages; relative paths are joined to `directory` ("" leaves them).
StatusOr<SweepFile> ParseSweepFile(std::string_view text, std::string_view what, const std::string& directory);

}  // namespace lwq::client
