// SPDX-License-Identifier: Apache-2.0
#include "common/artifact/checkpoint.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/json/json.h"

namespace lwq {
namespace {

constexpr std::string_view kCheckpointKind = "checkpoint";
constexpr char kPartStamp[] = "lwq_checkpoint";
constexpr int64_t kFormat = 1;

std::string PartName(size_t number) {
  return absl::StrCat("state.", number);
}

// What makes the part's bytes those of no other checkpoint.
std::string PartStamp(const CheckpointStamp& stamp, size_t number) {
  return CanonicalJson(
      Json{{"task", stamp.task.hex()}, {"token", stamp.token}, {"step", stamp.step}, {"part", number}});
}

Json MetaOf(const CheckpointStamp& stamp) {
  return Json{{"format", kFormat},
              {"task", stamp.task.hex()},
              {"action", stamp.action.hex()},
              {"kind", stamp.kind},
              {"numerics_class", stamp.numerics_class},
              {"token", stamp.token},
              {"step", stamp.step},
              {"steps", stamp.steps},
              {"seconds", stamp.seconds}};
}

StatusOr<CheckpointStamp> StampOf(const Json& meta, std::string_view what) {
  CheckpointStamp stamp;
  LWQ_ASSIGN_OR_RETURN(const std::string task, JsonString(meta, "task", what));
  LWQ_ASSIGN_OR_RETURN(stamp.task, Digest::FromHex(task));
  LWQ_ASSIGN_OR_RETURN(const std::string action, JsonString(meta, "action", what));
  LWQ_ASSIGN_OR_RETURN(stamp.action, Digest::FromHex(action));
  LWQ_ASSIGN_OR_RETURN(stamp.kind, JsonString(meta, "kind", what));
  LWQ_ASSIGN_OR_RETURN(stamp.numerics_class, JsonString(meta, "numerics_class", what));
  LWQ_ASSIGN_OR_RETURN(const int64_t token, JsonInt(meta, "token", what));
  stamp.token = static_cast<uint64_t>(token);
  LWQ_ASSIGN_OR_RETURN(stamp.step, JsonInt(meta, "step", what));
  LWQ_ASSIGN_OR_RETURN(stamp.steps, JsonInt(meta, "steps", what));
  LWQ_ASSIGN_OR_RETURN(stamp.seconds, JsonDouble(meta, "seconds", what));
  return stamp;
}

Status CheckIsExpected(const CheckpointStamp& found, const CheckpointStamp& expected, std::string_view what) {
  const auto foreign = [&](std::string_view field, std::string_view is, std::string_view wanted) {
    return absl::FailedPreconditionError(absl::StrCat(what, " is of ", field, " ", is, ", not ", wanted));
  };
  if (found.kind != expected.kind) return foreign("kind", found.kind, expected.kind);
  if (found.numerics_class != expected.numerics_class) {
    return foreign("numerics class", found.numerics_class, expected.numerics_class);
  }
  if (found.action != expected.action) {
    return foreign("action", found.action.short_hex(), expected.action.short_hex());
  }
  if (found.task != expected.task) return foreign("task", found.task.short_hex(), expected.task.short_hex());
  return absl::OkStatus();
}

}  // namespace

CheckpointWriter::CheckpointWriter(ArtifactStore* store, CheckpointStamp stamp, int64_t part_bytes)
    : store_(store), stamp_(std::move(stamp)), part_bytes_(part_bytes) {
  manifest_.kind = std::string(kCheckpointKind);
  manifest_.meta = MetaOf(stamp_);
}

Status CheckpointWriter::Add(const std::string& name, HostTensor tensor) {
  if (!names_.insert(name).second) {
    return absl::InvalidArgumentError(absl::StrCat("a checkpoint has two tensors named ", name));
  }
  const auto bytes = static_cast<int64_t>(tensor.bytes.size());
  if (!pending_.empty() && pending_bytes_ + bytes > part_bytes_) LWQ_RETURN_IF_ERROR(Flush());
  pending_.emplace(name, std::move(tensor));
  pending_bytes_ += bytes;
  return absl::OkStatus();
}

Status CheckpointWriter::Flush() {
  const size_t number = manifest_.parts.size();
  LWQ_ASSIGN_OR_RETURN(const std::string file,
                       SerializeSafetensors(pending_, {{kPartStamp, PartStamp(stamp_, number)}}));
  pending_.clear();
  pending_bytes_ = 0;
  LWQ_ASSIGN_OR_RETURN(const BlobRef blob, store_->PutBlob(file));
  manifest_.parts.push_back(Part{PartName(number), blob});
  return absl::OkStatus();
}

StatusOr<ArtifactRef> CheckpointWriter::Publish() {
  if (!pending_.empty()) LWQ_RETURN_IF_ERROR(Flush());
  return store_->Publish(manifest_);
}

StatusOr<CheckpointReader> CheckpointReader::Open(BlobSource* blobs, const ArtifactRef& artifact,
                                                  const CheckpointStamp& expected) {
  CheckpointReader reader(blobs, absl::StrCat("checkpoint ", artifact.digest.short_hex()));
  const std::string& what = reader.what_;
  LWQ_ASSIGN_OR_RETURN(reader.manifest_, LoadManifest(*blobs, artifact));
  if (reader.manifest_.kind != kCheckpointKind) {
    return absl::DataLossError(absl::StrCat(what, " is an artifact of kind \"", reader.manifest_.kind, "\""));
  }
  const StatusOr<int64_t> format = JsonInt(reader.manifest_.meta, "format", what);
  if (!format.ok() || *format != kFormat) {
    return absl::FailedPreconditionError(absl::StrCat(what, " is of a format that this version does not know"));
  }
  StatusOr<CheckpointStamp> stamp = StampOf(reader.manifest_.meta, what);
  if (!stamp.ok()) return absl::DataLossError(absl::StrCat(MessageOf(stamp.status())));
  LWQ_RETURN_IF_ERROR(CheckIsExpected(*stamp, expected, what));
  reader.stamp_ = *std::move(stamp);
  return reader;
}

Status CheckpointReader::NextPart(std::string_view tensor) {
  part_.reset();  // before the next one is there
  if (next_part_ == manifest_.parts.size()) {
    return absl::DataLossError(absl::StrCat(what_, " ends before its tensor ", tensor));
  }
  const Part& part = manifest_.parts[next_part_];
  const std::string name = absl::StrCat(what_, ", ", part.name);
  LWQ_ASSIGN_OR_RETURN(Bytes bytes, blobs_->Fetch(part.blob));
  LWQ_ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::Parse(std::move(bytes), name));
  const auto found = file.header().metadata.find(kPartStamp);
  if (part.name != PartName(next_part_) || found == file.header().metadata.end() ||
      found->second != PartStamp(stamp_, next_part_)) {
    return absl::DataLossError(absl::StrCat(name, " is not the part that belongs there"));
  }
  left_ = file.header().tensors.size();
  part_ = std::move(file);
  ++next_part_;
  return absl::OkStatus();
}

