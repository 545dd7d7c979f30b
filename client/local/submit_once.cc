// SPDX-License-Identifier: Apache-2.0
#include "client/local/submit_once.h"

#include <algorithm>
#include <optional>
#include <string>

#include "client/base/message_bytes.h"
#include "common/digest/digest.h"
#include "reporting/run_facts.h"

namespace lwq::client {
namespace {

using lwqat::v1::Run;
using lwqat::v1::RunSpec;
using lwqat::v1::SubmitRunRequest;

SubmitRunRequest RequestFor(const RunSpec& spec, const std::string& request_id) {
  SubmitRunRequest request;
  *request.mutable_spec() = spec;
  request.set_request_id(request_id);
  return request;
}

std::string MemoryOf(const StateDirectory& state, const RunSpec& spec) {
  return state.Below(absl::StrCat("requests/", DigestOf(std::string_view(spec.SerializeAsString())).hex()));
}

// Sends the requests of `places`, if there are any; the answers go to the same places of `runs`.
Status Send(RunApi* api, const std::vector<SubmitRunRequest>& requests, const std::vector<size_t>& places,
            std::vector<std::optional<Run>>* runs) {
  if (requests.empty()) return absl::OkStatus();
  LWQ_ASSIGN_OR_RETURN(std::vector<Run> answers, api->SubmitRuns(requests));
  for (size_t i = 0; i < places.size(); ++i) (*runs)[places[i]] = std::move(answers[i]);
  return absl::OkStatus();
}

// The runs that the specs were submitted as before, where that is remembered.
StatusOr<std::vector<std::optional<Run>>> Recall(RunApi* api, const StateDirectory& state,
                                                 const std::vector<RunSpec>& specs) {
  std::vector<std::optional<Run>> runs(specs.size());
  std::vector<SubmitRunRequest> requests;
  std::vector<size_t> places;
  for (size_t i = 0; i < specs.size(); ++i) {
    const auto request_id = ReadNote(MemoryOf(state, specs[i]));
    if (!request_id.ok() || request_id->empty()) continue;
    requests.push_back(RequestFor(specs[i], *request_id));
    places.push_back(i);
  }
  const Status sent = Send(api, requests, places, &runs);
  // The spec of some id was another: it is the coordinator's store that was exchanged, and none of them is known.
  if (!sent.ok() && !absl::IsAlreadyExists(sent)) return sent;
  return runs;
}

// Begins the runs of all specs but those that are `resumed`, under ids that are remembered.
Status BeginOthers(RunApi* api, const StateDirectory& state, const std::vector<RunSpec>& specs,
                   const std::vector<bool>& resumed, std::vector<std::optional<Run>>* runs) {
  std::vector<SubmitRunRequest> requests;
  std::vector<size_t> places;
  for (size_t i = 0; i < specs.size(); ++i) {
    if (resumed[i]) continue;
    requests.push_back(RequestFor(specs[i], NewRequestId()));
    places.push_back(i);
    LWQ_RETURN_IF_ERROR(WriteNote(MemoryOf(state, specs[i]), requests.back().request_id()));
  }
  return Send(api, requests, places, runs);
}

}  // namespace

StatusOr<std::vector<Submitted>> SubmitOnce(RunApi* api, const StateDirectory& state,
                                            const std::vector<RunSpec>& specs) {
  LWQ_ASSIGN_OR_RETURN(std::vector<std::optional<Run>> runs, Recall(api, state, specs));
  std::vector<bool> resumed;
  resumed.reserve(runs.size());
  for (const std::optional<Run>& run : runs) {
    resumed.push_back(run.has_value() && !reporting::IsTerminal(run->state()));
  }
  LWQ_RETURN_IF_ERROR(BeginOthers(api, state, specs, resumed, &runs));
  std::vector<Submitted> submitted;
  for (size_t i = 0; i < specs.size(); ++i) submitted.push_back({*std::move(runs[i]), resumed[i]});
  return submitted;
}

namespace {

bool IsUnfinished(const lwqat::v1::Sweep& sweep) {
  return std::any_of(sweep.members().begin(), sweep.members().end(),
                     [](const auto& member) { return reporting::IsActive(member.state()); });
}

}  // namespace

StatusOr<SubmittedSweepOnce> SubmitSweepOnce(RunApi* api, const StateDirectory& state,
                                             const lwqat::v1::SweepSpec& spec) {
  const std::string memory =
      state.Below(absl::StrCat("requests/", DigestOf(std::string_view(DeterministicBytes(spec))).hex()));
  if (const auto before = ReadNote(memory); before.ok() && !before->empty()) {
    StatusOr<lwqat::v1::Sweep> sweep = api->SubmitSweep(spec, *before);
    // The coordinator's store may have been exchanged: then the id is another sweep's.
    if (!sweep.ok() && !absl::IsAlreadyExists(sweep.status())) return sweep.status();
    if (sweep.ok() && IsUnfinished(*sweep)) return SubmittedSweepOnce{*std::move(sweep), true};
  }
  const std::string request_id = NewRequestId();
  LWQ_RETURN_IF_ERROR(WriteNote(memory, request_id));
  LWQ_ASSIGN_OR_RETURN(lwqat::v1::Sweep sweep, api->SubmitSweep(spec, request_id));
  return SubmittedSweepOnce{std::move(sweep), false};
}

}  // namespace lwq::client
