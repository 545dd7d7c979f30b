// SPDX-License-Identifier: Apache-2.0
#include "client/pipeline/preflight.h"

#include <filesystem>
#include <map>

#include "client/base/exit_code.h"
#include "client/transfer/naming_store.h"
#include "common/digest/digest.h"

namespace lwq::client {
namespace {

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
  NamingStore nothing;
  return UploadRun(run, &nothing, nullptr, &trees);
}

Status Preflight(RunApi* api, const std::vector<CheckedRun>& runs) {
  std::vector<lwqat::v1::RunSpec> specs;
  for (const CheckedRun& run : runs) {
    LWQ_ASSIGN_OR_RETURN(lwqat::v1::RunSpec spec, NameRun(run));
    specs.push_back(std::move(spec));
  }
  const Status refused = api->ValidateRuns(specs).status();
  if (ExitCodeOf(refused) != ExitCode::kUsage) return refused;
  // The answer tells which run it is by its number; the user knows it by its file.
  for (size_t i = 0; i < runs.size(); ++i) {
    if (const auto plan = api->PlanRun(specs[i]); !plan.ok()) return Annotate(plan.status(), runs[i].request.origin);
  }
  return refused;
}

}  // namespace lwq::client
