// SPDX-License-Identifier: Apache-2.0
// Objects as files below one folder of a (possibly shared) file system.
//
// Layout: the object "blobs/3f/3fa9" is the file ROOT/blobs+/3f+/3fa9. Folders carry a '+', which no key can hold, so
// that "a" and "a/b" may both exist and no key can meet ROOT/+staging, where files are while they are written.
//
// A put writes a staging file, syncs it, gives it its name by link(2) (conditional: the file system lets exactly one
// win, also between processes and hosts) or rename(2) (unconditional), and syncs the folder; only then it is OK. A
// process that dies leaves at most a staging file, which the next OpenFileStore removes (staging.h). Get maps the file:
// a mapping stays valid when the object is replaced or deleted. Files must not be changed in place by others:
// truncating one that is mapped kills the reader.
//
// Thread-safety: any thread; any number of processes may share a root. Errors: see object_store.h; messages name the
// file.
#pragma once

#include <memory>
#include <string>

#include "common/object_store/object_store.h"

namespace lwq {

struct FileStoreOptions {
  // Wait until bytes and names are on the disk before a put is OK. Off: a put survives the death of any process, but
  // not of the machine.
  bool sync = true;
};

// Creates `root` (an absolute path) if absent.
StatusOr<std::unique_ptr<ObjectStore>> OpenFileStore(const std::string& root, const FileStoreOptions& options);

}  // namespace lwq
