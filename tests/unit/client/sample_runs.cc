#include "tests/unit/client/sample_runs.h"

namespace lwq::test {

using lwqat::v1::Run;
using lwqat::v1::Task;

Task MakeTask(const std::string& kind, int block, lwqat::v1::TaskState state) {
  Task task;
  task.set_key(kind + std::to_string(block));
  task.set_kind(kind);
  task.set_block(block);
  task.set_state(state);
  task.set_title(kind == "train_block" ? "train block " + std::to_string(block) : kind);
  if (state != lwqat::v1::TASK_STATE_BLOCKED) task.set_attempts(1);
  return task;
}

Run RunningRun() {
  Run run;
  run.set_id("3f2a9c1e-0000-4000-8000-000000000001");
  run.mutable_spec()->set_name("w2g128");
  run.set_state(lwqat::v1::RUN_STATE_RUNNING);
  run.mutable_submitted_at()->set_seconds(1000);
  run.set_tasks_total(5);
  run.set_tasks_done(2);
  run.set_tasks_shared(1);
  Task& tokens = *run.add_tasks() = MakeTask("tokenize", -1, lwqat::v1::TASK_STATE_SUCCEEDED);
  tokens.set_from_cache(true);
  Task& trained = *run.add_tasks() = MakeTask("train_block", 0, lwqat::v1::TASK_STATE_SUCCEEDED);
  trained.set_seconds(3);
  trained.set_peak_memory_bytes(43'000'000);
  trained.set_peak_rss_bytes(220'000'000);
  trained.set_metrics_json(R"({"best_val_loss": 0.000123456, "steps": 128})");
  Task& training = *run.add_tasks() = MakeTask("train_block", 1, lwqat::v1::TASK_STATE_LEASED);
  training.set_worker("worker-1");
  training.set_attempts(2);
  training.mutable_progress()->set_stage("train");
  training.mutable_progress()->set_step(32);
  training.mutable_progress()->set_steps(128);
  training.mutable_progress()->set_loss(0.5);
  *run.add_tasks() = MakeTask("train_block", 2, lwqat::v1::TASK_STATE_BLOCKED);
  Task& evaluation = *run.add_tasks() = MakeTask("evaluate_ppl", -1, lwqat::v1::TASK_STATE_LEASED);
  evaluation.set_title("evaluate fp on held-out");
  evaluation.set_worker("worker-2");
  return run;
}

Run FinishedRun() {
  Run run = RunningRun();
  run.set_state(lwqat::v1::RUN_STATE_SUCCEEDED);
  run.mutable_finished_at()->set_seconds(1065);
  run.set_tasks_done(5);
  for (Task& task : *run.mutable_tasks()) task.set_state(lwqat::v1::TASK_STATE_SUCCEEDED);
  auto* measured = run.add_perplexities();
  measured->set_model("block_ap");
  measured->set_text("held-out");
  measured->set_perplexity(2.34567);
  measured->set_tokens(50'000);
  run.mutable_export_()->set_digest(std::string(64, 'a'));
  run.set_export_bytes(1'000'000);
  run.set_result_digest(std::string(64, 'b'));
  return run;
}

Run MeasuredRun(const std::string& name, const std::string& method, double perplexity, double fp_perplexity) {
  Run run;
  run.set_id("id-" + name);
  run.set_state(lwqat::v1::RUN_STATE_SUCCEEDED);
  run.mutable_submitted_at()->set_seconds(1000);
  run.mutable_finished_at()->set_seconds(1010);
  auto* spec = run.mutable_spec();
  spec->set_name(name);
  spec->mutable_model()->set_name("tiny");
  spec->mutable_model()->mutable_files()->set_digest("model-digest");
  spec->mutable_model()->mutable_files()->set_size_bytes(8 << 20);
  auto* text = spec->add_eval_texts();
  text->set_name("held-out");
  text->mutable_files()->set_digest("text-digest");
  auto* recipe = run.mutable_plan()->mutable_recipe();
  recipe->set_method(method);
  recipe->set_preset("default");
  recipe->set_wbits(2);
  recipe->set_group_size(128);
  recipe->set_ppl_seqlen(256);
  const auto measure = [&](const std::string& model, double value) {
    auto* measured = run.add_perplexities();
    measured->set_model(model);
    measured->set_text("held-out");
    measured->set_perplexity(value);
    measured->set_tokens(50'000);
  };
  if (fp_perplexity > 0) measure("fp", fp_perplexity);
  if (method == "none") return run;
  measure(method, perplexity);
  run.mutable_plan()->set_average_bits(2);
  run.mutable_plan()->set_stored_bits_per_weight(2.15);
  run.set_export_bytes(2 << 20);
  run.set_result_digest(std::string(64, 'c'));
  auto* block = run.mutable_plan()->add_blocks();
  block->set_bit_width(2);
  block->set_steps(method == "block_ap" ? 128 : 0);
  return run;
}

}  // namespace lwq::test
