#include "client/verbs/preflight.h"

#include <map>

#include "common/digest/digest.h"

namespace lwq {
namespace {

// Stands for the artifact that the files will be. The coordinator tells inputs apart by their digests only.
void NameByPath(const std::map<std::string, std::string>& files, lwqat::v1::ArtifactRef* artifact) {
  std::string paths;
  for (const auto& [name, path] : files) absl::StrAppend(&paths, name, "\n", path, "\n");
  artifact->set_digest(DigestOf(std::string_view(paths)).hex());
}

lwqat::v1::RunSpec SpecOf(const CheckedRun& run) {
  lwqat::v1::RunSpec spec = run.request.spec;
  if (run.model.has_value()) {
    lwqat::v1::ModelSource* model = spec.mutable_model();
    model->set_name(run.request.model_name);
    model->set_config_json(run.model->config_json);
    NameByPath(run.model->files, model->mutable_files());
    NameByPath(run.model->tokenizer, model->mutable_tokenizer());
  }
  if (!run.calibration.empty()) {
    spec.mutable_calibration()->set_name(NameOfPath(run.request.calib_dataset));
    NameByPath(run.calibration, spec.mutable_calibration()->mutable_files());
  }
  for (size_t i = 0; i < run.eval_texts.size(); ++i) {
    lwqat::v1::TextSource* text = spec.add_eval_texts();
    text->set_name(run.request.eval_texts[i].name);
    NameByPath(run.eval_texts[i], text->mutable_files());
  }
  return spec;
}

}  // namespace

Status Preflight(RunApi* api, const std::vector<CheckedRun>& runs) {
  for (const CheckedRun& run : runs) {
    if (const auto plan = api->PlanRun(SpecOf(run)); !plan.ok()) return Annotate(plan.status(), run.request.origin);
  }
  return absl::OkStatus();
}

}  // namespace lwq
