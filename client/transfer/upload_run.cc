// SPDX-License-Identifier: Apache-2.0
#include "client/transfer/upload_run.h"

#include <algorithm>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "client/base/exit_code.h"
#include "client/transfer/model_tokenizer.h"
#include "client/transfer/sensitivity_file.h"
#include "client/transfer/task_file.h"
#include "client/transfer/text_file.h"
#include "common/artifact/file_tree.h"
#include "common/export_format/export_format.h"
#include "common/hub/hub_uri.h"
#include "common/object_store/open_store.h"
#include "common/text/utf8.h"
#include "reporting/recipe_words.h"

namespace lwq::client {
namespace {

// Uploads trees, each once.
class Uploader {
 public:
  Uploader(ObjectStore* store, Console* console, UploadedTrees* uploaded, std::string_view doing)
      : artifacts_(store), console_(console), uploaded_(uploaded), doing_(doing) {}

  StatusOr<lwqat::v1::ArtifactRef> Upload(const std::string& what, const std::map<std::string, std::string>& files) {
    if (const auto found = uploaded_->find(files); found != uploaded_->end()) return found->second;
    std::optional<TransferProgress> progress;
    if (console_ != nullptr) progress.emplace(console_, absl::StrCat(doing_, " ", what));
    auto artifact = UploadFiles(artifacts_, files, [&](int64_t done, int64_t total) {
      if (progress.has_value()) progress->Update(done, total);
    });
    if (!artifact.ok()) {
      if (console_ != nullptr) console_->ClearLive();
      return Annotate(artifact.status(), absl::StrCat(doing_, " ", what));
    }
    if (progress.has_value()) progress->Finish();
    lwqat::v1::ArtifactRef ref;
    ref.set_digest(artifact->digest.hex());
    ref.set_size_bytes(artifact->size_bytes);
    uploaded_->emplace(files, ref);
    return ref;
  }

  // Said once, however many runs it is true of: a tree without files, named by the line, remembers it.
  void Note(const std::string& line) {
    const bool is_new =
        uploaded_->emplace(std::map<std::string, std::string>{{"", line}}, lwqat::v1::ArtifactRef()).second;
    if (console_ != nullptr && is_new) console_->Err(line);
  }

