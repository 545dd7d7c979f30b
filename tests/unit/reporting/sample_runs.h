// SPDX-License-Identifier: Apache-2.0
// Runs and tasks for tests of what is told and printed of them.
#pragma once

#include <string>

#include "lwqat/v1/run.pb.h"

namespace lwq::test {

lwqat::v1::Task MakeTask(const std::string& kind, int block, lwqat::v1::TaskState state);

// A value measured on text "held-out".
lwqat::v1::Measured* AddMeasured(const std::string& subject, const std::string& metric, double value, int64_t count,
                                 lwqat::v1::Run* run);

// A running Block-AP run of three blocks: one trained, one in training, one that waits.
lwqat::v1::Run RunningRun();
// The same run at its end, with a perplexity and an export.
lwqat::v1::Run FinishedRun();

// A running run with policies: block 1 and 2 are a unit at 2 bits that is trained first, block 0 has 4 bits; three of
// four tasks of the fisher metric are done.
lwqat::v1::Run PolicyRun();
// The same at its end: everything measured and trained.
lwqat::v1::Run FinishedPolicyRun();

// A finished run with one perplexity of its own and one of the full-precision model on text "held-out".
lwqat::v1::Run MeasuredRun(const std::string& name, const std::string& method, double perplexity, double fp_perplexity);

}  // namespace lwq::test
