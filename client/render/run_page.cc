// SPDX-License-Identifier: Apache-2.0
#include "client/render/run_page.h"

#include <map>

#include "client/base/format.h"
#include "client/render/run_text.h"
#include "client/render/table.h"
#include "common/status/status.h"
#include "reporting/layer_results.h"
#include "reporting/run_facts.h"
#include "reporting/training_outcome.h"

namespace lwq::client {
namespace {

using lwqat::v1::Plan;
using lwqat::v1::Run;
using lwqat::v1::Task;

// Of what stands at the start of a line of the page's head.
constexpr int kLabelWidth = 12;

std::vector<std::string> TaskCells(const Task& task) {
  const std::string loss = LossText(task);
  return {task.title(),
          task.from_cache() ? "reused" : reporting::TaskStateName(task.state()),
          task.seconds() > 0 ? FormatSeconds(task.seconds()) : "",
          task.peak_memory_bytes() > 0 ? FormatBytes(task.peak_memory_bytes()) : "",
          task.peak_rss_bytes() > 0 ? FormatBytes(task.peak_rss_bytes()) : "",
          loss.empty() ? "" : loss.substr(5),
          task.attempts() > 1 ? absl::StrCat(task.attempts()) : "",
          task.worker(),
          OneLine(task.error())};
}

std::vector<std::string> SensitivityCells(const Run& run) {
  const reporting::TaskGroup group = reporting::SensitivityTasks(run);
  return {SensitivityLabel(run),
          absl::StrCat(group.done, "/", group.total, " done"),
          group.seconds > 0 ? FormatSeconds(group.seconds) : "",
          group.peak_memory_bytes > 0 ? FormatBytes(group.peak_memory_bytes) : "",
          "",
          "",
          "",
          "",
          ""};
}

std::string TaskTable(const Run& run) {
  Table table({{"task"},
               {"state"},
               {"time", true},
               {"peak", true},
               {"RSS", true},
               {"loss", true},
               {"attempts", true},
               {"worker"},
               {"error"}});
  bool summed = false;
  for (const Task& task : run.tasks()) {
    const bool apart = !reporting::IsSensitivityTask(task) || task.state() == lwqat::v1::TASK_STATE_FAILED;
    if (!apart && !summed) table.AddRow(SensitivityCells(run));
    summed = summed || !apart;
    if (apart) table.AddRow(TaskCells(task));
  }
  return table.empty() ? "" : absl::StrCat("\n", table.Render());
}

// Of prepared blocks, in the order of the block: "0.35 0.1 0.5 0.4".
std::string ExponentsText(const reporting::LayerResult& layer) {
  std::string text;
  for (const auto& [source, exponent] : layer.scale_exponents) {
    absl::StrAppend(&text, text.empty() ? "" : " ", FormatSignificant(exponent, 4));
  }
  return text;
}

std::string LayerTable(const Run& run) {
  Table table({{"block", true},
               {"position", true},
               {"bits", true},
               {"group", true},
               {"sensitivity", true},
               {"epochs", true},
               {"steps", true},
               {"loss before", true},
               {"best", true},
               {"zero-point flips", true},
               {"exponents"},
               {"time", true},
               {"peak", true}});
  const auto number = [](const std::optional<double>& value, int digits) {
    return value.has_value() ? FormatSignificant(*value, digits) : "";
  };
  const auto integer = [](const std::optional<int64_t>& value) {
    return value.has_value() ? absl::StrCat(*value) : "";
  };
  for (const reporting::LayerResult& layer : reporting::LayerResults(run)) {
    const auto& loss = layer.best_val_loss.has_value() ? layer.best_val_loss : layer.final_val_loss;
    table.AddRow({absl::StrCat(layer.plan.layer_idx()), absl::StrCat(layer.plan.position()),
                  absl::StrCat(layer.plan.bit_width()),
                  layer.plan.group_size() > 0 ? absl::StrCat(layer.plan.group_size()) : "row",
                  number(layer.sensitivity, 6), number(layer.epochs_trained, 4), integer(layer.steps),
                  number(layer.initial_val_loss, 4), number(loss, 4), integer(layer.zero_point_flips),
                  ExponentsText(layer),
                  layer.training_seconds.has_value() ? FormatSeconds(*layer.training_seconds) : "",
                  layer.peak_memory_bytes.has_value() ? FormatBytes(*layer.peak_memory_bytes) : ""});
  }
  return table.empty() ? "" : absl::StrCat("\n", table.Render());
}

// Kinds that are pinned to another class than the run.
std::string ClassLines(const Run& run) {
  std::map<std::string, std::string> kinds_by_class;
  for (const auto& [kind, pinned] :
       std::map<std::string, std::string>(run.kind_classes().begin(), run.kind_classes().end())) {
    if (pinned == run.numerics_class()) continue;
    std::string& kinds = kinds_by_class[pinned];
    absl::StrAppend(&kinds, kinds.empty() ? "" : ", ", kind);
  }
  std::string text;
  if (!run.numerics_class().empty()) text = absl::StrCat("class        ", run.numerics_class(), "\n");
  for (const auto& [pinned, kinds] : kinds_by_class)
    absl::StrAppend(&text, "class        ", pinned, " of ", kinds, "\n");
  return text;
}

std::string SensitivityLines(const Run& run) {
  std::string text;
  for (const auto& measured : run.sensitivity()) {
    absl::StrAppend(&text, "sensitivity  ", measured.metric(), " over ", measured.samples(), " windows");
    if (measured.trained_blocks() > 0) absl::StrAppend(&text, " after ", measured.trained_blocks(), " trained blocks");
    const std::string extremes = ExtremesText(measured);
    absl::StrAppend(&text, extremes.empty() ? "" : ": ", extremes, "\n");
  }
  if (reporting::IsReordered(run.plan()))
    absl::StrAppend(&text, "order        ", OrderText(run.plan(), kOrderListed), "\n");
  return text;
}

// Where its sweep's halving has measured it, and how far it may go.
std::string HalvingLines(const Run& run) {
  if (!run.has_halving()) return "";
  const auto& halving = run.halving();
  std::string text =
      absl::StrCat("halving      may train ", halving.promoted_blocks(), " of ", run.plan().blocks_size(), " blocks");
  for (const auto& rung : halving.rungs()) {
    absl::StrAppend(&text, "; ", halving.metric(), " after ", rung.blocks(), ": ", FormatSignificant(rung.value(), 6));
  }
  return text + "\n";
}

std::string BitsText(const Plan& plan) {
  if (plan.blocks().empty()) return "";
  return absl::StrCat(FormatSignificant(plan.average_bits(), 4), "/", plan.blocks(0).group_size());
}

}  // namespace

std::string RenderRun(const Run& run, double now_unix_s) {
  std::string text = absl::StrCat("run          ", run.id(), " ", run.spec().name(), "\n");
  absl::StrAppend(&text, "state        ", reporting::RunStateName(run.state()), ", ", run.tasks_done(), "/",
                  run.tasks_total(), " tasks done");
  if (run.tasks_shared() > 0) absl::StrAppend(&text, ", ", run.tasks_shared(), " of them shared");
  absl::StrAppend(&text, "\n");
  if (!run.error().empty()) absl::StrAppend(&text, "error        ", OneLine(run.error()), "\n");
  absl::StrAppend(&text, HalvingLines(run));
  if (!run.waiting_reason().empty()) absl::StrAppend(&text, "waits        ", OneLine(run.waiting_reason()), "\n");
  if (run.has_submitted_at()) absl::StrAppend(&text, "submitted    ", TimeText(run.submitted_at()), "\n");
  absl::StrAppend(&text, "time         ", FormatSeconds(reporting::ElapsedSeconds(run, now_unix_s)), "\n");
  absl::StrAppend(&text, ClassLines(run), SensitivityLines(run));
  for (const auto& measured : run.measured()) {
    absl::StrAppend(&text, PadRight(measured.metric(), kLabelWidth), " ", ValueText(measured), " ", measured.subject(),
                    " on ", measured.dataset(), " (", CountText(measured), ")\n");
  }
  if (run.has_export_()) {
    absl::StrAppend(&text, "export       ", FormatBytes(run.export_bytes()), ", ", run.export_().digest(), "\n");
  }
  if (!run.result_digest().empty()) absl::StrAppend(&text, "result       ", run.result_digest(), "\n");
  for (const std::string& remark : reporting::UselessTrainingRemarks(run))
    absl::StrAppend(&text, "note         ", remark, "\n");
  return absl::StrCat(text, LayerTable(run), TaskTable(run));
}

std::string RenderRunList(const std::vector<Run>& runs, double now_unix_s) {
  Table table(
      {{"id"}, {"name"}, {"state"}, {"method"}, {"bits/group"}, {"tasks", true}, {"time", true}, {"submitted"}});
  for (const Run& run : runs) {
    table.AddRow({reporting::ShortId(run.id()), run.spec().name(), reporting::RunStateName(run.state()),
                  run.plan().recipe().method(), BitsText(run.plan()),
                  absl::StrCat(run.tasks_done(), "/", run.tasks_total()),
                  FormatSeconds(reporting::ElapsedSeconds(run, now_unix_s)),
                  run.has_submitted_at() ? TimeText(run.submitted_at()) : ""});
  }
  return table.empty() ? "no runs\n" : table.Render();
}

namespace {

// What has failed on the worker, and what follows from it.
std::string FailuresNote(const lwqat::v1::WorkerInfo& worker) {
  if (worker.has_quarantine()) {
    return absl::StrCat(worker.name(), " is given nothing for ",
                        FormatSeconds(static_cast<double>(worker.quarantine().seconds()) + 1),
                        " yet: ", worker.failures(), " (lwq workers --release ", worker.name(), ")\n");
  }
  return absl::StrCat(worker.name(), worker.probed() ? " is tried again after a quarantine: " : ": ", worker.failures(),
                      "\n");
}

}  // namespace

std::string RenderWorkers(const lwqat::v1::ListWorkersResponse& workers) {
  Table table({{"name"},
               {"state"},
               {"device"},
               {"threads", true},
               {"memory", true},
               {"heartbeat", true},
               {"task"},
               {"numerics class"}});
  std::string notes;
  for (const auto& worker : workers.workers()) {
    const std::string state = !worker.alive()           ? "lost"
                              : worker.draining()       ? "draining"
                              : worker.has_quarantine() ? "quarantined"
                              : worker.task().empty()   ? "idle"
                                                        : "busy";
    if (!worker.failures().empty()) absl::StrAppend(&notes, FailuresNote(worker));
    const double age =
        static_cast<double>(worker.since_heartbeat().seconds()) + worker.since_heartbeat().nanos() * 1e-9;
    table.AddRow({worker.name(), state, worker.device(), absl::StrCat(worker.max_threads()),
                  FormatBytes(worker.memory_bytes()),
                  worker.has_since_heartbeat() ? absl::StrCat(FormatSeconds(age), " ago") : "", worker.task(),
                  worker.numerics_class()});
  }
  return table.empty() ? "no workers\n" : table.Render() + notes;
}

}  // namespace lwq::client
