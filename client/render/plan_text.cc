#include "client/render/plan_text.h"

#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "client/render/format.h"
#include "client/render/run_text.h"
#include "client/render/table.h"
#include "common/status/status.h"

namespace lwq {
namespace {

using lwqat::v1::Plan;
using lwqat::v1::Run;

std::string Rate(double value) {
  return value > 0 ? FormatSignificant(value, 4) : "";
}

std::string BlockTable(const Plan& plan) {
  Table table({{"block", true},
               {"position", true},
               {"bits", true},
               {"group", true},
               {"stored bits", true},
               {"epochs", true},
               {"steps", true},
               {"quant_lr", true},
               {"zp_lr", true},
               {"weight_lr", true},
               {"patience", true}});
  for (const auto& block : plan.blocks()) {
    table.AddRow({absl::StrCat(block.layer_idx()), absl::StrCat(block.position()), absl::StrCat(block.bit_width()),
                  block.group_size() > 0 ? absl::StrCat(block.group_size()) : "row",
                  FormatFixed(block.stored_bits_per_weight(), 3), Rate(block.epochs()),
                  block.steps() > 0 ? absl::StrCat(block.steps()) : "", Rate(block.quant_lr()), Rate(block.zp_lr()),
                  Rate(block.weight_lr()), Rate(block.patience())});
  }
  return table.empty() ? "" : table.Render() + "\n";
}

std::string TasksLine(const Plan& plan) {
  int total = 0;
  int shared = 0;
  std::string kinds;
  for (const auto& [kind, count] : std::map<std::string, int>(plan.tasks().begin(), plan.tasks().end())) {
    total += count;
    absl::StrAppend(&kinds, kinds.empty() ? "" : ", ", count, " ", kind);
  }
  for (const auto& [kind, count] : plan.tasks_shared()) shared += count;
  std::string line = absl::StrCat("tasks        ", total);
  if (!kinds.empty()) absl::StrAppend(&line, " (", kinds, ")");
  if (shared > 0) absl::StrAppend(&line, ", ", shared, " of them already done or shared with other runs");
  return line + "\n";
}

std::string TimeText(const google::protobuf::Timestamp& time) {
  const absl::Time at = absl::FromUnixSeconds(time.seconds());
  return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", at, absl::UTCTimeZone());
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
  for (const auto& task : run.tasks()) {
    const std::string loss = LossText(task);
    table.AddRow({task.title(), task.from_cache() ? "reused" : TaskStateName(task.state()),
                  task.seconds() > 0 ? FormatSeconds(task.seconds()) : "",
                  task.peak_memory_bytes() > 0 ? FormatBytes(task.peak_memory_bytes()) : "",
                  task.peak_rss_bytes() > 0 ? FormatBytes(task.peak_rss_bytes()) : "",
                  loss.empty() ? "" : loss.substr(5), task.attempts() > 1 ? absl::StrCat(task.attempts()) : "",
                  task.worker(), OneLine(task.error())});
  }
  return table.empty() ? "" : absl::StrCat("\n", table.Render());
}

std::string BitsText(const Plan& plan) {
  if (plan.blocks().empty()) return "";
  return absl::StrCat(FormatSignificant(plan.average_bits(), 4), "/", plan.blocks(0).group_size());
}

}  // namespace

std::string RenderPlan(const Plan& plan) {
  std::string text = BlockTable(plan);
  if (!plan.blocks().empty()) {
    absl::StrAppend(&text, "bits         ", FormatSignificant(plan.average_bits(), 4), " a weight, ",
                    FormatFixed(plan.stored_bits_per_weight(), 3), " as stored\n");
    absl::StrAppend(&text, "size         ", FormatBytes(plan.quantized_bytes()), " of quantized linears, ",
                    FormatBytes(plan.export_bytes()), " exported\n");
  }
  absl::StrAppend(&text, TasksLine(plan));
  if (plan.peak_memory_bytes() > 0)
    absl::StrAppend(&text, "peak memory  ", FormatBytes(plan.peak_memory_bytes()), " (the largest task)\n");
  for (const std::string& remark : plan.remarks()) absl::StrAppend(&text, "note         ", OneLine(remark), "\n");
  return text;
}

std::string RenderRun(const Run& run, double now_unix_s) {
  std::string text = absl::StrCat("run          ", run.id(), " ", run.spec().name(), "\n");
  absl::StrAppend(&text, "state        ", RunStateName(run.state()), ", ", run.tasks_done(), "/", run.tasks_total(),
                  " tasks done");
  if (run.tasks_shared() > 0) absl::StrAppend(&text, ", ", run.tasks_shared(), " of them shared");
  absl::StrAppend(&text, "\n");
  if (!run.error().empty()) absl::StrAppend(&text, "error        ", OneLine(run.error()), "\n");
  if (run.has_submitted_at()) absl::StrAppend(&text, "submitted    ", TimeText(run.submitted_at()), "\n");
  absl::StrAppend(&text, "time         ", FormatSeconds(ElapsedSeconds(run, now_unix_s)), "\n");
  if (!run.numerics_class().empty()) absl::StrAppend(&text, "class        ", run.numerics_class(), "\n");
  for (const auto& perplexity : run.perplexities()) {
    absl::StrAppend(&text, "perplexity   ", FormatFixed(perplexity.perplexity(), 4), " ", perplexity.model(), " on ",
                    perplexity.text(), " (", perplexity.tokens(), " tokens)\n");
  }
  if (run.has_export_()) {
    absl::StrAppend(&text, "export       ", FormatBytes(run.export_bytes()), ", ", run.export_().digest(), "\n");
  }
  if (!run.result_digest().empty()) absl::StrAppend(&text, "result       ", run.result_digest(), "\n");
  return text + TaskTable(run);
}

std::string RenderRunList(const std::vector<Run>& runs, double now_unix_s) {
  Table table(
      {{"id"}, {"name"}, {"state"}, {"method"}, {"bits/group"}, {"tasks", true}, {"time", true}, {"submitted"}});
  for (const Run& run : runs) {
    table.AddRow({ShortId(run.id()), run.spec().name(), RunStateName(run.state()), run.plan().recipe().method(),
                  BitsText(run.plan()), absl::StrCat(run.tasks_done(), "/", run.tasks_total()),
                  FormatSeconds(ElapsedSeconds(run, now_unix_s)),
                  run.has_submitted_at() ? TimeText(run.submitted_at()) : ""});
  }
  return table.empty() ? "no runs\n" : table.Render();
}

std::string RenderWorkers(const lwqat::v1::ListWorkersResponse& workers) {
  Table table({{"name"},
               {"state"},
               {"device"},
               {"threads", true},
               {"memory", true},
               {"heartbeat", true},
               {"task"},
               {"numerics class"}});
  for (const auto& worker : workers.workers()) {
    const std::string state = !worker.alive()         ? "lost"
                              : worker.draining()     ? "draining"
                              : worker.task().empty() ? "idle"
                                                      : "busy";
    const double age =
        static_cast<double>(worker.since_heartbeat().seconds()) + worker.since_heartbeat().nanos() * 1e-9;
    table.AddRow({worker.name(), state, worker.device(), absl::StrCat(worker.max_threads()),
                  FormatBytes(worker.memory_bytes()),
                  worker.has_since_heartbeat() ? absl::StrCat(FormatSeconds(age), " ago") : "", worker.task(),
                  worker.numerics_class()});
  }
  return table.empty() ? "no workers\n" : table.Render();
}

}  // namespace lwq
