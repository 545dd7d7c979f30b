// SPDX-License-Identifier: Apache-2.0
#include "common/download/partial_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "common/sync/parallel.h"

namespace lwq {
namespace {

constexpr size_t kReadBytes = 1 << 20;
// An attempt that brought so much before it ended is no reason to give up.
constexpr int64_t kWorthwhileBytes = 64 << 10;

std::span<const std::byte> BytesOfText(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

Status SetLength(int fd, int64_t size_bytes, std::string_view path) {
  return ::ftruncate(fd, size_bytes) == 0 ? absl::OkStatus() : ErrnoStatus(errno, "set the length of", path);
}

int64_t LengthOf(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 ? info.st_size : -1;
}

}  // namespace

StatusOr<std::unique_ptr<PartialFile>> PartialFile::Open(const std::string& path, std::string_view version,
                                                         int64_t size_bytes, int64_t part_bytes) {
  std::unique_ptr<PartialFile> partial(new PartialFile(path, size_bytes, part_bytes));
  LWQ_ASSIGN_OR_RETURN(partial->file_, OpenFile(path, O_RDWR | O_CREAT));
  LWQ_ASSIGN_OR_RETURN(partial->parts_file_, OpenFile(partial->PartsPath(), O_RDWR | O_CREAT));
  LWQ_RETURN_IF_ERROR(partial->Load(absl::StrCat("lwq parts 1 ", part_bytes, " ", size_bytes, " ", version, "\n")));
  return partial;
}

Status PartialFile::Load(const std::string& head) {
  head_bytes_ = static_cast<int64_t>(head.size());
  has_part_.assign(static_cast<size_t>(Parts()), '0');
  const int64_t length = head_bytes_ + Parts();
  if (LengthOf(parts_file_.get()) == length && LengthOf(file_.get()) == size_bytes_) {
    std::string text(static_cast<size_t>(length), '\0');
    LWQ_RETURN_IF_ERROR(
        ReadAt(parts_file_.get(), 0, std::as_writable_bytes(std::span(text.data(), text.size())), path_));
    const std::string_view parts = std::string_view(text).substr(head.size());
    if (text.starts_with(head) && parts.find_first_not_of("01") == std::string_view::npos) {
      has_part_ = parts;
      return absl::OkStatus();
    }
  }
  LWQ_RETURN_IF_ERROR(SetLength(parts_file_.get(), 0, PartsPath()));
  LWQ_RETURN_IF_ERROR(SetLength(file_.get(), 0, path_));
  LWQ_RETURN_IF_ERROR(SetLength(file_.get(), size_bytes_, path_));
  return WriteAt(parts_file_.get(), 0, BytesOfText(absl::StrCat(head, has_part_)), PartsPath());
}

int64_t PartialFile::PartEnd(int64_t part) const {
  return std::min(size_bytes_, (part + 1) * part_bytes_);
}

int64_t PartialFile::stored_bytes() const {
  int64_t bytes = 0;
  for (int64_t part = 0; part < Parts(); ++part) {
    if (has_part_[static_cast<size_t>(part)] == '1') bytes += PartEnd(part) - part * part_bytes_;
  }
  return bytes;
}

Status PartialFile::Fill(const RangeReader& read, Retrier& retrier, int parallel,
                         const std::function<void(int64_t)>& on_bytes) {
  std::vector<int64_t> missing;
  for (int64_t part = 0; part < Parts(); ++part) {
    if (has_part_[static_cast<size_t>(part)] == '0') missing.push_back(part);
  }
  return ParallelFor(static_cast<int64_t>(missing.size()), parallel,
                     [&](int64_t i) { return FillPart(missing[static_cast<size_t>(i)], read, retrier, on_bytes); });
}

Status PartialFile::FillPart(int64_t part, const RangeReader& read, Retrier& retrier,
                             const std::function<void(int64_t)>& on_bytes) {
  int64_t at = part * part_bytes_;
  const int64_t end = PartEnd(part);
  const auto sink = [&](std::span<const std::byte> piece) -> Status {
    const auto bytes = static_cast<int64_t>(piece.size());
    if (bytes > end - at) return absl::UnavailableError("more bytes came than were asked for");
    LWQ_RETURN_IF_ERROR(WriteAt(file_.get(), at, piece, path_));
    at += bytes;
    on_bytes(bytes);
    return absl::OkStatus();
  };
  const auto attempt = [&]() -> Status {
    while (true) {
      const int64_t before = at;
      Status status = read(at, end, sink);
      if (status.ok() && at < end) status = absl::UnavailableError("fewer bytes came than were asked for");
      if (status.ok() || !IsRetried(status.code()) || at - before < kWorthwhileBytes) return status;
    }
  };
  LWQ_RETURN_IF_ERROR(retrier.Run(attempt));
  has_part_[static_cast<size_t>(part)] = '1';
  return WriteAt(parts_file_.get(), head_bytes_ + part, BytesOfText("1"), PartsPath());
}

Status PartialFile::Read(const ByteSink& sink) const {
  std::vector<std::byte> buffer(static_cast<size_t>(std::min<int64_t>(size_bytes_, kReadBytes)));
  for (int64_t at = 0; at < size_bytes_; at += static_cast<int64_t>(buffer.size())) {
    const auto piece = std::span(buffer).first(
        static_cast<size_t>(std::min<int64_t>(size_bytes_ - at, static_cast<int64_t>(buffer.size()))));
    LWQ_RETURN_IF_ERROR(ReadAt(file_.get(), at, piece, path_));
    LWQ_RETURN_IF_ERROR(sink(piece));
  }
  return absl::OkStatus();
}

Status PartialFile::RenameTo(const std::string& final_path) {
  if (::fdatasync(file_.get()) != 0) return ErrnoStatus(errno, "fsync", path_);
  if (std::rename(path_.c_str(), final_path.c_str()) != 0) return ErrnoStatus(errno, "rename to", final_path);
  ::unlink(PartsPath().c_str());
  return absl::OkStatus();
}

void PartialFile::Remove() {
  ::unlink(path_.c_str());
  ::unlink(PartsPath().c_str());
}

}  // namespace lwq
