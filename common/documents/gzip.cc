// SPDX-License-Identifier: Apache-2.0
#include "common/documents/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <array>

namespace lwq {
namespace {

constexpr std::string_view kMagic = "\x1F\x8B";
constexpr int kGzipWindowBits = 16 + MAX_WBITS;    // 16: a gzip header is required
constexpr size_t kMaxInputStep = size_t{1} << 30;  // zlib counts in 32 bits

// An inflate stream that is always ended.
class Inflater {
 public:
  Inflater() { initialised_ = inflateInit2(&stream_, kGzipWindowBits) == Z_OK; }
  ~Inflater() {
    if (initialised_) inflateEnd(&stream_);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  // Appends the member that `file` begins with to `out` and removes it from `file`.
  Status Member(std::string_view* file, int64_t max_bytes, std::string_view what, KeepGoing keep_going,
                std::string* out);

 private:
  z_stream stream_{};
  bool initialised_ = false;
};

Status Inflater::Member(std::string_view* file, int64_t max_bytes, std::string_view what, KeepGoing keep_going,
                        std::string* out) {
  if (!initialised_ || inflateReset(&stream_) != Z_OK) return absl::ResourceExhaustedError("zlib: out of memory");
  std::array<char, 1 << 16> buffer;
  while (true) {
    LWQ_RETURN_IF_ERROR(keep_going());
    const size_t step = std::min(file->size(), kMaxInputStep);
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(file->data()));
    stream_.avail_in = static_cast<uInt>(step);
    stream_.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream_.avail_out = static_cast<uInt>(buffer.size());
    const int result = inflate(&stream_, Z_NO_FLUSH);
    const size_t read = step - stream_.avail_in;
    const size_t written = buffer.size() - stream_.avail_out;
    file->remove_prefix(read);
    out->append(buffer.data(), written);
    if (static_cast<int64_t>(out->size()) > max_bytes) {
      return absl::InvalidArgumentError(
          absl::StrCat(what, " unpacks to more than ", max_bytes, " bytes; use a smaller file"));
    }
    if (result == Z_STREAM_END) return absl::OkStatus();
    if (result == Z_MEM_ERROR)
      return absl::ResourceExhaustedError(absl::StrCat(what, ": out of memory while unpacking"));
    if (result == Z_BUF_ERROR || (result == Z_OK && read == 0 && written == 0)) {
      return absl::DataLossError(absl::StrCat(what, " is truncated: its gzip data end early"));
    }
    if (result != Z_OK) {
      return absl::DataLossError(
          absl::StrCat(what, " is damaged: gzip says '", stream_.msg != nullptr ? stream_.msg : "data error", "'"));
    }
  }
}

}  // namespace

StatusOr<std::string> Gunzip(std::string_view file, int64_t max_bytes, std::string_view what, KeepGoing keep_going) {
  if (!file.starts_with(kMagic)) {
    return absl::InvalidArgumentError(absl::StrCat(what, " is not a gzip file although its name ends in .gz"));
  }
  std::string out;
  Inflater inflater;
  do {
    LWQ_RETURN_IF_ERROR(inflater.Member(&file, max_bytes, what, keep_going, &out));
  } while (file.starts_with(kMagic));
  // Tapes and block devices pad with zero bytes, which every gzip reader ignores.
  if (file.find_first_not_of('\0') != std::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat(what, " has ", file.size(), " bytes behind its gzip data"));
  }
  return out;
}

}  // namespace lwq
