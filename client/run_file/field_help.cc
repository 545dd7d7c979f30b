#include "client/run_file/field_help.h"

namespace lwq {

const std::map<std::string, FieldHelp, std::less<>>& FieldHelps() {
  static const auto* const kHelps = new std::map<std::string, FieldHelp, std::less<>>{
      {"model", {"directory of a model in Hugging Face layout"}},
      {"net", {"name of the model in reports (default: the directory's name)"}},
      {"calib_dataset", {"calibration text: plain, .jsonl or .json.gz; needed by block_ap"}},
      {"sensitivity_file", {"JSON with a score per block (sensitivity_scores), for policies that go by sensitivity"}},
      {"eval_texts", {"texts to measure perplexity on: PATH or NAME=PATH, may be repeated"}},
      {"save_quant_dir", {"where the exported model is fetched to when the run has succeeded"}},
      {"real_quant", {"true: export_format gptq_v2; false: fake_quant", {"true", "false"}}},
      {"name", {"name of the run in lists and reports (default: the run file's name)"}},
      {"priority", {"larger runs first (default 0)"}},
      {"numerics_class", {"pin the run to one class of machines, as lwq workers shows it"}},
      {"preset", {"named set of options (default: default)", {"default", "efficientqat", "strong"}}},
      {"method", {"how blocks are quantized (default block_ap)", {"block_ap", "rtn", "none", "noop"}}},
      {"wbits", {"bits of a weight: 2, 3, 4, 5, 6 or 8 (default 4)", {"2", "3", "4", "5", "6", "8"}}},
      {"group_size",
       {"input columns that share a scale; -1 is a whole row (default 128)", {"-1", "32", "64", "128", "256"}}},
      {"train_size", {"calibration windows to train on (default 128)"}},
      {"val_size", {"calibration windows to validate on (default 16)"}},
      {"training_seqlen", {"tokens of a calibration window (default min(2048, the model's))"}},
      {"seed", {"seed of the windows' choice (default 2)"}},
      {"disjoint_windows", {"train windows do not overlap each other", {"true", "false"}}},
      {"epochs", {"passes over the training windows, fractions allowed (default 2)"}},
      {"batch_size", {"windows of an optimizer step (default 2)"}},
      {"gradient_accumulation_steps", {"batches whose gradients are added up before a step (default 1)"}},
      {"quant_lr", {"learning rate of scales and zero points (default 1e-4)"}},
      {"zp_lr", {"learning rate of zero points alone (default: the preset's, else quant_lr)"}},
      {"weight_lr", {"learning rate of weights (default 2e-5 at 2 bits, 1e-5 above)"}},
      {"min_lr_factor", {"learning rates are annealed to lr/min_lr_factor (default 20)"}},
      {"wd", {"weight decay (default 0)"}},
      {"early_stop", {"stop after this many validations without gain; 0 is off (default 0)"}},
      {"early_stop_resets", {"a gain sets the early stop's counter back", {"true", "false"}}},
      {"keep_best", {"keep the weights of the best validation instead of the last", {"true", "false"}}},
      {"lr_schedule", {"cosine annealing: closed form, or chained as the original's", {"cosine", "chained_cosine"}}},
      {"fp16_scales", {"round scales to fp16 before the integers are derived", {"true", "false"}}},
      {"range_contains_zero", {"initial quantizer ranges contain 0", {"true", "false"}}},
      {"divergence_retries", {"how often a diverged block is trained again with half the rates (default 2)"}},
      {"handoff",
       {"what a block trains on: what the quantized blocks before it give; full-precision activations, all blocks at "
        "once; or that and then a short sequential pass (default sequential)",
        {"sequential", "independent", "relay"}}},
      {"relay_epochs", {"epochs of relay's sequential pass (default 0.5)"}},
      {"layer_ordering", {"order blocks are trained in (default original)", {"original", "sensitivity", "random"}}},
      {"adaptive_epochs", {"more epochs for sensitive blocks: epochs (1 + 0.25 ratio)", {"true", "false"}}},
      {"adaptive_lr_scaling", {"learning rates times normalised sensitivity", {"true", "false"}}},
      {"adaptive_lr_normalization", {"what sensitivity is divided by (default mean)", {"mean", "max", "minmax"}}},
      {"use_adaptive_training", {"SGRA: epochs, learning rates and patience by sensitivity", {"true", "false"}}},
      {"use_mixed_precision", {"MPQ: bits by sensitivity", {"true", "false"}}},
      {"target_avg_bits", {"mean bits of MPQ's blocks (default wbits)"}},
      {"mpq_strategy", {"how MPQ chooses bits (default adaptive)", {"adaptive", "conservative", "aggressive"}}},
      {"keep_budget", {"MPQ keeps to target_avg_bits whatever the strategy (default true)", {"true", "false"}}},
      {"mpq_group_size",
       {"group sizes: the run's, or 64/128/256 by sensitivity (default fixed)", {"fixed", "by_score"}}},
      {"ablation", {"MPQ and SGRA together (default none)", {"none", "baseline", "mpq_only", "sgra_only", "all"}}},
      {"policy_semantics",
       {"formulas of the seeds, or the author's program's (default default)", {"default", "author"}}},
      {"precision", {"arithmetic of training (default auto)", {"auto", "bf16", "fp32"}}},
      {"threads", {"compute threads of a task; part of its identity (default 1)"}},
      {"activation_dtype", {"stored activations (default auto)", {"auto", "fp32", "bf16"}}},
      {"export_format", {"layout of the exported model (default gptq_v2)", {"gptq_v2", "fake_quant", "none"}}},
      {"eval_ppl", {"measure perplexity on eval_texts", {"true", "false"}}},
      {"ppl_seqlen", {"tokens of a perplexity window (default min(2048, the model's))"}},
      {"eval_fp", {"also measure the full-precision model", {"true", "false"}}},
  };
  return *kHelps;
}

const std::map<std::string, std::string, std::less<>>& RefusedFlags() {
  static const auto* const kRefused = new std::map<std::string, std::string, std::less<>>{
      {"cache_dir", "intermediates live in the object store and in each worker's --cache-dir; remove it"},
      {"output_dir", "logs are kept by the coordinator (lwq logs RUN) and the model goes to save_quant_dir; remove it"},
      {"resume_quant", "runs resume by themselves; to evaluate a quantized directory use lwq eval --model DIR"},
      {"clip_grad", "Block-AP does not clip gradients (the original's default); remove it"},
      {"max_memory",
       "memory is a limit of the worker: lwq-worker --memory-limit-bytes, lwq local --memory-limit-bytes"},
      {"off_load_to_disk",
       "activations are always streamed from the object store, never all held in memory; remove it"},
      {"eval_tasks", "zero-shot tasks are not supported yet; eval_ppl with eval_texts measures perplexity"},
      {"eval_batch_size", "perplexity is measured window by window and does not depend on a batch; remove it"},
  };
  return *kRefused;
}

}  // namespace lwq
