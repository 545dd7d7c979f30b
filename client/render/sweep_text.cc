// SPDX-License-Identifier: Apache-2.0
#include "client/render/sweep_text.h"

#include <algorithm>
#include <map>

#include "client/base/format.h"
#include "client/render/table.h"
#include "common/status/status.h"
#include "reporting/json_text.h"

namespace lwq::client {
namespace {

using lwqat::v1::Plan;
using lwqat::v1::SweepPlan;
using Plans = google::protobuf::RepeatedPtrField<Plan>;

constexpr size_t kSweepHeaderEvery = 40;  // rows

// Keys of labels in the order they are first seen.
std::vector<std::string> AxisKeys(const std::vector<SweepArm>& arms) {
  std::vector<std::string> keys;
  for (const SweepArm& arm : arms) {
    for (const auto& [key, label] : arm.labels) {
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
    }
  }
  return keys;
}

std::string LabelOf(const SweepArm& arm, const std::string& key) {
  const auto found =
      std::find_if(arm.labels.begin(), arm.labels.end(), [&](const auto& label) { return label.first == key; });
  return found == arm.labels.end() ? "" : OneLine(found->second);
}

int64_t StepsOf(const Plan& plan) {
  std::map<int, int64_t> by_unit;
  for (const lwqat::v1::BlockPlan& block : plan.blocks()) by_unit[block.unit()] = block.steps();
  int64_t steps = 0;
  for (const auto& [unit, own] : by_unit) steps += own;
  return steps;
}

std::vector<std::string> PlanCells(const Plan& plan) {
  const std::string bits = FormatSignificant(plan.average_bits(), 4);
  const int64_t steps = StepsOf(plan);
  return {plan.blocks().empty() ? ""
          : plan.provisional()  ? absl::StrCat(bits, "*")
                                : bits,
          plan.stored_bits_per_weight() > 0 ? FormatFixed(plan.stored_bits_per_weight(), 3) : "",
          plan.export_bytes() > 0 ? FormatBytes(plan.export_bytes()) : "", steps > 0 ? absl::StrCat(steps) : ""};
}

// "note  text (12 of 36 arms)", each text once, in the order first seen.
std::string RemarkLines(const Plans& plans) {
  std::vector<std::string> order;
  std::map<std::string, int> arms;
  for (const Plan& plan : plans) {
    for (const std::string& remark : plan.remarks()) {
      if (++arms[remark] == 1) order.push_back(remark);
    }
  }
  std::string text;
  for (const std::string& remark : order) {
    absl::StrAppend(&text, "note         ", OneLine(remark));
    if (arms[remark] < plans.size()) absl::StrAppend(&text, " (", arms[remark], " of ", plans.size(), " arms)");
    absl::StrAppend(&text, "\n");
  }
  return text;
}

std::string Share(double part, double whole) {
  return absl::StrCat(FormatFixed(whole > 0 ? 100 * part / whole : 0, 0), " %");
}

// What halving leaves of the trainings and of the device time.
std::string HalvingLines(const SweepPlan::Halved& halving, double device_seconds) {
  std::string text = "halving      ";
  for (int i = 0; i < halving.rungs_size(); ++i) {
    const auto& rung = halving.rungs(i);
    absl::StrAppend(&text, i == 0 ? "" : ", ", rung.runs(), rung.runs() == 1 ? " run to " : " runs to ", rung.blocks());
  }
  absl::StrAppend(&text, halving.rungs(halving.rungs_size() - 1).blocks() == 1 ? " block\n" : " blocks\n");
  absl::StrAppend(&text, "             trains ", halving.least_trainings(), " to ", halving.most_trainings(), " of ",
                  halving.trainings(), " distinct blocks");
  if (halving.has_least_device_seconds() && halving.has_most_device_seconds()) {
    absl::StrAppend(&text, "; device time ", FormatSeconds(halving.least_device_seconds()), " to ",
                    FormatSeconds(halving.most_device_seconds()), " of ", FormatSeconds(device_seconds));
  }
  return text + "\n";
}

std::string CostLines(const SweepPlan& plan) {
  std::string text = absl::StrCat(
      "tasks        ", plan.tasks(), " of all runs, ", plan.distinct_tasks(),
      " distinct: ", plan.tasks() - plan.distinct_tasks(), " saved (",
      Share(static_cast<double>(plan.tasks() - plan.distinct_tasks()), static_cast<double>(plan.tasks())), ")");
  if (plan.known_tasks() > 0) absl::StrAppend(&text, ", ", plan.known_tasks(), " of them known already");
  absl::StrAppend(&text, "\n");
  for (const SweepPlan::Kind& kind : plan.kinds()) {
    absl::StrAppend(&text, "             ", kind.kind(), " ", kind.tasks(), ", ", kind.distinct(), " distinct");
    if (kind.known() > 0) absl::StrAppend(&text, ", ", kind.known(), " known");
    absl::StrAppend(&text, "\n");
  }
  if (plan.growing_runs() > 0) {
    absl::StrAppend(&text, "             ", plan.growing_runs(),
                    " runs measure first and get more tasks then; what is known of them is counted\n");
  }
  if (plan.has_device_seconds()) {
    absl::StrAppend(&text, "device time  ", FormatSeconds(plan.device_seconds()));
    if (plan.has_alone_device_seconds())
      absl::StrAppend(&text, "; the runs one by one ", FormatSeconds(plan.alone_device_seconds()));
    absl::StrAppend(&text, "\n");
  }
  if (plan.has_estimated_seconds())
    absl::StrAppend(&text, "time         about ", FormatSeconds(plan.estimated_seconds()),
                    " with the workers there are\n");
  if (plan.has_halving() && !plan.halving().rungs().empty())
    absl::StrAppend(&text, HalvingLines(plan.halving(), plan.device_seconds()));
  if (plan.has_peak_activation_bytes())
    absl::StrAppend(&text, "activations  ", FormatBytes(plan.peak_activation_bytes()), " stored at once at most\n");
  return text;
}

}  // namespace

std::string RenderSweep(const SweepView& sweep) {
  const std::vector<std::string> keys = AxisKeys(sweep.arms);
  std::vector<Table::Column> columns = {{"#", true}};
  for (const std::string& key : keys) columns.push_back({key});
  for (const char* title : {"bits", "stored bits", "size", "steps"}) columns.push_back({title, true});
  Table table(columns);
  for (size_t i = 0; i < sweep.arms.size(); ++i) {
    std::vector<std::string> cells = {absl::StrCat(i + 1)};
    for (const std::string& key : keys) cells.push_back(LabelOf(sweep.arms[i], key));
    for (std::string& cell : PlanCells(sweep.plan.plans(static_cast<int>(i)))) cells.push_back(std::move(cell));
    table.AddRow(std::move(cells));
  }
  std::string text = table.Render(kSweepHeaderEvery);
  absl::StrAppend(&text, "\nsweep        ", OneLine(sweep.name), ": ", sweep.arms.size(),
                  sweep.arms.size() == 1 ? " run" : " runs");
  if (sweep.combinations != static_cast<int64_t>(sweep.arms.size()))
    absl::StrAppend(&text, " of ", sweep.combinations, " combinations");
  absl::StrAppend(&text, "\n");
  absl::StrAppend(&text, CostLines(sweep.plan));
  const Plans& plans = sweep.plan.plans();
  if (std::any_of(plans.begin(), plans.end(), [](const Plan& plan) { return plan.provisional(); }))
    absl::StrAppend(&text, "provisional  *: sensitivity is measured first, and decides\n");
  for (const std::string& remark : sweep.remarks) absl::StrAppend(&text, "remark       ", OneLine(remark), "\n");
  return absl::StrCat(text, RemarkLines(plans));
}

Json SweepToJson(const SweepView& sweep) {
  Json arms = Json::array();
  for (size_t i = 0; i < sweep.arms.size(); ++i) {
    const SweepArm& arm = sweep.arms[i];
    Json labels = Json::object();
    for (const auto& [key, label] : arm.labels) labels[key] = label;
    arms.push_back({{"name", arm.name},
                    {"labels", labels},
                    {"overrides", arm.overrides},
                    {"plan", reporting::ToJson(sweep.plan.plans(static_cast<int>(i)))}});
  }
  SweepPlan cost = sweep.plan;
  cost.clear_plans();
  Json plan = reporting::ToJson(cost);
  plan.erase("plans");
  return {{"name", sweep.name},
          {"combinations", sweep.combinations},
          {"remarks", sweep.remarks},
          {"plan", plan},
          {"arms", arms}};
}

}  // namespace lwq::client
