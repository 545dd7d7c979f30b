// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/coordinator/scheduler_harness.h"

#include <algorithm>
#include <iterator>

#include "common/task/numerics_class.h"
#include "common/task/task_outputs.h"
#include "common/task/task_params.h"
#include "coordinator/scheduler/foresee/makespan.h"
#include "coordinator/scheduler/state/garbage.h"
#include "coordinator/scheduler/state/indexing.h"
#include "coordinator/scheduler/state/restore.h"
#include "coordinator/scheduler/state/run_rungs.h"
#include "coordinator/store/record_json.h"

namespace lwq::coordinator::testing {

std::string TinyConfigJson(int blocks) {
  return CanonicalJson(Json{{"architectures", {"LlamaForCausalLM"}},
                            {"model_type", "llama"},
                            {"hidden_size", 64},
                            {"intermediate_size", 128},
                            {"num_hidden_layers", blocks},
                            {"num_attention_heads", 4},
                            {"num_key_value_heads", 2},
                            {"vocab_size", 256},
                            {"max_position_embeddings", 512},
                            {"rms_norm_eps", 1e-5},
                            {"hidden_act", "silu"},
                            {"tie_word_embeddings", false}});
}

LlamaConfig TinyConfig(int blocks) {
  StatusOr<LlamaConfig> config = LlamaConfig::Parse(TinyConfigJson(blocks));
  LWQ_CHECK(config.ok(), config.status().ToString());
  return *std::move(config);
}

ArtifactRef NamedArtifact(std::string_view name) {
  return {.digest = DigestOf(name), .size_bytes = static_cast<int64_t>(name.size())};
}

RunSpec NoopSpec(int64_t tasks, int64_t seed) {
  RunSpec spec;
  spec.name = "noop";
  spec.recipe.method = "noop";
  spec.recipe.train_size = tasks;
  spec.recipe.seed = seed;
  return spec;
}

RunSpec BlockApSpec(int blocks) {
  RunSpec spec;
  spec.name = "small";
  spec.model = ModelSource{.name = "tiny",
                           .files = NamedArtifact("model"),
                           .tokenizer = NamedArtifact("tokenizer"),
                           .config_json = TinyConfigJson(blocks)};
  spec.calibration = TextSource{.name = "calibration", .files = NamedArtifact("calibration")};
  spec.eval_texts = {TextSource{.name = "held-out", .files = NamedArtifact("held-out")}};
  spec.recipe.wbits = 2;
  spec.recipe.group_size = 32;
  spec.recipe.train_size = 8;
  spec.recipe.val_size = 2;
  spec.recipe.training_seqlen = 32;
  spec.recipe.ppl_seqlen = 32;
  return spec;
}

RunSpec RtnSpec(int blocks) {
  RunSpec spec = BlockApSpec(blocks);
  spec.recipe.method = "rtn";
  spec.calibration.reset();
  spec.eval_texts.clear();
  return spec;
}

WorkerRecord WorkerNamed(const std::string& name, const std::string& numerics_class) {
  WorkerRecord worker;
  worker.name = name;
  worker.device = "cpu";
  worker.numerics_class = numerics_class;
  worker.memory_bytes = int64_t{1} << 34;
  worker.max_threads = 4;
  return worker;
}

namespace {

// Positive numbers that follow from the action alone, as a worker's do.
std::vector<double> Numbers(const Lease& lease, int64_t count) {
  std::vector<double> numbers;
  for (int64_t i = 0; i < count; ++i) {
    const Digest digest = DigestOf(absl::StrCat(lease.action_key.hex(), "|", i));
    numbers.push_back(1 + digest.bytes()[0] + digest.bytes()[1] / 256.0);
  }
  return numbers;
}

std::string Metrics(const char* name, const Lease& lease, int64_t count) {
  return CanonicalJson(Json{{name, Numbers(lease, count)}});
}

}  // namespace

SchedulerOptions ActivationBudget(int64_t activation_bytes) {
  SchedulerOptions options;
  options.activation_bytes = activation_bytes;
  return options;
}

ReportSuccess HonestSuccess(const Lease& lease) {
  ReportSuccess success;
  const auto roles = OutputRoles(lease.def->kind, lease.def->params);
  LWQ_CHECK(roles.ok(), roles.status().ToString());
  for (const std::string& role : *roles) {
    success.outputs[role] = NamedArtifact(absl::StrCat(lease.action_key.hex(), role));
  }
  switch (lease.def->kind) {
    case TaskKind::kTokenize:
    case TaskKind::kPrepareRequests:
      success.metrics_json = R"({"add_bos":true})";
      break;
    case TaskKind::kEmbed:
    case TaskKind::kAdvance:
    case TaskKind::kRtnBlock:
    case TaskKind::kGptqBlock:
    case TaskKind::kFitRounding:
    case TaskKind::kExport:
    case TaskKind::kSearchScales:
    case TaskKind::kTrainScales:
      break;
    case TaskKind::kTrainBlock:
      success.metrics_json = CanonicalJson(Json{{"best_val_loss", Numbers(lease, 1)[0]}});
      break;
    case TaskKind::kEvaluatePpl:
    case TaskKind::kEvaluateReference:
    case TaskKind::kEvaluateKl:
    case TaskKind::kScoreRequests:
      break;
    case TaskKind::kReduceAccuracy:
      success.metrics_json = R"({"measured":[{"metric":"acc","value":0.5,"standard_error":0.1,"count":26}]})";
      break;
    case TaskKind::kReduceKl:
      success.metrics_json = R"({"measured":[{"metric":"kl_divergence","value":0.5,"standard_error":0.1,"count":99}]})";
      break;
    case TaskKind::kReducePpl:
      success.metrics_json = R"({"measured":[{"metric":"perplexity","value":2.5,"count":100}]})";
      break;
    case TaskKind::kLossGradient:
      success.metrics_json = Metrics("losses", lease, LossGradientParams::FromJson(lease.def->params)->samples);
      break;
    case TaskKind::kBackwardBlock: {
      const auto params = BackwardBlockParams::FromJson(lease.def->params);
      success.metrics_json = Metrics("squared_gradient_norms", lease, params->samples);
      break;
    }
    case TaskKind::kGradientNorm:
      success.metrics_json = CanonicalJson(Json{{"gradient_norm", Numbers(lease, 1)[0]}});
      break;
    case TaskKind::kOutputFisher:
      success.metrics_json =
          Metrics("sums", lease, std::ssize(OutputFisherParams::FromJson(lease.def->params)->choices));
      break;
    case TaskKind::kLossDelta: {
      const auto params = LossDeltaParams::FromJson(lease.def->params);
      const int64_t candidates = std::ssize(params->choices) + params->candidates;
      success.metrics_json = CanonicalJson(Json{{"loss_sum", 1.0}, {"loss_sums", Numbers(lease, candidates)}});
      break;
    }
    case TaskKind::kHessian:
      success.metrics_json = Metrics("curvatures", lease, HessianParams::FromJson(lease.def->params)->blocks);
      break;
    case TaskKind::kWeightError:
      success.metrics_json =
          Metrics("squared_errors", lease, std::ssize(WeightErrorParams::FromJson(lease.def->params)->choices));
      break;
    case TaskKind::kNoop:
      break;
  }
  return success;
}

SchedulerHarness::SchedulerHarness(SchedulerOptions options) : options_(options) {
  Restart();
}

Effects SchedulerHarness::Do(const Event& event) {
  Effects effects = Step(*state_, event, now_);
  const Status committed = store_->Commit(term_, effects.changes);
  LWQ_CHECK(committed.ok(), committed.ToString());
  return effects;
}

void SchedulerHarness::Advance(int64_t ms) {
  const int64_t end = now_.steady_ms + ms;
  while (true) {
    const std::optional<int64_t> deadline = NextDeadline(*state_);
    if (!deadline.has_value() || *deadline > end) break;
    const int64_t passed = std::max<int64_t>(0, *deadline - now_.steady_ms);
    now_.steady_ms += passed;
    now_.unix_ms += passed;
    Do(Tick{});
  }
  now_.unix_ms += end - now_.steady_ms;
  now_.steady_ms = end;
}

void SchedulerHarness::Restart() {
  RestartWithoutWorkers();
  std::vector<WorkerId> alive;
  for (const auto& [id, worker] : state_->workers) alive.push_back(id);
  for (const WorkerId& id : alive) Beat(id);
}

void SchedulerHarness::RestartWithoutWorkers() {
  term_ = store_->TakeTerm().value();
  StatusOr<Records> records = store_->Load();
  LWQ_CHECK(records.ok(), records.status().ToString());
  StatusOr<State> state = RestoreState(*std::move(records), options_, now_);
  LWQ_CHECK(state.ok(), state.status().ToString());
  state_ = std::make_unique<State>(*std::move(state));
  Do(Tick{});
}

SubmitRun SchedulerHarness::Prepared(const RunSpec& spec, const std::string& request_id) const {
  SubmitRun submission{spec, request_id};
  DirectReader reader(state());
  const Status prepared = PrepareRuns(reader, std::span(&submission, 1));
  LWQ_CHECK(prepared.ok(), prepared.ToString());
  return submission;
}

RunId SchedulerHarness::Submit(const RunSpec& spec, const std::string& request_id) {
  const Effects effects = Do(Prepared(spec, request_id));
  LWQ_CHECK(effects.status.ok(), effects.status.ToString());
  return std::get<RunReply>(effects.reply).run;
}

WorkerId SchedulerHarness::Register(const WorkerRecord& worker) {
  const Effects effects = Do(RegisterWorker{worker});
  LWQ_CHECK(effects.status.ok(), effects.status.ToString());
  return std::get<RegisterReply>(effects.reply).worker;
}

std::optional<Lease> SchedulerHarness::LeaseTo(const WorkerId& worker) {
  const Effects effects = Do(LeaseTask{worker});
  LWQ_CHECK(effects.status.ok(), effects.status.ToString());
  return std::get<LeaseReply>(effects.reply).lease;
}

std::vector<LostLease> SchedulerHarness::Beat(const WorkerId& worker, const std::vector<Lease>& leases) {
  Heartbeat beat;
  beat.worker = worker;
  for (const Lease& lease : leases) {
    TaskProgress progress;
    progress.task = lease.task;
    progress.token = lease.token;
    beat.tasks.push_back(std::move(progress));
  }
  const Effects effects = Do(beat);
  LWQ_CHECK(effects.status.ok(), effects.status.ToString());
  return std::get<HeartbeatReply>(effects.reply).lost;
}

std::vector<ArtifactRef> SchedulerHarness::Discard(const WorkerId& worker, const std::vector<ArtifactRef>& deleted) {
  Heartbeat beat;
  beat.worker = worker;
  for (const ArtifactRef& artifact : deleted) beat.discarded.push_back(artifact.digest);
  const Effects effects = Do(beat);
  LWQ_CHECK(effects.status.ok(), effects.status.ToString());
  return std::get<HeartbeatReply>(effects.reply).discard;
}

std::vector<ArtifactRef> SchedulerHarness::DiscardAll(const WorkerId& worker) {
  std::vector<ArtifactRef> all;
  std::vector<ArtifactRef> next = Discard(worker);
  while (!next.empty()) {
    all.insert(all.end(), next.begin(), next.end());
    next = Discard(worker, next);
  }
  return all;
}

namespace {

ReportTask ReportOf(const WorkerId& worker, const Lease& lease) {
  ReportTask report;
  report.worker = worker;
  report.task = lease.task;
  report.token = lease.token;
  report.seconds = 0.5;
  return report;
}

}  // namespace

Status SchedulerHarness::Succeed(const WorkerId& worker, const Lease& lease) {
  ReportTask report = ReportOf(worker, lease);
  report.outcome = HonestSuccess(lease);
  return Do(report).status;
}

Status SchedulerHarness::Fail(const WorkerId& worker, const Lease& lease, FailureCause cause,
                              const std::string& message, const std::string& input) {
  ReportTask report = ReportOf(worker, lease);
  report.outcome = ReportFailure{cause, message, input};
  return Do(report).status;
}

Status SchedulerHarness::Release(const WorkerId& worker, const Lease& lease) {
  return Do(ReportOf(worker, lease)).status;
}

std::vector<std::string> SchedulerHarness::RunToEnd(const WorkerId& worker) {
  std::vector<std::string> titles;
  while (const std::optional<Lease> lease = LeaseTo(worker)) {
    titles.push_back(lease->title);
    const Status status = Succeed(worker, *lease);
    LWQ_CHECK(status.ok(), status.ToString());
  }
  return titles;
}

Lease SchedulerHarness::RunUntil(const WorkerId& worker, const std::string& title) {
  while (const std::optional<Lease> lease = LeaseTo(worker)) {
    if (lease->title == title) return *lease;
    const Status status = Succeed(worker, *lease);
    LWQ_CHECK(status.ok(), status.ToString());
  }
  LWQ_CHECK(false, "no task is titled '", title, "'");
  return {};
}

const TaskRecord& SchedulerHarness::TaskTitled(const RunId& id, std::string_view title) const {
  for (const RunTaskRecord& planned : run(id).tasks) {
    if (planned.title == title) return task(planned.key);
  }
  LWQ_CHECK(false, "run ", id.value, " has no task titled '", title, "'");
  return task(Digest());
}

namespace {

// The ledger of activations against what the tasks say; "" or the first difference.
std::string CheckLedger(const State& state) {
  std::map<Digest, int64_t> results;
  std::map<Digest, int64_t> readers;
  const auto result_of = [&](const TaskEntry& task, const std::string& role) -> const ArtifactRef* {
    if (task.record.state != TaskState::kSucceeded || !IsDisposable(task.record.def->kind, role)) return nullptr;
    const auto& outputs = state.actions.at(task.record.action_key).outputs;
    const auto output = outputs.find(role);
    return output == outputs.end() ? nullptr : &output->second;
  };
  for (const auto& [key, task] : state.tasks) {
    if (task.record.state == TaskState::kSucceeded) {
      for (const auto& [role, artifact] : state.actions.at(task.record.action_key).outputs) {
        if (!IsDisposable(task.record.def->kind, role)) continue;
        ++results[artifact.digest];
        readers[artifact.digest] += task.holders;
      }
    }
    if (task.record.state == TaskState::kFailed || task.record.state == TaskState::kCancelled ||
        task.record.state == TaskState::kSucceeded) {
      continue;
    }
    for (const auto& [role, input] : task.record.def->inputs) {
      const auto* made = std::get_if<TaskOutputRef>(&input);
      if (made == nullptr) continue;
      const ArtifactRef* artifact = result_of(state.tasks.at(made->derivation_key), made->output);
      if (artifact != nullptr) ++readers[artifact->digest];
    }
  }
  int64_t stored_bytes = 0;
  int64_t discarded_bytes = 0;
  int64_t needed_bytes = 0;
  std::map<std::string, int64_t> of_projects;
  for (const auto& [digest, activation] : state.activations.all()) {
    const std::string name = absl::StrCat("activation ", digest.short_hex());
    if (activation.results != results[digest]) return absl::StrCat(name, " counts ", activation.results, " results");
    if (activation.readers != readers[digest]) return absl::StrCat(name, " counts ", activation.readers, " readers");
    if (activation.state == ActivationState::kStored) stored_bytes += activation.size_bytes;
    if (activation.state == ActivationState::kDiscarded) discarded_bytes += activation.size_bytes;
    const bool unneeded = activation.state == ActivationState::kStored && activation.readers == 0;
    if (activation.state == ActivationState::kStored && !unneeded) {
      needed_bytes += activation.size_bytes;
      of_projects[activation.project.value_or("")] += activation.size_bytes;
    }
    if (unneeded != (activation.unneeded_since != 0)) return absl::StrCat(name, " is unneeded wrongly");
    results.erase(digest);
  }
  if (!results.empty()) return absl::StrCat("activation ", results.begin()->first.short_hex(), " is not known");
  if (state.activations.stored_bytes() != stored_bytes) return "the sum of stored activations is wrong";
  if (state.activations.needed_bytes() != needed_bytes) return "the sum of needed activations is wrong";
  std::map<std::string, int64_t> expected;
  for (const auto& [key, task] : state.tasks) {
    if (task.record.state == TaskState::kLeased) expected[task.place.project] += task.expected_bytes;
  }
  for (const auto& [project, bytes] : expected) {
    if (state.activations.expected_bytes_of(project) != bytes)
      return absl::StrCat("project '", project, "' expects other bytes");
  }
  for (const auto& [project, bytes] : of_projects) {
    if (state.activations.needed_bytes_of(project) != bytes)
      return absl::StrCat("project '", project, "' has other bytes");
  }
  if (state.activations.discarded_bytes() != discarded_bytes) return "the sum of discarded activations is wrong";
  return "";
}

}  // namespace

StatusOr<RunPreview> SchedulerHarness::Preview(const RunSpec& spec) const {
  DirectReader reader(state());
  return PreviewRun(reader, spec);
}

StatusOr<double> SchedulerHarness::SecondsWithWorkers(const RunId& id, int workers) const {
  LWQ_ASSIGN_OR_RETURN(const std::vector<TimedTask> recorded, RecordedTasks(state(), run(id)));
  return coordinator::SecondsWithWorkers(recorded, workers);
}

namespace {

// Every sweep with halving is what the replay of its journal says, and so is each of its runs.
std::string CheckHalvings(const State& state) {
  size_t with_halving = 0;
  for (const auto& [id, sweep] : state.sweeps) {
    if (!sweep.halving.has_value()) continue;
    ++with_halving;
    const StatusOr<HalvingSweep> replayed = ReplayHalving(sweep.halving->rule, sweep.rung_results);
    if (!replayed.ok()) return absl::StrCat("sweep ", id.value, ": ", MessageOf(replayed.status()));
    if (!replayed->ended() && std::ssize(sweep.members) != sweep.halving->rule.runs) {
      return absl::StrCat("sweep ", id.value, " has lost a run that its halving compares");
    }
    for (const SweepRecord::Member& member : sweep.members) {
      const RunEntry& run = state.runs.at(member.run);
      const HalvingPlace place = replayed->PlaceOf(member.place);
      const std::string name =
          absl::StrCat("run ", member.place, " of sweep ", id.value, " (", RunStateName(run.record.state), ")");
      if (run.sweep_place != member.place) return absl::StrCat(name, " has another's place");
      if (place != state.halvings.at(id).PlaceOf(member.place))
        return absl::StrCat(name, " is not where the replay has it");
      if (IsTerminal(run.record.state)) {
        if (place.decision == HalvingDecision::kPromote) return absl::StrCat(name, " has ended and is not recorded");
        continue;
      }
      const bool stopped = place.decision == HalvingDecision::kStop && !run.record.left_halving;
      if (stopped != (run.record.state == RunState::kStopped)) return absl::StrCat(name, " is stopped wrongly");
      if (run.promoted_blocks != PromotedBlocks(*sweep.halving, *replayed, run)) {
        return absl::StrCat(name, " may train ", run.promoted_blocks, " blocks");
      }
      if (place.decision == HalvingDecision::kPromote &&
          RungValue(state, run, *sweep.halving, place.rung).has_value()) {
        return absl::StrCat(name, " has reached rung ", place.rung, " and is not recorded");
      }
    }
  }
  if (state.sweep_revisions.size() != state.sweeps.size()) return "a revision is of no sweep";
  return with_halving == state.halvings.size() ? "" : "a halving is of no sweep";
}

// Which runs have which tasks, requests and sweeps.
std::string CheckRunIndexes(const State& state) {
  std::map<Digest, std::set<int64_t>> runs_of_task;
  std::set<std::string> requests;
  for (const auto& [id, run] : state.runs) {
    const std::string name = absl::StrCat("run ", id.value);
    for (const RunTaskRecord& planned : run.tasks) {
      if (!state.tasks.contains(planned.key)) return absl::StrCat(name, " has a task that is gone: ", planned.title);
      runs_of_task[planned.key].insert(run.record.sequence);
    }
    if (!run.request_id.empty()) requests.insert(run.request_id);
    const auto news = state.run_news.runs().find(run.revision);
    if (news == state.run_news.runs().end() || news->second != id) return absl::StrCat(name, " is not in the news");
    if (state.runs_by_sequence.at(run.record.sequence) != id) return absl::StrCat(name, " has another's sequence");
    if (run.record.remaking.is_zero() == state.remaking_runs.contains(run.record.sequence)) {
      return absl::StrCat(name, " has a result made again wrongly");
    }
    if (run.sweep.value.empty()) continue;
    const auto sweep = state.sweeps.find(run.sweep);
    if (sweep == state.sweeps.end()) return absl::StrCat(name, " is in a sweep that is gone");
    if (sweep->second.members.at(run.sweep_position).run != id) return absl::StrCat(name, " is misplaced in its sweep");
  }
  if (state.runs_by_sequence.size() != state.runs.size()) return "a sequence is of no run";
  for (const auto& [id, request] : state.requests) {
    if (!requests.contains(id)) return absl::StrCat("request ", id, " is of no run");
  }
  for (const auto& [id, sweep] : state.sweeps) {
    for (const SweepRecord::Member& member : sweep.members) {
      if (state.runs.at(member.run).sweep != id) return absl::StrCat("sweep ", id.value, " has another's run");
    }
    if (sweep.members.empty()) return absl::StrCat("sweep ", id.value, " has no run");
  }
  for (const auto& [key, task] : state.tasks) {
    if (task.runs != runs_of_task[key]) return absl::StrCat("task ", key.short_hex(), " does not know its runs");
    if (task.runs.empty() != state.orphans.contains(key)) {
      return absl::StrCat("task ", key.short_hex(), " is an orphan wrongly");
    }
  }
  for (const Digest& key : state.orphans) {
    if (!state.tasks.contains(key)) return absl::StrCat("orphan ", key.short_hex(), " is gone");
  }
  return "";
}

// Kept results against the actions that have them.
std::string CheckKept(const State& state) {
  std::map<Digest, int64_t> results;
  for (const auto& [key, action] : state.actions) {
    const auto users = state.action_users.find(key);
    if (users == state.action_users.end()) return absl::StrCat("action ", key.short_hex(), " is no task's");
    const TaskKind kind = state.tasks.at(*users->second.begin()).record.def->kind;
    for (const auto& [role, artifact] : action.outputs) {
      if (!IsDisposable(kind, role)) ++results[artifact.digest];
    }
  }
  for (const auto& [digest, kept] : state.kept.all()) {
    const auto counted = results.find(digest);
    if (counted == results.end() || counted->second != kept.results) {
      return absl::StrCat("artifact ", digest.short_hex(), " counts ", kept.results, " results");
    }
    results.erase(counted);
  }
  return results.empty() ? "" : absl::StrCat("artifact ", results.begin()->first.short_hex(), " is not known");
}

}  // namespace

std::string CheckIndexes(const State& state) {
  std::map<WorkerId, Digest> leases;
  std::map<std::string, ProjectShares::Use> uses;
  for (const auto& [key, task] : state.tasks) {
    const TaskRecord& record = task.record;
    const auto name = [&, key = key] {
      return absl::StrCat("task ", key.short_hex(), " (", TaskStateName(record.state), ")");
    };
    const bool owns = record.state == TaskState::kReady || record.state == TaskState::kLeased;
    const auto owner = state.action_owner.find(record.action_key);
    if (owns && (owner == state.action_owner.end() || owner->second != key)) {
      return absl::StrCat(name(), " does not own its action");
    }
    const bool delayed = task.not_before_ms != 0;
    const std::optional<ReadyQueue::Place> place = PlaceOf(state, task);
    if (task.queued != (record.state == TaskState::kReady && !delayed && place.has_value())) {
      return absl::StrCat(name(), " queued wrongly");
    }
    if (task.queued && task.place.urgency != place->urgency) return absl::StrCat(name(), " is queued in a wrong place");
    if (task.queued) ++uses[task.place.project].waiting;
    if (record.state == TaskState::kLeased) ++uses[task.place.project].running;
    if (delayed && !state.delayed.contains({task.not_before_ms, key}))
      return absl::StrCat(name(), " is not in delayed");
    if (record.state == TaskState::kLeased) {
      if (!leases.emplace(record.worker, key).second) return absl::StrCat(record.worker.value, " holds two leases");
      if (IsDuplicated(record) && !leases.emplace(record.older->worker, key).second) {
        return absl::StrCat(record.older->worker.value, " holds two leases");
      }
    } else if (record.older.has_value() || record.only_older) {
      return absl::StrCat(name(), " has an older lease");
    }
    if (state.stragglers.contains(key) && (record.state != TaskState::kLeased || record.older.has_value())) {
      return absl::StrCat(name(), " is a straggler wrongly");
    }
    if (record.state == TaskState::kSucceeded) {
      if (!state.actions.contains(record.action_key)) return absl::StrCat(name(), " has no result");
      if (!state.action_users.at(record.action_key).contains(key))
        return absl::StrCat(name(), " is no user of its action");
    }
    const bool terminal = record.state == TaskState::kSucceeded || record.state == TaskState::kFailed ||
                          record.state == TaskState::kCancelled;
    if (!terminal && task.wanted_by.empty()) return absl::StrCat(name(), " is wanted by no run");
    for (const auto& [sequence, position] : task.wanted_by) {
      const RunEntry& run = state.runs.at(state.runs_by_sequence.at(sequence));
      const bool works = run.record.state == RunState::kRunning || state.remaking_runs.contains(sequence);
      if (!works) return absl::StrCat(name(), " is wanted by a run that is over");
      if (run.tasks[position].key != key) return absl::StrCat(name(), " is wanted in another's place");
    }
  }
  size_t counted = 0;
  for (const auto& [id, worker] : state.workers) {
    const auto lease = leases.find(id);
    if (worker.lease.has_value() != (lease != leases.end())) return absl::StrCat(id.value, " has a wrong lease");
    if (worker.lease.has_value() && *worker.lease != lease->second)
      return absl::StrCat(id.value, " has another's lease");
    if (worker.counted != (IsHere(worker) && !worker.draining)) return absl::StrCat(id.value, " is counted wrongly");
    counted += worker.counted ? 1 : 0;
  }
  for (const auto& [shape, ids] : state.here) counted -= ids.size();
  if (counted != 0) return "the workers that are here are not those that are counted";
  for (const auto& [action, owner] : state.action_owner) {
    if (state.tasks.at(owner).record.action_key != action) return "an action is owned by a task that does another";
    if (state.actions.contains(action)) return "an action that has a result is being done";
  }
  for (const auto& [project, use] : state.shares.all()) {
    if (use.waiting != uses[project].waiting || use.running != uses[project].running) {
      return absl::StrCat("project '", project, "' has ", use.waiting, " waiting and ", use.running, " running");
    }
  }
  std::map<Digest, std::map<TaskKind, std::set<std::string>>> bases_of_model;
  for (const auto& [id, run] : state.runs) {
    if (!run.record.spec->model.has_value()) continue;
    for (const auto& [kind, base] : run.record.kind_bases) {
      bases_of_model[run.record.spec->model->files.digest][kind].insert(base);
    }
  }
  std::map<std::string, int64_t> running_on_base;
  for (const auto& [id, run] : state.runs) {
    const RunRecord& record = run.record;
    if (record.state != RunState::kRunning || record.numerics_class.empty()) continue;
    ++running_on_base[BaseOf(record.numerics_class)];
  }
  if (running_on_base != state.running_on_base) return "runs are not counted on the bases they are pinned to";
  if (bases_of_model != state.bases_of_model) return "the bases of a model are not those its runs are pinned to";
  if (const std::string wrong = CheckHalvings(state); !wrong.empty()) return wrong;
  for (const auto& [id, run] : state.runs) {
    if (run.task_revisions.size() != run.tasks.size()) return absl::StrCat("run ", id.value, " has a task unrevised");
    if (run.record.state == RunState::kRunning && run.counts != CountTasks(state, run)) {
      return absl::StrCat("run ", id.value, " counts ", run.counts.done, " done and ", run.counts.not_executed,
                          " not executed");
    }
    if (run.record.state == RunState::kRunning && run.unfinished != CountUnfinished(state, run)) {
      return absl::StrCat("run ", id.value, " counts its unfinished tasks wrongly");
    }
    if (run.record.state == RunState::kRunning && run.counts.done == static_cast<int64_t>(run.tasks.size())) {
      return absl::StrCat("run ", id.value, " is done but runs");
    }
  }
  ProjectInputs inputs;
  for (const auto& [id, run] : state.runs) inputs.Add(*run.record.spec);
  if (inputs != state.inputs) return "the inputs of projects are counted wrongly";
  const std::string runs_wrong = CheckRunIndexes(state);
  if (!runs_wrong.empty()) return runs_wrong;
  const std::string kept_wrong = CheckKept(state);
  return kept_wrong.empty() ? CheckLedger(state) : kept_wrong;
}

namespace {

// The first key that one has and the other has not, as "what KEY is …".
template <typename Key, typename Text>
std::string Difference(std::string_view what, const std::set<Key>& known, const std::set<Key>& stored, Text text) {
  for (const Key& key : known) {
    if (!stored.contains(key)) return absl::StrCat(what, " ", text(key), " is not stored");
  }
  for (const Key& key : stored) {
    if (!known.contains(key)) return absl::StrCat(what, " ", text(key), " is stored, and nobody knows it");
  }
  return "";
}

}  // namespace

std::string CheckStored(const State& state, const Records& records) {
  const auto hex = [](const Digest& digest) { return digest.short_hex(); };
  const auto as_is = [](const std::string& text) { return text; };
  std::set<std::string> runs, stored_runs, requests, stored_requests, sweeps, stored_sweeps;
  std::set<Digest> tasks, stored_tasks, actions, stored_actions, discarded, stored_discarded;
  for (const auto& [id, run] : state.runs) runs.insert(id.value);
  for (const RunRecord& run : records.runs) stored_runs.insert(run.id.value);
  for (const auto& [id, request] : state.requests) requests.insert(id);
  for (const RequestRecord& request : records.requests) stored_requests.insert(request.request_id);
  for (const auto& [id, sweep] : state.sweeps) {
    sweeps.insert(absl::StrCat(id.value, " of ", MembersToText(sweep.members), " with ", sweep.rung_results.size()));
  }
  for (const SweepRecord& sweep : records.sweeps) {
    stored_sweeps.insert(
        absl::StrCat(sweep.id.value, " of ", MembersToText(sweep.members), " with ", sweep.rung_results.size()));
  }
  for (const auto& [key, task] : state.tasks) tasks.insert(key);
  for (const TaskRecord& task : records.tasks) stored_tasks.insert(task.key);
  for (const auto& [key, action] : state.actions) actions.insert(key);
  for (const ActionRecord& action : records.actions) stored_actions.insert(action.key);
  for (const auto& [digest, activation] : state.activations.all()) {
    if (activation.state != ActivationState::kStored) discarded.insert(digest);
  }
  for (const auto& [digest, kept] : state.kept.all()) {
    if (kept.retired) discarded.insert(digest);
  }
  for (const DiscardedRecord& record : records.discarded) stored_discarded.insert(record.artifact.digest);
  std::string wrong = Difference("run", runs, stored_runs, as_is);
  if (wrong.empty()) wrong = Difference("task", tasks, stored_tasks, hex);
  if (wrong.empty()) wrong = Difference("action", actions, stored_actions, hex);
  if (wrong.empty()) wrong = Difference("request", requests, stored_requests, as_is);
  if (wrong.empty()) wrong = Difference("sweep", sweeps, stored_sweeps, as_is);
  if (wrong.empty()) wrong = Difference("discarded artifact", discarded, stored_discarded, hex);
  for (const auto& [run, planned] : records.run_tasks) {
    if (wrong.empty() && !runs.contains(run.value)) wrong = absl::StrCat("tasks of run ", run.value, " are stored");
  }
  for (const LogRecord& line : records.logs) {
    if (wrong.empty() && !runs.contains(line.run.value))
      wrong = absl::StrCat("a line of ", line.run.value, " is stored");
  }
  return wrong;
}

std::string CheckEmpty(const State& state) {
  const auto left = [](std::string_view what, size_t count) {
    return count == 0 ? std::string() : absl::StrCat(count, " ", what, " left; ");
  };
  std::string text = absl::StrCat(left("runs", state.runs.size() + state.runs_by_sequence.size()),
                                  left("sweeps", state.sweeps.size() + state.sweeps_by_sequence.size()),
                                  left("halvings", state.halvings.size() + state.sweep_revisions.size()),
                                  left("stragglers", state.stragglers.size() + state.straggler_times.size()),
                                  left("requests", state.requests.size() + state.sweeps_by_request.size()),
                                  left("tasks", state.tasks.size() + state.orphans.size()),
                                  left("actions", state.actions.size() + state.action_users.size()));
  absl::StrAppend(&text, left("owned actions", state.action_owner.size() + state.action_waiters.size()),
                  left("kept artifacts", state.kept.all().size()), left("activations", state.activations.all().size()),
                  left("deadlines", state.delayed.size() + state.execution_deadlines.size()),
                  left("retentions", state.retention_deadlines.size()),
                  left("pending runs", state.pending_runs.size() + state.remaking_runs.size()),
                  left("bases", state.bases_of_model.size() + state.running_on_base.size()),
                  left("bytes of inputs", static_cast<size_t>(state.inputs.total_bytes())));
  for (const auto& [project, use] : state.shares.all()) {
    absl::StrAppend(&text, left("shares of waiting or running tasks", static_cast<size_t>(use.waiting + use.running)));
  }
  for (const auto& [id, worker] : state.workers)
    absl::StrAppend(&text, left("leases", worker.lease.has_value() ? 1 : 0));
  return text;
}

std::string DescribeDurable(const State& state) {
  std::string text;
  for (const auto& [sequence, id] : state.runs_by_sequence) {
    const RunRecord& run = state.runs.at(id).record;
    absl::StrAppend(&text, "run ", id.value, " ", RunStateName(run.state), " ", run.numerics_class, " ",
                    KindBasesToText(run.kind_bases), " ", run.error, " ", ResultToText(run.result), " ",
                    state.runs.at(id).logs.size(), " ", DigestText(run.remaking),
                    run.left_halving ? " left halving" : "", "\n");
  }
  for (const auto& [id, request] : state.requests) absl::StrAppend(&text, "request ", id, " ", request.run.value, "\n");
  for (const auto& [id, sweep] : state.sweeps) {
    absl::StrAppend(&text, "sweep ", id.value, " ", MembersToText(sweep.members), " ", HalvingToText(sweep.halving),
                    "\n");
    for (const RungResult& result : sweep.rung_results) {
      absl::StrAppend(&text, "rung ", result.run, " ", result.rung, " ", result.value, "\n");
    }
  }
  for (const auto& [digest, kept] : state.kept.all()) {
    if (kept.retired) absl::StrAppend(&text, "retired ", digest.short_hex(), " ", kept.size_bytes, "\n");
  }
  for (const auto& [key, task] : state.tasks) {
    const TaskRecord& record = task.record;
    absl::StrAppend(&text, "task ", key.short_hex(), " ", TaskStateName(record.state), " ", record.token, "/",
                    record.reported_token, " ", record.worker.value, " ", record.attempts, " ");
    absl::StrAppend(&text, FailuresToText(record.failures), " ", record.lr_halvings, " ", record.from_cache, " ",
                    record.error, " ", DigestText(record.action_key), " ", CheckpointToText(record.checkpoint), "\n");
  }
  for (const auto* entry : InOrder(state.actions)) {
    const auto& [key, action] = *entry;
    absl::StrAppend(&text, "action ", key.short_hex(), " ", OutputsToText(action.outputs), " ", action.metrics_json,
                    "\n");
  }
  for (const auto& [digest, activation] : state.activations.all()) {
    if (activation.state == ActivationState::kStored) continue;
    absl::StrAppend(&text, activation.state == ActivationState::kDeleted ? "deleted " : "discarded ",
                    digest.short_hex(), " ", activation.size_bytes, "\n");
  }
  for (const auto& [id, worker] : state.workers)
    absl::StrAppend(&text, "worker ", id.value, " ", worker.record.name, "\n");
  absl::StrAppend(&text, "next worker ", state.next_worker, ", tokens above ", state.token_floor, "\n");
  return text;
}

}  // namespace lwq::coordinator::testing
