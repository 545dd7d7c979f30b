// SPDX-License-Identifier: Apache-2.0
// A file that comes from elsewhere in parts, several at once, and is gone on with after whatever ended it: a signal, a
// lost connection, a reboot.
//
// Two files: PATH, as long as the whole with holes, and PATH.parts, which says which parts are there and of which
// version. A part counts once it is written whole; what a crash of the machine took of it, the reader of the finished
// file finds by its digest.
//
// Thread-safety: one thread; Fill has threads of its own. One process at a time per PATH: hold a lock. Errors: those of
// posix_file.h and of whoever reads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/file/posix_file.h"
#include "common/retry/retrier.h"
#include "common/status/status.h"

namespace lwq {

using ByteSink = std::function<Status(std::span<const std::byte> piece)>;

// One attempt at bytes [begin, end) of one version: hands consecutive pieces, the first at `begin`, to `sink`. Called
// from several threads at once.
using RangeReader = std::function<Status(int64_t begin, int64_t end, const ByteSink& sink)>;

class PartialFile {
 public:
  // Goes on with what is at `path`, if that is of this version, size and part size, and begins anew if not. The folder
  // must be there. `version`: one line.
  static StatusOr<std::unique_ptr<PartialFile>> Open(const std::string& path, std::string_view version,
                                                     int64_t size_bytes, int64_t part_bytes);

  // Of parts that are there.
  int64_t stored_bytes() const;

  // Reads the parts that are missing, at most `parallel` at once. An attempt that ends early is gone on with from the
  // byte it ended at, as often as `retrier` has it. `on_bytes` is told of bytes that came, from any of the threads.
  Status Fill(const RangeReader& read, Retrier& retrier, int parallel, const std::function<void(int64_t)>& on_bytes);

  // All bytes, in order.
  Status Read(const ByteSink& sink) const;

  // Gives the whole file its name, in the same file system, replacing what had it. Afterwards there is nothing at
  // `path`.
  Status RenameTo(const std::string& final_path);
  void Remove();

 private:
  PartialFile(std::string path, int64_t size_bytes, int64_t part_bytes)
      : path_(std::move(path)), size_bytes_(size_bytes), part_bytes_(part_bytes) {}
  Status Load(const std::string& head);
  Status FillPart(int64_t part, const RangeReader& read, Retrier& retrier,
                  const std::function<void(int64_t)>& on_bytes);
  std::string PartsPath() const { return path_ + ".parts"; }
  int64_t Parts() const { return (size_bytes_ + part_bytes_ - 1) / part_bytes_; }
  int64_t PartEnd(int64_t part) const;

  const std::string path_;
  const int64_t size_bytes_;
  const int64_t part_bytes_;
  UniqueFd file_;
  UniqueFd parts_file_;
  int64_t head_bytes_ = 0;  // of the parts file, before a byte for each part
  std::string has_part_;    // '1' or '0' for each
};

}  // namespace lwq
