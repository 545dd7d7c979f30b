// SPDX-License-Identifier: Apache-2.0
// A folder of files that are elsewhere: a model on the Hub, objects of a bucket.
//
// One version of it: what is fetched later is of the version that was found when it was opened. Thread-safety: one
// thread. Errors: one line that names where it is and says what to do.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/status/status.h"

namespace lwq::client {

class RemoteFolder {
 public:
  // Told of bytes that are here and of all that were missing, from any thread.
  using Progress = std::function<void(int64_t done_bytes, int64_t total_bytes)>;

  virtual ~RemoteFolder() = default;
  // Sizes by path. Paths are relative and stay below the folder.
  virtual const std::map<std::string, int64_t>& files() const = 0;
  // Brings those of the files here that are not, whole and as they are there, into folder(). NOT_FOUND for a path that
  // is none of files().
  virtual Status Fetch(const std::vector<std::string>& paths, const Progress& progress) = 0;
  virtual std::string folder() const = 0;
  // What was wanted is here, of a whole model or text or of a part of one: what has names that move, such as branches,
  // is remembered. A part takes no name from a whole one that was fetched before.
  virtual Status Finish(bool is_whole) = 0;
};

}  // namespace lwq::client