StatusOr<HostTensor> CheckpointReader::Take(const std::string& name, DType dtype) {
  if (left_ == 0) LWQ_RETURN_IF_ERROR(NextPart(name));
  if (!part_->Contains(name)) return absl::DataLossError(absl::StrCat(what_, " has no tensor ", name, " in its place"));
  LWQ_ASSIGN_OR_RETURN(HostTensor tensor, part_->Get(name));
  if (tensor.dtype != dtype) {
    return absl::DataLossError(
        absl::StrCat(what_, ": tensor ", name, " is ", DTypeName(tensor.dtype), ", expected ", DTypeName(dtype)));
  }
  --left_;
  return tensor;
}

StatusOr<HostTensor> CheckpointReader::Take(const std::string& name, DType dtype, const std::vector<int64_t>& shape) {
  LWQ_ASSIGN_OR_RETURN(HostTensor tensor, Take(name, dtype));
  if (tensor.shape != shape) {
    return absl::DataLossError(
        absl::StrCat(what_, ": tensor ", name, " is ", ShapeText(tensor.shape), ", expected ", ShapeText(shape)));
  }
  return tensor;
}

Status CheckpointReader::CheckAllTaken() const {
  if (left_ == 0 && next_part_ == manifest_.parts.size()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(what_, " has more tensors than expected"));
}

}  // namespace lwq
