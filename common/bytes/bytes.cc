#include "common/bytes/bytes.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace lwq {

Bytes Bytes::FromString(std::string text) {
  auto owner = std::make_shared<const std::string>(std::move(text));
  return Bytes(owner, reinterpret_cast<const std::byte*>(owner->data()), owner->size());
}

StatusOr<Bytes> Bytes::MapFile(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    const int error = errno;
    const std::string message = absl::StrCat("open ", path, ": ", std::strerror(error));
    return error == ENOENT ? absl::NotFoundError(message) : absl::UnavailableError(message);
  }
  struct stat info {};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(fd);
    return absl::InvalidArgumentError(absl::StrCat(path, " is not a regular file"));
  }
  const size_t size = static_cast<size_t>(info.st_size);
  if (size == 0) {
    ::close(fd);
    return Bytes();
  }
  void* mapped = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  const int error = errno;
  ::close(fd);
  if (mapped == MAP_FAILED) return absl::UnavailableError(absl::StrCat("map ", path, ": ", std::strerror(error)));
  std::shared_ptr<const void> owner(mapped, [size](const void* p) { ::munmap(const_cast<void*>(p), size); });
  return Bytes(owner, static_cast<const std::byte*>(mapped), size);
}

Bytes Bytes::Slice(size_t offset, size_t length) const {
  LWQ_CHECK(offset <= size_ && length <= size_ - offset, "slice [", offset, ", +", length, ") of ", size_, " bytes");
  return Bytes(owner_, data_ + offset, length);
}

}  // namespace lwq
