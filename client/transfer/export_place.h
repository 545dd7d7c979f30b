// SPDX-License-Identifier: Apache-2.0
// Where an export is written, as a user names it: a folder of this disk, or s3://bucket/prefix, where the folder's
// files are objects below the prefix. Both take an export in three steps, Prepare, WriteReport and WriteTree, and hold:
//
//   folder   Each file appears whole or not at all; files that are there are replaced. Where an earlier call filled the
//            folder (layer_statistics.json is in it), its weights, config.json, quantize_config.json and scores that
//            this export lacks are removed, nothing else. Elsewhere a README.md that is no export's is not replaced:
//            the folder is refused. Made if absent.
//   bucket   No model's file is ever replaced or deleted: what is there must be of this very export, byte for byte, or
//            the place is refused before anything is written. What is there already is not sent again, so a call that
//            was interrupted is gone on with. Large files go in parallel parts. What every reader begins with,
//            config.json or a GGUF file, is written last: where it is, everything is. Two exports that are written to
//            one prefix at the same time are not told apart.
//
// Thread-safety: one thread. Errors: NOT_FOUND and DATA_LOSS say that the export's own bytes are gone or damaged where
// they are read from, never that something is wrong with the place; INVALID_ARGUMENT where it can be no place of an
// export, FAILED_PRECONDITION where it may not be used or holds another export.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "client/base/interrupt.h"
#include "common/artifact/file_tree.h"
#include "common/status/status.h"

namespace lwq::client {

using ExportReports = std::map<std::string, std::string>;  // text by name, such as layer_statistics.json

class ExportPlace {
 public:
  // (bytes done, bytes in total).
  using Progress = std::function<void(int64_t, int64_t)>;

  virtual ~ExportPlace() = default;
  // As the user named it.
  virtual const std::string& name() const = 0;

  // Before anything is written, and again before another attempt. `tree` is null where only reports will follow; else
  // it must live until the last call of WriteTree.
  virtual Status Prepare(const FileTree* tree, const ExportReports& reports) = 0;
  virtual Status WriteReport(const std::string& report, const std::string& text) = 0;
  // The model's files; of the tree that was prepared.
  virtual Status WriteTree(const Progress& progress) = 0;
};

// A bucket is looked at here; a folder is not touched. The interrupt must outlive the place, and ends what it does.
StatusOr<std::unique_ptr<ExportPlace>> OpenExportPlace(const std::string& name, Interrupt* interrupt);

// Whether results can be written to these places, as far as that can be seen before the work is done: folders that lead
// there are made, each bucket is looked at once.
Status CheckExportPlaces(const std::vector<std::string>& names, Interrupt* interrupt);

// The place `folder` below a place: "out" → "out/folder", "s3://bucket/p?region=r" → "s3://bucket/p/folder?region=r".
std::string PlaceBelow(const std::string& parent, std::string_view folder);

// Files of an export that a reader would take for a part of the next one beside them.
bool BelongsToAnExport(std::string_view name);

}  // namespace lwq::client
