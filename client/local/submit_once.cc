#include "client/local/submit_once.h"

#include "common/digest/digest.h"
#include "reporting/run_facts.h"

namespace lwq::client {

StatusOr<Submitted> SubmitOnce(RunApi* api, const StateDirectory& state, const lwqat::v1::RunSpec& spec) {
  const std::string memory =
      state.Below(absl::StrCat("requests/", DigestOf(std::string_view(spec.SerializeAsString())).hex()));
  if (const auto request_id = ReadSmallFile(memory); request_id.ok() && !request_id->empty()) {
    auto run = api->SubmitRun(spec, *request_id);
    // ALREADY_EXISTS: the spec of that id was another; it is the coordinator's store that was exchanged. A new id,
    // then.
    if (!run.ok() && !absl::IsAlreadyExists(run.status())) return run.status();
    if (run.ok() && !reporting::IsTerminal(run->state())) return Submitted{*std::move(run), true};
  }
  const std::string request_id = NewRequestId();
  LWQ_RETURN_IF_ERROR(WriteSmallFile(memory, request_id));
  LWQ_ASSIGN_OR_RETURN(lwqat::v1::Run run, api->SubmitRun(spec, request_id));
  return Submitted{std::move(run), false};
}

}  // namespace lwq::client
