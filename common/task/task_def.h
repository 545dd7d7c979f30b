// What a task is, as data: the one description the coordinator keys, stores and leases, and a worker executes.
//
// A task's identity is its derivation key: the digest of kind, version of the kind's code, parameters that can change
// the bytes, numerics class and the identities of its inputs. It is known before anything has run. Its action key is
// the same with the inputs' content digests, known when they exist. Neither holds a worker, a run, a priority or an
// attempt: equal key means equal bytes, whoever asks (docs/spec.md, "Identity and reuse").
//
// Pure values. Determinism: keys are SHA-256 over canonical JSON.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>

#include "common/artifact/artifact.h"
#include "common/digest/digest.h"
#include "common/json/json.h"
#include "common/status/status.h"

namespace lwq {

enum class TaskKind {
  kTokenize,       // text → token windows
  kEmbed,          // token windows → A(0)
  kAdvance,        // A(k), state of block k → A(k+1); full precision where no block checkpoint is given
  kTrainBlock,     // Block-AP
  kRtnBlock,       // round-to-nearest, needs no activations
  kEvaluatePpl,    // losses of a shard of a text's windows, by a model with the given block checkpoints
  kReducePpl,      // losses of all shards → perplexity
  kExport,         // a directory in a serving format
  kLossGradient,   // A(n) → the loss of every sample and its gradient G(n): sensitivity, as all up to kHessian
  kBackwardBlock,  // A(k), G(k+1) → G(k), and the squared norms of every sample's weight gradient
  kGradientNorm,   // weight gradients summed by shard → the norm of their mean
  kOutputFisher,   // A(k), G(k+1) → Σ (output gradient × output error)² of every choice of bits and groups
  kLossDelta,      // A(k) → how the loss rises when block k alone is quantized
  kHessian,        // one probe of Hutchinson's estimator
  kWeightError,    // ‖W − Q(W)‖² of every choice
  kNoop,           // does nothing: measures the system itself
};

// "tokenize", "embed", "advance", "train_block", …: the enumerator in lower case with underscores.
std::string_view TaskKindName(TaskKind kind);
StatusOr<TaskKind> ParseTaskKind(std::string_view name);
// Raised whenever the code of a kind changes in a way that can change its output's bytes: old results no longer match.
int TaskKindVersion(TaskKind kind);

// An output of another task, by identity.
struct TaskOutputRef {
  Digest derivation_key;
  std::string output;  // role
  friend auto operator<=>(const TaskOutputRef&, const TaskOutputRef&) = default;
};

using TaskInput = std::variant<ArtifactRef, TaskOutputRef>;

struct TaskDef {
  TaskKind kind = TaskKind::kNoop;
  Json params = Json::object();  // the kind's parameter struct (task_params.h), everything that can change the bytes
  std::string numerics_class;    // numerics_class.h; "" where the result is the same on every machine
  std::map<std::string, TaskInput> inputs;  // role → what
};

Digest DerivationKeyOf(const TaskDef& def);
// `inputs` holds the content of every role of def.inputs. `lr_halvings` > 0 is another action.
Digest ActionKeyOf(const TaskDef& def, const std::map<std::string, ArtifactRef>& inputs, int lr_halvings);

// For the store. FromJson: DATA_LOSS naming `what`.
Json TaskDefToJson(const TaskDef& def);
StatusOr<TaskDef> TaskDefFromJson(const Json& json, std::string_view what);

}  // namespace lwq
