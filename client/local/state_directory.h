// SPDX-License-Identifier: Apache-2.0
// The folder in which `lwq local` keeps everything of its own cluster, held by one process at a time.
//
//   DIR/lock                 held (flock) while a cluster runs on it; holds that process's pid
//   DIR/coordinator/         store.sqlite, and the address while it runs
//   DIR/objects/             the object store
//   DIR/worker-N/            worker N's cache
//   DIR/logs/NAME.log        what each process printed
//   DIR/requests/DIGEST      request id under which a run was last submitted (submit_once.h)
//   DIR/exports/NAME/        fetched exports, unless --output says otherwise
#pragma once

#include <memory>
#include <string>

#include "common/status/status.h"

namespace lwq::client {

class StateDirectory {
 public:
  // Creates and locks it. FAILED_PRECONDITION naming the holder when it is in use; INVALID_ARGUMENT when it cannot be a
  // folder.
  static StatusOr<std::unique_ptr<StateDirectory>> Open(const std::string& path);
  // Whether some Open made it.
  static bool Exists(const std::string& path);
  // A new one below the system's folder for temporary files, removed with everything in it by the destructor.
  static StatusOr<std::unique_ptr<StateDirectory>> OpenTemporary();
  ~StateDirectory();
  StateDirectory(const StateDirectory&) = delete;
  StateDirectory& operator=(const StateDirectory&) = delete;

  // Absolute.
  const std::string& path() const { return path_; }
  std::string Below(const std::string& relative) const { return path_ + "/" + relative; }

  // What the destructor removes, for a process that ends without it. Nothing may use the folder any more.
  void RemoveIfTemporary() const;

  // The address of the coordinator that runs on a folder some other process holds. NOT_FOUND when nobody holds it.
  static StatusOr<std::string> AddressOfHolder(const std::string& path);

 private:
  StateDirectory(std::string path, int lock_fd, bool temporary)
      : path_(std::move(path)), lock_fd_(lock_fd), temporary_(temporary) {}
  static StatusOr<std::unique_ptr<StateDirectory>> OpenAt(const std::string& path, bool temporary);

  std::string path_;
  int lock_fd_;
  bool temporary_;
};

// What a note of the directory says: the whole of a small file, without its last line end. Errors of ReadSmallFile.
StatusOr<std::string> ReadNote(const std::string& path);
// Atomic: a reader sees the old content or the new.
Status WriteNote(const std::string& path, const std::string& content);

}  // namespace lwq::client
