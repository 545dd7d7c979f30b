// SPDX-License-Identifier: Apache-2.0
#include "client/render/sweep_list.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "absl/strings/str_join.h"
#include "client/base/format.h"
#include "client/render/run_text.h"
#include "client/render/table.h"
#include "common/status/status.h"
#include "reporting/run_facts.h"

namespace lwq::client {
namespace {

std::map<std::string, std::string> Sorted(const lwqat::v1::Sweep::Member& member) {
  return {member.labels().begin(), member.labels().end()};
}

std::string StateText(const lwqat::v1::Sweep::Member& member) {
  return absl::StrCat(reporting::RunStateName(member.state()), member.paused() ? ", paused" : "");
}

std::string HalvingText(const lwqat::v1::Halving& halving) {
  return absl::StrCat(halving.order(), ", by ", halving.metric(), ": from ", halving.min_blocks(),
                      halving.min_blocks() == 1 ? " block on, one in " : " blocks on, one in ", halving.eta(),
                      " goes on");
}

size_t MostRungs(const lwqat::v1::Sweep& sweep) {
  int most = 0;
  for (const auto& member : sweep.members()) most = std::max(most, member.rung_values_size());
  return static_cast<size_t>(most);
}

}  // namespace

std::string LabelsText(const lwqat::v1::Sweep::Member& member) {
  const std::map<std::string, std::string> labels = Sorted(member);
  return labels.empty() ? "-" : OneLine(absl::StrJoin(labels, " ", absl::PairFormatter("=")));
}

std::string RenderSweepList(const std::vector<lwqat::v1::Sweep>& sweeps) {
  if (sweeps.empty()) return "no sweeps yet\n";
  Table table({{"id"}, {"submitted"}, {"name"}});
  for (const lwqat::v1::Sweep& sweep : sweeps) {
    table.AddRow({sweep.id(), TimeText(sweep.submitted_at()), OneLine(sweep.name())});
  }
  return table.Render();
}

std::string RenderSweep(const lwqat::v1::Sweep& sweep) {
  std::string text = absl::StrCat("sweep        ", sweep.id(), " ", OneLine(sweep.name()), "\nsubmitted    ",
                                  TimeText(sweep.submitted_at()), "\ntasks        ", sweep.tasks_done(), "/",
                                  sweep.tasks(), " done, each counted once\n");
  if (sweep.has_halving()) absl::StrAppend(&text, "halving      ", HalvingText(sweep.halving()), "\n");
  std::vector<Table::Column> columns = {{"run"}, {"labels"}, {"state"}};
  if (sweep.has_halving()) {
    columns.push_back({"blocks", true});
    for (size_t rung = 0; rung < MostRungs(sweep); ++rung) {
      columns.push_back({absl::StrCat(sweep.halving().metric(), " at rung ", rung), true});
    }
  }
  Table table(columns);
  for (const auto& member : sweep.members()) {
    std::vector<std::string> cells = {member.run_id(), LabelsText(member), StateText(member)};
    if (sweep.has_halving()) cells.push_back(absl::StrCat(member.promoted_blocks()));
    for (const double value : member.rung_values()) cells.push_back(FormatSignificant(value, 6));
    cells.resize(columns.size());
    table.AddRow(std::move(cells));
  }
  return text + table.Render();
}

Json SweepToJson(const lwqat::v1::Sweep& sweep) {
  Json json = {{"id", sweep.id()},
               {"name", sweep.name()},
               {"tasks", sweep.tasks()},
               {"tasks_done", sweep.tasks_done()},
               {"runs", Json::array()}};
  if (sweep.has_submitted_at()) json["submitted_unix_s"] = sweep.submitted_at().seconds();
  for (const auto& member : sweep.members()) {
    json["runs"].push_back({{"run_id", member.run_id()},
                            {"labels", Sorted(member)},
                            {"state", reporting::RunStateName(member.state())},
                            {"paused", member.paused()}});
    if (!sweep.has_halving()) continue;
    Json values = Json::array();
    for (const double value : member.rung_values()) values.push_back(std::isfinite(value) ? Json(value) : Json());
    json["runs"].back()["promoted_blocks"] = member.promoted_blocks();
    json["runs"].back()["rung_values"] = std::move(values);
  }
  if (sweep.has_halving()) {
    const lwqat::v1::Halving& halving = sweep.halving();
    json["halving"] = {{"metric", halving.metric()},
                       {"min_blocks", halving.min_blocks()},
                       {"eta", halving.eta()},
                       {"order", halving.order()}};
  }
  return json;
}

}  // namespace lwq::client
