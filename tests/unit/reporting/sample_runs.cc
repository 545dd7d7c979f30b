// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/reporting/sample_runs.h"

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

lwqat::v1::Measured* AddMeasured(const std::string& subject, const std::string& metric, double value, int64_t count,
                                 Run* run) {
  lwqat::v1::Measured* measured = run->add_measured();
  measured->set_subject(subject);
  measured->set_dataset("held-out");
  measured->set_metric(metric);
  measured->set_value(value);
  measured->set_count(count);
  return measured;
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
  AddMeasured("block_ap", "perplexity", 2.34567, 50'000, &run);
  run.mutable_export_()->set_digest(std::string(64, 'a'));
  run.set_export_bytes(1'000'000);
  run.set_result_digest(std::string(64, 'b'));
  return run;
}

Run PolicyRun() {
  Run run;
  run.set_id("ab12cd34-0000-4000-8000-000000000001");
  run.mutable_spec()->set_name("mixed");
  run.mutable_spec()->mutable_model()->set_name("org/Tiny-2 b");
  run.mutable_spec()->mutable_model()->set_config_json(R"({"hidden_size": 64, "num_attention_heads": 4})");
  run.mutable_spec()->mutable_calibration()->set_name("calib");
  run.set_state(lwqat::v1::RUN_STATE_RUNNING);
  run.mutable_submitted_at()->set_seconds(1000);
  run.set_tasks_total(7);
  run.set_tasks_done(4);
  auto* plan = run.mutable_plan();
  plan->mutable_recipe()->set_method("block_ap");
  plan->mutable_recipe()->set_group_size(128);
  plan->mutable_recipe()->set_epochs(2);
  plan->mutable_recipe()->set_sensitivity_metric("fisher");
  plan->mutable_recipe()->set_sensitivity_samples(8);
  plan->set_average_bits(8.0 / 3);
  plan->set_stored_bits_per_weight(2.8);
  for (const int layer : {1, 2, 0}) plan->add_order(layer);
  const int positions[] = {2, 0, 1};
  const double sensitivities[] = {0.5, 12.25, 3};
  for (int layer = 0; layer < 3; ++layer) {
    auto* block = plan->add_blocks();
    block->set_layer_idx(layer);
    block->set_position(positions[layer]);
    block->set_unit(layer == 0 ? 0 : 1);
    block->set_bit_width(layer == 0 ? 4 : 2);
    block->set_group_size(128);
    block->set_stored_bits_per_weight(layer == 0 ? 4.15625 : 2.140625);
    block->set_sensitivity(sensitivities[layer]);
    block->set_epochs(layer == 0 ? 2 : 2.5);
    block->set_steps(layer == 0 ? 128 : 160);
    block->set_quant_lr(1e-4);
    block->set_zp_lr(1e-4);
    block->set_weight_lr(1e-5);
    block->set_patience(layer == 0 ? 2 : 3.5);
  }
  for (const char* kind : {"loss_gradient", "backward_block", "gradient_norm"}) {
    Task& task = *run.add_tasks() = MakeTask(kind, 0, lwqat::v1::TASK_STATE_SUCCEEDED);
    task.set_seconds(0.5);
    task.set_peak_memory_bytes(20'000'000);
  }
  Task& pilot = *run.add_tasks() = MakeTask("train_block", 7, lwqat::v1::TASK_STATE_LEASED);
  pilot.set_title("pilot block 0 at 2 bits");
  pilot.set_worker("worker-1");
  Task& unit = *run.add_tasks() = MakeTask("train_block", 1, lwqat::v1::TASK_STATE_LEASED);
  unit.set_title("train blocks 1-2");
  unit.set_worker("worker-2");
  *run.add_tasks() = MakeTask("train_block", 0, lwqat::v1::TASK_STATE_BLOCKED);
  *run.add_tasks() = MakeTask("tokenize", -1, lwqat::v1::TASK_STATE_SUCCEEDED);
  return run;
}

Run FinishedPolicyRun() {
  Run run = PolicyRun();
  run.set_state(lwqat::v1::RUN_STATE_SUCCEEDED);
  run.mutable_finished_at()->set_seconds(1030);
  run.set_tasks_done(7);
  run.set_result_digest(std::string(64, 'd'));
  for (Task& task : *run.mutable_tasks()) task.set_state(lwqat::v1::TASK_STATE_SUCCEEDED);
  run.mutable_tasks(3)->set_metrics_json(R"({"steps": 999, "epochs_trained": 9})");  // pilot's are nobody's
  Task& unit = *run.mutable_tasks(4);
  unit.set_seconds(6);
  unit.set_peak_memory_bytes(50'000'000);
  unit.set_metrics_json(
      R"({"initial_val_loss": 0.5, "best_val_loss": 0.125, "final_val_loss": 0.25, "epochs_trained": 2.5, "steps": 160,
          "zero_point_flips": 12, "zero_points": 2048, "epochs": [],
          "blocks": [{"zero_point_flips": 5, "zero_points": 1024}, {"zero_point_flips": 7, "zero_points": 1024}]})");
  Task& single = *run.mutable_tasks(5);
  single.set_peak_memory_bytes(30'000'000);
  single.set_metrics_json(
      R"({"initial_val_loss": null, "best_val_loss": null, "final_val_loss": null, "epochs_trained": 2, "steps": 128,
          "zero_point_flips": 1, "zero_points": 1024, "epochs": [{"seconds": 1.5}, {"seconds": 1}]})");
  auto* measured = run.add_sensitivity();
  measured->set_metric("fisher");
  measured->set_samples(8);
  measured->set_seqlen(64);
  for (const double score : {0.5, 12.25, 3.0}) measured->add_scores(score);
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
  if (fp_perplexity > 0) AddMeasured("fp", "perplexity", fp_perplexity, 50'000, &run);
  if (method == "none") return run;
  AddMeasured(method, "perplexity", perplexity, 50'000, &run);
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