 private:
  ArtifactStore artifacts_;
  Console* console_;
  UploadedTrees* uploaded_;
  const std::string doing_;
};

// Whether the run may make a directory that the model's small files belong into.
bool Exports(const lwqat::v1::Recipe& recipe) {
  return reporting::TraitsOfMethod(recipe).quantizes &&
         ParseWord<ExportFormat>(recipe.export_format()) != ExportFormat::kNone;
}

Status UploadModel(const CheckedRun& run, Uploader* uploader, lwqat::v1::ModelSource* source) {
  source->set_name(run.request.model_name);
  source->set_config_json(run.model->config_json);
  if (run.request.model_path.starts_with(kHubScheme)) source->set_uri(run.request.model_path);
  LWQ_ASSIGN_OR_RETURN(*source->mutable_files(),
                       uploader->Upload(absl::StrCat("model ", source->name()), run.model->files));
  LWQ_ASSIGN_OR_RETURN(*source->mutable_tokenizer(), uploader->Upload("tokenizer", run.model->tokenizer));
  if (!Exports(run.request.spec.recipe())) return absl::OkStatus();
  if (!run.model->companions.empty()) {
    LWQ_ASSIGN_OR_RETURN(*source->mutable_companions(),
                         uploader->Upload("small files of the model", run.model->companions));
  }
  for (const std::string& note : run.model->notes) uploader->Note(absl::StrCat("model ", source->name(), ": ", note));
  return absl::OkStatus();
}

// Whether a task of the run will read the tokenizer (coordinator/graph: what calibrates or evaluates).
bool NeedsTokenizer(const RunRequest& request) {
  const lwqat::v1::Recipe& recipe = request.spec.recipe();
  if (request.config_only || !reporting::TraitsOfMethod(recipe).needs_model) return false;
  return !request.calib_dataset.empty() || ((recipe.eval_ppl() || recipe.eval_kl()) && !request.eval_texts.empty()) ||
         !request.eval_tasks.empty();
}

// Whether the run's export is a file with the tokenizer inside, which llama.cpp has to take.
bool ExportsForLlamaCpp(const RunRequest& request) {
  const lwqat::v1::Recipe& recipe = request.spec.recipe();
  if (request.config_only || !Exports(recipe)) return false;
  const std::optional<ExportFormat> format = ParseWord<ExportFormat>(recipe.export_format());
  if (format.has_value()) return TraitsOf(*format).for_llama_cpp;
  // The format will follow from serve, and llama.cpp reads nothing else.
  const std::vector<std::string> served = absl::StrSplit(recipe.serve(), ',');
  return std::any_of(served.begin(), served.end(), [](const std::string& name) {
    return std::string(absl::StripAsciiWhitespace(name)) == WordOf(Consumer::kLlamaCpp);
  });
}

// Whatever is wrong with an input, a damaged file included, is the caller's to mend.
Status Refuse(const RunRequest& request, const Status& why) {
  if (absl::IsCancelled(why)) return why;
  const Status told = Annotate(why, request.origin);
  return absl::IsUnavailable(why) ? told : WithExit(told, ExitCode::kUsage);  // unless a server does not answer now
}

// What was found in a folder of the cache is said of what the user wrote.
Status SaidOf(const std::string& path, const std::string& folder, const Status& status) {
  if (status.ok() || path == folder) return status;
  return Status(status.code(), ReplaceAll(MessageOf(status), folder, path));
}

}  // namespace

StatusOr<const ModelFiles*> InputChecks::Model(const RunRequest& request) {
  const std::string& path = request.model_path;
  const std::pair<std::string, bool> key(path, request.config_only);
  if (const auto known = models_.find(key); known != models_.end()) return &known->second;
  LWQ_ASSIGN_OR_RETURN(ModelFiles files, FetchAndInspect(path, request.config_only));
  return &models_.emplace(key, std::move(files)).first->second;
}

StatusOr<ModelFiles> InputChecks::FetchAndInspect(const std::string& path, bool config_only) {
  std::string folder = path;
  if (sources_ != nullptr && IsRemote(path)) {
    LWQ_ASSIGN_OR_RETURN(folder, sources_->Model("model", path, ModelPart::kConfig));
    LWQ_RETURN_IF_ERROR(SaidOf(path, folder, InspectModelConfig(folder).status()));
    if (!config_only) {
      LWQ_ASSIGN_OR_RETURN(folder, sources_->Model("model", path, ModelPart::kWhole));
    }
  }
  StatusOr<ModelFiles> files = config_only ? InspectModelConfig(folder) : InspectModel(folder);
  if (!files.ok()) return SaidOf(path, folder, files.status());
  return files;
}

StatusOr<const InputChecks::Files*> InputChecks::Text(std::string_view what, const std::string& path, TextUse use) {
  std::string file = path;
  if (sources_ != nullptr) {
    LWQ_ASSIGN_OR_RETURN(file, sources_->Text(what, path, use));
  }
  if (const auto known = texts_.find(file); known != texts_.end()) return &known->second;
  StatusOr<Files> files = InspectText(what, file);
  if (!files.ok()) return SaidOf(path, file, files.status());
  return &texts_.emplace(file, *std::move(files)).first->second;
}

StatusOr<const InputChecks::Files*> InputChecks::TaskItems(const NamedText& task) {
  std::string file = task.path;
  if (sources_ != nullptr && IsRemote(file)) {
    LWQ_ASSIGN_OR_RETURN(file, sources_->Text("eval_tasks", task.path, TextUse::kEvaluation));
  }
  const std::pair<std::string, std::string> key(task.name, file);
  if (const auto known = task_items_.find(key); known != task_items_.end()) return &known->second;
  StatusOr<Files> files = InspectTaskFile(task.name, file);
  if (!files.ok()) return SaidOf(task.path, file, files.status());
  return &task_items_.emplace(key, *std::move(files)).first->second;
}

StatusOr<const std::vector<double>*> InputChecks::Scores(const std::string& path, const std::string& model_name,
                                                         int64_t blocks) {
  const std::tuple<std::string, std::string, int64_t> key(path, model_name, blocks);
  if (const auto known = scores_.find(key); known != scores_.end()) return &known->second;
  LWQ_ASSIGN_OR_RETURN(std::vector<double> scores, ReadSensitivityFile(path, model_name, blocks));
  return &scores_.emplace(key, std::move(scores)).first->second;
}

StatusOr<CheckedRun> InputChecks::Check(const RunRequest& request) {
  CheckedRun run;
  run.request = request;
  if (!request.model_path.empty()) {
    const auto model = Model(request);
    if (!model.ok()) return Refuse(request, model.status());
    if (NeedsTokenizer(request) && !tokenizers_.contains(request.model_path)) {
      const auto tokenizer = OpenModelTokenizer(request.model_path, (*model)->tokenizer);
      if (!tokenizer.ok()) return Refuse(request, tokenizer.status());
      tokenizers_.insert(request.model_path);
    }
    if (ExportsForLlamaCpp(request)) {
      const Status fits = CheckForLlamaCpp(request.model_path, (*model)->tokenizer, (*model)->config);
      if (!fits.ok()) return Refuse(request, fits);
    }
    run.model = **model;
  }
  if (!request.calib_dataset.empty()) {
    const auto text = Text("calib_dataset", request.calib_dataset, TextUse::kCalibration);
    if (!text.ok()) return Refuse(request, text.status());
    run.calibration = **text;
  } else if (request.config_only && run.model.has_value()) {
    run.calibration = run.model->files;  // names a text that is not here yet; nobody will read it
    run.request.calib_dataset = "not given";
  }
  for (const NamedText& named : request.eval_texts) {
    const auto text = Text("eval_texts", named.path, TextUse::kEvaluation);
    if (!text.ok()) return Refuse(request, text.status());
    run.eval_texts.push_back(**text);
  }
  for (const NamedText& task : request.eval_tasks) {
    const auto items = TaskItems(task);
    if (!items.ok()) return Refuse(request, items.status());
    run.eval_tasks.push_back(**items);
  }
  if (!request.sensitivity_file.empty()) {
    const int64_t blocks = run.model.has_value() ? run.model->config.num_hidden_layers : 0;
    const auto scores = Scores(request.sensitivity_file, request.model_name, blocks);
    if (!scores.ok()) return Refuse(request, scores.status());
    run.request.spec.mutable_sensitivity_scores()->Assign((*scores)->begin(), (*scores)->end());
  }
  return run;
}

StatusOr<CheckedRun> CheckRunInputs(const RunRequest& request, Sources* sources) {
  return InputChecks(sources).Check(request);
}

StatusOr<lwqat::v1::RunSpec> UploadRun(const CheckedRun& run, ObjectStore* store, Console* console,
                                       UploadedTrees* uploaded, std::string_view doing) {
  Uploader uploader(store, console, uploaded, doing);
  lwqat::v1::RunSpec spec = run.request.spec;
  if (run.model.has_value()) LWQ_RETURN_IF_ERROR(UploadModel(run, &uploader, spec.mutable_model()));
  if (!run.calibration.empty()) {
    lwqat::v1::TextSource* text = spec.mutable_calibration();
    text->set_name(NameOfPath(run.request.calib_dataset));
    LWQ_ASSIGN_OR_RETURN(*text->mutable_files(),
                         uploader.Upload(absl::StrCat("calibration text ", text->name()), run.calibration));
  }
  for (size_t i = 0; i < run.eval_texts.size(); ++i) {
    lwqat::v1::TextSource* text = spec.add_eval_texts();
    text->set_name(run.request.eval_texts[i].name);
    LWQ_ASSIGN_OR_RETURN(*text->mutable_files(),
                         uploader.Upload(absl::StrCat("text ", text->name()), run.eval_texts[i]));
  }
  for (size_t i = 0; i < run.eval_tasks.size(); ++i) {
    lwqat::v1::TextSource* task = spec.add_eval_tasks();
    task->set_name(run.request.eval_tasks[i].name);
    LWQ_ASSIGN_OR_RETURN(*task->mutable_files(),
                         uploader.Upload(absl::StrCat("task ", task->name()), run.eval_tasks[i]));
  }
  return spec;
}

StatusOr<std::unique_ptr<ObjectStore>> OpenServerObjects(const std::string& server_uri, const std::string& override_uri,
                                                         const std::string& address) {
  if (!override_uri.empty()) return OpenObjectStore(override_uri);
  // A store that was made here would be filled where the coordinator never looks.
  StatusOr<std::unique_ptr<ObjectStore>> store = OpenObjectStore(server_uri, {.create_if_absent = false});
  if (absl::IsNotFound(store.status())) {
    return absl::FailedPreconditionError(
        absl::StrCat("the object store ", server_uri, " of the coordinator at ", address,
                     " is not on this machine; give --objects, the same store as seen from here"));
  }
  return store;
}

}  // namespace lwq::client
