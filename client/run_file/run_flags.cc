// SPDX-License-Identifier: Apache-2.0
#include "client/run_file/run_flags.h"

#include "client/run_file/read_run_file.h"
#include "client/run_file/run_fields.h"

namespace lwq::client {
namespace {

std::string ValueName(FieldType type) {
  switch (type) {
    case FieldType::kBool:
      return "";
    case FieldType::kInteger:
      return "N";
    case FieldType::kNumber:
      return "X";
    case FieldType::kText:
      return "TEXT";
    case FieldType::kPath:
      return "PATH";
    case FieldType::kTexts:
      return "[NAME=]PATH";
    case FieldType::kIntegers:
      return "N,N";
    case FieldType::kWords:
      return "WORD,WORD";
    case FieldType::kClasses:
      return "KIND=CLASS";
  }
  return "";
}

void AddFlag(const RunField& field, RunFlags* flags, CLI::App* verb) {
  const std::string flag = absl::StrCat("--", field.name);
  std::vector<std::string>& texts = flags->values[field.name];
  if (field.type == FieldType::kBool) {  // "--eval_ppl" is true, "--eval_ppl=false" is false
    verb->add_flag(flag, texts, field.help)->group("Run");
    return;
  }
  // One entry at a time on the command line, so its name is also the singular.
  const std::string names = field.type == FieldType::kClasses ? absl::StrCat("--kind_class,", flag) : flag;
  CLI::Option* option = verb->add_option(names, texts, field.help);
  option->group("Run")->type_name(ValueName(field.type))->expected(1)->allow_extra_args(false)->take_all();
}

}  // namespace

std::shared_ptr<RunFlags> AddRunFlags(CLI::App* verb, int max_files) {
  auto flags = std::make_shared<RunFlags>();
  if (max_files > 0) {
    verb->add_option("RUN.yaml", flags->files,
                     "run files: keys of a run, one a line; lwq plan and lwq local take sweep files, too")
        ->expected(0, max_files)
        ->type_name("");
  }
  for (const RunField& field : RunFields()) AddFlag(field, flags.get(), verb);
  return flags;
}

Status ApplyFlags(const RunFlags& flags, RunRequest* request) {
  for (const auto& [name, texts] : flags.values) {
    if (texts.empty()) continue;
    const RunField& field = *FindRunField(name);
    ClearRunField(field, request);
    for (const std::string& text : texts) {  // of a field with one value the last wins
      const Status status = SetRunField(field, text, request);
      if (!status.ok()) return Status(status.code(), absl::StrCat("--", status.message()));
    }
  }
  return absl::OkStatus();
}

StatusOr<std::vector<RunRequest>> LoadRuns(const RunFlags& flags, bool config_only) {
  std::vector<RunRequest> runs;
  for (const std::string& file : flags.files) {
    LWQ_ASSIGN_OR_RETURN(RunRequest request, ReadRunFile(file));
    runs.push_back(std::move(request));
  }
  if (runs.empty()) runs.emplace_back();
  for (RunRequest& request : runs) {
    LWQ_RETURN_IF_ERROR(ApplyFlags(flags, &request));
    request.config_only = config_only;
    LWQ_RETURN_IF_ERROR(CompleteRunRequest(&request));
  }
  return runs;
}

}  // namespace lwq::client
