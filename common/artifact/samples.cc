// SPDX-License-Identifier: Apache-2.0
#include "common/artifact/samples.h"

#include <algorithm>
#include <cstdio>

namespace lwq {
namespace {

constexpr std::string_view kSamplesKind = "samples";
constexpr int64_t kChunkBytesTarget = 8 << 20;
constexpr int64_t kMaxJoinReserveBytes = 256 << 20;
constexpr size_t kMaxHeld = 2;  // and one ahead

std::string ChunkName(size_t index) {
  char name[24];
  std::snprintf(name, sizeof(name), "%05zu", index);
  return name;
}

std::vector<int64_t> WithCount(int64_t count, const std::vector<int64_t>& sample_shape) {
  std::vector<int64_t> shape = {count};
  shape.insert(shape.end(), sample_shape.begin(), sample_shape.end());
  return shape;
}

// Bytes of one sample, at least 1.
StatusOr<int64_t> SampleBytesOf(DType dtype, const std::vector<int64_t>& sample_shape) {
  LWQ_ASSIGN_OR_RETURN(const int64_t elements, ElementCount(sample_shape));
  if (elements < 1) {
    return absl::InvalidArgumentError(absl::StrCat("samples of shape ", ShapeText(sample_shape), " are empty"));
  }
  return elements * DTypeBytes(dtype);
}

Status CheckSampleRange(int64_t first, int64_t count, int64_t samples) {
  if (first >= 0 && count >= 0 && first <= samples && count <= samples - first) return absl::OkStatus();
  return absl::OutOfRangeError(
      absl::StrCat("samples ", first, " to ", first, "+", count, " are outside a set of ", samples));
}

Status CheckAppended(const HostTensor& samples, DType dtype, const std::vector<int64_t>& sample_shape,
                     int64_t sample_bytes) {
  const std::vector<int64_t>& shape = samples.shape;
  if (samples.dtype != dtype || shape.empty() || shape[0] < 0 ||
      !std::equal(shape.begin() + 1, shape.end(), sample_shape.begin(), sample_shape.end())) {
    return absl::InvalidArgumentError(absl::StrCat("appended ", DTypeName(samples.dtype), " ", ShapeText(shape),
                                                   " to a set of ", DTypeName(dtype), " samples ",
                                                   ShapeText(sample_shape)));
  }
  const int64_t size_bytes = static_cast<int64_t>(samples.bytes.size());
  if (size_bytes % sample_bytes != 0 || size_bytes / sample_bytes != shape[0]) {
    return absl::InvalidArgumentError(absl::StrCat("appended ", size_bytes, " bytes as ", ShapeText(shape)));
  }
  return absl::OkStatus();
}

struct SampleSetMeta {
  int64_t samples = 0;
  DType dtype = DType::kF32;
  std::vector<int64_t> sample_shape;
  int64_t chunk_samples = 0;
  int64_t sample_bytes = 0;
};

StatusOr<SampleSetMeta> ParseMeta(const Manifest& manifest) {
  if (manifest.kind != kSamplesKind) {
    return absl::InvalidArgumentError(absl::StrCat("it is of kind '", manifest.kind.substr(0, 80), "'"));
  }
  SampleSetMeta meta;
  LWQ_ASSIGN_OR_RETURN(meta.samples, JsonInt(manifest.meta, "samples", "meta"));
  LWQ_ASSIGN_OR_RETURN(meta.chunk_samples, JsonInt(manifest.meta, "chunk_samples", "meta"));
  LWQ_ASSIGN_OR_RETURN(const std::string dtype, JsonString(manifest.meta, "dtype", "meta"));
  LWQ_ASSIGN_OR_RETURN(meta.dtype, ParseDType(dtype));
  const auto shape = manifest.meta.find("shape");
  if (shape == manifest.meta.end() || !shape->is_array()) return absl::InvalidArgumentError("'shape' is not an array");
  for (const Json& size : *shape) {
    if (!size.is_number_integer()) return absl::InvalidArgumentError("'shape' holds something that is not an integer");
    meta.sample_shape.push_back(size.get<int64_t>());
  }
  LWQ_ASSIGN_OR_RETURN(meta.sample_bytes, SampleBytesOf(meta.dtype, meta.sample_shape));
  if (meta.samples < 0 || meta.chunk_samples < 1 || meta.chunk_samples > INT64_MAX / meta.sample_bytes) {
    return absl::InvalidArgumentError(absl::StrCat(meta.samples, " samples in chunks of ", meta.chunk_samples));
  }
  return meta;
}

// Every chunk has the name and the size that the meta data imply.
Status CheckChunks(const SampleSetMeta& meta, const std::vector<Part>& parts) {
  int64_t left = meta.samples;
  for (size_t index = 0; index < parts.size(); ++index) {
    const int64_t count = std::min(meta.chunk_samples, left);
    if (count == 0 || parts[index].name != ChunkName(index) ||
        parts[index].blob.size_bytes != count * meta.sample_bytes) {
      return absl::InvalidArgumentError(absl::StrCat("chunk ", index, " has a wrong name or size"));
    }
    left -= count;
  }
  if (left != 0) return absl::InvalidArgumentError(absl::StrCat("chunks for ", left, " samples are missing"));
  return absl::OkStatus();
}

}  // namespace

int64_t ChunkSamples(int64_t sample_bytes, int64_t batch) {
  const int64_t samples = std::max<int64_t>(1, kChunkBytesTarget / std::max<int64_t>(1, sample_bytes));
  return batch > 0 && samples >= batch ? samples - samples % batch : samples;
}

SampleSetWriter::SampleSetWriter(ArtifactStore* store, DType dtype, std::vector<int64_t> sample_shape,
                                 int64_t chunk_samples)
    : store_(store), dtype_(dtype), sample_shape_(std::move(sample_shape)), chunk_samples_(chunk_samples) {
  const StatusOr<int64_t> sample_bytes = SampleBytesOf(dtype_, sample_shape_);
  if (!sample_bytes.ok()) {
    failed_ = sample_bytes.status();
  } else if (chunk_samples_ < 1 || chunk_samples_ > INT64_MAX / *sample_bytes) {
    failed_ = absl::InvalidArgumentError(absl::StrCat("chunks of ", chunk_samples_, " samples"));
  } else {
    sample_bytes_ = *sample_bytes;
  }
}

SampleSetWriter::~SampleSetWriter() = default;

Status SampleSetWriter::Append(const HostTensor& samples) {
  LWQ_RETURN_IF_ERROR(failed_);
  LWQ_RETURN_IF_ERROR(CheckAppended(samples, dtype_, sample_shape_, sample_bytes_));
  const size_t chunk_bytes = static_cast<size_t>(chunk_samples_ * sample_bytes_);
  std::string_view left = samples.bytes.view();
  while (!left.empty()) {
    const size_t taken = std::min(left.size(), chunk_bytes - pending_.size());
    pending_.append(left.substr(0, taken));
    left.remove_prefix(taken);
    if (pending_.size() == chunk_bytes) LWQ_RETURN_IF_ERROR(FlushChunk());
  }
  samples_ += samples.shape[0];
  return absl::OkStatus();
}

Status SampleSetWriter::FlushChunk() {
  LWQ_RETURN_IF_ERROR(AwaitUpload());
  upload_ = std::async(std::launch::async,
                       [store = store_, chunk = std::exchange(pending_, {})] { return store->PutBlob(chunk); });
  return absl::OkStatus();
}

Status SampleSetWriter::AwaitUpload() {
  if (!upload_.valid()) return absl::OkStatus();
  const StatusOr<BlobRef> blob = upload_.get();
  if (!blob.ok()) return failed_ = Annotate(blob.status(), absl::StrCat("chunk ", chunks_.size(), " of samples"));
  chunks_.push_back(*blob);
  return absl::OkStatus();
}

StatusOr<ArtifactRef> SampleSetWriter::Finish() {
  LWQ_RETURN_IF_ERROR(failed_);
  if (!pending_.empty()) LWQ_RETURN_IF_ERROR(FlushChunk());
  LWQ_RETURN_IF_ERROR(AwaitUpload());
  Manifest manifest;
  manifest.kind = kSamplesKind;
  manifest.meta = {
      {"samples", samples_}, {"dtype", DTypeName(dtype_)}, {"shape", sample_shape_}, {"chunk_samples", chunk_samples_}};
  for (size_t index = 0; index < chunks_.size(); ++index) manifest.parts.push_back({ChunkName(index), chunks_[index]});
  failed_ = absl::FailedPreconditionError("the set of samples is finished");
  return store_->Publish(manifest);
}

StatusOr<std::unique_ptr<SampleSetReader>> SampleSetReader::Open(BlobSource* blobs, const ArtifactRef& artifact) {
  LWQ_ASSIGN_OR_RETURN(const Manifest manifest, LoadManifest(*blobs, artifact));
  const StatusOr<SampleSetMeta> meta = ParseMeta(manifest);
  const Status status = meta.ok() ? CheckChunks(*meta, manifest.parts) : meta.status();
  if (!status.ok()) {
    return absl::DataLossError(
        absl::StrCat("artifact ", artifact.digest.hex(), " is not a set of samples: ", MessageOf(status)));
  }
  std::unique_ptr<SampleSetReader> reader(new SampleSetReader());
  reader->blobs_ = blobs;
  reader->samples_ = meta->samples;
  reader->dtype_ = meta->dtype;
  reader->sample_shape_ = meta->sample_shape;
  reader->chunk_samples_ = meta->chunk_samples;
  reader->sample_bytes_ = meta->sample_bytes;
  for (const Part& part : manifest.parts) reader->chunks_.push_back(part.blob);
  return reader;
}

SampleSetReader::~SampleSetReader() = default;

StatusOr<HostTensor> SampleSetReader::Read(int64_t first, int64_t count) {
  LWQ_RETURN_IF_ERROR(CheckSampleRange(first, count, samples_));
  HostTensor tensor{dtype_, WithCount(count, sample_shape_), Bytes()};
  std::string joined;
  for (int64_t sample = first; sample < first + count;) {
    const int64_t index = sample / chunk_samples_;
    const int64_t in_chunk = sample % chunk_samples_;
    const int64_t taken = std::min(first + count - sample, chunk_samples_ - in_chunk);
    LWQ_ASSIGN_OR_RETURN(const Bytes chunk, Chunk(static_cast<size_t>(index)));
    const Bytes slice =
        chunk.Slice(static_cast<size_t>(in_chunk * sample_bytes_), static_cast<size_t>(taken * sample_bytes_));
    if (taken == count) {
      tensor.bytes = slice;
      return tensor;
    }
    // The total is only a promise of the manifest until the chunks have been fetched.
    if (joined.empty()) joined.reserve(static_cast<size_t>(std::min(count * sample_bytes_, kMaxJoinReserveBytes)));
    joined.append(slice.view());
    sample += taken;
  }
  tensor.bytes = Bytes::FromString(std::move(joined));
  return tensor;
}

StatusOr<Bytes> SampleSetReader::Chunk(size_t index) {
  for (const Held& held : held_) {
    if (held.index == index) return held.bytes;
  }
  StatusOr<Bytes> bytes;
  if (ahead_index_ == index) {
    ahead_index_.reset();
    bytes = ahead_.get();
  } else {
    bytes = blobs_->Fetch(chunks_[index]);
  }
  if (!bytes.ok()) return Annotate(bytes.status(), absl::StrCat("chunk ", index, " of samples"));
  held_.push_back({index, *bytes});
  if (held_.size() > kMaxHeld) held_.pop_front();
  const bool is_wrap = index == 0 && last_index_ == chunks_.size() - 1;
  const bool is_in_order = index == 0 || last_index_ == index - 1;
  has_wrapped_ = has_wrapped_ || is_wrap;
  last_index_ = index;
  if (is_in_order && index + 1 < chunks_.size()) FetchAhead(index + 1);
  if (is_in_order && index + 1 == chunks_.size() && has_wrapped_) FetchAhead(0);
  return bytes;
}

void SampleSetReader::FetchAhead(size_t index) {
  for (const Held& held : held_) {
    if (held.index == index) return;
  }
  ahead_index_ = index;
  ahead_ = std::async(std::launch::async, [blobs = blobs_, blob = chunks_[index]] { return blobs->Fetch(blob); });
}

StatusOr<HostTensor> SampleRange::Read(int64_t first, int64_t count) {
  LWQ_RETURN_IF_ERROR(CheckSampleRange(first, count, count_));
  return source_->Read(first_ + first, count);
}

int64_t MemorySamples::SampleBytes() const {
  const StatusOr<int64_t> sample_bytes = SampleBytesOf(dtype_, sample_shape_);
  LWQ_CHECK(sample_bytes.ok(), MessageOf(sample_bytes.status()));
  return *sample_bytes;
}

int64_t MemorySamples::samples() const {
  return static_cast<int64_t>(data_.size()) / SampleBytes();
}

StatusOr<HostTensor> MemorySamples::Read(int64_t first, int64_t count) {
  LWQ_RETURN_IF_ERROR(CheckSampleRange(first, count, samples()));
  const int64_t sample_bytes = SampleBytes();
  return HostTensor{dtype_, WithCount(count, sample_shape_),
                    Bytes::FromString(data_.substr(static_cast<size_t>(first * sample_bytes),
                                                   static_cast<size_t>(count * sample_bytes)))};
}

Status MemorySamples::Append(const HostTensor& samples) {
  LWQ_RETURN_IF_ERROR(CheckAppended(samples, dtype_, sample_shape_, SampleBytes()));
  data_.append(samples.bytes.view());
  return absl::OkStatus();
}

}  // namespace lwq
