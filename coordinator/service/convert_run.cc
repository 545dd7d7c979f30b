// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/convert_run.h"

#include <algorithm>

#include "coordinator/scheduler/state/run_rungs.h"
#include "coordinator/service/convert_worker.h"

namespace lwq::coordinator {

void SetTime(int64_t unix_ms, google::protobuf::Timestamp* message) {
  message->set_seconds(unix_ms / 1000);
  message->set_nanos(static_cast<int32_t>(unix_ms % 1000) * 1'000'000);
}

namespace {

void TaskToWire(const State& state, const RunTaskRecord& planned, Instant now, wire::Task* message) {
  const TaskEntry& task = state.tasks.at(planned.key);
  const TaskRecord& record = task.record;
  message->set_key(planned.key.hex());
  message->set_kind(std::string(TaskKindName(record.def->kind)));
  message->set_title(planned.title);
  message->set_block(static_cast<int32_t>(planned.block));
  message->set_state(ToWire(record.state));
  message->set_attempts(record.attempts);
  message->set_worker(record.worker_name);
  message->set_from_cache(planned.shared || record.from_cache);
  message->set_error(record.error);
  if (record.state == TaskState::kLeased) {
    message->mutable_progress()->set_stage(task.progress.stage);
    message->mutable_progress()->set_step(task.progress.step);
    message->mutable_progress()->set_steps(task.progress.steps);
    if (task.progress.loss.has_value()) message->mutable_progress()->set_loss(*task.progress.loss);
    const int64_t elapsed_ms = now.steady_ms - task.leased_at_ms;
    message->set_seconds(static_cast<double>(elapsed_ms) / 1000);
    SetTime(now.unix_ms - elapsed_ms, message->mutable_started_at());
  }
  if (record.state == TaskState::kSucceeded) {
    const ActionRecord& action = state.actions.at(record.action_key);
    message->set_metrics_json(action.metrics_json);
    message->set_seconds(action.seconds);
    message->set_peak_memory_bytes(action.peak_memory_bytes);
    message->set_peak_rss_bytes(action.peak_rss_bytes);
    if (action.finished_unix_ms != 0) {
      SetTime(action.finished_unix_ms - static_cast<int64_t>(action.seconds * 1000), message->mutable_started_at());
      SetTime(action.finished_unix_ms, message->mutable_finished_at());
    }
    for (const auto& [role, artifact] : action.outputs) ToWire(artifact, &(*message->mutable_outputs())[role]);
  }
}

void ResultToWire(const RunResult& result, wire::Run* message) {
  for (const Measured& one : result.measured) {
    wire::Measured* measured = message->add_measured();
    measured->set_subject(one.subject);
    measured->set_dataset(one.dataset);
    measured->set_metric(one.metric);
    measured->set_value(one.value);
    if (one.standard_error.has_value()) measured->set_standard_error(*one.standard_error);
    measured->set_count(one.count);
    if (one.add_bos.has_value()) measured->set_add_bos(*one.add_bos);
  }
  if (result.exported.has_value()) {
    ToWire(*result.exported, message->mutable_export_());
    message->set_export_bytes(result.exported->size_bytes);
  }
}

void MeasurementToWire(const Measurement& measurement, wire::Sensitivity* message) {
  message->set_metric(std::string(MetricWord(measurement)));
  message->mutable_scores()->Assign(measurement.scores.begin(), measurement.scores.end());
  message->mutable_standard_errors()->Assign(measurement.standard_errors.begin(), measurement.standard_errors.end());
  if (measurement.table.has_value()) {
    for (const QuantChoice& choice : measurement.table->choices) {
      wire::Sensitivity::Choice* out = message->add_choices();
      out->set_bits(choice.bits);
      out->set_group_size(choice.group_size);
    }
    for (const std::vector<double>& row : measurement.table->loss) {
      message->add_table()->mutable_loss()->Assign(row.begin(), row.end());
    }
  }
  message->set_samples(measurement.samples);
  message->set_seqlen(measurement.seqlen);
  message->set_trained_blocks(static_cast<int32_t>(measurement.trained_blocks));
}

void CountsToWire(const std::map<TaskKind, int>& counts, google::protobuf::Map<std::string, int32_t>* message) {
  for (const auto& [kind, count] : counts) (*message)[std::string(TaskKindName(kind))] = count;
}

}  // namespace

wire::RunState ToWire(RunState state) {
  switch (state) {
    case RunState::kPending:
      return wire::RUN_STATE_PENDING;
    case RunState::kRunning:
      return wire::RUN_STATE_RUNNING;
    case RunState::kSucceeded:
      return wire::RUN_STATE_SUCCEEDED;
    case RunState::kFailed:
      return wire::RUN_STATE_FAILED;
    case RunState::kCancelled:
      return wire::RUN_STATE_CANCELLED;
    case RunState::kStopped:
      return wire::RUN_STATE_STOPPED;
  }
  return wire::RUN_STATE_UNSPECIFIED;
}

wire::TaskState ToWire(TaskState state) {
  switch (state) {
    case TaskState::kBlocked:
      return wire::TASK_STATE_BLOCKED;
    case TaskState::kReady:
      return wire::TASK_STATE_READY;
    case TaskState::kLeased:
      return wire::TASK_STATE_LEASED;
    case TaskState::kSucceeded:
      return wire::TASK_STATE_SUCCEEDED;
    case TaskState::kFailed:
      return wire::TASK_STATE_FAILED;
    case TaskState::kCancelled:
      return wire::TASK_STATE_CANCELLED;
  }
  return wire::TASK_STATE_UNSPECIFIED;
}

void ToWire(const Plan& plan, const Recipe& recipe, wire::Plan* message) {
  ToWire(recipe, message->mutable_recipe());
  for (const BlockPlan& block : plan.blocks) {
    wire::BlockPlan* out = message->add_blocks();
    out->set_layer_idx(static_cast<int32_t>(block.layer_idx));
    out->set_bit_width(block.bit_width);
    out->set_group_size(block.group_size);
    out->set_epochs(block.epochs);
    out->set_quant_lr(block.quant_lr);
    out->set_zp_lr(block.zp_lr);
    out->set_weight_lr(block.weight_lr);
    out->set_patience(block.patience);
    out->set_position(static_cast<int32_t>(block.position));
    out->set_stored_bits_per_weight(block.stored_bits_per_weight);
    out->set_steps(block.steps);
    if (!plan.scores.empty()) out->set_sensitivity(plan.scores[static_cast<size_t>(block.layer_idx)]);
  }
  for (const TrainingUnit& unit : plan.units) {
    for (int64_t layer = unit.first_block; layer < unit.first_block + unit.block_count; ++layer) {
      message->mutable_blocks(static_cast<int>(layer))->set_unit(static_cast<int32_t>(unit.first_block));
    }
  }
  for (const int64_t index : plan.order) {
    const TrainingUnit& unit = plan.units[static_cast<size_t>(index)];
    for (int64_t i = 0; i < unit.block_count; ++i) message->add_order(static_cast<int32_t>(unit.first_block + i));
  }
  message->set_provisional(plan.provisional);
  if (plan.allocation.has_value()) {
    for (const LossPoint& point : plan.allocation->frontier) {
      wire::FrontierPoint* out = message->add_frontier();
      out->set_stored_bits_per_weight(static_cast<double>(point.stored_bits) /
                                      static_cast<double>(plan.quantized_weights));
      out->set_loss(point.loss);
    }
  }
  message->set_average_bits(plan.average_bits);
  message->set_stored_bits_per_weight(plan.stored_bits_per_weight);
  message->set_quantized_bytes(plan.quantized_bytes);
  message->set_export_bytes(plan.export_bytes);
  message->set_peak_memory_bytes(plan.peak_memory_bytes);
  for (const std::string& remark : plan.remarks) message->add_remarks(remark);
  for (const std::string& chosen : plan.chosen_defaults) message->add_chosen_defaults(chosen);
}

void ToWire(const RunPreview& preview, wire::Plan* message) {
  ToWire(preview.plan, preview.recipe, message);
  CountsToWire(preview.tasks, message->mutable_tasks());
  CountsToWire(preview.tasks_shared, message->mutable_tasks_shared());
  for (const KindEstimate& estimate : preview.estimates) {
    wire::ClassEstimate* out = message->add_estimates();
    out->set_kind(std::string(TaskKindName(estimate.kind)));
    out->set_numerics_class(estimate.base);
    out->set_workers(estimate.workers);
    out->set_tasks(estimate.tasks);
    out->set_memory_bytes(estimate.memory_bytes);
    if (estimate.seconds.has_value()) out->set_seconds(*estimate.seconds);
    out->set_chosen(estimate.chosen);
    out->set_problem(estimate.problem);
  }
  if (preview.estimated_seconds.has_value()) message->set_estimated_seconds(*preview.estimated_seconds);
}

namespace {

// Where the run stands in its sweep's halving; nothing where there is none.
void HalvingToWire(const State& state, const RunEntry& run, wire::Run* message) {
  const auto found = state.halvings.find(run.sweep);
  if (found == state.halvings.end()) return;
  const SweepRecord& sweep = state.sweeps.at(run.sweep);
  const HalvingRule& rule = sweep.halving->rule;
  wire::HalvingProgress* out = message->mutable_halving();
  out->set_metric(std::string(WordOf(sweep.halving->metric)));
  out->set_promoted_blocks(std::min(PromotedBlocks(*sweep.halving, found->second, run), rule.blocks));
  const std::vector<int64_t> blocks = RungBlocks(rule);
  for (const RungResult& result : sweep.rung_results) {
    if (result.run != run.sweep_place) continue;
    wire::HalvingProgress::Rung* rung = out->add_rungs();
    rung->set_blocks(blocks[static_cast<size_t>(result.rung)]);
    rung->set_value(result.value);
  }
  out->set_decided(run.record.state == RunState::kStopped && HasEnded(state, run));
  if (run.waiting_reason.empty() && WaitsAtRung(state, run)) {
    message->set_waiting_reason(absl::StrCat("has trained the ", out->promoted_blocks(),
                                             out->promoted_blocks() == 1 ? " block" : " blocks",
                                             " that halving lets it, and waits until the sweep's other runs have"));
  }
}

// What is sent whole every time.
void SummaryToWire(const State& state, const RunEntry& run, wire::Run* message) {
  const RunRecord& record = run.record;
  message->set_id(record.id.value);
  message->set_state(ToWire(record.state));
  message->set_error(record.error);
  message->set_waiting_reason(run.waiting_reason);
  message->set_paused(record.paused);
  if (!record.remaking.is_zero()) {
    for (const RunTaskRecord& planned : run.tasks) {
      if (planned.key == record.remaking) message->set_remaking(planned.title);
    }
  }
  message->set_remake_error(run.remake_error);
  message->set_sweep_id(run.sweep.value);
  const std::map<std::string, std::string>& labels = LabelsOf(state, run);
  message->mutable_labels()->insert(labels.begin(), labels.end());
  SetTime(record.submitted_unix_ms, message->mutable_submitted_at());
  if (record.finished_unix_ms != 0) SetTime(record.finished_unix_ms, message->mutable_finished_at());
  message->set_tasks_total(static_cast<int32_t>(run.tasks.size()));
  message->set_tasks_done(static_cast<int32_t>(run.counts.done));
  message->set_tasks_shared(static_cast<int32_t>(run.counts.not_executed));
  message->set_numerics_class(record.numerics_class);
  for (const auto& [kind, base] : record.kind_bases) {
    (*message->mutable_kind_classes())[std::string(TaskKindName(kind))] =
        ClassOf(record.kind_bases, kind, record.recipe);
  }
  HalvingToWire(state, run, message);
  if (record.state == RunState::kSucceeded) {
    ResultToWire(record.result, message);
    message->set_result_digest(record.result.result_digest);
  } else {
    // What is known so far; a digest is given for whole results only.
    ResultToWire(CollectResult(state, run), message);
  }
}

void PlanToWire(const RunEntry& run, wire::Run* message) {
  ToWire(run.plan, run.record.recipe, message->mutable_plan());
  CountsToWire(run.counts.tasks, message->mutable_plan()->mutable_tasks());
  CountsToWire(run.counts.tasks_shared, message->mutable_plan()->mutable_tasks_shared());
  for (const Measurement& measurement : run.record.measurements) {
    if (measurement.metric.has_value()) MeasurementToWire(measurement, message->add_sensitivity());
  }
}

// What a list shows of a plan.
void PlanNumbersToWire(const RunEntry& run, wire::Plan* message) {
  const Recipe& recipe = run.record.recipe;
  message->mutable_recipe()->set_method(std::string(WordOf(recipe.method)));
  message->mutable_recipe()->set_wbits(recipe.wbits);
  message->mutable_recipe()->set_group_size(recipe.group_size);
  message->set_average_bits(run.plan.average_bits);
  message->set_stored_bits_per_weight(run.plan.stored_bits_per_weight);
  message->set_quantized_bytes(run.plan.quantized_bytes);
  message->set_export_bytes(run.plan.export_bytes);
}

size_t TasksShown(const RunEntry& run) {
  return std::min(run.tasks.size(), kMaxTasksShown);
}

}  // namespace

void RunToWire(const State& state, const RunEntry& run, Instant now, bool with_tasks, wire::Run* message) {
  SummaryToWire(state, run, message);
  ToWire(*run.record.spec, message->mutable_spec());
  PlanToWire(run, message);
  if (!with_tasks) return;
  for (size_t i = 0; i < TasksShown(run); ++i) TaskToWire(state, run.tasks[i], now, message->add_tasks());
}

Status AnswerRun(const State& state, const RunId& id, wire::Run* message) {
  const auto run = state.runs.find(id);
  if (run == state.runs.end()) return absl::NotFoundError(absl::StrCat("run '", id.value, "' was deleted"));
  RunToWire(state, run->second, Instant(), /*with_tasks=*/false, message);
  return absl::OkStatus();
}

uint64_t ChangesToWire(const State& state, const RunEntry& run, Instant now, uint64_t since,
                       wire::WatchRunResponse* message) {
  message->set_is_change(true);
  SummaryToWire(state, run, message->mutable_run());
  if (run.plan_revision > since) PlanToWire(run, message->mutable_run());
  std::vector<std::pair<uint64_t, size_t>> changed;  // revision, position
  for (size_t i = 0; i < TasksShown(run); ++i) {
    if (run.task_revisions[i] > since) changed.emplace_back(run.task_revisions[i], i);
  }
  uint64_t until = run.revision;
  if (changed.size() > kMaxChangesShown) {
    std::sort(changed.begin(), changed.end());
    until = changed[kMaxChangesShown - 1].first;
    const auto later = std::upper_bound(changed.begin(), changed.end(), std::pair(until, run.tasks.size()));
    if (later == changed.end()) until = run.revision;
    changed.erase(later, changed.end());
  }
  for (const auto& [revision, i] : changed) {
    message->add_task_positions(static_cast<int32_t>(i));
    TaskToWire(state, run.tasks[i], now, message->mutable_run()->add_tasks());
  }
  message->set_more(until != run.revision);
  return until;
}

void RunOfSweepToWire(const State& state, const RunEntry& run, Instant now, wire::Run* message) {
  SummaryToWire(state, run, message);
  message->mutable_spec()->set_name(run.record.spec->name);
  message->mutable_spec()->set_project(run.record.spec->project);
  PlanNumbersToWire(run, message->mutable_plan());
  for (size_t i = 0; i < TasksShown(run); ++i) {
    const bool executed = state.tasks.at(run.tasks[i].key).record.state == TaskState::kLeased;
    if (executed) TaskToWire(state, run.tasks[i], now, message->add_tasks());
  }
}

void ToWire(const Explanation& explanation, wire::ExplainRunsResponse* message) {
  message->set_tasks_a(explanation.tasks_a);
  message->set_tasks_b(explanation.tasks_b);
  message->set_shared(explanation.shared);
  message->set_following(explanation.following);
  for (const Parting& parting : explanation.partings) {
    wire::ExplainRunsResponse::Parting* out = message->add_partings();
    out->set_title(parting.title);
    for (const FieldDifference& field : parting.fields) {
      wire::ExplainRunsResponse::Field* difference = out->add_fields();
      difference->set_name(field.field);
      difference->set_a(field.a);
      difference->set_b(field.b);
    }
  }
  for (const std::string& title : explanation.only_a) message->add_only_a(title);
  for (const std::string& title : explanation.only_b) message->add_only_b(title);
}

void ToWire(const LogRecord& line, const std::string& task_key, wire::LogLine* message) {
  message->set_sequence(line.sequence);
  message->set_time_unix_ms(line.time_unix_ms);
  message->set_task(line.task);
  message->set_worker(line.worker);
  message->set_text(line.text);
  message->set_attempt(line.attempt);
  message->set_task_key(task_key);
}

void WorkerToWire(const State& state, const WorkerEntry& worker, Instant now, wire::WorkerInfo* message) {
  const WorkerRecord& record = worker.record;
  message->set_id(record.id.value);
  message->set_name(record.name);
  message->set_device(record.device);
  message->set_numerics_class(record.numerics_class);
  message->set_memory_bytes(record.memory_bytes);
  message->set_max_threads(record.max_threads);
  message->set_draining(worker.draining);
  message->set_alive(worker.alive);
  if (worker.lease.has_value()) message->set_task(TitleOf(state, state.tasks.at(*worker.lease)));
  const int64_t silent_ms = std::max<int64_t>(0, now.steady_ms - worker.last_seen_ms);
  SetDuration(silent_ms, message->mutable_since_heartbeat());
  const std::string& device = DeviceOf(record);
  const std::optional<int64_t> until_ms = state.health.QuarantinedUntil(device);
  if (until_ms.has_value()) SetDuration(std::max<int64_t>(0, *until_ms - now.steady_ms), message->mutable_quarantine());
  message->set_probed(state.health.StandingOf(device) == Standing::kProbed);
  message->set_failures(state.health.Reason(device));
}

}  // namespace lwq::coordinator
