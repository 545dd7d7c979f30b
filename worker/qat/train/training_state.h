// SPDX-License-Identifier: Apache-2.0
// Everything of a training that the next step depends on, to a checkpoint and back.
//
// Between two optimizer steps a training is its trained parameters, their AdamW moments, how often each was stepped,
// the best state so far with its loss, early stop's counter, and what the outcome has collected. The samples of the
// next step follow from the number of steps (they are never shuffled), its learning rates too, and gradients are
// dropped after each step; nothing is drawn at random. Frozen parameters and initial zero points are those of the
// task's inputs. So going on gives the bits of a training that was never interrupted.
//
// Tensors of the checkpoint, in this order:
//   progress.counts       I64 [4]          steps; early stop's failures; blocks in best; validations
//   progress.numbers      F64 [6]          losses: initial, last, lowest, of the best state, early stop's; seconds of
//                                          the epoch so far
//   progress.train_losses, progress.grad_norms   F64 [steps]
//   progress.epochs       F64 [validations, 5]   epoch, step, train loss, validation loss, seconds
//   optimizer.steps       I64 [trained parameters]
//   <k>.<parameter>, and .exp_avg and .exp_avg_sq of one that was stepped   F32, of every trained parameter of block k
//   best.<k>, best.<k>.latent   U8: the block as in its artifact (common/export/block_checkpoint.h)
//
// Thread-safety: one thread. LibTorch's exceptions and StatusErrors: use inside TorchGuard.
#pragma once

#include <limits>

#include "common/artifact/checkpoint.h"
#include "common/status/status.h"
#include "worker/qat/train/best_keeper.h"
#include "worker/qat/train/early_stop.h"
#include "worker/qat/train/train_options.h"
#include "worker/qat/train/unit_trainer.h"

namespace lwq::qat {

struct TrainingState {
  UnitTrainer trainer;
  EarlyStop early_stop;
  BestKeeper best;
  double best_val_loss = std::numeric_limits<double>::infinity();
  TrainOutcome outcome;      // without blocks
  double epoch_seconds = 0;  // of the epoch that has begun
};

// Requires that at least one step was made and that its gradients are dropped. Errors of the writer.
Status SaveTraining(const TrainingState& state, CheckpointWriter& writer);

// Into the state of a training of the same inputs, options and plan that has made no step. DATA_LOSS for tensors that
// are not exactly those, and errors of the reader: then the state is half restored, and of no use.
Status RestoreTraining(CheckpointReader& reader, const TrainPlan& plan, const TrainOptions& options,
                       TrainingState& state);

}  // namespace lwq::qat
