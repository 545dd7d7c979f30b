// SPDX-License-Identifier: Apache-2.0
#include "client/pipeline/fetch_or_remake.h"

#include <algorithm>
#include <chrono>

#include "client/base/format.h"
#include "common/artifact/artifact.h"
#include "reporting/run_facts.h"

namespace lwq::client {
namespace {

constexpr std::chrono::milliseconds kPollInterval{300};

// How many blobs of the artifact are not there; those that are there and damaged are removed, so that they can be
// stored again.
StatusOr<int64_t> DropLostBlobs(ObjectStore* objects, const lwqat::v1::ArtifactRef& message) {
  LWQ_ASSIGN_OR_RETURN(const Digest digest, Digest::FromHex(message.digest()));
  ArtifactStore artifacts(objects);
  const StatusOr<Manifest> manifest = LoadManifest(artifacts, {digest, message.size_bytes()});
  if (absl::IsNotFound(manifest.status())) return 1;
  if (absl::IsDataLoss(manifest.status())) {
    LWQ_RETURN_IF_ERROR(artifacts.DropIfDamaged(digest).status());
    return 1;
  }
  LWQ_RETURN_IF_ERROR(manifest);
  int64_t lost = 0;
  for (const Part& part : manifest->parts) {
    LWQ_ASSIGN_OR_RETURN(const bool dropped, artifacts.DropIfDamaged(part.blob.digest));
    LWQ_ASSIGN_OR_RETURN(const bool is_there, artifacts.HasBlob(part.blob));
    if (dropped || !is_there) ++lost;
  }
  return lost;
}

bool IsLoss(const Status& status) {
  return absl::IsNotFound(status) || absl::IsDataLoss(status);
}

// "export gptq_v2 is made again: train block 3, 12/64 train, on worker-1"
std::string RemakeLine(const lwqat::v1::Run& run) {
  const auto worked_on = std::find_if(run.tasks().begin(), run.tasks().end(), [](const lwqat::v1::Task& task) {
    return task.state() == lwqat::v1::TASK_STATE_LEASED;
  });
  std::string line = absl::StrCat(run.remaking(), " is made again");
  if (!run.waiting_reason().empty()) return absl::StrCat(line, "; ", run.waiting_reason());
  if (worked_on == run.tasks().end()) return absl::StrCat(line, "; waits for a worker");
  absl::StrAppend(&line, ": ", worked_on->title());
  if (worked_on->progress().steps() > 0) {
    absl::StrAppend(&line, ", ", worked_on->progress().step(), "/", worked_on->progress().steps(), " ",
                    worked_on->progress().stage());
  }
  return absl::StrCat(line, ", on ", worked_on->worker());
}

Status AwaitRemade(RunApi* api, const std::string& run_id, Console* console) {
  while (true) {
    const StatusOr<lwqat::v1::Run> run = api->GetRun(run_id);
    if (!run.ok() || run->remaking().empty()) {
      console->ClearLive();
      LWQ_RETURN_IF_ERROR(run);
      if (run->remake_error().empty()) return absl::OkStatus();
      return absl::FailedPreconditionError(absl::StrCat("its export was not made again: ", run->remake_error(),
                                                        "; lwq logs ", reporting::ShortId(run_id), " says more"));
    }
    console->SetLive({RemakeLine(*run)});
    if (api->interrupt()->WaitFor(kPollInterval)) {
      console->ClearLive();
      return api->interrupt()->reason();
    }
  }
}

}  // namespace

StatusOr<FetchedExport> FetchOrRemake(RunApi* api, const lwqat::v1::Run& run, ObjectStore* objects,
                                      const std::string& output, Console* console) {
  LWQ_ASSIGN_OR_RETURN(const auto place, OpenExportPlace(output, api->interrupt()));
  StatusOr<FetchedExport> fetched = FetchExport(run, objects, place.get(), console);
  if (fetched.ok() || !run.has_export_() || !IsLoss(fetched.status())) return fetched;
  LWQ_ASSIGN_OR_RETURN(const int64_t lost, DropLostBlobs(objects, run.export_()));
  if (lost == 0) return fetched;
  const std::string who = absl::StrCat("run ", reporting::ShortId(run.id()));
  console->Err(absl::StrCat(who, ": its export is gone from the object store; a worker makes it again"));
  const Status refused = api->RemakeArtifact(run.id(), run.export_().digest()).status();
  if (!refused.ok()) {
    // What was found is the error; that nobody can help is only why it stays one.
    return Status(fetched.status().code(),
                  absl::StrCat(MessageOf(fetched.status()), "; it is not made again: ", MessageOf(refused)));
  }
  LWQ_RETURN_IF_ERROR(Annotate(AwaitRemade(api, run.id(), console), who));
  return FetchExport(run, objects, place.get(), console);
}

}  // namespace lwq::client
