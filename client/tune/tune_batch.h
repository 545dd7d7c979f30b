// SPDX-License-Identifier: Apache-2.0
// A batch of a search as the coordinator takes it: a sweep whose request id follows from the search alone. The same
// search, from whatever machine and after whatever crash, submits the same sweeps under the same ids, and so finds the
// runs that it had begun. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "client/run_file/tune_file.h"
#include "common/digest/digest.h"
#include "common/search/halving.h"
#include "common/status/status.h"
#include "lwqat/v1/sweep.pb.h"

namespace lwq::client {

// What the search is: its name, space, seed, batches, metric and halving, and the run it is about, whose inputs `base`
// names by content. How long it goes on, its trials and budget, is no part of it: with more of them it goes on.
Digest IdentityOf(const TuneRequest& tune, const lwqat::v1::RunSpec& base);

struct TuneBatch {
  int64_t number = 0;       // from 0
  int64_t first_trial = 0;  // from 0
  std::vector<std::vector<search::ParameterValue>> trials;
};

// "tiny trial 7" has the labels trial=7, quant_lr=0.0003142, …; people count from 1. `base` has the inputs. Errors as
// TrialRequest.
StatusOr<lwqat::v1::SweepSpec> SweepOf(const TuneRequest& tune, const lwqat::v1::RunSpec& base, const TuneBatch& batch);

// A UUID (version 8) of the identity and the batch's place and size.
std::string RequestIdOf(const Digest& identity, const TuneBatch& batch);

// Which part of the blocks of a whole batch halving trains: what its first rungs leave of it. 1 where it does not
// halve.
double HalvingShare(const TuneRequest& tune, int64_t trials, int64_t blocks);

// The rule of a sweep of so many runs. What the message leaves out is the rule's default; rungs beyond the model are
// the coordinator's to refuse.
search::HalvingRule RuleOf(const lwqat::v1::Halving& halving, int64_t runs, int64_t blocks);

}  // namespace lwq::client
