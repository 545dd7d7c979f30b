// SPDX-License-Identifier: Apache-2.0
#include "client/run_file/field_help.h"

#include "absl/strings/str_cat.h"
#include "common/eval_tasks/eval_task_names.h"
#include "common/recipe/recipe_table.h"

namespace lwq::client {
namespace {

using Helps = std::map<std::string, FieldHelp, std::less<>>;

// What is no field of a recipe.
Helps HelpsOfTheRun() {
  return {
      {"model", {"The model's directory in Hugging Face layout, or hf://ORG/NAME[@REVISION], or s3://BUCKET/PREFIX"}},
      {"net", {"Names the model in reports (default: the directory's name)"}},
      {"calib_dataset",
       {"The calibration text: plain, .json, .jsonl or .ndjson with a text field, each also as .gz; a path, hf:// or "
        "s3://, or wikitext2, ptb, c4, redpajama; block_ap needs it, and so does whatever measures sensitivity"}},
      {"sensitivity_file",
       {"Scores that were measured before: JSON as lwq sensitivity writes it, with sensitivity_scores, a number per "
        "block"}},
      {"eval_texts",
       {"Texts whose perplexity is measured: PATH or NAME=PATH, also hf://, s3://, wikitext2, ptb; may be repeated"}},
      {"eval_tasks",
       {absl::StrCat("Zero-shot tasks whose accuracy is measured, with the file of their published items: TASK=FILE "
                     "(.jsonl, .json, .parquet), also hf://, s3://; may be repeated; tasks are ",
                     EvalTaskNames())}},
      {"save_quant_dir",
       {"The exported model is put there when the run has succeeded: a directory, or s3://bucket/prefix"}},
      {"real_quant", {"EfficientQAT's switch: true is export_format gptq_v2, false is fake_quant", {"true", "false"}}},
      {"name", {"Names the run in lists and reports (default: the run file's name)"}},
      {"priority", {"Runs of the project with a higher number go first (default 0)"}},
      {"project", {"Whose share of the device time the run takes (lwq-coordinator --project)"}},
      {"numerics_class", {"Pins the run's tasks to one class of machines, as lwq workers shows it"}},
      {"kind_classes",
       {"Pins single task kinds to a class: a map of kind: class; as a flag KIND=CLASS, may be repeated"}},
  };
}

Helps AllHelps() {
  Helps helps = HelpsOfTheRun();
  for (const RecipeFieldText& field : RecipeFieldTexts()) helps[field.name] = {field.help, field.choices};
  return helps;
}

}  // namespace

const std::map<std::string, FieldHelp, std::less<>>& FieldHelps() {
  static const auto* const kHelps = new Helps(AllHelps());
  return *kHelps;
}

const std::map<std::string, std::string, std::less<>>& RefusedFlags() {
  static const auto* const kRefused = new std::map<std::string, std::string, std::less<>>{
      {"cache_dir", "intermediates live in the object store and in each worker's --cache-dir; remove it"},
      {"output_dir", "logs are kept by the coordinator (lwq logs RUN) and the model goes to save_quant_dir; remove it"},
      {"resume_quant", "runs resume by themselves; to evaluate a quantized directory use lwq eval --model DIR"},
      {"max_memory",
       "memory is a limit of the worker: lwq-worker --memory-limit-bytes, lwq local --memory-limit-bytes"},
      {"off_load_to_disk",
       "activations are always streamed from the object store, never all held in memory; remove it"},
      {"eval_batch_size", "perplexity is measured window by window and does not depend on a batch; remove it"},
  };
  return *kRefused;
}

}  // namespace lwq::client
