// SPDX-License-Identifier: Apache-2.0
// The one way of runs from what a user wrote to their results:
//
//   check → preflight → weights → upload → submit → watch → fetch
//
// `lwq submit`, `lwq local` and `lwq eval` go it with options of their own. Check fetches what is elsewhere and looks
// at this disk; for all that follows a coordinator must answer. Of several runs all are begun or none. A run that fails
// is a result and no error: the others go on, and its state tells. Once the interrupt is raised, every step ends with
// its reason; runs that were begun go on at the coordinator.
//
// Thread-safety: one thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/base/console.h"
#include "client/base/interrupt.h"
#include "client/rpc/run_api.h"
#include "client/transfer/upload_run.h"
#include "client/watch/run_views.h"
#include "common/object_store/object_store.h"
#include "common/status/status.h"

namespace lwq::client {

using RunSpecs = std::vector<lwqat::v1::RunSpec>;
using Runs = std::vector<lwqat::v1::Run>;

// Begins all of the runs, each with a request id of its own, or none. In the order given.
StatusOr<Runs> SubmitAnew(RunApi* api, const RunSpecs& specs);

struct PipelineOptions {
  RunApi* api = nullptr;
  // Asks more of the coordinator before anything is uploaded, of specs that are named as in the preflight; absent:
  // nothing. Called when each of the runs would be accepted.
  std::function<Status(const RunSpecs& named)> also_ask;
  // Opens the object store of the coordinator and its workers; called once, when the coordinator would accept the runs.
  std::function<StatusOr<std::unique_ptr<ObjectStore>>()> open_objects;
  // Begins the runs and says so to the user; all or none, in the order given.
  std::function<StatusOr<Runs>(const RunSpecs& specs)> submit;
  // How progress is shown while the runs are waited for; absent: nobody waits. More than kRunsShownWhole share a
  // summary.
  std::optional<WatchStyle> watch;
  // The folder for the results of a run that succeeded, "" where they are not to be fetched. Called when the run has
  // ended.
  std::function<std::string(const RunRequest& request, const lwqat::v1::Run& run)> folder_of =
      [](const RunRequest&, const lwqat::v1::Run&) { return ""; };
  // Brings more of a run that succeeded; absent: nothing.
  std::function<Status(const lwqat::v1::Run& run, ObjectStore* objects)> also_fetch = nullptr;
};

class RunPipeline {
 public:
  // All must outlive this.
  RunPipeline(Console* console, Interrupt* interrupt, Sources* sources)
      : console_(console), interrupt_(interrupt), sources_(sources) {}

  // Looks at the inputs of all runs, as far as that is quickly done; what is elsewhere is fetched first. Errors as
  // CheckRunInputs.
  Status Check(const std::vector<RunRequest>& requests);

  // Reads the weights of all runs that were checked. Execute does it after the preflight unless it was done before: a
  // caller that starts a coordinator for the runs wants to know first. Errors as those of check_weights.h.
  Status CheckWeights();

  // The steps from preflight on. The runs as they were seen last, in the order checked: in terminal states where they
  // were waited for.
  StatusOr<Runs> Execute(const PipelineOptions& options);

 private:
  StatusOr<RunSpecs> Upload(ObjectStore* objects);
  StatusOr<Runs> Watch(const PipelineOptions& options, const Runs& runs);
  Status Fetch(const PipelineOptions& options, const Runs& runs, ObjectStore* objects);

  Console* console_;
  Interrupt* interrupt_;
  Sources* sources_;
  std::vector<CheckedRun> checked_;
  bool weights_are_checked_ = false;
};

}  // namespace lwq::client
