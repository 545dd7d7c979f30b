// SPDX-License-Identifier: Apache-2.0
#include "common/bytes/bytes.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/bytes/mapped_file.h"
#include "common/bytes/release_pages.h"

namespace lwq {
namespace {

// Ends a mapping; also what tells mapped bytes from others, and which file they are of.
struct Unmap {
  size_t size;
  FileIdentity identity;
  void operator()(const void* p) const { ::munmap(const_cast<void*>(p), size); }
};

FileIdentity IdentityFrom(const struct stat& info) {
  const auto ns = [](const timespec& time) { return time.tv_sec * int64_t{1'000'000'000} + time.tv_nsec; };
  return {.device = info.st_dev,
          .inode = info.st_ino,
          .size_bytes = info.st_size,
          .modified_ns = ns(info.st_mtim),
          .changed_ns = ns(info.st_ctim)};
}

// The mapping that `bytes` are a part of; null for other bytes.
const Unmap* MappingOf(const Bytes& bytes) {
  return std::get_deleter<Unmap>(bytes.owner());
}

}  // namespace

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
  std::shared_ptr<const void> owner(mapped, Unmap{size, IdentityFrom(info)});
  return Bytes(owner, static_cast<const std::byte*>(mapped), size);
}

Bytes Bytes::Slice(size_t offset, size_t length) const {
  LWQ_CHECK(offset <= size_ && length <= size_ - offset, "slice [", offset, ", +", length, ") of ", size_, " bytes");
  return Bytes(owner_, data_ + offset, length);
}

void ReleasePages(const Bytes& bytes) {
  if (MappingOf(bytes) == nullptr) return;
  // Whole pages only: the first and last may hold a neighbour's bytes that are in use.
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<uintptr_t>(bytes.data());
  const uintptr_t begin = (address + page - 1) / page * page;
  const uintptr_t end = (address + bytes.size()) / page * page;
  if (begin < end) ::madvise(const_cast<std::byte*>(bytes.data()) + (begin - address), end - begin, MADV_DONTNEED);
}

void LoadPages(const Bytes& bytes) {
  const Unmap* mapping = MappingOf(bytes);
  if (mapping == nullptr || mapping->size > kMaxLoadedBytes) return;
  // A kernel before 5.14 does not know it: the pages come when they are read.
  ::madvise(const_cast<void*>(bytes.owner().get()), mapping->size, MADV_POPULATE_READ);
}

std::optional<FileIdentity> MappedIdentity(const Bytes& bytes) {
  const Unmap* mapping = MappingOf(bytes);
  if (mapping == nullptr) return std::nullopt;
  return mapping->identity;
}

std::optional<FileIdentity> IdentityOfFile(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return std::nullopt;
  return IdentityFrom(info);
}

}  // namespace lwq
