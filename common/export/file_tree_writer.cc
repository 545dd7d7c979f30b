// SPDX-License-Identifier: Apache-2.0
#include "common/export/file_tree_writer.h"

#include <algorithm>
#include <utility>

namespace lwq::qat {

Status FileTreeWriter::Begin(const std::string& path) {
  LWQ_RETURN_IF_ERROR(FlushPiece());
  const auto [file, is_new] = files_.try_emplace(path);
  if (!is_new) return absl::InvalidArgumentError(absl::StrCat("file ", path, " is written twice"));
  current_ = &file->second;
  current_path_ = path;
  return absl::OkStatus();
}

Status FileTreeWriter::Write(std::span<const std::byte> data) {
  LWQ_CHECK(current_ != nullptr, "Write without Begin");
  while (!data.empty()) {
    const size_t room = static_cast<size_t>(kPieceBytes) - pending_.size();
    const size_t count = std::min(room, data.size());
    pending_.append(reinterpret_cast<const char*>(data.data()), count);
    data = data.subspan(count);
    current_->size_bytes += static_cast<int64_t>(count);
    total_bytes_ += static_cast<int64_t>(count);
    if (count == room) LWQ_RETURN_IF_ERROR(FlushPiece());
  }
  return absl::OkStatus();
}

Status FileTreeWriter::FlushPiece() {
  if (pending_.empty()) return absl::OkStatus();
  LWQ_RETURN_IF_ERROR(AwaitUpload());
  uploading_ = current_;
  uploading_path_ = current_path_;
  upload_ = std::async(std::launch::async, [store = store_, piece = std::exchange(pending_, std::string())] {
    return store->PutBlob(std::string_view(piece));
  });
  return absl::OkStatus();
}

Status FileTreeWriter::AwaitUpload() {
  if (!upload_.valid()) return absl::OkStatus();
  const StatusOr<BlobRef> blob = upload_.get();
  if (!blob.ok()) return Annotate(blob.status(), absl::StrCat("write ", uploading_path_));
  uploading_->pieces.push_back(*blob);
  return absl::OkStatus();
}

StatusOr<ArtifactRef> FileTreeWriter::Finish() {
  LWQ_RETURN_IF_ERROR(FlushPiece());
  LWQ_RETURN_IF_ERROR(AwaitUpload());
  Manifest manifest;
  manifest.kind = "files";
  manifest.meta = {{"files", Json::array()}, {"piece_bytes", kPieceBytes}};
  for (const auto& [path, file] : files_) {
    manifest.meta["files"].push_back({{"path", path}, {"size_bytes", file.size_bytes}, {"pieces", file.pieces.size()}});
    for (size_t index = 0; index < file.pieces.size(); ++index) {
      manifest.parts.push_back(Part{absl::StrCat(path, "#", index), file.pieces[index]});
    }
  }
  return store_->Publish(manifest);
}

}  // namespace lwq::qat
