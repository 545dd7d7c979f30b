// SPDX-License-Identifier: Apache-2.0
// A checkpoint: the state of a task in the middle of its computation, from which a later attempt goes on
// (docs/checkpoints.md). What the tensors mean is the kind's matter; this is how they are kept.
//
// Artifact kind "checkpoint": meta {"format":1, "task", "action", "kind", "numerics_class", "token", "step", "steps",
// "seconds"} (CheckpointStamp); parts "state.0", "state.1", …: safetensors files of tensors in the order in which they
// were added, cut where a part has reached kCheckpointPartBytes, each with task, token, step and its own number as
// metadata "lwq_checkpoint". So no part of a checkpoint is a part of anything else, and a checkpoint can be deleted by
// name. Like every artifact it exists once its manifest does: a torn one is garbage, never read.
//
// Memory: writing holds one serialized part, reading one part. Thread-safety: one thread per object. The store must
// outlive it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/artifact/artifact.h"
#include "common/artifact/safetensors.h"
#include "common/artifact/tensor.h"
#include "common/status/status.h"

namespace lwq {

inline constexpr int64_t kCheckpointPartBytes = int64_t{64} << 20;

struct CheckpointStamp {
  Digest task;    // derivation key
  Digest action;  // what is computed, and on which class: only an attempt at the same action may go on
  std::string kind;
  std::string numerics_class;
  uint64_t token = 0;  // of the attempt that wrote it
  int64_t step = 0;    // done when it was written
  int64_t steps = 0;   // in all
  double seconds = 0;  // of work that it stands for, attempts before included

  friend bool operator==(const CheckpointStamp&, const CheckpointStamp&) = default;
};

class CheckpointWriter {
 public:
  CheckpointWriter(ArtifactStore* store, CheckpointStamp stamp, int64_t part_bytes = kCheckpointPartBytes);

  // The tensor's memory must not change before Publish. INVALID_ARGUMENT: there is one of that name; errors of the
  // store.
  Status Add(const std::string& name, HostTensor tensor);
  // Once, at the end.
  StatusOr<ArtifactRef> Publish();

 private:
  Status Flush();

  ArtifactStore* store_;
  const CheckpointStamp stamp_;
  const int64_t part_bytes_;
  std::map<std::string, HostTensor> pending_;
  int64_t pending_bytes_ = 0;
  std::set<std::string> names_;
  Manifest manifest_;
};

class CheckpointReader {
 public:
  // FAILED_PRECONDITION: it is of another task, action, kind or numerics class than `expected` (whose token, step,
  // steps and seconds are not read), or of a format that this version does not know; DATA_LOSS: it is damaged;
  // NOT_FOUND: it, or a part of it, is gone.
  static StatusOr<CheckpointReader> Open(BlobSource* blobs, const ArtifactRef& artifact,
                                         const CheckpointStamp& expected);

  const CheckpointStamp& stamp() const { return stamp_; }
  // Tensors are taken in the order in which they were added. DATA_LOSS where the next part has no such tensor, or one
  // of another dtype; errors of the store.
  StatusOr<HostTensor> Take(const std::string& name, DType dtype);
  // And of this shape.
  StatusOr<HostTensor> Take(const std::string& name, DType dtype, const std::vector<int64_t>& shape);
  // DATA_LOSS unless everything was taken.
  Status CheckAllTaken() const;

 private:
  CheckpointReader(BlobSource* blobs, std::string what) : blobs_(blobs), what_(std::move(what)) {}
  // In which `tensor` must be.
  Status NextPart(std::string_view tensor);

  BlobSource* blobs_;
  std::string what_;
  CheckpointStamp stamp_;
  Manifest manifest_;
  size_t next_part_ = 0;
  std::optional<SafetensorsFile> part_;
  size_t left_ = 0;  // tensors of `part_` that were not taken
};

}  // namespace lwq
