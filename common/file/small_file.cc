// SPDX-License-Identifier: Apache-2.0
#include "common/file/small_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "common/file/posix_file.h"

namespace lwq {

StatusOr<std::string> ReadSmallFile(const std::string& path, int64_t max_bytes) {
  LWQ_ASSIGN_OR_RETURN(const UniqueFd fd, OpenFile(path, O_RDONLY));
  std::string content;
  std::array<char, 16384> block;
  while (true) {
    const ssize_t got = ::read(fd.get(), block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "read", path);
    if (got == 0) return content;
    content.append(block.data(), static_cast<size_t>(got));
    if (static_cast<int64_t>(content.size()) > max_bytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("read ", path, ": it is larger than ", max_bytes, " bytes; is it the right file?"));
    }
  }
}

}  // namespace lwq
