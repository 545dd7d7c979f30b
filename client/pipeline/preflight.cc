// SPDX-License-Identifier: Apache-2.0
#include "client/pipeline/preflight.h"

#include <filesystem>
#include <map>

#include "client/base/exit_code.h"
#include "client/transfer/naming_store.h"
#include "common/digest/digest.h"

namespace lwq::client {
namespace {

using Specs = std::vector<lwqat::v1::RunSpec>;

// Stands for the artifact that the files will be. The coordinator tells inputs apart by their digests only.
void NameByPath(const std::map<std::string, std::string>& files, UploadedTrees* trees) {
  std::string paths;
  int64_t size_bytes = 0;
  for (const auto& [name, path] : files) {
    absl::StrAppend(&paths, name, "\n", path, "\n");
    std::error_code error;
    const auto file_bytes = std::filesystem::file_size(path, error);
    if (!error) size_bytes += static_cast<int64_t>(file_bytes);
  }
  lwqat::v1::ArtifactRef& named = (*trees)[files];
  named.set_digest(DigestOf(std::string_view(paths)).hex());
  named.set_size_bytes(size_bytes);
}

// Of specs that are refused together: by halves, as a thousand of them are asked about in one call, not in as many.
size_t FirstRefused(RunApi* api, const Specs& specs) {
  size_t begin = 0;
  size_t end = specs.size();
  while (end - begin > 1) {
    const size_t middle = begin + (end - begin) / 2;
    const Specs half(specs.begin() + static_cast<int64_t>(begin), specs.begin() + static_cast<int64_t>(middle));
    (api->ValidateRuns(half).ok() ? begin : end) = middle;
  }
  return begin;
}

}  // namespace

StatusOr<lwqat::v1::RunSpec> NameRun(const CheckedRun& run) {
  UploadedTrees trees;
  if (run.model.has_value()) {
    NameByPath(run.model->files, &trees);
    NameByPath(run.model->tokenizer, &trees);
    NameByPath(run.model->companions, &trees);
  }
  NameByPath(run.calibration, &trees);
  for (const auto& text : run.eval_texts) NameByPath(text, &trees);
  for (const auto& task : run.eval_tasks) NameByPath(task, &trees);
  NamingStore nothing;
  return UploadRun(run, &nothing, nullptr, &trees);
}

Status ExplainRefusal(RunApi* api, const std::vector<CheckedRun>& runs, const Specs& specs, const Status& refused) {
  if (refused.ok() || ExitCodeOf(refused) != ExitCode::kUsage) return refused;
  // The answer tells which run it is by its number; the user knows it by its file.
  const size_t first = FirstRefused(api, specs);
  if (const auto plan = api->PlanRun(specs[first]); !plan.ok())
    return Annotate(plan.status(), runs[first].request.origin);
  return refused;
}

StatusOr<Specs> NameRuns(const std::vector<CheckedRun>& runs) {
  Specs specs;
  for (const CheckedRun& run : runs) {
    LWQ_ASSIGN_OR_RETURN(lwqat::v1::RunSpec spec, NameRun(run));
    specs.push_back(std::move(spec));
  }
  return specs;
}

Status Preflight(RunApi* api, const std::vector<CheckedRun>& runs) {
  LWQ_ASSIGN_OR_RETURN(const Specs specs, NameRuns(runs));
  return ExplainRefusal(api, runs, specs, api->ValidateRuns(specs).status());
}

}  // namespace lwq::client
