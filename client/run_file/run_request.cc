// SPDX-License-Identifier: Apache-2.0
#include "client/run_file/run_request.h"

#include <filesystem>
#include <set>

#include "client/base/format.h"
#include "client/source/sources.h"
#include "common/eval_tasks/eval_task_names.h"
#include "reporting/recipe_words.h"

namespace lwq::client {
namespace {

// Of "hf://org/name@revision" and "s3://bucket/name?endpoint=…" what people call it.
std::string WithoutOptions(const std::string& path) {
  if (!IsRemote(path)) return path;
  const bool is_hub_model = path.starts_with("hf://") && !path.starts_with("hf://datasets/");
  return path.substr(0, path.find(is_hub_model ? '@' : '?'));
}

std::string LastSegment(const std::string& path) {
  std::filesystem::path normal = std::filesystem::path(WithoutOptions(path)).lexically_normal();
  if (!normal.has_filename()) normal = normal.parent_path();
  return normal.filename().string();
}

Status RequireUtf8(std::string_view what, std::string_view name, std::string_view advice) {
  if (IsUtf8(name)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(what, " is not UTF-8; ", advice));
}

// Names go to the coordinator; those made from paths may be anything.
Status RequireUtf8Names(const RunRequest& request) {
  LWQ_RETURN_IF_ERROR(RequireUtf8("the model's name", request.model_name, "give another with \"net\""));
  LWQ_RETURN_IF_ERROR(RequireUtf8("the run's name", request.spec.name(), "give another with \"name\""));
  LWQ_RETURN_IF_ERROR(
      RequireUtf8("the name of calib_dataset", NameOfPath(request.calib_dataset), "rename the file or link to it"));
  for (const NamedText& text : request.eval_texts) {
    LWQ_RETURN_IF_ERROR(
        RequireUtf8("the name of a text of eval_texts", text.name, "give it one of its own (\"name: path\")"));
  }
  return absl::OkStatus();
}

Status CheckTexts(const RunRequest& request) {
  std::set<std::string> names;
  for (const NamedText& text : request.eval_texts) {
    if (!names.insert(text.name).second) {
      return absl::InvalidArgumentError(absl::StrCat("eval_texts: two texts are named \"", text.name,
                                                     "\"; give them names of their own (\"name: path\")"));
    }
  }
  for (const NamedText& task : request.eval_tasks) {
    if (!IsEvalTask(task.name)) {
      return absl::InvalidArgumentError(absl::StrCat("eval_tasks: there is no task \"", OneLine(task.name),
                                                     "\"; write TASK=FILE, TASK one of ", EvalTaskNames()));
    }
    if (!names.insert(task.name).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("eval_tasks: \"", task.name, "\" is given twice, or as the name of a text; name it once"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string NameOfPath(const std::string& path) {
  std::string name = LastSegment(path);
  for (const std::string ending : {".json.gz", ".jsonl", ".txt"}) {
    if (name.size() > ending.size() && name.ends_with(ending)) return name.substr(0, name.size() - ending.size());
  }
  return std::filesystem::path(name).stem().string();
}

Status CompleteRunRequest(RunRequest* request) {
  lwqat::v1::Recipe* recipe = request->spec.mutable_recipe();
  const auto invalid = [&](std::string_view message) {
    return absl::InvalidArgumentError(absl::StrCat(request->origin, ": ", message));
  };
  const MethodTraits method = reporting::TraitsOfMethod(*recipe);
  const std::string word = recipe->has_method() ? recipe->method() : std::string(WordOf(method.method));
  if (request->model_path.empty() && method.needs_model) {
    return invalid("no model is given; add \"model: DIRECTORY\" to the run file or --model DIRECTORY");
  }
  if (method.needs_calibration && request->calib_dataset.empty() && !request->config_only) {
    return invalid(absl::StrCat("method ", word, " needs calib_dataset: a text file (plain, .jsonl or .json.gz)"));
  }
  if (recipe->eval_ppl() && request->eval_texts.empty()) {
    return invalid("eval_ppl is on but eval_texts names no text; add one or remove eval_ppl");
  }
  if (recipe->eval_kl() && request->eval_texts.empty()) {
    return invalid("eval_kl is on but eval_texts names no text; add one or remove eval_kl");
  }
  LWQ_RETURN_IF_ERROR(Annotate(CheckTexts(*request), request->origin));
  if (request->model_name.empty()) request->model_name = LastSegment(request->model_path);
  if (request->spec.name().empty()) {
    request->spec.set_name(request->model_name.empty() ? word : absl::StrCat(request->model_name, "-", word));
  }
  LWQ_RETURN_IF_ERROR(Annotate(RequireUtf8Names(*request), request->origin));
  if (request->real_quant.has_value() && !recipe->has_export_format()) {
    recipe->set_export_format(
        std::string(WordOf(*request->real_quant ? ExportFormat::kGptqV2 : ExportFormat::kFakeQuant)));
  }
  return absl::OkStatus();
}

}  // namespace lwq::client
