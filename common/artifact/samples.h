// SPDX-License-Identifier: Apache-2.0
// Sets of per-sample tensors that are too large to hold: token windows [samples, seqlen] and block activations
// [samples, seqlen, hidden]. Written and read in order of samples, in chunks, so that a reader holds a few chunks only
// and can compute on the first while the next is fetched.
//
// As an artifact: kind "samples", meta {"samples","dtype","shape" (of one sample),"chunk_samples"}, parts "00000",
// "00001", …: the raw bytes of chunk_samples samples each (the last may be shorter).
#pragma once

#include <cstdint>
#include <deque>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/artifact/artifact.h"
#include "common/artifact/tensor.h"
#include "common/status/status.h"

namespace lwq {

// What worker/qat reads samples from. One thread at a time.
class SampleSource {
 public:
  virtual ~SampleSource() = default;
  virtual int64_t samples() const = 0;
  virtual DType dtype() const = 0;
  // Shape of one sample: [seqlen] or [seqlen, hidden].
  virtual const std::vector<int64_t>& sample_shape() const = 0;
  // [count, …sample_shape]: samples first … first+count-1. OUT_OF_RANGE outside the set. A view into a chunk where the
  // range lies in one, else a copy.
  virtual StatusOr<HostTensor> Read(int64_t first, int64_t count) = 0;
};

// What worker/qat writes samples to, in order. One thread at a time.
class SampleSink {
 public:
  virtual ~SampleSink() = default;
  // [count, …sample_shape]; the bytes are copied or written before the call returns.
  virtual Status Append(const HostTensor& samples) = 0;
};

// How many samples a chunk holds: chunks of about 8 MiB, at least one sample, a multiple of `batch` where that fits, so
// that a micro-batch never straddles two chunks.
int64_t ChunkSamples(int64_t sample_bytes, int64_t batch);

// Writes an artifact. Samples are uploaded in the background, one chunk behind the caller.
class SampleSetWriter : public SampleSink {
 public:
  SampleSetWriter(ArtifactStore* store, DType dtype, std::vector<int64_t> sample_shape, int64_t chunk_samples);
  ~SampleSetWriter() override;
  // INVALID_ARGUMENT when dtype or shape differ from the constructor's.
  Status Append(const HostTensor& samples) override;
  // The artifact with everything appended. No call may follow.
  StatusOr<ArtifactRef> Finish();

 private:
  Status FlushChunk();
  Status AwaitUpload();
  ArtifactStore* store_;
  DType dtype_;
  std::vector<int64_t> sample_shape_;
  int64_t chunk_samples_;
  int64_t sample_bytes_ = 0;
  int64_t samples_ = 0;
  Status failed_;  // the first error; nothing is accepted after it
  std::string pending_;
  std::future<StatusOr<BlobRef>> upload_;
  std::vector<BlobRef> chunks_;
};

// Reads an artifact; while it is read in order, the next chunk is fetched ahead (behind the last comes the first, once
// the set has been read twice). At most three chunks are held (previous, current, next), besides those that tensors
// handed out still point into.
class SampleSetReader : public SampleSource {
 public:
  // `blobs` must outlive the reader.
  static StatusOr<std::unique_ptr<SampleSetReader>> Open(BlobSource* blobs, const ArtifactRef& artifact);
  ~SampleSetReader() override;
  int64_t samples() const override { return samples_; }
  DType dtype() const override { return dtype_; }
  const std::vector<int64_t>& sample_shape() const override { return sample_shape_; }
  StatusOr<HostTensor> Read(int64_t first, int64_t count) override;

 private:
  SampleSetReader() = default;
  StatusOr<Bytes> Chunk(size_t index);
  void FetchAhead(size_t index);
  BlobSource* blobs_ = nullptr;
  int64_t samples_ = 0;
  DType dtype_ = DType::kF32;
  std::vector<int64_t> sample_shape_;
  int64_t chunk_samples_ = 1;
  int64_t sample_bytes_ = 0;
  std::vector<BlobRef> chunks_;
  struct Held {
    size_t index;
    Bytes bytes;
  };
  std::deque<Held> held_;  // the two read last
  std::optional<size_t> last_index_;
  bool has_wrapped_ = false;  // read from the end to the beginning before: the set is read in epochs
  std::optional<size_t> ahead_index_;
  std::future<StatusOr<Bytes>> ahead_;
};

// A window [first, first+count) of another source, which must outlive it.
class SampleRange : public SampleSource {
 public:
  SampleRange(SampleSource* source, int64_t first, int64_t count) : source_(source), first_(first), count_(count) {}
  int64_t samples() const override { return count_; }
  DType dtype() const override { return source_->dtype(); }
  const std::vector<int64_t>& sample_shape() const override { return source_->sample_shape(); }
  StatusOr<HostTensor> Read(int64_t first, int64_t count) override;

 private:
  SampleSource* source_;
  int64_t first_;
  int64_t count_;
};

// All samples in one tensor in memory, for tests and small sets.
class MemorySamples : public SampleSource, public SampleSink {
 public:
  MemorySamples(DType dtype, std::vector<int64_t> sample_shape)
      : dtype_(dtype), sample_shape_(std::move(sample_shape)) {}
  int64_t samples() const override;
  DType dtype() const override { return dtype_; }
  const std::vector<int64_t>& sample_shape() const override { return sample_shape_; }
  StatusOr<HostTensor> Read(int64_t first, int64_t count) override;
  Status Append(const HostTensor& samples) override;

 private:
  int64_t SampleBytes() const;
  DType dtype_;
  std::vector<int64_t> sample_shape_;
  std::string data_;
};

}  // namespace lwq
